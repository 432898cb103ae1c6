"""One reply holds so much, whatever was asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.reply import PICTURES_MAX, Part, Picture, fit

PICTURE = Picture(1, "image/png", "AAAA")
PARTS = st.lists(st.just(PICTURE) | st.integers(0, 5000).map(lambda size: "x" * size), max_size=60)


@given(PARTS, st.integers(1000, 30_000))
def test_any_parts_keep_to_the_budget(parts: list[Part], budget: int) -> None:
    fitted = fit(parts, budget)
    assert sum(len(part) for part in fitted if isinstance(part, str)) <= budget + 200
    assert sum(isinstance(part, Picture) for part in fitted) <= PICTURES_MAX


@given(PARTS)
def test_what_has_room_is_left_as_it_is(parts: list[Part]) -> None:
    pictures = sum(isinstance(part, Picture) for part in parts)
    assert fit(parts, 400_000, pictures) == parts


def test_a_long_text_gives_way_to_short_ones() -> None:
    first, second, last = fit(["head", "x" * 50_000, "the error"], 20_000)
    assert (first, last) == ("head", "the error")
    assert isinstance(second, str) and 19_000 < len(second) < 20_000 and "characters cut" in second


@pytest.mark.parametrize(("texts", "pictures"), [(0, 25), (900, 25), (900, 0)])
def test_what_is_left_out_is_counted(texts: int, pictures: int) -> None:
    fitted = fit([*["some text of an output" * 20] * texts, *[PICTURE] * pictures], 20_000)
    note = fitted[-1]
    assert isinstance(note, str) and "the reply is full" in note
    shown = [sum(isinstance(part, kind) for part in fitted[:-1]) for kind in (str, Picture)]
    for total, seen, name in zip((texts, pictures), shown, ("text", "picture"), strict=True):
        assert (f"{total - seen} more {name}" in note) == (total > seen)
