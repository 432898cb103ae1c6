"""A notebook that cannot be saved for a while is saved as soon as it can be."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from jlab_tui.adapters.notebook import NotebookFile
from jlab_tui.core.notebook.notebook import Notebook, NotebookCell, PageCopy, Saved
from jlab_tui.core.notebook.pace import NotebookChange
from jlab_tui.services.notebook.autosave import Autosave
from tests.project import until


async def wait_for_it(saver: Autosave) -> None:
    await until(lambda: not saver.failure)
    await saver.close()


@pytest.mark.parametrize("afterwards", [wait_for_it, Autosave.close], ids=["in time", "at the exit"])
async def test_a_save_that_failed_is_tried_again(
    tmp_path: Path, afterwards: Callable[[Autosave], Awaitable[None]]
) -> None:
    folder, away = tmp_path / "notebooks", tmp_path / "away"
    file = NotebookFile(folder / "n.ipynb")
    saver = Autosave(file, Notebook([NotebookCell("a", "code", "1")]))
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
    faults = [RuntimeError("once")]

    def fails_once() -> None:
        if faults:
            raise faults.pop()

    saver = Autosave(file, Notebook([NotebookCell("a", "code", "1")]), before_save=fails_once)
    saver.changed()
    await saver.flush()
    assert "RuntimeError: once" in saver.failure
    await saver.close()
    assert file.load().cells[0].source == "1"


async def test_a_cell_that_is_over_at_once_is_saved_once(tmp_path: Path) -> None:
    file = NotebookFile(tmp_path / "n.ipynb")
    notebook = Notebook([NotebookCell("a", "code", "1")])
    saves: list[int | None] = []
    saver = Autosave(file, notebook, before_save=lambda: saves.append(notebook.cells[0].execution_count))
    saver.changed(NotebookChange.BEGIN)
    await asyncio.to_thread(lambda: None)
    saver.notebook.cells[0].execution_count = 1
    saver.changed()
    await saver.close()
    assert saves == [1]


async def saving(
    path: Path, on_moved: Callable[[Path], None] = lambda path: None
) -> tuple[Autosave, Callable[[str], Awaitable[None]]]:
    """A saver, and a way to have it save a new text."""
    notebook = Notebook([NotebookCell("aaaaaaaa", "code", "1")])
    saver = Autosave(NotebookFile(path), notebook, on_moved=on_moved)

    async def save(text: str) -> None:
        saver.notebook.cells[0].source = text
        saver.notebook.cells[0].touch()
        saver.changed()
        await saver.flush()

    await save("1")
    return saver, save


async def test_a_renamed_notebook_is_followed_and_a_removed_one_written_anew(tmp_path: Path) -> None:
    old, new = tmp_path / "old.ipynb", tmp_path / "new.ipynb"
    moved: list[Path] = []
    saver, save = await saving(old, moved.append)
    old.rename(new)
    await save("2")
    assert moved == [new] and not old.exists() and NotebookFile(new).load().cells[0].source == "2"
    new.unlink()
    await save("3")
    assert NotebookFile(new).load().cells[0].source == "3"
    assert ["renamed to" in note for note in saver.merge_notes] == [True, False]
    assert "removed" in saver.merge_notes[1]
    await saver.close()


async def test_a_file_that_cannot_be_merged_stays_until_it_can(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    saver, save = await saving(path)
    whole = path.read_text(encoding="utf-8")
    path.write_text("{half an edit", encoding="utf-8")
    await save("2")
    assert "cannot be merged" in saver.conflict and path.read_text(encoding="utf-8") == "{half an edit"
    path.write_text(whole, encoding="utf-8")
    await saver.refresh()
    assert not saver.conflict
    await saver.close()
    assert NotebookFile(path).load().cells[0].source == "2"


class SlowFile(NotebookFile):
    """Once it was read, that is known only when `go_on` is set."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.was_read, self.go_on = threading.Event(), threading.Event()

    def load(self) -> Notebook:
        found = super().load()
        self.was_read.set()
        self.go_on.wait(30)
        return found


@pytest.mark.parametrize("is_cancelled", [False, True], ids=["waited for", "cancelled"])
async def test_nothing_is_saved_between_reading_what_the_user_wrote_and_merging_it(
    tmp_path: Path, is_cancelled: bool
) -> None:
    path = tmp_path / "n.ipynb"
    file = SlowFile(path)
    saver = Autosave(file, Notebook([NotebookCell("aaaaaaaa", "code", "1")]))
    saver.changed()
    await saver.flush()
    path.unlink()
    NotebookFile(path).create(Notebook([NotebookCell("aaaaaaaa", "code", "the user's")]))
    refreshing = asyncio.create_task(saver.refresh())
    await until(file.was_read.is_set)
    if is_cancelled:
        refreshing.cancel()
        await asyncio.gather(refreshing, return_exceptions=True)
    saver.notebook.insert(NotebookCell("bbbbbbbb", "code", "2"))
    saver.changed()
    await saver.flush(timeout=0.2)
    file.go_on.set()
    await saver.close()
    assert [cell.source for cell in NotebookFile(path).load().cells] == ["the user's", "2"]


async def test_a_flush_does_not_wait_for_the_pause_after_a_long_save(tmp_path: Path) -> None:
    file = NotebookFile(tmp_path / "n.ipynb")
    saver = Autosave(file, Notebook([NotebookCell("a", "code", "1")]))

    class Slow(NotebookFile):
        """As a file system that takes half a minute would be."""

        def save(self, pages: Sequence[PageCopy], metadata: dict[str, object]) -> Saved:
            return replace(super().save(pages, metadata), seconds=30.0)

    saver.file = Slow(file.path)
    saver.changed()
    await until(lambda: saver.notebook.cells[0].saved_version == 0)
    saver.notebook.cells[0].source = "2"
    saver.notebook.cells[0].touch()
    saver.changed()
    await saver.flush(timeout=25)
    assert saver.failure == "" and file.load().cells[0].source == "2"
    await saver.close()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
async def test_of_the_files_that_saves_have_replaced_none_stays_open(tmp_path: Path) -> None:
    saver = Autosave(NotebookFile(tmp_path / "n.ipynb"), Notebook([NotebookCell("a", "code", "1")]))
    for number in range(5):
        saver.notebook.insert(NotebookCell(f"b{number}", "code", "x" * 20_000))
        saver.notebook.cells[0].touch()
        saver.changed()
        await saver.flush()
    assert open_below(tmp_path) == [str(tmp_path / "n.ipynb")]
    await saver.close()


def open_below(folder: Path) -> list[str]:
    paths = []
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            paths.append(os.readlink(f"/proc/self/fd/{fd}"))
    return [path for path in paths if path.startswith(str(folder))]
