"""Decides, for a relay, between the next ssh and a stand-in that says what the user has to do first."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from ...core.ssh.crossing import begins, crossing_of, encode_crossing
from ...core.ssh.line import LineEnd, SshLine, has_slept
from ...core.ssh.place import RemotePlace
from .control import open_control

_TRY_S: Final = 3.0
"""between two tries that a call asks for while nothing has changed"""
_LOOK_S: Final = 60.0
"""between tries that nobody asks for, while a call waits"""


class NextStart(NamedTuple):
    """What to start next."""

    command: list[str]
    begin_s: float
    """0 for a process of this machine"""
    stands_in: bool = False


class LineKeeper:
    """A line, and what is known about it on this machine."""

    def __init__(self, line: SshLine, local: Callable[[list[str]], list[str]], relay_id: str) -> None:
        """`local` completes the command of a process of this machine."""
        self._line = line
        self._local = local
        self._relay_id = relay_id
        self._control = ""
        self._refusal = ""
        self._tried_at = 0.0

    def next(self, generation: int) -> NextStart:
        if self._refusal:
            return NextStart(self._local(["--worker", "--stand-in", self._refusal]), 0.0, stands_in=True)
        self._tried_at, self._control = time.monotonic(), open_control(self._line.place)
        worker = ["--worker", "--relay", self._relay_id, "--generation", str(generation), "--key-fd", "0"]
        return NextStart(*self._line.command(self._control, worker))

    @classmethod
    def of(
        cls,
        place: RemotePlace,
        env: Mapping[str, str],
        local: Callable[[list[str]], list[str]],
        relay_id: str,
    ) -> LineKeeper:
        """The line to a place, over which the settings and the conversation of `env` cross."""
        crossing = encode_crossing(crossing_of(place.host, place.directory, env))
        return cls(SshLine(place, crossing), local, relay_id)

    def begun_by(self, line: bytes) -> str | None:
        """The version of the program that begins with this line; None for talk before it."""
        version = begins(line)
        if version is not None:
            self._line.began()
        return version

    def has_slept(self, wall_s: float, monotonic_s: float) -> bool:
        """Whether this machine slept, by how far its clocks went on."""
        return has_slept(wall_s, monotonic_s)

    def ended(self, code: int, said: str, *, had_begun: bool, is_hung: bool) -> LineEnd | None:
        """See `SshLine.ended`. What only the user can mend brings the stand-in next."""
        end = self._line.ended(code, said, had_begun=had_begun, is_hung=is_hung)
        if end is not None:
            self._refusal = end.refusal
        return end

    def refuse(self, why: str) -> None:
        """Bring the stand-in next, which answers the handshake of a client that would give up waiting."""
        self._refusal = f"{self._line.place.host} cannot be reached now: {why}."

    def may_try(self, *, is_asked: bool) -> bool:
        """Whether the line is worth another try: the user logged in, a call asks for it, or some time has passed."""
        waited = time.monotonic() - self._tried_at
        has_logged_in = open_control(self._line.place) not in ("", self._control)
        return has_logged_in or waited > (_TRY_S if is_asked else _LOOK_S)

    def try_again(self) -> None:
        self._refusal = ""
