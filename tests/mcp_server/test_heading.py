"""Replies that begin with what a user wrote in a dashboard: exactly once, whichever way it came and whoever answers."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from mcp_types import CallToolResult, TextContent

from jlab_tui.core.journal.acts import COMMENT
from jlab_tui.core.journal.events import Entry, HumanActed, ReplyHeaded, encode
from jlab_tui.core.relay_flights import CALL, RESENT
from tests.jupyters import Place
from tests.mcp_server.apps import Front
from tests.project import Agent, until


def entry(act: HumanActed, at: float = 0.0) -> Entry:
    return Entry(at or time.time(), act)


def comment(session: str, text: str, ident: str) -> Entry:
    return entry(HumanActed(COMMENT, session, reason=text, by="ben@h", id=f"h-1:{ident}"))


def write(place: Place, *acts: Entry) -> None:
    """Add lines to a dashboard's actions file."""
    file = place.folder / "actions" / "h-1.jsonl"
    file.parent.mkdir(exist_ok=True)
    with file.open("ab") as record:
        record.writelines(encode(act) for act in acts)


def texts(result: CallToolResult) -> list[str]:
    return [block.text for block in result.content if isinstance(block, TextContent)]


def heads(result: CallToolResult) -> list[str]:
    return [text for text in texts(result) if text.startswith("Comment from the user")]


async def test_a_comment_heads_the_next_reply_of_any_tool_once(front: Front) -> None:
    async with front.client() as agent:
        session = await agent.session()
        kernel = next(iter(front.place.server.by_id))
        act = comment(session, "Lower the rate.\nPlease.", "1")
        write(front.place, act)
        assert await front.place.server.hand_on(kernel, act)
        read = await agent.call("read_notebook", session_id=session)
        assert texts(read)[0] == "Comment from the user:\nLower the rate.\nPlease."
        ran = await agent.call("execute_code", session_id=session, code="1")
        refused = await agent.call("read_output", run_id=f"{session}-1", nonsense=1)
        assert heads(ran) == heads(refused) == []
        await front.place.server.hand_on(kernel, comment(session, "Again.", "2"))
        refused = await agent.call("read_output", run_id=f"{session}-9")
        assert refused.is_error and heads(refused) == ["Comment from the user: Again."]


async def test_a_comment_in_the_record_alone_is_found_there(front: Front) -> None:
    async with front.client() as agent:
        session = await agent.session()
        write(front.place, comment(session, "By file.", "1"))
        steering = front.app.sessions.open_sessions[0].steering
        await until(steering.calls.is_set)
        assert heads(await agent.call("execute_code", session_id=session, code="1")) == [
            "Comment from the user: By file."
        ]


async def test_a_comment_ends_a_wait_at_once_and_leaves_the_run(front: Front) -> None:
    async with front.client() as agent:
        session = await agent.session()
        ran = await agent.call("execute_code", session_id=session, code="hang", wait_s=0)
        run = f"{session}-1"
        assert f"run {run}" in texts(ran)[-1]
        waiting = asyncio.create_task(agent.call("wait_for_run", run_id=run, wait_s=600))
        act = comment(session, "Stop soon.", "1")
        await until(lambda: bool(front.app.sessions.open_sessions[0].steering.calls._waiters))
        await front.place.server.hand_on(next(iter(front.place.server.by_id)), act)
        told = await asyncio.wait_for(waiting, 40)
        assert heads(told) == ["Comment from the user: Stop soon."]
        assert "Still running" in texts(told)[-1]
        assert heads(await agent.call("wait_for_run", run_id=run, wait_s=0)) == []


async def call_again(agent: Agent, tool: str, first: float = 0.0, **arguments: Any) -> CallToolResult:
    """A call with a stamp, as the relay sends it for the first time or again."""
    meta: Any = {CALL: "stamp-1", **({RESENT: first} if first else {})}
    result = await agent.client.call_tool(tool, arguments, meta=meta)
    assert isinstance(result, CallToolResult)
    return result


async def test_the_successor_of_a_killed_process_neither_loses_nor_repeats_a_comment(front: Front) -> None:
    async with front.client() as agent:
        session = await agent.session()
        await agent.call("execute_code", session_id=session, code="hang", wait_s=0)
        for number in (1, 2):
            write(front.place, comment(session, f"number {number}", str(number)))
            if number == 1:
                await until(front.app.sessions.open_sessions[0].steering.calls.is_set)
                first = await call_again(agent, "wait_for_run", run_id=f"{session}-1", wait_s=0)
                assert heads(first) == ["Comment from the user: number 1"]
                front.place.kill(front.app.sessions)
    successor = Front(front.folder, shared=front.place)
    async with successor.client() as agent:
        again = await call_again(agent, "wait_for_run", 1.0, run_id=f"{session}-1", wait_s=600)
        assert texts(again)[0].startswith("Comment from the user: number 1")
        assert heads(await agent.call("wait_for_run", run_id=f"{session}-1", wait_s=600)) == [
            "Comment from the user: number 2"
        ]
        assert heads(await agent.call("read_notebook", session_id=session)) == []
    told = [entry.event for entry in front.place.record_of(session) if isinstance(entry.event, ReplyHeaded)]
    assert [headed.id for headed in told] == ["h-1:1", "h-1:2"]
