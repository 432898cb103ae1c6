"""What the demo's agent does, in order, with the captions for the person who watches."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from . import demo_cells as cells
from .cues import Caption, Cue, Keys
from .scripted_agent import ScriptedAgent, SessionGone

Show = Callable[[Cue], None]
NEXT = ("uv tool install jlab-mcp", "jlab-mcp init", "jlab-mcp start")
"""what to type after the demo, in one's own project"""

OPENING = Caption(
    "A demo of 40 seconds: an agent works, here a script in Claude Code's place, and you watch.",
    "press what you like; q leaves, and nothing stays behind",
)
_OPENED = Caption(
    "The agent opens a session: a notebook with a kernel of its own, whose variables live on between calls.",
    "[ ] from cell to cell · o a whole cell · ? all keys",
)
_PLOTTED = Caption(
    "A plot reaches the agent as an image, and you here, in any terminal.",
    "v full screen · s save it",
)
_FITTING = Caption(
    "A long cell: how far, how long still, and the numbers that it prints. Another session works beside it.",
    "c write to the agent · i interrupt · digits go to a session",
)
_FAILED = Caption(
    "A mistake. You read the whole traceback, and so does the agent.",
    "e only what failed · h hold the agent's next code and look at it first",
)
_MENDED = Caption(
    "The agent edits that cell, instead of adding another, and runs it again: the notebook stays clean.",
    "V the kernel's variables · : a line of your own",
)
END = Caption(
    "This was the demo: a real kernel and a real MCP client; only the agent was a script. Stay as long as you like.",
    f"next, in your project: {' · '.join(NEXT)}",
)
ENDED_BY_HAND = Caption(
    "You have ended the agent's session, so the story is over; a real agent would be told by whom.",
    f"next, in your project: {' · '.join(NEXT)}",
)
_READ = "The agent has read this with the reply to the cell that ran."
COMMENT = "and what will it be after 90 minutes?"
"""what a person would write to the agent, when the demo plays by itself"""


@dataclass(frozen=True, slots=True)
class Staging:
    """How much time a person has to look."""

    look_s: float = 1.0
    """seconds to look at a small thing; 0 where nobody looks"""
    plays_person: bool = False
    """keys are pressed, and the dashboard is left at the end, in a person's place"""
    has_matplotlib: bool = True


async def tell(agent: ScriptedAgent, show: Show, staging: Staging) -> bool:
    """Play the story. Returns whether it came to its end: a person may interrupt, comment, hold and end what they like meanwhile."""

    async def look(times: float) -> None:
        await asyncio.sleep(times * staging.look_s)

    try:
        await _play(agent, show, staging, look)
    except SessionGone:
        return False
    return True


async def _play(
    agent: ScriptedAgent, show: Show, staging: Staging, look: Callable[[float], Awaitable[None]]
) -> None:
    plot, result = (
        (cells.PLOT, cells.LOOK) if staging.has_matplotlib else (cells.PLOT_ALONE, cells.LOOK_ALONE)
    )
    beside = await _open(agent, "beside")  # first, so that the screen stays with the other one
    session = await _open(agent, "tea")
    show(_OPENED)
    await agent.call("add_markdown", session_id=session, markdown=cells.TITLE)
    await look(2)
    await agent.run(session, cells.DATA)
    await look(3)
    await agent.run(session, plot)
    show(_PLOTTED)
    await look(5)
    show(_FITTING)
    await asyncio.gather(
        agent.run(session, cells.FIT),
        agent.run(beside, cells.BESIDE),
        _comment(show, look) if staging.plays_person else look(0),
    )
    await look(1)
    reply = await agent.run(session, result, expect=cells.MISTAKE)
    show(_FAILED)
    await look(5)
    if cells.MISTAKE in reply:
        await agent.run(session, cells.mended(result), cell=-1)
    show(_MENDED)
    await look(3)
    if comments := agent.comments:
        quoted = "\n".join(f"> {line}" for comment in comments for line in comment.splitlines())
        await agent.call("add_markdown", session_id=session, markdown=f"{quoted}\n\n{_READ}")
        if COMMENT in comments:
            await agent.run(session, cells.ANSWER)
    await look(3)


async def _comment(show: Show, look: Callable[[float], Awaitable[None]]) -> None:
    """Write to the agent while its cell runs, as a person does."""
    await look(3)
    show(Keys(("c",)))
    await look(0.5)
    show(Keys(tuple(COMMENT)))
    await look(3)
    show(Keys(("enter",)))


async def _open(agent: ScriptedAgent, name: str) -> str:
    opened = json.loads(await agent.call("start_new_session", experiment_name=name))
    agent.notebooks[name] = str(opened["notebook_path"])
    return str(opened["session_id"])
