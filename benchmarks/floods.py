"""Floods of output: the size of the reply, the memory of the MCP process and the Jupyter server, and the record.

python benchmarks/floods.py [words of a flood's name ...]
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ground import Agent, Project, memory_mb, process_of, reset_peak, server

from tests.e2e.floods import FLOODS, Flood
from tests.project import text_of


async def settled(pid: int, before: float) -> float:
    """Return the resident size once it stops falling or is small enough."""
    lowest = memory_mb(pid)
    for _ in range(60):
        await asyncio.sleep(0.1)
        lowest = min(lowest, memory_mb(pid))
        if lowest < before + 20:
            break
    return lowest


async def pour(agent: Agent, project: Project, flood: Flood) -> None:
    session = await agent.session(flood.name)
    await agent.text("execute_code", session_id=session, code="1 + 1")
    mine = process_of(project, process_of(project, os.getpid()))  # the worker behind the relay
    jupyter = int(project.status_file()["PID"])
    before = [memory_mb(pid) for pid in (mine, jupyter)]
    for pid in (mine, jupyter):
        reset_peak(pid)
    began = time.perf_counter()
    result = await agent.call("execute_code", session_id=session, code=flood.code, wait_s=110)
    while "Still running" in text_of(result):
        result = await agent.call("wait_for_run", run_id=f"{session}-2", wait_s=110)
    took = time.perf_counter() - began
    after = [await settled(pid, size) for pid, size in zip((mine, jupyter), before, strict=True)]
    peaks = [memory_mb(pid, "VmHWM") for pid in (mine, jupyter)]
    images = [len(b.data) for b in result.content if b.type == "image"]
    print(
        f"{flood.name:<36} {took:6.1f} s  reply {len(text_of(result)):6,} chars, {len(images)} images {sum(images) / 1e6:.1f} MB  "
        f"MCP {before[0]:.0f} MB peak +{peaks[0] - before[0]:.0f} settles +{after[0] - before[0]:.0f}  "
        f"Jupyter {before[1]:.0f} MB peak +{peaks[1] - before[1]:.0f} settles +{after[1] - before[1]:.0f}",
        flush=True,
    )
    reset_peak(mine)
    await agent.text("read_output", run_id=f"{session}-2", tail=5)
    print(f"{'':<36} read_output(tail=5): peak +{memory_mb(mine, 'VmHWM') - before[0]:.0f} MB", flush=True)
    await agent.text("shutdown_session", session_id=session)


async def main() -> None:
    words = sys.argv[1:]
    with server() as project:
        for flood in FLOODS.values():
            if all(word in flood.name for word in words):
                async with project.client() as agent:
                    await pour(agent, project, flood)


if __name__ == "__main__":
    asyncio.run(main())
