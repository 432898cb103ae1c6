"""Draws images as the terminal can show them: as their own pixels, or in cells."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Protocol

from textual.strip import Strip

from ..core.cli.picture_choice import PictureChoice, Pictures, TerminalFacts, choose_pictures
from ..core.display.kitty_placeholders import MOST_CELLS
from ..core.feed.items import ImageOutput
from . import pixels
from .frames import TerminalLine
from .image_board import PlacedImage, Rgb


class PixelTerminal(Protocol):
    """A terminal that may take images."""

    line: TerminalLine

    @property
    def can_show_pixels(self) -> bool: ...

    async def show_pixels(self, png: str, columns: int, rows: int, ground: Rgb) -> PlacedImage: ...


class ImageDrawing:
    def __init__(self, terminal: PixelTerminal, wanted: Pictures, *, ascii_only: bool) -> None:
        self._terminal = terminal
        self._wanted = wanted
        self._ascii_only = ascii_only
        self._choice = self._choose("")

    def _choose(self, name: str) -> PictureChoice:
        facts = TerminalFacts(is_terminal=True, name=name, in_tmux=bool(os.environ.get("TMUX")))
        return choose_pictures(self._wanted, facts)

    def terminal_named(self, name: str) -> bool:
        """Note what the terminal is. Returns whether images are to be drawn in another way from now on."""
        before, self._choice = self._choice, self._choose(name)
        return self._choice.kind is not before.kind and not self._ascii_only

    async def draw(self, output: ImageOutput, columns: int, rows: int) -> Sequence[Strip]:
        if self._choice.kind is Pictures.KITTY and not self._ascii_only:
            strips = await self._in_pixels(output.data, columns, rows)
            if strips is not None:
                return strips
        return await asyncio.to_thread(
            pixels.drawn,
            output.data,
            columns,
            rows,
            output.texts,
            ascii_only=self._ascii_only,
            octants=self._choice.in_cells is Pictures.OCTANTS,
        )

    async def _in_pixels(self, data: str, columns: int, rows: int) -> Sequence[Strip] | None:
        if max(columns, rows) > MOST_CELLS or not self._terminal.can_show_pixels:
            return None
        found = await asyncio.to_thread(pixels.png_of, data)
        if found is None or not self._terminal.line.carries(len(found.png)):
            return None
        return await self._terminal.show_pixels(found.png, columns, rows, found.ground)
