"""Sessions are opened, taken over and closed on a server that other people use too."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Collection, Container
from pathlib import Path
from typing import cast

import pytest

from jlab_tui.adapters.journal.store import JournalStore
from jlab_tui.adapters.notebook import NotebookFile
from jlab_tui.core.errors import (
    KernelGone,
    NotebookError,
    RecordUnreadable,
    ServerUnreachable,
    SessionOwned,
    UnknownSession,
)
from jlab_tui.core.journal.events import KernelChanged, RunStatus, SessionClosed, SessionOpened
from jlab_tui.core.journal.summary import Heads
from jlab_tui.core.kernel.link import LinkOver, RequestRefused
from jlab_tui.core.notebook.notebook import Notebook, NotebookCell
from jlab_tui.core.notebook.outputs import CellOutputs
from jlab_tui.core.reply.compose import RunFacts, status_line
from jlab_tui.core.session.protocol import ServerGone
from jlab_tui.core.session.replay import replay
from jlab_tui.core.session.run import Run
from jlab_tui.services.session.reader import Reader
from jlab_tui.services.sessions.finalize import KERNEL_GONE
from jlab_tui.services.sessions.left_sessions import LISTED, Adoptable
from jlab_tui.services.sessions.registry import Sessions
from tests.jupyters import EchoLink, EchoServer, Place
from tests.project import until


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def adoptable(sessions: Sessions, kernels: Collection[str]) -> tuple[Adoptable, ...]:
    return (await sessions.left(kernels, await sessions.heads())).adoptable


def notebook_in(place: Place, name: str, *sources: str) -> Path:
    path = place.notebook_dir / name
    NotebookFile(path).create(Notebook([NotebookCell(f"cell-{n}", "code", s) for n, s in enumerate(sources)]))
    return path


async def test_the_users_own_kernel_is_used_as_it_is_and_outlives_every_session_on_it(place: Place) -> None:
    path = notebook_in(place, "n.ipynb", "x = 1")
    kernel = place.server.opened_by_the_user("notebooks/n.ipynb")
    first = place.process()
    session, is_live = await first.open_existing(str(path))
    assert (session.identity.kernel_id, is_live) == (kernel.id, True)
    assert "the user" in session.opening_warnings[0] and kernel.codes == []
    place.kill(first)
    place.server.reaps()
    second = place.process()
    again, is_live = await second.open_existing(str(path))
    assert (again.identity.id, again.identity.kernel_id, is_live) == (session.identity.id, kernel.id, True)
    assert "keeps running" in await second.shut_down(again.identity.id)
    third = place.process()
    _, is_live = await third.open_existing(str(path))
    assert is_live and kernel.codes == []
    await third.release()
    place.server.reaps()
    assert kernel.id in place.server.by_id


async def test_a_session_is_on_record_when_it_is_given_and_when_it_is_taken_over(place: Place) -> None:
    for _ in range(20):
        first = place.process()
        session = await first.open_new("n")
        assert [type(e.event) for e in place.record_of(session.identity.id)] == [SessionOpened]
        place.kill(first)
        await place.process().get(session.identity.id)
        opened = [e.event for e in place.record_of(session.identity.id) if isinstance(e.event, SessionOpened)]
        assert [event.epoch for event in opened] == [1, 2]


async def test_every_start_of_a_session_says_what_jupyter_collaboration_may_lose(place: Place) -> None:
    place.server.keeps_documents = True
    first = place.process()
    session = await first.open_new("n")
    assert any("jupyter-collaboration" in warning for warning in session.opening_warnings)
    place.kill(first)
    again, _ = await place.process().open_existing(session.identity.notebook)
    assert any("jupyter-collaboration" in warning for warning in again.opening_warnings)


async def test_a_broken_connection_is_distinguished_from_a_server_that_is_silent(place: Place) -> None:
    session = await place.process().open_new("n")
    assert await session.explain_silence() == ""
    await session._link.close()
    assert "what runs there keeps running" in await session.explain_silence()


async def test_a_new_notebook_gets_no_kernel_that_somebody_left_under_its_name(place: Place) -> None:
    left = place.server.opened_by_the_user("notebooks/n.ipynb")
    process = place.process()
    session = await process.open_new("n")
    assert session.identity.kernel_id != left.id and left.path in session.opening_warnings[0]
    await process.release()
    place.server.reaps()
    assert list(place.server.by_id) == [left.id]


async def test_a_kernel_that_is_shut_down_from_outside_ends_its_run_and_its_session(place: Place) -> None:
    process = place.process()
    session = await process.open_new("n")
    run = await session.cells.execute("hang")
    place.server.removes(session.identity.kernel_id)
    with pytest.raises(KernelGone, match="was shut down"):
        await session.restart("you (restart_kernel)")
    with pytest.raises(KernelGone, match="was shut down"):
        await session.run("1")
    await asyncio.wait_for(run.done.wait(), 30)
    assert (run.status, run.cause) == (RunStatus.DIED, "the kernel was shut down")
    facts = RunFacts(
        run.id, run.session, run.status, 1.0, None, run.cause, is_over=bool(session.state.why_over)
    )
    assert "the session is over" in status_line(facts, CellOutputs())
    again, is_live = await process.open_existing(session.identity.notebook)
    assert not is_live and again.identity.kernel_id != session.identity.kernel_id
    assert process.open_sessions == [again]
    ends = [
        e.event.reason for e in place.record_of(session.identity.id) if isinstance(e.event, SessionClosed)
    ]
    assert ends == [session.state.why_over], "the old session is closed: one session writes the notebook"
    await process.release()


async def test_code_that_the_server_did_not_hand_to_the_kernel_is_not_reported_as_running(
    place: Place,
) -> None:
    process = place.process()
    session = await process.open_new("n")
    run = await session.run("hang")
    del place.server.by_id[session.identity.kernel_id]
    cast(EchoLink, session._link).on_change(RequestRefused(run.msg_id, "the kernel is gone"))
    assert (run.status, run.cause) == (RunStatus.LOST, "It was not sent to the kernel: the kernel is gone.")
    await until(lambda: session.state.why_over == f"The kernel of session {session.identity.id} is gone.")
    await process.release()


@pytest.mark.parametrize("moment", ["kernelspecs", "kernel_at", "start_kernel", "claim"])
async def test_a_start_that_is_cancelled_leaves_no_kernel_and_no_notebook(place: Place, moment: str) -> None:
    process = place.process()
    opening = asyncio.create_task(process.open_new("n"))
    place.server.on_call = lambda called: opening.cancel() if called == moment else None
    await asyncio.wait([opening])
    assert opening.cancelled()
    await process.release()
    assert place.server.by_id == {} and not list(place.notebook_dir.glob("*.ipynb"))


async def test_a_start_that_fails_leaves_no_notebook(place: Place) -> None:
    process = place.process()

    def fails(called: str) -> None:
        if called == "start_kernel":
            raise ServerUnreachable("It is out of reach.", "")

    place.server.on_call = fails
    with pytest.raises(ServerUnreachable):
        await process.open_new("n")
    assert place.server.by_id == {} and not list(place.notebook_dir.glob("*.ipynb"))


async def test_a_start_that_another_process_overtakes_leaves_it_the_kernel(place: Place) -> None:
    process = place.process()
    path = notebook_in(place, "n.ipynb")

    def overtakes(called: str) -> None:
        claims = place.server.claims
        for kernel_id in place.server.by_id if called == "shares_documents" else ():
            claims.claim(kernel_id, "s", {"client": "another"}, False, 0.0)
            claims.connected(kernel_id, "another", 2, "shutdown", object())

    place.server.on_call = overtakes
    with pytest.raises(SessionOwned, match="taken over"):
        await process.open_existing(str(path))
    assert len(place.server.by_id) == 1


async def test_a_kernel_whose_process_was_killed_before_it_was_on_record_is_not_taken_for_the_users(
    place: Place,
) -> None:
    path = notebook_in(place, "n.ipynb", "x = 1")
    dead = place.process()
    await place.server.start_claimed("s", dead.owner, None, "notebooks/n.ipynb", "n.ipynb")
    process = place.process()
    session, is_live = await process.open_existing(str(path))
    assert is_live and session.opening_warnings == []
    await process.release()
    place.server.reaps()
    assert place.server.by_id == {}


async def test_a_session_whose_kernel_was_reaped_is_closed_in_its_record(place: Place) -> None:
    first = place.process()
    idle, busy = await first.open_new("idle"), await first.open_new("busy")
    run = await busy.run("hang")
    await busy.journal.flush()
    place.kill(first)
    for kernel_id in list(place.server.by_id):
        del place.server.by_id[kernel_id]
    second = place.process()
    assert (await adoptable(second, [])) == ()
    await until(lambda: all(head.is_closed for head in place.journals.heads().known))
    with pytest.raises(KernelGone, match="shut down after its process had gone"):
        await second.get(idle.identity.id)
    _, found = await second.find_run(run.id)
    assert found.status is RunStatus.DIED


async def test_nobody_waits_for_a_run_whose_process_and_kernel_are_gone(place: Place) -> None:
    first = place.process()
    session = await first.open_new("n")
    run = await session.run("hang")
    await session.journal.flush()
    place.kill(first)
    place.server.by_id.clear()
    _, found = await place.process().find_run(run.id)
    assert (found.status, found.cause) == (RunStatus.DIED, KERNEL_GONE)


@pytest.mark.parametrize("record", [b"", b"\0" * 600, b'{"v":2,"t":1,"k":"opened"}\n'])
async def test_a_record_that_says_nothing_is_called_unreadable_not_unknown(
    place: Place, record: bytes
) -> None:
    session = await place.process().open_new("n")
    (path,) = place.journals.files(session.identity.id)
    path.write_bytes(record)
    later = place.process()
    for asked in (later.get(session.identity.id), later.find_run(f"{session.identity.id}-1")):
        with pytest.raises(RecordUnreadable, match=path.name):
            await asked


async def test_what_an_earlier_process_left_is_listed_with_the_run_that_continues(place: Place) -> None:
    first = place.process()
    session = await first.open_new("n")
    run = await session.run("hang")
    await session.journal.flush()
    assert await adoptable(place.process(), place.server.by_id) == (), "its process lives"
    place.kill(first)
    (left,) = await adoptable(place.process(), place.server.by_id)
    kernel_id = session.identity.kernel_id
    assert left == Adoptable(session.identity.id, session.identity.notebook, run.id, kernel_id)
    await place.process().release()
    place.server.claims.release(first.owner.client, None, time.monotonic())
    (left,) = await adoptable(place.process(), place.server.by_id)
    assert left.left is not None and left.left.stays == "busy"


async def test_how_an_idle_kernel_ended_after_its_client_left_is_told_whatever_is_asked_first(
    place: Place,
) -> None:
    first = place.process()
    named, listed, reopened = [await first.open_new(name) for name in ("named", "listed", "reopened")]
    await first.release()
    place.server.reaps()
    assert place.server.by_id == {}
    said = "idle kernel ended after 30 s without use (JLAB_MCP_ON_EXIT=keep keeps it)"
    second = place.process()
    for _ in range(2):  # found, and then closed
        with pytest.raises(KernelGone) as caught:
            await second.get(named.identity.id)
        assert said in caught.value.message and named.identity.notebook in caught.value.hint
    again, is_live = await second.open_existing(reopened.identity.notebook)
    assert not is_live and said in again.opening_warnings[0]
    assert "with its variables" in again.opening_warnings[0]
    (ended,) = (await second.left(place.server.by_id, await second.heads())).ended
    assert (ended.session, ended.notebook) == (listed.identity.id, listed.identity.notebook)
    assert said in ended.why
    await until(lambda: not any(head.session == ended.session for head in place.journals.heads().known))
    closed = [
        entry.event.reason
        for entry in place.record_of(ended.session)
        if isinstance(entry.event, SessionClosed)
    ]
    assert closed == [ended.why]


async def test_all_sessions_of_a_conversation_are_taken_back_whatever_is_called_first(place: Place) -> None:
    first = place.process("one and the same")
    ids = {(await first.open_new("a")).identity.id, (await first.open_new("b")).identity.id}
    stranger = await place.process("another").open_new("c")
    second = place.process("one and the same")
    second.reclaim_soon()  # the process before is still there
    place.server.is_reachable = False
    second.reclaim_soon()
    with pytest.raises(ServerUnreachable):
        await second.reclaim()
    place.kill(first)
    place.server.is_reachable = True

    def held() -> set[str]:
        second.reclaim_soon()  # as each call does
        return {session.identity.id for session in second.open_sessions}

    await until(lambda: held() == ids)
    place.server.reaps()
    assert set(place.server.by_id) == {s.identity.kernel_id for s in [*second.open_sessions, stranger]}
    await second.release()


async def test_the_current_server_learns_of_the_exit_not_the_one_that_ended_before(
    place: Place,
) -> None:
    process = place.process()
    first = await process.open_new("first")
    first._intake.apply(ServerGone("That server has ended."))
    place.server = EchoServer()
    second = await process.open_new("second")
    await process.release()
    owner, *_ = place.server.claims.owner_of(second.identity.kernel_id)
    assert owner is None


async def test_a_kernel_that_was_restarted_holds_nothing_until_code_has_run(place: Place) -> None:
    first = place.process()
    session = await first.open_new("n")
    held = [session.state.holds_state]
    await session.run("x = 1")
    held.append(session.state.holds_state)
    await session.restart("you (restart_kernel)")
    again, is_live = await first.open_existing(session.identity.notebook)
    assert (again, is_live, [*held, again.state.holds_state]) == (session, True, [False, True, False])
    place.kill(first)
    second = place.process()
    taken, is_live = await second.open_existing(session.identity.notebook)
    assert (is_live, taken.state.holds_state) == (True, False), "so says the record, too"
    place.server.by_id[taken.identity.kernel_id].executes("x = 2", "of the user")
    after, _ = await second.open_existing(session.identity.notebook)
    assert after.state.holds_state
    await second.release()


async def test_a_run_that_our_own_restart_ended_says_so(place: Place) -> None:
    process = place.process()
    session = await process.open_new("n")
    run = await session.run("hang")
    await session.restart("you (restart_kernel)")
    assert (run.status, run.cause) == (RunStatus.DIED, "The kernel was restarted by you (restart_kernel).")
    await process.release()


async def test_our_own_restart_is_ours_however_late_the_kernels_exit_notice_comes(place: Place) -> None:
    """As behind a flood of output, or on a slow line: the server has answered long before."""
    process = place.process()
    session = await process.open_new("n")
    run = await session.run("hang")
    place.server.notice_after_s = 2.5
    await session.restart("you (restart_kernel)")
    (kernel,) = place.server.by_id.values()
    await until(lambda: kernel.stream[-1].msg_type == "jlab_mcp_obituary")
    assert session.take_notice() == ""
    await session.journal.flush()
    changes = [
        e.event.cause for e in place.record_of(session.identity.id) if isinstance(e.event, KernelChanged)
    ]
    assert changes == ["restarted by you (restart_kernel)"]
    assert (run.status, run.cause) == (RunStatus.DIED, "The kernel was restarted by you (restart_kernel).")
    await process.release()


async def test_a_successor_knows_who_asked_for_a_restart_whose_exit_notice_comes_later(place: Place) -> None:
    first = place.process()
    session = await first.open_new("n")
    place.server.notice_after_s = 1e6
    await session.restart("you (restart_kernel)")
    await session.journal.flush()
    place.kill(first)
    (kernel,) = place.server.by_id.values()
    second = place.process()
    taken = await second.get(session.identity.id)
    kernel.dies("restart", restarting=True, exit_code=0)
    assert taken.take_notice() == "" and taken.state.kernel.generation == 2
    await taken.journal.flush()
    place.kill(second)
    third = place.process()
    again = await third.get(session.identity.id)
    kernel.dies("restart", restarting=True, exit_code=0)
    assert "Somebody restarted the kernel" in again.take_notice()
    await third.release()


async def test_scratch_code_that_another_process_took_over_keeps_its_kernel(place: Place) -> None:
    process = place.process()
    session, run = await process.run_scratch("hang")
    cast(EchoLink, session._link).on_change(LinkOver(True, "owned by another"))
    await asyncio.wait_for(run.done.wait(), 30)
    await until(lambda: process.open_sessions == [])
    assert list(place.server.by_id) == [session.identity.kernel_id]
    await process.release()


async def test_a_restart_whose_caller_does_not_wait_is_still_the_callers(place: Place) -> None:
    process = place.process()
    session = await process.open_new("n")
    place.server.may_answer.clear()
    restarting = asyncio.create_task(session.restart("you (restart_kernel)"))
    await place.server.is_restarting.wait()
    restarting.cancel()
    await asyncio.wait([restarting])
    place.server.may_answer.set()
    await until(lambda: session.state.kernel.generation == 2 and session.state.kernel.restart is None)
    assert session.take_notice() == ""
    await process.release()


async def test_a_notebook_that_is_resumed_twice_at_once_has_one_session(place: Place) -> None:
    path = notebook_in(place, "n.ipynb", "x = 1")
    process = place.process()
    opened = await asyncio.gather(*(process.open_existing(str(path)) for _ in range(3)))
    assert sorted(is_live for _, is_live in opened) == [False, True, True]
    assert len({session.identity.id for session, _ in opened}) == 1 and len(place.server.by_id) == 1
    await process.release()


async def test_a_renamed_notebook_is_resumed_in_the_session_that_it_has(place: Place) -> None:
    process = place.process()
    session = await process.open_new("old")
    await session.cells.execute("x = 1")
    await session.save()
    new = Path(session.identity.notebook).with_stem("new")
    Path(session.identity.notebook).rename(new)
    again, is_live = await process.open_existing(str(new))
    assert again is session and is_live
    await process.release()


async def test_the_notebook_of_a_closed_session_can_still_be_read(place: Place) -> None:
    process = place.process()
    session = await process.open_new("n")
    await process.shut_down(session.identity.id)
    read, path, why = await process.for_reading(session.identity.id)
    assert read is None and path == session.identity.notebook and "is closed: shut down" in why
    scratch, run = await process.run_scratch("1")
    await asyncio.wait_for(run.done.wait(), 30)
    await until(lambda: process.open_sessions == [])
    with pytest.raises(UnknownSession):
        await process.for_reading(scratch.identity.id)
    await process.release()


@pytest.mark.parametrize("ends", ["before", "after"])
async def test_a_throwaway_kernel_that_is_taken_over_ends_with_its_run(place: Place, ends: str) -> None:
    first = place.process()
    session, run = await first.run_scratch("hang")
    await session.journal.flush()
    place.kill(first)
    kernel = place.server.by_id[session.identity.kernel_id]
    if ends == "before":
        kernel.ends(run.msg_id)
    second = place.process()
    await second.find_run(run.id)
    if ends == "after":
        kernel.ends(run.msg_id)
    await until(lambda: kernel.is_gone)
    assert (await second.find_run(run.id))[1].status is RunStatus.OK
    await second.release()


async def test_a_notebook_that_is_broken_at_a_takeover_stays_unchanged_and_is_reported(place: Place) -> None:
    first = place.process()
    session = await first.open_new("n")
    await session.run("x = 1")
    await session.save()  # a save that is on its way would go on after the kill
    place.kill(first)
    path = Path(session.identity.notebook)
    path.write_text("<<<<<<< HEAD", encoding="utf-8")
    second = place.process()
    taken = await second.get(session.identity.id)
    assert "stays as it is until it can be merged" in taken.warnings()[0]
    await taken.cells.execute("y = 2")
    await second.release()
    assert path.read_text(encoding="utf-8") == "<<<<<<< HEAD"


async def test_a_session_follows_its_renamed_notebook_and_so_does_its_successor(place: Place) -> None:
    first = place.process()
    session = await first.open_new("old")
    await session.cells.execute("x = 1")
    await session.save()
    path = Path(session.identity.notebook)
    path.rename(path.with_stem("new"))
    await session.cells.execute("y = 2")
    await session.save()
    assert session.identity.notebook.endswith("new.ipynb") and not path.exists()
    await until(lambda: place.server.by_id[session.identity.kernel_id].path == "notebooks/new.ipynb")
    await session.journal.flush()
    place.kill(first)
    second = place.process()
    taken = await second.get(session.identity.id)
    assert [cell.source for cell in taken.notebook.cells] == ["x = 1", "y = 2"]
    await second.release()


@pytest.mark.parametrize("edit", ["delete", "add", "replace"])
async def test_an_edit_whose_call_was_answered_outlives_its_process(place: Place, edit: str) -> None:
    first = place.process()
    session = await first.open_new("n")
    for code in ("a = 1", "b = 2"):
        await session.cells.execute(code)
    await session.save()
    if edit == "delete":
        await session.cells.delete(0)
    elif edit == "add":
        await session.cells.add_markdown("text", 0)
    else:
        await session.cells.edit(0, "a = 2", run=False)
    place.kill(first)
    second = place.process()
    taken = await second.get(session.identity.id)
    left = {"delete": ["b = 2"], "add": ["text", "a = 1", "b = 2"], "replace": ["a = 2", "b = 2"]}
    assert [cell.source for cell in taken.notebook.cells] == left[edit]
    await second.release()


async def test_a_quiet_run_is_taken_over_as_what_it_is(place: Place) -> None:
    first = place.process()
    session = await first.open_new("n")
    for code in ("x = 1", "hang"):
        run = await session.cells.execute(code)
    await session.journal.flush()
    place.kill(first)
    record = replay(session.identity.id, place.journals.read(place.journals.files(session.identity.id)))
    assert record.runs[run.id].has_started, "whoever reads along knows that it runs"
    reader = place.process()
    taken = await reader.get(session.identity.id)
    assert [row.state for row in Reader.rows(taken, taken.notebook.cells)] == ["ok", "running"]
    await reader.release()
    saved = NotebookFile(Path(session.identity.notebook)).load().cells
    assert [cell.source for cell in saved] == ["x = 1", "hang"], (
        "what was restored is saved before the link is there"
    )


async def test_a_notebook_below_a_symbolic_link_is_one_notebook(place: Place) -> None:
    (place.folder / "disk").mkdir()
    place.notebook_dir.symlink_to(place.folder / "disk")
    process = place.process()
    session = await process.open_new("n")
    for path in (session.identity.notebook, str(place.notebook_dir / "n.ipynb")):
        assert await process.open_existing(path) == (session, True)
    await process.release()


async def test_a_session_is_only_reported_as_shut_down_when_its_kernel_is(place: Place) -> None:
    process = place.process()
    session = await process.open_new("n")
    place.server.is_reachable = False
    with pytest.raises(ServerUnreachable, match="was not shut down"):
        await process.shut_down(session.identity.id)
    assert process.open_sessions == [session]
    place.server.is_reachable = True
    assert "is shut down" in await process.shut_down(session.identity.id)
    assert (place.server.by_id, process.open_sessions) == ({}, [])


async def test_why_cells_were_not_run_again_to_the_end_is_known_afterwards(place: Place) -> None:
    path = notebook_in(place, "n.ipynb", "x = 1", "y = 2")
    process = place.process()
    session, _ = await process.open_existing(str(path))

    async def the_kernel_goes(_: Run) -> None:
        session._intake.apply(ServerGone("It is gone."))

    with pytest.raises(KernelGone):
        await session.cells.run_all(stop_on_error=True, on_cell=the_kernel_goes)
    assert session.state.batch is not None
    assert session.state.batch.stopped == "Running the cells again stopped before cell cell-1: It is gone."
    await process.release()


@pytest.mark.parametrize(
    ("asked", "given", "note"),
    [
        ({"kernelspec": {"name": "ir"}}, "ir", ""),
        ({"kernelspec": {"name": "python3"}}, "python3", ""),
        ({"kernelspec": {"name": "conda-env-ml-py"}}, "python3", "names the kernel 'conda-env-ml-py'"),
        ({"language_info": {"name": "R"}}, "ir", ""),
    ],
)
async def test_a_notebook_gets_the_kernel_that_it_asks_for_or_one_of_its_language(
    place: Place, asked: dict[str, object], given: str, note: str
) -> None:
    path = place.notebook_dir / "n.ipynb"
    NotebookFile(path).create(Notebook([], asked))
    process = place.process()
    session, _ = await process.open_existing(str(path))
    assert place.server.by_id[session.identity.kernel_id].name == given
    assert session.identity.python == ("/usr/bin/R" if given == "ir" else "/usr/bin/python3")
    assert note in " ".join(session.opening_warnings) and bool(note) == bool(session.opening_warnings)
    await process.release()


async def test_a_notebook_of_another_language_is_refused_and_nothing_is_made(place: Place) -> None:
    path = place.notebook_dir / "n.ipynb"
    NotebookFile(path).create(Notebook([], {"kernelspec": {"name": "julia-1.11"}}))
    process = place.process()
    with pytest.raises(NotebookError, match="written in julia") as refused:
        await process.open_existing(str(path))
    assert "ir (R), python3 (Python 3)" in refused.value.hint
    with pytest.raises(NotebookError, match="written in julia"):
        await process.fork(str(path), "")
    assert place.server.by_id == {} and list(place.notebook_dir.glob("*.ipynb")) == [path]
    await process.release()


async def test_code_is_not_sent_to_a_server_that_ended_by_record_whoever_still_answers(place: Place) -> None:
    """Something may listen at its address and answer; the session's connection to it ends, and is not made again."""
    session = await place.process().open_new("n")
    kernel = place.server.by_id[session.identity.kernel_id]
    await session.run("echo before")
    place.server.started += 1  # the status file tells of another server
    with pytest.raises(KernelGone, match="has ended"):
        await session.run("echo after")
    await until(lambda: not kernel.listeners)
    assert kernel.codes == ["echo before"]


async def test_a_run_that_nobody_saw_end_is_reported_with_its_cause(place: Place) -> None:
    first = place.process()
    session = await first.open_new("n")
    run = await session.run("hang")
    await session.journal.flush()
    place.kill(first)
    place.server.started += 1
    later = place.process()
    (ended,) = await later.close_ended(await later.heads())
    assert (ended.id, ended.status, ended.cause) == (run.id, RunStatus.JOB_ENDED, "That server has ended.")


async def test_sessions_whose_records_could_not_be_read_in_time_are_taken_back_later(place: Place) -> None:
    first = place.process("talk")
    session = await first.open_new("n")
    await session.journal.flush()
    place.kill(first)
    second = place.process("talk")
    await second.reclaim(Heads((), unread=1))
    assert second.open_sessions == []
    await second.reclaim(await second.heads())
    assert [found.identity.id for found in second.open_sessions] == [session.identity.id]
    await second.release()


class OutOfTime(JournalStore):
    """Has more records than can be looked at."""

    def heads(self, within_s: float = math.inf, whenever: Container[str] = ()) -> Heads:
        return super().heads(0.0, whenever)


async def test_a_notebooks_live_session_is_found_among_more_records_than_can_be_read(place: Place) -> None:
    first = place.process("talk")
    session = await first.open_new("n")
    await session.journal.flush()
    place.kill(first)
    late = place.process(
        "talk", journals=OutOfTime(place.folder / "sessions", place.folder / "a", Path, "host")
    )
    found, is_live = await late.open_existing(session.identity.notebook)
    assert is_live and found.identity.id == session.identity.id
    place.kill(late)
    again = place.process(
        "talk", journals=OutOfTime(place.folder / "sessions", place.folder / "a", Path, "host")
    )
    await again.reclaim()
    assert [found.identity.id for found in again.open_sessions] == [session.identity.id]
    await again.release()


async def test_a_list_names_the_newest_sessions_and_counts_the_others(place: Place) -> None:
    first = place.process()
    opened = [await first.open_new(f"n{number}") for number in range(LISTED + 3)]
    newest, opened_at = opened[0], time.time()
    await until(lambda: time.time() - opened_at > 0.002)  # a record tells times to the millisecond
    await newest.run("hang")
    place.kill(first)
    later = place.process()
    left = await later.left(place.server.by_id, await later.heads())
    assert len({one.session for one in left.adoptable}) == LISTED and left.more == 3
    assert left.adoptable[0].session == newest.identity.id
    await later.get(newest.identity.id)
    left = await later.left(place.server.by_id, await later.heads())
    assert newest.identity.id not in {one.session for one in left.adoptable} and left.more == 2
    await later.release()


async def test_a_kernel_that_was_given_no_more_time_to_end_is_told_to_whoever_restarts_it(
    place: Place,
) -> None:
    process = place.process()
    session = await process.open_new("n")
    assert "killed" not in await session.restart("you (restart_kernel)")
    place.server.cut_after_s = 20.0
    cut = "It had not ended by itself after 20 s and was killed"
    assert cut in await session.restart("you (restart_kernel)")
    await process.release()


async def test_a_kernel_that_its_server_shut_down_as_it_ended_is_refused_with_the_end_of_the_server(
    place: Place,
) -> None:
    process = place.process()
    session = await process.open_new("n")
    place.server.removes(session.identity.kernel_id)
    with pytest.raises(KernelGone, match=r"The kernel of session .* was shut down"):
        await session.cells.execute("x = 1")
    place.server.is_reachable = False
    with pytest.raises(ServerUnreachable, match=r"It does not answer\."):
        await session.cells.execute("x = 1")
    place.server.started += 1
    with pytest.raises(KernelGone, match=r"That server has ended\."):
        await session.cells.execute("x = 1")
    await process.release()
