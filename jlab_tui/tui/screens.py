"""Screens over the main one: questions, help, images, big graphs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import ClassVar

from rich.segment import Segment
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen, Screen
from textual.strip import Strip
from textual.widgets import Button, Static

from ..core.feed.items import ImageOutput
from .curves import Graph
from .figure_layer import drawing_of, texts_without_room
from .format import Glyphs, LocalTime, at, counted
from .image_board import PlacedImage
from .keys import GROUPS, KEYS, MOVING, REPLAY
from .pixels import fit
from .plots import Plotext, area, binned, plotext_rows
from .themes import Palette
from .widgets.canvas import ImageWanted
from .widgets.strips import StripWidget


class ConfirmScreen(ModalScreen[bool]):
    """A question with the safe answer focused."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes", id="confirm.yes"),
        Binding("n,escape,q", "answer(False)", "No", id="confirm.no"),
        Binding("left,right", "app.focus_next", "Other answer", show=False, id="confirm.other"),
    ]

    def __init__(self, title: str, sentences: Sequence[str]) -> None:
        super().__init__()
        self._title = title
        self._sentences = sentences

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog") as dialog:
            dialog.border_title = Content(self._title)
            yield Static(Content("\n".join(self._sentences)))
            with Horizontal(id="buttons"):
                yield Button("No (n)", id="no")
                yield Button("Yes (y)", id="yes", variant="error")

    def on_mount(self) -> None:
        self.query_one("#no").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)


class HelpScreen(Screen[None]):
    """All keys by group. Not modal, because Textual would tint the screen below again with every line of output."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "close", "Close", id="help.close"),
    ]

    def __init__(self, *, readonly: bool, replays: bool = False) -> None:
        super().__init__()
        self._readonly = readonly
        self._groups = (*GROUPS[:2], REPLAY) if replays else GROUPS[:2]

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help") as panel:
            panel.border_title = Content("Keys")
            panel.border_subtitle = Content("esc closes")
            with Horizontal(id="columns"):
                yield Static(self._column(self._groups))
                yield Static(self._column(GROUPS[2:]))
            yield Static(self._moving())

    def _column(self, groups: Sequence[str]) -> Content:
        lines: list[Content] = []
        for group in groups:
            note = " (read-only: they do nothing)" if group == "Act" and self._readonly else ""
            lines.append(Content.styled(group + note, "bold $primary"))
            for key in KEYS:
                if key.group == group:
                    is_faint = key.acts and self._readonly
                    lines.append(
                        _help_line(
                            key.shown, key.sentence, 7, "$foreground 45%" if is_faint else "$foreground"
                        )
                    )
        return Content("\n").join(lines)

    def _moving(self) -> Content:
        lines = [_help_line(shown, sentence, 18, "$foreground") for shown, sentence in MOVING]
        return Content("\n").join([Content.styled("Moving", "bold $primary"), *lines])

    def action_close(self) -> None:
        self.dismiss(None)


def _help_line(shown: str, sentence: str, width: int, style: str) -> Content:
    return Content.assemble(
        Content.styled(f"  {shown:<{width}}", "bold $accent"), Content.styled(sentence, style)
    )


class SaveWanted(Message):
    """The user asked to save the image on the screen."""

    def __init__(self, images: Sequence[ImageOutput]) -> None:
        super().__init__()
        self.images = images


class BigImage(StripWidget):
    """One image as large as the screen allows."""

    output: ImageOutput
    drawn: Sequence[Strip] | None = None
    failure = ""

    def build(self, width: int, height: int) -> list[Strip]:
        if self.drawn is None:
            return [Strip([Segment(self.failure or " drawing the image", self.palette.style("muted"))])]
        left = max(0, (width - self.drawn[0].cell_length) // 2) if self.drawn else 0
        top = max(0, (height - len(self.drawn)) // 2)
        return [Strip([])] * top + [Strip([Segment(" " * left), *strip]) for strip in self.drawn]


_BORDER = 6
"""columns of a border that its title does not have"""


class ImageScreen(Screen[None]):
    """A cell's images, one at a time."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,v,enter", "close", "Close", id="image.close"),
        Binding("s", "save", "Save", id="image.save"),
        Binding("left,left_square_bracket,k", "turn(-1)", "Previous", id="image.previous"),
        Binding("right,right_square_bracket,j,space", "turn(1)", "Next", id="image.next"),
    ]

    def __init__(self, images: Sequence[ImageOutput], palette: Palette, glyphs: Glyphs) -> None:
        super().__init__()
        self._images = list(images)
        self._number = len(images) - 1
        self._view = BigImage(palette, glyphs)
        self._view.add_class("full")
        self._asked: tuple[int, int, int] | None = None

    def compose(self) -> ComposeResult:
        yield self._view

    def on_resize(self) -> None:
        self.call_after_refresh(self._want)

    def _want(self) -> None:
        output = self._images[self._number]
        size = self._view.content_size
        if not size.width or not size.height:
            return
        shape = largest(output.width, output.height, size.width, size.height)
        drawing = drawing_of(output, shape, size.width, size.height, ascii_only=self._view.glyphs.is_ascii)
        columns, rows = drawing.columns, drawing.rows
        self._say_of(output)
        self._asked = (id(output), columns, rows)
        self.post_message(ImageWanted(output, columns, rows))

    def image_ready(self, output: ImageOutput, columns: int, rows: int, strips: Sequence[Strip]) -> None:
        if self._asked == (id(output), columns, rows):
            self._view.drawn = strips
            self._view.rebuild()
            if not isinstance(strips, PlacedImage):  # in its own pixels everything can be read
                ascii_only = self._view.glyphs.is_ascii
                self._say_of(output, texts_without_room(output, columns, rows, ascii_only=ascii_only))

    def _say_of(self, output: ImageOutput, missing: int = 0) -> None:
        """Show size, place and keys, and how many texts of the figure are not printed, or not whole."""
        left_out = f" · {counted(missing, 'label')} left out" if missing else ""
        self._view.border_title = Content(f"{output.mime} {output.width}×{output.height}{left_out}")
        parts = [f"{self._number + 1}/{len(self._images)}"] if len(self._images) > 1 else []
        parts += ["s saves", "esc closes"]
        whole = " · ".join([*parts, "in a browser: jlab-mcp url --live"])
        room = self._view.size.width - _BORDER
        self._view.border_subtitle = Content(whole if len(whole) <= room else " · ".join(parts))

    def action_turn(self, by: int) -> None:
        self._number = (self._number + by) % len(self._images)
        self._view.drawn = None
        self._want()

    def action_save(self) -> None:
        self.post_message(SaveWanted([self._images[self._number]]))

    def action_close(self) -> None:
        self.dismiss(None)


def largest(width: int, height: int, columns: int, rows: int) -> tuple[int, int]:
    """Return the cells of an image that fills as much of `columns` x `rows` as possible."""
    if width <= 0 or height <= 0:
        return fit(0, 0, columns, rows)
    by_width = (columns, max(1, round(columns * height / width / 2)))
    if by_width[1] <= rows:
        return by_width
    return max(1, min(columns, round(rows * 2 * width / height))), rows


ReadGraphs = Callable[[], tuple[Sequence[Graph], Sequence[float]]]
"""returns graphs, and the epoch seconds of their samples"""


class BigGraph(StripWidget):
    """Graphs with axes, one below the other; our own areas if plotext does not load."""

    graphs: Sequence[Graph] = ()
    times: Sequence[float] = ()
    local: LocalTime
    plotext: Plotext

    def build(self, width: int, height: int) -> list[Strip]:
        module = self.plotext.module if not self.glyphs.is_ascii else None
        rows: list[Strip] = []
        count = max(1, len(self.graphs))
        for number, graph in enumerate(self.graphs):
            room = height * (number + 1) // count - height * number // count
            if module is not None and room > 6:
                rows += self._axes(module, graph, width, room - (1 if number + 1 < count else 0))
                rows += [Strip([])] if number + 1 < count else []
            else:
                rows += self._areas(graph, width, room)
        return rows

    def _axes(self, module: ModuleType, graph: Graph, width: int, height: int) -> list[Strip]:
        def label(when: float) -> str:
            return at(when, self.local)

        legend: list[Segment] = []
        for line in graph.lines:
            mark = Segment(f" {self.glyphs.full * 2} ", self.palette.style(line.hue, bold=True))
            legend += [mark, Segment(f"{line.label} {line.now}  ", self.palette.style())]
        rows = plotext_rows(module, graph.lines, self.times, label, width, height - 1, self.palette)
        return [Strip(legend), *rows]

    def _areas(self, graph: Graph, width: int, height: int) -> list[Strip]:
        each = max(1, height // max(1, len(graph.lines)) - 1)
        grid = self.palette.style("line")
        rows: list[Strip] = []
        for line in graph.lines:
            rows.append(
                Strip([Segment(f" {line.label} {line.now}", self.palette.style(line.hue, bold=True))])
            )
            colors = self.palette.gradient(line.hue, each, warns=False)
            values = binned(line.values, self.times, width * 2)
            rows += area(values, width, each, colors, grid, ascii_only=self.glyphs.is_ascii)
        return rows[:height]


class GraphScreen(Screen[None]):
    """CPU, memory and every GPU over the last minutes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,m,enter", "close", "Close", id="graphs.close"),
    ]

    def __init__(
        self, read: ReadGraphs, plotext: Plotext, palette: Palette, glyphs: Glyphs, local: LocalTime
    ) -> None:
        super().__init__()
        self._read = read
        self._view = BigGraph(palette, glyphs)
        self._view.plotext = plotext
        self._view.local = local
        self._view.add_class("full")

    def compose(self) -> ComposeResult:
        self._view.border_title = Content("Percent of the allocation")
        self._view.border_subtitle = Content("m or esc closes")
        yield self._view

    def on_mount(self) -> None:
        self.update_lines()
        if self._view.plotext.module is None:
            self.run_worker(self._load_plotext(), group="graphs")

    async def _load_plotext(self) -> None:
        """Draw with axes as soon as they can be drawn."""
        if await asyncio.to_thread(self._view.plotext.load):
            self._view.rebuild()

    def update_lines(self) -> None:
        self._view.graphs, self._view.times = self._read()
        self._view.redraw()

    def action_close(self) -> None:
        self.dismiss(None)
