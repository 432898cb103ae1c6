"""The outputs of a cell in memory: both ends are kept, and what is missing is counted."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.journal.events import (
    DataShown,
    DataUpdated,
    ErrorRaised,
    OutputCleared,
    TextPrinted,
    WidgetsChanged,
)
from jlab_tui.core.notebook.output_format import to_nbformat
from jlab_tui.core.notebook.output_items import (
    IMAGE_BUDGET,
    ITEMS_HALF,
    TEXT_HALF,
    CellLimits,
    DataItem,
    ErrorItem,
    Gap,
    OutputItem,
    TextItem,
)
from jlab_tui.core.notebook.outputs import CellOutputs
from jlab_tui.core.notebook.stored import RecordedData

Output = TextPrinted | DataShown | DataUpdated | OutputCleared | ErrorRaised | WidgetsChanged


def out(text: str) -> TextPrinted:
    return TextPrinted("r", "stdout", text)


def err(text: str) -> TextPrinted:
    return TextPrinted("r", "stderr", text)


def shown(words: str, display: str = "", count: int | None = None) -> DataShown:
    return DataShown("r", {"text/plain": words}, display_id=display, execution_count=count)


def updated(words: str, display: str = "d") -> DataUpdated:
    return DataUpdated("r", display, {"text/plain": words})


def raised(name: str) -> ErrorRaised:
    return ErrorRaised("r", name, "value", (f"{name}: value",))


def clear(*, wait: bool) -> OutputCleared:
    return OutputCleared("r", wait=wait)


def fed(*events: Output) -> CellOutputs:
    outputs = CellOutputs()
    for event in events:
        outputs.feed(event)
    return outputs


def words_of(outputs: CellOutputs) -> list[str]:
    def words(item: OutputItem) -> str:
        match item:
            case TextItem():
                return item.text
            case DataItem():
                return str(item.data["text/plain"])
            case ErrorItem():
                return item.ename

    return [words(item) for item in outputs.items()]


@pytest.mark.parametrize("size", [999, 30_000, 40_000, 100_000, TEXT_HALF, 3 << 20])
def test_of_much_text_the_beginning_and_the_end_are_kept_and_the_rest_is_counted(size: int) -> None:
    whole = "".join(f"{number:7}\n" for number in range(3 << 17))
    outputs = fed(*(out(whole[at : at + size]) for at in range(0, len(whole), size)))
    head = "".join(item.text for item in outputs.head if isinstance(item, TextItem))
    tail = "".join(item.text for item in outputs.tail if isinstance(item, TextItem))
    assert head == whole[:TEXT_HALF] and whole.endswith(tail)
    assert TEXT_HALF - 40_000 - size < len(tail) <= TEXT_HALF
    assert outputs.dropped_chars == len(whole) - len(head) - len(tail) and outputs.total_chars == len(whole)
    assert outputs.size == len(head) + len(tail)
    assert outputs.gap is not None and outputs.gap.what == f"{outputs.dropped_chars:,} characters"


def test_text_that_fits_is_kept_to_the_last_character() -> None:
    outputs = fed(out("x" * TEXT_HALF), out("y" * TEXT_HALF))
    assert words_of(outputs) == ["x" * TEXT_HALF, "y" * TEXT_HALF] and not outputs.is_cut
    outputs.feed(out("z"))
    assert outputs.is_cut


def test_text_after_many_outputs_continues_behind_them() -> None:
    outputs = fed(*(shown(str(number)) for number in range(ITEMS_HALF)), out("a"), out("b"), err("c"))
    assert words_of(outputs)[-2:] == ["ab", "c"] and not outputs.is_cut
    assert len(outputs.head) == ITEMS_HALF


def test_of_very_many_outputs_both_ends_are_kept() -> None:
    outputs = fed(*(shown(str(number)) for number in range(2 * ITEMS_HALF + 5)))
    kept = [int(words) for words in words_of(outputs)]
    assert kept == [*range(ITEMS_HALF), *range(ITEMS_HALF + 5, 2 * ITEMS_HALF + 5)]
    assert (outputs.dropped_items, outputs.is_cut) == (5, True)
    assert outputs.size == sum(len(str(number)) for number in kept)


def test_an_exception_is_kept_whatever_comes_after_it() -> None:
    events = [shown(str(number)) for number in range(ITEMS_HALF)]
    outputs = fed(*events, raised("E"), *events, out("more"))
    assert outputs.error is not None and outputs.error.ename == "E"
    assert fed(raised("A"), raised("B"), out("x")).error == ErrorItem("B", "value", ("B: value",))
    assert fed(out("x")).error is None


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([out("a"), out("b"), err("c"), out("d")], ["ab", "c", "d"]),
        ([out("a"), clear(wait=False), out("b")], ["b"]),
        ([out("a"), clear(wait=True)], ["a"]),
        ([out("a"), clear(wait=True), shown("b"), out("c")], ["b", "c"]),
        ([out("a"), clear(wait=True), raised("b"), raised("c")], ["b", "c"]),
        ([out("a"), clear(wait=True), updated("b", "e"), out("c")], ["c"]),
        ([shown("0 %", "d"), shown("x", "e"), updated("9 %")], ["9 %", "x"]),
        ([shown("0 %", "d"), shown("0 %", "d"), updated("9 %")], ["9 %", "9 %"]),
    ],
)
def test_outputs_stand_as_a_notebook_shows_them(events: list[Output], words: list[str]) -> None:
    assert words_of(fed(*events)) == words


def test_changes_without_effect_so_far_are_reported() -> None:
    outputs = CellOutputs()
    told = [
        outputs.feed(event)
        for event in (out("a"), clear(wait=True), updated("x"), shown("y", "d"), updated("z"))
    ]
    assert told == [True, False, False, True, True]


def test_an_output_of_an_earlier_cell_is_kept_apart_in_its_latest_form() -> None:
    outputs = fed(updated("1"), updated("one", "e"), updated("22"))
    assert {name: item.data["text/plain"] for name, item in outputs.elsewhere.items()} == {
        "e": "one",
        "d": "22",
    }
    assert (words_of(outputs), outputs.size) == ([], 5)
    outputs.feed(shown("3", "d"))
    outputs.feed(updated("4"))
    assert words_of(outputs) == ["4"] and outputs.elsewhere["d"].data["text/plain"] == "4"
    outputs.feed(clear(wait=False))
    assert outputs.size == 4 and "d" in outputs.elsewhere, "the earlier cell still shows it"
    large = fed(updated("x" * IMAGE_BUDGET), updated("y" * (IMAGE_BUDGET + 1), "e"))
    assert list(large.elsewhere) == ["d"]
    many = fed(*(updated("x", f"d{number}") for number in range(ITEMS_HALF + 5)))
    assert len(many.elsewhere) == ITEMS_HALF


def test_another_run_changes_a_display_where_it_stands() -> None:
    outputs = fed(shown("0 %", "d"))
    assert outputs.update(updated("100 %")) and words_of(outputs) == ["100 %"] and outputs.size == 5
    assert not outputs.update(updated("x", "other"))


def test_data_that_is_too_large_is_only_in_the_record_until_it_is_replaced() -> None:
    outputs = fed(shown("x" * IMAGE_BUDGET, "d"), shown("more", "e"))
    assert (outputs.record_only, outputs.is_cut) == (1, True)
    assert words_of(outputs)[1] == "[rich output (4 characters) is only in the run's record]"
    outputs.feed(updated("small"))
    outputs.feed(updated("s", "e"))
    assert words_of(outputs) == ["small", "s"] and outputs.size == 6
    assert [stored["data"]["text/plain"] for stored in to_nbformat(outputs, "record")] == ["small", "s"]


EVENTS = st.one_of(
    st.builds(out, st.text(max_size=4)),
    st.builds(err, st.text(max_size=4)),
    st.builds(shown, st.text(max_size=4), st.sampled_from(["", "d", "e"])),
    st.builds(updated, st.text(max_size=4), st.sampled_from(["d", "e"])),
    st.builds(raised, st.text(max_size=3)),
    st.builds(OutputCleared, st.just("r"), st.booleans()),
)


@given(st.lists(EVENTS, max_size=25))
def test_the_size_in_memory_is_that_of_the_kept_data(events: list[Output]) -> None:
    outputs = fed(*events)
    before = words_of(outputs), outputs.size
    items = [*outputs.items(), *outputs.elsewhere.values()]
    errors = sum(len("".join(item.traceback)) for item in items if isinstance(item, ErrorItem))
    data = sum(len(item.data["text/plain"]) for item in items if isinstance(item, DataItem))
    assert outputs.size == errors + data + sum(len(item.text) for item in items if isinstance(item, TextItem))
    copy = outputs.copy()
    copy.feed(out("!"))
    copy.feed(updated("longer", "d"))
    copy.feed(clear(wait=False))
    assert (words_of(outputs), outputs.size) == before, "a copy is read apart"


@given(st.lists(EVENTS, max_size=25))
def test_a_notebook_stores_what_was_put_out(events: list[Output]) -> None:
    outputs = fed(*events)
    stored = to_nbformat(outputs, "record")
    joined = list(outputs.joined())
    assert len(stored) == len(joined)
    for raw, item in zip(stored, joined, strict=True):
        match item:
            case TextItem():
                assert raw == {"output_type": "stream", "name": item.stream, "text": item.text}
            case DataItem():
                assert raw == {"output_type": "display_data", "data": item.data, "metadata": {}}
            case ErrorItem():
                assert (raw["output_type"], raw["ename"], raw["traceback"]) == (
                    "error",
                    item.ename,
                    list(item.traceback),
                )


def test_results_and_values_that_are_no_text_are_stored_as_nbformat_wants_them() -> None:
    data: dict[str, Any] = {
        "application/json": {"a": [1]},
        "application/geo+json": [2],
        "text/x": 7,
        "text/plain": "p",
    }
    missing: dict[str, Any] = {"text/html": None}
    (stored,) = to_nbformat(
        fed(DataShown("r", data | missing, {"isolated": True}, execution_count=3)), "record"
    )
    assert stored == {
        "output_type": "execute_result",
        "execution_count": 3,
        "data": {**data, "text/x": "7"},
        "metadata": {"isolated": True},
    }


def test_a_type_without_data_is_not_stored() -> None:
    outputs = CellOutputs()
    outputs.feed(DataShown("r", {"image/png": None, "text/plain": "no image"}))
    (stored,) = to_nbformat(outputs, "record")
    assert stored["data"] == {"text/plain": "no image"}


def test_the_notebook_says_how_to_read_an_image_that_only_the_record_has() -> None:
    outputs = CellOutputs()
    for _ in range(2):
        outputs.feed(DataShown("r", {"image/png": "A" * (IMAGE_BUDGET - 1)}))
    first, second = to_nbformat(outputs, "the record")
    assert len(first["data"]["image/png"]) == IMAGE_BUDGET - 1
    assert second["data"]["text/plain"].startswith("[image 2 (")
    assert second["data"]["text/plain"].endswith("the run's record]: the record")


def test_a_gap_between_the_ends_says_what_is_missing() -> None:
    outputs = fed(
        out("x" * TEXT_HALF), *(shown(str(n)) for n in range(2 * ITEMS_HALF)), out("y" * 2 * TEXT_HALF)
    )
    assert outputs.gap is not None and outputs.gap.what == "524,288 characters and 2 outputs"
    stored = to_nbformat(outputs, "read_output")
    assert stored[len(outputs.head)] == {
        "output_type": "stream",
        "name": "stderr",
        "text": "\n... 524,288 characters and 2 outputs left out; all of it: read_output ...\n",
    }
    assert CellOutputs().gap is None


def test_the_last_line_is_searched_in_the_end_of_what_was_printed() -> None:
    assert fed(out("a\n"), out("b\n \n")).last_line == "b"
    assert fed(out("found\n" + "\n" * 1990)).last_line == "found"
    assert fed(out("lost\n" + "\n" * 2000)).last_line == ""


def test_text_of_one_stream_is_stored_as_one_output_however_it_arrives() -> None:
    pieces = ["x" * TEXT_HALF, "y" * 40_000, "z" * 40_000]
    assert [raw["text"] for raw in to_nbformat(fed(*map(out, pieces)), "record")] == ["".join(pieces)]


def test_text_that_the_record_does_not_have_is_distinguished() -> None:
    outputs = fed(out("x" * TEXT_HALF), *(shown(str(n)) for n in range(ITEMS_HALF)), out("y" * 2 * TEXT_HALF))
    outputs.not_recorded(5)
    outputs.not_recorded(2)
    assert (outputs.unrecorded, outputs.dropped_chars) == (7, TEXT_HALF + 7)
    notes = [raw["text"] for raw in to_nbformat(outputs, "read_output") if "left out" in raw.get("text", "")]
    assert notes == [f"\n... {TEXT_HALF + 7:,} characters left out; all but 7 characters: read_output ...\n"]
    assert outputs.is_cut
    outputs.feed(clear(wait=False))
    assert (outputs.unrecorded, outputs.dropped_chars, outputs.is_cut) == (0, 0, False)


def test_text_is_one_from_its_first_piece_to_its_last_and_not_across_the_gap() -> None:
    pieces = [out("a" * TEXT_HALF), out("b" * 40_000), out("c" * 40_000), err("e"), out("d")]
    joined = [(item.stream, item.size) for item in fed(*pieces).joined() if isinstance(item, TextItem)]
    assert joined == [("stdout", TEXT_HALF + 80_000), ("stderr", 1), ("stdout", 1)]
    cut = [*fed(out("a" * TEXT_HALF), out("b" * 2 * TEXT_HALF)).joined()]
    assert [item.size if isinstance(item, TextItem) else type(item) for item in cut] == [
        TEXT_HALF,
        Gap,
        TEXT_HALF,
    ]


def inside(text: str) -> TextPrinted:
    return TextPrinted("r", "stdout", text, "w")


def clear_inside(*, wait: bool) -> OutputCleared:
    return OutputCleared("r", wait, "w")


def image(data: str, into: str = "") -> DataShown:
    return DataShown("r", {"image/png": data, "text/plain": data}, into=into)


@pytest.mark.parametrize(
    ("events", "words", "stored"),
    [
        ([out("a"), inside("b"), out("c")], ["a", "b", "c"], ["ac"]),
        ([out("a"), inside("b"), inside("c")], ["a", "bc"], ["a"]),
        ([out("a"), inside("b"), clear_inside(wait=False), inside("c")], ["a", "c"], ["a"]),
        ([out("a"), inside("b"), clear_inside(wait=True), out("c"), inside("d")], ["a", "c", "d"], ["ac"]),
        ([out("a"), inside("b"), clear_inside(wait=True), out("c")], ["a", "b", "c"], ["ac"]),
        ([out("a"), inside("b"), clear(wait=False)], ["b"], []),
        ([out("a"), clear(wait=True), inside("b"), out("c")], ["b", "c"], ["c"]),
        ([DataShown("r", {"text/plain": "a"}, into="w"), out("b"), clear_inside(wait=False)], ["b"], ["b"]),
        ([ErrorRaised("r", "E", "", (), "w"), out("b")], ["E", "b"], ["b"]),
    ],
)
def test_what_a_widget_captured_stands_where_it_came_and_is_not_the_cells(
    events: list[Output], words: list[str], stored: list[str]
) -> None:
    outputs = fed(*events)
    assert words_of(outputs) == words
    assert [output["text"] for output in to_nbformat(outputs, "record")] == stored
    assert outputs.size == sum(len(text) for text in words_of(outputs) if text != "E")


def test_captured_images_that_were_cleared_are_not_missed() -> None:
    outputs = fed(image("AAAA"), image("BBBB", "w"), clear_inside(wait=False), image("CCCC", "w"))
    assert (outputs.images.total, outputs.images.cleared, outputs.images.gone) == (3, 0, {2})
    outputs.feed(clear_inside(wait=True))
    outputs.feed(image("DDDD", "w"))
    assert outputs.images.gone == {2, 3}


VIEW = {"application/vnd.jupyter.widget-view+json": {"model_id": "m"}, "text/plain": "Bar()"}


def views(**texts: str) -> WidgetsChanged:
    return WidgetsChanged("r", {}, views=texts)


def test_a_widget_is_told_as_it_is_now_and_stored_as_it_came() -> None:
    outputs = fed(DataShown("r", VIEW, view="0 %"))
    assert outputs.last_line == "0 %" and outputs.shows(["x", "m"]) and not outputs.shows(["x"])
    assert outputs.feed(views(m="9 %")) and not outputs.feed(views(other="1 %"))
    (item,) = [item for item in outputs.items() if isinstance(item, DataItem)]
    assert (item.words, outputs.last_line) == ("9 %", "1 %")
    assert [output["data"] for output in to_nbformat(outputs, "record")] == [VIEW]
    assert {name: shown.words for name, shown in outputs.elsewhere.items()} == {"other": "1 %"}
    assert fed(DataShown("r", VIEW)).last_line == "" and fed(shown("x")).shows([""]) is False
    copy = outputs.copy()
    outputs.feed(views(m="10 %"))
    assert [item.words for item in copy.items() if isinstance(item, DataItem)] == ["9 %"]


def test_the_last_line_is_that_of_what_changed_last() -> None:
    outputs = fed(out("a\n"), DataShown("r", VIEW, view="bar"))
    assert [outputs.last_line, fed(out("a\n"), views(m=" ")).last_line] == ["bar", "a"]
    outputs.feed(out("\n"))
    assert outputs.last_line == "bar", "a line break hides no bar"
    outputs.feed(out("b\n"))
    assert outputs.last_line == "b"
    outputs.feed(views(m="bar 2"))
    outputs.feed(clear(wait=False))
    assert outputs.last_line == "b"
    outputs.feed(views(m="bar 3"))
    assert {name: item.words for name, item in outputs.elsewhere.items()} == {"m": "bar 3"}


def test_the_last_line_is_that_of_a_display_that_is_updated() -> None:
    outputs = fed(out("a\n"), DataShown("r", {"text/html": "0"}, display_id="bar"))
    assert outputs.last_line == "a"
    bar = {"text/html": "<p>epoch 1</p><progress value='1' max='2'></progress> 1/2", "text/plain": "<p>"}
    outputs.feed(DataUpdated("r", "bar", bar))
    assert outputs.last_line == "|█████     | 1/2"
    outputs.feed(DataUpdated("r", "elsewhere", {"text/plain": "no"}))
    assert outputs.last_line == "|█████     | 1/2"
    outputs.update(DataUpdated("another run", "bar", {"text/plain": "theirs"}))
    assert outputs.last_line == "|█████     | 1/2"
    outputs.feed(views(m="widget"))
    assert outputs.last_line == "widget"
    outputs.feed(DataUpdated("r", "bar", {"image/png": "AAAA"}))
    assert outputs.last_line == "a", "an image has no line"
    outputs.feed(DataUpdated("r", "bar", bar))
    outputs.feed(out("b\n"))
    assert outputs.last_line == "b"
    outputs.feed(DataUpdated("r", "bar", bar))
    outputs.feed(clear(wait=False))
    assert outputs.last_line == "b"


def test_html_takes_no_room_from_images() -> None:
    limits = CellLimits(images=100, data=100)
    outputs = CellOutputs(limits)
    for event in (DataShown("r", {"text/html": "x" * 90}), image("A" * 40), image("B" * 40), shown("y" * 20)):
        outputs.feed(event)
    stored = [list(output["data"]) for output in to_nbformat(outputs, "record")]
    assert stored == [["text/html"], ["image/png", "text/plain"], ["text/plain"], ["text/plain"]]
    assert outputs.record_only == 2
    outputs.feed(clear(wait=False))
    assert (outputs.record_only, outputs.size) == (0, 0)


def test_a_notebooks_cell_keeps_two_hundred_images_and_megabytes_of_text() -> None:
    outputs = CellOutputs(CellLimits.of_cell(100))
    for _ in range(200):
        outputs.feed(DataShown("r", {"image/png": "A" * 460_000}))
    outputs.feed(out("x" * (4 << 20)))
    assert not outputs.is_cut and len(to_nbformat(outputs, "record")) == 201
    assert CellLimits.of_cell(1).text_half == TEXT_HALF


def test_a_reply_is_made_of_the_ends_of_a_long_text() -> None:
    outputs = CellOutputs(CellLimits(text_half=4 * TEXT_HALF))
    for event in (out("a" * TEXT_HALF), shown("s"), out("b" * TEXT_HALF), raised("E"), out("c" * TEXT_HALF)):
        outputs.feed(event)
    narrow = outputs.narrowed(CellLimits())
    assert (narrow.dropped_chars, outputs.dropped_chars, narrow.total_chars) == (TEXT_HALF, 0, 3 * TEXT_HALF)
    assert [words[0] for words in words_of(narrow)] == ["a", "s", "E", "c"]
    assert outputs.narrowed(outputs.limits) is outputs
    cut = CellOutputs(CellLimits(text_half=2 * TEXT_HALF))
    cut.feed(out("d" * 9 * TEXT_HALF))
    assert (cut.dropped_chars, cut.narrowed(CellLimits()).dropped_chars) == (5 * TEXT_HALF, 7 * TEXT_HALF)


def png(size: int) -> dict[str, Any]:
    return {"image/png": "A" * size}


def shown_from(record: dict[int, dict[str, Any]], outputs: CellOutputs, *sizes: int) -> None:
    """Show images of so many characters, each of which is on record."""
    for size in sizes:
        number = len(record)
        record[number] = png(size)
        recorded = RecordedData(partial(record.__getitem__, number), ("image/png",))
        outputs.feed(DataShown("r", record[number]), recorded)


def last_item(outputs: CellOutputs) -> tuple[RecordedData | None, str]:
    """The place of the data of the last output in the record, if memory does not hold it, and its words."""
    (*_, item) = outputs.items()
    assert isinstance(item, DataItem)
    return item.recorded, item.words


def held(outputs: CellOutputs) -> int:
    return sum(len(item.data["image/png"] or "") for item in outputs.items() if isinstance(item, DataItem))


def test_memory_holds_the_first_images_of_a_run_and_the_notebook_all() -> None:
    outputs = CellOutputs(CellLimits.of_cell(100))
    record: dict[int, dict[str, Any]] = {}
    shown_from(record, outputs, *[1_000_000] * 40, 10)
    assert held(outputs) == 10_000_010 and outputs.size == 10_000_010, "small ones are held anyway"
    stored = to_nbformat(outputs, "record")
    data = [o["data"].read() if isinstance(o["data"], RecordedData) else o["data"] for o in stored]
    assert data == list(record.values())
    assert outputs.images.total == 41 and not outputs.is_cut
    outputs.feed(OutputCleared("r", wait=False))
    assert outputs.size == 0
    shown_from(record, outputs, 9_000_000)
    assert held(outputs) == 9_000_000


def test_a_first_image_of_any_size_is_in_memory_for_the_reply() -> None:
    outputs = CellOutputs(CellLimits.of_cell(100))
    shown_from({}, outputs, 30_000_000, 20_000)
    assert held(outputs) == 30_000_000


def test_data_that_is_updated_later_is_the_new_data_wherever_the_old_one_was() -> None:
    outputs = CellOutputs(CellLimits.of_cell(100))
    shown_from({}, outputs, 10_400_000)
    old, new, last = (RecordedData(partial(png, size), ("image/png",)) for size in (1, 2, 3))
    outputs.feed(DataShown("r", png(500_000), display_id="d"), old)
    assert last_item(outputs) == (old, "")
    outputs.feed(DataUpdated("r", "d", png(400_000)), new)
    assert last_item(outputs) == (new, "") and outputs.size == 10_400_000
    outputs.feed(DataUpdated("r", "d", {"text/plain": "small"}))
    assert last_item(outputs) == (None, "small") and outputs.size == 10_400_005
    outputs.feed(DataUpdated("r", "elsewhere", png(700_000)), last)
    assert outputs.elsewhere["elsewhere"].recorded is last and outputs.size == 10_400_005


def test_words_of_data_that_memory_does_not_hold_are_kept_for_the_reply() -> None:
    outputs = CellOutputs(CellLimits.of_cell(100))
    shown_from({}, outputs, 10_400_000)
    html = {"text/html": "<b>" + "x" * 200_000 + "</b>", "text/plain": "words"}
    outputs.feed(DataShown("r", html), RecordedData(partial(dict, html), tuple(html)))
    recorded, words = last_item(outputs)
    assert recorded is not None and words == "words"


def test_a_progress_message_says_how_far_the_run_is_or_else_its_last_line() -> None:
    outputs = CellOutputs()
    outputs.feed(DataShown("r", {"text/plain": "one\ntwo"}))
    outputs.feed(out("begin\n"), at=1.0)
    assert outputs.latest.headline(1.0) == "begin" and outputs.latest.digest.lines == 3
    for step in (1, 2, 3):
        outputs.feed(out(f"step {step}/9\nsaved\n"), at=float(step))
    assert outputs.latest.headline(3.0) == "step 3/9 (33%), 1/s, about 6 s left"


def test_a_bar_of_a_widget_or_of_a_display_has_a_pace() -> None:
    for first, later in (
        (DataShown("r", VIEW, view="0/9"), lambda n: views(m=f"{n}/9")),
        (shown("0/9", "d"), lambda n: updated(f"{n}/9")),
    ):
        outputs = CellOutputs()
        outputs.feed(first)
        for step in (1, 2, 3):
            outputs.feed(later(step), at=float(step))
        assert outputs.latest.headline(3.0).startswith("3/9 (33%)")
