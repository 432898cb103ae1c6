"""What the live page reads of the journals, and what it says of the sessions, the job and the machine."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.journal.events import (
    DataShown,
    Entry,
    Event,
    ExecutionStarted,
    HumanActed,
    NotebookEdited,
    Notice,
    RunFinished,
    RunHeld,
    RunStarted,
    RunStatus,
    SessionClosed,
    SessionOpened,
    TextPrinted,
    encode,
)
from jlab_tui.jupyter_extension.live_acts import KEPT, TEXT_MAX, LiveActs, act_of
from jlab_tui.jupyter_extension.live_cells import LiveFeed
from jlab_tui.jupyter_extension.live_files import ClosedSessions, open_sessions, places_of, text_of
from jlab_tui.jupyter_extension.live_fragments import feed_html
from jlab_tui.jupyter_extension.live_items import LiveCell
from jlab_tui.jupyter_extension.live_job import LiveJob, job_here, job_html, with_record
from jlab_tui.jupyter_extension.live_journal import LiveJournal, line_at, run_of, time_at
from jlab_tui.jupyter_extension.live_overview import CLOSED_MAX, LiveOverview
from jlab_tui.jupyter_extension.live_surroundings import (
    KernelNow,
    SessionLine,
    as_it_is,
    mebibytes,
    meters_html,
    sessions_html,
)

OPENED = SessionOpened("s", "train", "/p/notebooks/train.ipynb", "k", "h", 1.0)


def written(path: Path, *events: Event) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(b"".join(encode(Entry(1000.0, event)) for event in events))
    return path


def cells(first: int, last: int, output: str = "out\n") -> list[Event]:
    found: list[Event] = []
    for number in range(first, last):
        found += [
            RunStarted(f"s-{number}", "execute_code", f"c{number}", f"x = {number}"),
            TextPrinted(f"s-{number}", "stdout", output),
            RunFinished(f"s-{number}", RunStatus.OK, 0.1),
        ]
    return found


def sources(feed: LiveFeed) -> list[str]:
    return [item.source for item in feed.items if isinstance(item, LiveCell)]


def test_files_of_a_session_are_found_wherever_they_lie_and_no_other_name_is(tmp_path: Path) -> None:
    for name in (
        "closed/s.1.jsonl",
        "s.2.jsonl",
        "s.10.jsonl",
        "s2.1.jsonl",
        "s.x.jsonl",
        "s.3.jsonl.gz",
        "../s.4.jsonl",
    ):
        written(tmp_path / "d" / name, OPENED)
    found = places_of(str(tmp_path / "d"), "s")
    assert [epoch for epoch, _ in found] == [1, 2, 10]
    assert open_sessions(str(tmp_path / "d")) == {"s": found[-1][1], "s2": str(tmp_path / "d" / "s2.1.jsonl")}
    assert open_sessions(str(tmp_path / "none")) == {} == open_sessions("")
    assert places_of(str(tmp_path / "d"), "../s") == []


def test_the_last_cells_come_first_and_the_others_on_demand(tmp_path: Path) -> None:
    written(tmp_path / "s.1.jsonl", OPENED, *cells(0, 5))
    written(tmp_path / "s.2.jsonl", OPENED, *cells(5, 12))
    journal = LiveJournal(str(tmp_path), "s")
    feed = journal.last_cells(4)
    got = [sources(feed)]
    while feed.items:
        epoch, offset = map(int, feed.items[0].key[1:].split("-"))
        feed = journal.last_cells(4, (epoch, offset))
        got.insert(0, sources(feed))
    assert [source for part in got for source in part] == [f"x = {n}" for n in range(12)]
    assert [len(part) for part in got] == [0, 1, 4, 3, 4]


def test_a_session_that_another_process_took_over_shows_what_ran_before(tmp_path: Path) -> None:
    written(tmp_path / "s.1.jsonl", OPENED, *cells(0, 3))
    written(tmp_path / "s.2.jsonl", OPENED)
    last = written(tmp_path / "s.3.jsonl", OPENED)
    journal = LiveJournal(str(tmp_path), "s")
    feed = journal.last_cells(9)
    assert sources(feed) == ["x = 0", "x = 1", "x = 2"] and feed.since == (1, 0)
    assert [item.text[:10] for item in feed.items if not isinstance(item, LiveCell)] == ["Taken over"] * 2
    assert feed.place == (3, last.stat().st_size)
    written(last, *cells(3, 4))
    assert journal.appended(feed) and sources(feed)[-1] == "x = 3"
    assert sources(LiveJournal(str(tmp_path), "s").last_cells(9)) == ["x = 3"]


def test_a_run_that_another_owner_goes_on_with_has_its_code_its_number_and_all_of_its_output(
    tmp_path: Path,
) -> None:
    begun: list[Event] = [
        RunStarted("s-9", "execute_code", "c", "train()"),
        ExecutionStarted("s-9", 7),
        TextPrinted("s-9", "stdout", "one\n"),
    ]
    written(tmp_path / "s.1.jsonl", OPENED, *cells(0, 2), *begun)
    written(tmp_path / "s.2.jsonl", OPENED)
    last = written(tmp_path / "s.3.jsonl", OPENED, TextPrinted("s-9", "stdout", "two\n"))
    journal = LiveJournal(str(tmp_path), "s")
    feed = journal.last_cells(9)
    cell = next(item for item in feed.items if isinstance(item, LiveCell) and item.run == "s-9")
    assert (cell.source, cell.tool, cell.count, cell.status) == ("train()", "execute_code", 7, "running")
    assert "one\ntwo" in feed_html(feed, "s") and feed.place == (3, last.stat().st_size)
    written(last, RunFinished("s-9", RunStatus.OK, 0.1))
    assert journal.appended(feed) and cell.status == "ok"
    written(tmp_path / "lost.2.jsonl", OPENED, TextPrinted("s-9", "stdout", "two\n"))
    assert sources(LiveJournal(str(tmp_path), "lost").last_cells(9)) == [""]


def test_a_long_record_is_read_from_its_end_only(tmp_path: Path) -> None:
    path = written(tmp_path / "s.1.jsonl", OPENED, *cells(0, 40, "x" * 50_000 + "\n"))
    feed = LiveJournal(str(tmp_path), "s").last_cells(3)
    assert sources(feed) == ["x = 37", "x = 38", "x = 39"]
    assert (
        feed.opened["name"] == "train" and feed.since[1] > 500_000 and feed.place == (1, path.stat().st_size)
    )


def test_the_beginning_of_a_run_is_found_megabytes_before_its_last_output(tmp_path: Path) -> None:
    flood = [TextPrinted("s-9", "stdout", "y" * 1_000_000 + "\n")] * 11
    path = written(
        tmp_path / "s.1.jsonl",
        OPENED,
        *cells(0, 2),
        RunStarted("s-9", "execute_code", "c", "flood()"),
        *flood,
    )
    feed = LiveJournal(str(tmp_path), "s").last_cells(5)
    (cell,) = feed.items
    assert isinstance(cell, LiveCell) and cell.source == "flood()" and cell.status == "running"
    written(path, RunStarted("s-10", "execute_code", "c", "later()"), *flood)
    assert sources(LiveJournal(str(tmp_path), "s").last_cells(5)) == [""], "late output of an earlier run"
    written(path, *[Notice("n" * 1_000_000)] * 6)
    assert sources(LiveJournal(str(tmp_path), "s").last_cells(5)) == []


FALSE_LINES = {
    "a": [{"v": 1, "t": 1.0, "k": kind, "run": "s-9", "reason": "x"} for kind in ("run", "closed")]
}


def test_an_output_that_looks_like_a_line_of_the_record_is_none(tmp_path: Path) -> None:
    odd = DataShown("s-1", {"application/json": FALSE_LINES})
    begun = RunStarted("s-1", "execute_code", "c", "odd()")
    path = written(tmp_path / "s.1.jsonl", OPENED, *cells(0, 1), begun, *[odd] * 9)
    assert sources(LiveJournal(str(tmp_path), "s").last_cells(1)) == ["odd()"]
    assert [line.state for line in LiveOverview(str(tmp_path)).look()] == ["running"]
    written(path, *[TextPrinted("s-1", "stdout", "y" * 1_000_000 + "\n")] * 9)
    assert sources(LiveJournal(str(tmp_path), "s").last_cells(1)) == ["odd()"]


def length(event: Event) -> int:
    return len(encode(Entry(1000.0, event)))


@pytest.mark.parametrize("inside", [0, 1, 20, 41])
def test_the_beginning_of_a_run_is_found_where_a_part_of_the_record_is_cut_in_it(
    tmp_path: Path, inside: int
) -> None:
    rest = (4 << 20) + inside - length(RunStarted("s-9", "execute_code", "c", "x"))
    begun = RunStarted("s-9", "execute_code", "c", "x" * (1 + rest % 4))
    line = TextPrinted("s-9", "stdout", "y" * (rest // 4 - length(TextPrinted("s-9", "stdout", ""))))
    written(tmp_path / "s.1.jsonl", OPENED, begun, *[line] * 8)
    assert sources(LiveJournal(str(tmp_path), "s").last_cells(1)) == [begun.source]


def test_output_whose_run_is_nowhere_is_shown_without_its_code(tmp_path: Path) -> None:
    written(tmp_path / "s.1.jsonl", OPENED, *[TextPrinted("s-9", "stdout", "y" * 1_000_000 + "\n")] * 6)
    assert sources(LiveJournal(str(tmp_path), "s").last_cells(5)) == [""]


@given(data=st.data())
def test_a_record_read_in_any_pieces_is_the_whole(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("pieces")
    whole = b"".join(encode(Entry(1000.0, event)) for event in [OPENED, *cells(0, 3)])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    path = folder / "s.1.jsonl"
    path.write_bytes(whole[: cuts[0]] if cuts else b"")
    journal = LiveJournal(str(folder), "s")
    feed = journal.last_cells(50)
    for begin, end in zip(cuts or [0], [*cuts[1:], len(whole)], strict=False):
        with path.open("ab") as file:
            file.write(whole[begin:end])
        journal.appended(feed)
    assert not journal.appended(feed)
    path.write_bytes(whole)
    assert feed_html(feed, "s") == feed_html(LiveJournal(str(folder), "s").last_cells(50), "s")
    assert feed.place == (1, len(whole))


def test_a_reader_goes_on_in_the_next_owners_file_and_after_a_move(tmp_path: Path) -> None:
    journal = LiveJournal(str(tmp_path), "s")
    feed = journal.last_cells(9)
    assert feed.items == [] and not journal.appended(feed) and not journal.moved_on(feed)
    first = written(tmp_path / "s.1.jsonl", OPENED, *cells(0, 1))
    assert journal.moved_on(feed) and journal.appended(feed)
    written(tmp_path / "s.2.jsonl", OPENED, *cells(1, 2))
    assert journal.moved_on(feed) and journal.appended(feed) and sources(feed) == ["x = 0", "x = 1"]
    (tmp_path / "closed").mkdir()
    first.rename(tmp_path / "closed" / first.name)
    (tmp_path / "s.2.jsonl").rename(tmp_path / "closed" / "s.2.jsonl")
    written(tmp_path / "closed" / "s.2.jsonl", SessionClosed("done"))
    assert not journal.appended(feed) and not journal.moved_on(feed)
    assert journal.appended(feed) and feed.closed == "done"


def test_no_link_is_followed(tmp_path: Path) -> None:
    written(tmp_path / "elsewhere", OPENED, *cells(0, 1))
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "s.1.jsonl").symlink_to(tmp_path / "elsewhere")
    assert LiveJournal(str(tmp_path / "d"), "s").last_cells(5).items == []
    assert (
        line_at(str(tmp_path / "d"), "s", (1, 0)) is None and LiveOverview(str(tmp_path / "d")).look() == []
    )
    written(tmp_path / "d" / "s.2.jsonl", OPENED)
    assert [line.state for line in LiveOverview(str(tmp_path / "d")).look()] == ["idle"]


def test_a_line_is_read_by_its_place_and_nothing_else_is(tmp_path: Path) -> None:
    path = written(tmp_path / "s.1.jsonl", OPENED, DataShown("s-1", {"image/png": "aGk="}))
    end = len(path.read_bytes().split(b"\n")[0]) + 1
    line = line_at(str(tmp_path), "s", (1, end))
    assert line is not None and b"aGk=" in line and line_at(str(tmp_path), "s", (1, 0)) is not None
    for place in ((1, end + 1), (2, 0), (1, 10**9)):
        assert line_at(str(tmp_path), "s", place) is None


def test_a_run_is_named_by_what_goes_on_with_it() -> None:
    (text, begun) = (
        encode(Entry(1.0, event)) for event in (TextPrinted("s-1", "stdout", "x"), *cells(1, 2)[:1])
    )
    assert (run_of(text), run_of(begun), run_of(b"{"), run_of(b"[]")) == ("s-1", "", "", "")


def test_the_list_shows_what_each_session_does(tmp_path: Path) -> None:
    held = RunHeld("s-1", "execute_code", "c", "rm()")
    started = RunStarted("s-1", "execute_code", "c", "1")
    failed = RunFinished("s-1", RunStatus.ERROR, 0.1)
    states: dict[str, list[Event]] = {
        "idle": [OPENED],
        "busy": [OPENED, started],
        "held": [OPENED, held],
        "done": [OPENED, started, RunFinished("s-1", RunStatus.OK, 0.1)],
        "failed": [OPENED, started, failed, NotebookEdited("add", "c", "x")],
        "flooding": [OPENED, started, TextPrinted("s-1", "stdout", "y" * 200_000)],
        "ends": [OPENED, SessionClosed("done")],
    }
    for session, events in states.items():
        written(tmp_path / f"{session}.1.jsonl", *events)
    (tmp_path / "broken.1.jsonl").write_bytes(b'[1]\n{"k":"run"\n{"k":"run"}')
    (tmp_path / "torn.1.jsonl").write_bytes(b"{\n")
    (tmp_path / "empty.1.jsonl").touch()
    written(tmp_path / "closed" / "gone.1.jsonl", OPENED, SessionClosed("done"))
    overview = LiveOverview(str(tmp_path))
    assert {line.session: line.state for line in overview.look("gone")} == {
        "idle": "idle", "busy": "running", "held": "held", "done": "idle", "failed": "bad", "flooding": "running",
        "ends": "closed", "gone": "closed", "broken": "running", "empty": "running", "torn": "running",
    }  # fmt: skip
    names = [line.name for line in overview.look("none")]
    assert sorted(names) == sorted(["train"] * 8 + ["broken", "empty", "torn"])
    written(tmp_path / "flooding.1.jsonl", *[TextPrinted("s-1", "stdout", "z" * 70_000)] * 2)
    written(tmp_path / "busy.1.jsonl", failed)
    again = {line.session: line for line in overview.look()}
    assert (again["flooding"].state, again["busy"].state) == ("running", "bad")
    assert (again["busy"].name, again["busy"].notebook) == ("train", "train.ipynb")
    assert overview.newest() in states and LiveOverview(str(tmp_path / "none")).newest() == ""
    written(tmp_path / "busy.2.jsonl", OPENED)
    assert {line.session: line.state for line in overview.look()}["busy"] == "bad"


@pytest.mark.parametrize(
    ("earlier", "state"),
    [
        ([], "idle"),
        ([RunStarted("s-1", "execute_code", "c", "1")], "running"),
        ([RunHeld("s-1", "execute_code", "c", "1")], "held"),
        ([RunFinished("s-1", RunStatus.DIED, 1.0)], "bad"),
        ([RunFinished("s-1", RunStatus.OK, 1.0)], "idle"),
        ([RunFinished("s-1", RunStatus.ERROR, 1.0), SessionClosed("done")], "idle"),
    ],
)
def test_an_owner_that_has_run_nothing_leaves_the_state_of_its_predecessor(
    tmp_path: Path, earlier: list[Event], state: str
) -> None:
    written(tmp_path / "s.1.jsonl", OPENED, *earlier)
    written(tmp_path / "s.2.jsonl", OPENED)
    written(tmp_path / "s.3.jsonl", OPENED, TextPrinted("s-1", "stdout", "more\n"))
    assert [line.state for line in LiveOverview(str(tmp_path)).look()] == [state]


def test_the_last_closed_sessions_are_listed_with_what_closed_them(tmp_path: Path) -> None:
    assert ClosedSessions(str(tmp_path)).last() == {}
    for number in range(CLOSED_MAX + 5):
        path = written(tmp_path / "closed" / f"s{number}.1.jsonl", OPENED, SessionClosed(f"reason {number}"))
        os.utime(path, (number, number))
    (tmp_path / "closed" / "s1.2.jsonl.gz").touch()
    (tmp_path / "closed" / "link.1.jsonl").symlink_to(path)
    for epoch in (2, 3):
        written(tmp_path / "closed" / f"s3.{epoch}.jsonl", OPENED)
    written(tmp_path / "s9.2.jsonl", OPENED)
    overview = LiveOverview(str(tmp_path))
    lines = overview.look()
    assert [(line.session, line.state) for line in lines[:3]] == [
        ("s9", "idle"),
        ("s3", "closed"),
        ("s24", "closed"),
    ]
    assert lines[2].cause == "reason 24" and len(lines) == CLOSED_MAX  # the link is none
    assert overview.newest() == "s9"
    assert "s0" in {line.session for line in overview.look("s0")}
    assert overview.look() == lines
    (tmp_path / "closed" / "s24.1.jsonl").unlink()
    assert "s24" not in {line.session for line in overview.look()}


def test_the_list_marks_the_chosen_one_and_escapes_names() -> None:
    lines = [
        SessionLine("a", "<b>", '"x"', "running", memory_mb=2048.0, gpu_memory_mb=300.0),
        SessionLine("b", "b", "", "bad"),
    ]
    made = sessions_html(lines, "b")
    assert '<a class="running" href="live?session=a" title="&quot;x&quot;">' in made
    assert "<b>&lt;b&gt;</b><small>busy · RAM\u00a02.0\u00a0GiB · GPU\u00a0300\u00a0MiB</small>" in made
    assert 'class="bad" href="live?session=b" aria-current="page"' in made and "<small>error</small>" in made
    assert "No session yet" in sessions_html([], "")


def test_the_list_has_live_sessions_first_and_says_how_others_ended() -> None:
    lines = [
        SessionLine("1", "old", "o.ipynb", "closed", "the agent <shut> it down"),
        SessionLine("2", "gone", "", "ended", "its client left"),
        SessionLine("3", "zeta", "", "left", ends_at=1780.4),
        SessionLine("4", "alpha", "", "idle"),
    ]
    made = sessions_html(lines, "")
    names = ["alpha", "zeta", "gone", "old"]
    assert [made.index(f"<b>{name}</b>") for name in names] == sorted(
        made.index(f"<b>{name}</b>") for name in names
    )
    assert "<small>closed · the agent &lt;shut&gt; it down</small>" in made
    assert 'title="o.ipynb\nthe agent &lt;shut&gt; it down"' in made
    assert 'no\u00a0client · <span data-until="1780"></span>' in made
    assert "ended · its client left" in made


LEFT = {"ends_at": 1500.0}


@pytest.mark.parametrize(
    ("state", "kernel", "shown", "cause"),
    [
        ("running", KernelNow("k"), "running", ""),
        ("running", KernelNow("k", left=LEFT), "left", ""),
        ("held", KernelNow("k", left=LEFT), "left", ""),
        ("idle", KernelNow("k", is_busy=True, left=LEFT), "running", "its client is gone"),
        ("running", None, "ended", "its kernel is gone"),
        ("running", KernelNow("k", end={}), "ended", "its kernel is gone"),
        ("running", KernelNow("k", end={"cause": "left", "detail": "x"}), "ended", "its client left"),
        ("idle", KernelNow("k", end={"cause": "oom", "detail": "no memory"}), "ended", "no memory"),
        ("closed", None, "closed", ""),
    ],
)
def test_a_session_that_nobody_follows_is_not_busy(
    state: str, kernel: KernelNow | None, shown: str, cause: str
) -> None:
    line = as_it_is(SessionLine("s", "s", "", state, opened_at=1000.0), kernel, 1100.0)
    assert (line.state, line.cause) == (shown, cause)
    assert line.ends_at == (1500.0 if shown == "left" else None)


def test_a_session_that_was_just_opened_counts_as_alive() -> None:
    assert as_it_is(SessionLine("s", "s", "", "running", opened_at=1000.0), None, 1005.0).state == "running"


def test_a_job_tells_its_number_its_node_and_its_end() -> None:
    assert job_html(LiveJob("<me>")) == '<div id="job"><b>&lt;me&gt;</b></div>'
    job = LiveJob("gpu-07", "48", "gpu", "running", 1780.0, 750.0)
    made = job_html(job)
    assert (
        "job 48 <i>·</i> running <i>·</i> <b>gpu-07</b> <i>·</i> gpu" in made and 'data-until="1780"' in made
    )
    assert "waited 12m30s in the queue" in made
    other = job_html(LiveJob("a", other="job 49 waits in the queue", other_start=1900.0))
    assert 'is job 49 waits in the queue, starts about <time data-at="1900">' in other
    assert "starts" not in job_html(LiveJob("a", other="job 49 running"))


ENV = {"SLURMD_NODENAME": "gpu-07", "SLURM_JOB_ID": "48", "SLURM_JOB_PARTITION": "gpu"}


def record(**pairs: object) -> str:
    return "".join(f"{key}={value}\n" for key, value in {"MODE": "slurm", **pairs}.items()) + "END=1\n"


def test_a_job_is_known_from_its_environment_and_from_the_status_file() -> None:
    here = job_here(ENV, "host")
    assert here == LiveJob("gpu-07", "48", "gpu", "running")
    assert job_here({**ENV, "SLURM_JOB_END_TIME": "1780"}, "host").end == 1780.0
    assert job_here({"SLURM_JOB_END_TIME": "x"}, "host") == LiveJob("host")
    known = with_record(
        here, record(STATE="ready", JOB_ID=48, ENDS="1790.500", SUBMITTED="1000", JOB_START="1100.2")
    )
    assert (known.state, known.end, known.waited_s) == ("running", 1790.0, 100.0)
    assert with_record(here, record(STATE="stopping", JOB_ID=48)).state == "being stopped"
    assert with_record(here, record(STATE="ended", JOB_ID=48, ENDS="-1")) == here
    for damaged in ("", "STATE=stopping\nJOB_ID=48\n", record(STATE="stopping", JOB_ID=48)[:-6]):
        assert with_record(here, damaged) == here


def test_another_job_of_the_project_is_told_with_its_place_in_the_queue() -> None:
    here = job_here(ENV, "host")
    queued = with_record(here, record(STATE="pending", JOB_ID=49, ESTIMATE="1900.5"))
    assert (queued.other, queued.other_start) == ("job 49 waits in the queue", 1900.0)
    assert with_record(here, record(STATE="ready", JOB_ID=49, ESTIMATE="1900")).other_start == 0.0
    assert with_record(here, record(STATE="error", JOB_ID=49)).other == ""


def test_a_local_server_has_the_job_that_it_is_inside_of_and_no_other() -> None:
    here = job_here(ENV, "host")
    assert with_record(here, record(MODE="local", STATE="ready", INSIDE_JOB=48)) == here
    assert with_record(here, record(MODE="local", STATE="ready")) == LiveJob("gpu-07")


def acted(action: str = "comment", session: str = "s", **more: Any) -> HumanActed:
    return HumanActed(action, session=session, by="ada@login1", **more)


def test_what_users_did_is_read_from_all_dashboards_files_as_they_grow(tmp_path: Path) -> None:
    acts = LiveActs(str(tmp_path / "actions"))
    acts.look()
    assert acts.since("s", 0) == ([], 0)
    one = written(
        tmp_path / "actions" / "login1-7.jsonl",
        acted(reason="first", id="d:1"),
        acted("here", "", id="d:1"),
        acted("decline", id="d:2"),
    )
    with one.open("ab") as file:
        file.write(encode(Entry(1.0, acted("restart")))[:-20])
    (tmp_path / "actions" / "link.jsonl").symlink_to(one)
    (tmp_path / "actions" / "notes.txt").write_bytes(one.read_bytes())
    acts.look()
    found, count = acts.since("s", 0)
    assert [act.text for act in found] == ["ada@login1 to the agent: first"] and count == 1
    with one.open("ab") as file:
        file.write(encode(Entry(1.0, acted("restart")))[-20:])
    written(
        tmp_path / "actions" / "b.jsonl",
        acted("interrupt", reason="too slow", outcome="done"),
        acted("odd", "t"),
    )
    acts.look()
    acts.look()
    found, count = acts.since("s", 1)
    assert [act.text for act in found] == [
        "ada@login1 restarted the kernel", "ada@login1 interrupted the kernel (too slow): done",
    ] and count == 3  # fmt: skip
    assert acts.since("t", 0)[0][0].text == "ada@login1 did: odd"
    assert len({act.key for act in acts.since("s", 0)[0]}) == 3
    written(one, *[acted("free", reason="d:9")] * KEPT)
    acts.look()
    found, count = acts.since("s", 0)
    assert len(found) == KEPT and count == KEPT + 3 and found[0].text == "ada@login1 holds it no more"
    assert acts.since("s", count) == ([], count)


@pytest.mark.parametrize(
    "line", [b"\n", b"{\n", b'{"k":"human"}\n', b'{"k":"human","action":"x","session":"s","t":"x"}\n', b'[{"k":"human"}]\n']
)  # fmt: skip
def test_a_damaged_line_of_an_actions_file_tells_nothing(line: bytes) -> None:
    assert act_of(line, "f", 0) is None


def test_what_a_user_wrote_is_kept_up_to_a_length() -> None:
    found = act_of(encode(Entry(1.0, acted(reason="x" * 10**6, id="d:1"))), "f", 0)
    assert found is not None and len(found[1].text) < TEXT_MAX + 100


def test_a_time_is_that_of_a_line_and_a_small_file_is_text(tmp_path: Path) -> None:
    path = written(tmp_path / "s.1.jsonl", OPENED)
    assert time_at(str(tmp_path), "s", (1, 0)) == 1000.0
    assert time_at(str(tmp_path), "s", (1, 5)) == time_at(str(tmp_path), "x", (1, 0)) == math.inf
    (tmp_path / "link").symlink_to(path)
    assert text_of(str(path)).startswith('{"v":1') and text_of(str(tmp_path / "link")) == ""


def sample(cpu: float | None, **gpu: Any) -> dict[str, Any]:
    memory = {"used_mb": 1024 * 89.0, "total_mb": 1024 * 128.0, "percent_used": 69.0}
    gpus = [
        {
            "name": "H200",
            "utilization_percent": 94.0,
            "memory_used_mb": 1024 * 5.0,
            "memory_total_mb": 1024 * 10.0,
            **gpu,
        }
    ]
    return {"cpu": {"count": 16, "percent": cpu}, "memory": memory, "gpu": gpus if gpu is not None else []}


def test_meters_show_what_is_used_and_their_past() -> None:
    made = meters_html([sample(10.0)] * 5 + [sample(60.0)] * 5)
    assert "<b>CPU</b> 60% <small>16 cores</small>" in made and "M120 40L120 16.0L119 36.0V40Z" in made
    assert "<b>MEM</b> 89 GiB of 128 GiB" in made
    assert "<b>GPU</b> 94% <small>H200</small>" in made and "<b>VRAM</b> 5.0 GiB of 10 GiB" in made


def test_meters_of_what_is_unknown_say_so() -> None:
    empty = meters_html([])
    assert (
        "<b>CPU</b> ?" in empty
        and "<b>MEM</b> ?" in empty
        and "GPU" not in empty
        and 'class="area" d=""' in empty
    )
    unknown = sample(None, utilization_percent=None, memory_used_mb=None, name="A")
    unknown["gpu"].append({"name": "B"})
    made = meters_html([{"gpu": []}, unknown])
    assert (
        "<b>GPU</b> ? <small>2 GPUs</small>" in made and "<b>VRAM</b> ?" in made and "L120 40.0V40Z" in made
    )
    assert mebibytes(None) == "?"
