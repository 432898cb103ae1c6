"""Pages of a run's record, and maps of notebooks."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from jlab_tui.adapters.grep import grep
from jlab_tui.core.errors import UsageError
from jlab_tui.core.notebook.notebook import NotebookCell
from jlab_tui.core.session.run import Run
from jlab_tui.mcp_server.context import App
from jlab_tui.mcp_server.read_replies import read_cells, read_record_text
from jlab_tui.services.session.reader import Reader

RUN = Run("a-1", "a", "execute_code", "c", "1", "m", 0.0, Path("a.1.jsonl"), 0)


def app(text: str) -> App:
    def texts(run: Run) -> Iterator[tuple[str, int]]:
        yield text, 0

    made = SimpleNamespace(
        reader=SimpleNamespace(texts=texts),
        settings=SimpleNamespace(output_chars=20_000),
        grep=functools.partial(grep, timeout_s=1.0),
    )
    return cast(App, made)


async def page(text: str, tail: int | None = None, pattern: str | None = None, offset: int = 0) -> str:
    (found,) = await read_record_text(app(text), RUN, offset, 200, tail, pattern, None)
    assert isinstance(found, str)
    return found


async def test_a_tail_that_is_too_long_keeps_its_end() -> None:
    text = "".join(f"line {number} {'x' * 500}\n" for number in range(1000))
    found = await page(text, tail=1000)
    assert found.splitlines()[-1].startswith("line 999 ")
    assert len(found) < 21_000
    assert "lines 962 to 999" in found.splitlines()[0]


async def test_a_page_from_the_front_says_where_to_continue() -> None:
    text = "".join(f"line {number} {'x' * 500}\n" for number in range(1000))
    found = await page(text)
    assert found.splitlines()[1].startswith("line 0 ") and "continue with offset=38" in found


async def test_a_search_that_takes_for_ever_is_refused_with_the_reason() -> None:
    with pytest.raises(UsageError, match="takes too long"):
        await page("a" * 60 + "b\n", pattern="(a+)+$")


async def test_a_search_gives_lines_with_their_numbers() -> None:
    assert await page("one\ntwo\nthree\n", pattern="t") == (
        "[run a-1, running: 2 of 3 lines match so far]\n1: two\n2: three"
    )


async def test_a_line_of_any_length_can_be_read_from_one_end_to_the_other() -> None:
    line = "".join(f"{number:07d} " for number in range(10_000))
    found, offset = "", 0
    while len(found) < len(line):
        head, *shown = (await page(f"first\n{line}\nlast\n", offset=offset + 1)).splitlines()
        assert "42 lines so far" in head
        shown = [row for row in shown if not row.startswith("... ")]
        found += "".join(shown)[: len(line) - len(found)]
        offset += len(shown)
    assert found == line


async def test_a_search_in_a_long_line_shows_what_is_around_the_match() -> None:
    text = f"{'y' * 60_000}NEEDLE{'z' * 60_000}\nafter\n"
    head, match = (await page(text, pattern="NEEDLE")).splitlines()
    assert "1 of 62 lines match" in head
    assert match.startswith("30: yyy") and "yyyNEEDLEzzz" in match and len(match) < 2100
    assert "NEEDLE" in await page(text, offset=30)
    assert (await page(text, pattern="after")).endswith("\n61: after")


async def test_a_map_that_is_too_long_says_which_cells_it_leaves_out() -> None:
    async def seen_map(session: object, path: str) -> tuple[list[NotebookCell], str]:
        return [NotebookCell(f"{n:08}", "code", "x" * 80) for n in range(1000)], path

    made = app("")
    made.reader.seen_map, made.reader.rows = seen_map, Reader.rows  # type: ignore[method-assign]
    (found,) = await read_cells(made, None, "n.ipynb", None)
    assert isinstance(found, str) and len(found) < 20_500
    (left_out,) = [n for n, line in enumerate(found.splitlines()) if line.startswith("... cells ")]
    first, last = (int(found.splitlines()[left_out].split()[place]) for place in (2, 4))
    assert found.splitlines()[left_out - 1].startswith(f"{first - 1} ")
    assert found.splitlines()[left_out + 1].startswith(f"{last + 1} ")
    assert found.splitlines()[-1].startswith("999 ")
