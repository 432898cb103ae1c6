"""The spool's format on disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.jupyter_extension.segments import (
    MAGIC,
    decode,
    encode,
    is_recording,
    read_spool,
    remove_recording,
    segment_files,
    segment_name,
)

Records = list[tuple[int, bytes]]


def written(folder: Path, records: Records, name: str = "") -> Path:
    path = folder / (name or segment_name(records[0][0]))
    path.write_bytes(b"".join([MAGIC, *encode(records)]))
    return path


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.binary(max_size=30)), max_size=6), st.integers(0, 40))
def test_a_segment_that_is_torn_anywhere_gives_its_whole_records(records: Records, lost: int) -> None:
    data = b"".join([MAGIC, *encode(records)])
    torn = data[: max(0, len(data) - lost)]
    size, whole = len(MAGIC), []
    for seq, frame in records:
        size += 12 + len(frame)
        if size <= len(torn):
            whole.append((seq, frame))
    assert list(decode(torn)) == (whole if len(torn) >= len(MAGIC) else [])


def test_a_record_is_number_length_and_frame() -> None:
    assert MAGIC == b"jlabseg1"
    assert encode([(258, b"ab")]) == [b"\x02\x01" + bytes(6) + b"\x02\0\0\0", b"ab"]
    assert segment_name(258) == "00000000000000000258.seg"


def test_a_file_that_is_no_segment_has_no_records() -> None:
    assert list(decode(b"jlabseg2" + b"".join(encode([(1, b"x")])))) == []


def test_segments_are_found_in_the_order_of_their_numbers_and_other_files_left_alone(tmp_path: Path) -> None:
    for name in (segment_name(10), segment_name(9), "notes.txt", "x.seg", "7.seg.tmp", ".seg", "0000x.seg"):
        (tmp_path / name).touch()
    found = segment_files(str(tmp_path))
    assert found == [(n, str(tmp_path / segment_name(n))) for n in (9, 10)]
    assert segment_files(str(tmp_path / "none")) == []


@pytest.mark.parametrize(
    ("since", "max_bytes", "numbers"),
    [
        (0, 0, [1, 2, 3, 4, 5, 6]),
        (2, 0, [3, 4, 5, 6]),
        (3, 0, [4, 5, 6]),
        (6, 0, []),
        (0, 20, [1, 2]),
        (0, 19, [1]),
        (2, 1, [3]),
        (2, 30, [3, 4, 5]),
        (0, 60, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_a_recording_is_read_from_any_number_on_up_to_a_size(
    tmp_path: Path, since: int, max_bytes: int, numbers: list[int]
) -> None:
    written(tmp_path, [(n, b"%010d" % n) for n in (1, 2, 3)])
    written(tmp_path, [(n, b"%010d" % n) for n in (4, 5, 6)])
    records = read_spool(str(tmp_path), since, max_bytes)
    assert records == [(n, b"%010d" % n) for n in numbers]


def test_what_two_segments_hold_is_read_once_and_only_the_segments_that_are_needed_are_read(
    tmp_path: Path,
) -> None:
    first = written(tmp_path, [(1, b"a"), (2, b"b")])
    written(tmp_path, [(2, b"b"), (3, b"c")])
    assert read_spool(str(tmp_path)) == [(1, b"a"), (2, b"b"), (3, b"c")]
    first.unlink()
    first.mkdir()  # reading it would fail
    assert read_spool(str(tmp_path), since=1) == [(2, b"b"), (3, b"c")]


def test_a_recording_whose_beginning_was_removed_is_read_from_what_there_is(tmp_path: Path) -> None:
    written(tmp_path, [(5, b"e")])
    written(tmp_path, [(6, b"f")])
    assert read_spool(str(tmp_path)) == [(5, b"e"), (6, b"f")]


def test_a_segment_that_is_removed_while_it_is_read_is_passed_over(tmp_path: Path) -> None:
    os.symlink(tmp_path / "gone", tmp_path / segment_name(1))
    written(tmp_path, [(5, b"e")])
    assert read_spool(str(tmp_path)) == [(5, b"e")]


def test_a_folder_with_anything_but_segments_is_no_recording_and_keeps_it(tmp_path: Path) -> None:
    written(tmp_path, [(1, b"a")])
    written(tmp_path, [(2, b"b")])
    assert is_recording(str(tmp_path))
    (tmp_path / "notes.txt").touch()
    assert not is_recording(str(tmp_path))
    remove_recording(str(tmp_path))
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_the_folder_of_a_recording_goes_with_its_last_segment(tmp_path: Path) -> None:
    folder = tmp_path / "kernel"
    folder.mkdir()
    written(folder, [(1, b"a")])
    remove_recording(str(folder))
    assert not folder.exists()
