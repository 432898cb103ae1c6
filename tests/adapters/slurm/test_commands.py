"""The runner of Slurm's commands and the shared squeue cache, against stand-in programs on the PATH."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from jlab_tui.adapters.files import process_start
from jlab_tui.adapters.programs import Ran, run
from jlab_tui.adapters.slurm.commands import Slurm
from jlab_tui.adapters.slurm.queue_cache import LOCK_S, SharedQueue, cache_path
from jlab_tui.core.slurm.queue import QueueRows, QueueUnknown
from jlab_tui.core.slurm.rejections import Rejected, Rejection
from tests.project import until

ROW = "1|RUNNING|gpu1|29:59|30:00|0:01|1795421052|1795422852|gpu1|1|500M|gres:gpu:1|9|gpu|0|1795421051|comment=|name=jlab-mcp|reason=None"


def program(directory: Path, name: str, body: str) -> None:
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def bin_dir(tmp_path: Path) -> Path:
    """A directory of stand-ins; its squeue counts its calls in `calls` and prints one row."""
    directory = tmp_path / "bin"
    program(directory, "squeue", f"echo call >> {tmp_path}/calls\necho '{ROW}'")
    return directory


def environment(bin_dir: Path) -> dict[str, str]:
    return {"PATH": f"{bin_dir}:/usr/bin:/bin"}


def calls(tmp_path: Path) -> int:
    path = tmp_path / "calls"
    return len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0


async def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    program(tmp_path / "bin", "squeue", f"sleep 600 & echo $! > {tmp_path}/child\nwait")
    slurm = Slurm(environment(tmp_path / "bin"), timeout_s=3)
    answer = await slurm.queue()
    assert isinstance(answer, QueueUnknown)
    assert "hanging" in answer.reason
    child = int((tmp_path / "child").read_text(encoding="utf-8"))
    await until(lambda: process_start(child) == "")  # killed, but only its parent is waited for


async def test_a_cancelled_command_leaves_no_process(tmp_path: Path) -> None:
    program(
        tmp_path / "bin",
        "slow",
        f"echo $$ > {tmp_path}/part; mv {tmp_path}/part {tmp_path}/pid; exec sleep 600",
    )
    task = asyncio.create_task(run(["slow"], environment(tmp_path / "bin"), 60))
    await until((tmp_path / "pid").exists)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert process_start(int((tmp_path / "pid").read_text(encoding="utf-8"))) == ""


async def test_output_that_is_no_text_does_not_fail(tmp_path: Path) -> None:
    program(tmp_path / "bin", "squeue", r"printf '\377\376\n'")
    assert await Slurm(environment(tmp_path / "bin"), clock=lambda: 5.0).queue() == QueueRows((), 5.0)


async def test_a_fresh_answer_is_not_asked_for_again(tmp_path: Path, bin_dir: Path) -> None:
    now = [1000.0]
    slurm = Slurm(environment(bin_dir), clock=lambda: now[0])
    path = cache_path(tmp_path / "home")
    queues = [SharedQueue(slurm, path, clock=lambda: now[0]) for _ in range(2)]
    for queue in queues:
        answer = await queue.latest(2)
        assert isinstance(answer, QueueRows) and answer.asked == 1000.0 and answer.find("1")
    assert calls(tmp_path) == 1
    now[0] += 2
    assert (await queues[1].latest(2)).asked == 1002.0
    assert calls(tmp_path) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_failures_are_shared_and_asked_less_and_less_often(tmp_path: Path, bin_dir: Path) -> None:
    program(
        bin_dir,
        "squeue",
        f"echo call >> {tmp_path}/calls\necho 'slurm_load_jobs error: Unable to contact slurm controller' >&2\nexit 1",
    )
    now = [1000.0]
    queue = SharedQueue(Slurm(environment(bin_dir)), cache_path(tmp_path / "home"), clock=lambda: now[0])
    asked_at = []
    for second in range(60):
        now[0] = 1000.0 + second
        before = calls(tmp_path)
        assert isinstance(await queue.latest(2), QueueUnknown)
        if calls(tmp_path) > before:
            asked_at.append(second)
    assert asked_at == [0, 2, 6, 14, 30]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"version": 99}', '{"version": 1, "asked": 1}', "null"])
async def test_a_damaged_cache_is_asked_anew(tmp_path: Path, bin_dir: Path, damage: str) -> None:
    path = cache_path(tmp_path)
    path.write_text(damage, encoding="utf-8")
    answer = await SharedQueue(Slurm(environment(bin_dir)), path).latest(2)
    assert isinstance(answer, QueueRows) and answer.jobs
    assert json.loads(path.read_text(encoding="utf-8"))["failures"] == 0


def leave_lock_of_dead_process(path: Path) -> None:
    code = (
        "import socket, sys; from pathlib import Path; from jlab_tui.adapters.files import Intent\n"
        "Intent(Path(sys.argv[1]), socket.gethostname()).take('squeue', 0.0)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


async def test_a_dead_process_that_was_asking_does_not_block_the_others(
    tmp_path: Path, bin_dir: Path
) -> None:
    path = cache_path(tmp_path)
    leave_lock_of_dead_process(path.with_suffix(".lock"))
    assert path.with_suffix(".lock").exists()
    answer = await SharedQueue(Slurm(environment(bin_dir)), path).latest(2)
    assert isinstance(answer, QueueRows) and answer.jobs
    assert not path.with_suffix(".lock").exists()


async def test_a_caller_gets_the_last_answer_while_another_one_asks(tmp_path: Path, bin_dir: Path) -> None:
    now = [1000.0]
    slurm = Slurm(environment(bin_dir))
    path = cache_path(tmp_path)
    first, second = (SharedQueue(slurm, path, clock=lambda: now[0]) for _ in range(2))
    await first.latest(2)
    program(
        bin_dir,
        "squeue",
        f"touch {tmp_path}/asked; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; echo '{ROW}'",
    )
    now[0] += 10
    asking = asyncio.create_task(first.latest(2))
    await until((tmp_path / "asked").exists)
    assert (await second.latest(2)).asked == 1000.0
    (tmp_path / "go").touch()
    assert (await asking).asked == 1010.0


async def test_a_directory_that_cannot_be_written_does_not_hide_the_queue(
    tmp_path: Path, bin_dir: Path
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    answer = await SharedQueue(Slurm(environment(bin_dir)), tmp_path / "file" / "x.json").latest(2)
    assert isinstance(answer, QueueRows) and answer.jobs


WATCHER = """
import asyncio, os, sys, time
from pathlib import Path
from jlab_tui.adapters.slurm.commands import Slurm
from jlab_tui.adapters.slurm.queue_cache import LOCK_S, SharedQueue, cache_path

async def watch(home):
    queue = SharedQueue(Slurm(os.environ), cache_path(home))
    seen = set()
    print("ready", flush=True)
    sys.stdin.readline()
    while len(seen) < 4:  # follow until four different answers were seen
        seen.add((await queue.latest(0.5)).asked)
        await asyncio.sleep(0.05)
    print(*sorted(seen), flush=True)

asyncio.run(watch(Path(sys.argv[1])))
"""


def test_twelve_processes_share_one_squeue_per_interval(tmp_path: Path, bin_dir: Path) -> None:
    watchers = [
        subprocess.Popen(
            [sys.executable, "-c", WATCHER, str(tmp_path / "home")],
            env={**os.environ, **environment(bin_dir)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(12)
    ]
    answers: set[float] = set()
    try:
        for watcher in watchers:
            assert watcher.stdout and watcher.stdout.readline() == "ready\n"
        for watcher in watchers:
            assert watcher.stdin
            watcher.stdin.write("go\n")
            watcher.stdin.flush()
        for watcher in watchers:
            out, _ = watcher.communicate(timeout=30)
            answers.update(map(float, out.split()))
    finally:
        for watcher in watchers:
            watcher.kill()
            watcher.communicate()
    times = sorted(answers)
    assert calls(tmp_path) == len(times), "every call was seen by somebody, and there was no other"
    assert all(later - earlier >= 0.5 for earlier, later in pairwise(times)), times


async def test_a_suspended_process_that_was_asking_keeps_nobody_from_asking(
    tmp_path: Path, bin_dir: Path
) -> None:
    """Ctrl+Z on a dashboard during a squeue; when it continues, its old answer replaces no newer one."""
    now = [1000.0]
    path = cache_path(tmp_path / "home")
    suspended = Slow(environment(bin_dir), clock=lambda: now[0])
    first = asyncio.create_task(SharedQueue(suspended, path, clock=lambda: now[0]).latest(2))
    await suspended.is_asking.wait()
    queue = SharedQueue(
        Slurm(environment(bin_dir), clock=lambda: now[0]), path, clock=lambda: now[0], wait_s=-1
    )
    assert isinstance(await queue.latest(2), QueueUnknown), "it is asking"
    now[0] += LOCK_S + 1
    assert (await queue.latest(2)).asked == now[0]
    suspended.goes_on.set()
    await first
    assert (await queue.latest(2)).asked == now[0] and calls(tmp_path) == 2


class Slow(Slurm):
    """A Slurm whose squeue answers on request."""

    def __init__(self, env: dict[str, str], *, clock: Callable[[], float]) -> None:
        super().__init__(env, clock=clock)
        self.is_asking, self.goes_on = asyncio.Event(), asyncio.Event()

    async def ask_queue(self, *, everybody: bool = False) -> Ran:
        self.is_asking.set()
        await self.goes_on.wait()
        return await super().ask_queue(everybody=everybody)


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ("echo 12; echo 'quota file missing' >&2; exit 1", Rejection.UNCERTAIN),
        ("echo welcome", Rejection.UNCERTAIN),
        ("echo 'sbatch: error: no' >&2; exit 1", Rejection.OTHER),
        ("printf 'sbatch: error: \\377\\376 no\\n' >&2; exit 1", Rejection.OTHER),
    ],
    ids=["fails after its work", "names no job", "refuses", "not UTF-8"],
)
async def test_a_job_that_a_sites_sbatch_may_have_submitted_is_looked_for(
    tmp_path: Path, body: str, cause: Rejection
) -> None:
    program(tmp_path / "bin", "sbatch", f"cat > /dev/null; {body}")
    answer = await Slurm(environment(tmp_path / "bin")).submit("#!/bin/sh\n")
    assert isinstance(answer, Rejected) and answer.cause is cause
    assert answer.reply
