from __future__ import annotations

import contextlib
import errno
import os
import queue
import random
from pathlib import Path
from typing import Any

import pytest

from jlab_tui.jupyter_extension.segment_writer import SEGMENT_BYTES, SegmentWriter
from jlab_tui.jupyter_extension.segments import read_spool, segment_files
from jlab_tui.jupyter_extension.spool import SpoolThread, Written
from jlab_tui.jupyter_extension.stream import FULL, STALLED, Stream, StreamGap


def filled(count: int, size: int = 100, cache: int = 1000, cap: int = 5000) -> Stream:
    stream = Stream(cache, cap)
    for _ in range(count):
        stream.append(b"x" * size)
    return stream


def test_records_on_disk_leave_memory_above_the_cache() -> None:
    stream = filled(40)
    batch = stream.take_batch(10_000)
    assert [seq for seq, _ in batch] == list(range(1, 41))
    stream.spooled(batch)
    assert stream.memory_bytes == 1000
    assert stream.get(30) is None and stream.get(31) is not None
    assert not stream.gaps


def test_a_stalled_disk_costs_the_oldest_beyond_the_cap_and_they_are_counted() -> None:
    stream = filled(10)
    stuck = stream.take_batch(300)
    stream.stalled = True
    for _ in range(90):
        stream.append(b"x" * 100)
    assert stream.memory_bytes <= 5000
    assert stream.gaps == [StreamGap(4, 53, 5000, STALLED)]
    assert stream.dropped_bytes == 5000
    assert stream.get(3) is not None and stream.get(54) is not None
    stream.spooled(stuck)
    assert stream.gap_at(4) == StreamGap(4, 53, 5000, STALLED)


def test_a_reader_learns_of_a_growing_gap_in_parts_and_of_each_byte_once() -> None:
    stream = filled(100)
    stream.spooled(stream.take_batch(100_000))
    told, at = 0, 5
    for first, last in ((1, 10), (11, 20), (21, 40)):
        stream.lost_on_disk(first, last, (last + 1 - first) * 100)
        while gap := stream.gap_at(at):
            told, at = told + gap.size, gap.last + 1
    assert at == 41 and told == 36 * 100
    assert stream.dropped_bytes == 4000
    stream.ack(37)
    assert stream.gaps == [StreamGap(38, 40, 300, FULL)]


def test_a_removed_file_that_spans_an_earlier_gap_counts_with_it() -> None:
    stream = filled(100)
    stream.gaps = [StreamGap(5, 6, 1000, STALLED)]
    stream.lost_on_disk(3, 8, 400)
    assert stream.gap_at(3) == StreamGap(3, 8, 1400, FULL)


def test_a_message_larger_than_the_cap_and_what_waits_before_it_stay_while_the_disk_works() -> None:
    stream = filled(10)
    stream.append(b"x" * 9000)
    assert not stream.gaps
    assert [seq for seq, _ in stream.take_batch(100_000)] == list(range(1, 12))


def test_a_batch_that_could_not_be_written_waits_again_in_order() -> None:
    stream = filled(10)
    stream.give_back(stream.take_batch(500))
    assert [seq for seq, _ in stream.take_batch(10_000)] == list(range(1, 11))


def test_an_acknowledged_range_is_forgotten() -> None:
    stream = filled(10)
    assert stream.ack(7) and not stream.ack(3)
    assert (stream.first, stream.memory_bytes) == (8, 300)
    assert [seq for seq, _ in stream.take_batch(10_000)] == [8, 9, 10]


def test_a_recording_is_read_back_from_any_number_and_survives_a_torn_end(tmp_path: Path) -> None:
    folder = str(tmp_path / "k")
    frames = {seq: random.Random(seq).randbytes(seq % 700) for seq in range(1, 2000)}
    recording = SegmentWriter(folder, 1 << 30)
    for start in range(1, 2000, 100):
        recording.write([(seq, frames[seq]) for seq in range(start, min(start + 100, 2000))])
    recording.close(remove=False)
    assert dict(read_spool(folder)) == frames
    assert [seq for seq, _ in read_spool(folder, since=1500)] == list(range(1501, 2000))
    some = read_spool(folder, since=10, max_bytes=2000)
    assert some[0][0] == 11 and sum(len(f) for _, f in some) <= 2000
    path = segment_files(folder)[-1][1]
    os.truncate(path, os.path.getsize(path) - 1)
    assert [seq for seq, _ in read_spool(folder)] == list(range(1, 1999))
    assert os.stat(folder).st_mode & 0o777 == 0o700 and os.stat(path).st_mode & 0o777 == 0o600


def test_a_recording_that_rests_holds_no_descriptor_and_goes_on_in_the_same_file(tmp_path: Path) -> None:
    class Counted:
        """The module os, which counts the open files."""

        def __init__(self) -> None:
            self.opened: set[int] = set()

        def open(self, *arguments: Any) -> int:
            descriptor = os.open(*arguments)
            self.opened.add(descriptor)
            return descriptor

        def close(self, descriptor: int) -> None:
            os.close(descriptor)
            self.opened.discard(descriptor)

        def __getattr__(self, name: str) -> Any:
            return getattr(os, name)

    system = Counted()
    recording = SegmentWriter(str(tmp_path / "k"), 1 << 30, system)
    for seq in (1, 2, 3):
        recording.write([(seq, b"x%d" % seq)])
        recording.sync()
        assert len(system.opened) == 1, "more may come at once"
        recording.sync()
        assert not system.opened
    assert len(segment_files(recording.folder)) == 1
    assert read_spool(recording.folder) == [(1, b"x1"), (2, b"x2"), (3, b"x3")]
    recording.ack(3)
    assert not segment_files(recording.folder)
    recording.write([(4, b"x4")])
    recording.close(remove=False)
    assert read_spool(recording.folder) == [(4, b"x4")] and not system.opened


def test_acknowledged_segments_are_deleted_and_the_bound_drops_the_oldest(tmp_path: Path) -> None:
    recording = SegmentWriter(str(tmp_path / "k"), 3 * SEGMENT_BYTES)
    big = b"x" * SEGMENT_BYTES
    for seq in (1, 2):
        assert recording.write([(seq, big)]) == []
    recording.ack(1)
    assert [seq for seq, _ in read_spool(recording.folder)] == [2]
    dropped = [lost for seq in (3, 4, 5) for lost in recording.write([(seq, big)])]
    assert [(first, last) for first, last, _ in dropped] == [(2, 2), (3, 3)]
    recording.ack(5)
    assert segment_files(recording.folder) == []
    recording.close(remove=True)
    assert not Path(recording.folder).exists()


def test_a_hanging_file_system_holds_up_the_spool_thread_only(tmp_path: Path) -> None:
    posted: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
    spool = SpoolThread(str(tmp_path), 1 << 30, lambda *a: posted.put(a))
    (tmp_path / "k").mkdir()
    pipe = tmp_path / "k" / f"{1:020d}.seg"
    os.mkfifo(pipe)  # opening it for writing blocks until somebody reads
    spool.start()
    outcomes: list[Written] = []
    spool.write("k", [(1, b"one")], outcomes.append)
    for seq in range(100):
        spool.ack("k", seq)
    with pytest.raises(queue.Empty):
        posted.get(timeout=0.3)
    with pipe.open("rb"):
        call, written = posted.get(timeout=30)
        call(written)
    assert len(outcomes) == 1
    spool.stop(30)


class Refusing:
    """Stands for the module os on a file system that takes everything and then refuses it, as NFS does at a full quota."""

    def __init__(self) -> None:
        self.refused: set[str] = set()
        self.asked = 0
        self._safe: dict[int, int] = {}

    def __getattr__(self, name: str) -> Any:
        call = getattr(os, name)

        def refusing(*arguments: Any) -> Any:
            if name not in self.refused:
                if name == "fsync":
                    self._safe[os.fstat(arguments[0]).st_ino] = os.fstat(arguments[0]).st_size
                return call(*arguments)
            self.asked += 1
            if name == "close":
                call(*arguments)
            if name == "fsync":
                lost = os.fstat(arguments[0])
                safe = self._safe.get(lost.st_ino, 0)
                os.pwrite(arguments[0], bytes(lost.st_size - safe), safe)
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

        return refusing


def frames(first: int, last: int, size: int = 100) -> list[tuple[int, bytes]]:
    return [(seq, b"%06d" % seq * (size // 6)) for seq in range(first, last + 1)]


def test_a_close_that_fails_costs_nothing_and_writes_into_no_other_file(tmp_path: Path) -> None:
    system = Refusing()
    recording = SegmentWriter(str(tmp_path / "k"), 1 << 30, system)
    system.refused = {"close"}
    recording.write(frames(1, 1, SEGMENT_BYTES + 6))
    with (tmp_path / "notebook").open("w+b") as other:
        assert system.asked == 1
        recording.write(frames(2, 9))
        system.refused = set()
        recording.write(frames(10, 12))
        recording.close(remove=False)
        assert other.read() == b""
    assert read_spool(recording.folder) == [*frames(1, 1, SEGMENT_BYTES + 6), *frames(2, 12)]


@pytest.mark.parametrize("refused", ["fsync", "writev", "open", "fsync writev", "fsync ftruncate truncate"])
def test_what_the_disk_took_and_then_refused_is_written_again(tmp_path: Path, refused: str) -> None:
    system = Refusing()
    recording = SegmentWriter(str(tmp_path / "k"), 1 << 30, system)
    recording.write(frames(1, 10))
    recording.sync()
    recording.write(frames(11, 20))
    system.refused = set(refused.split())
    given_back = []
    for batch in (frames(21, 30), frames(31, 40)):
        with contextlib.suppress(OSError):
            recording.sync()
        try:
            recording.write(batch)
        except OSError:
            given_back += batch
    kept = dict([*recording.unsafe(), *read_spool(recording.folder)])
    assert sorted(kept.items()) == [r for r in frames(1, 40) if r not in given_back]
    system.refused = set()
    if given_back:
        recording.write(given_back)
    recording.write(frames(41, 50))
    recording.close(remove=False)
    assert read_spool(recording.folder) == frames(1, 50)
    if "truncate" not in refused:
        assert recording.size == sum(os.path.getsize(path) for _, path in segment_files(recording.folder))


def test_a_disk_that_keeps_refusing_does_not_fill_the_memory(tmp_path: Path) -> None:
    system = Refusing()
    recording = SegmentWriter(str(tmp_path / "k"), 1 << 30, system)
    recording.write(frames(1, 10))
    system.refused = {"fsync"}
    for first in range(11, 1000, 10):
        with contextlib.suppress(OSError):
            recording.sync()
        with contextlib.suppress(OSError):
            recording.write(frames(first, first + 9))
    assert recording.unsafe() == frames(1, 10)
    recording.ack(10)
    assert recording.unsafe() == []
