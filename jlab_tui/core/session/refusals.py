"""Why something cannot be done with a session, as errors that say what helps."""

from __future__ import annotations

from typing import assert_never

from ..errors import JlabError, KernelGone, SessionBusy, SessionOwned
from .run import Run
from .state import EndedWithKernel, EndedWithServer, SessionStatus, TakenOver, Usable


def refusal(state: SessionStatus, notebook: str) -> JlabError | None:
    """Why nothing can be done with the session, as an error; `notebook` is its path."""
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
    """Why no run can be asked for: `run` is in progress, or a batch that the new one does not belong to."""
    if run is not None:
        last = run.outputs.last_line if run.outputs else ""
        shown = f" Its last line: {last[-200:]!r}." if last else ""
        return SessionBusy(
            f"Session {state.session} is busy: run {run.id} has been going for {run.elapsed(now):.0f} s.{shown}",
            f'Nothing was done. Call wait_for_run(run_id="{run.id}"), or interrupt_kernel(session_id="{state.session}").',
        )
    if state.batch is not None and not state.batch.is_over and not in_batch:
        return SessionBusy(
            f"Session {state.session} is busy: its cells are being run again.",
            f'Nothing was done. Follow it with read_notebook(session_id="{state.session}").',
        )
    return None
