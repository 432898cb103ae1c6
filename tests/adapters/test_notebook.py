"""Notebook files: what a save says that it has written."""

from __future__ import annotations

from pathlib import Path

from jlab_tui.adapters.notebook import NotebookFile
from jlab_tui.core.notebook import Cell, Notebook, copy_cells


def test_an_edit_during_a_save_is_not_taken_for_saved(tmp_path: Path) -> None:
    file = NotebookFile(tmp_path / "n.ipynb")
    cell = Cell("a", "code", "old")
    notebook = Notebook([cell])
    file.create(notebook)
    cell.fragment = file.save(copy_cells(notebook), {}).fragments["a"][1]
    copies = copy_cells(notebook)
    cell.source = "new"
    cell.touch()
    assert file.save(copies, {}).versions["a"] == (0, "old")
