"""Makes the errors for requests that a session refuses, with what to do next."""

from __future__ import annotations

from typing import assert_never

from ..errors import JlabError, KernelGone, SessionBusy, SessionOwned
from ..journal.acts import OWN_CELL
from ..journal.events import RunStatus
from .run import Run
from .state import EndedWithKernel, EndedWithServer, SessionStatus, TakenOver, Usable


def refusal(state: SessionStatus, notebook: str) -> JlabError | None:
    """Return the error for a session that cannot be used; `notebook` is its path."""
    match state.availability:
        case Usable():
            return None
        case TakenOver(why):
            return SessionOwned(
                why,
                "Nothing was done. You can read it from here; to run code, open your own session with start_new_session.",
            )
        case EndedWithServer(why) | EndedWithKernel(why):
            path = f'(notebook_path="{notebook}")' if notebook else ""
            return KernelGone(why, f"Open its notebook again with start_session_resume_notebook{path}.")
        case _:
            assert_never(state.availability)


def busy(state: SessionStatus, run: Run | None, now: float, *, in_batch: bool = False) -> SessionBusy | None:
    """Return the error for a busy session: `run` is in progress, or a batch that the new run does not belong to."""
    if run is not None and run.status is RunStatus.HELD:
        return SessionBusy(
            f"Session {state.session} is busy: the user holds run {run.id} and looks at its code before it runs.",
            f'Nothing was done. Call wait_for_run(run_id="{run.id}"), or interrupt_kernel(session_id="{state.session}") to give it up.',
        )
    if run is not None and run.tool == OWN_CELL:
        return SessionBusy(
            f"Session {state.session} is busy: the user has been running a cell of their own (run {run.id}) for {run.elapsed(now):.0f} s.",
            f'Nothing was done. Call wait_for_run(run_id="{run.id}"), and then this again.',
        )
    if run is not None:
        last = run.outputs.last_line if run.outputs else ""
        shown = f" Its last line: {last[-200:]!r}." if last else ""
        return SessionBusy(
            f"Session {state.session} is busy: run {run.id} has been running for {run.elapsed(now):.0f} s.{shown}",
            f'Nothing was done. Call wait_for_run(run_id="{run.id}"), or interrupt_kernel(session_id="{state.session}").',
        )
    if state.batch is not None and not state.batch.is_over and not in_batch:
        return SessionBusy(
            f"Session {state.session} is busy running its cells again.",
            f'Nothing was done. Follow it with read_notebook(session_id="{state.session}").',
        )
    return None
