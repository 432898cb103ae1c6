"""What grows with work and age: each section prints counts and ratios of one run.

python benchmarks/scale.py [section ...]
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ground import Agent, Project, measure, memory_mb, process_of, reset_peak, row, server
from scale_dashboard import PARTS, measure_dashboard

from jlab_tui.adapters.journal.journal_file import JournalWriter
from jlab_tui.core.journal.events import (
    Entry,
    Event,
    RunFinished,
    RunStarted,
    RunStatus,
    SessionClosed,
    SessionOpened,
    TextPrinted,
    decode,
    encode,
)
from tests.e2e.floods import NOISE
from tests.project import until

IMAGE_CHARS = 300_000
TICKING = "import time\nfor i in range(30):\n    print(i, flush=True)\n    time.sleep(0.5)"
IMAGES = NOISE + "for i in range(10): display(Image(png(474)))  # 300 kB as base64"
EXIT_S = 0.6
"""the client's SIGINT to its SIGKILL"""


def written_mb(pid: int) -> float:
    """Return what a process has written so far (Linux)."""
    fields = Path(f"/proc/{pid}/io").read_text(encoding="utf-8").split()
    return int(fields[fields.index("wchar:") + 1]) / 1e6


def worker(project: Project) -> int:
    """Return the PID of the MCP process behind the relay."""
    return process_of(project, process_of(project, os.getpid()))


def with_images(path: Path, images: int) -> Path:
    """Write a notebook whose cells hold an image of 300 kB each."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    random = "".join(alphabet[byte & 63] for byte in os.urandom(IMAGE_CHARS))
    cells = []
    for number in range(images):
        png = "iVBORw0KGgo" + random[number:] + random[:number]
        output = {"output_type": "display_data", "metadata": {}, "data": {"image/png": png}}
        cells.append(
            {
                "cell_type": "code", "id": f"c{number}", "metadata": {}, "execution_count": number,
                "source": [f"x{number} = {number}"], "outputs": [output],
            }
        )  # fmt: skip
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": spec}, "cells": cells}
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return path


async def opened(agent: Agent, path: Path) -> str:
    record = await agent.record("start_session_resume_notebook", notebook_path=str(path), reexecute="never")
    return str(record["session_id"])


async def ticking(agent: Agent, project: Project, images: int) -> None:
    """A loop that prints twice a second for 15 s."""
    path = with_images(project.root / f"ticking-{images}.ipynb", images)
    session = await opened(agent, path)
    await agent.text("execute_code", session_id=session, code="1 + 1")
    pid = worker(project)
    before, began = written_mb(pid), time.perf_counter()
    await agent.text("execute_code", session_id=session, code=TICKING, wait_s=60)
    took = time.perf_counter() - began
    rate = (written_mb(pid) - before) / took
    size = path.stat().st_size / 1e6
    print(
        f"printing twice a second, notebook of {size:5.1f} MB: {rate:6.2f} MB/s written (reach 2)", flush=True
    )
    await agent.text("shutdown_session", session_id=session)


async def small_cells(agent: Agent, project: Project, images: int, cells: int, pause: float) -> None:
    """Small cells one after the other, to the moment at which the file holds them all."""
    path = with_images(project.root / f"small-{images}-{pause}.ipynb", images)
    session = await opened(agent, path)
    pid = worker(project)
    before = written_mb(pid)
    for number in range(cells):
        await agent.text("execute_code", session_id=session, code=f"{number} + 1")
        await asyncio.sleep(pause)
    await agent.text("shutdown_session", session_id=session)
    each = (written_mb(pid) - before) / cells
    held = len(json.loads(path.read_text(encoding="utf-8"))["cells"]) - images
    print(
        f"{cells} small cells, {pause:g} s apart, notebook of {path.stat().st_size / 1e6:5.1f} MB: "
        f"{each:6.2f} MB written a cell (reach 5); {held} of {cells} in the file",
        flush=True,
    )


async def memory_of_opened(agent: Agent, project: Project) -> None:
    """A notebook that holds 200 images already."""
    base = await opened(agent, with_images(project.root / "none.ipynb", 0))
    await agent.text("execute_code", session_id=base, code="1 + 1")
    pid = worker(project)
    before = memory_mb(pid)
    reset_peak(pid)
    session = await opened(agent, with_images(project.root / "many.ipynb", 200))
    peak = memory_mb(pid, "VmHWM") - before
    await agent.text("execute_code", session_id=session, code="1 + 1")
    await asyncio.sleep(6)
    await agent.text("read_notebook", session_id=session)
    after = memory_mb(pid) - before
    print(
        f"memory with 200 images of 300 kB in the file: {after:+5.0f} MB (reach 30), peak {peak:+5.0f} MB",
        flush=True,
    )


async def memory_of_made(agent: Agent, project: Project) -> None:
    """Twenty cells that show ten images each."""
    session = await agent.session("made")
    await agent.text("execute_code", session_id=session, code="1 + 1")
    pid = worker(project)
    before = memory_mb(pid)
    reset_peak(pid)
    for _ in range(20):
        await agent.call("execute_code", session_id=session, code=IMAGES)
    await agent.text("execute_code", session_id=session, code="1 + 1")
    await asyncio.sleep(6)
    after, peak = memory_mb(pid) - before, memory_mb(pid, "VmHWM") - before
    print(
        f"memory after 200 images of 300 kB in 20 cells: {after:+5.0f} MB (reach 30), peak {peak:+5.0f} MB",
        flush=True,
    )


def until_gone(pid: int) -> None:
    for _ in range(2000):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.01)


async def client_exit(project: Project, images: int) -> None:
    """SIGINT, SIGTERM after 100 ms, as a client ends its server; the file lacks a cell at that moment."""
    path = with_images(project.root / f"exit-{time.monotonic_ns()}.ipynb", images)
    async with project.client() as agent:
        session = await opened(agent, path)
        await agent.text("execute_code", session_id=session, code="1 + 1")
        relay, pid = process_of(project, os.getpid()), worker(project)
        began, clock = time.perf_counter(), time.time()
        for sign, pause in ((signal.SIGINT, 0.1), (signal.SIGTERM, 0.0)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(relay, sign)
            await asyncio.sleep(pause)
        await asyncio.to_thread(until_gone, pid)
        took = time.perf_counter() - began
    held = len(json.loads(path.read_text(encoding="utf-8"))["cells"]) - images
    info = path.stat()
    print(
        f"exit, notebook of {info.st_size / 1e6:5.1f} MB: written after {info.st_mtime - clock:5.2f} s, "
        f"ended after {took:5.2f} s (reach {EXIT_S}); {held} of 1 cells in the file",
        flush=True,
    )


async def notebook() -> None:
    """What is written into a notebook of any size, and what of it stays in memory."""
    with server() as project:
        async with project.client() as agent:
            for images in (0, 30, 250):
                await ticking(agent, project, images)
            await small_cells(agent, project, 250, 20, 1.0)
            await small_cells(agent, project, 3, 20, 1.0)
        for measured in (memory_of_opened, memory_of_made):
            async with project.client() as agent:
                await measured(agent, project)
        for images in (0, 240, 0, 240):
            await client_exit(project, images)


def journal(*events: Event) -> bytes:
    return b"".join(encode(Entry(time.time(), event)) for event in events)


def with_records(project: Project, closed: int, unclosed: int, kind: str) -> None:
    """Write the records of many small sessions, where every version looks for them. A living process has the unclosed ones."""
    sessions = project.status_dir / "sessions"
    sessions.mkdir(mode=0o700, exist_ok=True)
    started = float(project.status_file()["STARTED"])
    here, pid = socket.gethostname(), os.getpid()
    for number in range(closed + unclosed):
        name = f"{kind}{number:06x}"
        opened = SessionOpened(name, "n", f"/{name}.ipynb", name, here, started, "p", "/", "bench", here, pid)
        run, ended = (
            RunStarted(f"{name}-1", "execute_code", "c", "1"),
            RunFinished(f"{name}-1", RunStatus.OK, 1.0),
        )
        last = [SessionClosed("shut down")] if number < closed else []
        (sessions / f"{name}.1.jsonl").write_bytes(journal(opened, run, ended, *last))


async def until_tidy(project: Project, unclosed: int) -> None:
    """Wait, a minute at most, until the closed sessions lie apart; earlier versions have no place for them."""
    for _ in range(600):
        names = [name for name in os.listdir(project.status_dir / "sessions") if name.endswith(".jsonl")]
        if len(names) <= unclosed:
            return
        await asyncio.sleep(0.1)


async def pings(project: Project, name: str) -> None:
    async with project.client() as agent:
        first = await measure(lambda: agent.text("ping"))
        times = [await measure(lambda: agent.text("ping")) for _ in range(20)]
    row(f"ping, {name} (first {first:.0f} ms)", times, reach="50 ms")


def status_ms(project: Project) -> float:
    """Return the processor's time that `jlab-mcp status` takes."""
    before = os.times()
    project.run("status")
    after = os.times()
    return (
        after.children_user + after.children_system - before.children_user - before.children_system
    ) * 1000


async def records() -> None:
    """Lists of sessions in projects of any age."""
    with server() as empty, server() as old:
        await pings(empty, "no sessions")
        for closed, unclosed in ((5000, 0), (0, 2000)):
            with_records(old, closed, unclosed, "c" if closed else "u")
            began = time.perf_counter()
            await pings(old, f"5000 closed, {unclosed} unclosed, as an earlier version left them")
            async with old.client() as agent:
                await agent.text("ping")
                await until_tidy(old, unclosed)
            print(f"  and apart after {time.perf_counter() - began:.1f} s", flush=True)
            await pings(old, f"5000 closed, {unclosed} unclosed")
            times = [(status_ms(empty), status_ms(old)) for _ in range(7)]
            row(
                "  status, processor",
                [after for _, after in times],
                [before for before, _ in times],
                "ratio 1.2",
            )


def long_journal(project: Project, session: str, size: int) -> list[str]:
    """Put a journal of so many bytes in front of a session's own. Returns the ids of its runs, the first and the last ones."""
    sessions = project.status_dir / "sessions"
    own = sessions / f"{session}.1.jsonl"
    opened = decode(own.read_bytes().split(b"\n")[0])
    own.rename(sessions / f"{session}.2.jsonl")
    writer = JournalWriter(own)
    writer.append(opened)
    names = [f"{session}-{1000 + number}" for number in range(size // 500_000)]
    for name in names:
        writer.append(Entry(time.time(), RunStarted(name, "execute_code", "", "x")))
        for _ in range(4):
            writer.append(Entry(time.time(), TextPrinted(name, "stdout", f"{name} " * 12_500)))
        writer.append(Entry(time.time(), RunFinished(name, RunStatus.OK, 1.0)))
        writer.flushed().result(60)
    writer.close().result(60)
    return [names[0], names[len(names) // 2], names[-1]]


async def takeover(project: Project, size: int) -> None:
    """The first call on a session that an earlier process left with a long record, and old output from it."""
    async with project.client() as agent:
        session = await agent.session("long")
        await agent.text("execute_code", session_id=session, code="x = 1")
    runs = await asyncio.to_thread(long_journal, project, session, size)
    async with project.client() as agent:
        await agent.text("ping")
        times = [await measure(lambda: agent.text("read_output", run_id=runs[1], tail=5))]
        row(f"journal of {size / 1e6:.0f} MB: first call, which takes it over", times, reach="500 ms")
        for which, run in zip(("first", "middle", "last"), runs, strict=True):
            times = [await measure(partial(agent.text, "read_output", run_id=run, tail=5)) for _ in range(5)]
            row(f"  read_output of the {which} run", times, reach="200 ms")
        await agent.text("shutdown_session", session_id=session)


async def journals() -> None:
    """Long records."""
    with server(JLAB_MCP_ON_EXIT="keep") as project:
        await takeover(project, 1_000_000)
        await takeover(project, 500_000_000)


async def exits() -> None:
    """The client's exit while an old journal of 400 MB is compressed."""
    with server() as project:
        sessions = project.status_dir / "sessions"
        opened = SessionOpened("0" * 8, "n", "/n.ipynb", "k", "h", 1.0)
        text = [TextPrinted("r", "stdout", os.urandom(1 << 16).hex()) for _ in range(16)]
        old = sessions / f"{opened.session}.1.jsonl"
        sessions.mkdir(mode=0o700, exist_ok=True)
        with old.open("wb") as file:
            file.write(journal(opened))
            for _ in range(200):
                file.write(journal(*text))
            file.write(journal(SessionClosed("done")))
        os.utime(old, (time.time() - 8 * 86400,) * 2)
        for _ in range(4):
            async with project.client() as agent:
                await agent.text("ping")
                relay, pid = process_of(project, os.getpid()), worker(project)
                await until(lambda: any(path.stat().st_size for path in sessions.rglob(".*.gz")))
                cpu = cpu_s(pid)
                await asyncio.sleep(2)
                cpu = (cpu_s(pid) - cpu) / 2
                began = time.perf_counter()
                for sign, pause in ((signal.SIGINT, 0.1), (signal.SIGTERM, 0.0)):
                    os.kill(relay, sign)
                    await asyncio.sleep(pause)
                await asyncio.to_thread(until_gone, pid)
                took = time.perf_counter() - began
            left = [path.name for path in sessions.rglob(".*.gz")]
            print(
                f"exit while 400 MB are compressed: {took:5.2f} s (reach {EXIT_S}), left behind: {len(left)} (reach 0), "
                f"processor before it {cpu:.0%}",
                flush=True,
            )


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


SLOW_CALLS = "openat,newfstatat,getdents64,unlink,rename,mkdir,utimensat"


async def slow() -> None:
    """A ping while every call that opens, looks up or lists a file takes 5 ms more."""
    with server() as project:
        async with project.client() as agent:
            await agent.text("ping")
            with_records(project, 0, 2000, "u")
            for which in ("first", "second"):
                arguments = ["-f", "-qq", "-o", str(project.root / "trace"), "-e", f"trace={SLOW_CALLS}"]
                slowing = [
                    *arguments,
                    "-e",
                    f"inject={SLOW_CALLS}:delay_exit=5000",
                    "-p",
                    str(worker(project)),
                ]
                tracer = await asyncio.create_subprocess_exec("strace", *slowing)
                await asyncio.sleep(1)
                times = [await measure(partial(agent.text, "ping"))]
                tracer.terminate()
                await tracer.wait()
                calls = len((project.root / "trace").read_text(encoding="utf-8").splitlines())
                row(f"{which} ping, 2000 unclosed, 5 ms a call ({calls} calls)", times, reach="1000 ms")


async def dashboard() -> None:
    measure_dashboard([name for name in sys.argv[1:] if name in PARTS])


SECTIONS: dict[str, Callable[[], Awaitable[None]]] = {
    "dashboard": dashboard,
    "notebook": notebook,
    "records": records,
    "journals": journals,
    "exits": exits,
    "slow": slow,
}


async def main() -> None:
    for name in [name for name in sys.argv[1:] if name not in PARTS] or SECTIONS:
        print(f"-- {name}", flush=True)
        await SECTIONS[name]()


if __name__ == "__main__":
    asyncio.run(main())
