"""What the recorder keeps of a run's text."""

from __future__ import annotations

from pathlib import Path

from jlab_tui.adapters.journal import JournalWriter, read_entries
from jlab_tui.core.events import OutputDropped, RunFinished, RunStarted, RunStatus, TextPrinted
from jlab_tui.services.recorder import Recorder


async def test_what_a_thread_prints_after_a_run_full_of_text_is_counted_and_its_end_recorded(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.1.jsonl"
    cap = 1 << 20
    recorder = Recorder(JournalWriter(path), lambda: 0.0, text_cap=cap)
    recorder.record(RunStarted("a-1", "execute_code", "", "flood()", "m"))
    recorder.record(TextPrinted("a-1", "stdout", "x" * cap))
    recorder.record(RunFinished("a-1", RunStatus.OK, 1.0, 1))
    late = 3 << 20
    recorder.record(TextPrinted("a-1", "stdout", "y" * late))
    recorder.record(TextPrinted("a-1", "stdout", "THE END\n"))
    await recorder.flush()
    events = [entry.event for _, entry in read_entries(path)]
    printed = sum(len(event.text) for event in events if isinstance(event, TextPrinted))
    dropped = sum(event.count for event in events if isinstance(event, OutputDropped))
    assert printed + dropped == cap + late + len("THE END\n")
    assert printed <= cap + (2 << 20)
    last = events[-1]
    assert isinstance(last, TextPrinted) and last.text.endswith("THE END\n")
    await recorder.close()
