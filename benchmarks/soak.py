"""What grows in hours of use: three clients with mixed work, kills of kernels and of a worker, dashboards that come and go.

python benchmarks/soak.py [MINUTES]

Prints for each process the growth an hour of memory, descriptors, threads and CPU, by the line through the measurements of the
second half, with how sure it is (two standard errors of the slope); then files, and whatever reply was not as expected. What
fills once and stays is no growth: the server keeps what it knows of an ended kernel for ten minutes, so the first half has to be
longer. The third client's worker is killed again and again.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import random
import re
import signal
import statistics
import struct
import subprocess
import sys
import termios
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ground import Agent, Project, memory_mb, server

from tests.project import COMMAND, text_of

CLIENTS = 3
SAMPLE_S = 10.0
WORKER_LIVES_S = 60.0
"""of the third client's worker"""
VISIT_S = 45.0
"""of a dashboard that comes and goes"""
SESSION_CALLS = 60
"""then a client shuts its session down and opens another"""
PICTURE = """
import base64, io
from IPython.display import display, Image
from PIL import Image as P
import os
out = io.BytesIO(); P.frombytes("RGB", (180, 180), os.urandom(180 * 180 * 3)).save(out, "PNG")
display(Image(out.getvalue()))
"""

Work = Callable[["Client"], Awaitable[str]]


@dataclass
class Sample:
    at: float
    memory_mb: float
    descriptors: int
    threads: int
    cpu_s: float


@dataclass
class Soak:
    """What the run has seen."""

    ends_at: float
    began: float = field(default_factory=time.monotonic)
    calls: Counter[str] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)
    pids: dict[str, int] = field(default_factory=dict)
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    """set once all clients are"""

    @property
    def is_on(self) -> bool:
        return time.monotonic() < self.ends_at

    def note(self, what: str, said: str, expected: str) -> None:
        self.calls[what] += 1
        if expected not in said:
            self.unexpected.append(f"{what}: {said[:300]!r}")


class Client:
    """One agent: a session for a while, then another."""

    def __init__(self, agent: Agent, soak: Soak, number: int) -> None:
        self.agent, self.soak, self.number = agent, soak, number
        self.random = random.Random(number)
        self.session = ""

    async def live(self) -> None:
        while self.soak.is_on:
            opened = await self.ask("start_new_session", experiment_name=f"soak {self.number}")
            self.soak.note("session", opened, '"session_id"')
            if '"session_id"' not in opened:
                continue
            self.session = json.loads(opened)["session_id"]
            for _ in range(SESSION_CALLS):
                if not self.soak.is_on:
                    break
                name, work, expected = self.random.choices(WORKS, [each[3] for each in SHARES])[0]
                self.soak.note(name, await work(self), expected)
                await asyncio.sleep(self.random.uniform(0, 0.5))
            said = await self.ask("shutdown_session", session_id=self.session)
            self.soak.note("shutdown", said, "is shut down")

    async def ask(self, tool: str, **arguments: object) -> str:
        return text_of(await self.agent.call(tool, **arguments))

    async def run(self, code: str, **arguments: object) -> str:
        return await self.ask("execute_code", session_id=self.session, code=code, **arguments)

    async def long_run(self) -> str:
        said = await self.run(
            "import time\nfor i in range(20):\n    print('step', i, flush=True); time.sleep(0.05)", wait_s=0.2
        )
        found = re.search(rf"{self.session}-\d+", said)
        return await self.ask("wait_for_run", run_id=found[0]) if found else said

    async def interrupted(self) -> str:
        running = asyncio.create_task(self.run("import time\nprint('on', flush=True)\ntime.sleep(600)"))
        await asyncio.sleep(1)
        await self.ask("interrupt_kernel", session_id=self.session)
        return await running

    async def killed(self) -> str:
        return await self.run("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")

    async def restarted(self) -> str:
        return await self.ask("restart_kernel", session_id=self.session)

    async def variables(self) -> str:
        await self.run("answer = 42")
        return await self.ask("inspect_variables", session_id=self.session)


SHARES: list[tuple[str, Work, str, int]] = [
    ("1 + 1", lambda client: client.run("1 + 1"), "2\n", 30),
    ("200 lines", lambda client: client.run("for i in range(200): print('line', i)"), "line 199", 12),
    ("picture", lambda client: client.run(PICTURE), "", 8),
    ("error", lambda client: client.run("1 / 0"), "ZeroDivisionError", 6),
    ("long run", Client.long_run, "step 19", 6),
    ("variables", Client.variables, "answer", 4),
    (
        "read notebook",
        lambda client: client.ask("read_notebook", session_id=client.session),
        "",
        4,
    ),
    ("ping", lambda client: client.ask("ping"), '"ok"', 4),
    ("interrupt", Client.interrupted, "interrupted after", 3),
    ("kill", Client.killed, "KernelDied", 2),
    ("restart", Client.restarted, "was restarted", 2),
    ("scratch", lambda client: client.ask("execute_scratch", code="print('x')"), "x", 1),
]
WORKS = [each[:3] for each in SHARES]


@contextlib.contextmanager
def dashboard(project: Project) -> Iterator[int]:
    """The real dashboard on a pseudo-terminal that is read all the time."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
    env = {**project.env, "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [COMMAND, "start"],
        cwd=project.root,
        env=env,
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
    os.close(its)

    def read() -> None:
        with contextlib.suppress(OSError):
            while os.read(ours, 1 << 16):
                pass

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)
        reader.join(30)
        os.close(ours)


def children(parent: int) -> set[int]:
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            if int((path / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1]) == parent:
                found.add(int(path.name))
    return found


def sample(pid: int) -> Sample | None:
    root = Path(f"/proc/{pid}")
    try:
        times = (root / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return Sample(
            time.monotonic(),
            memory_mb(pid),
            len(os.listdir(root / "fd")),
            len(os.listdir(root / "task")),
            (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK"),
        )
    except (OSError, StopIteration):
        return None


def files(project: Project) -> Counter[str]:
    """Files on disk, by the directory of the project that they are in."""
    found: Counter[str] = Counter()
    for top in (project.status_dir, project.root):
        for path in top.rglob("*"):
            if not path.is_dir():
                within = path.relative_to(top).parts[:-1]
                found["spool" if "spool" in within else "/".join(within) or "."] += 1
    found["sockets"] = sum(1 for _ in Path(f"/tmp/jlab-mcp-{os.getuid()}").rglob("*"))
    return found


async def measure(soak: Soak) -> None:
    while soak.is_on:
        for name, pid in list(soak.pids.items()):
            if (seen := sample(pid)) is not None:
                soak.samples.setdefault(name, []).append(seen)
        await asyncio.sleep(SAMPLE_S)


async def one_client(project: Project, soak: Soak, number: int, turn: asyncio.Lock) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with turn:
            before = children(os.getpid())
            agent = await stack.enter_async_context(project.client())
            await agent.text("ping")
            (relay,) = children(os.getpid()) - before
            soak.pids[f"relay {number}"] = relay
            if number < CLIENTS:
                (soak.pids[f"worker {number}"],) = children(relay)
            if f"relay {CLIENTS}" in soak.pids:
                soak.connected.set()
        client = Client(agent, soak, number)
        if number < CLIENTS:
            await client.live()
            return
        killer = asyncio.create_task(kill_workers(soak, relay))
        try:
            await client.live()
        finally:
            killer.cancel()
            await asyncio.gather(killer, return_exceptions=True)


async def kill_workers(soak: Soak, relay: int) -> None:
    while True:
        await asyncio.sleep(WORKER_LIVES_S)
        for worker in children(relay):
            os.kill(worker, signal.SIGKILL)
            soak.calls["worker killed"] += 1


async def visits(project: Project, soak: Soak) -> None:
    while soak.is_on:
        with dashboard(project):
            soak.calls["dashboard"] += 1
            await asyncio.sleep(VISIT_S)


def an_hour(samples: list[Sample], value: Callable[[Sample], float]) -> tuple[float, float]:
    """Growth an hour by the line of least squares, and two standard errors of it."""
    if len(samples) < 4:
        return 0.0, 0.0
    at, values = [each.at for each in samples], [value(each) for each in samples]
    slope, start = statistics.linear_regression(at, values)
    rest = sum((y - start - slope * x) ** 2 for x, y in zip(at, values, strict=True))
    error = (rest / (len(at) - 2) / (statistics.pvariance(at) * len(at))) ** 0.5
    return slope * 3600, 2 * error * 3600


def report(soak: Soak, before: Counter[str], after: Counter[str], logs: str) -> None:
    minutes = (time.monotonic() - soak.began) / 60
    print(f"\n{sum(soak.calls.values())} acts in {minutes:.0f} min: {dict(soak.calls)}")
    print(
        f"{'':<14}{'MB at first':>12}{'at last':>9}{'MB/h':>14}{'descr./h':>10}{'threads/h':>11}{'CPU %':>8}"
    )
    for name, all_samples in soak.samples.items():
        kept = all_samples[len(all_samples) // 2 :]
        first, last = kept[0], kept[-1]
        busy = 100 * (last.cpu_s - first.cpu_s) / max(last.at - first.at, 1.0)
        growth, error = an_hour(kept, lambda s: s.memory_mb)
        print(
            f"{name:<14}{first.memory_mb:>12.1f}{last.memory_mb:>9.1f}{growth:>8.1f} ±{error:>4.1f}"
            f"{an_hour(kept, lambda s: s.descriptors)[0]:>10.1f}{an_hour(kept, lambda s: s.threads)[0]:>11.1f}{busy:>8.1f}"
        )
    grown = {name: f"{before[name]} -> {count}" for name, count in after.items() if count != before[name]}
    print(f"files: {grown}")
    print(f"replies that were not as expected: {len(soak.unexpected)}")
    for line in soak.unexpected[:20]:
        print(f"  {line}")
    faults = logs.split("Traceback (most recent call last)")[1:]
    faults = [part for part in faults if "KeyboardInterrupt" not in part]  # kernels that end while they start
    print(f"tracebacks in the logs: {len(faults)}")
    for part in faults[:3]:
        print(part[:3000])


async def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    with server() as project:
        soak = Soak(time.monotonic() + minutes * 60)
        before, turn = files(project), asyncio.Lock()
        soak.pids["server"] = int(project.status_file()["PID"])
        async with asyncio.TaskGroup() as tasks:
            for number in range(1, CLIENTS + 1):
                tasks.create_task(one_client(project, soak, number, turn))
            await soak.connected.wait()
            with dashboard(project) as stays:
                soak.pids["dashboard"] = stays
                tasks.create_task(visits(project, soak))
                tasks.create_task(measure(soak))
                await asyncio.sleep(minutes * 60)
        report(soak, before, files(project), project.logs())


if __name__ == "__main__":
    asyncio.run(main())
