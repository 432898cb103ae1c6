"""Advances a session's state without I/O: an event gives the next state and the effects, in order.

Only this module decides whether a session is usable and how its runs end; its callers keep no flags. One file, because
each event may change every part of the state.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, assert_never

from ..journal.events import (
    DataShown,
    DataUpdated,
    ErrorRaised,
    ExecutionStarted,
    KernelChanged,
    KernelExited,
    OutputCleared,
    OutputDropped,
    RunStatus,
    TextPrinted,
)
from ..kernel.conversation import KernelDeath, OtherActivity, RunEnded
from ..kernel.link import LinkChange, LinkDown, LinkOver, LinkUp, OutputLost, RequestRefused
from .protocol import (
    Abandon,
    Asked,
    AwaitServerEnd,
    BatchEnded,
    BatchStarted,
    CloseLink,
    CountLoss,
    DiagnoseServer,
    Effect,
    EndRun,
    KernelMissing,
    KernelUnused,
    LeaveRun,
    LookAtKernel,
    NoticeTaken,
    QueueRun,
    ReadRest,
    RenewLink,
    RestartAsked,
    RestartDone,
    RestartFailed,
    RunAsked,
    RunClosed,
    RunPaused,
    RunSent,
    RunWithdrawn,
    ServerGone,
    ServerStays,
    SessionEvent,
    StartRun,
    WatchUnseen,
    Write,
)  # fmt: skip
from .run import Run
from .state import (
    Batch,
    EndedWithKernel,
    EndedWithServer,
    Kernel,
    OpenRun,
    Restart,
    SessionStatus,
    TakenOver,
    Usable,
)  # fmt: skip

Step = tuple[SessionStatus, tuple[Effect, ...]]


def step(state: SessionStatus, event: SessionEvent) -> Step:
    """Return the next state and the effects. A session that was taken over does nothing more."""
    if state.is_taken_over:
        return state, ()
    match event:
        case TextPrinted() | DataShown() | DataUpdated() | OutputCleared() | ErrorRaised():
            known = state.find(event.run)
            return (
                _started(state, known, None) if known is not None and not known.has_started else (state, ())
            )
        case ExecutionStarted():
            known = state.find(event.run)
            return _started(state, known, event.execution_count) if known is not None else (state, ())
        case RunEnded():
            return _ended(state, event)
        case KernelDeath():
            return _died(state, event)
        case OtherActivity():
            return _others(state, event)
        case LinkUp() | LinkDown() | LinkOver() | RequestRefused() | OutputLost():
            return _link_changed(state, event)
        case KernelMissing():
            return _kernel_gone(state, f"The kernel of session {state.session} is gone."), ()
        case ServerGone():
            if isinstance(state.availability, EndedWithServer):
                return state, ()
            ended = replace(state, availability=EndedWithServer(event.why))
            return ended, (CloseLink(), ReadRest(event.why))
        case ServerStays():
            return _end(state, event.end)
        case _:
            return _asked(state, event)


def adopted(state: SessionStatus, run: Run) -> SessionStatus:
    """Return the state of a process that continues an earlier one's run, or knows that it has ended."""
    kernel = state.kernel
    if run.has_started or run.status in (RunStatus.OK, RunStatus.ERROR, RunStatus.INTERRUPTED):
        kernel = replace(kernel, used=max(kernel.used, run.generation))
    is_held = run.status is RunStatus.HELD
    still_open = (
        () if run.status.is_final else (OpenRun(run.id, run.msg_id, not is_held, is_held, run.has_started),)
    )
    return replace(state, kernel=kernel, open=state.open + still_open)


def _asked(state: SessionStatus, event: Asked) -> Step:
    kernel = state.kernel
    match event:
        case RunAsked():
            run = OpenRun(event.run, event.msg_id, generation=kernel.generation)
            asked = replace(state, open=(*state.open, run))
            return asked, (QueueRun(event.run, True),) if kernel.others_busy else ()
        case RunPaused():
            return _with(state, event.run, is_held=True), ()
        case RunSent():
            return _with(state, event.run, is_sent=True, is_held=False), ()
        case RunWithdrawn():
            known = state.find(event.run)
            is_sent = known is not None and known.is_sent
            return state if is_sent else _without(state, event.run), ()
        case RunClosed():
            return _end(state, RunEnded(event.run, event.status, None, event.cause), is_forgotten=True)
        case RestartAsked():
            restart = Restart(event.by, tuple(known.run for known in state.open if not known.is_held))
            return replace(state, kernel=replace(kernel, restart=restart)), ()
        case RestartDone():
            return _restarted(state, event.by)
        case RestartFailed():
            return _not_restarted(state, event.by)
        case BatchStarted():
            return replace(state, batch=Batch()), ()
        case BatchEnded():
            return replace(state, batch=Batch(is_over=True, stopped=event.stopped)), ()
        case NoticeTaken():
            return replace(state, notice=""), ()
        case KernelUnused():
            return replace(state, kernel=replace(kernel, was_unused=True)), ()
        case _:
            assert_never(event)


def _started(state: SessionStatus, known: OpenRun, count: int | None) -> Step:
    start = StartRun(known.run, count, is_news=not known.has_started)
    still_open = tuple(replace(run, has_started=True) if run is known else run for run in state.open)
    state = replace(state, open=still_open)
    # The new process runs it: an old one's notice would have come.
    if known.generation == state.kernel.generation:
        state = replace(state, kernel=replace(state.kernel, awaited=()))
    return _used(state), (start,)


def _used(state: SessionStatus) -> SessionStatus:
    """Note that code has run, unless it ran in the kernel before the restart whose exit notice is on its way."""
    if state.kernel.awaited:
        return state
    return replace(state, kernel=replace(state.kernel, used=state.kernel.generation))


def _ended(state: SessionStatus, end: RunEnded) -> Step:
    kernel = state.kernel
    may_be_the_servers = not kernel.restarted_by and ("SIGTERM" in end.cause or kernel.is_shut_down)
    if end.status is RunStatus.DIED and may_be_the_servers:
        return state, (AwaitServerEnd(end),) if state.find(end.run) is not None else ()
    if end.status is RunStatus.DIED and kernel.restarted_by:
        end = replace(end, cause=_restart_cause(kernel.restarted_by))
    return _end(state, end)


def _end(state: SessionStatus, end: RunEnded, *, is_forgotten: bool = False) -> Step:
    known = state.find(end.run)
    if known is None or not (known.is_sent or known.is_held):
        return state, ()
    return _without(state, end.run), (EndRun(end, known.msg_id, is_forgotten),)


def _with(state: SessionStatus, run: str, **changes: Any) -> SessionStatus:
    changed = (replace(known, **changes) if known.run == run else known for known in state.open)
    return replace(state, open=tuple(changed))


def _without(state: SessionStatus, run: str) -> SessionStatus:
    return replace(state, open=tuple(known for known in state.open if known.run != run))


def _others(state: SessionStatus, activity: OtherActivity) -> Step:
    state = _used(state)
    kernel = replace(state.kernel, others_busy=activity.busy)
    if activity.busy and not kernel.awaited:
        kernel = replace(kernel, ran_elsewhere=kernel.ran_elsewhere | {hash(activity.code)})
    waiting = (
        () if not state.open or state.open[-1].has_started else (QueueRun(state.current, activity.busy),)
    )
    return replace(state, kernel=kernel), waiting


def _died(state: SessionStatus, death: KernelDeath) -> Step:
    """Handle the end of the kernel's process, requested or not."""
    kernel = state.kernel
    restart = kernel.restart
    is_restart = death.restarting and (death.asked or not death.cause)  # a stock server does not say why
    by, notice, is_counted = "", "", False
    if is_restart and kernel.awaited:
        by, is_counted = kernel.awaited[0], True
        kernel = replace(kernel, awaited=kernel.awaited[1:])
    elif is_restart and restart is not None and not restart.has_exited:
        by = restart.by
        notice = _restarted_after_all(by) if restart.has_failed else ""
        kernel = replace(kernel, restart=None if restart.has_failed else replace(restart, has_exited=True))
    elif restart is not None and restart.has_failed:
        kernel = replace(kernel, restart=None)
    kernel = replace(kernel, restarted_by=by, others_busy=False)
    state = replace(state, kernel=kernel if is_counted else _next(kernel))
    effects: tuple[Effect, ...] = (RenewLink(), *(QueueRun(run.run, False) for run in state.open))
    if is_counted:
        return state, (*effects, Write(KernelExited(state.kernel_id)))
    if not by:
        changed, state = _unasked(state, death)
        return state, (*effects, Write(KernelChanged(state.kernel_id, changed)))
    if notice:
        effects += (Write(KernelChanged(state.kernel_id, f"restarted by {by}")),)
        state = replace(state, notice=notice)
    return state, effects


def _unasked(state: SessionStatus, death: KernelDeath) -> tuple[str, SessionStatus]:
    """Return the journal's words and the state for an end by itself, or at somebody else's request."""
    cause = death.cause or "its process ended"
    match death.asked, death.restarting:
        case True, True:
            notice = "Somebody restarted the kernel: all variables and imports are lost."
            return "restarted by somebody else", replace(state, notice=notice)
        case True, False:
            why = f": {death.cause}" if death.is_by_rule else ""
            state = _kernel_gone(state, f"The kernel of session {state.session} was shut down{why}.")
            return "shut down", replace(state, kernel=replace(state.kernel, is_shut_down=True))
        case False, True:
            notice = (
                f"The kernel died ({cause}) and was restarted: all variables and imports are lost. "
                "Run what you need again."
            )
            return f"died: {cause}", replace(state, notice=notice)
        case _:
            state = _kernel_gone(
                state, f"The kernel died ({cause}) and the server does not restart it again."
            )
            return f"died: {cause}", replace(state, notice="")


def _restarted(state: SessionStatus, by: str) -> Step:
    """Handle our restart. The exit notice in the kernel's stream comes before this, or long after."""
    restart, kernel = state.kernel.restart, replace(state.kernel, restart=None)
    effects: tuple[Effect, ...] = ()
    awaited_by = ""
    if restart is not None and not restart.has_exited:
        awaited_by = by if state.is_recorded else ""
        kernel = _next(replace(kernel, awaited=(*kernel.awaited, by) if state.is_recorded else ()))
        effects = () if state.is_recorded else (RenewLink(),)
    state = replace(state, kernel=kernel, availability=Usable(), notice="")
    effects += (Write(KernelChanged(state.kernel_id, f"restarted by {by}", awaited_by)),)
    for run in restart.runs if restart is not None else ():
        state, ends = _end(state, RunEnded(run, RunStatus.DIED, None, _restart_cause(by)), is_forgotten=True)
        effects += ends
    return state, effects


def _not_restarted(state: SessionStatus, by: str) -> Step:
    """Handle a restart that the server did not confirm. If it happened, the exit notice shows it."""
    restart = state.kernel.restart
    if restart is None or not restart.has_exited:
        failed = replace(restart, has_failed=True) if restart is not None else None
        return replace(state, kernel=replace(state.kernel, restart=failed)), ()
    state = replace(state, kernel=replace(state.kernel, restart=None), notice=_restarted_after_all(by))
    return state, (Write(KernelChanged(state.kernel_id, f"restarted by {by}")),)


def _next(kernel: Kernel) -> Kernel:
    return replace(kernel, generation=kernel.generation + 1, ran_elsewhere=frozenset())


def _restarted_after_all(by: str) -> str:
    return f"The kernel was restarted after all (by {by}): all variables and imports are lost."


def _restart_cause(by: str) -> str:
    return f"The kernel was restarted by {by}."


def _kernel_gone(state: SessionStatus, why: str) -> SessionStatus:
    """Keep the end of the server, which explains more, if it is known."""
    if isinstance(state.availability, EndedWithServer):
        return state
    return replace(state, availability=EndedWithKernel(why))


def _link_changed(state: SessionStatus, change: LinkChange) -> Step:
    match change:
        case LinkUp():
            is_sent = bool(state.open) and not state.open[-1].is_held
            is_unseen = not change.first and not state.is_recorded and is_sent
            return state, (WatchUnseen(state.current),) if is_unseen else ()
        case LinkDown():
            is_known = isinstance(state.availability, EndedWithServer) or change.attempts < 2
            return state, () if is_known else (DiagnoseServer(),)
        case LinkOver(owned=True):
            why = f"Session {state.session} was taken over by another process: {change.why}."
            cause = f"{why} That process continues this run."
            left = tuple(LeaveRun(run.run, cause) for run in state.open if run.is_sent or run.is_held)
            return replace(state, availability=TakenOver(why), open=()), (Abandon(), *left)
        case LinkOver():
            if isinstance(state.availability, Usable):
                state = _kernel_gone(
                    state, f"The server no longer knows the kernel of session {state.session}."
                )
            end = RunEnded(state.current, RunStatus.DIED, None, state.why_over)
            return _end(state, end, is_forgotten=True)
        case RequestRefused():
            effects: tuple[Effect, ...] = ()
            for run in state.open:
                if run.msg_id == change.msg_id:
                    cause = f"It was not sent to the kernel: {change.why}."
                    end = RunEnded(run.run, RunStatus.LOST, None, cause)
                    state, effects = _end(state, end, is_forgotten=True)
            return state, (*effects, LookAtKernel())
        case OutputLost():
            count, unit = (change.size, "bytes") if change.size else (change.messages, "messages")
            dropped = OutputDropped(state.current, count, unit, _why_lost(change)) if state.open else None
            return state, (CountLoss(dropped, change.last),)
        case _:
            assert_never(change)


def _why_lost(lost: OutputLost) -> str:
    match lost.why:
        case "full" if lost.unfetched:
            return "the server's recording of the kernel was full before a connection fetched it"
        case "full":
            return "it came faster than jlab-mcp could fetch it, until the server's recording of the kernel was full"
        case "stalled":
            return "the disk of the server's recordings was full or failed"
        case "unread":
            return "jlab-mcp could not read it"
        case "unreadable":
            return "the server could not read its recording of the kernel"
        case _:
            return "the server could not keep it"
