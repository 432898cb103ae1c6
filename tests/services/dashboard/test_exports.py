"""Saved images and outputs are named after session and cell, and never replace a file that is there."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from jlab_tui.adapters.new_files import NewFiles
from jlab_tui.core.errors import JlabError
from jlab_tui.core.feed.items import FeedCell, ImageOutput
from jlab_tui.services.dashboard.exports import Exports

CELL = FeedCell("s1", 0.0, "plot()", execution_count=7)
PNG = ImageOutput("image/png", base64.b64encode(b"png").decode())
SVG = ImageOutput("image/svg+xml", base64.b64encode(b"svg").decode())


async def test_images_are_numbered_within_a_cell_and_beside_earlier_files(tmp_path: Path) -> None:
    exports = Exports(NewFiles(tmp_path))
    first = await exports.save_images("my run/1", CELL, [PNG])
    again = await exports.save_images("my run/1", CELL, [PNG])
    both = await exports.save_images("my run/1", CELL, [PNG, SVG])
    names = [path.name for path in (*first, *again, *both)]
    assert names == ["my_run_1-7.png", "my_run_1-7_2.png", "my_run_1-7-1.png", "my_run_1-7-2.svgxml"]
    assert both[1].read_bytes() == b"svg"


async def test_text_is_saved_with_any_characters(tmp_path: Path) -> None:
    path = await Exports(NewFiles(tmp_path)).save_text("", CELL, "漢\ud800")
    assert path.name == "cell-7.txt" and path.read_bytes() == "漢?".encode()


async def test_a_damaged_image_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    damaged = ImageOutput("image/png", "not base64")
    with pytest.raises(JlabError, match="The image is damaged"):
        await Exports(NewFiles(tmp_path)).save_images("s", CELL, [PNG, damaged])
    assert not list(tmp_path.iterdir())


async def test_a_directory_that_cannot_be_written_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        JlabError, match=r"cell-7.txt cannot be written: .*start the dashboard in a directory"
    ):
        await Exports(NewFiles(tmp_path / "gone")).save_text("", CELL, "x")
