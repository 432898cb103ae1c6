"""What a cancelled call leaves behind, on real sessions with kernels that do what these tests say."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from jlab_tui.mcp_server.cancelling import InterruptOnCancel
from jlab_tui.mcp_server.tool_arguments import Ctx
from jlab_tui.services.session.session import Session
from tests.project import until

from .apps import Front
from .test_cancel_reasons import cancelled

CALL = cast(Ctx, SimpleNamespace(request_id="7"))


@pytest.fixture
def interrupts(front: Front) -> list[str]:
    """Kernels that were interrupted; what runs there ends."""
    asked: list[str] = []

    async def interrupt(kernel_id: str) -> None:
        asked.append(kernel_id)
        kernel = front.place.server.by_id[kernel_id]
        kernel.ends(kernel.running)

    front.place.server.interrupt = interrupt  # type: ignore[method-assign]
    return asked


async def hanging(front: Front, session: Session, *, knows_its_run: bool = True) -> asyncio.Task[None]:
    """A call that runs code which does not end."""

    async def call() -> None:
        async with InterruptOnCancel(front.app, CALL, session) as watch:
            run = await session.run("hang")
            watch.run = run if knows_its_run else None
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await until(lambda: front.place.server.by_id[session.identity.kernel_id].running)
    return task


async def cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize("knows_its_run", [True, False])
async def test_a_call_that_the_user_cancels_has_its_run_interrupted(
    front: Front, interrupts: list[str], knows_its_run: bool
) -> None:
    session = await front.app.sessions.open_new("n")
    task = await hanging(front, session, knows_its_run=knows_its_run)
    front.reasons.note(cancelled(7, "user cancelled"))
    await cancel(task)
    await until(lambda: session.current is None)
    assert interrupts == [session.identity.kernel_id]


@pytest.mark.parametrize("reason", ["request timed out", None])
async def test_a_call_that_its_client_gives_up_leaves_the_run(
    front: Front, interrupts: list[str], reason: str | None
) -> None:
    session = await front.app.sessions.open_new("n")
    task = await hanging(front, session)
    if reason:
        front.reasons.note(cancelled(7, reason))
    await cancel(task)
    assert session.current is not None and interrupts == []


async def test_what_ran_before_a_cancelled_call_is_not_interrupted(
    front: Front, interrupts: list[str]
) -> None:
    session = await front.app.sessions.open_new("n")
    await session.run("hang")

    async def call() -> None:
        async with InterruptOnCancel(front.app, CALL, session):
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await asyncio.sleep(0)
    front.reasons.note(cancelled(7, "user cancelled"))
    await cancel(task)
    assert session.current is not None and interrupts == []


async def test_a_cancelled_wait_interrupts_the_run_that_it_waited_for(
    front: Front, interrupts: list[str]
) -> None:
    session = await front.app.sessions.open_new("n")
    run = await session.run("hang")

    async def call() -> None:
        async with InterruptOnCancel(front.app, CALL, run_id=run.id):
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await asyncio.sleep(0)
    front.reasons.note(cancelled(7, "user cancelled"))
    await cancel(task)
    await until(lambda: session.current is None)
    assert interrupts == [session.identity.kernel_id]
