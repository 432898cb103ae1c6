"""The dashboard: shows changes of its source, keeps the selection, and turns keys into actions. Owns nothing outside itself.

One file, because Textual looks for the actions of all keys in the application's class.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, cast

from textual.actions import ActionParseResult
from textual.app import SystemCommand
from textual.binding import BindingType
from textual.command import Provider
from textual.dom import DOMNode
from textual.events import Event
from textual.events import Key as KeyPressed
from textual.filter import LineFilter
from textual.notifications import Notify
from textual.screen import Screen
from textual.timer import Timer

from ..core.feed.lanes import Bar
from ..services.dashboard.actions import Actions, Target
from ..services.dashboard.exports import Exports
from ..services.dashboard.looks import Looks
from ..services.dashboard.monitor import Source
from ..services.dashboard.overview import SessionRow, SessionState
from . import highlight
from .ansi import one_line
from .cell_keys import CellKeys, images_of
from .format import shortened
from .go_to_keys import GoToKeys
from .hold_keys import HoldKeys
from .image_drawing import ImageDrawing
from .kernel_keys import KernelKeys
from .key_context import palette_keys
from .key_palette import KeyCommands
from .keys import KEYS, NUMBERS, OF_SELECTION
from .layouts import UsKeys, locale_of
from .line_keys import LineKeys
from .look_keys import LookKeys
from .main_screen import MainScreen
from .narrator import Narrator
from .news import FeedReplaced, ItemsChanged, PostedNews, RecordRead, Trouble
from .options import DashboardOptions
from .outcomes import Outcomes
from .plain_ascii import AsciiFilter
from .presets import next_preset
from .replay_keys import ReplayKeys
from .run_end_bell import RunEndBell
from .screen_texts import summary
from .screens import ConfirmScreen, GraphScreen, HelpScreen, ImageScreen, SaveWanted
from .selection import targets_of
from .server_warnings import ServerWarnings
from .steering_keys import SteeringKeys
from .style_sheet import KeptStylesheet
from .terminal import T, TerminalApp
from .themes import DAY, NIGHT
from .timeline_keys import TimelineKeys
from .timeline_screen import TimelineScreen
from .view_state import ViewState
from .widgets.canvas import ImageWanted
from .widgets.feed_view import FeedView
from .widgets.footer import KeyClicked, KeyLine
from .widgets.prompt import PromptAnswered
from .widgets.time_strip import BarChosen, TimeSought

NEWS_S = 0.1
"""seconds between two updates of the list of sessions, the title and the detail"""
_LAYOUT = "Layout"
"""title of the notification that names it"""


class Dashboard(TerminalApp):
    TITLE = "jlab-mcp"
    CSS_PATH = "styles.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (160, "-wide")]  # noqa: RUF012 - as in Textual
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall"), (44, "-high")]  # noqa: RUF012
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {KeyCommands}
    BINDINGS: ClassVar[list[BindingType]] = [*(key.binding for key in KEYS), *NUMBERS]

    def __init__(
        self, source: Source, actions: Actions, looks: Looks, exports: Exports, options: DashboardOptions
    ) -> None:
        super().__init__(ansi_color=False)
        self.source = source
        self.options = options
        self.register_theme(NIGHT)
        self.register_theme(DAY)
        self.theme = options.theme if options.theme in self.available_themes else "night"
        self.stylesheet = KeptStylesheet(variables=self.get_css_variables())
        outcomes = Outcomes(self.say, lambda work: self.run_worker(work, group="actions"), options.details)
        self._kernel_keys = KernelKeys(actions, outcomes, self._ask)
        self._steering_keys = SteeringKeys(actions, looks, outcomes, self.push_screen, self._edit)
        self._line_keys = LineKeys(self._kernel_keys, self._steering_keys)
        self._hold_keys = HoldKeys(actions, outcomes, self.say, self.push_screen, self._edit)
        self._cell_keys = CellKeys(exports, source.whole, outcomes, self.say, self.copy_to_clipboard)
        self._go_to_keys = GoToKeys(
            options, self._lend, source.whole, outcomes, self.push_screen, self.copy_to_clipboard
        )
        self._look_keys = LookKeys(looks, self.push_screen)
        self._replay_keys = ReplayKeys(options.recording, self._show_time)
        self._timeline_keys = TimelineKeys(source, options, self.push_screen, self._show_bar)
        self._bell = RunEndBell()
        self._warnings = ServerWarnings(self.say, options.gpu_idle_warn_min, options.local)
        self._to_ascii = AsciiFilter()
        self._news_timer: Timer | None = None
        self._is_to_grow = False
        """parts of the shown records were read that the feed lacks"""
        self._pane_title = ""
        self._us_keys = UsKeys(locale_of(os.environ))
        self._used: Counter[str] = Counter()
        """how often each action was called"""
        self._images = ImageDrawing(self, options.pictures, ascii_only=options.ascii)

    def get_default_screen(self) -> MainScreen:
        return MainScreen(self.source, self.options)

    @property
    def main(self) -> MainScreen:
        return cast(MainScreen, self.screen_stack[0])

    @property
    def view(self) -> ViewState:
        return self.main.view

    @property
    def feed(self) -> FeedView:
        return self.main.feed

    def get_line_filters(self) -> Sequence[LineFilter]:
        filters = super().get_line_filters()
        return [*filters, self._to_ascii] if self.options.ascii else filters

    async def on_mount(self) -> None:
        await self.on_event_loop_ready()
        self.watch(self.main, "view", self._name_pane)
        self.call_after_refresh(self._begin)

    def _name_pane(self, view: ViewState) -> None:
        if view.has_looked and (title := summary(view.server, view.sessions)) != self._pane_title:
            self._pane_title = title
            self.set_pane_title(f"jlab {title}")

    def _begin(self) -> None:
        """Do the slow work after the first frame."""
        self.run_worker(self._follow(), group="source")
        if self.options.is_live:
            self.set_interval(1.0, self._second)
        if self.options.hold:
            self._hold_keys.hold_all([])
        if self.options.story is not None:
            self.run_worker(self.options.story(Narrator(self)), group="story")

    async def _follow(self) -> None:
        await asyncio.to_thread(self._load_rest)
        await self.source.run(PostedNews(self.post_message))

    def _load_rest(self) -> None:
        highlight.warm_up()
        self.options.preload()

    def say(self, text: str, *, title: str = "", severity: str = "information", timeout_s: float = 6) -> None:
        """Show a notification; the text is never markup."""
        self.notify(text, title=title, severity=severity, markup=False, timeout=timeout_s)  # type: ignore[arg-type]

    def on_notify(self, event: Notify) -> None:
        """Let a notification take the place of one that says the same, or names another layout."""
        new = event.notification
        for shown in [*self._notifications]:
            is_same = (shown.title, shown.message) == (new.title, new.message)
            if is_same or shown.title == new.title == _LAYOUT:
                self._unnotify(shown, refresh=False)

    # -- news

    def on_items_changed(self, message: ItemsChanged) -> None:
        if self.is_leaving:
            return
        rings = self._bell.rings(message.changes, self.options.clock())
        if rings and self.options.bell and self.source.is_loaded:
            self.bell()
        self.main.take(message.changes)
        if self._hold_keys.took(message.changes) and self.source.is_loaded:
            self._ask_about_held()
        if self.view.session is None and self.source.is_loaded:
            self._take_rows()
        elif self._news_timer is None:
            self._news_timer = self.set_timer(NEWS_S, self._take_rows)

    def _take_rows(self) -> None:
        if self.is_leaving:
            return
        if self._news_timer is not None:
            self._news_timer.stop()
            self._news_timer = None
        if self._is_to_grow:
            self._is_to_grow = False
            self.main.grow_feed()
        self.main.update(sessions=self.source.rows, past=self.source.past)
        if not self.view.is_by_hand and self.source.is_loaded:
            self.main.follow_newest()
        self.feed.tick_clock(self.options.clock())
        self._look_keys.rows_changed(self.source.rows)
        self._ask_about_held()

    def on_record_read(self, message: RecordRead) -> None:
        self._is_to_grow |= not message.session or self.view.shows(message.session)
        if not self.feed.items and self.source.is_loaded:
            self._take_rows()
        elif self._news_timer is None:
            self._news_timer = self.set_timer(NEWS_S, self._take_rows)

    def on_feed_replaced(self, message: FeedReplaced) -> None:
        self.main.update(sessions=self.source.rows, now=self.options.clock())
        self.main.fill_feed()
        if not self.view.is_by_hand:
            self.main.follow_newest()

    def on_server_changed(self) -> None:
        if self.is_leaving:
            return
        server = self.source.server
        self.main.update(server=server, has_looked=self.source.has_looked, sessions=self.source.rows)
        self._warnings.server_changed(server, self.options.clock())

    def on_resources_changed(self) -> None:
        if self.is_leaving:
            return
        sample = self.source.samples[-1] if self.source.samples else None
        self._warnings.measured(sample, self.view.sessions, self.options.clock())
        if not self.view.measured_at:  # show the first ones at once, later ones with the next second
            self.main.update(sessions=self.source.rows, measured_at=self._measured_at)

    def on_trouble(self, message: Trouble) -> None:
        self.say(message.sentence, severity="warning")

    @property
    def _measured_at(self) -> float:
        return self.source.samples[-1].at if self.source.samples else 0.0

    def _second(self) -> None:
        self._look_keys.rows_changed(self.source.rows)
        self._hold_keys.second(self.options.clock())
        self._ask_about_held()
        if isinstance(self.screen, GraphScreen):
            self.screen.update_lines()
        elif isinstance(self.screen, TimelineScreen):
            self.screen.update_bars()
        elif self.screen is self.main:
            now = self.options.clock()
            with self.batch_update():
                self.main.update(
                    server=self.source.server,
                    sessions=self.source.rows,
                    measured_at=self._measured_at,
                    holds_all=self._hold_keys.holds_all,
                    now=now,
                    slow_line=round(self.line.bytes_s) if self.line.is_slow else 0,
                )
                self.feed.tick_clock(now)

    async def on_event(self, event: Event) -> None:
        if isinstance(event, KeyPressed) and not self._is_writing(event):
            event = self._us_keys.pressed(event)
        await super().on_event(event)

    def _is_writing(self, event: KeyPressed) -> bool:
        return self.focused is not None and self.focused.check_consume_key(event.key, event.character)

    # -- keys that act on kernels and on the server

    def action_interrupt(self) -> None:
        if (target := self._target()) is not None:
            self._kernel_keys.interrupt(target)

    async def action_interrupt_why(self) -> None:
        if (target := self._target()) is not None:
            await self._line_keys.interrupt_why(target, self.main.prompt.ask)

    def action_comment(self) -> None:
        if (target := self._target()) is not None:
            self._steering_keys.comment(target)

    async def action_own_cell(self) -> None:
        if (target := self._target()) is not None:
            row = self._row_of(target)
            is_busy = row is not None and row.state is SessionState.BUSY
            await self._line_keys.own_cell(target, self.main.prompt.ask, is_busy=is_busy)

    def action_own_cell_written(self) -> None:
        if (target := self._target()) is not None:
            self._steering_keys.write(target)

    def action_hold(self) -> None:
        if (target := self._target()) is not None:
            self._hold_keys.hold(target, self.source.feed)
            self._ask_about_held()

    def action_hold_all(self) -> None:
        if self._may_act():
            self._hold_keys.hold_all(targets_of(self.view.sessions))

    def _ask_about_held(self) -> None:
        """Ask about held code, unless something else has the keys."""
        if self.screen is self.main and not self.options.readonly and not self.main.prompt.has_class("-open"):
            self._hold_keys.ask(self.source.feed, self.main.palette)

    def _edit(self, text: str) -> str:
        """Give the terminal to the user's editor."""
        return self._lend(lambda: self.options.edit(text))

    def _lend(self, use: Callable[[], T]) -> T:
        self._hold_keys.goes_away()
        return self.lend(use)

    def action_restart(self) -> None:
        if (target := self._target()) is not None:
            self._kernel_keys.restart(target, self._row_of(target), self.options.clock())

    def action_kill(self) -> None:
        if (target := self._target()) is not None:
            self._kernel_keys.kill(target, self._row_of(target), self.options.clock())

    def action_stop(self) -> None:
        server = self.source.server
        if not self._may_act():
            return
        if server is None or not server.state.is_live:
            self.say("No server or job to stop.")
        else:
            self._kernel_keys.stop(server, self.view.sessions)

    def _may_act(self) -> bool:
        if self.options.readonly:
            self.say("Read-only: this key does nothing here.", severity="warning")
        return not self.options.readonly

    def _target(self) -> Target | None:
        return self._looked_at() if self._may_act() else None

    def _looked_at(self) -> Target | None:
        if (target := self.main.target) is None:
            self.say("No live kernel is selected.")
        return target

    def _row_of(self, target: Target) -> SessionRow | None:
        return next((row for row in self.view.sessions if row.kernel_id == target.kernel_id), None)

    def _ask(self, title: str, sentences: Sequence[str], act: Callable[[], object]) -> None:
        def answered(yes: bool | None) -> None:
            if yes:
                act()

        self.push_screen(ConfirmScreen(title, sentences), answered)

    # -- time: a recording's, and when things ran

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Refuse actions on a selection that another screen hides. Give a replay's keys to it, unless the user writes something."""
        is_main = self.screen is self.main
        if action not in ReplayKeys.ACTIONS:
            return is_main or action not in OF_SELECTION
        return self._replay_keys.has_recording and is_main and not self.main.prompt.has_class("-open")

    def _show_time(self) -> None:
        self.main.show_time()

    def action_play(self) -> None:
        self._replay_keys.play()

    def action_seek(self, by: int) -> None:
        self._replay_keys.seek(by)

    def action_speed(self, by: int) -> None:
        self._replay_keys.change_speed(by)

    def on_time_sought(self, message: TimeSought) -> None:
        self._replay_keys.seek_to(message.at)

    def action_timeline(self) -> None:
        cell, main = self.main.cell, self.main
        session = cell.session if cell is not None else self.view.session or ""
        self._timeline_keys.open(session, cell.run if cell is not None else "", main.palette, main.glyphs)

    def on_bar_chosen(self, message: BarChosen) -> None:
        self._show_bar(message.bar)

    def _show_bar(self, bar: Bar) -> None:
        if not self._replay_keys.seek_on_to(bar.start):
            self.main.show_run(bar.session, bar.run)

    # -- keys that look into a kernel

    def action_variables(self) -> None:
        if (target := self._looked_at()) is not None:
            self._look_keys.variables(target, self._row_of(target), self.main.glyphs)

    def action_stacks(self) -> None:
        if (target := self._looked_at()) is not None:
            self._look_keys.stacks(target, self.main.glyphs)

    # -- keys that act on the current cell

    def action_copy_code(self) -> None:
        self._cell_keys.copy_code(self.main.cell)

    def action_copy_output(self) -> None:
        self._cell_keys.copy_output(self.main.cell)

    def action_go_to(self) -> None:
        cell = self.main.cell
        session = self.source.feed.sessions.get(cell.session if cell is not None else self.view.session or "")
        opened = session.opened if session is not None else None
        server = self.source.server
        is_live = server is not None and server.is_usable
        notebook, directory = (opened.notebook, opened.cwd) if opened is not None else ("", "")
        self._go_to_keys.open(cell, notebook, directory, is_live=is_live)

    def action_preset(self) -> None:
        self.main.update(preset=next_preset(self.view.preset))
        self.say(self.view.preset, title=_LAYOUT)

    def action_notebook(self) -> None:
        if (row := self.view.row) is None or not row.notebook:
            self.say("No notebook is selected.")
        else:
            self.copy_to_clipboard(row.notebook)
            self.say(f"Copied: {one_line(row.notebook)}", title="Notebook")

    def action_save(self) -> None:
        self._cell_keys.save_images(self._session_name, self.main.cell, images_of(self.main.cell))

    def on_save_wanted(self, message: SaveWanted) -> None:
        self._cell_keys.save_images(self._session_name, self.main.cell, message.images)

    def action_write(self) -> None:
        self._cell_keys.write_output(self._session_name, self.main.cell, lambda: self.feed.is_expanded)

    @property
    def _session_name(self) -> str:
        return self.view.row.name if self.view.row else ""

    # -- answers, screens, theme

    def on_prompt_answered(self, message: PromptAnswered) -> None:
        self.feed.focus()
        match message.kind:
            case "reason" | "own" | "look":
                self._line_keys.answered(message)
            case "filter":
                self.main.update(name_filter=message.text.strip())
            case _:
                if message.text and not self.feed.search(message.text):
                    self.say(f"“{message.text}” is not in this feed.")
                self.main.draw_feed_frame()

    def action_theme(self) -> None:
        self.theme = "day" if self.current_theme.dark else "night"

    def action_help(self) -> None:
        self.push_screen(HelpScreen(readonly=self.options.readonly, replays=self._replay_keys.has_recording))

    def action_detach(self) -> None:
        if names := self._hold_keys.held_here(self.source.feed):
            shown = ", ".join(shortened(one_line(name), 24) for name in names)
            self._ask(
                "Quit?", [f"Code in {shown} waits for you; it runs when you quit."], lambda: self.exit(0)
            )
        else:
            self.exit(0)

    async def action_quit(self) -> None:
        """Textual's own name for it, which the palette calls."""
        self.action_detach()

    async def on_key_clicked(self, message: KeyClicked) -> None:
        await self.run_action(message.action)

    def terminal_named(self, name: str) -> None:
        """Draw images again if the terminal can have them finer."""
        if self._images.terminal_named(name):
            self.main.draw_images_again()

    def on_image_wanted(self, message: ImageWanted) -> None:
        self.run_worker(self._draw_image(message), group="images")

    async def _draw_image(self, message: ImageWanted) -> None:
        output, columns, rows = message.output, message.columns, message.rows
        strips = await self._images.draw(output, columns, rows)
        self.main.image_ready(output, columns, rows, strips)
        if isinstance(self.screen, ImageScreen):
            self.screen.image_ready(output, columns, rows, strips)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Yield our commands first, with their keys, then Textual's own."""
        server = self.source.server
        for key in palette_keys(
            self._used,
            {key.action for key in self.main.query_one(KeyLine).keys},
            is_selection_shown=screen is self.main,
            is_live=server is not None and server.state.is_live,
            has_kernel=self.main.target is not None,
            may_act=not self.options.readonly,
            replays=self._replay_keys.has_recording,
        ):
            yield SystemCommand(
                f"{key.label} ({key.shown})", key.sentence, lambda action=key.action: self._call(action)
            )
        for command in super().get_system_commands(screen):
            if command.title not in ("Quit", "Keys", "Maximize", "Minimize", "Screenshot"):
                yield command

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        if isinstance(action, str):
            self._used[action] += 1
        return await super().run_action(action, default_namespace, namespaces)

    def _call(self, action: str) -> None:
        self.run_worker(self.run_action(action), group="commands")
