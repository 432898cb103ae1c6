"""Reading a run's record back gives what its reply described."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.journal.events import (
    UNREADABLE,
    DataShown,
    DataUpdated,
    Entry,
    Event,
    OutputCleared,
    OutputDropped,
    RunFinished,
    RunStarted,
    RunStatus,
    TextPrinted,
    Unknown,
    WidgetsChanged,
)
from jlab_tui.core.notebook.outputs import CellOutputs
from jlab_tui.core.reply.compose import Reply, ReplyImage, RunFacts, compose
from jlab_tui.core.session.run import Run
from jlab_tui.services.ports import Journals, Notebooks
from jlab_tui.services.session.reader import Reader

RUN = "a-1"
FACTS = RunFacts(RUN, "a", RunStatus.OK, 1.0, 1)
A_RUN = Run(RUN, "a", "execute_code", "c", "1", "m", 0.0, Path("a.1.jsonl"), 0)


def text(words: str, display_id: str = "") -> DataShown:
    return DataShown(RUN, {"text/plain": words}, {}, display_id)


def plot(name: str, display_id: str = "") -> DataShown:
    return DataShown(RUN, {"image/png": name}, {}, display_id)


def replied(events: list[Event]) -> Reply:
    outputs = CellOutputs()
    for event in events:
        match event:
            case TextPrinted() | DataShown() | DataUpdated() | OutputCleared():
                outputs.feed(event)
            case _:
                raise AssertionError
    return compose(FACTS, outputs, 20_000)


def reader_of(events: list[Event]) -> Reader:
    entries = [Entry(0.0, event) for event in [RunStarted(RUN, "execute_code", "c", "1", "m"), *events]]
    journals = SimpleNamespace(read_runs=lambda path, offset, runs: entries)
    return Reader(cast(Journals, journals), cast(Notebooks, None))


def read_back(events: list[Event], numbers: set[int]) -> dict[int, str]:
    return {number: data for number, (_, data) in reader_of(events).images(A_RUN, numbers).items()}


def test_a_text_that_becomes_a_image_has_the_next_number() -> None:
    events: list[Event] = [
        text("working", "d"),
        DataUpdated(RUN, "d", {"image/png": "first"}, {}),
        plot("second"),
        DataUpdated(RUN, "d", {"image/png": "first, later"}, {}),
    ]
    assert read_back(events, {1, 2}) == {1: "first, later", 2: "second"}
    shown = [(p.number, p.base64) for p in replied(events).parts if isinstance(p, ReplyImage)]
    assert shown == [(1, "first, later"), (2, "second")]


def test_losses_at_one_place_are_reported_as_one() -> None:
    dropped = [
        OutputDropped(RUN, 30, "characters", "too much"),
        OutputDropped(RUN, 12, "characters", "too much"),
    ]
    lost = OutputDropped(RUN, 5, "bytes", "full")
    printed = TextPrinted(RUN, "stdout", "one\n")
    read = [*reader_of([printed, *dropped, lost, printed]).texts(A_RUN)]
    assert read == [
        ("one\n", 0),
        ("... 42 characters not recorded: too much ...\n", 42),
        ("... 5 bytes not recorded: full ...\n", 0),
        ("one\n", 0),
    ]


def test_a_line_that_cannot_be_read_is_reported_in_its_place() -> None:
    lost = Unknown(UNREADABLE, "\0")
    ended = RunFinished(RUN, RunStatus.OK, 1.0)
    events: list[Event] = [TextPrinted(RUN, "stdout", "one\n"), lost, TextPrinted(RUN, "stdout", "two\n")]
    texts = [text for text, _ in reader_of([*events, ended, lost]).texts(A_RUN)]
    assert texts == ["one\n", "\n... a line of the record cannot be read ...\n", "two\n"]


def test_cleared_images_are_not_reported_as_hidden() -> None:
    events: list[Event] = []
    for number in range(30):
        events += [OutputCleared(RUN, wait=True), plot(f"frame {number}")]
    reply = replied(events)
    assert reply.hidden_images == 0
    assert not [part for part in reply.parts if isinstance(part, str) and "not shown" in part]
    (last,) = (part for part in reply.parts if isinstance(part, ReplyImage))
    assert (last.number, last.base64) == (30, "frame 29")
    assert read_back(events, {30}) == {30: "frame 29"}


def test_a_run_that_changes_an_earlier_cells_display_says_so() -> None:
    events: list[Event] = [
        DataUpdated(RUN, "earlier", {"text/plain": "working"}, {}),
        DataUpdated(RUN, "earlier", {"image/png": "figure"}, {}),
        DataUpdated(RUN, "other", {"text/plain": "done"}, {}),
        TextPrinted(RUN, "stdout", "printed"),
    ]
    become = "[an output of an earlier cell changed to:]"
    first, image, last, status = replied(events).parts
    assert first == f"printed\n{become}" and last == f"{become}\ndone" and "no output" not in str(status)
    assert isinstance(image, ReplyImage) and (image.number, image.base64) == (1, "figure")
    assert read_back(events, {1}) == {1: "figure"}
    assert read_back([*events, plot("own")], {2}) == {2: "own"}


def test_all_updates_of_a_display_are_read_back_in_order() -> None:
    events: list[Event] = [text("working", "d"), DataUpdated(RUN, "d", {"text/plain": "half"}, {}), text("x")]
    events += [
        DataUpdated(RUN, "d", {"image/png": "fig"}, {}),
        DataUpdated(RUN, "d", {"text/plain": "done"}, {}),
    ]
    assert "".join(part for part, _ in reader_of(events).texts(A_RUN)) == "working\nhalf\nx\ndone\n"


def test_the_latest_text_of_widgets_is_read_back_at_the_end() -> None:
    def view(name: str, words: str | None) -> DataShown:
        data = {"application/vnd.jupyter.widget-view+json": {"model_id": name}, "text/plain": f"{name}()"}
        return DataShown(RUN, data, view=words)

    moved = WidgetsChanged(RUN, {}, views={"a": "100 %", "gone": ""})
    events: list[Event] = [
        view("a", "0 %"),
        view("gone", "0 %"),
        view("b", None),
        text("x"),
        moved,
        view("a", "2 %"),
    ]
    assert "".join(part for part, _ in reader_of(events).texts(A_RUN)) == "x\n100 %\nb()"
    assert "".join(part for part, _ in reader_of([view("b", "0 %")]).texts(A_RUN)) == "0 %"


def test_a_vector_drawing_is_described_in_words_and_not_counted() -> None:
    reply = replied([DataShown(RUN, {"image/svg+xml": "<svg><title>A</title></svg>"}, {}), plot("one")])
    assert reply.hidden_images == 0
    assert read_back([DataShown(RUN, {"image/svg+xml": "<svg/>"}, {}), plot("one")], {1}) == {1: "one"}


NAMES = st.text("abc", min_size=1, max_size=3)
IDS = st.sampled_from(["", "d", "e"])
EVENTS = st.lists(
    st.builds(text, NAMES, IDS)
    | st.builds(plot, NAMES, IDS)
    | st.builds(lambda name, to: DataUpdated(RUN, to, {"image/png": name}, {}), NAMES, st.sampled_from("de"))
    | st.builds(lambda wait: OutputCleared(RUN, wait), st.booleans())
    | st.builds(lambda words: TextPrinted(RUN, "stdout", words), NAMES),
    max_size=30,
)


@given(EVENTS)
def test_every_image_of_a_reply_is_read_back_by_its_number_and_so_is_every_hidden_one(
    events: list[Event],
) -> None:
    reply = replied(events)
    shown = {part.number: part.base64 for part in reply.parts if isinstance(part, ReplyImage)}
    assert read_back(events, set(shown)) == shown
    hint = next((p for p in reply.parts if isinstance(p, str) and "not shown" in p), "")
    assert bool(hint) == (reply.hidden_images > 0)
    if hint:
        first = int(hint.partition("images=[")[2].partition(",")[0].rstrip("])"))
        assert first not in shown and first in read_back(events, {first})


def test_what_two_streams_printed_is_read_back_on_lines_of_their_own() -> None:
    bar, epoch, loss, more = ("stderr", "\r4%|#|"), ("stdout", "1\n2"), ("stdout", "3\n"), ("stderr", "\r6%|")
    printed: list[Event] = [TextPrinted(RUN, *pair) for pair in (bar, epoch, loss, more)]
    assert "".join(text for text, _ in reader_of(printed).texts(A_RUN)) == "\r4%|#|\n1\n23\n\r6%|"
