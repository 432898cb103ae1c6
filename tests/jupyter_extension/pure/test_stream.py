"""What of a stream is kept where, and what is lost: what the tables of test_spool.py leave open."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.jupyter_extension.stream import FULL, STALLED, Stream, StreamGap


def filled(count: int, cache: int = 1000, cap: int = 5000) -> Stream:
    stream = Stream(cache, cap)
    for _ in range(count):
        stream.append(bytes(100))
    return stream


def kept(stream: Stream) -> list[int]:
    return [seq for seq in range(1, stream.last + 2) if stream.get(seq) is not None]


def test_numbers_begin_with_one_and_nothing_is_there_before_that() -> None:
    stream = Stream(1000, 5000)
    assert (stream.first, stream.last, stream.unspooled, stream.dropped_bytes) == (1, 0, False, 0)
    assert stream.append(b"a") == 1 and stream.append(b"bc") == 2
    assert (stream.unspooled, stream.unspooled_bytes, stream.memory_bytes) == (True, 3, 3)
    assert (stream.get(0), stream.get(2), stream.gap_at(1)) == (None, b"bc", None)


def test_a_batch_takes_one_record_more_than_fits_and_leaves_the_rest() -> None:
    stream = filled(10)
    assert [seq for seq, _ in stream.take_batch(100)] == [1]
    assert [seq for seq, _ in stream.take_batch(101)] == [2, 3]
    assert stream.take_batch(0) == []
    assert (stream.unspooled, len(stream.take_batch(5000)), stream.unspooled) == (True, 7, False)
    assert stream.take_batch(5000) == []


def test_records_on_disk_no_longer_wait() -> None:
    stream = filled(10)
    batch = stream.take_batch(400)
    assert stream.unspooled_bytes == 1000
    stream.spooled(batch)
    assert stream.unspooled_bytes == 600
    stream.spooled([])
    assert stream.unspooled_bytes == 600 and kept(stream) == list(range(1, 11))
    stream.append(bytes(100))
    assert kept(stream) == list(range(2, 12)), "the cache is full: the oldest that the disk has goes"
    for _ in range(5):
        stream.append(bytes(100))
    assert kept(stream) == list(range(5, 17)), "what the disk does not have stays"
    assert stream.unspooled_bytes == 1200 == stream.memory_bytes


def test_an_acknowledged_record_that_was_on_its_way_to_the_disk_is_counted_once() -> None:
    stream = filled(4)
    batch = stream.take_batch(300)
    assert stream.ack(2)
    assert stream.unspooled_bytes == 200
    stream.spooled(batch)
    assert stream.unspooled_bytes == 100
    assert stream.ack(3)
    assert stream.unspooled_bytes == 100 and stream.memory_bytes == 100
    stream.give_back([(3, bytes(100))])
    assert [seq for seq, _ in stream.take_batch(5000)] == [4]


def test_nothing_that_does_not_exist_can_be_acknowledged() -> None:
    stream = filled(3)
    assert stream.ack(10) and stream.acked == 3
    assert not stream.ack(3) and not stream.ack(2)
    assert (stream.first, stream.memory_bytes, stream.unspooled) == (4, 0, False)


@pytest.mark.parametrize(("seq", "expected"), [(1, 3), (3, 3), (5, 5), (7, 7)])
def test_the_next_number_in_memory_is_found(seq: int, expected: int) -> None:
    stream = filled(6)
    stream.ack(2)
    assert stream.memory_from(seq) == expected


def test_a_stalled_disk_drops_nothing_that_fits_and_nothing_that_the_disk_may_have() -> None:
    stream = filled(50)
    stream.stalled = True
    stream.append(b"")
    assert not stream.gaps and stream.memory_bytes == 5000
    batch = stream.take_batch(100_000)
    stream.append(bytes(100))
    assert stream.gap_at(52) == StreamGap(52, 52, 100, STALLED), "all that is older is on its way to the disk"
    stream.give_back(batch)
    assert stream.memory_bytes == 5000 and stream.dropped_bytes == 100


def test_a_batch_that_comes_back_to_a_stream_that_is_too_large_loses_its_oldest() -> None:
    stream = filled(60)
    batch = stream.take_batch(100_000)
    stream.stalled = True
    stream.give_back(batch)
    assert stream.gaps == [StreamGap(1, 10, 1000, STALLED)]
    assert kept(stream) == list(range(11, 61))


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (5, StreamGap(10, 19, 1000, FULL)),
        (10, StreamGap(10, 19, 1000, FULL)),
        (11, StreamGap(11, 19, 900, FULL)),
        (19, StreamGap(19, 19, 100, FULL)),
    ],
)
def test_the_rest_of_a_gap_has_its_share_of_the_bytes(first: int, expected: StreamGap) -> None:
    assert StreamGap(10, 19, 1000, FULL).since(first) == expected


def test_gaps_that_touch_are_one_if_they_have_one_cause() -> None:
    stream = filled(100)
    stream.lost_on_disk(1, 2, 20)
    stream.lost_on_disk(3, 4, 20)
    stream.lost_on_disk(6, 9, 40)
    assert stream.gaps == [StreamGap(1, 4, 40, FULL), StreamGap(6, 9, 40, FULL)]
    stream.ack(7)
    assert stream.gaps == [StreamGap(8, 9, 20, FULL)]
    stream.acked = 0
    stream.gaps = [StreamGap(1, 4, 40, STALLED)]
    stream.lost_on_disk(5, 6, 20)
    assert stream.gaps == [StreamGap(1, 4, 40, STALLED), StreamGap(5, 6, 20, FULL)]
    assert (stream.gap_at(4), stream.gap_at(5)) == (StreamGap(4, 4, 10, STALLED), StreamGap(5, 6, 20, FULL))
    assert stream.gap_at(7) is None


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ((10, 20), [(10, 20, 150)]),
        ((10, 19), [(10, 20, 150)]),
        ((11, 20), [(10, 20, 150)]),
        ((9, 20), [(9, 20, 50), (10, 20, 100)]),
        ((10, 21), [(10, 20, 100), (10, 21, 50)]),
    ],
)
def test_a_gap_is_part_of_a_larger_one_only_if_it_lies_in_it(
    inside: tuple[int, int], expected: list[tuple[int, int, int]]
) -> None:
    stream = filled(30)
    stream.gaps = [StreamGap(*inside, 50, STALLED)]
    stream.lost_on_disk(10, 20, 100)
    assert [(gap.first, gap.last, gap.size) for gap in stream.gaps] == expected


def test_what_was_acknowledged_is_no_loss() -> None:
    stream = filled(10)
    stream.ack(5)
    stream.lost_on_disk(1, 5, 500)
    assert stream.gaps == [] and stream.dropped_bytes == 0
    stream.lost_on_disk(4, 6, 300)
    assert stream.gaps == [StreamGap(6, 6, 100, FULL)] and stream.dropped_bytes == 100
    stream.ack(6)
    assert stream.gaps == []


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["append", "append", "write", "fail", "stall", "work", "ack"]),
        st.integers(0, 900),
    ),
    max_size=40,
)


@given(STEPS)
def test_every_record_is_in_memory_on_disk_acknowledged_or_a_gap(steps: list[tuple[str, int]]) -> None:
    stream, disk = Stream(1000, 3000), set[int]()
    for what, size in steps:
        if what == "append":
            stream.append(bytes(size))
        elif what == "stall":
            stream.stalled = True
        elif what == "work":
            stream.stalled = False
        elif what == "ack":
            stream.ack(stream.acked + size % 5)
        else:
            batch = stream.take_batch(size)
            if what == "write":
                disk.update(seq for seq, _ in batch)
                stream.spooled(batch)
            else:
                stream.give_back(batch)
        frames = {seq: stream.get(seq) for seq in range(1, stream.last + 1)}
        held = {seq: frame for seq, frame in frames.items() if frame is not None}
        assert stream.memory_bytes == sum(map(len, held.values()))
        assert stream.unspooled_bytes == sum(len(frame) for seq, frame in held.items() if seq not in disk)
        for seq in frames:
            places = [seq in held or seq in disk, seq <= stream.acked, stream.gap_at(seq) is not None]
            assert any(places), (seq, places)
        if not stream.unspooled:
            assert stream.memory_bytes <= max(1000, stream.unspooled_bytes)
