"""The right column of a wide screen: the session, the current cell, and its image or its traceback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.segment import Segment
from textual.strip import Strip

from ...core.feed.items import FeedCell, FeedItem, ImageOutput, Note, TextOutput
from ...core.feed.session_feed import SessionFeed
from ...services.dashboard.overview import SessionRow
from ..ansi import one_line, plain
from ..figure_layer import drawing_of
from ..format import Glyphs, LocalTime, at, counted, gib, percent, seconds, session_mark, shortened
from ..pixels import fit
from ..themes import Palette
from ..wrapping import Row, is_ruler, wrap, wrap_words
from .canvas import ImageWanted
from .strips import StripWidget


@dataclass(frozen=True, slots=True)
class DetailState:
    """The column's content; `version` is the current item's."""

    row: SessionRow | None = None
    session: SessionFeed | None = None
    item: FeedItem | None = None
    version: int = 0
    now: int = 0
    """whole seconds; 0 if nothing is running"""
    extra: tuple[str, ...] = field(default_factory=tuple)


def facts(state: DetailState, palette: Palette, glyphs: Glyphs, local: LocalTime, width: int) -> list[Row]:
    """Return rows about the session and the current cell."""
    rows: list[Row] = []
    bold, muted = palette.style(bold=True), palette.style("muted")

    def fact(name: str, value: str, hue: str = "text") -> None:
        if value:
            text = shortened(one_line(value), max(8, width - 13), glyphs.ellipsis)
            rows.append([Segment(f" {name:<11}", muted), Segment(text, palette.style(hue))])

    if state.row is not None:
        row = state.row
        mark, hue = session_mark(row.state, glyphs)
        rows.append([Segment(f" {mark} ", palette.style(hue, bold=True)), Segment(one_line(row.name), bold)])
        fact("state", row.state.value, hue)
        fact("memory", gib(row.rss_mb) if row.rss_mb is not None else "")
        fact("GPU memory", gib(row.gpu_mb) if row.gpu_mb else "")
        fact("notebook", row.notebook.rpartition("/")[2])
        opened = state.session.opened if state.session else None
        if opened is not None:
            fact("python", shortened_path(opened.python, width - 13))
            fact("folder", shortened_path(opened.cwd, width - 13))
        fact("kernel", row.kernel_id[:8])
        fact("owner", row.owner + (" (gone)" if row.is_orphan else ""), "accent" if row.is_orphan else "text")
    item = state.item
    if isinstance(item, FeedCell):
        rows.append([])
        count = f"[{item.execution_count}]" if item.execution_count is not None else "[ ]"
        rows.append([Segment(f" {count} ", bold), Segment(one_line(item.tool) or "run", muted)])
        fact("run", item.run)
        fact(
            "status", item.status.value if item.status else "not run", "error" if item.has_failed else "text"
        )
        fact("began", at(item.at, local))
        took = state.now - item.at if item.is_running and state.now else item.seconds
        fact("took", seconds(took) if took > 0 else "")
        use = item.use
        fact(
            "CPU",
            f"{seconds(use.cpu_s)} of CPU time" if use.cpu_s is not None and not item.is_running else "",
        )
        fact("peak RAM", gib(use.peak_mb) if use.peak_mb is not None else "")
        fact("peak GPU", gib(use.gpu_peak_mb) if use.gpu_peak_mb is not None else "")
        fact("mean GPU", percent(use.gpu_percent) if use.gpu_percent is not None else "")
        lines = sum(len(o.scrollback) for o in item.outputs if isinstance(o, TextOutput))
        size = sum(len(o.scrollback.buffer) for o in item.outputs if isinstance(o, TextOutput))
        fact("output", f"{counted(lines, 'line')}, {_bytes(size)}" if lines else "")
        fact("images", str(len(item.images)) if item.images else "")
    elif isinstance(item, Note):
        rows.append([])
        rows += [[Segment(" "), *piece] for piece in wrap_words(one_line(item.text), muted, width - 2)]
    return rows


def shortened_path(path: str, width: int) -> str:
    """Return the end of a path, its most useful part."""
    return path if len(path) <= width else "…" + path[-(max(4, width) - 1) :]


def _bytes(size: int) -> str:
    if size < 1000:
        return f"{size} B"
    return f"{size / 1000:.0f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"


class Detail(StripWidget):
    """The detail column."""

    state = DetailState()
    local: LocalTime
    _drawn: tuple[int, int, int, Sequence[Strip]] | None = None
    _asked: tuple[int, int, int] | None = None

    def show(self, state: DetailState, local: LocalTime) -> None:
        self.local = local
        if state != self.state:
            self.state = state
            self.redraw()

    def image_ready(self, output: ImageOutput, columns: int, rows: int, strips: Sequence[Strip]) -> None:
        if self._asked == (id(output), columns, rows):
            self._drawn = (*self._asked, strips)
            self.redraw()

    def draw_image_again(self) -> None:
        self._drawn = self._asked = None
        self.redraw()

    def build(self, width: int, height: int) -> list[Strip]:
        if not hasattr(self, "local"):
            return []
        rows = [Strip(r) for r in facts(self.state, self.palette, self.glyphs, self.local, width)]
        item = self.state.item
        room = height - len(rows) - 1
        if isinstance(item, FeedCell) and room >= 4:
            rows.append(Strip([]))
            if item.error is not None:
                rows += [Strip(r) for r in self._traceback(item, width, room)]
            elif item.images:
                rows += self._image(item.images[-1], width, room)
        return rows

    def _traceback(self, item: FeedCell, width: int, room: int) -> list[Row]:
        assert item.error is not None
        found: list[Row] = []
        lines = [plain(line.expandtabs(8)) for line in item.error.lines][-200:]
        for number, line in reversed([*enumerate(lines)]):
            if is_ruler(line):
                line = line[: width - 2]
            hue = (
                "error"
                if number == len(lines) - 1
                else "warning"
                if line.startswith("-") and ">" in line
                else "muted"
            )
            pieces = wrap([Segment(line, self.palette.style(hue))], width - 2)
            if found and len(found) + len(pieces) > room:
                break
            found = [*([Segment(" "), *piece] for piece in pieces), *found]
        return found[:room]

    def _image(self, output: ImageOutput, width: int, room: int) -> list[Strip]:
        if not output.data:
            return []
        shape = fit(output.width, output.height, width - 2, room)
        size = drawing_of(output, shape, width - 2, room, ascii_only=self.glyphs.is_ascii)
        columns, rows = size.columns, size.rows
        key = (id(output), columns, rows)
        if self._drawn is not None and self._drawn[:3] == key:
            return [Strip([Segment(" "), *strip]) for strip in self._drawn[3]]
        if self._asked != key:
            self._asked = key
            self.call_later(lambda: self.post_message(ImageWanted(output, columns, rows)))
        return [Strip([Segment(" drawing the image", self.palette.style("faint"))])]
