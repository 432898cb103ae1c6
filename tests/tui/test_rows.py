"""The feed's rows: a million lines stay cheap, and what is measured is what is drawn, at every width."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.segment import Segment

from jlab_tui.core.feed.items import FeedCell, TextOutput
from jlab_tui.core.feed.scrollback import Scrollback
from jlab_tui.core.feed.session_feed import SessionFeed
from jlab_tui.core.journal.events import Entry, RunFinished, RunStarted, RunStatus, TextPrinted
from jlab_tui.tui.blocks import Frame
from jlab_tui.tui.format import UNICODE, left_out
from jlab_tui.tui.rows import ItemRows
from jlab_tui.tui.search import find
from jlab_tui.tui.themes import Palette
from jlab_tui.tui.wrapping import WrapIndex, line_rows, measure, wrap_words

PALETTE = Palette({}, dark=True)


def frame(width: int = 88) -> Frame:
    return Frame(width, 16, PALETTE, UNICODE, time.gmtime, lambda output, columns, rows: None)


def feed_of(cells: int, lines: int) -> SessionFeed:
    feed = SessionFeed("s")
    for cell in range(cells):
        run = f"s-{cell}"
        text = "".join(f"step {cell * lines + n:07d} ok\n" for n in range(lines))
        feed.apply(Entry(1.0, RunStarted(run, "execute_code", "c", "train()")))
        feed.apply(Entry(1.0, TextPrinted(run, "stdout", text)))
        feed.apply(Entry(1.0, RunFinished(run, RunStatus.OK, 1.0, cell)))
    return feed


def test_a_million_lines_in_a_thousand_cells() -> None:
    feed = feed_of(1000, 1000)
    rows = ItemRows(frame())
    rows.show(feed.items, {})
    rows.settle()
    outputs = [
        o for i in feed.items if isinstance(i, FeedCell) for o in i.outputs if isinstance(o, TextOutput)
    ]
    assert sum(len(output.scrollback) for output in outputs) == 1_000_000
    held = sum(len(o.scrollback.buffer) + 4 * len(o.scrollback.starts) for o in outputs)
    assert held < 25_000_000  # bytes: the text itself and four for each line
    assert rows.total == 1000 * (1 + 1 + 10 + 1)
    assert rows.plain(rows.total - 2) == "step 0999999 ok"
    (match,) = find(feed.items, "0765432")
    assert (match.place, match.line) == (765, 432)
    rows.expand(765, True)
    assert rows.plain(rows.row_of(match)) == "step 0765432 ok" and rows.total == 13_000 + 990


def cell_that_prints(code: str, lines: int, room: int) -> ItemRows:
    feed = SessionFeed("s")
    feed.apply(Entry(1.0, RunStarted("s-1", "execute_code", "c", code)))
    feed.apply(Entry(1.0, TextPrinted("s-1", "stdout", "".join(f"step {n}\n" for n in range(lines)))))
    rows = ItemRows(frame())
    rows.make_room(room)
    rows.show(feed.items, {})
    rows.settle()
    return rows


def texts(rows: ItemRows) -> list[str]:
    return [rows.plain(row) for row in range(rows.total)]


def test_long_code_leaves_what_the_last_cell_prints_most_of_the_room() -> None:
    shown = texts(cell_that_prints("\n".join(f"a{n} = {n}" for n in range(120)), 500, room=21))
    assert len(shown) == 21
    assert sum(text.startswith("step") for text in shown) >= 11
    assert "step 499" in shown[-2] and "a119 = 119" in "".join(shown) and "a0 = 0" in "".join(shown)


def test_one_endless_line_of_code_is_folded_and_expands() -> None:
    rows = cell_that_prints(f"data = {list(range(2000))}", 3, room=21)
    assert rows.total < 21 and rows.layout(0).folds
    assert texts(rows)[8].rstrip().endswith("…")
    rows.expand(0, True)
    assert rows.total > 100 and "1999]" in "".join(texts(rows)).replace(" ", "")


def test_other_cells_move_when_one_grows_and_one_shrinks_by_as_much() -> None:
    feed = feed_of(2, 4)
    rows = ItemRows(frame())
    rows.show(feed.items, {})
    rows.settle()
    first, second = feed.items
    assert isinstance(first, FeedCell) and isinstance(second, FeedCell)
    first.outputs.clear()
    for cell in (first, second):
        cell.version += 1
    feed.apply(Entry(1.0, TextPrinted("s-1", "stdout", "a\nb\nc\nd\n")))
    rows.take(feed.apply(Entry(1.0, TextPrinted(run, "stdout", ""))) for run in ("s-0", "s-1"))
    assert rows.settle().has_moved


pieces = st.text(st.sampled_from("ab \t日é\x1b[31m\x00\x07"), max_size=60)


@settings(max_examples=150, deadline=None)
@given(lines=st.lists(pieces, max_size=12), width=st.integers(2, 40), ends=st.booleans())
def test_rows_of_many_lines_are_the_sum_of_each_lines_rows(lines: list[str], width: int, ends: bool) -> None:
    text = Scrollback()
    text.write("\n".join(lines) + ("\n" if ends else ""))
    each = [measure(text, n, width, 2000) for n in range(len(text))]
    assert line_rows(text, 0, len(text), width, 2000) == each
    index = WrapIndex(text, width, 2000)
    index.update()
    assert index.total == sum(each)
    assert [index.row_of(n) for n in range(len(text))] == [sum(each[:n]) for n in range(len(text))]


@given(
    words=st.lists(st.text("ab日", min_size=1, max_size=12), min_size=1, max_size=20),
    width=st.integers(4, 30),
)
def test_sentences_break_between_words_and_lose_none(words: list[str], width: int) -> None:
    rows = wrap_words(" ".join(words), PALETTE.style(), width)
    assert all(sum(Segment.get_line_length([s]) for s in row) <= width for row in rows)
    assert "".join(s.text for row in rows for s in row).replace(" ", "") == "".join(words)


def test_what_the_model_was_not_shown_is_counted_in_words() -> None:
    cell = FeedCell("s", 1.0, "x")
    assert left_out(cell) == ""
    cell.cut_chars, cell.cut_images = 1, 2
    assert left_out(cell) == "Not in the model's reply: 1 character and 2 images."
