"""What a run prints of its steps, and the pace that follows from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.progress.tracks import TRACKS_MAX, Pace, Tracks, counts

BAR = " 45%|####5     | 45/100 [00:05<00:06,  9.1it/s, loss=0.5]"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("epoch 3/10", [("epoch", 3, 10)]),
        ("Epoch 3 of 10: loss 0.5", [("Epoch", 3, 10)]),
        ("step [120 / 500] done", [("step", 120, 500)]),
        ("step=120/500: x", [("step", 120, 500)]),
        (f"train: {BAR}", [("train", 45, 100)]),
        ("epoch 3/10 batch 12/50", [("epoch", 3, 10), ("batch", 12, 50)]),
        ("12:01:33 INFO step 5/100", [("INFO step", 5, 100)]),
        ("45%", [("", 45, 100)]),
        ("Progress: 45.5 %", [("Progress", 45.5, 100)]),
        ("downloading... 45%| 1.2G/4.9G", [("downloading", 45, 100)]),
        ("acc: 45.2% gpu=93%", []),
        ("45.2%x 101% a-5%", []),
        ("30/12/2024 2024/12/30 12:30/40", []),
        ("10.0.0.0/24 a/12/13 /1/2 1/2/ 3/4.5 1/1 5/3", []),
        ("٣/٥ 3/５", []),
    ],
)
def test_the_counts_in_a_line(line: str, found: list[tuple[str, float, float]]) -> None:
    assert [(step.label, step.done, step.total) for step in counts(line)] == found


def looked(lines: list[str], now: float, every: float = 1.0) -> Pace | None:
    tracks = Tracks()
    for number, line in enumerate(lines):
        tracks.feed(line, 1000.0 + number * every)
    return tracks.look(1000.0 + now)


def test_a_loop_has_a_rate_and_an_end() -> None:
    pace = looked([f"step {n}/100" for n in range(1, 52)], now=50.0)
    assert pace is not None and not pace.is_part
    assert (pace.shown, pace.share, pace.rate, pace.left, pace.watched) == (
        "step 51/100",
        0.51,
        1.0,
        49.0,
        50.0,
    )


def test_the_rate_is_that_of_the_later_half() -> None:
    pace = looked([f"step {n}/1000" for n in [0, 1, 2, 3, 4, 14, 24, 34, 44]], now=8.0)
    assert pace is not None and pace.rate == 10.0


def test_a_loop_that_waits_longer_than_a_step_gets_slower() -> None:
    lines = [f"step {n}/100" for n in range(11)]
    rates = [pace.rate for now in (10.0, 11.0, 20.0, 100.0) if (pace := looked(lines, now)) is not None]
    assert rates[0] == rates[1] == 1.0 > rates[2] > rates[3] > 0


def test_only_what_moves_is_a_progress() -> None:
    assert looked(["GPU 1/4", "nothing", "GPU 1/4"], now=9.0) is None
    assert looked(["45%", "46%", "47%"], now=9.0) is None
    pace = looked(["45%", "46%", "47%", "48%"], now=3.0)
    assert pace is not None and pace.is_share and pace.shown == "48%"


def test_before_a_second_moment_there_is_no_rate() -> None:
    pace = looked(["1/9", "2/9"], now=0.0, every=0.0)
    assert pace is not None and (pace.rate, pace.left) == (0.0, None)


def test_an_inner_loop_does_not_stand_for_the_outer_one() -> None:
    lines = [
        line
        for epoch in range(1, 4)
        for line in [f"Epoch {epoch}/10", *(f"{b}/50" for b in range(0, 51, 10))]
    ]
    outer = looked(lines, now=20.0)
    assert outer is not None and outer.shown == "Epoch 3/10" and not outer.is_part
    inner = looked([line for line in lines if not line.startswith("Epoch")][:-2], now=15.0)
    assert inner is not None and inner.is_part and inner.shown == "30/50"


def test_two_counts_in_one_line_are_a_loop_in_a_loop() -> None:
    for first in (0, 1):
        lines = [f"epoch {e + first}/4 batch {b}/10" for e in range(2) for b in range(1, 11)]
        pace = looked(lines, now=19.0)
        assert pace is not None and not pace.is_part
        assert (pace.share, pace.shown) == (0.5, f"epoch {1 + first}/4, batch 10/10")
        assert pace.left == pytest.approx(20.0, abs=2.0)


def test_a_count_of_all_steps_beside_that_of_epochs_is_the_finer_one() -> None:
    pace = looked([f"epoch {1 + n // 10}/10 step {n}/100" for n in range(1, 96)], now=94.0)
    assert pace is not None and (pace.shown, pace.rate, pace.left) == ("step 95/100", 1.0, 5.0)


def test_what_has_stopped_moving_gives_way() -> None:
    lines = ["load 1/9", "load 2/9", *(f"step {n}/500" for n in range(200))]
    pace = looked(lines, now=201.0)
    assert pace is not None and pace.shown == "step 199/500"
    done = looked(["load 1/2", "load 2/2"], now=5.0)
    assert done is not None and (done.share, done.left) == (1.0, 0.0)


def test_few_counts_are_followed_at_a_time() -> None:
    tracks = Tracks()
    for number in range(100):
        tracks.feed(f"{'ab' * number} 1/9", float(number))
    assert len(tracks.moving) == TRACKS_MAX


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b 1/3", ""]), st.integers(0, 9), st.floats(0, 1e6)), max_size=200
    )
)
def test_any_counts_at_any_time_give_a_possible_pace(printed: list[tuple[str, int, float]]) -> None:
    tracks = Tracks()
    for label, done, at in printed:
        tracks.feed(f"{label} {done}/9", at)
        pace = tracks.copy().look(at)
        assert pace is None or (
            0 <= pace.share <= 1 and pace.rate >= 0 and (pace.left is None or pace.left >= 0)
        )
    assert all(len(track.points) <= 64 for track in tracks.moving.values())
