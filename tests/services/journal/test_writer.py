"""What the recorder keeps of a run's text, and what it lets the kernel's side forget."""

from __future__ import annotations

import asyncio
import tempfile
import time
from concurrent.futures import Future
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.adapters.journal.journal_file import JournalWriter
from jlab_tui.adapters.journal.journal_reader import read_entries
from jlab_tui.core.journal.events import (
    DataShown,
    ErrorRaised,
    Event,
    OutputDropped,
    RunFinished,
    RunStarted,
    RunStatus,
    TextPrinted,
    WidgetsChanged,
)
from jlab_tui.core.session.replay import replay
from jlab_tui.services.journal.writer import SessionJournal

RUN = "a-1"
STARTED = RunStarted(RUN, "execute_code", "", "flood()", "m")
FINISHED = RunFinished(RUN, RunStatus.OK, 1.0, 1)


async def test_what_a_thread_prints_after_a_run_full_of_text_is_counted_and_its_end_recorded(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.1.jsonl"
    cap = 1 << 20
    recorder = SessionJournal(JournalWriter(path), lambda: 0.0, text_cap=cap)
    recorder.record(STARTED)
    recorder.record(TextPrinted(RUN, "stdout", "x" * cap))
    recorder.record(FINISHED)
    late = 3 << 20
    recorder.record(TextPrinted(RUN, "stdout", "y" * late))
    recorder.record(TextPrinted(RUN, "stdout", "THE END\n"))
    await recorder.flush()
    events = [entry.event for _, entry in read_entries(path)]
    printed = sum(len(event.text) for event in events if isinstance(event, TextPrinted))
    dropped = sum(event.count for event in events if isinstance(event, OutputDropped))
    assert printed + dropped == cap + late + len("THE END\n")
    assert recorder.unrecorded(RUN) == dropped
    assert printed <= cap + (2 << 20)
    last = events[-1]
    assert isinstance(last, TextPrinted) and last.text.endswith("THE END\n")
    await recorder.close()


async def test_text_that_is_too_much_to_be_recorded_is_acknowledged_while_it_comes(tmp_path: Path) -> None:
    acknowledged: asyncio.Queue[int] = asyncio.Queue()
    recorder = SessionJournal(
        JournalWriter(tmp_path / "a.1.jsonl"), lambda: 0.0, 10_000, acknowledge=acknowledged.put_nowait
    )
    recorder.record(STARTED)
    for seq in range(1, 101):
        take(recorder, seq, TextPrinted(RUN, "stdout", "x" * 1000))
        if seq == 10:
            await recorder.flush()
    async with asyncio.timeout(30):
        while await acknowledged.get() < 80:
            pass
    await recorder.close()


async def test_a_bar_that_moves_ten_thousand_times_costs_few_lines_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.1.jsonl"
    recorder = SessionJournal(JournalWriter(path), lambda: 0.0)
    recorder.record(STARTED)
    for seq in range(1, 10_001):
        take(recorder, seq, WidgetsChanged(RUN, {"m": {"value": seq}}, views={"m": str(seq)}))
    take(recorder, 10_001, TextPrinted(RUN, "stdout", "x"))
    take(recorder, 10_002, WidgetsChanged(RUN, {"m": {"value": 0}}))
    take(recorder, 10_003, WidgetsChanged("", {"m": {"value": 1}}))
    await recorder.flush()
    entries = [entry for _, entry in read_entries(path)][1:]
    assert [(type(entry.event).__name__, entry.seq) for entry in entries] == [
        ("WidgetsChanged", 10_000),
        ("TextPrinted", 10_001),
        ("WidgetsChanged", 10_002),
        ("WidgetsChanged", 10_003),
    ]
    assert entries[0].event == WidgetsChanged(RUN, {"m": {"value": 10_000}}, {}, {"m": "10000"})
    take(recorder, 10_004, WidgetsChanged(RUN, {"m": {"value": 2}}))
    recorder.abandon()
    await recorder.close()
    assert len([*read_entries(path)]) == 5


async def test_a_bar_is_recorded_while_it_stands_still(tmp_path: Path) -> None:
    path = tmp_path / "a.1.jsonl"
    recorder = SessionJournal(JournalWriter(path), time.time)
    recorder.record(STARTED)
    take(recorder, 1, WidgetsChanged(RUN, {"m": {"value": 1}}))
    async with asyncio.timeout(30):
        while len([*read_entries(path)]) < 2:
            await asyncio.sleep(0.05)
    await recorder.close()


def take(recorder: SessionJournal, seq: int, event: Event) -> None:
    """As a session takes a message of the kernel in."""
    recorder.reaching(seq)
    recorder.record(event)
    recorder.saw(seq)


CAP = 8000
OUTPUTS = st.one_of(
    st.builds(lambda n, s: TextPrinted(RUN, s, "x" * n), st.integers(1, CAP), st.sampled_from(["stdout", "stderr"])),
    st.just(DataShown(RUN, {"text/plain": "image"})),
    st.just(ErrorRaised(RUN, "E", "e", ("E",))),
)  # fmt: skip


@given(
    outputs=st.lists(OUTPUTS, max_size=25), cuts=st.lists(st.tuples(st.integers(0, 25), st.integers(0, 9)))
)
def test_a_record_that_continues_after_kills_has_or_counts_every_character_once(
    outputs: list[Event], cuts: list[tuple[int, int]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.jsonl")
        asyncio.run(play(path, outputs, sorted(cuts)))
        events = [entry.event for _, entry in read_entries(path)]
    texts = [event.text for event in events if isinstance(event, TextPrinted)]
    dropped = sum(event.count for event in events if isinstance(event, OutputDropped))
    printed = [event.text for event in outputs if isinstance(event, TextPrinted)]
    assert sum(map(len, texts)) + dropped == sum(map(len, printed))
    kinds = (DataShown, ErrorRaised, RunFinished)
    assert [e for e in events if isinstance(e, kinds)] == [
        e for e in [*outputs, FINISHED] if isinstance(e, kinds)
    ]
    if printed and isinstance(outputs[-1], TextPrinted):
        end = next(e for e in reversed(events) if isinstance(e, TextPrinted | OutputDropped))
        assert isinstance(end, TextPrinted) and end.stream == outputs[-1].stream


async def play(path: Path, outputs: list[Event], cuts: list[tuple[int, int]]) -> None:
    """Record a run; at each cut (number of the output, lines that never reached the disk) the process is killed."""
    for at, unwritten in [*cuts, (len(outputs), -1)]:
        record = replay("a", ((path, offset, entry) for offset, entry in read_entries(path)))
        recorder = SessionJournal(JournalWriter(path), lambda: 0.0, text_cap=CAP)
        if RUN not in record.runs:
            recorder.record(STARTED)
        else:
            run_outputs = record.runs[RUN].outputs
            assert run_outputs is not None
            assert run_outputs.unrecorded == sum(
                entry.event.count for _, entry in read_entries(path) if isinstance(entry.event, OutputDropped)
            )
            recorder.goes_on_with(RUN, run_outputs.total_chars)
        for seq, event in enumerate(outputs[record.seq : at], record.seq + 1):
            take(recorder, seq, event)
        if unwritten < 0:
            recorder.record(FINISHED)
            await recorder.close()
            return
        recorder.abandon()
        await recorder.close()
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[: max(1, len(lines) - unwritten)]))


class SlowDisk(JournalWriter):
    """Says when told that everything is on disk."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked = asyncio.Event()
        self.on_disk: Future[None] = Future()

    def synced(self) -> Future[None]:
        self.asked.set()
        return self.on_disk


def test_a_disk_that_is_slower_than_the_end_of_a_process_leaves_no_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def process() -> SlowDisk:
        journal = SlowDisk(tmp_path / "a.1.jsonl")
        recorder = SessionJournal(journal, lambda: 0.0)
        take(recorder, 1, STARTED)
        await asyncio.wait_for(journal.asked.wait(), 30)
        await asyncio.wrap_future(journal.close())
        return journal

    asyncio.run(process()).on_disk.set_result(None)
    assert caplog.text == ""
