"""Long calls as tasks, for a client that declares them; the kernels of these tests print the code that they are sent."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError

from jlab_tui.core.journal.events import HumanActed
from jlab_tui.core.server.record import ServerState
from jlab_tui.core.server.status import QueueFacts
from tests.project import until
from tests.tasks_client import KnowsTasks, cancel, start, state

from .apps import Front, ready


@pytest.fixture
def front(tmp_path: Path) -> Front:
    return Front(tmp_path, {"JLAB_MCP_TASK_AFTER_S": "0.05"})


def of_task(**options: Any) -> dict[str, Any]:
    return {"extensions": [KnowsTasks()], **options}


async def test_a_run_that_takes_long_frees_the_turn_and_its_end_brings_the_whole_reply(front: Front) -> None:
    async with front.client(**of_task()) as agent:
        session = await agent.session()
        started = await start(agent.client, "execute_code", session_id=session, code="hang")
        assert started.task_id == f"{session}-1" and started.status == "working"
        (kernel,) = front.place.server.by_id.values()
        kernel.says("stream", {"name": "stdout", "text": "epoch 3\n"}, kernel.running)
        await until(lambda: front.app.sessions.open_sessions[0].runs[started.task_id].outputs.last_line)  # type: ignore[union-attr]
        working = await state(agent.client, started.task_id)
        assert (working.status, working.status_message) == ("working", "epoch 3 · GPU 93%")
        kernel.ends(kernel.running)
        await until(lambda: front.app.sessions.open_sessions[0].runs[started.task_id].status.is_final)
        ended = await state(agent.client, started.task_id)
        assert ended.status == "completed" and ended.text.startswith("epoch 3\n")
        assert f"run {session}-1: ok" in ended.text


async def test_the_user_sees_in_a_silent_task_what_its_code_waits_for(front: Front) -> None:
    async with front.client(**of_task()) as agent:
        session = await agent.session()
        task = (await start(agent.client, "execute_code", session_id=session, code="hang")).task_id
        (held,) = front.app.sessions.open_sessions
        held.runs[task].silence = f"Run {task} has printed nothing for 2 min. It waits for a lock."
        shown = (await state(agent.client, task)).status_message
        assert shown is not None and "It waits for a lock." in shown


async def test_a_short_wait_and_a_client_without_tasks_get_the_old_answer(front: Front) -> None:
    for options, wait in ((of_task(), 0.01), ({}, 0.1), (of_task(mode="legacy"), 0.1)):
        async with front.client(**options) as agent:
            session = await agent.session()
            text = await agent.text("execute_code", session_id=session, code="hang", wait_s=wait)
            assert f'Call wait_for_run(run_id="{session}-1") for the rest.' in text, options
            await agent.text("restart_kernel", session_id=session)


async def test_a_quick_call_is_no_task(front: Front) -> None:
    async with front.client(**of_task()) as agent:
        session = await agent.session()
        assert (await agent.text("execute_code", session_id=session, code="6 * 7")).startswith("6 * 7")


async def test_an_image_of_a_task_is_named_by_the_call_that_shows_it(front: Front) -> None:
    async with front.client(**of_task()) as agent:
        session = await agent.session()
        started = await start(agent.client, "execute_code", session_id=session, code="hang")
        (kernel,) = front.place.server.by_id.values()
        png = (
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABh6FO1AAAAABJRU5ErkJggg=="
        )
        kernel.says("display_data", {"data": {"image/png": png}, "metadata": {}}, kernel.running)
        kernel.ends(kernel.running)
        await until(lambda: front.app.sessions.open_sessions[0].runs[started.task_id].status.is_final)
        ended = await state(agent.client, started.task_id)
        assert ended.result is not None and all(block["type"] == "text" for block in ended.result["content"])
        assert f'read_output(run_id="{session}-1", images=[1])' in ended.text


async def test_a_task_stopped_in_the_client_is_interrupted_once(front: Front) -> None:
    async with front.client(**of_task()) as agent:
        session = await agent.session()
        started = await start(agent.client, "execute_code", session_id=session, code="hang")
        await cancel(agent.client, started.task_id)
        await cancel(agent.client, started.task_id)
        (kernel,) = front.place.server.by_id.values()
        await until(lambda: front.app.sessions.open_sessions[0].runs[started.task_id].status.is_final)
        assert (await state(agent.client, started.task_id)).status == "cancelled"
        assert kernel.interrupts == 1
        await cancel(agent.client, started.task_id)


async def test_a_stop_that_another_process_has_to_carry_out_is_refused_each_time(
    front: Front, tmp_path: Path
) -> None:
    async with front.client(**of_task()) as agent:
        session = await agent.session()
        run = (await start(agent.client, "execute_code", session_id=session, code="hang")).task_id
        other = Front(tmp_path, front.env, shared=front.place)
        async with other.client(**of_task()) as stranger:
            for _ in range(2):
                with pytest.raises(MCPError, match=f"Another process holds run {run}"):
                    await cancel(stranger.client, run)
        await cancel(agent.client, run)
        await until(lambda: front.app.sessions.open_sessions[0].runs[run].status.is_final)


async def test_to_stop_a_wait_leaves_the_run_alone(front: Front) -> None:
    async with front.client(**of_task()) as agent:
        session = await agent.session()
        run = (await start(agent.client, "execute_code", session_id=session, code="hang")).task_id
        waits = [await start(agent.client, "wait_for_run", run_id=run, wait_s=86400) for _ in range(2)]
        assert len({wait.task_id for wait in waits}) == 2
        assert all(wait.task_id.startswith(f"{run}~w") for wait in waits)
        await cancel(agent.client, waits[0].task_id)
        states = [
            (await state(agent.client, each)).status for each in (waits[0].task_id, waits[1].task_id, run)
        ]
        assert states == ["cancelled", "working", "working"]
        (kernel,) = front.place.server.by_id.values()
        assert kernel.interrupts == 0
        kernel.ends(kernel.running)
        await until(lambda: front.app.sessions.open_sessions[0].runs[run].status.is_final)
        assert "ok" in (await state(agent.client, waits[1].task_id)).text


async def test_a_notebook_that_runs_again_is_a_task(front: Front) -> None:
    async with front.client(**of_task()) as agent:
        first = await agent.record("start_new_session", experiment_name="n")
        await agent.text("execute_code", session_id=first["session_id"], code="a = 1")
        await start(agent.client, "execute_code", session_id=first["session_id"], code="hang")
        await agent.text("shutdown_session", session_id=first["session_id"])
        started = await start(
            agent.client, "start_session_resume_notebook", notebook_path=first["notebook_path"]
        )
        session, _, number = started.task_id.partition("-resume-")
        assert number == "1" and started.status_message == "cell 2 of 2 · GPU 93%"
        (kernel,) = front.place.server.by_id.values()
        kernel.ends(kernel.running)
        await until(lambda: front.app.rerun.find(session, 1).work.done())  # type: ignore[union-attr]
        answer = json.loads((await state(agent.client, started.task_id)).text)
        assert answer["session_id"] == session and answer["reexecution"] == "done"
        assert [cell["state"] for cell in answer["cells"]] == ["ok", "ok"]


async def test_the_wait_in_the_queue_is_a_task_that_ends_on_the_node(front: Front) -> None:
    up = ready()
    queued = replace(up, record=replace(up.record, state=ServerState.PENDING), reachable=None)
    front.starting.status = replace(
        queued, sentence="Job 7 waits (Priority).", queue=QueueFacts("Priority", 3)
    )
    async with front.client(**of_task()) as agent:
        started = await start(agent.client, "wait_for_server", timeout_s=60)
        assert (
            started.task_id.startswith("server-1000~w")
            and started.status_message == "Job 7 waits (Priority)."
        )
        front.starting.status = up
        ended = await state(agent.client, started.task_id)
        assert json.loads(ended.text)["ready"] is True


@pytest.mark.parametrize(
    "task_id", ["", "x", "nobody-7", "nobody-7~w1", "nobody-resume-1", "../../etc-1", "a" * 10_000]
)
async def test_an_unknown_task_is_refused_with_the_specified_code(front: Front, task_id: str) -> None:
    async with front.client(**of_task()) as agent:
        for asked in (state, cancel):
            with pytest.raises(MCPError) as refused:
                await asked(agent.client, task_id)
            assert refused.value.error.code == -32602, refused.value


async def test_another_process_answers_for_the_task_of_one_that_is_gone(front: Front, tmp_path: Path) -> None:
    async with front.client(**of_task()) as agent:
        session = await agent.session()
        run = (await start(agent.client, "execute_code", session_id=session, code="hang")).task_id
        wait = (await start(agent.client, "wait_for_run", run_id=run)).task_id
    (kernel,) = front.place.server.by_id.values()
    later = Front(tmp_path, front.env, shared=front.place)
    async with later.client(**of_task()) as agent:
        assert (await state(agent.client, run)).status == "working"
        kernel.ends(kernel.running)
        await until(lambda: not kernel.running)
        await agent.text("wait_for_run", run_id=run, wait_s=0.01)
        for task in (run, wait):
            assert f"run {run}: ok" in (await state(agent.client, task)).text


async def test_a_comment_completes_a_wait_that_is_a_task_and_leaves_the_task_of_the_run(front: Front) -> None:
    async with front.client(**of_task()) as agent:
        session = await agent.session()
        running = await start(agent.client, "execute_code", session_id=session, code="hang")
        waiting = await start(agent.client, "wait_for_run", run_id=running.task_id)
        steering = front.app.sessions.open_sessions[0].steering
        steering.take(HumanActed("comment", session, reason="Stop.", id="h-1:1"), 1.0)
        for _ in range(2):  # the same at each poll
            told = await state(agent.client, waiting.task_id)
            assert told.status == "completed" and told.text.startswith("Comment from the user: Stop.\n")
        (kernel,) = front.place.server.by_id.values()
        assert (await state(agent.client, running.task_id)).status == "working"
        steering.take(HumanActed("comment", session, reason="Fine.", id="h-1:2"), 1.0)
        kernel.ends(kernel.running)
        await until(lambda: front.app.sessions.open_sessions[0].runs[running.task_id].status.is_final)
        ended = await state(agent.client, running.task_id)
        assert ended.status == "completed" and ended.text.startswith("Comment from the user: Fine.\n")
