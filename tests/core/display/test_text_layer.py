"""Texts of figures find places over an image in cells: all that matter, none over another, none outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from jlab_tui.core.display.text_layer import DrawingSize, TextLayer, size_with_texts, text_layer
from jlab_tui.core.journal.figure_texts import (
    OTHER,
    OUTSIDE,
    PARTS,
    TICK,
    TITLE,
    FigureText,
    FigureTexts,
    figure_texts,
)

RECORDED = Path(__file__).parents[2] / "tui" / "images" / "texts.json"
SIZES = ((34, 13), (45, 16), (80, 30))


def recorded(name: str) -> FigureTexts:
    return figure_texts(json.loads(RECORDED.read_text(encoding="utf-8"))[name])


def at(
    x: int,
    y: int,
    words: str,
    rank: int = TICK,
    *,
    angle: int = 0,
    align: str = "c",
    sign: str = "",
    wide: int = 0,
) -> FigureText:
    """A text around a place, in hundredths of the image, as a font of a usual size takes room."""
    long, high = wide or 120 * len(words), 300
    width, height = (high, long) if angle == 90 else (long, high)
    left = x * 100 - {"l": 0, OUTSIDE: 0, "r": width}.get(align, width // 2)
    return FigureText(rank, left, y * 100 - height // 2, width, height, angle, align, words, "#000000", sign)


def rows_of(layer: TextLayer) -> list[str]:
    """What is printed, row by row."""
    page = [[" "] * layer.columns for _ in range(layer.rows)]
    for word in layer.words:
        column = word.column
        for char in word.text:
            for place in range(column, column + cell_len(char)):
                assert page[word.row][place] == " ", "no text stands over another"
                page[word.row][place] = char if place == column else ""
            column += cell_len(char)
    return ["".join(row).rstrip() for row in page]


def placed(texts: FigureTexts, columns: int, rows: int, most: tuple[int, int] = (77, 24)) -> list[str]:
    size = size_with_texts(texts, columns, rows, *most, len)
    layer = text_layer(texts, size.columns, size.rows, len)
    assert layer.rows == size.whole_rows <= most[1] and layer.columns <= most[0]
    assert not layer.missing
    return rows_of(layer)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["loss", "errors"])
def test_every_text_of_a_recorded_figure_is_printed_in_a_small_terminal(
    name: str, size: tuple[int, int]
) -> None:
    rows = placed(recorded(name), *size, most=(120, 40))
    page = "\n".join(rows)
    if name == "loss":
        assert "Loss of unet, width 64" in page and "━ train" in page and "━ validation" in page
        (ticks,) = [row.split() for row in rows if "100" in row]
        assert ticks[-6:] == ["0", "20", "40", "60", "80", "100"] and "epoch" in "".join(rows[-2:])
        down = [row for row in rows if any(n in row for n in ("2.0", "1.5", "1.0", "0.5", "0.0"))]
        assert len(down) == 5
    else:
        assert "Error by pixel" in page and "log₁₀ size" in page


def test_ticks_that_would_touch_make_the_image_wider() -> None:
    ticks = tuple(at(10 + 10 * n, 95, f"{n}00.5") for n in range(9))
    assert placed(ticks, 30, 12)[-1].split() == [f"{n}00.5" for n in range(9)]
    narrow = text_layer(ticks, 30, 12, len)
    assert narrow.missing < 5 and len(narrow.words) + narrow.missing == 9
    assert size_with_texts(ticks, 30, 12, 40, 12, len).columns == 40


def test_a_margin_gets_columns_for_long_labels() -> None:
    names = tuple(at(20, 20 + 20 * n, f"a long name {n}", align="r", wide=1000) for n in range(4))
    rows = placed((*names, at(60, 95, "score", TITLE)), 34, 13)
    assert [row.strip() for row in rows if "name" in row] == [f"a long name {n}" for n in range(4)]
    right = tuple(at(90, 20 + 20 * n, f"{n} units", align="l", wide=400) for n in range(4))
    layer = text_layer(right, 34, 13, len)
    assert layer.gap_columns and layer.gap_columns[0][0] >= 30 and not layer.missing


def test_steep_labels_go_downwards_in_rows_of_their_own() -> None:
    for angle, align in ((45, "r"), (90, "c"), (60, "l")):
        months = tuple(
            at(20 + 20 * n, 95, f"month {n}", angle=angle, align=align, wide=300) for n in range(4)
        )
        rows = placed(months, 30, 10)
        columns = ["".join(row.ljust(60)[column] for row in rows).split() for column in range(60)]
        assert [word for word in columns if word] == [["month", str(n)] for n in range(4)]


def test_a_label_beside_an_axis_has_more_columns_if_it_is_longer_than_the_image() -> None:
    label = at(2, 50, "Cross entropy of the validation", TITLE, angle=90, wide=5000)
    layer = text_layer((label,), 30, 14, len)
    assert layer.gap_columns == ((0, 2),) and not layer.missing
    columns = ["".join(row.ljust(3)[n] for row in rows_of(layer)).strip() for n in range(3)]
    assert columns == ["Cross entropy", "of the", "validation"]
    both = (at(2, 25, "amplitude", TITLE, angle=90), at(2, 75, "amplitude", TITLE, angle=90))
    assert text_layer(both, 30, 14, len).gap_columns == ((0, 1),)
    assert not text_layer((at(2, 50, "an unbreakablelonglonglong", TITLE, angle=90),), 30, 14, len).missing


def test_titles_and_rows_of_ticks_share_no_row() -> None:
    ticks = tuple(at(20 + 15 * n, 92, f"{n}") for n in range(5))
    label = at(50, 95, "a long label of the axis", TITLE)
    below = at(50, 99, "a note below it", TITLE)
    rows = placed((label, below, *ticks), 40, 10)
    assert [row.split() for row in rows[-3:]] == [[*"01234"], label.text.split(), below.text.split()]
    title = at(50, 4, "one\ntwo", TITLE)
    assert [row.strip() for row in placed((title,), 40, 10)[:2]] == ["one", "two"]
    foot = at(50, 96, "one\ntwo", TITLE)
    assert [row.strip() for row in placed((foot,), 40, 10)[-2:]] == ["one", "two"]


def test_a_legend_stays_together() -> None:
    legend = tuple(at(70, 10 + 4 * n, f"series {n}", TITLE, align="l", sign="#ff0000") for n in range(4))
    rows = [row.strip() for row in placed(legend, 40, 12)]
    assert [row for row in rows if row] == [f"━ series {n}" for n in range(4)]
    beside = tuple(at(85, 10 + 9 * n, f"series {n}", TITLE, align=OUTSIDE, sign="#ff0000") for n in range(2))
    layer = text_layer(beside, 40, 12, len)
    assert layer.gap_columns and not layer.missing and rows_of(layer)[1].endswith("━ series 0")


def test_a_long_legend_beside_the_axes_is_cut_so_that_these_keep_half_of_the_room() -> None:
    names = [f"resnet50, lr=3e-{n}, weight decay 0.05, augmented" for n in range(3)]
    legend = tuple(
        at(60, 40 + 9 * n, name, TITLE, align=OUTSIDE, sign="#ff0000", wide=4000)
        for n, name in enumerate(names)
    )
    size = size_with_texts(legend, 70, 20, 70, 20, len)
    rows = rows_of(text_layer(legend, size.columns, size.rows, len))
    found = [row.strip() for row in rows if row]
    assert [row[:19] for row in found] == [f"━ {name[:17]}" for name in names]
    assert all(row.endswith("…") and len(row) <= 35 for row in found) and size.columns >= 55
    by_end = tuple(
        at(60, 40 + 9 * n, f"a setting of all of them, and seed {n}", TITLE, align=OUTSIDE, sign="#ff0000")
        for n in range(3)
    )
    rows = rows_of(text_layer(by_end, 24, 20, len))
    assert [row.strip()[:3] + row[-6:] for row in rows if row] == [f"━ …seed {n}" for n in range(3)]
    inside = at(20, 20, "a very long entry of a legend inside the axes", TITLE, align="l", sign="#ff0000")
    (row,) = [row.strip() for row in rows_of(text_layer((inside,), 30, 12, len)) if row]
    assert row == "━ a very long entry of…"


def test_a_long_legend_beside_the_axes_has_the_room_that_there_is_and_is_cut_where_its_entries_are_alike() -> (
    None
):
    def legend(wide: int, form: str = "model number {n} with long name lr=1e-{n}") -> FigureTexts:
        return tuple(
            at(60, 8 + 7 * n, form.format(n=n), TITLE, align=OUTSIDE, sign="#ff0000", wide=wide)
            for n in range(12)
        )

    def shown(texts: FigureTexts, columns: int, most: tuple[int, int]) -> tuple[list[str], int]:
        size = size_with_texts(texts, columns, 20, *most, len)
        layer = text_layer(texts, size.columns, size.rows, len)
        assert layer.columns <= most[0]
        assert layer.columns >= most[0] - 1 or not layer.missing, "nothing is cut while columns are free"
        return [row.strip()[2:] for row in rows_of(layer) if row], layer.missing

    whole = [f"model number {n} with long name lr=1e-{n}" for n in range(12)]
    assert shown(legend(4500), 55, (99, 30)) == (whole, 0), "the image is wider than its shape asks for"
    rows, missing = shown(
        legend(3500, "a network of that name, lr={n}, and its seed of them all"), 55, (60, 22)
    )
    assert missing == 12 and len(set(rows)) == 12, "each lacks a part, and not the one that differs"
    rows, missing = shown(legend(3500, "{n} is the first of a long name and of another, {n}"), 40, (44, 22))
    assert missing == 12 and all(row.startswith(f"{n} is") for n, row in enumerate(rows))
    turned = tuple(
        at(60, 30 + 9 * n, f"{'ab'[n // 2]} is the number of a network of that size and kind {n % 2}", TITLE,
           align=OUTSIDE, sign="#ff0000", wide=3500)
        for n in range(4)
    )  # fmt: skip
    rows, missing = shown(turned, 40, (44, 20))
    assert missing == 4 and len(set(rows)) == 4 and all("…" in row[3:-3] for row in rows)


def test_entries_of_a_legend_without_a_place_are_counted_each() -> None:
    legends = tuple(
        at(x, 10 + 9 * n, f"entry {n}", TITLE, align="l", sign="#ff0000") for x in (20, 22) for n in range(4)
    )
    assert text_layer(legends, 16, 5, len).missing == 4


def test_a_title_that_is_wider_than_the_image_gets_lines_and_then_an_ellipsis() -> None:
    words = "the loss of a network on the data that were held out, averaged over five seeds"
    rows = [row.strip() for row in placed((at(50, 3, words, TITLE),), 40, 12, most=(42, 14)) if row]
    assert " ".join(rows) == words and len(rows) == 2
    rows = [row.strip() for row in placed((at(50, 3, f"{words} " * 4, TITLE),), 30, 12, most=(30, 18)) if row]
    assert len(rows) == 4 and rows[-1].endswith("…")
    five = at(50, 10, "1\n2\n3\n4\n5", TITLE)
    assert [row.strip() for row in placed((five,), 40, 12) if row] == ["1", "2", "3", "4…"]
    label = at(2, 50, "word " * 40, TITLE, angle=90)
    columns = ["".join(row.ljust(9)[n] for row in placed((label,), 40, 12)).strip() for n in range(9)]
    assert sum(map(bool, columns)) == 3 and [column for column in columns if column][-1].endswith("…")


def test_downward_ticks_are_cut_at_the_end_that_does_not_tell_them_apart() -> None:
    def downwards(*names: str) -> list[str]:
        ticks = tuple(at(20 + 20 * n, 80, name, angle=90, wide=300) for n, name in enumerate(names))
        rows = placed(ticks, 30, 12)
        return [
            found
            for found in ("".join(row.ljust(60)[column] for row in rows).strip() for column in range(60))
            if found
        ]

    assert downwards("2026-01-01 00:00", "2026-02-01 00:00") == ["2026-01…", "2026-02…"]
    assert downwards("a long category 1", "a long category 2") == ["…egory 1", "…egory 2"]
    assert downwards("one", "two") == ["one", "two"]
    ascii_only = (at(50, 80, "2026-01-01 00:00", angle=90, wide=300),)
    assert "..." in "".join(word.text for word in text_layer(ascii_only, 30, 12, len, ascii_only=True).words)


def test_wide_and_combining_characters_keep_apart_downwards() -> None:
    label = at(3, 50, "都道府県の名前 都道府県の名前", TITLE, angle=90)
    layer = text_layer((label,), 30, 9, cell_len)
    assert layer.gap_columns == ((0, 3),) and not layer.missing
    rows = rows_of(layer)
    assert [row[:2] for row in rows if row][:2] == ["都都", "道道"]
    ticks = tuple(at(20 + 3 * n, 80, "東京", angle=90, wide=300) for n in range(6))
    assert size_with_texts(ticks, 30, 12, 77, 24, cell_len).columns == 60
    accent = text_layer((at(50, 80, "e\u0301a", angle=90, wide=300),), 30, 12, cell_len)
    assert [word.text for word in accent.words] == ["e\u0301", "a"]


def test_what_finds_no_place_is_left_out_the_least_important_first() -> None:
    title, twin = at(50, 50, "title", TITLE), at(50, 50, "title", TITLE)
    notes = tuple(at(50, 50, "note", OTHER) for _ in range(9))
    layer = text_layer((*notes, title, twin, twin, twin), 40, 12, len)
    assert layer.missing == 1 and {word.of for word in layer.words} >= {9, 10, 11}
    ladder = tuple(at(10, 50 + n // 2, f"{n}", align="r") for n in range(4))
    assert text_layer(ladder, 40, 12, len).missing == 3, "labels of a vertical axis keep their rows"


def test_a_tiny_image_has_no_texts() -> None:
    texts = recorded("loss")
    for columns, rows in ((15, 12), (40, 4), (1, 1)):
        assert text_layer(texts, columns, rows, len) == TextLayer(columns, rows)
        assert size_with_texts(texts, columns, rows, 80, 24, len) == DrawingSize(columns, rows, rows)
    assert text_layer((at(50, 50, " "),), 40, 12, len) == TextLayer(40, 12)


def test_a_low_view_makes_the_image_lower() -> None:
    months = tuple(at(20 + 20 * n, 95, f"month {n}", angle=90, wide=300) for n in range(4))
    size = size_with_texts(months, 40, 12, 40, 14, len)
    assert size.rows < 12 and size.whole_rows <= 14 and size.columns < 40
    assert size_with_texts(months, 40, 12, 40, 8, len).rows == 5


NUMBERS = st.integers(-3 * PARTS, 3 * PARTS)
TEXTS = st.lists(
    st.builds(
        FigureText, st.integers(0, 3), *([NUMBERS] * 4), st.integers(-400, 400), st.sampled_from("lcro"),
        st.text("ab \n$\\^{}α東京\u0301", max_size=30), st.just(""), st.sampled_from(["", "#ff0000"]),
    ),
    max_size=12,
)  # fmt: skip


@given(TEXTS, st.integers(1, 90), st.integers(1, 40), st.booleans())
def test_whatever_stands_anywhere_is_placed_inside_and_apart(
    texts: list[FigureText], columns: int, rows: int, ascii_only: bool
) -> None:
    size = size_with_texts(tuple(texts), columns, rows, columns + 5, rows + 5, cell_len, ascii_only)
    layer = text_layer(tuple(texts), size.columns, size.rows, cell_len, ascii_only=ascii_only)
    assert layer.rows == size.whole_rows
    assert len(rows_of(layer)) == layer.rows
