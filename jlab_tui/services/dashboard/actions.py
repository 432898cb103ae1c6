"""The user's actions on sessions and the server: each is written to the dashboard's actions file, then done.

The record comes first, so that the model's reply can say that the user did it.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, Protocol

from ...core.errors import JlabError, UsageError
from ...core.journal import acts
from ...core.journal.acts import COMMENT_MAX
from ...core.journal.events import Entry, HumanActed

FLUSH_S = 2.0
"""longest wait for the record to reach the file"""


@dataclass(frozen=True, slots=True)
class Target:
    """The kernel that an action is about."""

    session: str
    """empty for a kernel that the user opened in JupyterLab"""
    kernel_id: str
    name: str
    run: str = ""
    """run in progress, if any"""


_NOBODY: Final = Target("", "", "")


class PlainActions(Protocol):
    """Acts, and returns the outcome as a sentence. Every method raises JlabError when it failed."""

    async def interrupt(self, target: Target) -> str: ...

    async def restart(self, target: Target) -> str: ...

    async def shutdown(self, target: Target) -> str: ...

    async def stop_server(self) -> str: ...

    async def cancel_job(self) -> str: ...

    async def hand_on(self, target: Target, act: Entry) -> bool:
        """Give an action to the session's owner now. Returns whether there is one who takes it."""
        ...

    async def be_owner(self, target: Target) -> None:
        """Have what users ask of a session done while no client has it."""
        ...


class Actions(Protocol):
    """What a dashboard can do: the same, with an optional reason."""

    async def interrupt(self, target: Target, reason: str = "") -> str:
        """The model's reply includes `reason`."""
        ...

    async def restart(self, target: Target) -> str: ...

    async def shutdown(self, target: Target) -> str: ...

    async def stop_server(self) -> str: ...

    async def cancel_job(self) -> str: ...

    async def comment(self, target: Target, text: str) -> str:
        """The model's next reply about the session begins with `text`. Raises UsageError for one that is empty or too long."""
        ...

    @property
    def holds_all(self) -> bool:
        """Whether this dashboard holds all code."""
        ...

    async def hold(self, target: Target) -> str:
        """Hold the session's next code, or no more."""
        ...

    async def hold_all(self, targets: Sequence[Target]) -> str:
        """Hold all code, or no more; `targets`: the kernels that there are."""
        ...

    async def decide(self, target: Target, action: str, reason: str = "") -> str:
        """Let the held run of `target` run (with another code) or decline it (for a reason). Returns nothing to say: its owner
        may have heard of another decision first, and the feed shows what becomes of it."""
        ...

    async def run_own(self, target: Target, code: str) -> str:
        """Run a cell of the user's own, once the session is idle."""
        ...

    def has_asked(self, hold: str) -> bool:
        """Whether this dashboard asked for a hold, which then ends with it."""
        ...

    def was_decided(self, hold: str) -> None:
        """Note that the code was decided about that a hold of this or another dashboard held."""
        ...

    def stay(self, for_s: float = 0.0) -> None:
        """Say that this dashboard is here, as it must every `HERE_EVERY_S` while it holds code; with `for_s` for so long."""
        ...


class ActionLog(Protocol):
    """The dashboard's own actions file."""

    def append(self, entry: Entry) -> object: ...

    def flushed(self) -> Future[None]: ...


class RecordedActions:
    """Records each action before it happens, and again with its outcome."""

    def __init__(
        self,
        actions: PlainActions,
        log: ActionLog,
        *,
        by: str,
        dashboard: str,
        clock: Callable[[], float],
    ) -> None:
        """`by` is user@host; `dashboard` names this one among all, and its file."""
        self._actions = actions
        self._log = log
        self._by = by
        self._dashboard = dashboard
        self._clock = clock
        self._holds: dict[str, str] = {}
        """ids of its holds, by session; of all code under an empty one"""

    async def interrupt(self, target: Target, reason: str = "") -> str:
        return await self._do("interrupt", target, lambda: self._actions.interrupt(target), reason)

    async def restart(self, target: Target) -> str:
        return await self._do("restart", target, lambda: self._actions.restart(target))

    async def shutdown(self, target: Target) -> str:
        return await self._do("kill", target, lambda: self._actions.shutdown(target))

    async def stop_server(self) -> str:
        return await self._do("stop", None, self._actions.stop_server)

    async def cancel_job(self) -> str:
        return await self._do("cancel", None, self._actions.cancel_job)

    async def comment(self, target: Target, text: str) -> str:
        text = checked_comment(text)
        if not target.session:
            raise UsageError(
                f"No agent uses {target.name}; nothing was sent.", "Choose a session in the list."
            )
        if await self._ask(acts.COMMENT, target, text):
            return "The agent reads it with its next reply about this session."
        return "It is on record: whoever uses this session next reads it with the first reply."

    @property
    def holds_all(self) -> bool:
        return "" in self._holds

    async def hold(self, target: Target) -> str:
        if not target.session:
            raise UsageError(
                f"No agent uses {target.name}; nothing is held.", "Choose a session in the list."
            )
        if (hold := self._holds.pop(target.session, "")) != "":
            await self._ask(acts.FREE, target, hold)
            return f"The next code of {target.name} runs as it comes."
        event = self._event(acts.HOLD, target)
        self._holds[target.session] = event.id
        await self._pass_on(event, [target])
        return f"The next code of {target.name} waits for you before it runs."

    async def hold_all(self, targets: Sequence[Target]) -> str:
        if (hold := self._holds.pop("", "")) != "":
            await self._pass_on(self._event(acts.FREE, _NOBODY, hold), targets)
            return "Code runs as it comes."
        event = self._event(acts.HOLD, _NOBODY)
        self._holds[""] = event.id
        await self._pass_on(event, targets)
        return "All code waits for you before it runs, until you press H again or this dashboard ends."

    async def decide(self, target: Target, action: str, reason: str = "") -> str:
        await self._ask(action, target, reason)
        return ""

    async def run_own(self, target: Target, code: str) -> str:
        if not target.session:
            raise UsageError(
                f"{target.name} has no session; nothing was run.", "Choose a session in the list."
            )
        if len(code) > acts.OWN_CELL_MAX:
            raise UsageError(
                f"The code has {len(code):,} characters; at most {acts.OWN_CELL_MAX:,} can be sent. Nothing was run.",
                "Write it to a file and run that.",
            )
        if await self._ask(acts.CELL, target, code):
            return "It runs as soon as the session is idle; the agent reads about it with its next reply."
        await self._actions.be_owner(target)
        return "No client has the session, so this dashboard runs it; the next one reads about it."

    def has_asked(self, hold: str) -> bool:
        return hold in self._holds.values()

    def was_decided(self, hold: str) -> None:
        self._holds = {
            session: known for session, known in self._holds.items() if known != hold or not session
        }

    def stay(self, for_s: float = 0.0) -> None:
        for hold in self._holds.values():
            event = HumanActed(acts.HERE, reason=f"{for_s:.0f}" if for_s else "", by=self._by, id=hold)
            self._log.append(Entry(self._clock(), event))

    async def _ask(self, action: str, target: Target, text: str = "") -> bool:
        """Record what the user asks of a session, and hand it on. Returns whether its owner has it by now; where not, the owner
        reads the record within a second, or the next one does."""
        return await self._pass_on(self._event(action, target, text), [target])

    def _event(self, action: str, target: Target, text: str = "") -> HumanActed:
        ident = f"{self._dashboard}:{uuid.uuid4().hex}"
        return HumanActed(action, target.session, target.run, text, self._by, id=ident)

    async def _pass_on(self, event: HumanActed, targets: Sequence[Target]) -> bool:
        act = Entry(self._clock(), event)
        self._log.append(act)
        await _in_file(self._log.flushed())
        passed = await asyncio.gather(*(self._hand_on(target, act) for target in targets))
        return any(passed)

    async def _hand_on(self, target: Target, act: Entry) -> bool:
        try:
            return await self._actions.hand_on(target, act)
        except JlabError:
            return False

    async def _do(
        self, action: str, target: Target | None, act: Callable[[], Awaitable[str]], reason: str = ""
    ) -> str:
        self._write(action, target, "", reason)
        await _in_file(self._log.flushed())
        try:
            outcome = await act()
        except JlabError as error:
            self._write(action, target, f"failed: {error.message}", reason)
            raise
        self._write(action, target, outcome or "done", reason)
        return outcome

    def _write(self, action: str, target: Target | None, outcome: str, reason: str = "") -> None:
        event = HumanActed(
            action,
            session=target.session if target else "",
            run=target.run if target else "",
            reason=reason,
            by=self._by,
            outcome=outcome,
        )
        self._log.append(Entry(self._clock(), event))


async def _in_file(done: Future[None]) -> None:
    """Wait for the record, unless the disk hangs: then the user's action comes first."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FLUSH_S):
            await asyncio.wrap_future(done)


def checked_comment(text: str) -> str:
    """Return a comment that can be sent. Raises UsageError."""
    text = text.strip()
    if not text:
        raise UsageError("The comment is empty; nothing was sent.", "Type what the agent is to read.")
    if len(text) > COMMENT_MAX:
        raise UsageError(
            f"The comment has {len(text):,} characters; at most {COMMENT_MAX:,} can be sent. Nothing was sent.",
            "Write it to a file and name that.",
        )
    return text


class NoActions:
    """Read-only and replay: refuses every action with a sentence."""

    def __init__(self, why: str) -> None:
        self._why = why

    async def interrupt(self, target: Target, reason: str = "") -> str:
        return await self._refuse()

    async def restart(self, target: Target) -> str:
        return await self._refuse()

    async def shutdown(self, target: Target) -> str:
        return await self._refuse()

    async def stop_server(self) -> str:
        return await self._refuse()

    async def cancel_job(self) -> str:
        return await self._refuse()

    async def comment(self, target: Target, text: str) -> str:
        return await self._refuse()

    holds_all = False

    async def hold(self, target: Target) -> str:
        return await self._refuse()

    async def hold_all(self, targets: Sequence[Target]) -> str:
        return await self._refuse()

    async def decide(self, target: Target, action: str, reason: str = "") -> str:
        return await self._refuse()

    async def run_own(self, target: Target, code: str) -> str:
        return await self._refuse()

    def has_asked(self, hold: str) -> bool:
        return False

    def was_decided(self, hold: str) -> None:
        pass

    def stay(self, for_s: float = 0.0) -> None:
        pass

    async def _refuse(self) -> str:
        raise UsageError(self._why, "Open a dashboard that can: jlab-mcp start")
