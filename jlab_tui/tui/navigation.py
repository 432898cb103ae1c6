"""Keys that only change what the dashboard shows: cells, sessions, search, screens, theme."""

from __future__ import annotations

from ..core.feed.items import FeedCell
from .curves import Graph, graphs_of
from .main_screen import SAMPLES_SHOWN, MainScreen
from .screens import GraphScreen, HelpScreen
from .selection import ALL, pick_session
from .widgets.prompt import Prompt


class Navigation(MainScreen):
    """Actions of keys that stay inside the dashboard."""

    def action_detach(self) -> None:
        self.exit(0)

    def action_expand(self) -> None:
        if not self.feed.toggle_fold():
            self.say("This cell has no hidden lines.")
            return
        cell = self.cell
        if cell is not None and cell.has_gaps and self.feed.is_expanded:
            self.run_worker(self._fetch(cell), group="records")

    async def _fetch(self, cell: FeedCell) -> None:
        """Read the lines of an expanded cell that are not kept in memory."""
        if not await self.source.whole(cell):
            self.say("The rest of this output is not on record.", severity="warning")

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
            self.say("There is no match to go to; / searches.")
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
        self.push_screen(GraphScreen(self._curves, self.palette, self.glyphs, self.options.local))

    def _curves(self) -> tuple[list[Graph], list[float]]:
        samples = list(self.source.samples)[-SAMPLES_SHOWN:]
        return graphs_of(samples), [sample.at for sample in samples]

    def action_theme(self) -> None:
        self.theme = "day" if self.current_theme.dark else "night"

    def action_help(self) -> None:
        self.push_screen(HelpScreen(readonly=self.options.readonly))

    async def action_quit(self) -> None:
        """Textual's own name for it, as the palette calls it."""
        self.exit(0)
