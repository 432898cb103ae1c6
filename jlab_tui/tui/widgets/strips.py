"""A widget of strips, built only when its values or its size change."""

from __future__ import annotations

from typing import Any, Self

from textual.content import Content
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from ..format import UNICODE, Glyphs
from ..themes import Palette


class StripWidget(Widget):
    """Base of our small panels. Subclasses implement `build`."""

    ALLOW_SELECT = False
    """a mouse that drags here would copy the widget's name"""
    palette: Palette
    glyphs: Glyphs = UNICODE
    _is_titling = False

    def __init__(self, palette: Palette, glyphs: Glyphs = UNICODE, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.palette = palette
        self.glyphs = glyphs
        self._strips: list[Strip] | None = None
        self._built_for = (0, 0)

    def build(self, width: int, height: int) -> list[Strip]:
        """Return all rows at this size, top row first."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Build again and repaint the rows that differ: most of a graph stays the same each second."""
        width, height = self.content_size
        before = self._strips
        if before is None or self._built_for != (width, height) or not width:
            self.rebuild()
            return
        self._strips = self._finished(width, height)
        changed = [y for y, strip in enumerate(self._strips) if strip != before[y]]
        if changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def rebuild(self) -> None:
        """Drop all rows after a change of theme or size."""
        self._strips = None
        self.refresh()

    def repaint_with(self, palette: Palette) -> None:
        """Use another theme."""
        self.palette = palette
        self.rebuild()

    def retitle(self, title: Content, subtitle: Content) -> None:
        """Change the texts in the border and repaint only the border."""
        self._is_titling = True
        try:
            self.border_title, self.border_subtitle = title, subtitle
        finally:
            self._is_titling = False

    def refresh(self, *regions: Region, **how: Any) -> Self:
        if self._is_titling:  # Textual repaints the whole widget for a title
            width, height = self.outer_size
            regions = (Region(-1, -1, width, 1), Region(-1, height - 2, width, 1))
        return super().refresh(*regions, **how)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips = None

    def render_line(self, y: int) -> Strip:
        width, height = self.content_size
        if self._strips is None or self._built_for != (width, height):
            self._built_for = (width, height)
            self._strips = self._finished(width, height)
        return self._strips[y] if y < len(self._strips) else Strip.blank(width)

    def _finished(self, width: int, height: int) -> list[Strip]:
        style = self.rich_style  # costs more than a row, so read it once
        strips = self.build(width, height)[:height]
        strips += [Strip.blank(width)] * (height - len(strips))
        return [strip.crop_extend(0, width, style).apply_style(style) for strip in strips]
