"""Patterns that cannot be searched for."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from jlab_tui.adapters.grep import grep
from jlab_tui.core.errors import UsageError
from jlab_tui.core.reply.pages import Selection
from jlab_tui.core.session.run import Run
from jlab_tui.mcp_server.context import App
from jlab_tui.mcp_server.read_replies import read_record_text

RUN = Run("a-1", "a", "execute_code", "c", "1", "m", 0.0, Path("a.1.jsonl"), 0)


def app(text: str, patience_s: float) -> App:
    def texts(run: Run) -> Iterator[tuple[str, int]]:
        yield text, 0

    made = SimpleNamespace(
        reader=SimpleNamespace(texts=texts),
        settings=SimpleNamespace(output_chars=20_000),
        grep=functools.partial(grep, timeout_s=patience_s),
    )
    return cast(App, made)


async def search(text: str, pattern: str, patience_s: float = 60.0) -> str:
    (found,) = await read_record_text(app(text, patience_s), RUN, Selection(pattern=pattern), None, None)
    assert isinstance(found, str)
    return found


async def test_chosen_numbers_are_read_as_a_table() -> None:
    text = "".join(f"epoch {n}/200 loss={2 / n:.3f}\n" for n in range(1, 201))
    (page,) = await read_record_text(app(text, 60.0), RUN, Selection(), None, ["loss"])
    assert isinstance(page, str) and page.startswith(
        "[run a-1: 200 lines with these numbers, 26 of them below]"
    )
    assert "\nline | loss\n0 | 2\n" in page and page.endswith("\n199 | 0.01")


async def test_a_search_that_takes_for_ever_is_refused_with_the_reason() -> None:
    with pytest.raises(UsageError, match="takes too long"):
        await search("a" * 60 + "b\n", "(a+)+$", patience_s=1.0)


async def test_a_pattern_that_is_none_is_refused_with_its_fault() -> None:
    with pytest.raises(UsageError, match="not a regular expression: missing"):
        await search("a\n", "(")


async def test_a_search_gives_lines_with_their_numbers() -> None:
    assert (await search("one\ntwo\n", "w")).endswith("\n1: two")
