"""`1 + 1` through MCP against a raw jupyter_client on the same kernel, in notebooks of every size.

python benchmarks/roundtrip.py

On a busy machine the CPU time of relay and worker a call says more than the ratio: each of a call's hops waits for a core.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
from pathlib import Path

from ground import Agent, Project, compare, cpu_ms, process_of, raw_client, raw_execute, row, server

COUNT = 40
IMAGE = "iVBORw0KGgo" + "A" * 100_000


def notebook(path: Path, cells: int, image: bool) -> None:
    output = {"output_type": "display_data", "metadata": {}, "data": {"image/png": IMAGE}}
    text = {"output_type": "stream", "name": "stdout", "text": ["hello\n"]}
    content = {
        "nbformat": 4, "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "cells": [
            {
                "cell_type": "code", "id": f"c{n}", "metadata": {}, "execution_count": n,
                "source": [f"x{n} = {n}"], "outputs": [output if image else text],
            }
            for n in range(cells)
        ],
    }  # fmt: skip
    path.write_text(json.dumps(content), encoding="utf-8")


async def one(agent: Agent, project: Project, name: str, cells: int, image: bool) -> float:
    path = project.root / f"{name}.ipynb"
    notebook(path, cells, image)
    opened = await agent.record("start_session_resume_notebook", notebook_path=str(path), reexecute="never")
    session = str(opened["session_id"])
    relay = process_of(project, os.getpid())
    ours = (relay, process_of(project, relay))
    before = [cpu_ms(pid) for pid in ours]
    async with raw_client(project, str(opened["kernel_id"])) as raw:
        mcp, direct = await compare(
            COUNT,
            lambda: agent.text("execute_code", session_id=session, code="1 + 1"),
            lambda: raw_execute(raw, "1 + 1"),
            pause=0.15,
        )
    spent = [(cpu_ms(pid) - was) / COUNT for pid, was in zip(ours, before, strict=True)]
    row(f"1 + 1, {name}", mcp, direct, "(reach 1.5)")
    print(f"{'':<44} CPU a call: relay {spent[0]:.1f} ms, worker {spent[1]:.1f} ms")
    await agent.text("shutdown_session", session_id=session)
    return statistics.median(mcp) / statistics.median(direct)


async def main() -> None:
    with server() as project:
        async with project.client() as agent:
            base = await one(agent, project, "empty", 0, False)
            for name, cells, image in (
                ("10 cells", 10, False), ("200 cells", 200, False), ("1,000 cells", 1000, False),
                ("5,000 cells", 5000, False),
                ("200 cells with images", 200, True),
            ):  # fmt: skip
                ratio = await one(agent, project, name, cells, image)
                print(f"{'':<44} {ratio / base:9.2f} of the empty notebook's ratio (reach 1.15)")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    asyncio.run(main())
