"""The live page's cells: any part of a record, drawn, and brought up to date by patches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.journal.events import (
    DataShown,
    DataUpdated,
    Entry,
    ErrorRaised,
    Event,
    ExecutionStarted,
    KernelChanged,
    NotebookEdited,
    Notice,
    OutputCleared,
    OutputDropped,
    ReplyHeaded,
    RunFinished,
    RunHeld,
    RunStarted,
    RunStatus,
    SessionClosed,
    SessionOpened,
    TextPrinted,
    WidgetsChanged,
    encode,
)
from jlab_tui.jupyter_extension.live_acts import Act
from jlab_tui.jupyter_extension.live_cells import (
    ITEMS_MAX,
    NAME_MAX,
    SOURCE_MAX,
    TOLD_MAX,
    UNREAD,
    WEIGHT_MAX,
    LiveFeed,
)
from jlab_tui.jupyter_extension.live_fragments import feed_html, patches_since, seconds
from jlab_tui.jupyter_extension.live_items import PARTS_MAX, LiveCell
from jlab_tui.jupyter_extension.live_markdown import MARKDOWN_MAX, blocks_of
from jlab_tui.jupyter_extension.live_outputs import (
    HEAD_CHARS,
    ROWS_MAX,
    SERIES_MAX,
    TAIL_CHARS,
    PicturePart,
    content_of,
    shown_data,
)
from jlab_tui.jupyter_extension.live_table import CELLS_MAX

PLOTLY = "application/vnd.plotly.v1+json"
VEGA = "application/vnd.vegalite."
WIDGET = {"application/vnd.jupyter.widget-view+json": {"model_id": "m1"}, "text/plain": "0 %"}
STYLED = {"text/html": "<style>td{color:red}</style><table><tr><td>1</td></tr></table>", "text/plain": "t"}


def run(number: int = 1, source: str = "1 + 1") -> RunStarted:
    return RunStarted(f"s-{number}", "execute_code", f"cell{number}", source)


def printed(text: str, number: int = 1, stream: str = "stdout", into: str = "") -> TextPrinted:
    return TextPrinted(f"s-{number}", stream, text, into)


def shown(data: dict[str, Any], number: int = 1, **more: Any) -> DataShown:
    return DataShown(f"s-{number}", data, **more)


def ended(status: RunStatus = RunStatus.OK, number: int = 1, **more: Any) -> RunFinished:
    return RunFinished(f"s-{number}", status, 0.31, **more)


def lines_of(events: Sequence[Event]) -> list[bytes]:
    return [encode(Entry(1000.0 + n, event)) for n, event in enumerate(events)]


def fold(lines: Sequence[bytes], feed: LiveFeed | None = None, offset: int = 0) -> LiveFeed:
    feed = feed or LiveFeed()
    for line in lines:
        feed.apply(line, 1, offset)
        offset += len(line)
    return feed


def drawn(*events: Event) -> str:
    return feed_html(fold(lines_of(events)), "s")


def page(markup: str) -> ElementTree.Element:
    return ElementTree.fromstring(f'<div id="feed">{markup}</div>')


EVENTS = st.one_of(
        st.builds(run, st.integers(1, 3), st.sampled_from(["x = 1", "", "<script>"])),
        st.builds(printed, st.sampled_from(["a\n", "b", "\r9%", "<i>"]), st.integers(1, 3), st.sampled_from(["stdout", "stderr"])),
        st.builds(shown, st.sampled_from([{"text/plain": "7"}, {"image/png": "iVBORw0KGgo="}, WIDGET, STYLED]), st.integers(1, 3),
                  display_id=st.sampled_from(["", "d"])),
        st.builds(DataUpdated, st.just("s-1"), st.just("d"), st.just({"text/plain": "8"})),
        st.builds(WidgetsChanged, st.just("s-1"), st.just({}), views=st.just({"m1": "50 %"})),
        st.builds(OutputCleared, st.sampled_from(["s-1", "s-2"]), st.booleans()),
        st.builds(ended, st.sampled_from([RunStatus.OK, RunStatus.ERROR, RunStatus.DIED]), st.integers(1, 3)),
        st.builds(ExecutionStarted, st.sampled_from(["s-1", "s-9"]), st.just(4)),
        st.builds(OutputDropped, st.just("s-1"), st.just(5), st.just("images"), st.just("")),
        st.builds(NotebookEdited, st.sampled_from(["add", "edit", "delete"]), st.sampled_from(["cell1", "cell2"]), st.just("y")),
        st.just(Notice("look")),
        st.builds(ReplyHeaded, st.sampled_from(["a", "b"]), st.just("The user says"), st.just("call")),
)  # fmt: skip


ACTS = st.builds(
    Act,
    st.uuids().map("h{}".format),
    st.floats(1000, 1030),
    st.sampled_from(["comment", "interrupt"]),
    st.sampled_from(["a", "b"]),
    st.just(("interrupt", "s-1")),
    st.sampled_from(["ada interrupted the kernel", "<b>"]),
    st.booleans(),
)


@given(st.lists(st.one_of(EVENTS, ACTS), max_size=25), st.data())
def test_a_page_and_its_patches_are_the_page_loaded_again(
    news: list[Event | Act], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(news)))
    feed = LiveFeed()

    def take(number: int, one: Event | Act) -> None:
        if isinstance(one, Act):
            feed.take_acts([one], feed.acts + 1)
        else:
            feed.apply(encode(Entry(1000.0 + number, one)), 1, feed.place[1])

    for number, one in enumerate(news[:cut]):
        take(number, one)
    tree, since, acts = page(feed_html(feed, "s")), feed.place, feed.acts
    for number, one in enumerate(news[cut:]):
        take(cut + number, one)
    for patch in patches_since(feed, "s", since, acts):
        (made,) = ElementTree.fromstring(f"<x>{patch.html}</x>")
        assert made.get("id") == patch.id
        parents = {child: parent for parent in tree.iter() for child in parent}
        by_id = {one.get("id"): one for one in tree.iter()}
        parent, next_one = by_id.get(patch.into), by_id.get(patch.before)
        if (known := by_id.get(patch.id)) is not None:
            parents[known][list(parents[known]).index(known)] = made
        elif next_one is not None:
            parents[next_one].insert(list(parents[next_one]).index(next_one), made)
        else:
            assert parent is not None and not patch.before
            parent.append(made)
        assert set(patch.as_json()) == {"id", "in", "before", "html"}
    assert ElementTree.tostring(tree) == ElementTree.tostring(page(feed_html(feed, "s")))
    assert patches_since(feed, "s", feed.place, feed.acts) == []


@given(st.lists(EVENTS, max_size=12), st.lists(ACTS, max_size=4), st.data())
def test_a_page_goes_on_from_a_reader_that_has_begun_later(
    events: list[Event], acts: list[Act], data: st.DataObject
) -> None:
    lines = lines_of(events)
    cut, known = data.draw(st.integers(0, len(lines))), data.draw(st.integers(0, len(acts)))
    earlier, later = fold(lines[:cut]), fold(lines)
    earlier.take_acts(acts[:known], known)
    later.take_acts(acts, len(acts))
    of_page = {one.get("id"): one for one in page(feed_html(earlier, "s"))}
    of_later = {one.get("id"): one for one in page(feed_html(later, "s"))}
    patched = {patch.id for patch in patches_since(later, "s", earlier.place, known)}
    for name in of_page.keys() & of_later.keys() - patched:
        inner = {one.get("id") for one in of_later[name].iter()}
        same = ElementTree.tostring(of_page[name]) == ElementTree.tostring(of_later[name])
        assert same or inner & patched
    assert of_later.keys() - of_page.keys() <= patched


def test_a_cell_shows_its_code_its_output_and_its_end() -> None:
    made = drawn(
        run(),
        ExecutionStarted("s-1", 13),
        printed("two\n"),
        shown({"text/plain": "2"}, execution_count=13),
        ended(),
    )
    words = "".join(page(made).itertext())
    assert "✓[13] execute_code310 ms1 + 1two2" in words
    assert 'class="head ok"' in made and '<time data-at="1000.000">' in made


@pytest.mark.parametrize(
    ("event", "state", "words"),
    [
        (ended(RunStatus.ERROR), "bad", "✗execute_code"),
        (ended(RunStatus.DIED, cause="killed by SIGKILL"), "bad", "killed by SIGKILL"),
        (ended(RunStatus.JOB_ENDED), "bad", "the job ended"),
        (ended(RunStatus.INTERRUPTED), "interrupted", "■execute_codeinterrupted"),
        (ended(RunStatus.LOST), "bad", "its end is unknown"),
    ],
)
def test_the_head_tells_how_a_run_ended(event: Event, state: str, words: str) -> None:
    made = drawn(run(), event)
    assert f'class="head {state}"' in made and words in "".join(page(made).itertext())


def test_a_run_that_goes_on_tells_since_when_and_a_held_one_waits() -> None:
    assert 'data-since="1000.000"' in drawn(run())
    held = RunHeld("s-1", "execute_code", "cell1", "rm()")
    assert 'class="head held"' in drawn(held) and "⏸" in drawn(held)
    assert 'class="head running"' in drawn(held, run())


def test_a_session_that_goes_on_elsewhere_or_ends_says_so() -> None:
    opened = SessionOpened("s", "name", "/n.ipynb", "k", "h", 1.0)
    feed = fold(lines_of([opened, opened, KernelChanged("k2", "restarted"), SessionClosed("done")]))
    texts = [item.text for item in feed.items if not isinstance(item, LiveCell)]
    assert texts == [
        "Taken over by another process of the client.",
        "Kernel: restarted. All variables are lost.",
        "Session closed: done",
    ]
    assert feed.opened["name"] == "name" and feed.closed == "done"


def test_markdown_is_prose_and_a_cell_that_has_not_run_becomes_its_run() -> None:
    assert '<div class="prose"><p><b>## &lt;b&gt;</b>\nof it</p></div>' in drawn(
        NotebookEdited("markdown", "m", "## <b>\nof it")
    )
    assert '<div class="prose"><p>a</p>' in drawn(NotebookEdited("add", "m", "a", cell_type="markdown"))
    long = drawn(NotebookEdited("markdown", "m", "x" * (SOURCE_MAX + 1)))
    assert "… the notebook has the rest" in long
    feed = fold(lines_of([NotebookEdited("add", "cell1", "old"), run(source="new")]))
    (cell,) = feed.items
    assert isinstance(cell, LiveCell) and cell.source == "new" and cell.status == "running"


def test_the_middle_of_long_text_is_left_out_and_counted() -> None:
    short = drawn(run(), printed("".join(f"line {n}\n" for n in range(100))))
    assert (
        "52 lines not shown here" in short
        and "line 7\n" in short
        and "line 8\n" not in short
        and "line 99" in short
    )
    feed = fold(lines_of([run(), *[printed(f"line {n:9d} {'x' * 80}\n") for n in range(5000)]]))
    made = feed_html(feed, "s")
    assert "4,952 lines not shown here" in made and "line      4999" in made and "line         7" in made
    assert sum(part.weight for item in feed.items if isinstance(item, LiveCell) for part in item.parts) <= (
        HEAD_CHARS + 2 * TAIL_CHARS
    )


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("row\n" * 35 + "\x1b[2J", ""),
        ("row\n" * 35 + "\x1b[2Jlast\n", "last"),
        ("row\n" * 3 + "\x1b[A\x1b[2K" * 3, ""),
        ("kept\n" + "row\n" * 3 + "\x1b[A\x1b[2K" * 3, "kept"),
        ("\n\nmeant\n\n", "\n\nmeant\n"),
    ],
)
def test_what_a_stream_has_erased_leaves_no_blank_rows_at_its_ends(text: str, seen: str) -> None:
    assert f'<pre class="text">{seen}</pre>' in drawn(run(), printed(text))


def test_a_line_without_an_end_is_left_out_in_characters() -> None:
    made = drawn(run(), *[printed("x" * 30_000) for _ in range(10)])
    assert "272,000 characters not shown here" in made


def test_a_very_long_cell_is_cut_and_says_so() -> None:
    assert "… the notebook has the rest" in drawn(run(source="x" * (SOURCE_MAX + 1)))


def test_each_stream_and_widget_has_a_part_of_its_own() -> None:
    feed = fold(
        lines_of([run(), printed("a"), printed("b"), printed("c", stream="stderr"), printed("d", into="w"), OutputCleared("s-1", False, "w")])
    )  # fmt: skip
    (cell,) = feed.items
    assert isinstance(cell, LiveCell) and len(cell.parts) == 2
    assert '<pre class="stderr">c</pre>' in feed_html(feed, "s") and ">ab<" in feed_html(feed, "s")


@pytest.mark.parametrize(
    "before", [shown({"text/plain": "42"}), ErrorRaised("s-1", "ValueError", "odd", ("Traceback",))]
)
def test_what_is_printed_after_a_result_or_a_traceback_stands_by_itself(before: Event) -> None:
    feed = fold(lines_of([run(), before, printed("more"), printed("\n"), printed("error", stream="stderr")]))
    (cell,) = feed.items
    assert isinstance(cell, LiveCell) and len(cell.parts) == 3
    assert '<pre class="text">more</pre>' in feed_html(feed, "s")


def testdisplays_are_remembered_while_they_are_shown() -> None:
    plain = {"text/plain": "1"}
    events: list[Event] = [run(), shown(WIDGET, display_id="d"), shown(plain, display_id="m1")]
    assert fold(lines_of(events)).displays.keys() == {"d", "m1"}
    for ending in (
        [OutputCleared("s-1", False)],
        [OutputCleared("s-1", True), printed("next")],
        [printed("x", stream=stream) for stream in ["stdout", "stderr"] * PARTS_MAX],
        [run(n) for n in range(2, ITEMS_MAX + 2)],
    ):
        assert fold(lines_of([*events, *ending])).displays == {}
    flood = [shown(plain, display_id=f"d{n}") for n in range(3 * PARTS_MAX)]
    assert len(fold(lines_of([run(), *flood])).displays) == PARTS_MAX
    kept = fold(lines_of([run(), *[shown(plain, display_id="d")] * (PARTS_MAX + 1), DataUpdated("s-1", "d", {"text/plain": "2"})]))  # fmt: skip
    assert feed_html(kept, "s").count(">2</pre>") == PARTS_MAX
    assert fold(lines_of([run(), shown(plain, display_id="d" * (NAME_MAX + 1))])).displays == {}


def test_outputs_that_wait_to_be_cleared_are_bounded() -> None:
    feed = fold(lines_of([run(), *[OutputCleared("s-1", True, f"w{n}") for n in range(3 * PARTS_MAX)]]))
    (cell,) = feed.items
    assert isinstance(cell, LiveCell) and len(cell.clears) == PARTS_MAX


def test_output_that_waits_for_the_next_is_replaced_by_it() -> None:
    made = drawn(run(), printed("old"), OutputCleared("s-1", True), printed("new"))
    assert "old" not in made and "new" in made


def test_an_update_replaces_what_is_shown() -> None:
    made = drawn(
        run(), shown({"text/plain": "1"}, display_id="d"), DataUpdated("s-1", "d", {"text/plain": "2"})
    )
    assert '"text">2<' in made and '"text">1<' not in made
    assert ">50 %<" in drawn(run(), shown(WIDGET), WidgetsChanged("s-1", {}, views={"m1": "50 %"}))
    assert ">0 %<" in drawn(run(), shown(WIDGET, view="0 %"))


def test_rich_data_is_shown_by_its_place() -> None:
    png = drawn(run(), shown({"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"}))
    assert (
        'src="live/output?session=s&amp;at=1.' in png
        and "type=image%2Fpng" in png
        and "iVBORw0KGgo=" not in png
    )
    both = drawn(run(), shown({"text/html": "<script>x</script>", "image/svg+xml": "<svg/>"}))
    assert "image%2Fsvg%2Bxml" in both and "iframe" not in both
    frame = drawn(run(), shown({"text/html": "<p>1</p>" * 30}))
    assert '<iframe height="520" sandbox="" src="live/output?' in frame and "<p>1" not in frame
    assert '<iframe height="175"' in drawn(run(), shown({"text/html": ["<p>1</p>"] * 5}))
    scripted = drawn(run(), shown({"text/html": "<SCRIPT>x</SCRIPT>"}))
    assert (
        '<iframe height="60" sandbox=""' in scripted and "Scripts of this output do not run here" in scripted
    )
    table = drawn(
        run(), shown({"text/html": "<table><tr><th>&lt;a&gt;<td colspan=2 rowspan=3>1</table>2 rows"})
    )
    assert '<tr><th>&lt;a&gt;</th><td colspan="2" rowspan="3">1</td></tr>' in table and ">2 rows<" in table
    assert "rows" not in drawn(run(), shown({"text/html": "<table><tr><td>1</table>"}))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"text/markdown": "# a", "text/plain": "b"}, "# a"),
        ({"text/latex": "x^2", "text/plain": "b"}, "x^2"),
        ({"application/json": {"a": [1]}}, '{\n  "a": [\n    1\n  ]\n}'),
        ({"application/javascript": "alert(1)"}, "[output of type application/javascript]"),
        (
            {"application/geo+json": {"a": 1}, "model/x": "y"},
            "[output of type application/geo+json, model/x]",
        ),
        (
            {"image/png": "not base64", "text/plain": "<Figure>"},
            "[The image cannot be drawn: its data are no image/png]\n<Figure>",
        ),
        ({"image/jpeg": "iVBORw0KGgo="}, "[The image cannot be drawn: its data are no image/jpeg]"),
        ({"image/png": "\u00e9", "image/gif": 5}, "[The image cannot be drawn: its data are no image/png]"),
        ({"text/plain": 5}, "[output of type text/plain]"),
        ({}, ""),
        ({PLOTLY: 5}, "[plotly figure: no traces; open the notebook to see it]"),
        (
            {PLOTLY: {"data": [{"type": "bar", "y": [1] * 99}, {}], "layout": {"title": {"text": "Loss"}}}},
            "[plotly figure 'Loss': bar, trace; open the notebook to see it]",
        ),
        (
            {
                PLOTLY: {"data": [{}] * (SERIES_MAX + 3), "layout": {"title": "Many"}},
                "text/html": "<script>x</script>",
            },
            f"[plotly figure 'Many': {', '.join(['trace'] * SERIES_MAX)}, 3 more; open the notebook to see it]",
        ),
        (
            {VEGA + "v5+json": {"mark": "line", "title": "a"}},
            "[Vega chart 'a': line; open the notebook to see it]",
        ),
        ({VEGA + "v5+json": {"mark": {"type": "bar"}}}, "[Vega chart: bar; open the notebook to see it]"),
        ({VEGA + "v5+json": {"layer": []}}, "[Vega chart: layers; open the notebook to see it]"),
    ],
)
def test_other_data_is_text(data: dict[str, Any], text: str) -> None:
    (cell,) = page(drawn(run(), shown(data)))
    assert "".join(cell[2].itertext()) == text


def test_much_json_and_html_are_looked_at_only_as_far_as_they_are_shown() -> None:
    made = drawn(run(), shown({"application/json": list(range(10**6))}))
    assert " …" in made and len(made) < 3 * TAIL_CHARS
    part = shown_data({"text/html": "<tr" * 10**6 + "<p>"}, (1, 1))
    assert isinstance(part, PicturePart) and part.rows == ROWS_MAX


def test_an_error_shows_its_name_and_its_traceback() -> None:
    made = drawn(run(), ErrorRaised("s-1", "ValueError", "<b>", ("\x1b[31mTrace\x1b[0m", "line 1")))
    assert '<summary class="error">ValueError: &lt;b&gt;</summary>' in made
    assert '<span class="ansi1">Trace</span>\nline 1' in made
    erasing = drawn(
        run(),
        ErrorRaised("s-1", "ValueError", "\x1b[2Jbad", ("Trace\nline 1", "ValueError: \x1b[2J\x1b[Hbad")),
    )
    assert ">ValueError: bad</summary>" in erasing and ">Trace\nline 1\nValueError: bad</pre>" in erasing
    assert ">ab</pre>" in drawn(run(), shown({"text/plain": "a\x1b[2Jb"}))
    assert ">KeyboardInterrupt<" in drawn(run(), ErrorRaised("s-1", "KeyboardInterrupt", "", ()))


TABLE = "before\n\n| a | <b> |\n|---|:-:|\n| 1 | x\\|y |\n| 2 |\nafter"


def test_tables_of_markdown_are_tables() -> None:
    for event in (shown({"text/markdown": TABLE}), NotebookEdited("markdown", "m", TABLE)):
        made = drawn(run(), event)
        assert '<p>before</p><table><tr><th>a</th><th class="words">&lt;b&gt;</th></tr>' in made
        assert (
            '<tr><td>1</td><td class="words">x|y</td></tr><tr><td>2</td><td class="words"></td></tr>' in made
        )
        assert "<p>after</p>" in made
    (cell,) = fold(lines_of([run(), shown({"text/markdown": TABLE})])).items
    assert isinstance(cell, LiveCell) and cell.parts[0].weight == len("before\n" + "a<b>1x|y2" + "after")
    long = drawn(run(), shown({"text/markdown": TABLE + "x" * MARKDOWN_MAX}))
    assert "<table>" not in long and "characters not shown here" in long


def act(
    number: int, action: str = "comment", text: str = "ada to the agent: look", outcome: bool = False
) -> Act:
    return Act(f"h-{number}", 1000.0 + number, action, f"d:{number}", (action, ""), text, outcome)


def texts(feed: LiveFeed) -> list[str]:
    return [item.source if isinstance(item, LiveCell) else item.text for item in feed.items]


def test_what_users_did_stands_where_it_was_done() -> None:
    feed = fold(lines_of([run(1, "one"), run(2, "two"), run(3, "three")]))
    assert feed.take_acts([act(1), act(9, "interrupt", "ada interrupted the kernel")], 2)
    look = "ada to the agent: look" + UNREAD
    assert texts(feed) == ["one", "two", look, "three", "ada interrupted the kernel"]
    assert 'class="note human" id="h-1"' in feed_html(feed, "s")
    assert not feed.take_acts([act(1)], 2), "it is known"
    since = feed.place
    feed.take_acts([act(10, "interrupt", "ada interrupted the kernel: done", outcome=True)], 3)
    assert texts(feed)[-1] == "ada interrupted the kernel: done" and len(feed.items) == 5
    assert [patch.id for patch in patches_since(feed, "s", since, 2)] == ["h-9"]
    fold(lines_of([ReplyHeaded("d:1", "The user says", "call"), ReplyHeaded("d:5", "x", "y")]), feed)
    assert texts(feed)[2] == "ada to the agent: look"
    feed.take_acts([replace(act(5), id="d:5")], 4)
    assert texts(feed)[-2] == "ada to the agent: look", "read before the page knew of it"
    assert not feed.take_acts([act(7)], 9, since=2000.0) and feed.acts == 9


def test_what_is_remembered_of_users_acts_is_bounded() -> None:
    feed = fold(lines_of([ReplyHeaded(f"d:{n}", "x", "y") for n in range(2 * TOLD_MAX)]), LiveFeed(keep=9))
    feed.take_acts([act(n) for n in range(40)], 40)
    feed.take_acts([act(n, "interrupt") for n in range(40)], 80)
    feed.take_acts([replace(act(n, "stop"), thing=("stop", str(n))) for n in range(40)], 120)
    assert len(feed.items) == 9 and feed.since == (0, 0)


def test_losses_are_counted() -> None:
    lost = OutputDropped("s-1", 700, "images", "the disk is full")
    made = drawn(run(), lost, replace(lost, count=800), OutputDropped("s-1", 1, "bytes", ""))
    assert "1,500 images of output were not recorded (the disk is full)" in made
    assert "1 bytes of output were not recorded<" in made


def test_of_very_many_outputs_the_last_are_kept() -> None:
    images = [shown({"image/png": "iVBORw0KGgo="}, display_id=f"d{n}") for n in range(PARTS_MAX + 5)]
    made = drawn(run(), *images)
    assert made.count("<img") == PARTS_MAX and "5 earlier outputs are not shown" in made
    assert "earlier" not in drawn(run(), *images, OutputCleared("s-1", False))


def test_of_many_cells_the_last_are_kept_and_a_page_before_them_is_told_to_load_again() -> None:
    events: list[Event] = [Notice("first")]
    for number in range(ITEMS_MAX + 9):
        events += [
            NotebookEdited("add", f"cell{number}", "x"),
            run(number),
            shown(WIDGET, number),
            ended(number=number),
        ]
    feed = fold(lines_of(events))
    assert len(feed.items) == ITEMS_MAX and feed.since > (1, 0) and feed.since < feed.place


def test_cells_with_very_much_text_go_earlier() -> None:
    events: list[Event] = [Notice("first")]
    for number in range(6):
        events.append(shown({"text/html": "<table><tr><td>1</table>"}, number))
        for stream in ["stdout", "stderr"] * 29:
            events.append(printed("x" * 40_000, number, stream))
        events.append(ended(number=number))
    feed = fold(lines_of(events))
    weights = [part.weight for item in feed.items if isinstance(item, LiveCell) for part in item.parts]
    assert WEIGHT_MAX / 2 < sum(weights) <= WEIGHT_MAX


def test_a_cell_that_leaves_takes_only_itself_along() -> None:
    feed = fold(
        lines_of(
            [
                NotebookEdited("add", "a", "1"),
                NotebookEdited("add", "a", "2"),
                NotebookEdited("delete", "b"),
                run(2),
                Notice("x"),
                run(),
            ]
        ),
        LiveFeed(keep=2),
    )
    (note, cell) = feed.items
    assert isinstance(cell, LiveCell) and cell.run == "s-1" and not isinstance(note, LiveCell)


@pytest.mark.parametrize(
    "line",
    [
        b"\n", b"{\n", b"[]\n", b"5\n", b"{}\n", b'{"k":"run"}\n', b'{"k":"text","t":"x"}\n', b'{"k":[],"t":1}\n',
        b'{"k":"data","t":1,"run":"s-1","data":5}\n', b'{"k":"later","t":1}\n', b"[" * 100_000 + b"\n",
        b'{"k":"finished","t":1,"run":"s-1","status":"ok","seconds":"x"}\n', b'{"k":"dropped","t":1,"run":"s-1","count":1e999}\n',
    ],
)  # fmt: skip
def test_a_damaged_or_unknown_line_changes_nothing_that_is_shown(line: bytes) -> None:
    feed = fold(lines_of([run(), printed("kept")]))
    before = feed_html(feed, "s")
    fold([line], feed, feed.place[1])
    assert feed_html(feed, "s") == before


def test_output_whose_beginning_was_not_read_has_a_place() -> None:
    assert "its code stands further up in the record" in drawn(printed("late"))


def test_content_is_read_from_a_line() -> None:
    (line,) = lines_of([shown({"image/png": "iVBORw0KGgo="})])
    assert content_of(line, "image/png") == "iVBORw0KGgo=" and content_of(line, "text/html") is None
    assert content_of(lines_of([run()])[0], "image/png") is None and content_of(b"{", "image/png") is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.31, "310 ms"),
        (2.44, "2.4 s"),
        (59.0, "59 s"),
        (133.0, "2m13s"),
        (11100.0, "3h05m"),
        (-1.0, ""),
        (float("nan"), ""),
    ],
)
def test_durations_are_short(value: float, text: str) -> None:
    assert seconds(value) == text


def test_a_time_that_is_none_is_the_epoch() -> None:
    feed = fold(
        [json.dumps({"v": 1, "t": float("inf"), "k": "notice", "text": "x", "level": "odd"}).encode() + b"\n"]
    )
    assert '<time data-at="0.000">' in feed_html(feed, "s") and 'class="note info"' in feed_html(feed, "s")


@pytest.mark.parametrize(
    "source",
    ["", "a", "a | b", "a | b\n---", "a | b\n--- | x", "a | b\n---", "| a |\n| - | - |", "```\na | b\n- | -\n```", "a | b\n--- | ---".replace("-", ":")],
)  # fmt: skip
def test_what_is_no_table_of_markdown_stays_text(source: str) -> None:
    assert blocks_of(source) == [source]


def test_a_table_of_markdown_is_found_in_a_time_and_a_size_that_are_bounded() -> None:
    bars = "|" * (MARKDOWN_MAX // 2)
    assert all(isinstance(block, str) for block in blocks_of(bars + "\n" + bars))
    row = "a | b | c\n"
    many = blocks_of(row + "- | - | -\n" + row * (CELLS_MAX // 3) + "\n" + row + "- | - | -\n")
    assert all(isinstance(block, str) for block in many), "too many cells stay text"
    for odd in ("![" * 90_000, "![](data:" * 20_000, "![a](data:image/png;base64," + "A" * 100_000 + ")"):
        (block,) = blocks_of(odd)
        assert isinstance(block, str)
    assert blocks_of("x ![plot](data:image/png;base64,AAAA) y") == ["x [image plot] y"]
