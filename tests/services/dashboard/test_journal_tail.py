"""The notebook follows its runs, also when output comes late or nothing may be written any more."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from jlab_tui.adapters.notebook import NotebookFile
from jlab_tui.core.notebook.notebook import Notebook, NotebookCell
from jlab_tui.services.notebook.autosave import Autosave
from tests.kernels import transcript
from tests.services.session.test_replay import Process, RecordedStream


async def test_output_that_arrives_after_the_next_run_started_is_added_to_its_own_cell(
    tmp_path: Path,
) -> None:
    recorded = transcript("late")
    stream = RecordedStream(recorded.messages)
    process = Process(tmp_path, recorded, stream)
    await process.begin()
    printed = [m.seq for m in recorded.messages if m.msg_type == "stream" and "late" in m.content["text"]]
    await process.take_in(recorded.messages[: printed[1]])
    first = next(iter(process.session.runs.values()))
    assert first.status.is_final, "its cell has ended and its thread prints on"
    first.outputs = None  # what the beginning of another run does
    await process.take_in(recorded.messages[printed[1] :])
    await process.end()
    cell = NotebookFile(process.file.path).load().cells[0]
    assert cell.outputs == [
        {"output_type": "stream", "name": "stdout", "text": "late 0\nlate 1\nlate 2\nlate 3\n"}
    ]


@pytest.mark.parametrize("pause", range(8))
async def test_closing_right_after_a_change_never_hangs(tmp_path: Path, pause: int) -> None:
    file = NotebookFile(tmp_path / "n.ipynb")
    saver = Autosave(file, Notebook([NotebookCell("a", "code", "1")]))
    for number in range(10):
        saver.notebook.cells[0].source = str(number)
        saver.notebook.cells[0].touch()
        saver.changed()
        for _ in range(pause):
            await asyncio.sleep(0)
    await asyncio.wait_for(saver.close(), 30)
    assert file.load().cells[0].source == "9"
