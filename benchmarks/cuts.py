"""Cut connections and long silences: how many of 30 lines arrive, and how soon after the cut the reply arrives.

python benchmarks/cuts.py [SECONDS OF SILENCE, by default 130]

Tries every cut (1.5, 8 and 60 s; closed in order, reset, half-open) at once on separate kernels, each with and without a
second client on the kernel.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ground import Project, server

from tests.e2e.processes import tab
from tests.e2e.proxy import Cut, proxied
from tests.e2e.test_cuts import TALK, WANTED, printed
from tests.project import outputs_text, until

LENGTHS = (1.5, 8.0, 60.0)
WAYS: tuple[Cut, ...] = ("fin", "rst", "silence")
CELL_S = 6.0
"""seconds that the printing cell takes"""


async def one(project: Project, how: Cut, seconds: float, *, watched: bool) -> str:
    with tempfile.TemporaryDirectory() as directory:
        async with proxied(project, Path(directory)) as (behind, proxy), behind.client() as agent:
            journals = behind.status_dir / "sessions"
            started = restored = 0.0

            async def cut() -> None:
                nonlocal started, restored
                await until(lambda: any(b"line 0" in p.read_bytes() for p in journals.glob("*.jsonl")), 60)
                started = time.perf_counter()
                await until(lambda: any(b"line 9" in p.read_bytes() for p in journals.glob("*.jsonl")), 60)
                proxy.cut(how)
                await asyncio.sleep(seconds)
                proxy.restore()
                restored = time.perf_counter()

            opened = await agent.record("start_new_session", experiment_name="cut")
            session = str(opened["session_id"])
            async with tab(project, str(opened["kernel_id"])) if watched else contextlib.nullcontext():
                cutting = asyncio.create_task(cut())
                reply = printed(await agent.text("execute_code", session_id=session, code=TALK))
                late = time.perf_counter() - max(restored or time.perf_counter(), started + CELL_S)
                await cutting
            (made,) = await agent.cells(session, 1)
            cell = printed(outputs_text(made))
            await agent.text("shutdown_session", session_id=session)
    whole = reply == WANTED and cell == WANTED
    second = "second client" if watched else "alone"
    lines = f"reply {len(reply)}, notebook {len(cell)} of 30{'' if whole else ' WRONG'}"
    return f"{how:<8} {seconds:4.1f} s  {second:<14} {lines}; reply after {late:.1f} s (reach 3)"


async def silence(project: Project, seconds: float) -> str:
    async with project.client() as agent:
        session = await agent.session("silence")
        await agent.text("execute_code", session_id=session, code="x = 42")
        await asyncio.sleep(seconds)
        reply = await agent.text("execute_code", session_id=session, code="x")
    return f"a cell after {seconds:.0f} s of silence: {reply.splitlines()}"


async def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 130.0
    with server() as project:
        quiet = asyncio.create_task(silence(project, seconds))
        for length in LENGTHS:
            tries = [one(project, how, length, watched=watched) for how in WAYS for watched in (False, True)]
            print(*await asyncio.gather(*tries), sep="\n", flush=True)
        print(await quiet)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    asyncio.run(main())
