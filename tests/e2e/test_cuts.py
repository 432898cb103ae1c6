"""A cell prints while the connection breaks: every line arrives once, in order, in the reply and in the notebook."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.e2e.processes import recorded_lines, tab
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


CUTS_S = (1.5, 8.0)


async def talk(agent: Agent, session: str) -> list[str]:
    """Run the talking cell; the lines of the reply."""
    reply = await agent.text("execute_code", session_id=session, code=TALK)
    assert ": ok," in reply, reply
    return printed(reply)


@pytest.mark.parametrize("how", ["fin", "rst", "silence"])
async def test_every_line_of_a_cell_arrives_once_through_short_and_long_cuts(
    shared_server: Project, tmp_path: Path, how: Cut
) -> None:
    """Also where a tab of JupyterLab watches the kernel."""
    async with proxied(shared_server, tmp_path) as (project, proxy), project.client() as agent:
        opened = [
            await agent.record("start_new_session", experiment_name=name) for name in ("alone", "watched")
        ]
        sessions = [each["session_id"] for each in opened]

        async def cut(seconds: float, number: int) -> None:
            ninth = ["line 9"] * number
            await until(lambda: all(recorded_lines(project, each, "line 9") == ninth for each in sessions))
            proxy.cut(how)
            await asyncio.sleep(seconds)  # the length of the cut
            proxy.restore()

        async with tab(shared_server, opened[1]["kernel_id"]):
            for number, seconds in enumerate(CUTS_S, 1):
                *heard, _ = await asyncio.gather(
                    *(talk(agent, session) for session in sessions), cut(seconds, number)
                )
                assert heard == [WANTED, WANTED]
        for each in opened:
            await agent.text("shutdown_session", session_id=each["session_id"])
            cells = read_notebook(Path(each["notebook_path"]))["cells"]
            assert [printed(outputs_text(cell)) for cell in cells] == [WANTED] * len(CUTS_S)
