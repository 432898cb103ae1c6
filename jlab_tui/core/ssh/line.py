"""The line from a relay to its worker on another machine: which ssh comes next, and what its end means.

Pure: the relay's process starts and watches ssh. No dataclass, see `place`.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Final, NamedTuple

from .argv import ALONE, PATIENT_S, program_command, run_there
from .place import RemotePlace

BEGIN_S: Final = 40.0
"""how long a program may take to begin after ssh was started; a login node under load takes long"""
THROUGH_S: Final = 15.0
"""the same through a connection that is open: one that has broken unseen says nothing at all"""
SLEPT_S: Final = 5.0
"""by how much the clock is ahead after the machine slept; what was connected then is not any more"""
GRACE_S: Final = 86_400.0
"""how long kernels of a lost line wait for it: a night"""
SSH_FAILED: Final = 255
NOT_FOUND: Final = 127
NOT_IN_TIME: Final = 124
"""as the exit code of a program that did not begin in time and was ended by us"""
_TOO_OLD: Final = ("There is no command", "unrecognized argument", "No such option")
"""what a jlab-mcp answers that does not know how another machine starts it"""
_UNREACHED_S: Final = (0.5, 1.0, 2.0)
"""pauses while nobody is reached: nothing is asked of any host, and the network may be back at any moment"""
_UNANSWERED_S: Final = (0.2,)
"""pause after a try that waited by itself, for `_PROBE_S`"""
_REFUSED_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0)
"""pauses while the host answers and something there fails"""
_PROBE_S: Final = 2
"""for one try to connect, as another follows: a lost packet is sent again after 1 s, and only after 3 s from then on. So a
network that comes back is seen within little more than a second; a host that is there and slow gets `PATIENT_S`"""
_TIMED_OUT: Final = "timed out"
_UNREACHED: Final = (
    "could not resolve hostname",
    "no route to host",
    "network is unreachable",
    "network is down",
    "host is down",
    _TIMED_OUT,
    "can't assign requested address",
    "connection refused",
)
_SLOW: Final = ("banner exchange", "key exchange timed out", "timed out during")
"""the host has taken the connection, and is slow"""


class LineEnd(NamedTuple):
    """What an end of ssh means."""

    why: str
    """a clause: "No route to host" """
    pause_s: float
    """before the next try"""
    refusal: str = ""
    """what the tools answer meanwhile, if trying again leads nowhere until the user has done something"""


class SshLine:
    """What one relay knows of its line."""

    def __init__(self, place: RemotePlace, crossing: str) -> None:
        """`crossing`: what `encode_crossing` wrote."""
        self.place = place
        self._crossing = crossing
        self._tries = 0
        """since it was up"""
        self._is_slow = False
        self._avoids_shared = False
        """the open connection is there and dead"""
        self._needs_login = False
        """an own connection was refused"""

    def command(self, control: str, arguments: Sequence[str]) -> tuple[list[str], float]:
        """The next ssh, and how long it may take to begin. `control`: an open connection's socket, empty if there is none."""
        if control and self._avoids_shared and not self._needs_login:
            control = ALONE
        patience = PATIENT_S if self._is_slow else _PROBE_S
        there = program_command(self.place.program, self._crossing, arguments)
        argv = run_there(self.place, there, control=control, patience_s=patience)
        is_through = bool(control) and control != ALONE
        return argv, THROUGH_S if is_through else BEGIN_S

    def began(self) -> None:
        """The program there runs."""
        self._tries, self._is_slow, self._avoids_shared = 0, False, False

    def ended(self, code: int, said: str, *, had_begun: bool, is_hung: bool = False) -> LineEnd | None:
        """What the end of ssh means; None if it is the program that ended, after it had begun.

        `said`: the end of what came on stderr. `is_hung`: we ended it because nothing began."""
        if code >= 0 and code != SSH_FAILED:
            return None if had_begun else self._not_begun(code, said)
        if is_hung:
            again = f" again; {_install(self.place)} looks at what is there" if self._avoids_shared else ""
            self._avoids_shared = not self._avoids_shared
            return self._again(f"it did not answer{again}", _REFUSED_S)
        refusal = refusal_of(self.place, said)
        if refusal:
            self._needs_login = self._needs_login or is_denied(said)
            return LineEnd(last_line(said), _REFUSED_S[-1], refusal)
        low = said.lower()
        self._is_slow = any(sign in low for sign in _SLOW)
        is_unreached = not self._is_slow and any(sign in low for sign in _UNREACHED)
        pauses: Sequence[float] = _UNREACHED_S if is_unreached else _REFUSED_S
        if is_unreached and _TIMED_OUT in low:
            pauses = _UNANSWERED_S
        return self._again(last_line(said) or "it broke", pauses)

    def _not_begun(self, code: int, said: str) -> LineEnd:
        """The program on the other machine could not begin, and said why."""
        self._tries += 1
        return LineEnd(f"exit code {code}", _REFUSED_S[-1], not_begun(self.place, code, said))

    def _again(self, why: str, pauses: Sequence[float]) -> LineEnd:
        pause = pauses[min(self._tries, len(pauses) - 1)]
        self._tries += 1
        return LineEnd(why, pause)


def has_slept(wall_s: float, monotonic_s: float) -> bool:
    """Whether the machine slept, by how far its two clocks went on meanwhile."""
    return wall_s - monotonic_s > SLEPT_S


def is_denied(said: str) -> bool:
    low = said.lower()
    return "permission denied" in low or "too many authentication failures" in low


def refusal_of(place: RemotePlace, said: str) -> str:
    """The sentence for a failure that only the user can mend; empty for any other."""
    low = said.lower()
    if "host identification has changed" in low:
        return (
            f"{place.host} shows another key than before, so nothing was sent. Ask its administrators whether it changed; "
            f"ssh names the old line: ssh {place.host}"
        )
    if "host key verification failed" in low:
        return f"The key of {place.host} is not known here. Compare and accept it once: ssh {place.host}"
    if is_denied(said) and "session open refused by peer" in low:
        return (
            f"{place.host} allows one session at a time in a connection (MaxSessions), and another program has it. "
            f"End that one, or log in anew: jlab-mcp login {place.host}"
        )
    if is_denied(said):
        return f"{place.host} asks who you are. Log in once, in a terminal: jlab-mcp login {place.host}"
    return ""


def not_begun(place: RemotePlace, code: int, said: str) -> str:
    """The sentence for a program that did not begin on the other machine."""
    if any(sign in said for sign in _TOO_OLD):
        return (
            f"{place.host} has a jlab-mcp that is too old for this. This installs another: {_install(place)}"
        )
    if code == NOT_IN_TIME:
        return (
            f"jlab-mcp did not begin on {place.host} within {BEGIN_S:g} s. The host is busy, or what is installed there is not "
            f"this jlab-mcp; this looks at it: {_install(place)}"
        )
    own = [line.strip() for line in said.splitlines() if line.strip()]
    for number, line in enumerate(own):
        if line.startswith("jlab-mcp: "):
            return " ".join([line.removeprefix("jlab-mcp: "), *own[number + 1 :]])
    if code == NOT_FOUND or "not found" in said or "No such file" in said:
        return f"{place.host} has no jlab-mcp. This installs it there: {_install(place)}"
    return (
        f"jlab-mcp did not start on {place.host} (exit code {code}): {last_line(said) or 'it said nothing'}"
    )


def _install(place: RemotePlace) -> str:
    return f"jlab-mcp init --ssh {shlex.quote(str(place))}"


def last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1].removeprefix("ssh: ")[:300] if lines else ""
