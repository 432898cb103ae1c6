"""Every reply stays within its limits."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.journal.events import (
    DataShown,
    DataUpdated,
    ErrorRaised,
    OutputCleared,
    RunStatus,
    TextPrinted,
)
from jlab_tui.core.journal.run_use import RunUse
from jlab_tui.core.notebook.output_format import to_nbformat
from jlab_tui.core.notebook.output_items import IMAGE_BUDGET, TEXT_HALF
from jlab_tui.core.notebook.outputs import CellOutputs
from jlab_tui.core.reply.compose import IMAGES_MAX, Part, ReplyImage, RunFacts, compose, fit
from jlab_tui.core.reply.rerun import RanCell, rerun_rows

Output = TextPrinted | DataShown | DataUpdated | OutputCleared | ErrorRaised
IMAGE = ReplyImage(1, "image/png", "AAAA")
PARTS = st.lists(st.just(IMAGE) | st.integers(0, 5000).map(lambda size: "x" * size), max_size=60)


@given(PARTS, st.integers(1000, 30_000))
def test_any_parts_keep_to_the_budget(parts: list[Part], budget: int) -> None:
    fitted = fit(parts, budget)
    assert sum(len(part) for part in fitted if isinstance(part, str)) <= budget + 200
    assert sum(isinstance(part, ReplyImage) for part in fitted) <= IMAGES_MAX


@given(PARTS)
def test_what_fits_stays_unchanged(parts: list[Part]) -> None:
    images = sum(isinstance(part, ReplyImage) for part in parts)
    assert fit(parts, 400_000, images) == parts


def test_a_long_text_gives_way_to_short_ones() -> None:
    first, second, last = fit(["head", "x" * 50_000, "the error"], 20_000)
    assert (first, last) == ("head", "the error")
    assert isinstance(second, str) and 19_000 < len(second) < 20_000 and "characters cut" in second


@pytest.mark.parametrize(("texts", "images"), [(0, 25), (900, 25), (900, 0)])
def test_what_is_left_out_is_counted(texts: int, images: int) -> None:
    fitted = fit([*["some text of an output" * 20] * texts, *[IMAGE] * images], 20_000)
    note = fitted[-1]
    assert isinstance(note, str) and "the reply is full" in note
    shown = [sum(isinstance(part, kind) for part in fitted[:-1]) for kind in (str, ReplyImage)]
    for total, seen, name in zip((texts, images), shown, ("text", "image"), strict=True):
        assert (f"{total - seen} more {name}" in note) == (total > seen)


RUN = "a-1"
FACTS = RunFacts(RUN, "a", RunStatus.OK, 1.0, 1)


def test_a_cut_names_what_the_record_has_not_either() -> None:
    outputs = CellOutputs()
    outputs.feed(TextPrinted(RUN, "stdout", "x\n" * (TEXT_HALF // 2)))
    outputs.not_recorded(3_000_000)
    outputs.feed(TextPrinted(RUN, "stdout", "the end\n"))
    text = str(compose(FACTS, outputs, 20_000).parts[0])
    assert "the record has all but 3,000,000 characters" in text
    assert " lines cut" not in text, "nobody has counted them"
    stored = json.dumps(to_nbformat(outputs, "read_output(...)"))
    assert "left out; all but 3,000,000 characters: read_output" in stored


def told(*events: Output) -> list[str]:
    """The texts of a reply without its last, which tells how the run stands."""
    outputs = CellOutputs()
    for event in events:
        outputs.feed(event)
    return [part for part in compose(FACTS, outputs, 20_000).parts if isinstance(part, str)][:-1]


def out(text: str) -> TextPrinted:
    return TextPrinted(RUN, "stdout", text)


def err(text: str) -> TextPrinted:
    return TextPrinted(RUN, "stderr", text)


def raised(name: str, text: str = "") -> ErrorRaised:
    return ErrorRaised(RUN, name, text, (f"\x1b[31m{name}\x1b[0m: {text}",))


def test_a_page_gives_its_words_and_then_its_images() -> None:
    outputs = CellOutputs()
    outputs.feed(DataShown(RUN, {"text/html": "<p>Loss</p><img src='data:image/png;base64,AAAA'>"}))
    outputs.feed(DataShown(RUN, {"text/html": "<pre></pre>", "text/plain": ""}))
    assert compose(FACTS, outputs, 20_000).parts[:-1] == ["Loss", IMAGE]


def test_a_long_progress_bar_is_one_line() -> None:
    updates = [f"\r{at:6d}/20000 |{'#' * 20}| and so on" for at in range(20_000)]
    assert told(*map(err, updates)) == [updates[-1].lstrip("\r")]


def test_what_is_left_out_between_small_outputs_is_counted_where_it_was() -> None:
    (text,) = told(*(DataShown(RUN, {"text/plain": str(number)}) for number in range(3000)))
    head, note, tail = re.split(r"\n(\.\.\. .*\.\.\.)\n", text)
    assert "1,000 outputs left out" in note and "offset=999)" in note
    assert (head.splitlines()[-1], tail.splitlines()[0], tail.splitlines()[-1]) == ("999", "2000", "2999")


def test_what_two_streams_print_is_not_run_together() -> None:
    bar = "\r{}%|###  |"
    shown = told(err(bar.format(20)), err(bar.format(40)), out("epoch 1\n"), err(bar.format(60)))
    assert shown == ["40%|###  |\nepoch 1\n60%|###  |"]


def test_every_exception_is_reported_and_the_last_one_last() -> None:
    shown = told(out("before"), raised("FirstError"), out("between\n"), raised("LastError"), out("after\n"))
    assert shown == ["before\nFirstError: \nbetween\nafter", "LastError: "]


@pytest.mark.parametrize("size", [0, 3000])
def test_a_cut_names_the_call_that_reads_on_from_it(size: int) -> None:
    lines = [f"line {number} {'x' * (size + number % 50)}" for number in range(1000)]
    (text,) = told(DataShown(RUN, {"text/plain": "\n".join(lines)}), out("the end\n"))
    head, found, tail = re.split(r"\n\.\.\. .*read_output\(run_id=.a-1., offset=(\d+)\).*\.\.\.\n", text)
    rows = [line[at : at + 2000] for line in lines for at in range(0, len(line), 2000)]
    assert "".join(rows[: int(found)]) == head.replace("\n", "")
    assert tail.endswith("the end")


def test_the_numbers_of_hidden_images_can_be_asked_for_as_they_stand() -> None:
    images = [DataShown(RUN, {"image/png": str(number)}) for number in range(30)]
    (text,) = told(*images)
    assert "20 more images not shown, the last is 30" in text
    assert 'read_output(run_id="a-1", images=[11, 12, 13, 14, 15, 16, 17, 18, 19, 20])' in text


def test_images_that_only_the_record_holds_are_described_in_one_line() -> None:
    (text,) = told(*(DataShown(RUN, {"image/png": "A" * (4 << 20)}) for _ in range(4)))
    assert text.startswith("[3 more images not shown, the last is 4; see them with") and "\n" not in text
    assert told(DataShown(RUN, {"image/png": "A" * (IMAGE_BUDGET + 1)}))[0].startswith(
        "[1 more image not shown"
    )


def test_an_exception_of_any_size_keeps_its_ends_in_reply_and_notebook() -> None:
    error = raised("ValueError", "begins " + "x" * 5_000_000 + " ends")
    (text,) = told(error)
    assert text.startswith("ValueError: begins") and text.endswith(" ends") and len(text) < 10_000
    assert 'cut; more of it: read_output(run_id="a-1", tail=1000)' in text
    outputs = CellOutputs()
    outputs.feed(error)
    (stored,) = to_nbformat(outputs, "the record")
    kept = "\n".join(stored["traceback"])
    assert kept.startswith("\x1b[31mValueError") and kept.endswith(" ends")
    assert " left out; all of it: the record" in kept
    assert len(kept) + len(stored["evalue"]) < 4 * TEXT_HALF


@pytest.mark.parametrize(
    ("printed", "last"),
    [
        (["one\n", "two", "\n", "\n"], "two"),
        (["\x1b[32mepoch 3\x1b[0m loss 0.1\n"], "epoch 3 loss 0.1"),
        (["outer: 0%\n", "\rinner: 10%", "\x1b[A", "\n\rinner: 20%", "\x1b[A"], "inner: 20%"),
        ([f"\r{at}%|####|" for at in range(3000)], "2999%|####|"),
        (["x" * 5000 + "end"], "x" * 1997 + "end"),
        ([], ""),
    ],
)
def test_the_last_line_is_the_one_that_a_terminal_shows(printed: list[str], last: str) -> None:
    outputs = CellOutputs()
    for text in printed:
        outputs.feed(out(text))
    assert outputs.last_line == last


def ran(number: int, *events: TextPrinted | DataShown | ErrorRaised) -> RanCell:
    outputs = CellOutputs()
    for event in events:
        outputs.feed(event)
    return RanCell(f"c{number}", f"a-{number}", RunStatus.ERROR if outputs.error else RunStatus.OK, outputs)


def test_cells_that_ran_again_are_listed_with_short_outputs() -> None:
    image = DataShown("r", {"image/png": "AAAA"})
    rows, left_out = rerun_rows(
        [
            ran(1, out("x" * 5000)),
            ran(2),
            ran(3, out("hello\n"), image),
            ran(4, raised("ValueError", "no")),
        ],
        20_000,
    )
    assert left_out == 0 and [row["state"] for row in rows] == ["ok", "ok", "ok", "error"]
    assert len(rows[0]["output"]) < 1100 and "characters cut" in rows[0]["output"] and "output" not in rows[1]
    assert rows[2]["output"] == "hello\n[image 1]" and rows[3]["error"] == "ValueError: no"


def test_an_exception_that_a_tag_announces_is_marked() -> None:
    cells = [replace(ran(1, raised("ValueError", "no")), may_raise=True), replace(ran(2), may_raise=True)]
    cells.append(replace(ran(3, raised("KeyboardInterrupt")), may_raise=True, status=RunStatus.INTERRUPTED))
    (first, second, stopped), _ = rerun_rows(cells, 20_000)
    assert first["tag"].startswith("raises-exception") and "tag" not in second
    assert "tag" not in stopped, "an interrupt stops the cells after it"


@pytest.mark.parametrize("count", [100, 150, 1000])
def test_a_notebook_of_any_length_that_was_run_again_fits_one_reply(count: int) -> None:
    cells = [ran(number, out("y" * 500)) for number in range(count)]
    cells[count // 2] = ran(count // 2, raised("ValueError", "no"))
    rows, left_out = rerun_rows(cells, 20_000)
    assert len(json.dumps(rows, indent=1)) < 24_000
    assert [row["cell"] for row in rows if row["state"] == "error"] == [f"c{count // 2}"]
    assert len(rows) + left_out == count


def parts_of(facts: RunFacts, *events: Output, budget: int = 20_000) -> list[Part]:
    outputs = CellOutputs()
    for event in events:
        outputs.feed(event)
    return compose(facts, outputs, budget).parts


RUNNING = replace(FACTS, status=RunStatus.RUNNING)
DIED = replace(FACTS, status=RunStatus.DIED)


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        (FACTS, "([1] run a-1: ok, no output, 1.0 s)"),
        (replace(FACTS, execution_count=None), "(run a-1: ok, no output, 1.0 s)"),
        (replace(FACTS, execution_count=0), "([0] run a-1: ok, no output, 1.0 s)"),
        (RUNNING, '([1] run a-1) Still running after 1.0 s; it continues. Call wait_for_run(run_id="a-1") for the rest.'),
        (replace(RUNNING, has_started=False), '([1] run a-1) Sent 1.0 s ago, but the kernel has not started it yet; it continues. Call wait_for_run(run_id="a-1") for the rest.'),
        (replace(RUNNING, has_started=False, waits_for_other=True), "([1] run a-1) Queued for 1.0 s: the user's own code is running on this kernel; yours comes after it; it continues. Call wait_for_run(run_id=\"a-1\") for the rest."),
        (replace(FACTS, status=RunStatus.ERROR), "([1] run a-1: the code raised an exception after 1.0 s)"),
        (replace(FACTS, status=RunStatus.INTERRUPTED), "([1] run a-1: interrupted after 1.0 s)"),
        (replace(FACTS, status=RunStatus.INTERRUPTED, cell="c"), "([1] run a-1: interrupted after 1.0 s; the kernel keeps its variables)"),
        (DIED, "Error: KernelDied: the kernel process ended\nAll variables and imports are lost. ([1] run a-1, 1.0 s)"),
        (replace(DIED, cell="c", cause="out of memory"), "Error: KernelDied: out of memory\nAll variables and imports are lost; the session stays usable with a restarted kernel. ([1] run a-1, 1.0 s)"),
        (replace(DIED, cell="c", is_over=True), "Error: KernelDied: the kernel process ended\nAll variables and imports are lost and the session is over; open its notebook again with start_session_resume_notebook. ([1] run a-1, 1.0 s)"),
        (replace(FACTS, status=RunStatus.ABORTED, cause="An earlier cell failed."), "([1] run a-1: not run. An earlier cell failed.)"),
        (replace(FACTS, status=RunStatus.DECLINED, cause="The user declined it."), "([1] run a-1: not run. The user declined it.)"),
        (replace(FACTS, status=RunStatus.HELD, execution_count=None), '(run a-1) Held for 1.0 s: the user looks at the code before it runs, and it has not run yet. Call wait_for_run(run_id="a-1") for what comes of it.'),
        (replace(FACTS, status=RunStatus.JOB_ENDED, cause="The job ended."), "The job ended. ([1] run a-1, after 1.0 s; output up to then is above)"),
        (replace(FACTS, status=RunStatus.LOST), "Error: The end of the run was not seen. ([1] run a-1, after 1.0 s)"),
        (replace(FACTS, status=RunStatus.LOST, cause="Gone."), "Error: Gone. ([1] run a-1, after 1.0 s)"),
    ],
)  # fmt: skip
def test_the_last_line_says_how_the_run_stands_and_what_to_call_next(facts: RunFacts, line: str) -> None:
    assert parts_of(facts) == [line]


@pytest.mark.parametrize(
    "event", [out("x"), DataShown(RUN, {"text/plain": "x"}), DataUpdated(RUN, "d", {"text/plain": "x"})]
)
def test_a_run_with_any_output_is_not_reported_as_without(event: Output) -> None:
    assert parts_of(FACTS, event)[-1] == "([1] run a-1: ok, 1.0 s)"


def test_a_run_that_continues_shows_at_most_300_characters_of_its_last_line() -> None:
    assert str(parts_of(RUNNING, out("epoch 1\n"))[-1]).endswith(" for the rest. Last line: epoch 1")
    assert str(parts_of(RUNNING, out("x" * 500))[-1]).endswith(f"Last line: {'x' * 300}")


def test_notes_stand_below_the_last_line() -> None:
    assert parts_of(replace(FACTS, notes=("one", "two")))[1:] == ["one", "two"]


def test_an_output_of_an_earlier_cell_is_announced() -> None:
    image = DataUpdated(RUN, "d", {"image/png": "AAAA"})
    assert parts_of(FACTS, out("x\n"), image)[:2] == [
        "x\n[an output of an earlier cell changed to:]",
        ReplyImage(1, "image/png", "AAAA"),
    ]
    assert told(
        DataShown(RUN, {"text/plain": "1"}, display_id="d"), DataUpdated(RUN, "d", {"text/plain": "2"})
    ) == ["2"]


def test_cleared_images_are_not_counted_as_hidden() -> None:
    image = DataShown(RUN, {"image/png": "AAAA"})
    assert parts_of(FACTS, image, OutputCleared(RUN, wait=False), image)[0] == ReplyImage(
        2, "image/png", "AAAA"
    )
    assert len(parts_of(FACTS, image, OutputCleared(RUN, wait=False), image)) == 2


def test_one_hidden_image_is_described_in_the_singular() -> None:
    (text,) = told(*(DataShown(RUN, {"image/png": str(number)}) for number in range(IMAGES_MAX + 1)))
    assert (
        text
        == f'[1 more image not shown, the last is 11; see them with read_output(run_id="{RUN}", images=[11])]'
    )


def test_other_data_that_only_the_record_holds_is_reported_where_it_was() -> None:
    events = [DataShown(RUN, {"application/json": {"a": "x" * (4 << 20)}}) for _ in range(2)]
    assert told(out("first\n"), *events)[0].endswith("is only in the run's record]")


def test_the_reply_counts_what_it_does_not_show() -> None:
    outputs = CellOutputs()
    outputs.feed(out("x" * 30_000))
    for number in range(12):
        outputs.feed(DataShown(RUN, {"image/png": str(number)}))
    reply = compose(FACTS, outputs, 5_000)
    text = next(part for part in reply.parts if isinstance(part, str))
    assert (reply.cut_chars, reply.hidden_images) == (
        30_000 - text.count("x") + text.count("characters") - 1,
        2,
    )


@given(
    st.lists(st.sampled_from(["x" * 9, "line\n" * 700, "y" * 6000]).map(out) | st.just(raised("E", "z" * 3000))
             | st.just(DataShown(RUN, {"image/png": "AAAA"})) | st.just(DataShown(RUN, {"text/plain": "w" * 900})), max_size=12),
    st.integers(2_000, 30_000),
)  # fmt: skip
def test_any_reply_keeps_to_its_budget_and_shows_both_ends(events: list[Output], budget: int) -> None:
    outputs = CellOutputs()
    for event in events:
        outputs.feed(event)
    reply = compose(FACTS, outputs, budget)
    texts = [part for part in reply.parts if isinstance(part, str)]
    assert sum(map(len, texts)) <= budget + 200 + 400 * len(texts)
    assert (reply.cut_chars > 0) == any("characters" in text and "cut; read on" in text for text in texts)
    if outputs.error is not None:
        assert texts[-2].startswith("E: z")


@pytest.mark.parametrize(
    ("sizes", "budget", "fits"),
    [([50, 50], 100, True), ([50, 51], 100, False), ([101], 100, False), ([100], 100, True), ([150, 150], 300, True)],
)  # fmt: skip
def test_texts_are_cut_only_where_they_do_not_fit(sizes: list[int], budget: int, fits: bool) -> None:
    texts = ["x" * size for size in sizes]
    assert (fit(texts, budget) == texts) == fits


def test_a_text_that_is_just_too_long_beside_a_short_one_is_cut_and_not_left_out() -> None:
    short, cut = fit(["x" * 10, "y" * 395], 400)
    assert short == "x" * 10 and "characters cut" in str(cut) and len(str(cut)) <= 390


@pytest.mark.parametrize(
    ("sizes", "budget", "kept"),
    [
        ([30_000, 100], 5000, [4900, 100]),
        ([1000, 30_000, 100], 5000, [1000, 3900, 100]),
        ([30_000] * 3, 5000, [1667] * 3),
        ([30_000] * 9, 900, [200] * 9),
    ],
)
def test_what_short_outputs_leave_over_the_long_ones_share(
    sizes: list[int], budget: int, kept: list[int]
) -> None:
    events: list[Output] = []
    for size in sizes:
        events += [out("_" * size), DataShown(RUN, {"image/png": "AAAA"})]
    shown = [part for part in parts_of(FACTS, *events, budget=budget) if isinstance(part, str)]
    letters = [text.count("_") - text.count("read_output") for text in shown[: len(sizes)]]
    assert all(abs(seen - wanted) <= 2 for seen, wanted in zip(letters, kept, strict=True)), letters


@pytest.mark.parametrize(
    ("lines", "note"),
    [
        (["x" * 3000], "2,000 characters cut"),
        (["a" * 250, "x" * 3000, "b" * 600], "3,001 characters cut"),
        (["a" * 250, "x" * 1500, "x" * 1500, "b" * 600], "3,002 characters, about 2 lines cut"),
    ],
)
def test_a_cut_counts_its_lines_where_there_are_several(lines: list[str], note: str) -> None:
    (text, _) = parts_of(FACTS, out("\n".join(lines)), budget=1000)
    assert f"... {note}; read on" in str(text)


def of_a_long_run(*later: Output) -> CellOutputs:
    """Outputs of which 1,000,000 characters are not in memory."""
    outputs = CellOutputs()
    for event in (out("x" * (2 * TEXT_HALF + 1_000_000)), *later):
        outputs.feed(event)
    return outputs


def test_a_reply_counts_what_memory_lacks_besides_its_own_cuts() -> None:
    whole = compose(FACTS, of_a_long_run(), 4_000_000)
    (text, _) = whole.parts
    assert isinstance(text, str) and text.count("\n") == 2 and whole.cut_chars == 1_000_000
    assert compose(FACTS, of_a_long_run(), len(text)) == whole
    assert compose(FACTS, of_a_long_run(), len(text) - 1).cut_chars > 1_000_000


def test_what_memory_has_not_is_counted_at_the_first_cut_alone() -> None:
    image = DataShown(RUN, {"image/png": "AAAA"})
    reply = compose(FACTS, of_a_long_run(image, out("y\n" * 10_000)), 5000)
    first, _, second, _ = map(str, reply.parts)
    notes = [
        re.search(r"\.\.\. ([\d,]+) characters(, about .* lines)? cut", text) for text in (first, second)
    ]
    counts = [int(note[1].replace(",", "")) for note in notes if note]
    assert counts[0] > 1_000_000 and sum(counts) == reply.cut_chars
    assert [bool(note and note[2]) for note in notes] == [False, True], (
        "nobody has counted the first one's lines"
    )


def test_a_cut_behind_what_memory_has_not_names_no_row_that_nobody_has_counted() -> None:
    image = DataShown(RUN, {"image/png": "AAAA"})
    reply = compose(FACTS, of_a_long_run(image, out("y\n" * 10_000)), 5000)
    first, _, second, _ = map(str, reply.parts)
    assert 'cut; read on with read_output(run_id="a-1", offset=0)' in first
    assert 'cut; read its end with read_output(run_id="a-1", tail=1000), or search it with grep' in second


def test_an_image_before_what_is_left_out_takes_no_row_of_the_text() -> None:
    image = DataShown(RUN, {"image/png": "AAAA"})
    first, second = told(out("one\n"), image, *(DataShown(RUN, {"text/plain": "x"}) for _ in range(3000)))
    assert first == "one" and "outputs left out" in second
    assert f"offset={second.partition('...')[0].count('x')})" in second, "the row of the last x"


@pytest.mark.parametrize("status", [RunStatus.ERROR, RunStatus.INTERRUPTED, RunStatus.RUNNING])
def test_of_too_many_cells_those_that_did_not_end_well_are_listed(status: RunStatus) -> None:
    cells = [ran(number, out("x")) for number in range(30)]
    cells[3] = replace(cells[3], status=status)
    rows, left_out = rerun_rows(cells, 1200)
    assert ([row["cell"] for row in rows], left_out) == (["c3"], 29)
    assert rerun_rows([], 1200) == ([], 0)


def test_cells_that_all_have_room_for_a_row_are_all_listed() -> None:
    cells = [ran(number, out("x")) for number in range(10)]
    assert [len(rerun_rows(cells, budget)[0]) for budget in (1200, 1199)] == [10, 0]
    failed = [ran(number, raised("E")) for number in range(3)]
    assert [row["cell"] for row in rerun_rows(failed, 100)[0]] == ["c2"], (
        "there is room for the last one in any reply"
    )


def test_a_cell_has_no_output_in_its_row_where_there_is_no_room() -> None:
    cells = [ran(number, out("x" * 50)) for number in range(10)]
    assert [("output" in row) for row in rerun_rows(cells, 2000)[0]] == [True] * 10
    assert [("output" in row) for row in rerun_rows(cells, 1990)[0]] == [False] * 10
    assert len(rerun_rows([ran(1, raised("E", "y" * 999))], 2000)[0][0]["error"]) == 300


def test_text_that_leaves_nothing_on_a_terminal_takes_no_line() -> None:
    assert told(DataShown(RUN, {"text/plain": "1"}), err("\x1b[K"), DataShown(RUN, {"text/plain": "2"})) == [
        "1\n2"
    ]
    shown = [DataShown(RUN, {"text/plain": str(number)}) for number in range(3000)]
    (text,) = told(err("\x1b[K"), *shown[1:])
    assert "offset=998)" in text, "not counted as one, either"


def test_blank_output_is_no_part_of_a_reply() -> None:
    assert told(out("\n \n")) == []


def test_one_part_that_finds_no_room_is_described_in_the_singular() -> None:
    assert str(fit([IMAGE] * 2, 20_000, 1)[-1]).startswith("[the reply is full: 1 more image left out")
    assert str(fit([IMAGE] * 3, 20_000, 1)[-1]).startswith("[the reply is full: 2 more images left out")
    assert fit(["x" * 200] * 3, 200)[1:] == [
        "[the reply is full: 2 more texts left out; ask for fewer at once]"
    ]


def test_a_cut_counts_the_rows_of_the_outputs_before_it() -> None:
    image = DataShown(RUN, {"image/png": "AAAA"})
    first, second = told(out("a\n" * 100), image, out("b\n" * 20_000))
    head, note, _ = re.split(r"\n(\.\.\. .*)\n", second)
    assert first.count("a") == 100 and re.search(r"about 1\d,\d{3} lines cut", note)
    assert f"offset={100 + head.count('b')})" in note


def training(lines: int, status: RunStatus) -> str:
    outputs = CellOutputs()
    for step in range(1, lines + 1):
        text = (
            f"epoch {1 + step // 101}/20 step {step}/2000 loss={0.1 + 2 / step:.4f} acc: {step / 2500:.3f}\n"
        )
        outputs.feed(TextPrinted(RUN, "stdout", text), at=1e9 + step / 4)
    facts = RunFacts(RUN, "abc", status, lines / 4, 3, now=1e9 + lines / 4)
    return "\n".join(part for part in compose(facts, outputs, 20_000).parts if isinstance(part, str))


def test_of_a_long_training_the_model_reads_its_numbers_in_place_of_its_lines() -> None:
    running = training(1900, RunStatus.RUNNING)
    assert len(running) < 2500
    assert "\nloss: first 2.1, last 0.1011, min 0.1011 (line 1,739), max 2.1 (line 0)\n" in running
    assert "about 1,8" in running and "step 1,900/2,000 (95%), 4/s, about 25 s left; it continues" in running
    assert running.count("Numbers in all 1,900 lines") == 1 and 'series=["loss", "acc"]' in running
    ended = training(2000, RunStatus.OK)
    assert len(ended) < 2500 and "loss: first 2.1, last 0.101," in ended and ended.endswith("ok, 500.0 s)")


def test_a_short_training_is_read_line_by_line() -> None:
    assert training(150, RunStatus.OK).count("loss=") == 150


def test_the_numbers_stand_behind_the_first_cut_alone() -> None:
    outputs = CellOutputs()
    for _ in range(2):
        outputs.feed(TextPrinted(RUN, "stdout", "".join(f"loss={n / 7:.2f}\n" for n in range(400))))
        outputs.feed(DataShown(RUN, {"image/png": "AAAA"}))
    reply = compose(RunFacts(RUN, "abc", RunStatus.OK, 1.0, 3), outputs, 20_000)
    text = "\n".join(map(str, reply.parts))
    assert text.count("Numbers in all") == 1 and text.count(" cut; read on") == 2 and len(text) < 2500


def test_a_reply_says_what_a_long_run_used() -> None:
    use = RunUse(340.0, 900.0, 62_464.0, 93.0)
    ends = [
        compose(RunFacts(RUN, "abc", status, 340.0, 3, use=use), CellOutputs(), 9000).parts[-1]
        for status in (RunStatus.OK, RunStatus.ERROR)
    ]
    assert ends == [
        "([3] run a-1: ok, no output, 340.0 s, peak 61 GiB GPU, GPU 93%)",
        "([3] run a-1: the code raised an exception after 340.0 s, peak 61 GiB GPU, GPU 93%)",
    ]
