"""The rows that tell a running cell's pace and its numbers."""

from __future__ import annotations

import time

import pytest
from rich.segment import Segment

from jlab_tui.core.progress.digest import Digest
from jlab_tui.tui.blocks import Frame
from jlab_tui.tui.format import ASCII, UNICODE, Glyphs
from jlab_tui.tui.progress_block import ProgressBlock, shown_series, spark
from jlab_tui.tui.themes import Palette

START = 1_780_280_000.0


def frame(width: int, now: float, *, glyphs: Glyphs = UNICODE, job_ends: float = 0.0) -> Frame:
    made = Frame(width, 16, Palette({}, dark=True), glyphs, time.gmtime, lambda *_: None)
    made.now, made.job_ends = START + now, job_ends and START + job_ends
    return made


def rows(block: ProgressBlock) -> list[str]:
    return ["".join(segment.text for segment in block.row(index)).rstrip() for index in range(block.height)]


def training(steps: int, text: str = "step {n}/1000 loss={loss:.3f} acc: {acc:.2f}% lr=0.1\n") -> Digest:
    digest = Digest()
    for n in range(1, steps + 1):
        digest.feed(text.format(n=n, loss=3 / n, acc=n / 10), START + n)
    return digest


def test_a_training_has_a_row_of_pace_and_a_row_of_numbers() -> None:
    assert rows(ProgressBlock(training(400), frame(80, 400.0), "warning")) == [
        "▏ ━━━━━━━━━━━━  40%  10m00s left · ends 02:30 · 1/s · step 400/1,000",
        "▏ loss 0.007 █▁▁▁▁▁▁▁▁▁▁▁   acc 40% ▁▁▂▃▃▄▅▆▆▇██",
    ]


def test_what_will_not_fit_into_the_job_says_both_times() -> None:
    (pace, _) = rows(ProgressBlock(training(400), frame(110, 400.0, job_ends=700.0), "warning"))
    assert "40%  10m00s left · ends about 02:30, the job ends 02:25 · 1/s" in pace


def test_a_narrow_row_shows_fewer_numbers_and_ascii_has_its_own_signs() -> None:
    block = ProgressBlock(training(400), frame(36, 400.0, glyphs=ASCII), "warning")
    shown = rows(block)
    assert all(row.isascii() for row in shown) and "loss" in shown[1] and "acc" not in shown[1]
    assert rows(ProgressBlock(training(400), frame(12, 400.0), "warning"))[1:] == []


def test_the_time_left_runs_on_between_two_lines() -> None:
    block = ProgressBlock(training(10), frame(80, 10.0), "warning")
    assert "16m30s left" in rows(block)[0]
    block.frame.now += 1.0
    assert "16m29s left" in rows(block)[0]


def test_an_output_without_steps_and_numbers_has_no_such_rows() -> None:
    assert ProgressBlock(training(9, "hello {n}\n"), frame(80, 9.0), "warning").height == 0
    few = training(2, "loss={loss}\n")
    assert shown_series(few) == [] and ProgressBlock(few, frame(80, 9.0), "warning").height == 0
    percent = training(9, "{n}%\n")
    assert rows(ProgressBlock(percent, frame(80, 9.0), "warning"))[0].endswith(
        "  9%  1m31s left · ends 02:15"
    )


@pytest.mark.parametrize(
    ("values", "drawn"),
    [
        ([1.0, 2.0, 3.0, 4.0], "▁▃▆█"),
        ([1.0] * 9, "▁▁▁▁"),
        ([], ""),
        ([0.0, 8.0] * 4, "▁▁▁▁"),
        ([3.0, 1.0], "█▁"),
    ],
)
def test_values_are_drawn_between_their_least_and_greatest(values: list[float], drawn: str) -> None:
    assert spark(values, 4) == drawn


def test_a_row_ends_where_the_cell_does() -> None:
    for width in range(20, 120, 7):
        for row in range(ProgressBlock(training(400), frame(width, 400.0), "warning").height):
            segments = ProgressBlock(training(400), frame(width, 400.0), "warning").row(row)
            assert sum(Segment.get_line_length([s]) for s in segments) <= width
