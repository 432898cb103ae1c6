"""When frames leave: one at a time, slower on a slow line, and after the terminal's answer where it gives one."""

from __future__ import annotations

import pytest

from jlab_tui.tui.frames import (
    ASKED_BYTES,
    IMAGE_BYTES,
    MOST_IMAGE_BYTES,
    REST_S,
    SILENCE_S,
    SLOW_FRAMES,
    TerminalLine,
)


def after_slow_frames(line: TerminalLine, count: int = SLOW_FRAMES, late_s: float = 0.0) -> TerminalLine:
    """The line after frames of 6 kB at 15 kB/s, the last of which has left at 0.4."""
    for number in range(1 - count, 1):
        line = line.sent(float(number), 6_000).left(number + 0.4, late_s)
    return line


def test_the_next_frame_waits_until_the_last_one_has_left() -> None:
    line = TerminalLine().sent(0.0, 100)
    assert not line.may_send(9.0)
    assert line.left(0.1).may_send(0.1)


def test_a_terminal_that_answers_is_asked_after_a_kilobyte_and_the_next_frame_waits_for_it() -> None:
    line = TerminalLine().answered(0.0)
    assert not line.asks(ASKED_BYTES - 1)
    line = line.sent(0.0, ASKED_BYTES - 1).left(0.0)
    assert line.may_send(0.0)
    assert line.asks(1)
    line = line.sent(1.0, 1).left(1.0)
    assert not line.may_send(1.0)
    assert line.answered(1.5).may_send(1.5)


def test_an_answer_before_the_frame_is_known_to_have_left_counts() -> None:
    line = TerminalLine().answered(0.0).sent(0.0, 5_000).answered(0.01)
    assert not line.may_send(0.01)
    assert line.left(0.02).may_send(0.02)


def test_a_terminal_that_keeps_silent_is_asked_no_more() -> None:
    line = TerminalLine().answered(0.0).sent(0.0, 5_000).left(0.1)
    assert line.due_in(1.0) == SILENCE_S - 1.0
    assert not line.looked_at(1.0).may_send(1.0)
    given_up = line.looked_at(SILENCE_S)
    assert given_up.may_send(SILENCE_S)
    assert not given_up.asks(10**6)


def test_a_slow_line_is_noticed_rests_after_each_frame_and_is_fast_again_some_frames_later() -> None:
    line = after_slow_frames(TerminalLine())
    assert line.is_slow
    assert line.bytes_s == pytest.approx(15_000)
    assert line.due_in(0.4) == pytest.approx(0.2)
    assert not line.may_send(0.5)
    assert line.may_send(0.4 + REST_S)
    for number in range(1, 9):
        line = line.sent(number, 6_000).left(number + 0.01)
    assert not line.is_slow
    assert line.due_in(9.0) == 0.0


def test_a_line_is_slow_only_after_several_frames_in_a_row_and_at_15_kb_a_second_within_two_seconds() -> None:
    for count in range(SLOW_FRAMES):
        line = after_slow_frames(TerminalLine(), count)
        assert not line.is_slow and line.may_send(0.4)
    line = after_slow_frames(TerminalLine(), SLOW_FRAMES - 1).sent(1.0, 6_000).left(1.01)
    assert not line.sent(2.0, 6_000).left(2.4).is_slow, "a fast one was among them"
    line, now = TerminalLine(), 0.0
    for size in (20_000, 2_000, 2_000):  # the first frame is the whole screen
        now = max(now, line.free_at)
        line, now = line.sent(now, size).left(now + size / 15_000), now + size / 15_000
    assert line.is_slow and now < 2.0


def test_a_small_frame_says_nothing_about_the_speed() -> None:
    assert not TerminalLine().sent(0.0, 50).left(2.0).is_slow


def test_what_left_when_nothing_was_sent_changes_nothing() -> None:
    assert TerminalLine().left(1.0) == TerminalLine()


def test_a_line_carries_as_much_of_images_at_once_as_leaves_keys_their_turn() -> None:
    assert TerminalLine().image_bytes == IMAGE_BYTES, "its speed is not known"
    slow = after_slow_frames(TerminalLine())
    assert slow.is_slow and slow.image_bytes == IMAGE_BYTES
    assert slow.carries(74_900) and not slow.carries(75_100) and TerminalLine().carries(10**9)
    assert TerminalLine(bytes_s=500_000).image_bytes == 50_000
    assert TerminalLine(bytes_s=1e9).image_bytes == MOST_IMAGE_BYTES


def test_a_program_that_is_busy_itself_takes_no_line_for_slow() -> None:
    line = TerminalLine().answered(0.0).sent(0.0, 3_000).left(0.01, late_s=0.3).answered(0.2, late_s=0.1)
    assert not line.is_slow and line.may_send(0.2) and line.bytes_s == 0
    assert after_slow_frames(TerminalLine(), late_s=0.02).is_slow
    slow = TerminalLine(bytes_s=20_000, is_slow=True)
    assert slow.sent(0.0, 6_000).left(0.01, late_s=0.3).bytes_s > 20_000, "fast all the same"


def test_a_line_that_is_long_is_not_slow_for_that() -> None:
    def after(latency_s: float, bytes_s: float, *sizes: int) -> TerminalLine:
        """The line after frames that are answered as soon as they were drawn at the other end."""
        line = TerminalLine().asked(1.0).answered(1.0 + latency_s)
        for now, size in enumerate(sizes, 2):
            took = latency_s + size / bytes_s
            line = line.sent(now, size).left(now + 0.001).answered(now + took)
        return line

    far = after(0.2, 1e6, 6_000, 1_500, 3_000, 1_200)
    assert not far.is_slow and far.latency_s == pytest.approx(0.2)
    assert after(0.2, 15_000, 6_000, 1_500, 3_000, 1_200).is_slow
    assert after(0.2, 15_000, 6_000, 3_000).bytes_s == pytest.approx(15_000)
    assert after(0.0, 15_000, 1_100, 1_100, 1_100).is_slow


def test_a_latency_that_was_measured_too_long_is_mended_by_the_frames() -> None:
    line = TerminalLine().asked(1.0).answered(2.0)
    for now in range(3, 9):
        line = line.sent(now, 1_100).left(now).answered(now + 0.07)
    assert line.latency_s == pytest.approx(0.07)
    line = line.sent(9.0, 6_000).left(9.0).answered(9.4)
    assert line.bytes_s < 150_000


def test_a_slow_line_is_noticed_although_a_buffer_took_the_first_frame_at_once() -> None:
    line = TerminalLine().asked(1.0).sent(1.1, 5_000).left(1.1)
    assert line.bytes_s == 0 and line.may_send(1.1)
    line = line.answered(1.01)
    for now in (2, 3, 4):
        line = line.sent(now, 4_000).left(now).answered(now + 4_000 / 15_000)
    assert line.is_slow
    burst = TerminalLine(bytes_s=50e6, answers=True)
    for now in range(1, 9):
        burst = burst.sent(now, 4_000).left(now).answered(now + 4_000 / 15_000)
    assert burst.is_slow, "one measurement that was far off is soon forgotten"
    silent = TerminalLine().asked(1.0)
    for now in (9, 10, 11):
        silent = silent.sent(now, 6_000).left(now + 0.4)
    assert silent.is_slow, "a terminal that never answers is measured by what leaves"
