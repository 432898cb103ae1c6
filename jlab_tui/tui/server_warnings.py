"""What the dashboard warns of, each time once: the end of the walltime, an idle GPU, a job that ends itself."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.server.gpu_idle import GpuIdleWarnings
from ..core.server.idle_job import IdleEndWarnings, idle_end_sentence
from ..core.server.resources import Sample
from ..core.server.status import ServerStatus
from ..core.server.walltime import Notices
from ..services.dashboard.overview import SessionRow
from .format import LocalTime, at
from .outcomes import Say
from .screen_texts import idle_notices

_IDLE_END_S = 60
"""seconds for which the end of an idle job is shown"""


class ServerWarnings:
    def __init__(self, say: Say, gpu_idle_min: float, local: LocalTime) -> None:
        self._say = say
        self._local = local
        self._notices = Notices()
        self._idle_end = IdleEndWarnings()
        self._gpu_idle = GpuIdleWarnings(gpu_idle_min)

    def server_changed(self, server: ServerStatus | None, now: float) -> None:
        notices, ends = (server.notices, server.record.ends) if server is not None else ((), 0.0)
        for notice in self._notices.due(notices, ends, now):
            self._say(notice, severity="warning")

    def measured(self, sample: Sample | None, rows: Sequence[SessionRow], now: float) -> None:
        for notice in idle_notices(self._gpu_idle, sample, rows):
            self._say(notice, title="Idle GPU", severity="warning")
        plan = sample.idle_end if sample is not None else None
        if self._idle_end.due(plan, now) and plan is not None:
            text = idle_end_sentence(plan, lambda when: at(when, self._local, "%H:%M"))
            self._say(text, title="Idle job", severity="warning", timeout_s=_IDLE_END_S)
