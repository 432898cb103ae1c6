"""The dashboard: listens to its source, hands values to widgets, turns keys into actions. It owns nothing outside."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from textual.app import ComposeResult, SystemCommand
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen

from ..core.items import Cell, Change, Item, Note
from ..core.models import ServerState
from ..core.walltime import Notices
from ..services.acting import Actions
from ..services.monitor import Source
from ..services.overview import ServerView, SessionRow, SessionState
from . import pixels
from .ansi import one_line, plain
from .base import pick_session
from .deeds import Deeds
from .keys import KEYS, NUMBERS
from .options import DashboardOptions
from .plots import Line
from .screens import GraphScreen, HelpScreen, PictureScreen
from .terminal import prepare
from .themes import DAY, NIGHT, Palette
from .widgets.detail import Detail, DetailState
from .widgets.feed import CellFocused, Feed, FollowChanged, PictureWanted
from .widgets.footer import KeyClicked, KeyLine
from .widgets.graphs import GraphPanel, Meters, memory_percent, readings
from .widgets.header import Header, HeaderState, short_gpu
from .widgets.prompt import Prompt, PromptAnswered
from .widgets.sessions import ALL, SessionChosen, SessionList, SessionTabs
from .widgets.state import StatePanel
from .widgets.strips import StripWidget
from .wording import at, counted

BELL_AFTER_S = 30.0
"""a cell that took longer rings the bell when it ends"""


class Dashboard(Deeds):
    """Header, graphs, sessions, feed, footer."""

    TITLE = "jlab-mcp"
    CSS_PATH = "styles.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (160, "-wide")]  # noqa: RUF012 - as in Textual
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall"), (44, "-high")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [*(key.binding for key in KEYS), *NUMBERS]

    def __init__(self, source: Source, actions: Actions, options: DashboardOptions) -> None:
        super().__init__(source, actions, options)
        self.register_theme(NIGHT)
        self.register_theme(DAY)
        self.theme = options.theme if options.theme in self.available_themes else "night"
        self._running_cells: dict[int, Cell] = {}
        self._notices = Notices()
        self._readings_stale = True
        self._title = ""
        self._frame = ("", "")

    # -- building

    def compose(self) -> ComposeResult:
        palette, glyphs, local = self.palette, self.glyphs, self.options.local
        yield Header(palette, glyphs, id="header")
        yield StatePanel(palette, glyphs, id="state")
        with Horizontal(id="graphs"):
            for number in range(4):
                panel = GraphPanel(palette, glyphs)
                panel.set_class(number >= 2, "gpu")
                yield panel
        yield Meters(palette, glyphs, id="meters")
        yield SessionTabs(palette, glyphs, id="tabs")
        with Horizontal(id="body"):
            sessions = SessionList(palette, glyphs, id="sessions")
            sessions.border_title = "Sessions"
            yield sessions
            yield Feed(palette, glyphs, local, id="feed")
            detail = Detail(palette, glyphs, id="detail")
            detail.border_title = "Detail"
            yield detail
        yield Prompt(id="prompt")
        yield KeyLine(palette, glyphs, id="keys")

    async def on_mount(self) -> None:
        await self.on_event_loop_ready()
        self.theme_changed_signal.subscribe(self, lambda _theme: self._take_theme())
        self._take_theme()
        self.main.set_class(self.options.ascii, "-ascii")
        self.feed.focus()
        self._draw_all()
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        """After the first frame: everything that takes longer than a screen may be empty."""
        self.run_worker(self._follow(), group="source")
        if self.options.is_live:
            self.set_interval(1.0, self._second)

    async def _follow(self) -> None:
        await asyncio.to_thread(self.options.preload)
        await self.source.run(self)

    @property
    def main(self) -> Screen[Any]:
        return self.screen_stack[0]

    def _take_theme(self) -> None:
        self.palette = Palette(self.get_css_variables(), dark=self.current_theme.dark)
        for widget in self.main.query(StripWidget):
            widget.repaint_with(self.palette)
        self.feed.repaint_with(self.palette)

    # -- listener of the source

    def items_changed(self, changes: Sequence[Change]) -> None:
        self._ring_for_finished(changes)
        if not self.chosen_by_hand and self.source.is_loaded:
            self._follow_newest(changes)
        mine = [c for c in changes if self._is_shown(c.session) and self._passes(c.item)]
        if mine:
            self.feed.tick_clock(self.options.clock())
            self.feed.take(mine)
        had_rows = bool(self.all_rows)
        self._draw_sessions()
        if bool(self.all_rows) != had_rows:
            self._draw_all()
        elif not self.feed.items:  # what an empty feed says depends on whether the record has been read
            self._draw_feed_frame()
        self._draw_title()
        if any(c.item is self.feed.current_item for c in mine):
            self._draw_detail()

    def server_changed(self) -> None:
        self._draw_all()
        server = self.source.server
        ends = server.record.ends if server.record is not None else 0.0
        for notice in self._notices.due(server.notices, ends, self.options.clock()):
            self.trouble(notice)

    def resources_changed(self) -> None:
        if self._readings_stale:  # the first ones are shown at once, later ones with the next second
            self._readings_stale = False
            self._draw_graphs()
            self._draw_header()

    def trouble(self, sentence: str) -> None:
        self.say(sentence, severity="warning")

    def _follow_newest(self, changes: Sequence[Change]) -> None:
        """Until somebody chooses: the session that was opened last, at first the one with the latest news."""
        self.all_rows = self.source.rows
        if self.session is None:
            wanted = pick_session(self.all_rows)
        else:
            new = [row.session for row in self.all_rows if row.cells == 0 and not row.is_foreign]
            opened = {c.session for c in changes if c.is_new or c.item is None}
            wanted = next((s for s in reversed(new) if s in opened), self.session)
        if wanted is not None and wanted != self.session:
            self.choose(wanted)

    def _ring_for_finished(self, changes: Sequence[Change]) -> None:
        for change in changes:
            cell = change.item
            if not isinstance(cell, Cell):
                continue
            if cell.is_running:
                self._running_cells[id(cell)] = cell
                continue
            was_running = self._running_cells.pop(id(cell), None) is not None and self.source.is_loaded
            if was_running and self.options.bell and (cell.has_failed or cell.seconds >= BELL_AFTER_S):
                self.bell()

    # -- what is shown

    def choose(self, session: str) -> None:
        """Show a session, or all of them."""
        self.session = session
        if session == ALL:
            items: list[Item] = sorted(
                (item for view in self.source.feed.sessions.values() for item in view.items),
                key=lambda i: i.at,
            )
            names = {view.session: view.name for view in self.source.feed.sessions.values()}
        else:
            view = self.session_feed
            items, names = (view.items if view else []), {}
        self.feed.tick_clock(self.options.clock())
        self.feed.show([item for item in items if self._passes(item)], names)
        self._draw_all()

    def _is_shown(self, session: str) -> bool:
        return self.session is not None and self.session in (ALL, session)

    def _passes(self, item: Item | None) -> bool:
        if not self.errors_only or item is None:
            return item is not None
        return item.has_failed if isinstance(item, Cell) else isinstance(item, Note) and item.level == "error"

    def _draw_all(self) -> None:
        self.all_rows = self.source.rows
        view = self.source.server
        self.main.set_class(view.state is not ServerState.READY, "-not-running")
        now = self.options.clock()
        self.main.query_one(StatePanel).show(view, now, self.options.local)
        self._draw_graphs()
        self._draw_header()
        self._draw_sessions()
        self._draw_feed_frame()
        self._draw_detail()
        self._draw_title()
        shown = [
            k for k in KEYS if (k.in_footer if self.all_rows else k.action in ("stop", "help", "detach"))
        ]
        self.main.query_one(KeyLine).show([(k.shown, k.label, k.action) for k in shown])

    def _second(self) -> None:
        if self.screen is not self.main:
            if isinstance(self.screen, GraphScreen):
                self.screen.update_lines()
            return
        now = self.options.clock()
        with self.batch_update():
            self._draw_header()
            self._draw_graphs()
            self._draw_sessions()
            self.main.query_one(StatePanel).show(self.source.server, now, self.options.local)
            self.feed.tick_clock(now)
            if self.cell is not None and self.cell.is_running:
                self._draw_detail()

    def _draw_header(self) -> None:
        now = self.options.clock()
        source = self.source
        flag = "replay" if self.options.is_replay else "read-only" if self.options.readonly else ""
        sample = source.samples[-1] if source.samples else None
        time = at(now, self.options.local)
        state = HeaderState(
            source.server, self.all_rows, sample, now if self._has_walltime else 0.0, time, flag
        )
        self.main.query_one(Header).show(state)

    @property
    def _has_walltime(self) -> bool:
        record = self.source.server.record
        return record is not None and record.ends > 0

    def _draw_graphs(self) -> None:
        if self.source.server.state is not ServerState.READY:
            return
        samples = list(self.source.samples)[-600:]
        names = {row.kernel_id: one_line(row.name) for row in self.all_rows}
        shown = readings(samples, self.source.gpu_idle_since, names, self.glyphs.separator)
        self.main.set_class(len(shown) < 4, "-no-gpu")
        self.main.query_one(Meters).show(shown)
        for panel, reading in zip(self.main.query(GraphPanel), shown, strict=False):
            panel.show(reading)

    def _draw_sessions(self) -> None:
        self.all_rows = self.source.rows
        now = self.options.clock()
        sessions = self.main.query_one(SessionList)
        height = max(1, 3 * len(self.rows)) + 2
        if sessions.styles.height is None or sessions.styles.height.value != height:
            sessions.styles.height = height
        sessions.show(self.rows, self.session or ALL, now)
        self.main.query_one(SessionTabs).show(self.rows, self.session or ALL)

    def _draw_feed_frame(self) -> None:
        feed, row = self.feed, self.row
        view = self.source.server
        if self.session == ALL:
            title = Content.styled("All sessions", "bold")
        elif row is None:
            title = Content.styled(
                "Log" if view.state is not ServerState.READY and view.log_tail else "Cells", "bold"
            )
        else:
            path = shown_path(row.notebook, max(10, feed.size.width - len(row.name) - 12))
            title = Content.assemble(
                Content.styled(one_line(row.name), "bold"),
                Content.styled(f" {self.glyphs.separator} {path}" if path else "", "$foreground 60%"),
            )
        parts = []
        if self.errors_only:
            parts.append("errors only")
        if feed.needle:
            found = counted(len(feed.matches), "match").replace("matchs", "matches")
            parts.append(f"{feed.match + 1}/{found}" if feed.matches else "nothing found")
        if not feed.items:
            pass
        elif feed.follows:
            parts.append(f"following {self.glyphs.follow}")
        else:
            below = feed.rows_below
            parts.append(f"{counted(below, 'line')} below, G follows" if below else "at the end, G follows")
        subtitle = f" {self.glyphs.separator} ".join(parts)
        if (frame := (title.plain, subtitle)) != self._frame:
            self._frame = frame
            feed.border_title = title
            feed.border_subtitle = Content(subtitle)
        feed.set_empty(empty_lines(view, self.source.is_loaded, row, self.errors_only))

    def _draw_detail(self) -> None:
        detail = self.main.query_one(Detail)
        if not self.main.has_class("-wide"):
            return
        item = self.feed.current_item
        now = int(self.options.clock()) if isinstance(item, Cell) and item.is_running else 0
        version = item.version if item is not None else 0
        detail.show(DetailState(self.row, self.session_feed, item, version, now), self.options.local)

    def _draw_title(self) -> None:
        busy = sum(row.state is SessionState.BUSY for row in self.all_rows)
        state = self.source.server.state
        word = f"{busy} busy" if busy else state.value if state else "no server"
        if word != self._title:
            self._title = word
            self.set_pane_title(f"jlab {word}")

    # -- messages of widgets

    def on_feed_frame(self) -> None:
        self._draw_feed_frame()

    def on_follow_changed(self, message: FollowChanged) -> None:
        self._draw_feed_frame()

    def on_cell_focused(self, message: CellFocused) -> None:
        self._draw_detail()

    def on_session_chosen(self, message: SessionChosen) -> None:
        self.chosen_by_hand = True
        self.choose(message.session)

    async def on_key_clicked(self, message: KeyClicked) -> None:
        await self.run_action(message.action)

    def on_picture_wanted(self, message: PictureWanted) -> None:
        self.run_worker(self._draw_picture(message), group="pictures")

    async def _draw_picture(self, message: PictureWanted) -> None:
        output, columns, rows = message.output, message.columns, message.rows
        strips = await asyncio.to_thread(drawn_picture, output.data, columns, rows, self.options.ascii)
        self.feed.picture_ready(output, columns, rows, strips)
        self.main.query_one(Detail).picture_ready(output, columns, rows, strips)
        if isinstance(self.screen, PictureScreen):
            self.screen.picture_ready(output, columns, rows, strips)

    def on_prompt_answered(self, message: PromptAnswered) -> None:
        self.feed.focus()
        if message.kind == "filter":
            self.name_filter = message.text.strip()
            self._draw_sessions()
            return
        if message.text:
            found = self.feed.search(message.text)
            if not found:
                self.say(f"“{message.text}” is not in this feed.")
        self._draw_feed_frame()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw_all)

    # -- keys

    def action_detach(self) -> None:
        self.exit(0)

    def action_expand(self) -> None:
        if not self.feed.toggle_fold():
            self.say("Nothing of this cell is hidden.")

    def action_zoom(self) -> None:
        self.main.toggle_class("-zoomed")

    def action_cell(self, by: int) -> None:
        self.feed.move_cell(by)

    async def action_search(self) -> None:
        await self.main.query_one(Prompt).ask("search", "/", self.feed.needle)

    async def action_filter(self) -> None:
        await self.main.query_one(Prompt).ask("filter", "sessions:", self.name_filter)

    def action_match(self, by: int) -> None:
        if not self.feed.matches:
            self.say("Nothing has been searched for; / searches.")
            return
        self.feed.next_match(by)
        self._draw_feed_frame()

    async def action_back(self) -> None:
        if self.feed.needle:
            self.feed.search("")
        elif self.main.has_class("-zoomed"):
            self.main.remove_class("-zoomed")
        else:
            self.feed.focus()
        self._draw_feed_frame()

    def action_errors(self) -> None:
        self.errors_only = not self.errors_only
        self.choose(self.session or ALL)

    def action_all(self) -> None:
        self.chosen_by_hand = True
        self.choose(ALL if self.session != ALL else pick_session(self.all_rows) or ALL)

    def action_number(self, number: int) -> None:
        if number <= len(self.rows):
            self.chosen_by_hand = True
            self.choose(self.rows[number - 1].session)

    def action_graphs(self) -> None:
        self.push_screen(GraphScreen(self._lines, self.palette, self.glyphs, self.options.local))

    def action_theme(self) -> None:
        self.theme = "day" if self.current_theme.dark else "night"

    def action_help(self) -> None:
        self.push_screen(HelpScreen(self.palette, readonly=self.options.readonly))

    async def action_quit(self) -> None:
        """Textual's own name for it, as the palette calls it."""
        self.exit(0)

    def _lines(self) -> tuple[list[Line], list[float], list[str]]:
        samples = list(self.source.samples)[-600:]
        times = [s.at for s in samples]
        last = samples[-1] if samples else None
        lines = [
            Line("CPU", [s.cpu_percent for s in samples], "success"),
            Line("MEM", [s.memory_percent for s in samples], "primary"),
        ]
        hues = ("secondary", "accent", "warning", "error")
        for number, gpu in enumerate(last.gpus if last else ()):
            use = [s.gpus[number].utilization_percent if number < len(s.gpus) else None for s in samples]
            memory = [memory_percent(s.gpus[number]) if number < len(s.gpus) else None for s in samples]
            label = f"GPU {gpu.index}" if last and len(last.gpus) > 1 else f"GPU {short_gpu(gpu.name)}"
            lines.append(Line(label, use, hues[number * 2 % 4]))
            lines.append(
                Line(
                    f"VRAM {gpu.index}" if last and len(last.gpus) > 1 else "VRAM",
                    memory,
                    hues[(number * 2 + 1) % 4],
                )
            )
        legend = [f"{ln.label} {_now(ln.values)}" for ln in lines]
        return lines, times, legend

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Our commands first, by their keys; Textual's own after them."""
        for key in KEYS:
            if key.acts and self.options.readonly:
                continue
            yield SystemCommand(
                f"{key.label} ({key.shown})", key.sentence, lambda action=key.action: self._call(action)
            )
        for command in super().get_system_commands(screen):
            if command.title not in ("Quit", "Keys", "Maximize", "Minimize", "Screenshot"):
                yield command

    def _call(self, action: str) -> None:
        self.run_worker(self.run_action(action), group="commands")


def _now(values: Sequence[float | None]) -> str:
    value = next((v for v in reversed(values) if v is not None), None)
    return "?" if value is None else f"{value:.0f}%"


def drawn_picture(data: str, columns: int, rows: int, ascii_only: bool) -> list[Any]:
    """Strips of a base64 picture; a sentence where it cannot be decoded."""
    from rich.segment import Segment
    from textual.strip import Strip

    try:
        return pixels.strips(pixels.load(data), columns, rows, ascii_only=ascii_only)
    except ValueError as error:
        return [Strip([Segment(f"The picture cannot be drawn: {one_line(str(error))[:80]}")])]


def shown_path(path: str, width: int) -> str:
    """The end of a path: folder and file, as much as fits."""
    path = one_line(path)
    short = "/".join(path.split("/")[-2:])
    return short if len(short) <= width else "…" + short[-(width - 1) :]


def empty_lines(
    view: ServerView, is_loaded: bool, row: SessionRow | None, errors_only: bool
) -> tuple[tuple[str, str], ...]:
    """What the feed says while it has nothing to show."""
    if errors_only:
        return (("No cell has failed.", "text"), ("e shows all cells again.", "muted"))
    if view.state is not None and view.state is not ServerState.READY and view.log_tail:
        return tuple((plain(line), "text") for line in view.log_tail)
    if view.state is not ServerState.READY:
        return (("Cells appear here as soon as a session runs something.", "muted"),)
    if not is_loaded:
        return (("Reading the record ...", "muted"),)
    if row is not None and row.is_foreign:
        return (
            ("This kernel was opened in JupyterLab.", "text"),
            ("What it runs is not recorded here; its state and memory are.", "muted"),
        )
    if row is not None:
        return (("Nothing has been run in this session yet.", "text"),)
    return (
        ("No session yet.", "text"),
        ("Ask Claude to start one, for example: “open a notebook and look at the data”.", "muted"),
        ("`jlab-mcp init` registers the MCP server for this project.", "muted"),
    )


def farewell(view: ServerView, rows: Sequence[SessionRow]) -> str:
    """What still runs after the dashboard is gone, and how to stop it."""
    record = view.record
    if view.state is None or not view.state.is_live or record is None:
        return ""
    live = [row for row in rows if row.state not in (SessionState.CLOSED, SessionState.DEAD)]
    busy = sum(row.state is SessionState.BUSY for row in live)
    what = f"job {record.job_id}" if record.job_id else f"PID {record.pid}"
    if view.state is ServerState.PENDING:
        head = f"SLURM {what} stays in the queue."
    else:
        where = f"{record.hostname}, " if record.hostname else ""
        kernels = f", {counted(len(live), 'kernel')}" + (f", {busy} busy" if busy else "") if live else ""
        head = f"JupyterLab still runs ({where}{what}{kernels})."
    return f"{head}\nWatch it again: jlab-mcp start    Stop it: jlab-mcp stop\n"


def run(source: Source, actions: Actions, options: DashboardOptions) -> int:
    """Show the dashboard until it is left. Returns the exit code; says on stdout what still runs."""
    prepare(os.environ)
    app = Dashboard(source, actions, options)
    app.run()
    app.has_left()
    code = app.return_code or 0
    if options.says_farewell and code in (0, 129, 143):
        text = farewell(app.source.server, app.all_rows)
        if text and code != 129:
            sys.stdout.write(text)
            sys.stdout.flush()
    return code
