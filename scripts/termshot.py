"""Draws an exact PNG of a Textual screen or a tmux pane: every cell on a grid, with Pillow.

    tmux capture-pane -e -N -p -t PANE | python scripts/termshot.py out.png COLUMNS

Needs the fonts JetBrains Mono (fonts-jetbrains-mono) and DejaVu Sans Mono (fonts-dejavu).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from rich.ansi import AnsiDecoder
from rich.cells import cell_len
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import DIMMED_MONOKAI

Rgb = tuple[int, int, int]
Cells = Sequence[tuple[str, Style | None]]

_FONT = "JetBrainsMono-{}.ttf"
_FALLBACKS = ("DejaVuSansMono.ttf", "DejaVuSans.ttf")
_QUADRANTS = dict(zip("▖▗▘▙▚▛▜▝▞▟", (4, 8, 1, 13, 9, 7, 11, 2, 6, 14), strict=True))
_PADDING = 14


class Painter:
    """Draws lines of styled text on a grid of cells."""

    def __init__(self, size: int = 22, fore: Rgb = (216, 222, 233), back: Rgb = (12, 14, 18)) -> None:
        self.size = size
        self.fore = fore
        self.back = back
        font = _font(size, "Regular")
        ascent, descent = font.getmetrics()
        self.cell = (round(font.getlength("M")), ascent + descent)
        self.ascent = ascent

    def draw(self, lines: Sequence[Cells], columns: int) -> Image.Image:
        width, height = self.cell
        size = (columns * width + 2 * _PADDING, len(lines) * height + 2 * _PADDING)
        image = Image.new("RGB", size, self.back)
        canvas = ImageDraw.Draw(image)
        for number, line in enumerate(lines):
            x, y = _PADDING, _PADDING + number * height
            for text, style in line:
                x = self._draw_text(image, canvas, x, y, text, style or Style.null())
        return image

    def _draw_text(
        self, image: Image.Image, canvas: ImageDraw.ImageDraw, x: int, y: int, text: str, style: Style
    ) -> int:
        width, height = self.cell
        fore, back = self._rgb(style.color, True), self._rgb(style.bgcolor, False)
        if style.reverse:
            fore, back = back, fore
        if style.dim:
            fore = tuple((a + b) // 2 for a, b in zip(fore, back, strict=True))  # type: ignore[assignment]
        end = x + cell_len(text) * width
        if back != self.back and end > x:
            canvas.rectangle([x, y, end - 1, y + height - 1], fill=back)
        if style.underline:
            canvas.line([x, y + height - 3, end, y + height - 3], fill=fore)
        for char in text:
            columns = cell_len(char)
            if columns and char != " ":
                mask = self._glyph(char, bool(style.bold), bool(style.italic), columns)
                image.paste(fore, (x, y), mask)
            x += columns * width
        return x

    def _rgb(self, color: Color | None, is_fore: bool) -> Rgb:
        if color is None or color.is_default:
            return self.fore if is_fore else self.back
        red, green, blue = color.get_truecolor(DIMMED_MONOKAI, foreground=is_fore)
        return red, green, blue

    @lru_cache(maxsize=8192)  # noqa: B019 - one painter a process
    def _glyph(self, char: str, bold: bool, italic: bool, columns: int) -> Image.Image:
        """Return the mask of one cell: box and block characters drawn on the grid, others from the fonts."""
        width, height = self.cell[0] * columns, self.cell[1]
        mask = Image.new("L", (width, height), 0)
        canvas = ImageDraw.Draw(mask)
        code = ord(char[0])

        def fill(left: float, top: float, right: float, bottom: float) -> None:
            box = [
                round(left * width),
                round(top * height),
                round(right * width) - 1,
                round(bottom * height) - 1,
            ]
            canvas.rectangle(box, fill=255)

        if 0x2800 <= code <= 0x28FF:
            return _braille(code - 0x2800, width, height)
        if char in _QUADRANTS:
            for bit, (left, top) in enumerate(((0, 0), (0.5, 0), (0, 0.5), (0.5, 0.5))):
                if _QUADRANTS[char] >> bit & 1:
                    fill(left, top, left + 0.5, top + 0.5)
        elif 0x2581 <= code <= 0x2588:
            fill(0, 1 - (code - 0x2580) / 8, 1, 1)
        elif code == 0x2580:
            fill(0, 0, 1, 0.5)
        elif 0x2589 <= code <= 0x258F:
            fill(0, 0, (0x2590 - code) / 8, 1)
        elif code == 0x2590:
            fill(0.5, 0, 1, 1)
        elif code == 0x2594:
            fill(0, 0, 1, 1 / 8)
        else:
            self._draw_char(canvas, char, code, bold, italic, width)
        return mask

    def _draw_char(
        self, canvas: ImageDraw.ImageDraw, char: str, code: int, bold: bool, italic: bool, width: int
    ) -> None:
        if code in _characters(_FONT.format("Regular")):
            face = {(0, 0): "Regular", (1, 0): "Bold", (0, 1): "Italic", (1, 1): "BoldItalic"}[bold, italic]
            canvas.text((0, self.ascent), char, font=_font(self.size, face), fill=255, anchor="ls")
            return
        for name in _FALLBACKS:
            if code in _characters(name):
                font = ImageFont.truetype(name, int(self.size * 0.98))
                canvas.text(
                    ((width - font.getlength(char)) / 2, self.ascent), char, font=font, fill=255, anchor="ls"
                )
                return


@lru_cache
def _font(size: int, face: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_FONT.format(face), size)


@lru_cache
def _characters(name: str) -> frozenset[int]:
    from fontTools.ttLib import TTFont

    path = ImageFont.truetype(name, 10).path
    return frozenset(TTFont(path, lazy=True).getBestCmap())


def _braille(bits: int, width: int, height: int) -> Image.Image:
    scale = 4
    radius = max(1.6, width * 0.115) * scale
    big = Image.new("L", (width * scale, height * scale), 0)
    canvas = ImageDraw.Draw(big)
    for bit, (column, row) in enumerate(((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))):
        if bits >> bit & 1:
            x, y = (column + 0.5) * width / 2 * scale, (row + 0.5) * height / 4 * scale
            canvas.ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)
    return big.resize((width, height), Image.Resampling.LANCZOS)


def from_app(app: Any, size: int = 22) -> Image.Image:
    """Draw a running app's screen (in a Pilot test, or in the script for the README)."""
    strips = app.screen._compositor.render_strips()
    back = app.main.styles.background.rgb if hasattr(app, "main") else app.screen.styles.background.rgb
    lines = [[(s.text, s.style) for s in strip if not s.control] for strip in strips]
    return Painter(size, back=back).draw(lines, app.size.width)


def from_capture(lines: Iterable[str], columns: int, size: int = 22) -> Image.Image:
    """Draw the output of `tmux capture-pane -e -N -p`."""
    console = Console(width=columns, color_system="truecolor")
    decoder = AnsiDecoder()  # one decoder, because tmux carries colours over line ends
    found = []
    for line in lines:
        segments = [
            (s.text, s.style) for s in decoder.decode_line(line).render(console) if s.text.strip("\n")
        ]
        used = sum(cell_len(text) for text, _ in segments)
        found.append([*segments, (" " * (columns - used), None)])
    return Painter(size).draw(found, columns)


if __name__ == "__main__":
    from_capture(sys.stdin.read().rstrip("\n").split("\n"), int(sys.argv[2])).save(sys.argv[1], optimize=True)
