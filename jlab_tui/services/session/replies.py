"""Waits for a run and composes the reply about it, for every tool and task."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from ...core.errors import JlabError
from ...core.journal.events import HumanActed, ReplyCut, RunStatus
from ...core.notebook.outputs import CellOutputs
from ...core.progress.tracks import Pace
from ...core.reply.compose import Part, Reply, RunFacts, compose
from ...core.session.run import Run
from ...core.session.state import Usable
from ..ports import Journals
from ..progress import Tasks, first_of
from .journal_replay import JournalReplay
from .out_of_memory import explained
from .run_handle import RunHandle
from .session import Session

BEAT_S: Final = 10.0
LOOK_S: Final = 1.0
"""seconds between two looks at the journal of a run that another process holds"""
HELD: Final = "held: the user looks at the code before it runs"
_RENDERED_AT_ONCE: Final = 30_000
"""characters of output to render in the event loop; more goes to a thread"""
_REPLAYS_KEPT: Final = 16
"""sessions of other processes whose journals are read on from the last look"""

Beat = Callable[[float, str], Awaitable[None]]
"""called about every ten seconds with the run's duration and the last line of its output"""
Found = tuple[Session, RunHandle] | tuple[None, Run]
"""a run, with its session if this process holds it"""


class FindRun(Protocol):
    """Finds a run by its id, and takes its session over when nobody holds it. Raises UnknownRun."""

    async def __call__(self, run_id: str, replay: JournalReplay | None = None) -> Found: ...


@dataclass(frozen=True, slots=True)
class RunReply:
    """The reply about a run at the end of a wait."""

    run: Run
    parts: Sequence[Part]


class Replies:
    """Waits for runs."""

    def __init__(
        self,
        find: FindRun,
        outputs: Callable[[Run], Awaitable[CellOutputs]],
        journals: Journals,
        walltime_notice: Callable[[str, Pace | None], Awaitable[str]],
        output_chars: int,
        now: Callable[[], float],
        look_s: float = LOOK_S,
        idle_notice: Callable[[str], Awaitable[str]] | None = None,
    ) -> None:
        """`outputs` gives what a run has put out, from memory or from its journal; `walltime_notice` for a
        run by its id and its pace a sentence that is said once, or nothing."""
        self._find = find
        self._outputs = outputs
        self._journals = journals
        self._walltime_notice = walltime_notice
        self._output_chars = output_chars
        self._now = now
        self._look_s = look_s
        self._idle_notice = idle_notice
        self._looks = Tasks()
        self._replays: OrderedDict[str, JournalReplay] = OrderedDict()
        """by session"""

    async def wait(self, run_id: str, wait_s: float, beat: Beat) -> RunReply:
        """Wait up to `wait_s` seconds for a run to end, whichever process holds it. Raises UnknownRun."""
        return await self.about(*await self.follow(run_id, wait_s, beat))

    async def reply(self, session: Session | None, run: Run, wait_s: float, beat: Beat) -> RunReply:
        """Wait up to `wait_s` seconds for a run of `session` to end; without a session, report its state."""
        if isinstance(run, RunHandle):
            await self.until_done(run, wait_s, beat)
        return await self.about(session, run)

    async def earlier(self, session_id: str, msg_id: str) -> str:
        """Return the id of the run that a request began in an earlier process; empty if it never reached the kernel."""
        with contextlib.suppress(JlabError):
            # Lost runs are closed first.
            await self._find(f"{session_id}-", JournalReplay(session_id, self._journals))
        left = await JournalReplay(session_id, self._journals).read_on()
        runs = [run for run in left.runs.values() if run.msg_id == msg_id] if left is not None else []
        return runs[-1].id if runs and runs[-1].status is not RunStatus.ABORTED else ""

    async def look(self, run_id: str) -> Found:
        """Return a run as it is now. What one look has read of a journal, the next does not read again. Raises UnknownRun."""
        session_id = run_id.rpartition("-")[0]
        replay = self._replays.pop(session_id, None) or JournalReplay(session_id, self._journals)
        found = await self._find(run_id, replay)
        if found[0] is None:
            self._replays[session_id] = replay
            while len(self._replays) > _REPLAYS_KEPT:
                self._replays.popitem(last=False)
        return found

    async def follow(self, run_id: str, wait_s: float, beat: Beat, call: str = "") -> Found:
        """Return a run when it has ended, or as it is after `wait_s` seconds; for a `call` that only waits, also as soon as
        the user says something. Raises UnknownRun."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        replay = JournalReplay(run_id.rpartition("-")[0], self._journals)
        session, run = await self._find(run_id, replay)
        next_beat = loop.time() + BEAT_S
        while session is None and not run.status.is_final and (left := deadline - loop.time()) > 0:
            # Another process runs it: follow its journal, and take it over once that process is gone.
            await asyncio.sleep(min(self._look_s, left))
            if loop.time() >= next_beat:
                next_beat += BEAT_S
                await beat(run.elapsed(self._now()), "another process holds this run")
            session, run = await self._look(run_id, replay, deadline - loop.time()) or (None, run)
        if session is None:
            return None, run
        assert isinstance(run, RunHandle)
        if not (call and session.steering.has_words_for(call)):
            calls = session.steering.calls if call else None
            await self.until_done(run, deadline - loop.time(), beat, calls)
        return session, run

    async def about(self, session: Session | None, run: Run) -> RunReply:
        """Compose the reply about a run as it is now."""
        if isinstance(run, RunHandle):
            await explained(run)
        if session is not None:
            await session.record_reply(run)
        outputs = await self._outputs(run)
        pace = None if run.status.is_final else outputs.latest.digest.pace(self._now())
        notes = await self._notes(session, run, pace)
        is_over = session is None or not isinstance(session.state.availability, Usable)
        facts = RunFacts(
            run_id=run.id,
            session=run.session,
            status=run.status,
            seconds=run.elapsed(self._now()),
            execution_count=run.execution_count,
            cause=run.cause,
            cell=run.cell,
            has_started=run.has_started,
            waits_for_other=run.waits_for_other,
            is_over=is_over,
            notes=notes,
            now=self._now(),
            use=run.use,
        )
        reply = await self._composed(facts, outputs)
        if session is not None and (reply.cut_chars or reply.hidden_images):
            session.journal.record(ReplyCut(run.id, reply.cut_chars, reply.hidden_images))
        return RunReply(run, reply.parts)

    async def inspected(self, run_id: str) -> RunReply:
        """Return the reply about a run as it is now, with what its threads do. Raises UnknownRun."""
        session, run = await self.look(run_id)
        if run.status.is_final:
            return await self.about(session, run)
        found = "Another process of jlab-mcp holds this run, and only that one can look at its threads."
        if session is not None:
            found = (await session.inspect()).text
        reply = await self.about(session, run)
        return replace(reply, parts=[*reply.parts, found])

    async def close(self) -> None:
        """Cancel lookups that nobody waits for any more."""
        await self._looks.cancel("looking for a run")

    async def _look(self, run_id: str, replay: JournalReplay, left: float) -> Found | None:
        """Find the run again. None when that takes too long; a takeover that is under way is completed."""
        look = self._looks.start(self._find(run_id, replay))
        done, _ = await asyncio.wait([look], timeout=max(left, 0.0))
        return look.result() if done else None

    async def until_done(
        self, run: RunHandle, wait_s: float, beat: Beat, calls: asyncio.Event | None = None
    ) -> None:
        """Wait up to `wait_s` seconds for a run of this process to end, or until `calls` is set."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        ends = (run.done, calls) if calls is not None else (run.done,)
        while not any(end.is_set() for end in ends) and (left := deadline - loop.time()) > 0:
            await first_of(min(BEAT_S, left), *ends)
            if not any(end.is_set() for end in ends):
                said = run.outputs.latest.headline(self._now())[-200:] if run.outputs is not None else ""
                said = HELD if run.status is RunStatus.HELD else run.silence or said
                await beat(run.elapsed(self._now()), said)

    async def _notes(self, session: Session | None, run: Run, pace: Pace | None) -> list[str]:
        notes = [*run.notes, *run.losses()]
        if run.status in (RunStatus.INTERRUPTED, RunStatus.DIED) and not run.interrupted_by:
            notes.append(await asyncio.to_thread(self._human_note, run))
        if session is not None:
            if run.status is RunStatus.RUNNING and (silence := await session.explain_silence()):
                notes.append(f"Warning: {silence}")
            if isinstance(run, RunHandle) and not run.status.is_final:
                notes.append(run.silence)
            if run.status is not RunStatus.DIED:
                notes.append(session.take_notice())
            notes.append(session.take_file_note())
            notes += [f"Warning: {warning}" for warning in session.warnings()]
            if self._idle_notice and (idle := await self._idle_notice(session.identity.kernel_id)):
                notes.append(f"Warning: {idle}")
        if warning := await self._walltime_notice(run.id, pace):
            notes.append(f"Warning: {warning}")
        return [note for note in notes if note]

    def _human_note(self, run: Run) -> str:
        """Return what a user did to this run from a dashboard, one sentence, or nothing. Blocks."""
        for entry in reversed(self._journals.human_actions(run.asked_at)):
            act = entry.event
            if not isinstance(act, HumanActed) or act.session != run.session or act.outcome:
                continue
            if act.action in ("interrupt", "restart", "kill"):
                reason = f': "{act.reason}"' if act.reason else ""
                return f"The user did this from the dashboard ({act.action}{reason})."
        return ""

    async def _composed(self, facts: RunFacts, outputs: CellOutputs) -> Reply:
        if outputs.size < _RENDERED_AT_ONCE:
            return compose(facts, outputs, self._output_chars)
        return await asyncio.to_thread(compose, facts, outputs.copy(), self._output_chars)
