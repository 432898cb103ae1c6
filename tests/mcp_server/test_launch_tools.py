"""What is asked and answered when a model starts the server."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from mcp_types import ElicitResult

from jlab_tui.core.errors import StatusFileDamaged
from jlab_tui.core.server.record import ServerState
from jlab_tui.core.server.status import QueueFacts, ServerStatus
from jlab_tui.core.settings import Mode
from jlab_tui.services.server.client_start import Choice

from .apps import Front, ready


def at(state: ServerState, **facts: Any) -> ServerStatus:
    now = ready()
    return replace(now, record=replace(now.record, state=state), reachable=None, **facts)


async def test_where_to_run_is_asked_of_the_user_through_the_model(front: Front) -> None:
    async with front.client() as agent:
        said = await agent.text("start_server")
    assert said.startswith("mode_required: nothing was started.") and "gpu: 2 nodes" in said
    assert 'start_server(mode="local")' in said and front.starting.started == []


@pytest.mark.parametrize(
    ("answer", "chosen"),
    [
        (
            ElicitResult(
                action="accept", content={"mode": "slurm", "partition": "gpu", "time_limit": "1:00:00"}
            ),
            [(Choice(Mode.SLURM, "1:00:00", "gpu"), False)],
        ),
        (ElicitResult(action="accept", content={"mode": "local"}), [(Choice(Mode.LOCAL), False)]),
        (ElicitResult(action="decline"), []),
        (ElicitResult(action="cancel"), []),
    ],
    ids=["slurm", "local", "declined", "closed"],
)
async def test_a_client_that_can_ask_asks_the_user_itself(
    front: Front, answer: ElicitResult, chosen: list[tuple[Choice, bool]]
) -> None:
    questions: list[str] = []

    async def ask(context: object, asked: Any) -> ElicitResult:
        questions.append(asked.message)
        return answer

    async with front.client(elicitation_callback=ask) as agent:
        said = await agent.text("start_server")
    assert len(questions) == 1 and questions[0].endswith("gpu: 2 nodes")
    assert front.starting.started == chosen
    assert said.startswith("mode_required") is not bool(chosen)


@pytest.mark.parametrize(
    "prepare",
    [
        lambda front: setattr(front.starting, "mode", Mode.LOCAL),
        lambda front: setattr(front.starting, "there", True),
    ],
    ids=["it is known", "a server is there"],
)
async def test_nobody_is_asked_without_need(front: Front, prepare: Callable[[Front], None]) -> None:
    prepare(front)

    async def ask(context: object, asked: Any) -> ElicitResult:
        raise AssertionError("nobody needs to be asked")

    async with front.client(elicitation_callback=ask) as agent:
        assert (await agent.record("start_server"))["ready"] is True
    assert len(front.starting.started) == (not front.starting.there)


async def test_arguments_become_the_choice_and_the_wait(front: Front) -> None:
    job = {
        "mode": "slurm",
        "time_limit": "2:00:00",
        "partition": "gpu",
        "gres": "gpu:a100:2",
        "cpus": 8,
        "mem_mb": 9000,
    }
    async with front.client() as agent:
        await agent.record("start_server", **job, bootstrap=True, wait_s=5)
    assert front.starting.started == [(Choice(Mode.SLURM, "2:00:00", "gpu", "gpu:a100:2", 8, 9000), True)]
    assert front.starting.waited == [5.0]


async def test_a_wait_says_how_it_goes(front: Front) -> None:
    heard: list[tuple[float, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, message))

    async with front.client() as agent:
        await agent.client.call_tool("wait_for_server", {"timeout_s": 3}, progress_callback=hear)
    assert heard == [(0.0, "Job 7 waits in the queue.")] and front.starting.waited == [3.0]


WAIT_ON = "Call wait_for_server() to keep waiting."


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (ready(), {"ready": True, "state": "ready", "url": "http://node1:1", "next": None}),
        (None, {"ready": False, "state": "starting", "next": WAIT_ON}),
        (
            at(ServerState.PENDING, queue=QueueFacts("Priority", 3, 2100.0, is_stuck=True)),
            {
                "ready": False,
                "reason": "Priority",
                "position": 3,
                "estimated_start_in_s": 100,
                "next": WAIT_ON,
            },
        ),
        (
            at(ServerState.ERROR, hint="Do something."),
            {"ready": False, "hint": "Do something.", "next": "Read the message; then start_server()."},
        ),
        (at(ServerState.READY, is_elsewhere=True), {"ready": False, "next": None}),
    ],
    ids=["ready", "being prepared", "queued", "failed", "only usable elsewhere"],
)
async def test_each_answer_names_the_next_call(
    front: Front, status: ServerStatus | None, expected: dict[str, Any]
) -> None:
    front.starting.status = status
    async with front.client() as agent:
        found = await agent.record("wait_for_server", timeout_s=0)
    assert {key: found.get(key) for key in expected} == expected
    assert all(value not in ("", None, []) for value in found.values()), json.dumps(found)


async def test_a_record_that_cannot_be_read_asks_nobody_and_is_reported(front: Front) -> None:
    async def damaged() -> bool:
        raise StatusFileDamaged("/s", "torn")

    front.starting.is_there = damaged  # type: ignore[method-assign]
    async with front.client() as agent:
        assert "The status file /s cannot be read: torn." in await agent.error("start_server", mode="local")
