"""Notebook files: what a save says that it has written, and what of somebody else's it leaves alone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from jlab_tui.adapters.notebook import (
    NotebookFile,
    allowed_path,
    earlier_unfinished_name,
    unfinished_name,
)
from jlab_tui.core.errors import NotebookError
from jlab_tui.core.notebook.file_text import outputs_of, overwritten
from jlab_tui.core.notebook.notebook import ChangedOnDisk, Notebook, NotebookCell
from jlab_tui.core.notebook.stored import HEAVY, Span, StoredOutputs


def test_an_edit_during_a_save_is_not_taken_for_saved(tmp_path: Path) -> None:
    file = NotebookFile(tmp_path / "n.ipynb")
    cell = NotebookCell("a", "code", "old")
    notebook = Notebook([cell])
    file.create(notebook)
    notebook.saved(file.save(notebook.pages(), {}))
    ((held,),) = (page.cells or [page.text] for page in notebook.pages())
    assert isinstance(held, Span)
    pages = notebook.pages()
    cell.source = "new"
    cell.touch()
    notebook.saved(file.save(pages, {}))
    assert cell.is_dirty and cell.saved_source == "old" and cell.text is None


def saved_file(path: Path) -> tuple[NotebookFile, Notebook]:
    notebook = Notebook([NotebookCell("aaaaaaaa", "code", "1")])
    file = NotebookFile(path)
    file.create(notebook)
    return file, notebook


@pytest.mark.parametrize("stem", ["m" * 249, "é" * 124, "🙂" * 62])
def test_a_name_as_long_as_a_file_system_takes_can_be_saved(tmp_path: Path, stem: str) -> None:
    file, notebook = saved_file(tmp_path / f"{stem}.ipynb")
    file.save(notebook.pages(), {})
    assert [path.name for path in tmp_path.iterdir()] == [f"{stem}.ipynb"]


def test_a_file_that_was_never_read_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    path.write_text("<<<<<<< HEAD", encoding="utf-8")
    with pytest.raises(ChangedOnDisk):
        NotebookFile(path).save(Notebook().pages(), {})
    assert path.read_text(encoding="utf-8") == "<<<<<<< HEAD"


class WrittenMeanwhile(NotebookFile):
    """Somebody else writes the file right after it was found unchanged."""

    is_due = False

    def _now(self) -> tuple[int, int, int] | None:
        found = super()._now()
        if self.is_due:
            self.is_due = False
            self.path.write_text("somebody else's", encoding="utf-8")
        return found


def test_a_file_written_while_a_large_notebook_is_saved_is_not_replaced(tmp_path: Path) -> None:
    file = WrittenMeanwhile(tmp_path / "n.ipynb")
    file.create(Notebook())
    file.is_due = True
    with pytest.raises(ChangedOnDisk):
        file.save(Notebook().pages(), {})
    assert [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()] == ["somebody else's"]


def test_a_read_only_file_is_not_replaced(tmp_path: Path) -> None:
    file, notebook = saved_file(tmp_path / "n.ipynb")
    file.path.chmod(0o444)
    notebook.cells[0].source = "2"
    with pytest.raises(PermissionError, match="read-only"):
        file.save(notebook.pages(), {})
    assert file.load().cells[0].source == "1"


def test_a_renamed_file_is_followed_and_a_removed_one_is_given_up(tmp_path: Path) -> None:
    file, notebook = saved_file(tmp_path / "old.ipynb")
    saved_file(tmp_path / "other.ipynb")
    file.path.rename(tmp_path / "new.ipynb")
    assert file.changed() and file.look_after({"aaaaaaaa"})
    assert file.path == tmp_path / "new.ipynb"
    file.path.unlink()
    assert not file.look_after({"aaaaaaaa"})
    file.save(notebook.pages(), {})
    assert file.load().cells[0].source == "1"


def test_another_file_with_the_inode_of_a_removed_one_is_not_taken_for_it(tmp_path: Path) -> None:
    file, _ = saved_file(tmp_path / "old.ipynb")
    file.path.rename(tmp_path / "another.ipynb")
    assert not file.look_after({"bbbbbbbb"}) and file.path == tmp_path / "old.ipynb"


def test_cells_without_ids_get_the_same_ones_each_time(tmp_path: Path) -> None:
    cell = {"cell_type": "markdown", "source": "text", "metadata": {}}
    path = tmp_path / "n.ipynb"
    raw = {"nbformat": 4, "nbformat_minor": 0, "metadata": {}, "cells": [cell] * 50}
    path.write_text(json.dumps(raw), encoding="utf-8")
    first, second = ([c.id for c in NotebookFile(path).load().cells] for _ in range(2))
    assert first == second and len(set(first)) == 50


def test_a_notebook_of_another_encoding_is_opened_with_a_word_and_saved_as_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    raw = '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "code", "id": "a", "source": "é"}]}'
    path.write_bytes(raw.encode("cp1252"))
    file = NotebookFile(path)
    notebook = file.load()
    assert notebook.cells[0].source == "é" and "Windows-1252" in file.note
    file.save(notebook.pages(), {})
    assert "é" in path.read_text(encoding="utf-8")
    file.load()
    assert file.note == ""


@pytest.mark.parametrize(
    "given", ["file://{path}", "file://localhost{path}", "FILE:{path}", " file://{path}\n", "{path}"]
)
def test_a_file_url_names_its_notebook(tmp_path: Path, given: str) -> None:
    path = (tmp_path / "my notebook é.ipynb").resolve()
    path.touch()
    url = given.format(path=quote(str(path)) if "ile:" in given.lower() else str(path))
    assert allowed_path(url, [tmp_path], tmp_path) == path


def test_a_url_of_another_machine_names_no_notebook_here(tmp_path: Path) -> None:
    with pytest.raises(NotebookError):
        allowed_path("file://elsewhere/etc/n.ipynb", [tmp_path / "x"], tmp_path)


LONG = "é" * HEAVY


def test_memory_need_not_hold_the_outputs_of_a_large_cell(tmp_path: Path) -> None:
    outputs = [{"output_type": "stream", "name": "stdout", "text": LONG}]
    notebook = Notebook(
        [
            NotebookCell("a", "code", "ä", list(outputs)),
            NotebookCell("b", "markdown", LONG),
            NotebookCell("c", "code", "1", list(outputs)),
            NotebookCell("d", "code", "2"),
        ]
    )
    file = NotebookFile(tmp_path / "n.ipynb")
    file.create(notebook)
    notebook.saved(file.save(notebook.pages(), {}))
    text = file.path.read_bytes()
    for read in (notebook, NotebookFile(file.path).load()):
        first, _, third, small = read.cells
        assert isinstance(first.outputs, StoredOutputs) and isinstance(third.text, Span)
        assert outputs_of(first) == outputs_of(third) == outputs
        assert small.outputs == []
        file.save(read.pages(), {})
        assert file.path.read_bytes() == text, "it is written as it was"


def test_a_notebook_is_written_anew_from_its_old_file_that_somebody_removed(tmp_path: Path) -> None:
    file, _ = saved_file(tmp_path / "n.ipynb")
    file.path.unlink()
    NotebookFile(file.path).create(Notebook([NotebookCell("a", "code", LONG)]))
    notebook = file.load()
    text = file.path.read_bytes()
    file.path.unlink()
    assert not file.look_after({"a"})
    file.save(notebook.pages(), {})
    assert file.path.read_bytes() == text


def test_nothing_is_written_of_a_file_that_somebody_has_written_over(tmp_path: Path) -> None:
    file, _ = saved_file(tmp_path / "n.ipynb")
    file.save(Notebook([NotebookCell("a", "code", LONG)]).pages(), {})
    notebook = file.load()
    file.path.write_bytes(b"x" * file.size)
    assert overwritten(notebook.cells) == notebook.cells
    with pytest.raises(ChangedOnDisk):
        file.save(notebook.pages(), {})
    file.path.unlink()
    assert not file.look_after({"a"})
    with pytest.raises(ChangedOnDisk):
        file.save(notebook.pages(), {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp1252"])
def test_a_file_of_another_encoding_is_held_in_memory(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "n.ipynb"
    cell = {"cell_type": "code", "id": "a", "source": LONG, "outputs": [], "metadata": {}}
    raw = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}
    path.write_text(json.dumps(raw, ensure_ascii=False), encoding=encoding)
    (read,) = NotebookFile(path).load().cells
    assert read.text is None and read.outputs == [] and read.source == LONG


def ended_pid() -> int:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def test_what_a_killed_save_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    file, _ = saved_file(tmp_path / "n.ipynb")
    host, gone = socket.gethostname(), str(ended_pid())
    left = [unfinished_name("n.ipynb", host, gone, "1f"), unfinished_name("n.ipynb", host, gone, "0")]
    old = [earlier_unfinished_name("n.ipynb", gone, "1f"), earlier_unfinished_name("n.ipynb", "1", "2")]
    kept = [
        earlier_unfinished_name("n.ipynb", gone, "2f"),
        unfinished_name("n.ipynb", host, str(os.getpid()), "1f"),
        unfinished_name("n.ipynb", "elsewhere", gone, "1f"),
        unfinished_name("other.ipynb", host, gone, "1f"),
        unfinished_name("n.ipynb", host, gone, "1f") + ".mine",
        unfinished_name("n.ipynb", host, gone, "xy"),
        ".n.ipynb.swp",
        f".nxipynb.{host}-{gone}-1f",
    ]
    for name in left + old + kept:
        (tmp_path / name).touch()
    for name in old:
        os.utime(tmp_path / name, (1.0, 1.0))
    file.load()
    assert {path.name for path in tmp_path.iterdir()} == {"n.ipynb", *kept}


def test_a_save_that_is_killed_leaves_the_old_file_and_nothing_that_the_next_one_keeps(
    tmp_path: Path,
) -> None:
    file, _ = saved_file(tmp_path / "n.ipynb")
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from jlab_tui.adapters.notebook import NotebookFile\n"
        "from jlab_tui.core.notebook.notebook import Notebook, NotebookCell\n"
        "from jlab_tui.core.notebook.stored import Span\n"
        "file = NotebookFile(Path(sys.argv[1]))\n"
        "file.load()\n"
        "cell = NotebookCell('a', 'code', '')\n"
        "cell.is_held(Span(lambda offset, size: os.kill(os.getpid(), 9), 0, 1))\n"
        "file.save(Notebook([cell]).pages(), {})\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file.path)], check=False)
    assert done.returncode == -9 and len(list(tmp_path.iterdir())) == 2
    assert [cell.source for cell in file.load().cells] == ["1"]
    assert list(tmp_path.iterdir()) == [file.path]
