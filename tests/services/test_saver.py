"""A notebook that cannot be saved for a while is saved as soon as it can be."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from jlab_tui.adapters.notebook import NotebookFile
from jlab_tui.core.notebook import Cell, Notebook
from jlab_tui.services.saver import Saver
from tests.project import until


async def wait_for_it(saver: Saver) -> None:
    await until(lambda: not saver.failure)
    await saver.close()


@pytest.mark.parametrize("afterwards", [wait_for_it, Saver.close], ids=["in time", "at the exit"])
async def test_a_save_that_failed_is_tried_again(
    tmp_path: Path, afterwards: Callable[[Saver], Awaitable[None]]
) -> None:
    folder, away = tmp_path / "notebooks", tmp_path / "away"
    file = NotebookFile(folder / "n.ipynb")
    saver = Saver(file, Notebook([Cell("a", "code", "1")]))
    folder.mkdir()
    saver.changed()
    await saver.flush()
    folder.rename(away)
    saver.notebook.cells[0].source = "2"
    saver.notebook.cells[0].touch()
    saver.changed()
    await saver.flush()
    assert "could not be saved: No such file or directory" in saver.failure
    away.rename(folder)
    await afterwards(saver)
    assert file.load().cells[0].source == "2"


async def test_a_fault_in_one_save_does_not_end_saving(tmp_path: Path) -> None:
    file = NotebookFile(tmp_path / "n.ipynb")
    saver = Saver(file, Notebook([Cell("a", "code", "1")]))
    faults = [RuntimeError("once")]

    def fails_once() -> None:
        if faults:
            raise faults.pop()

    saver.before_save = fails_once
    saver.changed()
    await saver.flush()
    assert "RuntimeError: once" in saver.failure
    await saver.close()
    assert file.load().cells[0].source == "1"


async def test_a_cell_that_is_over_at_once_is_saved_once(tmp_path: Path) -> None:
    file = NotebookFile(tmp_path / "n.ipynb")
    saver = Saver(file, Notebook([Cell("a", "code", "1")]))
    saves: list[int | None] = []
    saver.before_save = lambda: saves.append(saver.notebook.cells[0].execution_count)
    saver.changed()
    await asyncio.to_thread(lambda: None)
    saver.notebook.cells[0].execution_count = 1
    saver.changed(now=True)
    await saver.close()
    assert saves == [1]
