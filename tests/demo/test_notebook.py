"""What the demo takes for a notebook that its story has left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbformat import v4

from jlab_tui.demo import demo_cells as cells
from jlab_tui.demo.player import check_notebook
from jlab_tui.demo.story import COMMENT

IMAGE = v4.new_output("display_data", {"image/png": "iVBORw0KGgo="})
FIT = v4.new_output("stream", text="".join(f"epoch {n}/40\n" for n in range(cells.EPOCHS)))
ERROR = v4.new_output("error", ename="NameError", evalue="heta", traceback=[])


def code(*outputs: Any) -> Any:
    return v4.new_code_cell("x", outputs=list(outputs))


WHOLE = [v4.new_markdown_cell(cells.TITLE), code(), code(IMAGE), code(FIT), code(IMAGE)]


def faults(path: Path, notebook: list[Any], *comments: str) -> list[str]:
    nbformat.write(v4.new_notebook(cells=notebook), str(path))
    return [fault.removeprefix(f"{path} ") for fault in check_notebook(path, comments)]


def test_a_notebook_as_the_story_leaves_it_has_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "tea.ipynb"
    assert faults(path, WHOLE) == []
    assert faults(path, [*WHOLE, v4.new_markdown_cell("> read")], "thanks") == []
    assert faults(path, [*WHOLE, v4.new_markdown_cell("> read"), code()], COMMENT) == []


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tea.ipynb"
    assert faults(path, [*WHOLE[:2], code(ERROR)]) == [
        "has 3 cells instead of 5.",
        "has 0 images instead of 2.",
        "still has the mistake.",
        "has 0 of 40 lines of the fit.",
    ]
    assert faults(path, WHOLE, COMMENT) == ["has 5 cells instead of 7."]
    path.write_text("{", encoding="utf-8")
    assert len(check_notebook(path)) == 1
    assert "No such file" in check_notebook(tmp_path / "none")[0]
