"""Starts the server for an MCP client: chooses mode and resources, starts it detached, and waits in short calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from ...core.errors import LaunchFailed, UsageError
from ...core.server.record import ServerState
from ...core.server.status import ServerStatus
from ...core.settings import Mode, Settings
from ...core.site_settings import require_unlocked
from ...core.slurm.queue import QueueUnknown
from ...core.slurm.script import check_count, check_gres, check_limited_time, check_partition
from ...core.slurm.survey import Partition, format_span, parse_gres, survey_lines
from ...core.slurm.terms import parse_span
from .launcher import Launcher

SURVEY_KEPT_S: Final = 300.0
"""how long a survey stays valid: a question must not change before its answer comes back"""
_STEP_S: Final = 0.5
BEAT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Choice:
    """The user's choices for the server; None keeps the previous one."""

    mode: Mode | None = None
    time_limit: str | None = None
    partition: str | None = None
    gres: str | None = None
    cpus: int | None = None
    mem_mb: int | None = None

    def values(self) -> dict[str, str]:
        """As variables without prefix. Raises UsageError for a value that Slurm does not accept."""
        found: dict[str, str] = {}
        if self.mode is not None:
            found["RUN_MODE"] = str(self.mode)
        if self.time_limit:
            found["SLURM_TIME"] = check_limited_time(self.time_limit.strip())
        if self.partition:
            found["SLURM_PARTITION"] = check_partition(self.partition.strip())
        if self.gres is not None and self.gres.strip():
            gres = self.gres.strip()
            found["SLURM_GRES"] = gres if gres.lower() == "none" else check_gres(gres)
        if self.cpus is not None:
            found["SLURM_CPUS"] = str(check_count("cpus", self.cpus))
        if self.mem_mb is not None:
            found["SLURM_MEM"] = str(check_count("mem_mb", self.mem_mb))
        return found


class ChoiceStore(Protocol):
    def read(self) -> dict[str, str]: ...
    def write(self, values: Mapping[str, str]) -> None: ...


class SetOff(Protocol):
    """A start that runs in a process of its own."""

    @property
    def exit_code(self) -> int | None: ...
    async def output(self) -> str: ...


@dataclass(frozen=True, slots=True)
class StartLook:
    """One look at a start."""

    status: ServerStatus | None
    """None while the start is being prepared"""
    is_settled: bool
    """ready, over, or usable elsewhere only: waiting changes nothing"""

    @property
    def sentence(self) -> str:
        if self.status is None:
            return "Preparing the start."
        return " ".join([self.status.sentence, *self.status.details])


Beat = Callable[[float, str], Awaitable[None]]
"""`(seconds waited, a sentence on the status)`"""


class ClientStart:
    """Launches a start and waits for it."""

    def __init__(
        self,
        launcher: Launcher,
        choices: ChoiceStore,
        mode_set: Mode | None,
        settings: Settings,
        has_slurm: Callable[[], bool],
        survey: Callable[[], Awaitable[tuple[Partition, ...] | QueueUnknown]],
        set_off: Callable[[list[str], Mapping[str, str]], SetOff],
        offer: str = "",
    ) -> None:
        """`mode_set`: what the environment says; `settings`: those of this process, with the site's; `offer`: a sentence on the job that this process runs in; `set_off(arguments, values)` runs `jlab-mcp start --detach`."""
        self._launcher = launcher
        self._choices = choices
        self._mode_set = settings.run_mode if "RUN_MODE" in settings.locked else mode_set
        self._settings = settings
        self._has_slurm = has_slurm
        self._survey = survey
        self._set_off = set_off
        self._offer = offer
        self._surveyed: tuple[float, tuple[Partition, ...] | QueueUnknown] | None = None
        self._running: SetOff | None = None

    def known_mode(self) -> Mode | None:
        """Where the server runs, None if the user has to choose. Raises UsageError for damaged choices."""
        if self._mode_set is not None:
            return self._mode_set
        if chosen := self._choices.read().get("RUN_MODE"):
            return Mode(chosen)
        if self._settings.run_mode is not None:
            return self._settings.run_mode
        return None if self._has_slurm() else Mode.LOCAL

    async def is_there(self) -> bool:
        """Whether a server runs or is starting."""
        status = await self._launcher.look()
        return status is not None and status.state.is_live

    async def partitions(self) -> tuple[Partition, ...] | QueueUnknown:
        """The cluster's partitions, queried again after some minutes."""
        now = time.monotonic()
        if self._surveyed is None or now - self._surveyed[0] > SURVEY_KEPT_S:
            self._surveyed = (now, await self._survey())
        return self._surveyed[1]

    async def survey(self) -> str:
        """sinfo's present answer, one line a partition, below the job that this process runs in."""
        found = await self.partitions()
        if isinstance(found, QueueUnknown):
            lines = [f"(sinfo gives no answer: {found.reason})"]
        else:
            lines = survey_lines(found) or ["(sinfo lists no partition)"]
        return "\n".join([*filter(None, [self._offer]), *lines])

    async def start(self, choice: Choice, *, bootstrap: bool = False) -> None:
        """Store the choices and launch the start. Raises UsageError for a choice that the cluster cannot meet, or the site forbids."""
        values = choice.values()
        mode_in_force = {"RUN_MODE": str(self._settings.run_mode)}.items()
        require_unlocked(self._settings.locked, dict(values.items() - mode_in_force))
        merged = {**self._choices.read(), **values}
        mode = choice.mode or self.known_mode()
        assert mode is not None
        if mode is Mode.SLURM:
            _check_against(merged, await self.partitions())
        try:
            await asyncio.to_thread(self._choices.write, merged)
            arguments = ["--mode", str(mode), *(["--bootstrap"] if bootstrap else [])]
            self._running = await asyncio.to_thread(self._set_off, arguments, values)
        except OSError as error:
            raise LaunchFailed(
                f"The start could not be launched: {error}.", "Run `jlab-mcp start` in a terminal."
            ) from None

    async def look(self) -> StartLook:
        """Look once. A server that takes too long to come up is ended. Raises NoServer, LaunchFailed."""
        status = await self._launcher.look()
        if status is None:
            await self._refuse_if_failed()
            return StartLook(None, is_settled=False)
        if status.give_up:
            done = await self._launcher.give_up(status)
            raise LaunchFailed(
                f"{status.sentence} {done}", "`jlab-mcp logs` shows why; then call start_server()."
            )
        is_ours_running = self._running is not None and self._running.exit_code is None
        is_ready = status.state is ServerState.READY and bool(status.reachable)
        is_over = status.is_over and not is_ours_running
        return StartLook(status, is_settled=is_ready or is_over or status.is_elsewhere)

    async def wait(self, timeout: float, queue_timeout: float, beat: Beat) -> StartLook:
        """Look until the server is ready or over, for `timeout` seconds, or `queue_timeout` in the queue.

        Raises NoServer, LaunchFailed.
        """
        started = last_beat = time.monotonic()
        last = ""
        while True:
            look = await self.look()
            waited = time.monotonic() - started
            is_queued = look.status is not None and look.status.state is ServerState.PENDING
            if look.is_settled or waited >= (min(timeout, queue_timeout) if is_queued else timeout):
                return look
            now = time.monotonic()
            sentence = look.status.sentence if look.status is not None else look.sentence
            if sentence != last or now - last_beat >= BEAT_S:
                last, last_beat = sentence, now
                await beat(waited, look.sentence)
            await asyncio.sleep(_STEP_S)

    async def _refuse_if_failed(self) -> None:
        """Raise the reason why there is no record: no start, or a start that failed early."""
        running = self._running
        if running is None:
            raise self._launcher.no_server()
        if running.exit_code is None:
            return
        self._running = None
        lines = (await running.output()).strip().splitlines()
        failure = next(
            (line for line in lines if line.startswith("jlab-mcp: ")),
            lines[-1] if lines else "no reason given",
        )
        hint = lines[lines.index(failure) + 1].strip() if failure in lines[:-1] else ""
        raise LaunchFailed(failure.removeprefix("jlab-mcp: "), hint)


def _check_against(values: Mapping[str, str], found: tuple[Partition, ...] | QueueUnknown) -> None:
    """Raise UsageError for a partition or GPU type that the cluster does not have; unknowns pass."""
    if isinstance(found, QueueUnknown) or not found:
        return
    listed = "Partitions:\n" + "\n".join(survey_lines(found))
    name = values.get("SLURM_PARTITION", "")
    wanted = [p for p in found if p.name == name] if name else [p for p in found if p.is_default]
    if name and not wanted and "," not in name:
        raise UsageError(f"There is no partition {name!r}.", listed)
    gres = values.get("SLURM_GRES", "")
    requested = parse_gres(gres) if gres and gres.lower() != "none" else ()
    for partition in wanted:
        limit, asked_time = partition.time_limit, parse_span(values.get("SLURM_TIME", ""))
        if limit is not None and asked_time is not None and asked_time > limit:
            raise UsageError(
                f"Partition {partition.name} allows {format_span(limit)} at most, not {values['SLURM_TIME']}.",
                listed,
            )
        if not partition.is_up:
            raise UsageError(f"Partition {partition.name} is closed.", listed)
        for one in requested:
            there = [g for g in partition.gres if g.name == one.name and one.kind in ("", g.kind)]
            if one.name == "gpu" and not any(g.count >= one.count for g in there):
                raise UsageError(f"Partition {partition.name} has no node with {gres}.", listed)
