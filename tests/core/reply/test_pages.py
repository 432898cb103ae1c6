"""Pages of a run's record, maps of notebooks, and cells in full."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from jlab_tui.core.journal.events import RunStatus
from jlab_tui.core.notebook.notebook import NotebookCell
from jlab_tui.core.reply.compose import ReplyImage
from jlab_tui.core.reply.pages import (
    CellRow,
    LastRun,
    RecordLines,
    Selection,
    around,
    cell_map,
    notebook_map,
    record_page,
    rows_of,
    whole_cell,
)

BUDGET = 20_000


def matching(pattern: str, lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str, int]]:
    for number, line in lines:
        if found := re.search(pattern, line):
            yield number, line, found.start()


def page(
    text: str,
    tail: int | None = None,
    pattern: str | None = None,
    offset: int = 0,
    limit: int = 200,
    dropped: int = 0,
    budget: int = BUDGET,
    status: RunStatus = RunStatus.RUNNING,
) -> str:
    lines = RecordLines(iter([(text, dropped)]))
    found = rows_of(lines) if pattern is None else around(matching(pattern, lines))
    return record_page("a-1", status, lines, found, Selection(offset, limit, tail, pattern), budget)


def numbered(count: int) -> str:
    return "".join(f"line {number} {'x' * 500}\n" for number in range(count))


def test_a_tail_that_is_too_long_keeps_its_end() -> None:
    found = page(numbered(1000), tail=1000)
    assert found.splitlines()[-1].startswith("line 999 ")
    assert len(found) < BUDGET + 1000
    assert found.splitlines()[0] == "[run a-1, running: 1,000 lines so far; lines 962 to 999]"


def test_a_tail_that_fits_is_shown_whole() -> None:
    assert page("one\ntwo\nthree\n", tail=2, status=RunStatus.OK) == (
        "[run a-1, ok: 3 lines in all; lines 1 to 2]\ntwo\nthree"
    )


@pytest.mark.parametrize("tail", [None, 1])
def test_one_line_is_shown_however_long_it_is(tail: int | None) -> None:
    assert page("abcdef\n", tail=tail, budget=3).endswith("\nabcdef")


def test_a_tail_is_within_the_budget_to_the_character() -> None:
    text = "a\nb\nc\n"  # each costs 9
    assert page(text, tail=3, budget=27).splitlines()[1:] == ["a", "b", "c"]
    assert page(text, tail=3, budget=26).splitlines()[1:] == ["b", "c"]
    assert page(text, tail=2, budget=17).splitlines()[1:] == ["c"]


def test_a_page_from_the_front_says_where_to_continue() -> None:
    found = page(numbered(1000)).splitlines()
    assert found[0] == "[run a-1, running: 1,000 lines so far; lines 0 to 37]"
    assert found[1].startswith("line 0 ") and found[-1] == "... the reply is full; continue with offset=38"
    assert page("a\nb\nc\n", budget=18).splitlines()[1:] == [
        "a", "b", "... the reply is full; continue with offset=2",
    ]  # fmt: skip


def test_output_that_looks_like_the_note_is_counted_as_output() -> None:
    found = page("... the reply is full; so says the program\n")
    assert found.splitlines()[0] == "[run a-1, running: 1 lines so far; lines 0 to 0]"


def test_only_as_many_lines_as_asked_for_are_shown() -> None:
    assert page("a\nb\nc\nd\n", offset=1, limit=2).splitlines() == [
        "[run a-1, running: 4 lines so far; lines 1 to 2]", "b", "c",
    ]  # fmt: skip
    assert page("a\n", offset=5) == "[run a-1, running: 1 lines so far]"


def test_empty_lines_at_the_end_are_no_lines_and_lost_characters_are_counted() -> None:
    assert page("a\n\n\n", dropped=1234) == (
        "[run a-1, running: 1 lines so far; lines 0 to 0; 1,234 more characters were not recorded]\na"
    )


def test_a_search_gives_lines_with_their_numbers() -> None:
    assert page("one\ntwo\nthree\n", pattern="t") == (
        "[run a-1, running: 2 of 3 lines match so far]\n1: two\n2: three"
    )


def test_a_line_of_any_length_can_be_read_from_one_end_to_the_other() -> None:
    line = "".join(f"{number:07d} " for number in range(10_000))
    found, offset = "", 0
    while len(found) < len(line):
        head, *shown = page(f"first\n{line}\nlast\n", offset=offset + 1).splitlines()
        assert "42 lines so far" in head
        shown = [row for row in shown if not row.startswith("... ")]
        found += "".join(shown)[: len(line) - len(found)]
        offset += len(shown)
    assert found == line


def test_a_search_in_a_long_line_shows_what_is_around_the_match() -> None:
    text = f"{'y' * 60_000}NEEDLE{'z' * 60_000}\nafter\n"
    head, match = page(text, pattern="NEEDLE").splitlines()
    assert "1 of 62 lines match" in head
    assert match == f"30: {'y' * 500}NEEDLE{'z' * 1494}"
    assert "NEEDLE" in page(text, offset=30)
    at_the_end = page(f"{'y' * 60_000}NEEDLE\n", pattern="NEEDLE").splitlines()[1]
    assert at_the_end == f"30: {'y' * 1994}NEEDLE"
    assert page(text, pattern="after").endswith("\n61: after")


def row(index: int, lines: int = 1, count: int | None = None, state: str = "", outputs: str = "") -> CellRow:
    return CellRow(index, f"id{index}", "code", "x = 1", lines, count, state, outputs)


ERROR = {"output_type": "error", "ename": "E", "evalue": "", "traceback": []}
TEXT = {"output_type": "stream", "name": "stderr", "text": "x"}


@pytest.mark.parametrize(
    ("cell", "running", "last", "elsewhere", "state"),
    [
        (NotebookCell("c", "markdown", "# x"), "", None, True, ""),
        (NotebookCell("c", "code", "x"), "c", LastRun("x", RunStatus.OK), True, "running"),
        (NotebookCell("c", "code", "x", outputs=[TEXT]), "other", LastRun("x", RunStatus.ERROR), False, "error"),
        (NotebookCell("c", "code", "x"), "", LastRun("before", RunStatus.OK), True, "never run"),
        (NotebookCell("c", "code", "x", outputs=[TEXT]), "", LastRun("before", RunStatus.OK), False, "stale"),
        (NotebookCell("c", "code", "x", execution_count=3), "", None, False, "stale"),
        (NotebookCell("c", "code", "x", execution_count=3, outputs=[TEXT]), "", None, True, "ok"),
        (NotebookCell("c", "code", "x", outputs=[TEXT, ERROR]), "", None, True, "error"),
    ],
)  # fmt: skip
def test_a_cells_state_is_that_of_its_text_in_this_kernel(
    cell: NotebookCell, running: str, last: LastRun | None, elsewhere: bool, state: str
) -> None:
    (found,) = cell_map([cell], running, {"c": last} if last is not None else {}, lambda source: elsewhere)
    assert found.state == state


def test_a_row_says_what_the_last_run_of_its_text_used() -> None:
    ran = {"c": LastRun("x", RunStatus.OK, "peak 61 GiB GPU"), "d": LastRun("before", RunStatus.OK, "GPU 1%")}
    rows = cell_map([NotebookCell(name, "code", "x") for name in "cde"], "", ran, lambda source: True)
    assert [row.used for row in rows] == ["peak 61 GiB GPU", "", ""]
    assert notebook_map("n", rows, "", BUDGET).splitlines()[2] == "0 c code [ ] ok (peak 61 GiB GPU) - | x"


def test_a_row_tells_the_first_text_and_the_kinds_of_outputs() -> None:
    outputs: list[dict[str, Any]] = [
        TEXT,
        TEXT,
        {"output_type": "stream"},
        {"output_type": "display_data", "data": {"text/plain": "", "image/png": ""}},
        {"output_type": "execute_result", "data": {"text/html": "", "text/plain": ""}},
        {"output_type": "display_data"},
        ERROR,
    ]
    cells = [
        NotebookCell("a", "code", f"\n \n{'x' * 200}\ny", execution_count=2, outputs=outputs),
        NotebookCell("b", "code", ""),
    ]
    kinds = "stderr, stream, image/png, text/html, display_data, error"
    assert cell_map(cells, "", {}, lambda source: True) == [
        CellRow(0, "a", "code", "x" * 100, 4, 2, "error", kinds),
        CellRow(1, "b", "code", "", 1, None, "never run", ""),
    ]


def test_a_map_has_a_line_for_each_cell() -> None:
    cells = [row(0, 2, 7, "ok", "stream"), row(1)]
    assert notebook_map("a.ipynb", cells, "its cells are running again", BUDGET).splitlines() == [
        "a.ipynb: 2 cells",
        "(its cells are running again)",
        "index id type count state outputs | first line",
        "0 id0 code [7] ok (stream) | x = 1 (+1 lines)",
        "1 id1 code [ ] - - | x = 1",
    ]
    assert notebook_map("a.ipynb", cells[:1], "", BUDGET).splitlines()[:2] == [
        "a.ipynb: 1 cell",
        "index id type count state outputs | first line",
    ]


def test_a_map_that_is_too_long_says_which_cells_it_leaves_out() -> None:
    each = len("0 id0 code [ ] - - | x = 1") + 1
    cells = [row(number) for number in range(10)]
    assert len(notebook_map("n", cells, "", 10 * each).splitlines()) == 2 + 10
    shown = notebook_map("n", cells, "", 10 * each - 1).splitlines()[2:]
    assert [line.split()[0] for line in shown] == ["0", "1", "2", "3", "...", "6", "7", "8", "9"]
    assert shown[4] == "... cells 4 to 5 are left out; cells=[4, ...] shows them"


def test_a_cell_is_shown_with_all_that_it_put_out() -> None:
    cell = NotebookCell(
        "abc",
        "code",
        "draw()",
        outputs=[
            {"output_type": "stream", "name": "stdout", "text": "50 %\r100 %\n"},
            {"output_type": "error", "ename": "E", "evalue": "no", "traceback": ["\x1b[31mE\x1b[0m: no"]},
            {"output_type": "error", "ename": "E", "evalue": "bare"},
            {"output_type": "display_data", "data": {"text/plain": "Figure", "image/png": "AAAA"}},
            {"output_type": "execute_result", "data": {"text/plain": "42"}},
            {"output_type": "display_data"},
            {"output_type": "stream"},
        ],
    )
    text, *shown = whole_cell(cell, 4)
    assert text == "--- cell 4 abc (code) ---\ndraw()"
    assert [part for part in shown if isinstance(part, ReplyImage)] == [ReplyImage(0, "image/png", "AAAA")]
    said = [part for part in shown if isinstance(part, str)]
    assert said == ["100 %\n", "E: no", "E: bare", "42", ""]


def test_a_long_cell_and_its_output_are_cut() -> None:
    cell = NotebookCell("abc", "code", "x" * 50_000)
    cell.outputs = [{"output_type": "stream", "text": "y" * 50_000}]
    assert all(isinstance(part, str) and len(part) < 8200 for part in whole_cell(cell, 0))
