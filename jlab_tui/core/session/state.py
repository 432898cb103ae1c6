"""The state of a session: whether it is usable, what its kernel holds and which runs are open. See `core.session.step`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usable:
    """Code can run now, or once the connection is back."""


@dataclass(frozen=True, slots=True)
class EndedWithServer:
    """The server is gone for good."""

    why: str
    """one sentence, like `why` of the two below"""


@dataclass(frozen=True, slots=True)
class EndedWithKernel:
    """The kernel is gone; only a restart can bring it back."""

    why: str


@dataclass(frozen=True, slots=True)
class TakenOver:
    """Another process holds the session, and writes its journal and its notebook. This process does neither again."""

    why: str


Availability = Usable | EndedWithServer | EndedWithKernel | TakenOver


@dataclass(frozen=True, slots=True)
class Restart:
    """A restart requested through this session, which the server has not answered yet."""

    by: str
    runs: tuple[str, ...]
    """open runs at the request; the restart ends them"""
    has_exited: bool = False
    """the exit notice of the old process has arrived"""
    has_failed: bool = False
    """the server did not confirm the restart; an exit notice may"""


@dataclass(frozen=True, slots=True)
class Kernel:
    """The kernel's process, and what is known about its memory."""

    generation: int = 1
    """number of its restarts; earlier results are stale"""
    used: int = 0
    """the generation in which code last ran, ours or another client's"""
    users_own: bool = False
    """the user started it"""
    was_unused: bool = False
    """it had run nothing when the session started"""
    others_busy: bool = False
    """another client's code runs"""
    ran_elsewhere: frozenset[int] = frozenset()
    """hashes of the code that other clients ran in this generation"""
    is_shut_down: bool = False
    restart: Restart | None = None
    awaited: tuple[str, ...] = ()
    """who asked for the restarts that are done and whose exit notice is still on its way, oldest first. None comes for a
    process that had ended before."""
    restarted_by: str = ""
    """who requested the last exit through us; empty if nobody did"""

    @property
    def is_as_found(self) -> bool:
        """Whether it is the user's kernel and holds the user's variables."""
        return self.users_own and self.generation == 1 and not self.was_unused


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A requested run that has not ended."""

    run: str
    msg_id: str
    is_sent: bool = False
    """before that, its preparer ends it"""
    is_held: bool = False
    """on record, and unsent until the user has decided"""
    has_started: bool = False
    generation: int = 0
    """of the kernel when it was asked for; 0 for a run of an earlier process"""


@dataclass(frozen=True, slots=True)
class Batch:
    """Cells that run one after another."""

    is_over: bool = False
    stopped: str = ""
    """why it stopped before its last cell, one sentence"""


@dataclass(frozen=True, slots=True)
class SessionStatus:
    session: str
    kernel_id: str
    is_recorded: bool
    """whether the server keeps the kernel's messages until we acknowledge them; a stock server does not"""
    availability: Availability = Usable()
    kernel: Kernel = Kernel()
    open: tuple[OpenRun, ...] = ()
    """the last one is the run in progress"""
    notice: str = ""
    """a notice about the kernel for the next reply"""
    batch: Batch | None = None

    @property
    def why_over(self) -> str:
        """Why the session is unusable, one sentence; empty while it is usable."""
        return "" if isinstance(self.availability, Usable) else self.availability.why

    @property
    def is_taken_over(self) -> bool:
        return isinstance(self.availability, TakenOver)

    @property
    def current(self) -> str:
        """The run in progress; empty if there is none."""
        return self.open[-1].run if self.open else ""

    @property
    def is_kernel_busy(self) -> bool:
        """Whether our run or another client's code is on the kernel, as far as we know."""
        return self._has_code or self.kernel.others_busy

    @property
    def holds_state(self) -> bool:
        """Whether there may be variables: not in a kernel that we started or restarted and that has run nothing since."""
        return self.kernel.is_as_found or self._has_code or self.kernel.used == self.kernel.generation

    @property
    def _has_code(self) -> bool:
        """Whether code of ours is on the kernel, or about to be."""
        return any(not run.is_held for run in self.open)

    def ran_elsewhere(self, source: str) -> bool:
        """Return whether another client's run of this code may be the last one in the present kernel."""
        return self.kernel.is_as_found or hash(source) in self.kernel.ran_elsewhere

    def find(self, run: str) -> OpenRun | None:
        return next((known for known in self.open if known.run == run), None)
