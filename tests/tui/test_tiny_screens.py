"""The dashboard lives through every size that a terminal can have, however small."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import ModuleType

import pytest

from jlab_tui.core.feed.items import ErrorOutput, FeedCell
from jlab_tui.tui.blocks import CodeBlock, ErrorBlock, Frame
from jlab_tui.tui.format import ASCII, UNICODE, Glyphs, shortened
from jlab_tui.tui.gauges import Lane, Reading
from jlab_tui.tui.keys import KEYS
from jlab_tui.tui.pixels import fit
from jlab_tui.tui.plots import Line, Plotext, plotext_rows
from jlab_tui.tui.progress_block import spark
from jlab_tui.tui.screen_texts import shown_path
from jlab_tui.tui.screens import largest
from jlab_tui.tui.themes import Palette
from jlab_tui.tui.widgets.detail import shortened_path
from jlab_tui.tui.widgets.footer import fitting
from jlab_tui.tui.widgets.graphs import graph, lanes, meter
from jlab_tui.tui.widgets.header import HeaderState, header_row
from jlab_tui.tui.widgets.state_panel import panel_rows

from . import stage
from .screen import dashboard, screen_text, settled

PALETTE = Palette({}, dark=True)
READING = Reading(
    "CPU", (1.0, None, 3.0), (1.0, 2.0, 3.0), "3", "", "primary", lanes=(Lane("0", (1.0,), "1"),) * 9
)
PURE: dict[str, Callable[[int, int, Glyphs], object]] = {
    "footer": lambda width, height, glyphs: fitting(KEYS, width),
    "path": lambda width, height, glyphs: [
        shown_path("a/bc/defg", width),
        shortened_path("a/bc/defg", width),
    ],
    "word": lambda width, height, glyphs: shortened("a long word", width, glyphs.ellipsis),
    "spark": lambda width, height, glyphs: spark((1.0, 2.0, 3.0), width),
    "image": lambda width, height, glyphs: [fit(90, 60, width, height), largest(90, 60, width, height)],
    "graph": lambda width, height, glyphs: graph(READING, width, height, PALETTE, glyphs),
    "lanes": lambda width, height, glyphs: lanes(READING, width, height, PALETTE, glyphs),
    "meter": lambda width, height, glyphs: meter(READING, width, PALETTE, glyphs),
    "header": lambda width, height, glyphs: header_row(HeaderState(None), width, PALETTE, glyphs),
    "panel": lambda width, height, glyphs: panel_rows(
        stage.PENDING, width, stage.NOW, PALETTE, glyphs, time.gmtime
    ),
    "axes": lambda width, height, glyphs: plotext_rows(
        _module(), [Line("CPU", (1.0,), "primary")], (1.0,), str, width, height, PALETTE
    ),
    "cell": lambda width, height, glyphs: [_code(width, height, glyphs), _error(width, height, glyphs)],
}


def _module() -> ModuleType:
    plotext = Plotext()
    assert plotext.load() and plotext.module is not None
    return plotext.module


def _frame(width: int, height: int, glyphs: Glyphs) -> Frame:
    return Frame(width, height, PALETTE, glyphs, time.gmtime, lambda output, columns, rows: None)


def _code(width: int, height: int, glyphs: Glyphs) -> object:
    block = CodeBlock(FeedCell("s", 1.0, "x = 1\ny = 2"), _frame(width, height, glyphs), "success", False)
    return [block.row(index) for index in range(block.height)]


def _error(width: int, height: int, glyphs: Glyphs) -> object:
    block = ErrorBlock(
        ErrorOutput("E", "v", ("-" * 75, "E: v")), _frame(width, height, glyphs), "error", expanded=False
    )
    return [block.row(index) for index in range(block.height)]


@pytest.mark.parametrize("name", PURE)
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_what_lays_out_has_an_answer_for_every_size(name: str, glyphs: Glyphs) -> None:
    for width in range(13):
        for height in range(7):
            PURE[name](width, height, glyphs)
    assert PURE[name](300, 60, glyphs)


EVERY = [(width, height) for width in range(1, 13) for height in range(1, 7)]
ODD = [(1, 1), (2, 10), (3, 2), (1, 60), (12, 3), (300, 1), (13, 40), (63, 2), (8, 8)]


@pytest.mark.parametrize(
    ("pressed", "sizes"),
    [
        ("", EVERY + ODD),
        *(
            (keys, ODD)
            for keys in ("T", "m", "v", "d", "question_mark", "ctrl+p", "slash", "c", "z", "z z", "a")
        ),
    ],
)
async def test_every_screen_lives_through_every_size_and_is_whole_afterwards(
    pressed: str, sizes: list[tuple[int, int]]
) -> None:
    async with dashboard(stage.working(), (120, 36)) as (app, pilot):
        await pilot.press("3", *pressed.split())
        await settled(app, pilot)
        for size in sizes:
            await pilot.resize_terminal(*size)
            await pilot.pause()
        await pilot.resize_terminal(120, 36)
        await settled(app, pilot)
        assert len(screen_text(app).splitlines()) == 36
