"""A day of a waiting task: a client's polls, asked of the process that holds the run and of one that does not.

python benchmarks/tasks.py [POLLS]
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from statistics import median

from ground import Project, memory_mb, server

from jlab_tui.core.reply.task import EXTENSION
from tests.e2e.processes import Wire, wire

DAY = 24 * 3600 // 5
"""polls of a day, one every five seconds"""
EARLIER = "for _ in range(20_000): print('x' * 999)"
HANGS = "import time\nwhile True: print('step', time.time(), flush=True); time.sleep(0.5)"


def read_bytes(pid: int) -> int:
    """All that a process has read so far, from files and sockets."""
    rows = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(rows["rchar"])


async def polled(name: str, client: Wire, task: str, polls: int) -> None:
    took: list[float] = []
    for number in range(polls):
        began = time.perf_counter()
        state = (await client.ask("tasks/get", taskId=task))["result"]
        took.append((time.perf_counter() - began) * 1000)
        assert state["status"] == "working", state
        if number == polls // 10:
            memory, read = memory_mb(client.pid), read_bytes(client.pid)
    took.sort()
    grown = memory_mb(client.pid) - memory
    each = (read_bytes(client.pid) - read) / (polls - polls // 10)
    print(
        f"{name}: {polls} polls, median {median(took):.1f} ms, 99 % within {took[-polls // 100]:.1f} ms (reach 10); "
        f"memory {memory:.0f} MB, {grown:+.1f} MB since a tenth of them; {each:,.0f} bytes read a poll",
        flush=True,
    )


async def main(polls: int) -> None:
    knows_tasks = {"extensions": {EXTENSION: {}}}
    with server(JLAB_MCP_TASK_AFTER_S="0.2") as project:
        async with wire(project, knows_tasks) as owner, wire(project, knows_tasks) as other:
            session = (await owner.record("start_new_session", experiment_name="day"))["session_id"]
            await owner.text("execute_code", session_id=session, code=EARLIER, wait_s=0)
            await owner.text("wait_for_run", run_id=f"{session}-1", wait_s=0.1)
            while "ok" not in await owner.text("wait_for_run", run_id=f"{session}-1", wait_s=0.1):
                pass
            task = await owner.ask(
                "tools/call", name="execute_code", arguments={"session_id": session, "code": HANGS}
            )
            task_id = task["result"]["taskId"]
            print(f"journal: {journal_mb(project):.0f} MB")
            await polled("the process that holds the run", owner, task_id, polls)
            await polled("another one", other, task_id, polls // 10)


def journal_mb(project: Project) -> float:
    return sum(path.stat().st_size for path in (project.status_dir / "sessions").glob("*.jsonl")) / 1e6


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else DAY))
