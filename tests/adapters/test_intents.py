"""Sessions that are being opened: the notebook of each is found again by the call that is sent again."""

from __future__ import annotations

import os
from pathlib import Path

from jlab_tui.adapters.intents import OpeningIntents


def test_a_notebook_is_found_until_its_session_is_open(tmp_path: Path) -> None:
    intents, notebook = OpeningIntents(tmp_path / "intents"), tmp_path / "n.ipynb"
    intents.write("a1b2c3d4", notebook)
    assert intents.read("a1b2c3d4") is None, "the file was not made"
    notebook.write_text("{}", encoding="utf-8")
    assert intents.read("a1b2c3d4") == notebook
    intents.forget("a1b2c3d4")
    intents.forget("a1b2c3d4")
    assert intents.read("a1b2c3d4") is None


def test_leftovers_go_and_one_that_cannot_go_keeps_nothing_from_being_remembered(tmp_path: Path) -> None:
    folder, notebook = tmp_path / "intents", tmp_path / "n.ipynb"
    notebook.write_text("{}", encoding="utf-8")
    intents = OpeningIntents(folder)
    intents.write("old", notebook)
    (folder / "odd").mkdir()
    for left in (folder / "old", folder / "odd"):
        os.utime(left, (1.0, 1.0))
    intents.write("new", notebook)
    assert intents.read("new") == notebook and intents.read("old") is None
