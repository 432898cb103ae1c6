"""A widget that is a list of strips: built when its values or its size change, and only read otherwise."""

from __future__ import annotations

from collections.abc import Iterable

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from ..themes import Palette
from ..wording import UNICODE, Glyphs


class StripWidget(Widget):
    """Base of our small panels. Subclasses implement `build`."""

    palette: Palette
    glyphs: Glyphs = UNICODE

    def __init__(self, palette: Palette, glyphs: Glyphs = UNICODE, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.palette = palette
        self.glyphs = glyphs
        self._strips: list[Strip] | None = None
        self._built_for = (0, 0)

    def build(self, width: int, height: int) -> list[Strip]:
        """All rows at this size, top row first."""
        raise NotImplementedError

    def redraw(self) -> None:
        self._strips = None
        self.refresh()

    def repaint_with(self, palette: Palette) -> None:
        """Another theme."""
        self.palette = palette
        self.redraw()

    def render_line(self, y: int) -> Strip:
        width, height = self.content_size
        if self._strips is None or self._built_for != (width, height):
            self._built_for = (width, height)
            self._strips = self.build(width, height)
        strip = self._strips[y] if y < len(self._strips) else Strip.blank(width)
        return strip.crop_extend(0, width, self.rich_style).apply_style(self.rich_style)


def row(parts: Iterable[Segment]) -> Strip:
    return Strip([part for part in parts if part.text])
