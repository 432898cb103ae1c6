"""Long journals are read by the places that they name, with the same result as line by line, whatever they say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jlab_tui.adapters.journal.brief import brief_entries, run_entries
from jlab_tui.adapters.journal.journal_file import JournalWriter
from jlab_tui.adapters.journal.journal_reader import read_entries
from jlab_tui.core.display.mime import WIDGET
from jlab_tui.core.journal.events import (
    DataShown,
    DataUpdated,
    Entry,
    ErrorRaised,
    Event,
    ExecutionStarted,
    KernelChanged,
    Landmarks,
    NotebookEdited,
    OutputCleared,
    OutputDropped,
    RunFinished,
    RunStarted,
    RunStatus,
    SessionOpened,
    TextPrinted,
    WidgetsChanged,
)
from jlab_tui.core.notebook.output_format import to_nbformat
from jlab_tui.core.notebook.output_items import CellLimits
from jlab_tui.core.notebook.outputs import CellOutputs
from jlab_tui.core.session.replay import ReplayedSession, rebuild_all, replay

OPENED = SessionOpened("s", "n", "/n.ipynb", "kernel", "host", 1.0)
RUNS = ("s-1", "s-2", "s-3")
run_ids = st.sampled_from(RUNS)
widgets = st.sampled_from(["", "w"])
outputs: st.SearchStrategy[Event] = st.one_of(
    st.builds(TextPrinted, run_ids, st.just("stdout"), st.sampled_from(["x", "line\n" * 20]), widgets),
    st.builds(
        DataShown,
        run_ids,
        st.sampled_from([{"text/plain": "old"}, {WIDGET: {"model_id": "m"}}, {"k": "marks"}]),
        display_id=st.sampled_from(["", "d", "e"]),
        into=widgets,
    ),
    st.builds(DataUpdated, run_ids, st.sampled_from(["d", "e"]), st.just({"text/plain": "new"})),
    st.builds(OutputCleared, run_ids, st.booleans(), widgets),
    st.builds(ErrorRaised, run_ids, st.just("E"), st.just("e"), st.just(("line",)), widgets),
    st.builds(
        WidgetsChanged,
        run_ids,
        st.just({"m": {"_model_name": "LabelModel", "value": "v"}}),
        views=st.sampled_from([{}, {"m": "later"}]),
    ),
    st.builds(OutputDropped, run_ids, st.integers(1, 9), st.just("characters"), st.just("too much")),
)
acts: st.SearchStrategy[Event] = st.one_of(
    st.builds(lambda run: RunStarted(run, "execute_code", "c", "x = 1"), run_ids),
    st.builds(RunFinished, run_ids, st.sampled_from([RunStatus.OK, RunStatus.ERROR]), st.just(1.0)),
    st.builds(KernelChanged, st.sampled_from(["kernel", "another"]), st.just("restarted")),
    st.builds(
        NotebookEdited, st.sampled_from(["edit", "delete", "markdown"]), st.just("c"), st.just("y = 2")
    ),
)


def as_kernels_say(events: list[Event]) -> list[Event]:
    """A kernel says that a run has begun before it sends output of it."""
    said: list[Event] = []
    waiting: set[str] = set()
    for event in events:
        run = getattr(event, "run", "")
        if run in waiting and not isinstance(event, RunStarted | RunFinished):
            said.append(ExecutionStarted(run, 1))
            waiting.discard(run)
        if isinstance(event, RunStarted):
            waiting.add(run)
        said.append(event)
    return said


scripts = st.lists(st.one_of(outputs, outputs, outputs, acts), max_size=60).map(as_kernels_say)


def written(path: Path, events: Sequence[Event], every: int = 400) -> Path:
    path.unlink(missing_ok=True)
    writer = JournalWriter(path, landmarks_every=every)
    for number, event in enumerate([OPENED, *events]):
        writer.append(Entry(float(number), event, number))
    writer.close().result(30)
    return path


def told(record: ReplayedSession) -> list[Any]:
    """All that a session continues from."""
    runs = {
        run.id: [run.status, run.generation, run.offset, shown(run.outputs)] for run in record.runs.values()
    }
    captured = {name: shown(outputs) for name, outputs in record.widgets.captured.items()}
    return [
        record.opened, record.kernel_id, record.seq, record.count, record.generation, record.last_at, record.sources,
        record.deleted, record.texts, record.displays, runs, captured, record.widgets.models.models,
    ]  # fmt: skip


def shown(found: CellOutputs | None) -> list[dict[str, Any]] | None:
    return to_nbformat(found, "record") if found is not None else None


@settings(max_examples=150)
@given(events=scripts)
def test_a_session_continues_from_few_lines_as_from_all(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event]
) -> None:
    path = written(tmp_path_factory.getbasetemp() / "s.1.jsonl", events)
    whole = replay("s", ((path, *placed) for placed in read_entries(path)))
    brief = replay("s", ((path, *placed) for placed in brief_entries(path)))
    assert told(brief) == told(whole)


@settings(max_examples=150)
@given(events=scripts)
def test_a_run_has_the_outputs_that_the_whole_record_gives_it(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event]
) -> None:
    path = written(tmp_path_factory.getbasetemp() / "s.1.jsonl", events)
    entries = list(read_entries(path))
    for run in replay("s", ((path, *placed) for placed in entries)).runs.values():
        whole = rebuild_all([run], (entry for at, entry in entries if at >= run.offset), CellLimits())
        brief = rebuild_all(
            [run], (entry for _, entry in run_entries(path, run.offset, {run.id})), CellLimits()
        )
        assert shown(brief[run.id]) == shown(whole[run.id])


def long_journal(path: Path) -> Path:
    """Three runs, each with much output."""
    events: list[Event] = []
    for run in RUNS:
        events += [RunStarted(run, "execute_code", "c", "x"), *[TextPrinted(run, "stdout", "x" * 200)] * 100]
        events.append(RunFinished(run, RunStatus.OK, 1.0))
    return written(path, events, every=5000)


def test_most_output_is_neither_read_for_a_session_nor_for_another_run(tmp_path: Path) -> None:
    path = long_journal(tmp_path / "s.1.jsonl")
    first = next(at for at, entry in read_entries(path) if isinstance(entry.event, RunStarted))
    of_first = list(run_entries(path, first, {RUNS[0]}))
    texts = [e.event.run for _, e in of_first if isinstance(e.event, TextPrinted)]
    assert texts.count(RUNS[0]) == 100 and len(texts) < 140
    brief = [e.event for _, e in brief_entries(path)]
    assert sum(isinstance(event, TextPrinted) for event in brief) < 40
    assert sum(isinstance(event, RunFinished) for event in brief) == 3


def test_a_run_in_progress_is_read_whole(tmp_path: Path) -> None:
    text = [TextPrinted("s-1", "stdout", "x" * 200)] * 100
    path = written(tmp_path / "s.1.jsonl", [RunStarted("s-1", "execute_code", "c", "x"), *text], every=5000)
    assert [e.event for _, e in brief_entries(path) if isinstance(e.event, TextPrinted)] == text


@pytest.mark.parametrize("at", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("damage", ["cut", "longer", "gone", "zeros"])
def test_a_journal_that_is_torn_or_changed_is_read_line_by_line(
    tmp_path: Path, damage: str, at: float
) -> None:
    path = long_journal(tmp_path / "s.1.jsonl")
    data = path.read_bytes()
    place = int(len(data) * at)
    line = data.index(b"\n", place) + 1
    path.write_bytes(
        {
            "cut": data[:place],
            "longer": data[:line] + b'{"v":1,"t":1,"k":"notice","text":"of somebody else"}\n' + data[line:],
            "gone": data[:line] + data[data.index(b"\n", line) + 1 :],
            "zeros": data[:place] + b"\0" * 100 + data[place + 100 :],
        }[damage]
    )
    whole = replay("s", ((path, *placed) for placed in read_entries(path)))
    brief = replay("s", ((path, *placed) for placed in brief_entries(path)))
    assert told(brief) == told(whole)


def test_places_are_named_only_in_journals_that_are_long(tmp_path: Path) -> None:
    path = written(tmp_path / "s.1.jsonl", [TextPrinted("s-1", "stdout", "x" * 200)] * 100, every=1 << 20)
    assert not any(isinstance(entry.event, Landmarks) for _, entry in read_entries(path))


def test_a_journal_that_was_begun_by_another_writer_names_no_places(tmp_path: Path) -> None:
    path = written(tmp_path / "s.1.jsonl", [TextPrinted("s-1", "stdout", "x" * 200)] * 20, every=1000)
    size = path.stat().st_size
    writer = JournalWriter(path, landmarks_every=1000)
    for _ in range(20):
        writer.append(Entry(1.0, TextPrinted("s-1", "stdout", "x" * 200)))
    writer.close().result(30)
    named = [at for at, entry in read_entries(path) if isinstance(entry.event, Landmarks)]
    assert named and max(named) < size < path.stat().st_size


def test_every_offset_that_a_writer_tells_is_that_of_the_line(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "s.1.jsonl", landmarks_every=1000)
    told_at = [writer.append(Entry(float(n), TextPrinted("s-1", "stdout", "x" * n))) for n in range(200)]
    writer.close().result(30)
    lines = read_entries(writer.path)
    assert told_at == [at for at, entry in lines if isinstance(entry.event, TextPrinted)]
