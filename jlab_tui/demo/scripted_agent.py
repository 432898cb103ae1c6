"""Calls the tools like an agent, through a real MCP client, and tells each call and its reply as lines."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from .cues import Cue, Told

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp import Client

HOUR_S = 3600


class SessionGone(Exception):
    """A call was refused, as after the person who watches has ended the session."""


class ScriptedAgent:
    """Calls tools one by one."""

    def __init__(self, client: Client, show: Callable[[Cue], None]) -> None:
        self._client = client
        self._show = show
        self.troubles: list[str] = []
        """replies that are not what they should be"""
        self.comments: list[str] = []
        """what the person wrote, as replies told it"""
        self.notebooks: dict[str, str] = {}
        """path of each session's notebook"""

    def say(self, text: str) -> None:
        self._show(Told(text))

    async def run(self, session: str, code: str, *, cell: int | None = None, expect: str = "") -> str:
        """Run code in a new cell, or in a changed one, until it has ended. Returns the reply. Raises SessionGone."""
        if cell is None:
            reply = await self.call("execute_code", expect, session_id=session, code=code, wait_s=HOUR_S)
        else:
            reply = await self.call(
                "edit_cell", expect, session_id=session, cell=cell, source=code, wait_s=HOUR_S
            )
        while goes_on := re.search(r'Call wait_for_run\(run_id="([^"]+)"\)', reply):
            reply = await self.call("wait_for_run", expect, run_id=goes_on[1], wait_s=HOUR_S)
        return reply

    async def call(self, tool: str, expect: str = "", **arguments: Any) -> str:
        """Return the text of the reply. Raises SessionGone."""
        code = str(arguments.get("code", arguments.get("source", ""))).splitlines()
        name = f"{tool}  {code[0]}" if code else tool
        self.say(f"-> {name}")

        async def still(progress: float, total: float | None, message: str | None) -> None:
            self.say(f".. {tool}: {message or 'still running'}")

        result = await self._client.call_tool(tool, arguments, progress_callback=still)
        texts = [block.text for block in result.content if block.type == "text"]
        images = sum(block.type == "image" for block in result.content)
        text = "\n".join(texts)
        self.comments += re.findall(r"^Comment from the user:\s(.+)$", text, re.M)
        if result.is_error or expect not in text:
            self.troubles.append(f"{tool} answered: {text[:300]}")
        self.say(f"<- {name}")
        for line in [*_short(text), *([f"<{images} image>"] if images else [])]:
            self.say(f"    {line}")
        if result.is_error:
            raise SessionGone
        return text


def _short(text: str) -> list[str]:
    """Return a record on one line, or the last lines of another reply."""
    try:
        line = json.dumps(json.loads(text), ensure_ascii=False)
    except ValueError:
        return text.splitlines()[-6:]
    return [line if len(line) <= 160 else line[:159] + "…"]
