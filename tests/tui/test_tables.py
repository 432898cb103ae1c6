"""Tables in the feed: aligned, folded to the width, whole on the full screen."""

from __future__ import annotations

import time

import pytest

from jlab_tui.core.display.tables import Part, TextTable
from jlab_tui.core.journal.events import DataShown, Entry, NotebookEdited
from jlab_tui.tui.blocks import Frame
from jlab_tui.tui.format import ASCII, UNICODE, Glyphs
from jlab_tui.tui.table_block import TableBlock
from jlab_tui.tui.table_screen import TableScreen
from jlab_tui.tui.themes import Palette

from . import stage
from .screen import dashboard, screen_text, settled, until

PALETTE = Palette({}, dark=True)


def frame_html(rows: int, columns: int) -> str:
    """What pandas makes of a frame with a column of words and others of numbers."""
    names = ["class", *(f"f{n}" for n in range(1, columns))]
    head = "".join(f"<th>{name}</th>" for name in ("", *names))
    body = ""
    for row in range(rows):
        cells = [f"kind {row % 7}", *(f"{(row * 37 + n) / 8:.3f}" for n in range(1, columns))]
        body += f"<tr><th>{row}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    table = f'<table border="1" class="dataframe"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f"<div>{table}<p>{rows} rows × {columns} columns</p></div>"


def lines(*parts: Part, width: int = 60, expanded: bool = False, glyphs: Glyphs = UNICODE) -> list[str]:
    frame = Frame(width, 16, PALETTE, glyphs, time.gmtime, lambda output, columns, rows: None)
    block = TableBlock(parts, frame, "success", expanded, tail=4, shows=None)
    found = ["".join(segment.text for segment in block.row(n)) for n in range(block.height)]
    assert all(len(line) <= width for line in found)
    return [line[2:].rstrip() for line in found]


SMALL = TextTable((("", "name", "loss"),), (("0", "ab", "0.25"), ("10", "日本", "12.5")), 1)


def test_numbers_stand_to_the_right_and_the_index_behind_an_edge() -> None:
    assert lines("shape: 2", SMALL) == [
        "shape: 2",
        "   │ name  loss",
        "─" * 15,
        " 0 │ ab    0.25",
        "10 │ 日本  12.5",
    ]
    assert lines(SMALL, glyphs=ASCII)[1:3] == ["-" * 15, " 0 | ab    0.25"]


@pytest.mark.parametrize(("width", "hidden"), [(60, 6), (40, 9), (20, 12)])
def test_columns_that_do_not_fit_are_counted(width: int, hidden: int) -> None:
    cells = tuple(f"{n}.123" for n in range(14))
    table = TextTable((tuple(f"col{n}" for n in range(14)),), (cells,), 1)
    said = lines(table, width=width)[-1]
    assert said.startswith(f"┄┄ {hidden} columns h") and (
        width < 40 or said.endswith("hidden · v views it ┄┄")
    )


def test_many_rows_are_folded_to_their_ends() -> None:
    table = TextTable((("n",),), tuple((str(n),) for n in range(100)), 0, more_rows=5)
    shown = lines(table)
    assert shown[2:8] == [f" {n}" for n in range(6)] and shown[9:13] == ["96", "97", "98", "99"]
    assert "90 rows hidden" in shown[8] and "5 more rows" in shown[13]
    assert len(lines(table, expanded=True)) == 2 + 100 + 1


def test_a_cell_that_is_too_wide_is_cut() -> None:
    assert lines(TextTable((), (("x" * 90, "1"),)), width=60) == ["x" * 53 + "…  1"]
    assert lines(TextTable((), (("x" * 30, "y" * 50, "z"),)), width=100)[0] == f"{'x' * 30}  {'y' * 50}  z"
    assert lines(TextTable((), (("x" * 90,),)), width=60) == ["x" * 56 + "…"]


async def test_a_frame_is_a_table_in_the_feed_and_whole_on_the_full_screen() -> None:
    source = stage.StillSource(stage.probing(), stage.READY, (), stage.KERNELS)
    async with dashboard(source, (100, 36)) as (app, pilot):
        note = "Scores:\n\n| run | score |\n|---|---|\n| a | 1 |"
        source.play(
            [("probe1", Entry(stage.NOW, NotebookEdited("markdown", "m", note, cell_type="markdown")))]
        )
        await settled(app, pilot)
        text = screen_text(app)
        assert "Scores:" in text and "run  score" in text and "| run |" not in text
        await pilot.press("v")
        await pilot.pause()
        assert isinstance(app.screen, TableScreen) and "rows 1-1 of 1" in screen_text(app)
        await pilot.press("escape")
        shown = DataShown("r", {"text/html": frame_html(60, 30), "text/plain": "    class  f1 ..."})
        source.play([("probe1", Entry(stage.NOW, shown))])
        await settled(app, pilot)
        text = screen_text(app)
        assert " 0 │ kind 0    0.125" in text and "columns hidden · v views it" in text
        assert "60 rows × 30 columns" in text
        await pilot.press("v")
        await pilot.pause()
        assert "rows 1-32 of 60, 2" in screen_text(app) and "columns to the right" in screen_text(app)
        await pilot.press("right", "right", "G")
        text = screen_text(app)
        assert "rows 29-60 of 60, 2 columns to the left" in text and "59 │" in text and "kind" not in text
        await pilot.press(*["right"] * 40, "g")
        await pilot.press(*["right"] * 40)
        assert "f29" in screen_text(app) and "to the right" not in screen_text(app)
        await pilot.press("right_square_bracket", "pagedown", "escape")
        assert len(app.screen_stack) == 1


async def test_w_shows_long_cells_of_a_table_whole_and_others_again() -> None:
    cells = "".join(f"<td>{letter * 60}</td>" for letter in "xyz")
    shown = DataShown("r", {"text/html": f"<table><tr><th>{'name ' * 9}</th>{cells}</tr></table>"})
    source = stage.StillSource([*stage.probing(), ("probe1", Entry(stage.NOW, shown))], stage.READY)
    async with dashboard(source, (120, 30)) as (app, pilot):
        app.main.choose("probe1")
        await settled(app, pilot)
        await pilot.press("v")
        await until(pilot, lambda: "w whole cells" in screen_text(app))
        assert "x" * 40 not in screen_text(app) and "y" * 39 + "…" in screen_text(app)
        await pilot.press("w")
        text = screen_text(app)
        assert "x" * 60 in text and "w more columns" in text and "2 columns to the right" in text
        await pilot.press("right")
        assert "y" * 60 in screen_text(app)
        await pilot.press("g", "w")
        assert "x" * 40 not in screen_text(app) and "w whole cells" in screen_text(app)
