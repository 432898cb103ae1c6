"""Text and tables of the live page: what anybody prints is only text there."""

from __future__ import annotations

import html
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.display.terminal_text import render_terminal
from jlab_tui.jupyter_extension.live_markup import LINE_MAX, code_html, escaped, lines_html
from jlab_tui.jupyter_extension.live_screen import coloured, settled
from jlab_tui.jupyter_extension.live_table import CELLS_MAX, HTML_MAX, TAGS_MAX, Table, TableCell, table_of

TRICKS = st.text(alphabet=st.sampled_from(list("<>&\"'/=ab \n\r\t\x08\x1b[];0138m#\u202e\ud800\x9b")))


@given(TRICKS)
def test_any_text_is_the_text_of_spans_and_nothing_else(text: str) -> None:
    for made in (lines_html(settled(text)), code_html(text), escaped(text)):
        tree = ElementTree.fromstring(f"<pre>{made}</pre>")
        assert {one.tag for one in tree.iter()} <= {"pre", "span"}
        assert {name for one in tree.iter() for name in one.attrib} <= {"class"}
        assert not set("".join(tree.itertext())) & set("\x1b\x08\u202e\x9b")


@given(st.text(alphabet=st.characters(exclude_categories=["C"])))
def test_code_keeps_each_character(text: str) -> None:
    assert html.unescape(re.sub("<[^>]*>", "", code_html(text))) == text


ACTS = st.lists(
    st.one_of(
        st.text(alphabet="abc xyz\t漢😀é\x07", max_size=5),
        st.sampled_from(["\n", "\r", "\r\n", "\x08", "\x1b7", "\x1b8", "\x1b[s", "\x1b[u", "\x1b[31m", "\x1b[1;1H", "\x1b[2;3H", "\x1b[f"]),
        st.builds("\x1b[{}{}".format, st.sampled_from(["", "0", "1", "2", "3", "7", "600", "99999999", "2;9", "?5"]), st.sampled_from("ABCDEFGHJKhm")),
        st.sampled_from(["\x1b]0;title\x07", "\x1bPq#0\x1b\\", "\x1b", "\x1bc", "\x1b["]),
    ),
    max_size=30,
)  # fmt: skip


def words(line: list[tuple[str, str]]) -> str:
    return "".join(text for text, _ in line)


@given(ACTS)
def test_lines_are_those_that_the_dashboard_shows(acts: list[str]) -> None:
    printed = "".join(acts)
    shown = "\n".join(words(line).rstrip(" ") for line in settled(printed))
    assert shown == "\n".join(line.rstrip(" ") for line in render_terminal(printed).split("\n"))


@pytest.mark.parametrize(
    ("printed", "lines"),
    [
        ("one\ntwo", ["one", "two"]),
        ("one\r\ntwo\r\n", ["one", "two", ""]),
        (" 10%|#\r100%|####\n", ["100%|####", ""]),
        ("long words\rbar", ["barg words"]),
        ("long words\r\x1b[Kbar", ["bar"]),
        ("abc\x08\x08d", ["adc"]),
        ("bar 1\nbar 2\x1b[A\r\x1b[2Kdone", ["done", "bar 2"]),
        ("one\ntwo\x1b[2J\x1b[Hthree", ["three", ""]),
        ("one\ntwo\nthree\x1b[2A\r\x1b[Jgone", ["gone"]),
        ("one two\x1b[3D\x1b[1K", ["    two"]),
        ("kept\x1b[9J\x1b[9m\x1b", ["kept"]),
        ("漢字\x1b[3D!", [" !字"]),
        ("\x1b[31mred\x1b[0m  \n", ["red", ""]),
        ("left\x1b[40Gright", ["left" + " " * 35 + "right"]),
    ],
)
def test_moves_and_erasing_are_those_of_a_terminal(printed: str, lines: list[str]) -> None:
    assert [words(line) for line in settled(printed)] == lines


@pytest.mark.parametrize(
    "act", ["\x1b[2J", "\x1b[H", "\x1b[9A", "\x1b[1K", "\x1b]0;t\x07", "\x1b", "\r", "\x08", "\x1b7"]
)
def test_nothing_but_colours_acts_in_what_no_stream_printed(act: str) -> None:
    assert (
        lines_html(coloured(f"one\r\ntwo {act}\x1b[31mthree")) == 'one\ntwo <span class="ansi1">three</span>'
    )


@given(ACTS)
def test_text_of_which_only_colours_act_keeps_each_line(acts: list[str]) -> None:
    printed = "".join(acts)
    assert len(coloured(printed)) == printed.count("\n") + 1


@pytest.mark.parametrize(
    "printed",
    ["x" * 1200 + "\x1b[1Ky", "a\n" * 700 + "b\x1b[2Jc", "a\n" * 700 + "b\x1b[300A\x1b[3Jc", "x" * 40 + "\r\x1b[1K\x1b[20C\x1b[1K!"],
)  # fmt: skip
def test_what_has_scrolled_off_is_erased_neither_here_nor_in_the_dashboard(printed: str) -> None:
    shown = "\n".join(words(line).rstrip(" ") for line in settled(printed))
    assert shown == render_terminal(printed)


def test_a_jump_costs_no_more_than_a_screen() -> None:
    for far in ("\x1b[99999C", "\x1b[99999G", "\x1b[9999999999999C", "\x1b[50C" * 5000):
        (line,) = settled(far + "x")
        assert len(words(line)) <= 501
    for moved in ("\x1b[B!", "\x1b[2J!", "\x1b[2K\x1b[1K!"):
        lines = settled("\n\x1b[A" + "x" * 9000 + moved)
        assert len(words(lines[-1])) <= 501
    assert settled("\x1b[" + "31;" * 100_000 + "mred") == [[("red", "ansi1")]], (
        "the last number, a 0, is not read"
    )


@pytest.mark.parametrize(
    ("row", "made"),
    [
        ("\x1b[31mred\x1b[0m plain", '<span class="ansi1">red</span> plain'),
        ("\x1b[1;94mblue\x1b[22;39m plain", '<span class="bold ansi4">blue</span> plain'),
        ("\x1b[38;5;9mbright", '<span class="ansi1">bright</span>'),
        ("\x1b[38;5;28;01mgreen", '<span class="bold ansi2">green</span>'),
        ("\x1b[38;5;245mgrey", "grey"),
        ("\x1b[38;5;231mwhite", "white"),
        ("\x1b[38;2;10;20;200mblue\x1b[48;5;1mstill", '<span class="ansi4">bluestill</span>'),
        ("\x1b[38modd\x1b[38;2;1modd\x1b[7m\x1b[9999modd", "oddoddodd"),
        ("\x1b[1m\x1b[>4;2m<b>", '<span class="bold">&lt;b&gt;</span>'),
        ("\x1b[m<b>", "&lt;b&gt;"),
        ("\x1b[32m   \r\x1b[39mgone", "gone"),
    ],
)  # fmt: skip
def test_ansi_colours_are_classes(row: str, made: str) -> None:
    assert lines_html(settled(row)) == made


def test_colours_go_on_in_the_next_line_and_a_long_line_is_cut() -> None:
    made = lines_html(settled("\x1b[32mone\ntwo"))
    assert made == '<span class="ansi2">one</span>\n<span class="ansi2">two</span>'
    long = lines_html(settled("x" * LINE_MAX + "\x1b[31m" + "y" * 1234))
    assert long == "x" * LINE_MAX + " <i>… 1,234 more characters</i>"


def test_code_is_coloured() -> None:
    made = code_html('%matplotlib inline\nfor name in f\'a{b}\':  # <note>\n    print(3.5e7, """open')
    for kind, text in (
        ("magic", "%matplotlib"),
        ("keyword", "for"),
        ("keyword", "in"),
        ("string", "f&#x27;a{b}&#x27;"),
        ("comment", "# &lt;note&gt;"),
        ("number", "3.5e7"),
        ("string", "&quot;&quot;&quot;open"),
    ):
        assert f'<span class="{kind}">{text}</span>' in made
    assert ">name<" not in made


PANDAS = """<div><style scoped>.dataframe td { color: red; }</style>
<table border="1" class="dataframe"><thead><tr style="text-align: right;"><th></th><th colspan="2">a &lt; b</th></tr></thead>
<tbody><tr><th rowspan="2">0</th><td onclick="alert(1)">1.0</td><td><b>x</b></td></tr></tbody></table><p>1 rows</p></div>"""


def test_a_table_of_pandas_is_read_without_its_markup() -> None:
    table = table_of(PANDAS)
    assert table is not None
    first, second = table.rows
    assert [(c.text, c.is_head, c.columns, c.rows) for c in first] == [
        ("", True, 1, 1),
        ("a < b", True, 2, 1),
    ]
    assert [(c.text, c.is_head, c.columns, c.rows) for c in second] == [
        ("0", True, 1, 2), ("1.0", False, 1, 1), ("x", False, 1, 1)
    ]  # fmt: skip
    assert table.around.split() == ["1", "rows"] and table.characters == 10


@pytest.mark.parametrize(
    "markup",
    [
        "",
        "<p>no table</p>",
        "<table></table>",
        "<table><tr></tr></table>",
        "<td>no row</td><table></table>",
        "<table><tr><td>1</td></tr></table><table><tr><td>2</td></tr></table>",
        "<style>td { background: red }</style><table><tr><td>1</td></tr></table>",
        "<table><tr><td><img src=x onerror=alert(1)></td></tr></table>",
        "<table><tr><td><a href='javascript:alert(1)'>x</a></td></tr></table>",
        "<table><tr>" + "<td>" * (CELLS_MAX + 1) + "</tr></table>",
        "<table><tr><td>" + "x" * HTML_MAX + "</td></tr></table>",
        "<table><tr><td><![foo[x]]></td></tr></table>",
        "<table><tr><td><?x?></td></tr></table>",
        "<table>" + "<a " * 300_000,
        "<table><tr><td>1</td></tr></table><",
        "<table><tr><td>1 < 2</td></tr></table>",
        "<table><tr><td>" + "x<b>" * (TAGS_MAX + 1) + "</td></tr></table>",
    ],
)
def test_what_is_more_than_a_table_is_none(markup: str) -> None:
    assert table_of(markup) is None


def test_columns_of_words_are_told_from_those_of_numbers() -> None:
    head = "<tr><th></th><th>n</th><th>name</th></tr>"
    rows = "<tr><th>0</th><td>-1.5e3 %</td><td>NaN</td></tr><tr><th>1</th><td></td><td>ada</td></tr>"
    table = table_of(f"<table>{head}{rows}</table>")
    assert table is not None and table.columns_of_words == {2}
    spanned = table_of(f"<table>{head}{rows}<tr><td colspan=2>x</td></tr></table>")
    assert spanned is not None and spanned.columns_of_words == set()
    assert Table([[], [TableCell("x")]]).columns_of_words == {0}


@pytest.mark.parametrize("span", ["0", "-1", "x", "", "9999", "²"])
def test_a_cell_that_spans_nothing_sensible_spans_one(span: str) -> None:
    table = table_of(f'<table><tr><td colspan="{span}">1</td></tr></table>')
    assert table is not None and table.rows[0][0].columns == 1
