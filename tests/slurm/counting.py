"""A cell that counts for ever, and how far it got: what it wrote down on the node against what is in the notebook."""

from __future__ import annotations

import re
from pathlib import Path

from tests.project import Agent, outputs_text, read_notebook, until


def count_code(notebook: Path) -> str:
    """Prints numbered lines, each noted beside the notebook once it is printed."""
    return f"""
import time
for number in range(100_000):
    print("line", number, flush=True)
    open({str(_note(notebook))!r}, "w").write(str(number))
    time.sleep(0.05)
"""


async def running_count(agent: Agent) -> tuple[str, str, Path]:
    """Session id, run id and notebook of such a cell."""
    opened = await agent.record("start_new_session", experiment_name="count")
    session, notebook = opened["session_id"], Path(opened["notebook_path"])
    said = await agent.text("execute_code", session_id=session, code=count_code(notebook), wait_s=0)
    run = re.search(r'wait_for_run\(run_id="([^"]+)"', said)
    assert run, said
    await until(_note(notebook).exists, 30)
    return session, run[1], notebook


def reached(notebook: Path) -> int:
    """The last number that was printed on the node; -1 before the first."""
    try:
        return int(_note(notebook).read_text(encoding="utf-8") or 0)
    except FileNotFoundError:
        return -1


def lines_in(notebook: Path) -> list[int]:
    return [int(n) for n in re.findall(r"line (\d+)", outputs_text(read_notebook(notebook)["cells"][-1]))]


async def nothing_is_missing(notebook: Path) -> None:
    """Every line is there once, up to the last one that was noted down; the node may have died before it was sent.

    The notebook follows a reply by a moment."""
    await until(lambda: (lines_in(notebook) or [-1])[-1] >= reached(notebook) - 1)
    lines = lines_in(notebook)
    assert lines == list(range(len(lines)))


def _note(notebook: Path) -> Path:
    return notebook.with_suffix(".reached")
