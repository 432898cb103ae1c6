"""Decides who owns which kernel, and when to shut down an unowned one. Pure: the clock is a parameter.

A client (one MCP process, named by a uuid) claims a kernel and gets an epoch; its open channels connection is the
lease. Another client may take over from an owner that is silent on a live connection (a suspended process), but the
server does not shut its kernels down. The epoch grows with each owner, so a process that wakes up notices the takeover.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Collection, Dict, List, Mapping, Optional, Set, Tuple, Union

RECONNECT_GRACE_S = 20.0
ON_EXIT = ("shutdown", "keep", "kill")


@dataclass(frozen=True)
class Graces:
    """How long to keep a kernel without an owner, in seconds."""

    exit_s: float = 30.0
    """After the owner left, for an idle kernel."""
    unclaimed_busy_s: float = 600.0
    """After the end of a run that outlived its owner."""
    reconnect_s: float = RECONNECT_GRACE_S
    """For an owner to reconnect before it counts as gone."""
    exit_by: str = ""
    """The setting that says `exit_s`, if one does."""


@dataclass(frozen=True)
class Granted:
    epoch: int
    previous: Optional[Dict[str, Any]]
    adopted: bool
    """The kernel had a recording before, with another owner or none."""
    displaced: Optional[str]
    """The client whose connections to close."""


@dataclass(frozen=True)
class Refused:
    owner: Dict[str, Any]
    epoch: int


@dataclass(frozen=True)
class Ownerless:
    """A kernel whose owner is gone."""

    left_s: float
    """Seconds since the owner was last here."""
    released: bool
    """The owner said that it leaves; otherwise it was lost."""
    ends_in_s: Optional[float]
    """None while something keeps the kernel."""
    stays: str
    """What keeps it: `busy`, `used` by others, `keep` (the owner's wish), or nothing."""
    idle_s: float
    """How long it may be idle."""
    by: str
    """The setting that says so, if one does."""


@dataclass
class _Claim:
    session: Optional[str]
    epoch: int
    client: Optional[str]
    """None once released."""
    owner: Dict[str, Any]
    on_exit: str
    connections: Set[object]
    silent: Set[object]
    """Connections whose client is there but does not answer: a suspended process."""
    unowned_at: Optional[float]
    """When the owner left, or will count as gone; None while it is here."""
    exit_s: Optional[float] = None
    """The owner's own grace for an idle kernel, if any."""
    exit_by: str = ""
    """The setting that it comes from."""
    was_busy: bool = False
    """Whether a run was seen since the owner left."""
    idle_at: float = 0.0
    """When the last such run ended."""
    used_at: float = 0.0
    """When others were last connected since the owner left."""

    @property
    def line_s(self) -> Optional[float]:
        """How long to wait for an owner that is gone without a release: its line broke, and it will be back."""
        return self.owner.get("line_grace_s") if self.client is not None else None


class Claims:
    """Every claim of this server, by kernel id."""

    def __init__(self, graces: Graces) -> None:
        self.graces = graces
        self._claims: Dict[str, _Claim] = {}

    def claim(
        self,
        kernel: str,
        session: Optional[str],
        owner: Mapping[str, Any],
        takeover: bool,
        now: float,
        on_exit: Optional[str] = None,
        exit_s: Optional[float] = None,
        exit_by: str = "",
    ) -> Union[Granted, Refused]:
        """Claim a kernel for a client; `owner` has its uuid as "client". A connection may change `on_exit` later."""
        client = str(owner["client"])
        held = self._claims.get(kernel)
        if held is None:
            gone_at = self._gone_at(now)
            self._claims[kernel] = _Claim(
                session, 1, client, dict(owner), on_exit or "shutdown", set(), set(), gone_at, exit_s, exit_by
            )
            return Granted(1, None, adopted=False, displaced=None)
        if held.client == client:
            held.session = session or held.session
            held.owner = dict(owner)
            held.on_exit = on_exit or held.on_exit
            if exit_s is not None:
                held.exit_s, held.exit_by = exit_s, exit_by
            if not held.connections:
                held.unowned_at = self._gone_at(now)
                held.was_busy = False
            return Granted(held.epoch, None, adopted=False, displaced=None)
        if held.client is not None and held.connections - held.silent and not takeover:
            return Refused(held.owner, held.epoch)
        displaced = held.client if held.connections else None
        previous = held.owner
        epoch = held.epoch + 1
        self._claims[kernel] = _Claim(
            session or held.session,
            epoch,
            client,
            dict(owner),
            on_exit or "shutdown",
            set(),
            set(),
            self._gone_at(now),
            exit_s,
            exit_by,
        )
        return Granted(epoch, previous, adopted=True, displaced=displaced)

    def connected(self, kernel: str, client: str, epoch: int, on_exit: str, connection: object) -> bool:
        """Note a connection to the channels. False if the client does not hold this epoch."""
        held = self._claims.get(kernel)
        if held is None or held.client != client or held.epoch != epoch:
            return False
        held.connections.add(connection)
        held.on_exit = on_exit
        held.unowned_at = None
        return True

    def disconnected(self, kernel: str, connection: object, now: float) -> None:
        """Note that a connection closed; the owner may come back within the reconnect grace."""
        held = self._claims.get(kernel)
        if held is None or connection not in held.connections:
            return
        held.connections.discard(connection)
        held.silent.discard(connection)
        if not held.connections and held.client is not None:
            held.unowned_at = self._gone_at(now)
            held.was_busy = False

    def silent(self, kernel: str, connection: object, is_silent: bool) -> None:
        """Note whether a client answers. Others may take over from a silent one; its kernel stays, because it may wake up."""
        held = self._claims.get(kernel)
        if held is None or connection not in held.connections:
            return
        if is_silent:
            held.silent.add(connection)
        else:
            held.silent.discard(connection)

    def release(self, client: str, on_exit: Optional[str], now: float) -> List[str]:
        """Note that a client leaves; returns its kernels."""
        kernels = [kernel for kernel, held in self._claims.items() if held.client == client]
        for kernel in kernels:
            held = self._claims[kernel]
            held.client = None
            held.on_exit = on_exit or held.on_exit
            held.unowned_at = now
            held.was_busy = False
        return kernels

    def owns(self, kernel: str, client: Optional[str], epoch: Optional[int]) -> bool:
        held = self._claims.get(kernel)
        return held is not None and client is not None and held.client == client and held.epoch == epoch

    def owner_of(self, kernel: str) -> Tuple[Optional[Dict[str, Any]], bool, int, Optional[str]]:
        """Return (owner or None, whether it is connected and answers, epoch, session)."""
        held = self._claims.get(kernel)
        if held is None:
            return None, False, 0, None
        owner = held.owner if held.client is not None else None
        return owner, owner is not None and bool(held.connections - held.silent), held.epoch, held.session

    def forget(self, kernel: str) -> None:
        """Drop the claim on a kernel that is gone."""
        self._claims.pop(kernel, None)

    def held(self, now: float) -> Set[str]:
        """The kernels of clients that are here, or may come back within the reconnect grace."""
        return {
            kernel
            for kernel, claim in self._claims.items()
            if claim.client is not None and (claim.unowned_at is None or now < claim.unowned_at)
        }

    def due(
        self, busy: Mapping[str, bool], now: float, used: Collection[str] = ()
    ) -> List[Tuple[str, bool]]:
        """Return (kernel, whether to kill it even if busy) for each kernel to shut down now. Call it every second.

        `used`: kernels to which others are connected, such as JupyterLab."""
        found = []
        for kernel, held in self._claims.items():
            if held.unowned_at is None or now < held.unowned_at or held.on_exit == "keep":
                continue
            if held.on_exit == "kill" and held.line_s is None:
                found.append((kernel, True))
            elif busy.get(kernel, False):
                held.was_busy = True
                held.idle_at = now
            elif kernel in used:
                held.used_at = now
            elif now >= self._deadline(held)[0]:
                found.append((kernel, False))
        return found

    def left(self, kernel: str, is_busy: bool, is_used: bool, now: float) -> Optional[Ownerless]:
        """Return since when a kernel has no owner, and how long it stays; None while the owner is here or may come back."""
        held = self._claims.get(kernel)
        if held is None or held.unowned_at is None or now < held.unowned_at:
            return None
        is_released = held.client is None
        left_s = now - held.unowned_at + (0.0 if is_released else self.graces.reconnect_s)
        deadline, idle_s, by = self._deadline(held)
        if held.on_exit == "kill" and held.line_s is None:
            return Ownerless(left_s, is_released, 0.0, "", 0.0, "JLAB_MCP_ON_EXIT")
        stays = (
            "keep" if held.on_exit == "keep" else "busy" if is_busy else "used" if is_used else ""
        )
        return Ownerless(left_s, is_released, None if stays else max(0.0, deadline - now), stays, idle_s, by)

    def _deadline(self, held: _Claim) -> Tuple[float, float, str]:
        """Return when an idle kernel is due, after how many idle seconds, and the setting that says so."""
        assert held.unowned_at is not None
        exit_s, by = (self.graces.exit_s, self.graces.exit_by) if held.exit_s is None else (held.exit_s, held.exit_by)
        longer_s = max(held.line_s or 0.0, self.graces.unclaimed_busy_s if held.was_busy else 0.0)
        idle_s, by = (longer_s, "") if longer_s > exit_s else (exit_s, by)
        since = max(held.idle_at if held.was_busy else held.unowned_at, held.used_at)
        return since + idle_s, idle_s, by

    def _gone_at(self, now: float) -> float:
        return now + self.graces.reconnect_s


def configured(base: Graces, config: Mapping[str, Any]) -> Graces:
    """Return the graces, overridden by the configuration."""
    return Graces(
        exit_s=float(config.get("exit_grace_s", base.exit_s)),
        exit_by=str(config.get("exit_grace_by", base.exit_by)),
        unclaimed_busy_s=float(config.get("unclaimed_busy_grace_s", base.unclaimed_busy_s)),
        reconnect_s=float(config.get("reconnect_grace_s", base.reconnect_s)),
    )


def owned_by(owner: Mapping[str, Any]) -> str:
    """Return a close reason of at most 123 bytes."""
    name = owner.get("name") or owner.get("client")
    text = "owned by %s (pid %s on %s)" % (name, owner.get("pid"), owner.get("host"))
    return text.encode("ascii", "replace")[:120].decode()
