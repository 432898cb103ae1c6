"""Which printed numbers are those of a series, and what is kept of each."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.progress.series import NAMES_MAX, Series, SeriesTable, pairs

HF = "{'loss': 0.5, 'learning_rate': 1e-05, \"epoch\": 1}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("loss=0.31", [("loss", "", 0.31)]),
        ("loss: 0.31, acc = 97.5%", [("loss", "", 0.31), ("acc", "%", 97.5)]),
        ("Train Loss: 0.5 | Val Loss: 0.6", [("Train Loss", "", 0.5), ("Val Loss", "", 0.6)]),
        ("INFO loss: 0.5", [("loss", "", 0.5)]),
        ("epoch 3 loss=-1.5e-3.", [("loss", "", -0.0015)]),
        (
            "train/loss=.5 acc@1=3 lr-Adam: +2",
            [("train/loss", "", 0.5), ("acc@1", "", 3.0), ("lr-Adam", "", 2.0)],
        ),
        (HF, [("loss", "", 0.5), ("learning_rate", "", 1e-5), ("epoch", "", 1.0)]),
        ("loss=tensor(0.25, grad_fn=<X>)", [("loss", "", 0.25)]),
        ("{'loss': np.float64(0.25)}", [("loss", "", 0.25)]),
        (
            "time=12ms, mem: 3.5 GiB, v=9.1it/s]",
            [("time", "ms", 12.0), ("mem", "GiB", 3.5), ("v", "it/s", 9.1)],
        ),
        ("tokens=1,234,567", [("tokens", "", 1234567.0)]),
        ("потери: 0.5", [("потери", "", 0.5)]),
        ("loss=1e309", [("loss", "", math.inf)]),
        ("loss=inf acc=-Inf", [("loss", "", math.inf), ("acc", "", -math.inf)]),
        ("12:30:01", []),
        ("time: 12:30:01, at=12:30", []),
        ("date: 2024-12-30 d=2024/12/30", []),
        ("host: 10.0.0.1, net=10.0.0.0/24", []),
        ("http://host:8888/a", []),
        ("version: 2.3.1, v=1.2.3rc1", []),
        ("addr=0x1f hash: 12ab34 sha=3e", []),
        ("{1: 2, 3: 4}", []),
        ("x=٣ y=３", []),
        ("a == 5, b != 6, c >= 7, d <= 8", []),
        ("= 5 : 6 =7", []),
        ("shape: (3, 4) x=y", []),
        ("a" * 100 + "=5", []),
        ("nancy=nancy, info: infinite", []),
    ],
)
def test_the_numbers_that_have_a_name(text: str, found: list[tuple[str, str, float]]) -> None:
    assert [pair[1:] for pair in pairs(text + "\n")] == found


def test_nan_is_a_value_and_the_place_of_each_is_told() -> None:
    assert [(at, name, math.isnan(value)) for at, name, _, value in pairs("l=nan\nk: NaN\n")] == [
        (1, "l", True),
        (7, "k", True),
    ]


def test_a_series_knows_first_last_least_and_greatest_with_their_lines() -> None:
    series = Series("loss")
    for line, value in enumerate([2.0, 0.5, math.nan, 3.0, math.inf, 1.0]):
        series.add(value, line)
    assert (series.first, series.last, series.count) == (2.0, 1.0, 6)
    assert (series.low, series.low_line, series.high, series.high_line) == (0.5, 1, 3.0, 3)
    assert (series.odd, series.odd_line, series.is_constant, series.is_counter) == (2, 2, False, False)
    assert series.points == [(0, 2.0), (1, 0.5), (3, 3.0), (5, 1.0)]


def test_counters_and_constants_are_known() -> None:
    counter, constant = Series("epoch"), Series("lr")
    for line in range(3):
        counter.add(float(line // 2), line)
        constant.add(0.1, line)
    assert counter.is_counter and not counter.is_constant
    assert constant.is_constant and not constant.is_counter
    counter.add(0.0, 4)
    assert not counter.is_counter


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=1000))
def test_of_any_number_of_values_a_bounded_number_of_points_is_kept(values: list[float]) -> None:
    series = Series("x")
    for line, value in enumerate(values):
        series.add(value, line)
    assert 1 <= len(series.points) <= 128 and series.points[0] == (0, values[0])
    assert [value for line, value in series.points] == [values[line] for line, _ in series.points]
    assert (series.low, series.high) == (min(values), max(values))


def test_of_thousands_of_names_the_first_that_come_again_are_kept() -> None:
    table = SeriesTable()
    for number in range(5000):
        table.add(f"once{number}", "", 1.0, number)
    for line in range(3):
        for number in range(NAMES_MAX + 2):
            table.add(f"n{number}", "", float(line), 5000 + line)
    assert len(table.named) == NAMES_MAX and table.beyond == 2 and table.told == 5003
    assert table.named["n0"].count == 3


def test_a_copy_does_not_change_and_the_telling_ones_come_first() -> None:
    table = SeriesTable()
    for line in range(3):
        for name, value in (("epoch", float(line)), ("lr", 0.1), ("loss", 0.5 - line / 10)):
            table.add(name, "", value, line)
    copied = table.copy()
    table.add("loss", "", 9.0, 3)
    assert [one.name for one in copied.telling] == ["loss", "epoch", "lr"]
    assert copied.named["loss"].high == 0.5 and len(copied.named["loss"].points) == 3
