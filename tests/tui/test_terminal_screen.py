"""What is written to the terminal: the cells that differ, and nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.theme import BUILTIN_THEMES, Theme

from jlab_tui.tui.colors import codes_of, color_system, nearest_of_256, one_of_16
from jlab_tui.tui.terminal_screen import TerminalScreen
from jlab_tui.tui.themes import DAY, NIGHT, Palette, contrast

from .emulator import Emulator

COLUMNS, ROWS = 24, 4
RED, BOLD = Style(color="#ff0000", bgcolor="#102030"), Style(bold=True, bgcolor="#102030")

TEXTS = st.text(st.sampled_from("ab │é漢e\u0301⏸"), min_size=1, max_size=8)
STYLES = st.sampled_from([None, RED, BOLD, Style(underline=True), Style(link="https://example.org")])


def screen(columns: int = COLUMNS, rows: int = ROWS) -> TerminalScreen:
    made = TerminalScreen(ColorSystem.TRUECOLOR)
    made.resize(columns, rows)
    return made


ENDED_BY = {"1": "22", "2": "22", "3": "23", "4": "24", "7": "27", "9": "29"}
LOOKS = st.builds(
    Style,
    bold=st.booleans(),
    dim=st.booleans(),
    italic=st.booleans(),
    underline=st.booleans(),
    reverse=st.booleans(),
    strike=st.booleans(),
    color=st.sampled_from([None, "#ff0000", "#00ff00"]),
    bgcolor=st.sampled_from([None, "#102030"]),
)


def looks_of(sequences: str) -> list[tuple[str, set[str]]]:
    """Each character but spaces with the attributes and colours that a terminal gives it."""
    found, now, fore, back = [], set[str](), "", ""
    for codes, text in re.findall(r"\x1b\[([\d;]*)m([^\x1b]*)", sequences):
        left = codes.split(";")
        while left:
            code = left.pop(0)
            if code in ("", "0"):
                now, fore, back = set(), "", ""
            elif code in ("38", "48"):
                color, left = ";".join((code, *left[:4])), left[4:]
                fore, back = (color, back) if code == "38" else (fore, color)
            elif code in ("39", "49"):
                fore, back = ("", back) if code == "39" else (fore, "")
            else:
                now = {one for one in now if ENDED_BY[one] != code} | ({code} & ENDED_BY.keys())
        found += [(char, {*now, fore, back}) for char in text if char != " "]
    return found


@given(st.lists(LOOKS, min_size=1, max_size=6))
def test_every_character_gets_its_own_look_whatever_came_before(styles: list[Style]) -> None:
    together = screen(8, 1)
    together.put(0, 0, [Segment("x", style) for style in styles])
    alone = []
    for style in styles:
        made = screen(1, 1)
        made.put(0, 0, [Segment("x", style)])
        alone += looks_of(made.changes().replace("\x1b[1Hx", "\x1b[1H\x1b[mx"))
    assert looks_of(together.changes().replace("\x1b[1Hx", "\x1b[1H\x1b[mx")) == alone


def test_a_word_in_bold_costs_a_few_bytes() -> None:
    made = screen(9, 1)
    made.put(0, 0, [Segment("a", RED), Segment("b", RED + Style(bold=True)), Segment("c", RED)])
    assert "a\x1b[1mb\x1b[22mc" in made.changes()


def drawn(made: TerminalScreen, text: str, y: int = 0, style: Style | None = RED) -> str:
    made.put(0, y, [Segment(text.ljust(COLUMNS), style)])
    return made.changes()


@given(
    st.lists(
        st.tuples(st.integers(0, ROWS - 1), st.lists(st.tuples(TEXTS, STYLES), min_size=1, max_size=5)),
        max_size=8,
    ),
    st.data(),
)
def test_any_pictures_sent_or_left_out_end_as_the_last_one(
    pictures: list[tuple[int, list[tuple[str, Style | None]]]], data: st.DataObject
) -> None:
    ours, whole = screen(), screen()
    terminal, other = Emulator(COLUMNS, ROWS), Emulator(COLUMNS, ROWS)
    for y, parts in pictures:
        segments = [Segment(text, style) for text, style in parts]
        line = [*segments, Segment(" " * COLUMNS, RED)]
        for one in (ours, whole):
            one.put(0, y, line)
        if data.draw(st.booleans()):
            terminal.feed(ours.changes().encode())
    terminal.feed(ours.changes().encode())
    other.feed(whole.changes().encode())
    assert terminal.text == other.text
    assert ours.changes() == ""


def test_only_cells_that_differ_are_written_and_their_colour_once() -> None:
    made = screen()
    drawn(made, "epoch  9  loss=0.41")
    changes = drawn(made, "epoch 10  loss=0.40")
    assert changes == "\x1b[1;7H\x1b[38;2;255;0;0;48;2;16;32;48m10\x1b[1;19H0\x1b[m"
    assert drawn(made, "epoch 10  loss=0.40") == ""


def test_a_mark_that_moves_leaves_the_rest_of_its_row_alone() -> None:
    """As those of the cells in the strip do each second."""
    made = screen()
    drawn(made, "10 min ─────✓─✗──▶──────")
    assert len(drawn(made, "10 min ────✓─✗──▶───────")) < 80


def test_a_space_needs_no_text_colour_and_no_bold() -> None:
    made = screen(4, 1)
    made.put(0, 0, [Segment("a", RED), Segment("  ", BOLD), Segment("b", RED)])
    assert made.changes() == "\x1b[1H\x1b[38;2;255;0;0;48;2;16;32;48ma  b\x1b[m"


def test_a_part_of_uncertain_width_is_written_whole_and_its_neighbours_are_not() -> None:
    made = screen(12, 1)
    made.put(0, 0, [Segment("│list│")])
    made.put(6, 0, [Segment("⏸ wait")])
    made.changes()
    made.put(6, 0, [Segment("⏸ want")])
    assert made.changes() == "\x1b[1;7H⏸ want"


def test_what_the_terminal_shows_is_written_again_once_it_is_forgotten_or_has_another_size() -> None:
    made = screen()
    first = drawn(made, "x")
    made.forget()
    assert drawn(made, "x").startswith(first.removesuffix("\x1b[m"))
    made.resize(COLUMNS + 1, ROWS)
    assert made.is_dirty


@pytest.mark.parametrize(
    ("env", "colors"),
    [
        ({"COLORTERM": "truecolor", "TERM": "xterm"}, ColorSystem.TRUECOLOR),
        ({"TERM": "xterm-kitty"}, ColorSystem.TRUECOLOR),
        ({"TERM": "xterm"}, ColorSystem.EIGHT_BIT),
        ({"TERM": "screen"}, ColorSystem.EIGHT_BIT),
        ({"TERM": "tmux-256color"}, ColorSystem.EIGHT_BIT),
        ({"TERM": "linux"}, ColorSystem.STANDARD),
        ({}, ColorSystem.STANDARD),
    ],
)
def test_the_colours_of_a_terminal_are_known_by_its_names(env: dict[str, str], colors: ColorSystem) -> None:
    assert color_system(env) is colors


@pytest.mark.parametrize(
    ("rgb", "number"),
    [((31, 35, 53), 235), ((17, 19, 28), 233), ((255, 158, 100), 215), ((255, 0, 0), 196), ((0, 0, 0), 16)],
)
def test_dark_grounds_stay_grey_in_256_colours(rgb: tuple[int, int, int], number: int) -> None:
    assert nearest_of_256(rgb) == number


@pytest.mark.parametrize(
    ("rgb", "text", "ground"),
    [
        ((247, 118, 142), "31", "41"),
        ((255, 158, 100), "33", "43"),
        ((158, 206, 106), "32", "42"),
        ((122, 162, 247), "34", "44"),
        ((187, 154, 247), "35", "45"),
        ((192, 202, 245), "39", "49"),
        ((17, 19, 28), "39", "49"),
        ((255, 255, 255), "39", "49"),
        ((110, 112, 125), "90", "49"),
    ],
)
def test_sixteen_colours_are_the_terminals_own_by_hue(
    rgb: tuple[int, int, int], text: str, ground: str
) -> None:
    assert (one_of_16(rgb, foreground=True), one_of_16(rgb, foreground=False)) == (text, ground)


def test_colours_are_written_as_the_terminal_has_them() -> None:
    color = RED.color
    found = [
        codes_of(color, colors, foreground=True)
        for colors in (ColorSystem.TRUECOLOR, ColorSystem.EIGHT_BIT, ColorSystem.STANDARD)
    ]
    assert found == ["38;2;255;0;0", "38;5;196", "31"]
    assert codes_of(None, ColorSystem.TRUECOLOR, foreground=False) == "49"


@pytest.mark.parametrize("theme", [NIGHT, DAY, BUILTIN_THEMES["gruvbox"], BUILTIN_THEMES["solarized-light"]])
def test_the_faintest_text_can_be_read(theme: Theme) -> None:
    palette = Palette(theme.to_color_system().generate(), dark=theme.dark)
    assert contrast(palette.hues["faint"], palette.background) >= 4.5
    assert contrast(palette.hues["muted"], palette.background) > contrast(
        palette.hues["faint"], palette.background
    )


def test_contrast_is_that_of_wcag() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)
