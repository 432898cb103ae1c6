"""When frames leave: one at a time, slower on a slow line, and after the terminal's answer where it gives one."""

from __future__ import annotations

import pytest

from jlab_tui.tui.frames import ASKED_BYTES, IMAGE_BYTES, MOST_IMAGE_BYTES, REST_S, SILENCE_S, TerminalLine


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
    line, now = TerminalLine(), 0.0
    line = line.sent(now, 6_000).left(now + 0.4)
    assert line.is_slow
    assert line.bytes_s == 15_000
    assert line.due_in(0.4) == pytest.approx(0.2)
    assert not line.may_send(0.5)
    assert line.may_send(0.4 + REST_S)
    for number in range(1, 9):
        line = line.sent(number, 6_000).left(number + 0.01)
    assert not line.is_slow
    assert line.due_in(9.0) == 0.0


def test_a_small_frame_says_nothing_about_the_speed() -> None:
    assert not TerminalLine().sent(0.0, 50).left(2.0).is_slow


def test_what_left_when_nothing_was_sent_changes_nothing() -> None:
    assert TerminalLine().left(1.0) == TerminalLine()


def test_a_line_carries_as_much_of_images_at_once_as_leaves_keys_their_turn() -> None:
    assert TerminalLine().image_bytes == IMAGE_BYTES, "its speed is not known"
    slow = TerminalLine().sent(0.0, 6_000).left(0.4)
    assert slow.is_slow and slow.image_bytes == IMAGE_BYTES
    assert slow.carries(75_000) and not slow.carries(75_001) and TerminalLine().carries(10**9)
    assert TerminalLine(bytes_s=500_000).image_bytes == 50_000
    assert TerminalLine(bytes_s=1e9).image_bytes == MOST_IMAGE_BYTES


def test_a_program_that_is_busy_itself_takes_no_line_for_slow() -> None:
    line = TerminalLine().answered(0.0).sent(0.0, 3_000).left(0.01, late_s=0.3).answered(0.2, late_s=0.1)
    assert not line.is_slow and line.may_send(0.2) and line.bytes_s == 0
    assert TerminalLine().sent(0.0, 6_000).left(0.4, late_s=0.02).is_slow
    slow = TerminalLine(bytes_s=20_000, is_slow=True)
    assert slow.sent(0.0, 6_000).left(0.01, late_s=0.3).bytes_s > 20_000, "fast all the same"
