"""Cells that a user types in a dashboard: run once, between the model's, marked as theirs, and told to the model."""

from __future__ import annotations

import asyncio

from jlab_tui.core.journal.events import HumanActed, RunStarted
from tests.mcp_server.apps import Front
from tests.mcp_server.test_heading import entry, texts, write
from tests.mcp_server.test_holding import codes, held, hold
from tests.project import until


def own(session: str, code: str, ident: str = "1") -> HumanActed:
    return HumanActed("cell", session, reason=code, by="ben@h", id=f"h-1:{ident}")


async def test_a_users_cell_runs_at_once_on_an_idle_kernel_and_the_model_reads_about_it(front: Front) -> None:
    async with front.client() as agent:
        session = await agent.session()
        await hold(front)  # which is for the model's code
        await hold(front, own(session, "df.head()"))
        await hold(front, own(session, "df.head()"))
        await until(held(front).steering.calls.is_set)
        assert codes(front) == ["df.head()"]
        (cell,) = held(front).notebook.cells
        assert (cell.source, cell.metadata) == ("df.head()", {"jlab-mcp": {"by": "ben@h"}})
        (run,) = (e.event for e in front.place.record_of(session) if isinstance(e.event, RunStarted))
        assert run.tool == "own_cell"
        said = texts(await agent.call("read_notebook", session_id=session))[0]
        assert said.startswith("The user ran a cell of their own") and f"run {session}-1" in said
        assert said.count("df.head()") == 2  # the code, and what this kernel prints
        assert "The user ran" not in texts(await agent.call("read_notebook", session_id=session))[0]


async def test_a_users_cell_waits_for_the_models_and_keeps_it_out_by_name(front: Front) -> None:
    async with front.client() as agent:
        session = await agent.session()
        await agent.call("execute_code", session_id=session, code="hang", wait_s=0)
        (kernel,) = front.place.server.by_id.values()
        await hold(front, own(session, "hang too"))
        await hold(front, own(session, " \n", "blank"))
        assert kernel.codes == ["hang"]
        kernel.ends(kernel.running)
        await until(lambda: kernel.codes == ["hang", "hang too"])
        busy = await agent.call("execute_code", session_id=session, code="3")
        assert busy.is_error and f"a cell of their own (run {session}-2)" in texts(busy)[0]
        kernel.raises(kernel.running, "ValueError")
        await until(held(front).steering.calls.is_set)
        said = texts(await agent.call("execute_code", session_id=session, code="3"))
        assert "ValueError" in said[0] and "(error, " in said[0] and said[1] == "3"


async def test_a_users_cell_runs_between_the_cells_of_a_rerun(front: Front) -> None:
    async with front.client() as agent:
        session = await agent.session()
        for code in ("1", "hang", "3"):
            await agent.call("execute_code", session_id=session, code=code, wait_s=0)
            (kernel,) = front.place.server.by_id.values()
            if kernel.running:
                kernel.ends(kernel.running)
        again = asyncio.create_task(
            held(front).cells.run_all(stop_on_error=True, on_cell=lambda run: asyncio.sleep(0))
        )
        await until(lambda: kernel.codes[3:] == ["1", "hang"])
        await hold(front, own(session, "mine"))
        kernel.ends(kernel.running)
        assert len(await asyncio.wait_for(again, 40)) == 3
        await until(lambda: "mine" in kernel.codes)
        assert sorted(kernel.codes[3:]) == ["1", "3", "hang", "mine"]


async def test_a_successor_runs_a_users_cell_once_and_tells_it_once(front: Front) -> None:
    async with front.client() as agent:
        session = await agent.session()
        write(front.place, entry(own(session, "first")))
        await until(held(front).steering.calls.is_set)
        front.place.kill(front.app.sessions)
    write(front.place, entry(own(session, "second", "2")))
    successor = Front(front.folder, shared=front.place)
    async with successor.client() as agent:
        said = texts(await agent.call("read_notebook", session_id=session))
        while f"(run {session}-2" not in "".join(said):
            await until(held(successor).steering.calls.is_set)
            said += texts(await agent.call("read_notebook", session_id=session))[:1]
        told = [text for text in "\n".join(said).split("\n") if text.startswith("The user ran")]
        assert [line.partition("(run ")[2][: len(session) + 2] for line in told] == [
            f"{session}-1",
            f"{session}-2",
        ]
        record = [e.event for e in front.place.record_of(session)]
        assert codes(front) == ["first", "second"]
        assert [e.source for e in record if isinstance(e, RunStarted)] == ["first", "second"]


async def test_what_cannot_run_is_a_notice(front: Front) -> None:
    async with front.client() as agent:
        session = await agent.session()
        front.place.server.removes(held(front).identity.kernel_id)
        held(front).steering.take(own(session, "x"), 1.0)
        await until(lambda: not held(front).steering.code_waits.is_set())
        await held(front).journal.flush()
        notices = [str(e.event) for e in front.place.record_of(session)]
        assert any("A cell of the user was not run: The kernel" in notice for notice in notices)
