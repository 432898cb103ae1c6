"""Text of any kind and size is folded in bounded steps, and its numbers are those of its lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.progress.digest import BURST, OPEN_MAX, PIECE, Digest

LINE = "epoch 1/9 loss=0.5 acc: 0.25\n"


def test_lines_are_counted_and_values_have_the_line_on_which_they_are() -> None:
    digest = Digest()
    digest.feed("start\nloss=3\nloss=1\n\nlo", 1.0)
    digest.feed("ss=2", 2.0)
    assert digest.lines == 4 and digest.series.named["loss"].count == 2
    whole = digest.whole()
    loss = whole.series.named["loss"]
    assert (loss.first, loss.last, loss.low_line, loss.high_line, whole.lines) == (3.0, 2.0, 2, 1, 5)
    assert digest.whole().series.named["loss"].count == 3 and digest.lines == 4
    assert Digest().whole().lines == 0


@given(st.lists(st.integers(1, 60), max_size=30), st.integers(0, 3))
def test_the_parts_in_which_text_comes_do_not_matter(cuts: list[int], kind: int) -> None:
    text = [
        LINE * 20,
        LINE.replace("\n", "\r\n") * 20,
        "\x1b[32mloss\x1b[0m=0.5\n" * 20,
        LINE.replace("\n", "\r") * 20,
    ]
    at_once, parts, place = Digest(), Digest(), 0
    at_once.feed(text[kind], 1.0)
    for size in cuts:
        parts.feed(text[kind][place : place + size], 1.0)
        place += size
    parts.feed(text[kind][place:], 1.0)
    assert parts.series.named["loss"].count == at_once.series.named["loss"].count == 20
    assert parts.lines == at_once.lines == (0 if kind == 3 else 20)


def test_another_stream_ends_a_line() -> None:
    digest = Digest()
    digest.feed("loss=1", 1.0, "stdout")
    digest.feed(" 10%|x | 1/10 [", 1.0, "stderr")
    digest.feed("loss=2\n", 2.0, "stdout")
    assert digest.lines == 3 and digest.series.named["loss"].last == 2.0


def test_a_bar_that_is_rewritten_has_a_pace_even_before_its_line_ends() -> None:
    digest = Digest()
    for done in range(1, 11):
        digest.feed(
            f"\r{done * 10}%|#  | {done}/20 [00:01<00:01, 1.0it/s, loss={1 / done:.2f}]", 1000.0 + done
        )
    pace = digest.pace(1010.0)
    assert pace is not None and (pace.shown, pace.rate, pace.left) == ("10/20", 1.0, 10.0)
    assert digest.lines == 0 and digest.series.named["loss"].count == 9
    digest.feed("\n", 1011.0)
    assert digest.pace(1011.0) is not None and digest.lines == 1


def test_what_is_shown_in_place_has_a_pace_and_no_lines() -> None:
    digest = Digest()
    for done in (1, 2, 3):
        digest.show(f"train: |##  | {done}/4\nacc=0.{done}", float(done))
    pace = digest.pace(3.0)
    assert pace is not None and pace.shown == "train 3/4" and digest.lines == 0
    digest.feed("a", 3.0)
    digest.skip(5)
    digest.feed("b\n", 3.0)
    assert digest.lines == 7


def test_a_line_without_end_is_kept_in_part_and_makes_up_no_number() -> None:
    digest = Digest()
    for _ in range(100):
        digest.feed("x" * 100_000, 1.0)
    assert len(digest._open) == OPEN_MAX
    digest.feed("loss=1\nloss=2\nloss=3\n", 1.0)
    loss = digest.series.named["loss"]
    assert (loss.count, loss.first, loss.low_line, digest.lines) == (2, 2.0, 1, 3)
    digest.feed("y" * OPEN_MAX, 1.0)
    digest.feed("loss=9\rloss=4\n", 1.0)
    assert (loss.count, loss.last, loss.high_line) == (3, 4.0, 3)


def test_both_ends_of_a_huge_text_are_looked_at() -> None:
    digest = Digest()
    digest.feed("loss=1\n" + LINE * 100_000 + "loss=2\n", 1.0)
    loss = digest.series.named["loss"]
    assert (loss.first, loss.last, digest.lines) == (1.0, 2.0, 100_002)
    assert digest.skipped + digest.series.told == digest.lines and digest.skipped > 90_000
    digest.feed("x" * (2 * PIECE), 1.0)
    digest.feed("loss=7\nloss=8\n", 1.0)
    assert (loss.last, digest.lines) == (8.0, 100_004)
    assert loss.high == 8.0


def test_a_flood_is_looked_at_in_part_and_counted_whole() -> None:
    digest = Digest()
    text = LINE * (60_000 // len(LINE))
    lines = text.count("\n")
    for _ in range(200):
        digest.feed(text, 1.0)
    assert digest.lines == 200 * lines and 0 < digest.series.told * len(LINE) <= BURST
    assert digest.skipped == digest.lines - digest.series.told
    digest.feed("loss=9\n", 3.0)
    assert digest.series.named["loss"].last == 9.0, "it goes on after a pause"


def test_only_the_last_lines_are_looked_at_for_steps() -> None:
    digest = Digest()
    digest.feed("".join(f"{n}/999\n" for n in range(500)), 1.0)
    digest.feed("".join(f"{n}/999\n" for n in range(500, 900)), 2.0)
    pace = digest.pace(2.0)
    assert pace is not None and pace.shown == "899/999" and pace.rate == 400.0
    digest.feed("no step / here, 5 of course\n", 3.0)
    assert digest.pace(3.0) is not None


@given(st.text(st.sampled_from("ab=:.,/%0123456789 \r\n\x1b[m-e{}'é٣\0"), max_size=300), st.floats(0, 1e10))
def test_any_text_at_any_time_is_taken_in(text: str, at: float) -> None:
    digest = Digest()
    digest.feed(text, at)
    digest.show(text, at)
    digest.pace(at)
    assert digest.whole().lines in (text.count("\n"), text.count("\n") + 1)
