"""Tables in HTML and Markdown become cells, whatever a kernel sends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.display.mime import describe_data, parts_of
from jlab_tui.core.display.tables import (
    CELL_CHARS,
    CELLS_MAX,
    COLUMNS_MAX,
    SOURCE_MAX,
    Part,
    TextTable,
    html_parts,
    markdown_parts,
)

PANDAS = """<div>
<style scoped> .dataframe tbody tr th { vertical-align: top; } </style>
<table border="1" class="dataframe">
  <thead>
    <tr style="text-align: right;"><th></th><th>name</th><th>loss</th></tr>
  </thead>
  <tbody>
    <tr><th>0</th><td>a &amp; b</td><td>0.25</td></tr>
    <tr><th>1</th><td>c<br>d</td><td>NaN</td></tr>
  </tbody>
</table>
<p>2 rows × 2 columns</p>
</div>"""


def only(parts: tuple[Part, ...]) -> TextTable:
    (table,) = (part for part in parts if isinstance(part, TextTable))
    return table


def test_a_frame_is_a_table_with_an_index_and_a_last_line() -> None:
    table, last = html_parts(PANDAS)
    assert isinstance(table, TextTable) and last == "2 rows × 2 columns"
    assert table.header == (("", "name", "loss"),) and table.index == 1
    assert table.rows == (("0", "a & b", "0.25"), ("1", "c d", "NaN"))
    assert [table.is_numeric(column) for column in range(table.columns)] == [True, False, True]
    assert table.chars == len("namelossa & b0.25c dNaN01")


def test_a_frame_of_polars_has_its_types_in_the_header_and_its_shape_before_it() -> None:
    source = (
        "<div><small>shape: (1, 2)</small><table><thead><tr><th>n</th><th>s</th></tr><tr><td>i64</td><td>str</td></tr>"
        "</thead><tbody><tr><td>1</td><td>&quot;x&quot;</td></tr></tbody></table></div>"
    )
    shape, table = html_parts(source)
    assert shape == "shape: (1, 2)" and isinstance(table, TextTable)
    assert table.header == (("n", "s"), ("i64", "str")) and table.rows == (("1", '"x"'),) and table.index == 0


def test_cells_that_span_others_leave_them_empty() -> None:
    source = (
        "<table><thead><tr><th></th><th></th><th colspan='2'>mean</th></tr></thead>"
        "<tr><th rowspan=2>a</th><th>x</th><td>1</td><td>2</td></tr><tr><th>y</th><td>3</td><td>4</td></tr></table>"
    )
    table = only(html_parts(source))
    assert table.header == (("", "", "mean", ""),) and table.index == 2
    assert table.rows == (("a", "x", "1", "2"), ("", "y", "3", "4"))


@pytest.mark.parametrize(
    ("source", "header", "rows"),
    [
        ("<table><tr><td>a<td>b<tr><td>c</table>", (), (("a", "b"), ("c", ""))),
        ("<table><td>a</td><td>b</td>", (), (("a", "b"),)),
        ("<table><tr><th>a</th><th>b</th></tr><tr><th>c</th><th>d</th></tr></table>", (("a", "b"),), (("c", "d"),)),
        ("<table><tr><th>a</th><th>b</th></tr></table>", (("a", "b"),), ()),
        ("<table><tr></tr><tr><td colspan=x>a</td><td rowspan=0>b</td></tr></table>", (), (("a", "b"),)),
        (
            "<table><tr><td>a<table><tr><td>in</td><td>ner</td></tr></table></td><td>b</td></tr></table>",
            (),
            (("a in ner", "b"),),
        ),
        (
            "<table><tr><td><img alt='plot'></td><td><progress value=1 max=2></td></tr></table>",
            (),
            (("[img: plot]", "|█████ |"),),
        ),
        ("<TABLE><TFOOT><TR><TD>a</TD><TD>b</TD></TR></TFOOT></TABLE>", (), (("a", "b"),)),
    ],
)  # fmt: skip
def test_a_table_without_all_its_tags_is_one(
    source: str, header: tuple[tuple[str, ...], ...], rows: tuple[tuple[str, ...], ...]
) -> None:
    table = only(html_parts(source))
    assert (table.header, table.rows) == (header, rows)


def test_a_caption_and_the_text_between_tables_stay() -> None:
    two = "<table><caption>One</caption><tr><td>a</td><td>b</td></tr></table><p>x</p>"
    parts = html_parts(f"{two}<table><tr><td>c</td></tr></table>y{two}")
    assert [part if isinstance(part, str) else part.rows for part in parts] == [
        "One",
        (("a", "b"),),
        "x\nc\ny\nOne",
        (("a", "b"),),
        "x",
    ]


@pytest.mark.parametrize("source", ["", "no table", "<table></table>", "<table><tr><td>a</td></tr></table>"])
def test_less_than_two_cells_are_no_table(source: str) -> None:
    assert html_parts(source) == ()
    assert html_parts("<table><td>a<td>b</table>" + " " * SOURCE_MAX) == ()


def test_what_is_too_much_is_counted() -> None:
    row = "<tr><td>1</td><td>2</td></tr>"
    table = only(html_parts(f"<table>{row * (CELLS_MAX // 2 + 7)}</table>"))
    assert len(table.rows) == CELLS_MAX // 2 and table.more_rows == 7
    wide = only(html_parts(f"<table><tr>{'<td>x' * 900}</tr>{'<tr><td>y</tr>' * 500}</table>"))
    assert wide.columns == COLUMNS_MAX and len(wide.rows) == CELLS_MAX // COLUMNS_MAX
    assert wide.more_rows == 501 - len(wide.rows)
    spanned = only(
        html_parts("<table><tr><td colspan=9999 rowspan=9999>a</td></tr><tr><td>b</td></tr></table>")
    )
    assert spanned.columns == COLUMNS_MAX and spanned.rows[1] == ("",) * COLUMNS_MAX
    cell = only(html_parts(f"<table><td>{'long ' * 9000}</td><td>{'<b>x</b>' * 9000}</table>")).rows[0][0]
    assert len(cell) == CELL_CHARS and cell.endswith("…")
    empty = only(html_parts(f"<table>{'<tr>' * 9000}<td>a<td>b</table><table><td>c<td>d</table>"))
    assert empty.rows == (("c", "d"),)


def test_a_table_of_markdown_stands_between_its_lines() -> None:
    source = "# Head\n\n| a | b |\n|---|--:|\n| x \\| y | 1 |\n| z |\n\ntail"
    head, table, tail = markdown_parts(source)
    assert (head, tail) == ("# Head\n", "\ntail") and isinstance(table, TextTable)
    assert table.header == (("a", "b"),) and table.rows == (("x | y", "1"), ("z", ""))
    (bare,) = markdown_parts("a|b\n:-:|-\n1|2\\|")
    assert isinstance(bare, TextTable) and bare.rows == (("1", "2|"),)
    long = only(markdown_parts("a|b\n-|-\n" + "1|2\n" * (CELLS_MAX // 2 + 3)))
    assert len(long.rows) == CELLS_MAX // 2 and long.more_rows == 3


@pytest.mark.parametrize(
    "source",
    [
        "plain",
        "a | b",
        "a | b\nc | d",
        "a | b\n--",
        "| a |\n|---|---|\n",
        "```\na|b\n-|-\n```",
        "x|y" + " " * SOURCE_MAX,
    ],
)
def test_pipes_alone_make_no_table(source: str) -> None:
    assert markdown_parts(source) == ()


def test_the_description_decides_whether_there_is_a_table() -> None:
    def parts(**data: str) -> tuple[Part, ...]:
        bundle = {name.replace("_", "/"): value for name, value in data.items()}
        return parts_of(bundle, describe_data(bundle))

    assert isinstance(parts(text_html=PANDAS, text_plain="   name  loss\n0  a & b 0.25")[0], TextTable)
    assert isinstance(parts(text_html=PANDAS)[0], TextTable)
    assert isinstance(parts(text_markdown="a|b\n-|-\n1|2", text_plain="<Markdown>")[0], TextTable)
    assert parts(text_plain="1") == () and parts(text_markdown="words") == ()
    assert parts(text_html=f"<div id='x'>{PANDAS}<div id=\"sk-container-id-1\">", text_plain="Model()") == ()
    assert parts(text_html=PANDAS, image_png="iVBORw0KGgo=") == ()


TAGS = ["<table>", "</table>", "<tr>", "<td>", "<th rowspan=3>", "<td colspan=4>", "</td>", "<thead>", "</thead>", "<tbody>",
        "<caption>", "<", "&lt;", "x", "<b>", "<br>", "<img>", "1.5", " ", "<script>", "</script>", "<!--"]  # fmt: skip


@given(st.lists(st.sampled_from(TAGS), max_size=60))
def test_any_tags_in_any_order_give_rows_of_equal_length(tags: list[str]) -> None:
    for part in html_parts("".join(tags)):
        if isinstance(part, TextTable):
            assert {len(row) for row in (*part.header, *part.rows)} == {part.columns}
            assert 0 <= part.index < part.columns


@given(st.text(alphabet="|-: \\a1\n`", max_size=80))
def test_any_markdown_gives_rows_of_equal_length(source: str) -> None:
    for part in markdown_parts(source):
        if isinstance(part, TextTable):
            assert {len(row) for row in (*part.header, *part.rows)} == {part.columns}
