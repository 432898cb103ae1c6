"""Keys for kernels and the server: ask first if something gets lost, then act."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..core.server.record import ServerState
from ..core.server.status import ServerStatus
from ..services.dashboard.actions import Actions, Target
from ..services.dashboard.overview import SessionRow
from .outcomes import Outcomes
from .screen_texts import session_now, stop_question

Ask = Callable[[str, Sequence[str], Callable[[], object]], object]
"""shows a question with its consequences; calls the last argument if the answer is yes"""


class KernelKeys:
    def __init__(self, actions: Actions, outcomes: Outcomes, ask: Ask) -> None:
        self._actions = actions
        self._outcomes = outcomes
        self._ask = ask

    def interrupt(self, target: Target, reason: str = "") -> None:
        self._outcomes.start(f"Interrupting {target.name}", lambda: self._actions.interrupt(target, reason))

    def restart(self, target: Target, row: SessionRow | None, now: float) -> None:
        lost = "Variables and everything else in the kernel's memory are lost; the notebook stays."
        self._ask(
            "Restart the kernel?",
            [session_now(target.name, row, now), lost],
            lambda: self._outcomes.start("Restart the kernel", lambda: self._actions.restart(target)),
        )

    def kill(self, target: Target, row: SessionRow | None, now: float) -> None:
        lost = "The kernel ends and its memory is freed. The notebook stays."
        self._ask(
            "Kill session?",
            [session_now(target.name, row, now), lost],
            lambda: self._outcomes.start("Kill session", lambda: self._actions.shutdown(target)),
        )

    def stop(self, server: ServerStatus, rows: Sequence[SessionRow]) -> None:
        """Stop a live server, or cancel its queued job."""
        is_queued = server.state is ServerState.PENDING
        act = self._actions.cancel_job if is_queued else self._actions.stop_server
        question, consequence = stop_question(server, rows)
        self._ask(question, [consequence], lambda: self._outcomes.start(question.rstrip("?"), act))
