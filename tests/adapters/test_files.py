"""Files that other processes read are old or new, never half; bells and journals lose nothing."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.adapters.files import Intent, IntentHolder, private_dir, process_start, tail_text, write_atomic
from jlab_tui.adapters.journal.bell import Bell, BellReader, private_tmp_dir, usable_fifo_dir
from jlab_tui.adapters.journal.journal_file import JournalWriter
from jlab_tui.adapters.journal.journal_reader import JournalReader, read_entries
from jlab_tui.adapters.journal.places import open_journals
from jlab_tui.adapters.server.process import free_port, is_ours
from jlab_tui.adapters.server.status_file import StatusFile
from jlab_tui.adapters.trust import weaknesses
from jlab_tui.core.errors import StatusFileDamaged
from jlab_tui.core.journal.events import (
    DataShown,
    Entry,
    Notice,
    RunFinished,
    RunStatus,
    TextPrinted,
    decode,
    encode,
)

HOST = "testhost"


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, "old")
    (tmp_path / "blocked").mkdir()
    with pytest.raises(OSError):
        write_atomic(tmp_path / "blocked", "cannot replace a directory")
    assert path.read_text(encoding="utf-8") == "old" and path.stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["blocked", "file"]


def test_readers_of_a_file_that_is_rewritten_see_whole_versions(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, "0" * 10_000)
    stop = threading.Event()

    def rewrite() -> None:
        number = 0
        while not stop.is_set():
            number = (number + 1) % 10
            write_atomic(path, str(number) * 10_000)

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        for _ in range(300):
            text = path.read_text(encoding="utf-8")
            assert len(text) == 10_000 and len(set(text)) == 1
    finally:
        stop.set()
        writer.join()


def test_directories_that_are_made_are_private_and_those_of_the_user_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o755)
    made = private_dir(tmp_path / "shared" / "a" / "b")
    assert {path.stat().st_mode & 0o777 for path in (made, made.parent)} == {0o700}
    assert private_dir(tmp_path / "shared").stat().st_mode & 0o777 == 0o755
    assert weaknesses(tmp_path / "shared") == ()
    (tmp_path / "shared").chmod(0o777)
    (weak,) = weaknesses(tmp_path / "shared")
    assert weak.path == str(tmp_path / "shared") and "everybody" in weak.reason


def test_a_status_file_that_is_a_directory_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "server-status").mkdir()
    with pytest.raises(StatusFileDamaged):
        StatusFile(tmp_path / "server-status").read()


def test_only_one_holder_has_the_intent_and_a_dead_one_loses_it(tmp_path: Path) -> None:
    path = tmp_path / "starting"
    mine = Intent(path, HOST)
    assert mine.take("start", 1000.0) is None
    holder = Intent(path, HOST).take("stop", 1001.0)
    assert holder is not None and holder.verb == "start" and holder.pid == os.getpid()
    mine.release()
    path.write_text(
        json.dumps({"host": HOST, "pid": 2**22 - 1, "pid_start": "1", "at": 1000.0, "verb": "start"}),
        encoding="utf-8",
    )
    assert Intent(path, HOST).take("stop", 1001.0) is None
    path.write_text(
        json.dumps({"host": "other", "pid": 1, "pid_start": "1", "at": 1000.0, "verb": "start"}),
        encoding="utf-8",
    )
    assert Intent(path, HOST).take("stop", 1001.0) is not None
    assert Intent(path, HOST).take("stop", 5000.0) is None


class Overtaken(Intent):
    """One that finds the intent stale, and is overtaken by another process before it can take it."""

    def _is_stale(self, holder: IntentHolder, now: float) -> bool:
        stale = super()._is_stale(holder, now)
        if stale:
            assert Intent(self.path, self.host).take("stop", now) is None
        return stale


def test_of_two_that_find_an_intent_stale_only_one_gets_it(tmp_path: Path) -> None:
    path = tmp_path / "starting"
    path.write_text(
        json.dumps({"host": HOST, "pid": 2**22 - 1, "pid_start": "1", "at": 1000.0, "verb": "start"}),
        encoding="utf-8",
    )
    holder = Overtaken(path, HOST).take("start", 1001.0)
    assert holder is not None and holder.verb == "stop"
    assert list(tmp_path.iterdir()) == [path]


class Passing(Intent):
    """One whose intent is given back by its holder at the moment at which it is looked at."""

    def holder(self) -> IntentHolder | None:
        return None


def test_an_intent_that_changes_hands_at_every_look_is_not_taken(tmp_path: Path) -> None:
    assert Intent(tmp_path / "starting", HOST).take("stop", 1000.0) is None
    assert Passing(tmp_path / "starting", HOST).take("start", 1000.0) is not None


def test_a_process_is_known_by_its_start_time() -> None:
    command = [sys.executable, "-c", "print('up', flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()  # a process that is just being made has no command line yet
        start = process_start(child.pid)
        assert start and process_start(child.pid) == start
        assert not is_ours(child.pid, "1") and not is_ours(child.pid, start) and not is_ours(1, start)
        child.communicate(b"\n")
    assert process_start(child.pid) == ""


def test_a_port_that_is_taken_is_not_offered() -> None:
    with socket.socket() as taken:
        taken.bind((alone := "127.0.0.77", 0))  # no other test's address, so that its port stays free
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(alone, port, port, tried=set()) is None
    assert free_port(alone, port, port, tried=set()) == port
    assert free_port(alone, port, port, tried={port}) is None


def test_the_tail_of_a_log_begins_at_a_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("".join(f"line {n}\n" for n in range(1000)), encoding="utf-8")
    assert tail_text(path, 100).splitlines()[-1] == "line 999" and tail_text(path, 100).startswith("line ")
    assert tail_text(tmp_path / "none") == ""


# -- bells ---------------------------------------------------------------------------------------------------------


async def test_every_dashboard_hears_the_bell_and_a_dead_one_is_forgotten(tmp_path: Path) -> None:
    heard: list[dict[str, object]] = []
    reader = BellReader(tmp_path, HOST, heard.extend)
    reader.open()
    dead = tmp_path / f"{HOST}-{2**22 - 1}.fifo"
    os.mkfifo(dead)
    elsewhere = tmp_path / f"otherhost-{2**22 - 1}.fifo"
    os.mkfifo(elsewhere)
    (tmp_path / f"{HOST}-not.fifo").write_text("a plain file", encoding="utf-8")
    bell = Bell(tmp_path, HOST)
    try:
        for number in range(3):
            bell.ring({"session": "a", "end": number})
        async with asyncio.timeout(30):
            while len(heard) < 3:
                await asyncio.sleep(0)
        assert [h["end"] for h in heard] == [0, 1, 2]
        assert not dead.exists() and elsewhere.exists()
        reader.path.unlink()
        reader.check()
        bell.ring({"session": "a", "end": 9})
        async with asyncio.timeout(30):
            while len(heard) < 4:
                await asyncio.sleep(0)
    finally:
        bell.close()
        reader.close()
    assert not reader.path.exists()


async def test_a_full_bell_is_dropped_and_nothing_waits(tmp_path: Path) -> None:
    path = tmp_path / f"{HOST}-{os.getpid()}.fifo"
    os.mkfifo(path)
    fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    bell = Bell(tmp_path, HOST)
    try:
        for number in range(20_000):
            bell.ring({"session": "abcdefgh", "end": number})
        bell.ring({"too": "x" * 5000})
        data = os.read(fd, 1 << 20)
        assert data.endswith(b"\n") and all(json.loads(line) for line in data.splitlines())
    finally:
        bell.close()
        os.close(fd)


def test_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PermissionError):
        private_tmp_dir(tmp_path / "jlab-mcp-1" / "x", uid=os.getuid() + 1)
    with pytest.raises(PermissionError, match="belongs to somebody else"):
        usable_fifo_dir(tmp_path / "fifos", uid=os.getuid() + 1)
    assert usable_fifo_dir(tmp_path / "fifos", uid=os.getuid()) == tmp_path / "fifos"


# -- journals ------------------------------------------------------------------------------------------------------

texts = st.text(max_size=50)
entries = st.builds(
    Entry,
    at=st.integers(0, 2**33).map(float),
    event=st.one_of(
        st.builds(TextPrinted, run=texts, stream=st.sampled_from(["stdout", "stderr"]), text=texts),
        st.builds(Notice, text=texts),
        st.builds(
            DataShown,
            run=texts,
            data=st.dictionaries(texts, texts, max_size=2),
            execution_count=st.none() | st.integers(0, 9),
        ),
        st.builds(
            RunFinished, run=texts, status=st.sampled_from(RunStatus), seconds=st.integers(0, 99).map(float)
        ),
    ),
    seq=st.integers(0, 99),
)


@given(st.lists(entries, max_size=6), st.data())
def test_a_journal_read_in_any_pieces_gives_every_entry_once(
    tmp_path_factory: pytest.TempPathFactory, written: list[Entry], data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "in pieces.1.jsonl"
    raw = b"".join(encode(e) for e in written)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=5)))
    reader = JournalReader(path)
    seen: list[Entry] = []
    path.write_bytes(b"")
    for begin, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        with path.open("ab") as file:
            file.write(raw[begin:end])
        seen += reader.read()
    assert seen == written
    assert [e for _, e in read_entries(path)] == written


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b'{"k":"text"}', b'{"v":1,"t":"x","k":"text"}', b"\xff\x00", b'{"v":9,"t":1,"k":"text"}',
                                  b'{"v":1,"t":1,"k":"notice","seq":Infinity,"text":"x","level":"info"}', b'{"v":1,"t":1,"k":"future"}', b'{"v":1,"t":1,"k":"text","run":1,"stream":"o","text":"x"}', b"[" * 100_000])  # fmt: skip
def test_a_line_that_cannot_be_understood_is_unknown_and_not_an_error(line: bytes) -> None:
    assert type(decode(line).event).__name__ == "Unknown"


def test_lone_surrogates_can_be_recorded() -> None:
    entry = Entry(1.0, TextPrinted("r", "stdout", "a\udcffb"))
    assert decode(encode(entry)) == entry


def test_a_writer_starts_a_new_line_after_a_torn_one_and_tells_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "s.1.jsonl"
    path.write_bytes(b'{"v":1,"t":1,"k":"not')
    ends: list[int] = []
    writer = JournalWriter(path, ends.append)
    writer.append(Entry(1.0, Notice("after")))
    writer.close().result(30)
    assert [type(e.event).__name__ for _, e in read_entries(path)] == ["Unknown", "Notice"]
    assert ends[-1] == path.stat().st_size


def test_a_disk_that_fails_is_remembered_and_tried_again(tmp_path: Path) -> None:
    blocked = tmp_path / "dir"
    blocked.write_text("a file where the directory should be", encoding="utf-8")
    writer = JournalWriter(blocked / "s.1.jsonl")
    writer.append(Entry(1.0, Notice("waits")))
    writer.flushed().result(30)
    assert writer.failure and writer.lost == 0
    blocked.unlink()
    writer.append(Entry(2.0, Notice("kept")))
    writer.close().result(30)
    assert not writer.failure
    assert [e.at for _, e in read_entries(blocked / "s.1.jsonl")] == [1.0, 2.0]


def test_a_bell_that_breaks_does_not_stop_the_record(tmp_path: Path) -> None:
    def broken(end: int) -> None:
        raise OSError(errno.EIO, "no bell")

    writer = JournalWriter(tmp_path / "s.1.jsonl", broken)
    for number in range(3):
        writer.append(Entry(float(number), Notice("x")))
        writer.flushed().result(30)
    writer.close().result(30)
    assert len(list(read_entries(tmp_path / "s.1.jsonl"))) == 3
    assert (tmp_path / "s.1.jsonl").stat().st_mode & 0o777 == 0o600


def test_journals_are_listed_by_session_in_the_order_of_their_epochs(tmp_path: Path) -> None:
    for name in ("b.1.jsonl", "a.10.jsonl", "a.2.jsonl", "a.1.jsonl.gz", "junk", "c.x.jsonl"):
        (tmp_path / name).touch()
    found = {k: [p.name for p in v] for k, v in open_journals(tmp_path).items()}
    assert found == {"a": ["a.1.jsonl.gz", "a.2.jsonl", "a.10.jsonl"], "b": ["b.1.jsonl"]}


def test_directories_that_lie_in_the_same_ones_are_examined_with_few_looks(tmp_path: Path) -> None:
    looks: list[Path] = []

    @cache
    def look(path: Path) -> os.stat_result:
        looks.append(path)
        return path.lstat()

    for name in "abc":
        (tmp_path / name).mkdir()
        assert weaknesses(tmp_path / name, look=look) == weaknesses(tmp_path / name)
    assert len(looks) == len(set(looks)) == len(tmp_path.parts) + 3
