"""A cell prints while the connection breaks: every line arrives once, in order, in the reply and in the notebook."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.e2e.processes import tab
from tests.e2e.proxy import Cut, proxied
from tests.project import Agent, Project, outputs_text, read_notebook, until

LINES = 30
TALK = f"""
import time
for i in range({LINES}):
    print("line", i, flush=True)
    time.sleep(0.2)
"""
WANTED = [f"line {i}" for i in range(LINES)]


def printed(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("line ")]


async def talk(agent: Agent, server: Project, name: str, *, watched: bool) -> tuple[list[str], list[str]]:
    """Run the talking cell; the lines of the reply and those of the notebook."""
    opened = await agent.record("start_new_session", experiment_name=name)
    session = str(opened["session_id"])
    async with tab(server, str(opened["kernel_id"])) if watched else nullcontext():
        reply = await agent.text("execute_code", session_id=session, code=TALK)
    assert f"run {session}-1: ok" in reply, reply
    await agent.text("shutdown_session", session_id=session)  # the notebook is complete
    (cell,) = read_notebook(Path(opened["notebook_path"]))["cells"]
    return printed(reply), printed(outputs_text(cell))


@pytest.mark.parametrize("seconds", [1.5, 8.0])
@pytest.mark.parametrize("how", ["fin", "rst", "silence"])
async def test_every_line_of_a_cell_arrives_once_through_a_cut(
    shared_server: Project, tmp_path: Path, how: Cut, seconds: float
) -> None:
    async with proxied(shared_server, tmp_path) as (project, proxy), project.client() as agent:

        async def cut() -> None:
            journals = project.status_dir / "sessions"
            await until(lambda: sum(b"line 9" in p.read_bytes() for p in journals.glob("*.jsonl")) == 2)
            proxy.cut(how)
            await asyncio.sleep(seconds)  # the length of the cut
            proxy.restore()

        alone, watched, _ = await asyncio.gather(
            talk(agent, shared_server, "alone", watched=False),
            talk(agent, shared_server, "watched", watched=True),
            cut(),
        )
        assert alone == (WANTED, WANTED)
        assert watched == (WANTED, WANTED)
