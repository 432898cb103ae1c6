"""No running server is forgotten, mistaken for another or started twice, even with broken files or a full disk."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from jlab_tui.adapters.files import Intent
from jlab_tui.adapters.server.status_file import StatusFile
from jlab_tui.core.errors import (
    LaunchFailed,
    ServerError,
    ServerNotReady,
    ServerUnreachable,
    StatusFileDamaged,
    StatusFileUnreadable,
)
from jlab_tui.core.link.bridge import LinkFacts
from jlab_tui.core.progress.tracks import Pace
from jlab_tui.core.server.record import ServerRecord, ServerState, SlurmFacts
from jlab_tui.core.server.status import Health, Limits, Observation, ServerStatus
from jlab_tui.core.settings import Mode
from jlab_tui.headless import leave
from jlab_tui.services.server.launcher import Launcher
from jlab_tui.services.server.launcher_ports import LauncherPorts
from jlab_tui.services.server.walltime_notice import WalltimeNotice, clock_of

READY = ServerRecord(
    ServerState.READY, Mode.LOCAL, hostname="here", pid=123, pid_start="9", port=1, token="t",
    url="http://127.0.0.1:1", started=1000.0, launcher="here",
)  # fmt: skip

LIMITS = Limits(local_start_s=0.3, ready_s=0.3)


class Flaky(StatusFile):
    """On a file system whose next reads fail."""

    failures: list[int]

    def __init__(self, path: Path, *failures: int) -> None:
        super().__init__(path)
        self.failures = list(failures)

    def read_bytes(self) -> bytes:
        if self.failures:
            raise OSError(self.failures.pop(), "trouble", str(self.path))
        return super().read_bytes()


@dataclass
class Machine:
    """Where servers run, as far as a launcher sees."""

    alive: bool | None = True
    elsewhere: bool = False
    launched: int = 0
    launch_fails: bool = False
    ended: list[int] = field(default_factory=list)
    cleared: list[int] = field(default_factory=list)

    announces: ServerRecord | None = None
    """a job, before it is known whether it is taken"""
    in_between: Callable[[], Awaitable[None]] | None = None

    async def launch(
        self, say: Callable[[str], None], announce: Callable[[ServerRecord], None]
    ) -> ServerRecord:
        if self.announces:
            announce(self.announces)
        if self.in_between:
            await self.in_between()
        if self.launch_fails:
            raise LaunchFailed("It does not start.", "Change something.")
        self.launched += 1
        return replace(READY, state=ServerState.STARTING, started=time.time(), pid=1000 + self.launched)

    async def observe(self, record: ServerRecord, *, urgent: bool = False) -> Observation:
        return Observation(time.time(), process_alive=self.alive, is_elsewhere=self.elsewhere)

    def is_elsewhere(self, record: ServerRecord) -> bool:
        return self.elsewhere

    async def end(self, record: ServerRecord) -> str:
        self.ended.append(record.pid)
        return "ended"

    def clear_up(self, record: ServerRecord) -> None:
        self.cleared.append(record.pid)

    def may_retry(self, record: ServerRecord) -> bool:
        return False


@dataclass
class Answers:
    """What whoever is asked for their health answers."""

    health: Health = Health.OK
    asked: int = 0

    async def ask_health(self, record: ServerRecord, patience: float) -> Health:
        self.asked += 1
        return self.health

    def link(self, record: ServerRecord) -> LinkFacts | None:
        return None

    async def warm_up(self) -> None:
        pass

    async def close(self) -> None:
        pass


def launcher_on(
    store: StatusFile, machine: Machine, answers: Answers | None = None, limits: Limits = LIMITS
) -> Launcher:
    intent = Intent(store.path.parent / "starting", socket.gethostname())
    machines = {Mode.LOCAL: machine, Mode.SLURM: machine}
    return Launcher(
        LauncherPorts("/project", store, intent, machines, answers or Answers(), limits, time.time)
    )


def say_nothing(text: str) -> None:
    pass


@pytest.mark.parametrize("trouble", [errno.ESTALE, errno.EIO])
async def test_a_file_replaced_under_its_reader_is_read_again(tmp_path: Path, trouble: int) -> None:
    store, machine = Flaky(tmp_path / "server-status"), Machine()
    store.write(READY)
    store.failures = [trouble]
    started = await launcher_on(store, machine).start(Mode.LOCAL, say_nothing)
    assert started.attached and started.status.record.pid == 123 and machine.launched == 0


async def test_a_record_read_a_moment_ago_is_not_read_again_for_a_warning_about_the_walltime(
    tmp_path: Path,
) -> None:
    store = Flaky(tmp_path / "server-status")
    store.write(READY)
    launcher = launcher_on(store, Machine())
    notice = WalltimeNotice(launcher, time.time)
    assert launcher.recall() is not None
    store.failures = [errno.EIO] * 10
    reads = len(store.failures)
    assert await notice.take("s-1", None) == "" and len(store.failures) == reads
    store.failures = []
    long_ago = launcher_on(store, Machine())
    assert (status := await long_ago.recall_lately()) is not None and status.record.pid == 123


async def test_a_run_that_will_not_fit_into_its_job_is_warned_of_once(tmp_path: Path) -> None:
    store = Flaky(tmp_path / "server-status")
    store.write(replace(READY, ends=20_000.0))
    launcher = launcher_on(store, Machine())
    assert launcher.recall() is not None
    notice = WalltimeNotice(launcher, lambda: 10_000.0)
    slow, quick = (Pace("step 5/10", 0.5, 0.01, left, 500.0) for left in (12_000.0, 9_000.0))
    assert await notice.take("s-1", quick) == "" == await notice.take("s-1", None)
    said = await notice.take("s-1", slow)
    clock = clock_of(10_000.0)
    assert f"ends about {clock(22_000.0)}, but its job ends {clock(20_000.0)}" in said and len(clock(2e6)) > 5
    assert await notice.take("s-1", slow) == "" != await notice.take("s-2", slow)


async def test_a_record_that_cannot_be_read_now_is_neither_replaced_nor_removed(tmp_path: Path) -> None:
    store, machine = Flaky(tmp_path / "server-status"), Machine()
    store.write(READY)
    launcher = launcher_on(store, machine)
    for act in (lambda: launcher.start(Mode.LOCAL, say_nothing), launcher.stop):
        store.failures = [errno.EACCES]
        with pytest.raises(StatusFileUnreadable):
            await act()
    store.failures = [errno.EACCES]
    with pytest.raises(StatusFileUnreadable):
        launcher.forget()
    assert store.read() == READY and machine.launched == 0 and machine.ended == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("STATE=draining\nMODE=local\nPID=55\nPID_START=1\nLAUNCHER=login1\nEND=1\n", "PID 55 on login1"),
        ("STATE=ready\nMODE=slurm\nJOB_ID=7\nHOSTNA", "scancel 7"),
    ],
    ids=["of a newer version", "torn"],
)
async def test_what_a_damaged_record_names_is_never_forgotten_unasked(
    tmp_path: Path, text: str, named: str
) -> None:
    store, machine = StatusFile(tmp_path / "server-status"), Machine()
    store.path.write_text(text, encoding="utf-8")
    launcher = launcher_on(store, machine)
    for act in (lambda: launcher.start(Mode.LOCAL, say_nothing), launcher.stop):
        with pytest.raises(StatusFileDamaged) as refused:
            await act()
        assert named in refused.value.hint and "stop --forget" in refused.value.hint
    assert store.path.read_text(encoding="utf-8") == text and machine.launched == 0
    assert named in launcher.forget()
    assert store.read() is None


async def test_a_damaged_record_that_names_nothing_is_cleared_by_stop_and_by_nothing_else(
    tmp_path: Path,
) -> None:
    store = StatusFile(tmp_path / "server-status")
    store.path.write_text("", encoding="utf-8")
    launcher = launcher_on(store, Machine())
    with pytest.raises(StatusFileDamaged, match="jlab-mcp stop"):
        await launcher.start(Mode.LOCAL, say_nothing)
    assert "removed" in await launcher.stop()
    assert store.read() is None


async def test_stop_with_nothing_to_stop_leaves_no_directory(tmp_path: Path) -> None:
    store = StatusFile(tmp_path / "servers" / "home-1" / "server-status")
    assert (await launcher_on(store, Machine()).stop()).startswith("Nothing is running")
    assert list(tmp_path.iterdir()) == []


async def test_a_start_ends_what_a_killed_stop_has_left_before_it_launches(tmp_path: Path) -> None:
    store, machine = StatusFile(tmp_path / "server-status"), Machine()
    store.write(READY.with_state(ServerState.STOPPING))
    started = await launcher_on(store, machine).start(Mode.LOCAL, say_nothing)
    assert machine.ended == [123] and machine.launched == 1 and not started.attached
    store.write(READY.with_state(ServerState.STOPPING))
    machine.launch_fails = True
    with pytest.raises(LaunchFailed):
        await launcher_on(store, machine).start(Mode.LOCAL, say_nothing)
    assert store.read() is None, "what has been ended is off the record"


class Full(StatusFile):
    """On a full disk."""

    is_full = False
    is_full_for = 0
    """a PID"""

    def write(self, record: ServerRecord) -> None:
        if self.is_full or (record.pid and record.pid == self.is_full_for):
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
        super().write(record)


async def test_a_full_disk_hides_no_state_and_keeps_nobody_from_stopping(tmp_path: Path) -> None:
    store, machine = Full(tmp_path / "server-status"), Machine(alive=False)
    store.write(READY)
    store.is_full = True
    launcher = launcher_on(store, machine)
    status = await launcher.look()
    assert status is not None and status.state is ServerState.ENDED
    assert "has ended" in status.sentence and "Disk quota exceeded" in status.notices[-1]
    machine.alive = True
    assert await launcher.stop() == "ended" and store.read() is None


ANNOUNCED = ServerRecord(
    ServerState.PENDING, Mode.SLURM, started=time.time(), launcher="here", slurm=SlurmFacts("abc")
)


async def test_a_job_is_on_record_before_it_is_submitted_and_off_it_when_it_is_refused(
    tmp_path: Path,
) -> None:
    store, machine = (
        StatusFile(tmp_path / "server-status"),
        Machine(alive=False, announces=ANNOUNCED, launch_fails=True),
    )
    before = READY.with_state(ServerState.ENDED, "It was stopped.")
    store.write(before)
    seen: list[ServerRecord | None] = []

    async def look_from_outside() -> None:
        seen.append(store.read())
        with pytest.raises(TimeoutError):  # it does not attach to what may be refused
            await asyncio.wait_for(launcher_on(store, Machine()).start(Mode.SLURM, say_nothing), 0.3)

    machine.in_between = look_from_outside
    with pytest.raises(LaunchFailed):
        await launcher_on(store, machine).start(Mode.SLURM, say_nothing)
    assert seen == [replace(ANNOUNCED, started=round(ANNOUNCED.started, 3))]
    assert store.read() == before


async def test_a_job_whose_submitter_was_killed_is_attached_to(tmp_path: Path) -> None:
    store, machine = StatusFile(tmp_path / "server-status"), Machine()
    store.write(ANNOUNCED)
    started = await launcher_on(store, machine).start(Mode.SLURM, say_nothing)
    assert started.attached and machine.launched == 0


async def test_what_cannot_be_put_on_record_is_ended(tmp_path: Path) -> None:
    store, machine = Full(tmp_path / "server-status"), Machine()
    store.is_full_for = 1001
    with pytest.raises(LaunchFailed, match="Disk quota exceeded"):
        await launcher_on(store, machine).start(Mode.LOCAL, say_nothing)
    assert machine.ended == [1001] and store.read() is None


@pytest.mark.parametrize(("stops", "launched"), [(True, True), (True, False), (False, True)])
async def test_ctrl_c_ends_only_what_this_process_has_launched(
    tmp_path: Path, stops: bool, launched: bool
) -> None:
    """Also before it is ready, when it may be the start of another terminal that is watched."""
    store, machine = StatusFile(tmp_path / "server-status"), Machine()
    mine, other = (launcher_on(store, machine, Answers(Health.SILENT)) for _ in range(2))
    await (mine if launched else other).start(Mode.LOCAL, say_nothing)
    await mine.start(Mode.LOCAL, say_nothing)
    assert await leave(mine, signal.SIGINT, stops=stops) == 130
    assert machine.ended == ([1001] if stops and launched else [])


async def test_no_stranger_on_this_machine_is_shown_the_token_of_another_machines_server(
    tmp_path: Path,
) -> None:
    store, machine, answers = (
        StatusFile(tmp_path / "server-status"),
        Machine(alive=None, elsewhere=True),
        Answers(Health.FOREIGN),
    )
    store.write(READY)
    launcher = launcher_on(store, machine, answers)
    status = await launcher.look()
    assert status is not None and answers.asked == 0
    assert status.record == READY and "can only be reached there" in status.sentence
    with pytest.raises(LaunchFailed, match="stop --forget"):
        await launcher.start_and_wait(Mode.LOCAL, say_nothing, lambda status: None, None)
    assert store.read() == READY and machine.launched == 0
    assert "kill 123" in launcher.forget() and store.read() is None


async def test_only_what_cannot_be_ended_from_here_is_forgotten(tmp_path: Path) -> None:
    store = StatusFile(tmp_path / "server-status")
    store.write(READY)
    with pytest.raises(ServerError, match="jlab-mcp stop"):
        launcher_on(store, Machine()).forget()
    assert store.read() == READY


@pytest.mark.parametrize("health", [Health.FOREIGN, Health.SILENT, Health.REFUSED])
async def test_a_server_that_lives_and_does_not_answer_is_kept_and_not_called_ready(
    tmp_path: Path, health: Health
) -> None:
    store, machine = StatusFile(tmp_path / "server-status"), Machine()
    store.write(READY)
    launcher = launcher_on(store, machine, Answers(health))
    with pytest.raises(ServerUnreachable, match="is not answering"):
        await launcher.until_ready(lambda status: None)
    with pytest.raises(ServerNotReady, match="is not answering"):
        await launcher.until_ready(lambda status: None, timeout=0.1)
    assert store.read() == READY
    await launcher.stop()
    assert machine.ended == [123]


async def test_waiting_for_a_server_continues_when_it_answers_again(tmp_path: Path) -> None:
    store, answers = StatusFile(tmp_path / "server-status"), Answers(Health.SILENT)
    store.write(READY)
    seen: list[str] = []

    def look(status: ServerStatus) -> None:
        seen.append(status.phase)
        answers.health = Health.OK

    launcher = launcher_on(store, Machine(), answers, Limits())
    assert (await launcher.until_ready(look)).reachable
    assert seen == ["not answering", "running"]


async def test_a_server_that_ended_by_itself_leaves_no_token_when_it_is_stopped(tmp_path: Path) -> None:
    store, machine = StatusFile(tmp_path / "server-status"), Machine(alive=False)
    store.write(READY.with_state(ServerState.ENDED, "It has ended."))
    assert "It has ended." in await launcher_on(store, machine).stop()
    assert machine.cleared == [123] and machine.ended == []


async def test_a_start_that_takes_too_long_is_on_record_until_it_is_ended(tmp_path: Path) -> None:
    """Whoever looks meanwhile does not make the living process one that nobody knows."""
    store, machine = StatusFile(tmp_path / "server-status"), Machine()
    slow = launcher_on(store, machine, Answers(Health.SILENT))
    with pytest.raises(LaunchFailed, match="has not answered within"):
        await slow.start_and_wait(Mode.LOCAL, say_nothing, lambda status: None, None)
    record = store.read()
    assert record is not None and record.state is ServerState.ERROR and machine.ended == [1001]
    store.write(replace(READY, state=ServerState.STARTING))
    with pytest.raises(LaunchFailed, match="has not answered within"):
        await slow.start_and_wait(Mode.LOCAL, say_nothing, lambda status: None, None)
    assert machine.ended == [1001], "it is another process's start"
    await slow.stop()
    assert machine.ended == [1001, 123]


async def test_a_server_that_lives_against_its_record_is_ended_by_stop_and_before_the_next_start(
    tmp_path: Path,
) -> None:
    store, machine = StatusFile(tmp_path / "server-status"), Machine()
    store.write(READY.with_state(ServerState.ERROR, "It did not start."))
    assert await launcher_on(store, machine).stop() == "ended"
    assert machine.ended == [123] and store.read() is None
    store.write(READY.with_state(ServerState.ENDED, "It has ended."))
    await launcher_on(store, machine).start(Mode.LOCAL, say_nothing)
    assert machine.ended == [123, 123] and machine.launched == 1
