"""Shows samples and runs on the main screen's graphs, meters and time strip."""

from __future__ import annotations

from textual.screen import Screen

from ..core.feed.lanes import Bar, bars_of
from ..services.dashboard.monitor import HISTORY_S, Source
from .ansi import one_line
from .curves import shown_samples
from .format import Glyphs
from .gauges import readings
from .options import DashboardOptions
from .selection import ALL
from .view_state import ViewState
from .widgets.graphs import GraphPanel, Meters
from .widgets.time_strip import StripState, TimeStrip


def draw_graphs(
    screen: Screen[None], view: ViewState, source: Source, options: DashboardOptions, glyphs: Glyphs
) -> None:
    samples = shown_samples(source.samples)
    screen.set_class(options.recording is not None and not samples, "-no-graphs")
    names = {row.kernel_id: one_line(row.name) for row in view.sessions}
    shown = readings(samples, source.gpu_idle_since, names, glyphs.separator)
    screen.set_class(len(shown) < 4, "-no-gpu")
    screen.set_class(bool(samples) and len(shown) < 4, "-few")
    screen.query_one(Meters).show(shown)
    for panel, reading in zip(screen.query(GraphPanel), shown, strict=False):
        panel.show(reading)


def draw_strip(screen: Screen[None], view: ViewState, source: Source, options: DashboardOptions) -> None:
    now, recording, strip = options.clock(), options.recording, screen.query_one(TimeStrip)
    if recording is not None:
        strip.show(StripState(recording.bars, now, 0.0, recording.playback, recording.is_playing))
    elif strip.display:
        drawn = [screen.query_one(Meters), *screen.query(GraphPanel)]
        span_s = next((shown.span_s for shown in drawn if shown.display and shown.span_s), HISTORY_S)
        strip.show(StripState(_shown_bars(view, source, now - span_s), now, span_s))


def _shown_bars(view: ViewState, source: Source, since: float) -> tuple[Bar, ...]:
    """Return the runs of the shown session, or of all sessions together."""
    sessions = source.feed.sessions
    shown = (
        sessions.values()
        if view.session == ALL
        else [sessions[view.session]]
        if view.session in sessions
        else []
    )
    return tuple(bar for session in shown for bar in bars_of(session, since))
