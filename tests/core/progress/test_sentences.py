"""What is said of pace and numbers."""

from __future__ import annotations

import math

import pytest

from jlab_tui.core.progress.digest import Digest
from jlab_tui.core.progress.sentences import (
    duration,
    ends_late,
    late_sentence,
    numbers,
    pace_words,
    rate_words,
    series_words,
    short,
    tells_enough,
)
from jlab_tui.core.progress.series import Series
from jlab_tui.core.progress.series_page import ROWS, series_page
from jlab_tui.core.progress.tracks import Pace


@pytest.mark.parametrize(
    ("pace", "words"),
    [
        (Pace("epoch 3/10", 0.3, 1 / 12, 84.0), "epoch 3/10 (30%), 12 s each, about 84 s left"),
        (Pace("45%", 0.45, 0.5, 110.0, is_share=True), "45%, about 2 min left"),
        (Pace("5/50", 0.1, 3.456, 13.0, is_part=True), "5/50 (10%), 3.5/s, about 13 s left of this loop"),
        (Pace("5/50", 0.1, 0.0, None), "5/50 (10%)"),
        (Pace("50/50", 1.0, 2000.0, 0.0), "50/50 (100%), 2,000/s"),
    ],
)
def test_a_pace_in_words(pace: Pace, words: str) -> None:
    assert pace_words(pace) == words


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (1, "1/s"),
        (99, "99/s"),
        (100, "100/s"),
        (0.99, "1 s each"),
        (1 / 99, "99 s each"),
        (0.01, "1.7 min each"),
    ],
)
def test_a_rate_in_words(rate: float, words: str) -> None:
    assert rate_words(rate) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (99.4, "99 s"),
        (100, "2 min"),
        (5969, "99 min"),
        (6000, "1 h 40 min"),
        (172799, "2 d 0 h"),
        (190000, "2 d 4 h"),
    ],
)
def test_a_duration_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_run_that_ends_after_its_job_is_said_to() -> None:
    pace = Pace("5/10", 0.5, 0.1, 500.0, watched=60.0)
    assert ends_late(pace, 1000.0, 1439.0) == 1500.0
    assert [ends_late(pace, 1000.0, ends) for ends in (0.0, 1440.0)] == [None, None]
    for other in (
        None,
        Pace("5/10", 0.5, 0.1, None, watched=60.0),
        Pace("5/10", 0.5, 0.1, 500.0, watched=59.0),
        Pace("5/10", 0.5, 0.1, 500.0, watched=60.0, is_part=True),
    ):
        assert ends_late(other, 1000.0, 1100.0) is None
    said = late_sentence(13200.0, 8100.0, lambda at: f"{at / 3600:05.2f}")
    assert "the run ends about 03.67, but its job ends 02.25" in said


def series(*values: float, name: str = "loss", unit: str = "") -> Series:
    made = Series(name, unit)
    for line, value in enumerate(values, 1000):
        made.add(float(value), line)
    return made


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (series(2.5, 0.25, 1), "loss: first 2.5, last 1, min 0.25 (line 1,001), max 2.5 (line 1,000)"),
        (series(1, 1, unit="ms"), "loss (ms): 1 throughout"),
        (series(math.nan, math.inf), "loss: first nan, last inf, 2 not finite (from line 1,000 on)"),
        (series(1, math.nan, 1), "loss: first 1, last 1, min 1 (line 1,000), max 1 (line 1,000), 1 not finite (from line 1,001 on)"),
    ],
)  # fmt: skip
def test_a_series_in_words(one: Series, words: str) -> None:
    assert series_words(one) == words


def test_a_number_is_short() -> None:
    assert [short(value) for value in (1234567.0, 1e9, 0.000123456, -3.0, 1e-12)] == [
        "1,234,567", "1e+09", "0.0001235", "-3", "1e-12"
    ]  # fmt: skip


def printed(lines: int, text: str) -> Digest:
    digest = Digest()
    digest.feed("".join(text.format(n=n, half=n / 2) + "\n" for n in range(lines)), 1.0)
    return digest


def test_numbers_stand_for_many_lines_of_which_most_have_some() -> None:
    assert tells_enough(printed(200, "loss={half}"))
    assert not tells_enough(printed(199, "loss={half}"))
    assert not tells_enough(printed(200, "line {n}"))
    mixed = printed(201, "loss={half}")
    mixed.feed("other\n" * 201, 1.0)
    assert tells_enough(mixed)
    mixed.feed("other\n", 1.0)
    assert not tells_enough(mixed)
    assert not tells_enough(printed(0, "")) and not tells_enough(printed(300, "n{n}=1"))


def test_the_numbers_of_an_output_are_listed_by_name() -> None:
    words = numbers(printed(3, "step={n} loss={half}"), "s-1")
    assert words == (
        'Numbers in all 3 lines; as a table: read_output(run_id="s-1", series=["loss"])\n'
        "loss: first 0, last 1, min 0 (line 0), max 1 (line 2)\n"
        "step: first 0, last 2, min 0 (line 0), max 2 (line 2)"
    )
    assert 'series=["step"]' in numbers(printed(3, "step={n}"), "s-1")


def test_of_many_names_some_are_only_named() -> None:
    seven = numbers(printed(2, " ".join(f"a{k}={{half}}" for k in range(7))), "s-1")
    assert seven.endswith("\n1 more name: a6") and 'series=["a0", "a1"]' in seven
    many = numbers(printed(2, " ".join(f"a{k}={{half}}" for k in range(30))), "s-1")
    assert many.endswith("\n24 more names: " + ", ".join(f"a{k}" for k in range(6, 18)) + ", ...")


def test_what_came_too_fast_is_said() -> None:
    digest = printed(2, "loss={half}")
    digest.feed("loss=5\n" * 100_000, 1.0)
    assert numbers(digest, "s-1").endswith("lines came too fast for this and are not in it.")


def numbered(*lines: str) -> list[tuple[int, str]]:
    return [*enumerate(lines)]


def test_chosen_series_make_a_table() -> None:
    lines = numbered("Loss=2 acc=0.5", "nothing", "loss=3", "Loss=1 acc=0.75 other=1")
    assert series_page("s-1", lines, ["loss", "ACC"]) == (
        "[run s-1: 3 lines with these numbers, 3 of them below]\n"
        "Loss: first 2, last 1, min 1 (line 3), max 2 (line 0)\n"
        "acc: first 0.5, last 0.75, min 0.5 (line 0), max 0.75 (line 3)\n"
        "line | loss | ACC\n"
        "0 | 2 | 0.5\n"
        "2 | 3 | \n"
        "3 | 1 | 0.75"
    )


@pytest.mark.parametrize("count", [1, 2, ROWS, ROWS + 1, 2 * ROWS, 100, 1000, 12_345])
def test_of_many_rows_evenly_chosen_ones_are_shown_with_the_first_and_the_last(count: int) -> None:
    page = series_page("s-1", [(n, f"loss={n}") for n in range(count)], ["loss"])
    rows = page.split("line | loss\n")[1].split("\n")
    numbers_shown = [int(row.split(" | ")[0]) for row in rows]
    assert numbers_shown[0] == 0 and numbers_shown[-1] == count - 1 and len(rows) <= ROWS + 1
    assert f"{count:,} lines with these numbers, {len(rows)} of them" in page
    assert sorted(set(numbers_shown)) == numbers_shown


def test_a_name_that_nothing_prints_is_answered_with_those_there_are() -> None:
    lines = numbered("loss=1", "loss=2")
    assert series_page("s-1", lines, ["los"]) == "[run s-1 has no numbers named los; it prints loss]"
    assert series_page("s-1", lines, []) == "[run s-1: it prints loss]"
    assert series_page("s-1", numbered("x"), ["a", "b"]).endswith(
        "named a, b; it prints no name=value twice]"
    )
