"""What a session says of output that never reached it."""

from __future__ import annotations

from pathlib import Path

from jlab_tui.adapters.journal.journal_reader import read_entries
from jlab_tui.core.journal.events import OutputDropped, RunStatus
from jlab_tui.core.kernel.link import OutputLost
from jlab_tui.core.kernel.wire import unread_message
from tests.kernels import NAMES, transcript
from tests.services.session.test_replay import ID, Process, RecordedStream


async def test_losses_are_reported_once_for_each_cause_and_recorded_for_each_gap(tmp_path: Path) -> None:
    recorded = transcript(NAMES[0])
    process = Process(tmp_path, recorded, RecordedStream(recorded.messages))
    await process.begin()
    await process.take_in(recorded.messages[:2])
    run = process.session.current
    assert run is not None
    lost = [
        OutputLost(5, 4_000_000, "full", 9, unfetched=True),
        OutputLost(10, 2_000_000, "full", 30),
        OutputLost(10, 3_000_000, "full", 40),
        OutputLost(7, 0, "unreadable", 50),
    ]
    for change in lost:
        process.stream.on_change(change)
    said = [
        "About 4,000,000 bytes of output were lost: the server's recording of the kernel "
        "was full before a connection fetched it.",
        "About 5,000,000 bytes of output were lost: it came faster than jlab-mcp could fetch it, until the server's "
        "recording of the kernel was full.",
        "About 7 messages of output were lost: the server could not read its recording of the kernel.",
    ]
    assert run.losses() == said
    journal = process.session.journal.path
    await process.session.journal.flush()
    dropped = [entry for _, entry in read_entries(journal) if isinstance(entry.event, OutputDropped)]
    assert [entry.seq for entry in dropped] == [9, 30, 40, 50]
    await process.kill()
    successor = Process(tmp_path, recorded, RecordedStream(recorded.messages))
    assert successor.record.seq == 50, "it is not told of the gaps again"
    assert successor.record.runs[f"{ID}-1"].losses() == said
    await successor.kill()


async def test_a_message_that_cannot_be_read_is_counted_and_what_follows_is_taken(tmp_path: Path) -> None:
    recorded = transcript("streams")
    process = Process(tmp_path, recorded, RecordedStream(recorded.messages))
    await process.begin()
    first = [message for message in recorded.messages if message.parent_id == next(iter(recorded.cells))]
    number = next(n for n, message in enumerate(first) if message.msg_type == "stream")
    await process.take_in(first[:number])
    run = process.session.current
    assert run is not None
    process.stream.on_message(unread_message(first[number].seq))
    await process.take_in(first[number + 1 :])
    assert run.status is RunStatus.OK
    assert run.losses() == ["1 message of output was lost: jlab-mcp could not read it."]
    await process.kill()
