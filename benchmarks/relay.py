"""What the relay costs: launch, a call, memory; and what a worker's death costs the call that was in flight.

python benchmarks/relay.py [CALLS]
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ground import Project, memory_mb, row, server

from tests.e2e.processes import Wire, process_of, worker_of

LAUNCHES = 9


@asynccontextmanager
async def client(project: Project, *arguments: str) -> AsyncIterator[tuple[Wire, float]]:
    """A client, and the seconds from its launch to the first reply."""
    began = time.perf_counter()
    starting = process_of(project, None, arguments)
    wire = await asyncio.to_thread(starting.__enter__)
    try:
        yield wire, time.perf_counter() - began
    finally:
        await asyncio.to_thread(starting.__exit__, None, None, None)


async def launches(project: Project) -> None:
    with_relay, without = [], []
    for _ in range(LAUNCHES):
        async with client(project) as (_, seconds):
            with_relay.append(seconds * 1000)
        async with client(project, "--worker") as (_, seconds):
            without.append(seconds * 1000)
    row("launch to the first reply / worker alone", with_relay, without, "(reach 1.03 of a bare SDK server)")


async def calls(project: Project, count: int) -> None:
    async with client(project) as (relay, _), client(project, "--worker") as (worker, _):
        times: dict[int, list[float]] = {0: [], 1: []}
        sessions = [
            (await each.record("start_new_session", experiment_name="b"))["session_id"]
            for each in (relay, worker)
        ]
        for _ in range(count):
            for number, each in enumerate((relay, worker)):
                began = time.perf_counter()
                await each.text("execute_code", session_id=sessions[number], code="1 + 1")
                times[number].append((time.perf_counter() - began) * 1000)
        row("1 + 1 through the relay / worker alone", times[0], times[1], "(reach 1.05)")
        print(f"the relay's memory: {memory_mb(relay.pid):.1f} MB (reach 12)")


async def deaths(project: Project) -> None:
    async with client(project) as (relay, _):
        session = (await relay.record("start_new_session", experiment_name="b"))["session_id"]
        took = []
        for _ in range(5):
            _, answer = relay.call(
                "execute_code", session_id=session, code="import time; time.sleep(0.5); 1 + 1"
            )
            await asyncio.sleep(0.2)
            os.kill(await worker_of(relay), signal.SIGKILL)
            began = time.perf_counter()
            await answer
            took.append(time.perf_counter() - began)
        print(f"worker killed in a call: answered after {min(took):.2f} to {max(took):.2f} s")


async def main(count: int) -> None:
    with server() as project:
        await launches(project)
        await calls(project, count)
        await deaths(project)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else 300))
