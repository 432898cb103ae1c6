"""Searching the lines of a record."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from jlab_tui.adapters.grep import grep


def test_matching_lines_come_with_number_and_place_through_any_number_of_blocks() -> None:
    lines = [(number, f"in epoch {number} " + "x" * 2000) for number in range(2000)]
    found = list(grep(r"epoch \d*7 ", lines))
    assert found == [(number, line, 3) for number, line in lines if number % 10 == 7]


def test_any_character_can_be_searched_for() -> None:
    assert list(grep("\ud800|ü$", [(0, "a\ud800b"), (1, "\0"), (2, "ü")])) == [
        (0, "a\ud800b", 1),
        (2, "ü", 0),
    ]


def test_no_lines_match_nothing() -> None:
    assert list(grep("a", [])) == []


def test_a_pattern_that_takes_for_ever_is_given_up() -> None:
    with pytest.raises(TimeoutError):
        list(grep(r"(a+)+$", [(0, "a" * 60 + "b")], timeout_s=0.3))


@pytest.mark.parametrize("pattern", ["(", "a{99999999999}", "(" * 2000 + ")" * 2000])
def test_an_invalid_pattern_differs_from_one_that_takes_too_long(pattern: str) -> None:
    with pytest.raises(re.error, match=r"\w"):
        list(grep(pattern, []))


def test_a_pattern_that_takes_long_to_be_understood_is_given_up() -> None:
    with pytest.raises(TimeoutError):
        list(grep("[a-z]" * 1_000_000, [], timeout_s=0.5))


def test_the_time_that_reading_the_lines_takes_is_not_the_patterns() -> None:
    def slowly() -> Iterator[tuple[int, str]]:
        for number in range(3):
            time.sleep(1.5)  # what a large record takes
            yield number, "x" * 2_000_000

    assert len(list(grep("x$", slowly(), timeout_s=4.0))) == 3
