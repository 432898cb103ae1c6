"""Code that waits for the user before it is sent: what is on record, what the model is told, and what the notebook has."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jlab_tui.core.journal.events import HumanActed, RunHeld, RunStarted, RunStatus
from jlab_tui.services.session.session import Session
from tests.mcp_server.apps import Front
from tests.mcp_server.test_heading import call_again, texts, write
from tests.mcp_server.test_heading import entry as act_entry
from tests.project import Agent, until
from tests.tasks_client import KnowsTasks, cancel, start, state

HOLD = HumanActed("hold", id="gone.host-1:h", by="ben@h")
"""of all code, in a dashboard of another host"""


def held(front: Front) -> Session:
    (session,) = front.app.sessions.open_sessions
    return session


async def decide(front: Front, action: str, reason: str = "", ident: str = "d") -> None:
    session = held(front)
    act = HumanActed(action, session.identity.id, session.state.current, reason, id=f"h-1:{ident}")
    assert await front.place.server.hand_on(session.identity.kernel_id, act_entry(act))


async def hold(front: Front, act: HumanActed = HOLD) -> None:
    assert await front.place.server.hand_on(held(front).identity.kernel_id, act_entry(act))


def codes(front: Front) -> list[str]:
    """What reached the kernel."""
    return [code for kernel in front.place.server.by_id.values() for code in kernel.codes]


async def execute(agent: Agent, session: str, code: str = "1 + 1", **more: Any) -> str:
    return "\n".join(texts(await agent.call("execute_code", session_id=session, code=code, **more)))


async def test_held_code_is_on_record_unsent_and_answers_at_wait_s_with_its_run(front: Front) -> None:
    async with front.client() as agent:
        session = await agent.session()
        await hold(front)
        said = await execute(agent, session, wait_s=0)
        assert "Held for" in said and f'wait_for_run(run_id="{session}-1")' in said
        record = [entry.event for entry in front.place.record_of(session)]
        assert [e.source for e in record if isinstance(e, RunHeld)] == ["1 + 1"]
        assert not any(isinstance(e, RunStarted) for e in record) and codes(front) == []
        busy = await agent.call("execute_code", session_id=session, code="2")
        assert busy.is_error and f"the user holds run {session}-1" in texts(busy)[0]
        waiting = asyncio.create_task(agent.call("wait_for_run", run_id=f"{session}-1"))
        await decide(front, "run")
        assert texts(await asyncio.wait_for(waiting, 40))[0] == "1 + 1"
        assert codes(front) == ["1 + 1"]


async def test_the_user_changes_held_code_and_the_model_reads_the_difference(front: Front) -> None:
    async with front.client() as agent:
        session = await agent.session()
        await execute(agent, session, "lr = 1")
        await hold(front)
        (cell,) = held(front).notebook.cells
        changed = await agent.call(
            "edit_cell", session_id=session, cell=cell.id, source="lr = 2\nfit()", wait_s=0
        )
        assert "Held for" in texts(changed)[-1] and held(front).notebook.cells[0].source == "lr = 1"
        (on_record,) = (e.event for e in front.place.record_of(session) if isinstance(e.event, RunHeld))
        assert (on_record.before, on_record.source) == ("lr = 1", "lr = 2\nfit()")
        await decide(front, "run", "lr = 3\nfit()")
        said = "\n".join(texts(await agent.call("wait_for_run", run_id=f"{session}-2")))
        assert "The user changed this code before it ran" in said and "-lr = 2\n+lr = 3" in said
        assert held(front).notebook.cells[0].source == codes(front)[-1] == "lr = 3\nfit()"


@pytest.mark.parametrize(
    ("reason", "cause"), [("Too slow.", 'declined it: "Too slow."'), ("", "declined it.")]
)
async def test_declined_code_never_ran_and_leaves_no_cell(front: Front, reason: str, cause: str) -> None:
    async with front.client() as agent:
        session = await agent.session()
        await hold(front)
        calling = asyncio.create_task(execute(agent, session))
        await until(lambda: held(front).current)
        await decide(front, "decline", reason)
        await decide(front, "run", ident="late")
        assert f"(run {session}-1: not run. The user {cause})" in await asyncio.wait_for(calling, 40)
        assert codes(front) == [] and held(front).notebook.cells == []
        again = await call_again(agent, "wait_for_run", 1.0, run_id=f"{session}-1")
        assert cause in texts(again)[-1]


async def test_a_hold_of_the_next_code_is_over_with_it(front: Front) -> None:
    async with front.client() as agent:
        session = await agent.session()
        await hold(front, replace(HOLD, session=session))
        assert "Held for" in await execute(agent, session, wait_s=0)
        await decide(front, "run")
        await agent.call("wait_for_run", run_id=f"{session}-1")
        assert (await execute(agent, session, "2")).startswith("2")


async def test_when_the_hold_ends_or_lapses_what_is_held_runs(front: Front) -> None:
    async with front.client() as agent:
        session = await agent.session()
        await hold(front)
        calling = asyncio.create_task(execute(agent, session))
        await until(lambda: held(front).current)
        await hold(front, HumanActed("free", reason=HOLD.id, id="gone.host-1:f"))
        assert (await asyncio.wait_for(calling, 40)).startswith("1 + 1")
        write(
            front.place, act_entry(replace(HOLD, id="gone.host-1:old"), 1000.0)
        )  # nobody has been there since
        assert (await execute(agent, session, "2")).startswith("2")


async def test_nobody_decides_within_the_limit(tmp_path: Path) -> None:
    front = Front(tmp_path, hold_limit_s=0.05)
    async with front.client() as agent:
        session = await agent.session()
        await hold(front)
        assert "Nobody decided within" in await execute(agent, session)
        assert codes(front) == []


async def test_an_interrupt_and_a_cancelled_call_give_held_code_up(front: Front) -> None:
    async with front.client() as agent:
        session = await agent.session()
        await hold(front)
        await execute(agent, session, wait_s=0)
        said = texts(await agent.call("interrupt_kernel", session_id=session))
        assert "had not run; it is given up" in said[-1] and held(front).current is None
        await execute(agent, session, wait_s=0)
        run = held(front).current
        assert run is not None
        await held(front).cancel(run)
        assert run.status is RunStatus.DECLINED and "the call was cancelled" in run.cause
        assert codes(front) == []


async def test_the_successor_of_a_killed_process_holds_on(front: Front) -> None:
    async with front.client() as agent:
        session = await agent.session()
        write(front.place, act_entry(HOLD))
        await hold(front)
        stamped = await call_again(agent, "execute_code", session_id=session, code="1 + 1", wait_s=0)
        assert "Held for" in texts(stamped)[-1]
        front.place.kill(front.app.sessions)
    successor = Front(front.folder, shared=front.place)
    async with successor.client() as agent:
        again = await call_again(agent, "execute_code", 1.0, session_id=session, code="1 + 1", wait_s=0)
        assert "Held for" in texts(again)[-1] and codes(front) == []
        await decide(successor, "run")
        told = await agent.call("wait_for_run", run_id=f"{session}-1")
        assert texts(told)[0] == "1 + 1" and codes(front) == ["1 + 1"]
        assert [cell.source for cell in held(successor).notebook.cells] == ["1 + 1"]
        again = await call_again(agent, "execute_code", 1.0, session_id=session, code="1 + 1")
        assert texts(again)[0] == "1 + 1" and codes(front) == ["1 + 1"]


async def test_held_code_is_a_task_that_says_who_waits_for_whom(tmp_path: Path) -> None:
    front = Front(tmp_path, {"JLAB_MCP_TASK_AFTER_S": "0.05"})
    async with front.client(extensions=[KnowsTasks()]) as agent:
        session = await agent.session()
        await hold(front)
        for number, decision in ((1, "run"), (2, "")):
            task = await start(agent.client, "execute_code", session_id=session, code="1 + 1")
            working = await state(agent.client, task.task_id)
            assert working.status == "working" and str(working.status_message).startswith(
                "held: the user looks"
            )
            if decision:
                await decide(front, decision, ident=str(number))
            else:
                await cancel(agent.client, task.task_id)
            await until(lambda: held(front).current is None)
            ended = await state(agent.client, task.task_id)
            assert ended.status == ("completed" if decision else "cancelled")
        assert codes(front) == ["1 + 1"]


async def test_held_code_ends_with_its_client(front: Front) -> None:
    async with front.client() as agent:
        session = await agent.session()
        await hold(front)
        await execute(agent, session, wait_s=0)
        run = held(front).current
    assert (
        run is not None
        and run.status is RunStatus.DECLINED
        and run.cause.endswith("the client ended before it ran.")
    )
