"""The ends of its journals show a session's state."""

from __future__ import annotations

import gzip
import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.adapters.journal.journal_reader import JournalReader, read_ends, read_entries
from jlab_tui.adapters.journal.session_records import SessionRecords
from jlab_tui.adapters.journal.summaries import JournalHeads, cache_name
from jlab_tui.core.journal.events import (
    Entry,
    Event,
    RunFinished,
    RunStarted,
    RunStatus,
    SessionClosed,
    SessionOpened,
    TextPrinted,
    encode,
)
from jlab_tui.core.journal.summary import Heads, SessionHead

OPENED = SessionOpened("s", "n", "/n.ipynb", "kernel", "host", 1.0)
BEGUN = RunStarted("s-1", "execute_code", "c", '"k":"closed"')
ENDED = RunFinished("s-1", RunStatus.OK, 1.0)
CLOSED = SessionClosed("shut down")
SHORT, LONG = (TextPrinted("s-1", "stdout", text) for text in ("text", "{" + '"k":"run",' * 40_000))


def lines(*events: Event) -> bytes:
    return b"".join(encode(Entry(float(at), event)) for at, event in enumerate(events, 1))


def head_of(folder: Path, heads: JournalHeads) -> SessionHead | None:
    found = heads.read({"s": sorted(folder.glob("s.*"))}).known
    return found[0] if found else None


@pytest.mark.parametrize(
    ("journals", "running", "is_closed"),
    [
        ([[OPENED]], "", False),
        ([[OPENED, BEGUN, SHORT, LONG, SHORT]], "s-1", False),
        ([[OPENED, BEGUN, LONG, ENDED, LONG]], "", False),
        ([[OPENED, BEGUN, ENDED, CLOSED]], "", True),
        ([[OPENED, BEGUN, LONG], [OPENED]], "s-1", False),
        ([[OPENED, BEGUN, LONG], [OPENED, ENDED]], "", False),
        ([[OPENED, BEGUN], []], "s-1", False),
    ],
)
def test_the_last_action_decides_a_sessions_state(
    tmp_path: Path, journals: list[list[Event]], running: str, is_closed: bool
) -> None:
    for epoch, events in enumerate(journals, 1):
        (tmp_path / f"s.{epoch}.jsonl").write_bytes(lines(*events))
    head = head_of(tmp_path, JournalHeads())
    assert head is not None
    assert (head.opened, head.running, head.is_closed) == (OPENED, running, is_closed)


@given(
    events=st.lists(st.sampled_from([BEGUN, ENDED, SHORT, LONG]), max_size=8),
    steps=st.lists(st.integers(1, 1_000_000), max_size=4),
)
def test_a_journal_that_grows_by_any_pieces_is_known_like_one_read_at_once(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event], steps: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    data = lines(OPENED, *events)
    growing = JournalHeads()
    for end in sorted({min(step, len(data)) for step in steps} | {len(data)}):
        (folder / "s.1.jsonl").write_bytes(data[:end])
        assert head_of(folder, growing) == head_of(folder, JournalHeads())
    runs = [event for event in events if isinstance(event, RunStarted | RunFinished)]
    head = head_of(folder, growing)
    assert head is not None and bool(head.running) == (runs[-1:] == [BEGUN])


def test_what_has_not_changed_is_not_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "s.1.jsonl"
    path.write_bytes(lines(OPENED, BEGUN))
    heads = JournalHeads()
    known = head_of(tmp_path, heads)
    info = path.stat()
    path.write_bytes(b"?" * info.st_size)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    assert head_of(tmp_path, heads) == known is not None


@pytest.fixture
def many(tmp_path: Path) -> dict[str, list[Path]]:
    """Sessions in each state, more than the cache waits for."""
    states: list[list[Event]] = [[OPENED], [OPENED, BEGUN], [OPENED, BEGUN, ENDED], [OPENED, CLOSED]]
    sessions = tmp_path / "sessions"
    sessions.mkdir()
    for number in range(40):
        (sessions / f"s{number}.1.jsonl").write_bytes(lines(*states[number % 4]))
    return {f"s{number}": [sessions / f"s{number}.1.jsonl"] for number in range(40)}


def test_what_one_process_knows_the_next_one_does_not_read(
    tmp_path: Path, many: dict[str, list[Path]]
) -> None:
    cache = tmp_path / cache_name("host")
    known = JournalHeads(cache).read(many)
    assert len(known.known) == 40 and cache.stat().st_mode & 0o777 == 0o600
    for (path,) in many.values():
        info = path.stat()
        path.write_bytes(b"?" * info.st_size)
        os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    assert JournalHeads(cache).read(many) == known
    cache.unlink()
    assert JournalHeads(cache).read(many).known == ()


def test_the_cache_forgets_what_is_gone(tmp_path: Path, many: dict[str, list[Path]]) -> None:
    cache = tmp_path / cache_name("host")
    JournalHeads(cache).read(many)
    few = dict(list(many.items())[:3])
    assert len(JournalHeads(cache).read(few).known) == 3
    assert len(json.loads(cache.read_bytes())["rows"]) == 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b'"version": 1', b'"version": 0'),
        lambda data: data.replace(b'"hostname"', b'"host_name"'),
        lambda data: b"[]",
        lambda data: b"\xff" + data,
        lambda data: b"",
    ],
)
def test_a_cache_that_is_torn_or_of_another_version_is_made_anew(
    tmp_path: Path, many: dict[str, list[Path]], damage: Callable[[bytes], bytes]
) -> None:
    cache = tmp_path / cache_name("host")
    known = JournalHeads(cache).read(many)
    whole = cache.read_bytes()
    cache.write_bytes(damage(whole))
    assert JournalHeads(cache).read(many) == known
    assert sorted(json.loads(cache.read_bytes())["rows"]) == sorted(json.loads(whole)["rows"])


def test_when_time_is_up_a_list_goes_by_what_is_known_and_counts_the_rest(
    tmp_path: Path, many: dict[str, list[Path]]
) -> None:
    heads = JournalHeads()
    assert heads.read(many, 0.0) == Heads((), 40)
    some = dict(list(many.items())[:30])
    assert heads.read(some) == heads.read(some, 0.0)
    late = heads.read(many, 0.0)
    assert len(late.known) == 30 and late.unread == 10
    assert heads.read(many) == JournalHeads().read(many)


def test_some_sessions_are_read_whatever_the_time(many: dict[str, list[Path]]) -> None:
    late = JournalHeads().read(many, 0.0, {"s1", "s2", "unknown"})
    assert {head.session for head in late.known} == {"s1", "s2"} and late.unread == 38


def test_the_sessions_of_a_server_are_read_without_the_others(
    tmp_path: Path, many: dict[str, list[Path]]
) -> None:
    records = SessionRecords(tmp_path / "sessions", tmp_path / "spool")
    known = {head.session: head for head in records.heads(math.inf).known}
    for session, (path,) in many.items():
        if session not in ("s1", "s2"):
            path.unlink()
            path.mkdir()  # reading it would fail
    found = records.heads_of({"s1", "s2"})
    assert {head.session: head for head in found.known} == {name: known[name] for name in ("s1", "s2")}
    assert found.unread == 0


def test_what_could_not_be_looked_at_in_time_is_counted(tmp_path: Path, many: dict[str, list[Path]]) -> None:
    records = SessionRecords(tmp_path / "sessions", tmp_path / "spool")
    assert records.size(math.inf) == (sum(path.stat().st_size for (path,) in many.values()), True)
    assert records.size(-1.0) == (0, False)
    assert records.heads(0.0) == Heads((), 40)


def test_a_compressed_journal_is_closed_and_reads_line_by_line(tmp_path: Path) -> None:
    data = lines(OPENED, BEGUN, LONG, ENDED, CLOSED)
    path = tmp_path / "s.1.jsonl.gz"
    path.write_bytes(gzip.compress(data))
    head = head_of(tmp_path, JournalHeads())
    assert head is not None and head.is_closed and head.opened == OPENED
    offsets = dict(read_entries(path))
    assert [entry.event for entry in offsets.values()] == [OPENED, BEGUN, LONG, ENDED, CLOSED]
    plain = tmp_path / "plain.jsonl"
    plain.write_bytes(data)
    assert dict(read_entries(plain)) == offsets
    third = list(offsets)[2]
    assert list(read_entries(path, third)) == list(offsets.items())[2:]


def test_a_damaged_journal_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = lines(OPENED, *(RunStarted(f"s-{n}", "execute_code", "c", str(n**20)) for n in range(40)), CLOSED)
    packed = gzip.compress(whole)
    path = tmp_path / "s.1.jsonl.gz"
    for at in range(0, len(packed), 7):
        for data in (packed[:at], packed[:at] + bytes([packed[at] ^ 0x55]) + packed[at + 1 :]):
            path.write_bytes(data)
            read = list(read_entries(path))
            assert head_of(tmp_path, JournalHeads()) is None or read
            JournalReader(path).read()
            read_ends(path)
