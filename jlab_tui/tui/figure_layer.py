"""Prints the texts of a figure over its image, drawn in cells: what is under them is blank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from ..core.display.text_layer import DrawingSize, PlacedText, TextLayer, size_with_texts, text_layer
from ..core.feed.items import ImageOutput
from ..core.journal.figure_texts import OTHER, PARTS, FigureText

if TYPE_CHECKING:
    from PIL.Image import Image

Rgb = tuple[int, int, int]
_WHITE: Rgb = (255, 255, 255)
STEP = 4
"""rounds colours, so that neighbours share a style"""
_READABLE = 300
"""smallest difference of weighted brightness, of 2,550, between a text and what is around it"""


def drawing_of(
    output: ImageOutput, shape: tuple[int, int], most_columns: int, most_rows: int, *, ascii_only: bool
) -> DrawingSize:
    """Return the cells for an image whose shape asks for `shape`, columns and rows; with its texts it has at most so many."""
    if not output.texts or not output.data:
        return DrawingSize(*shape, shape[1])
    return size_with_texts(output.texts, *shape, most_columns, most_rows, cell_len, ascii_only)


def texts_without_room(output: ImageOutput, columns: int, rows: int, *, ascii_only: bool) -> int:
    """Return the number of titles, labels and ticks that an image in so many cells has no room for."""
    return text_layer(output.texts, columns, rows, cell_len, ascii_only=ascii_only).missing


def blanked(image: Image, texts: Sequence[FigureText]) -> tuple[Image, list[Rgb]]:
    """Return an RGB image without its texts, and the colour around each of them."""
    from PIL import ImageDraw

    image = image.copy()
    pen, grounds = ImageDraw.Draw(image), list[Rgb]()
    for text in texts:
        left, top = text.x * image.width // PARTS - 1, text.y * image.height // PARTS - 1
        right = (text.x + text.width) * image.width // PARTS + 1
        bottom = (text.y + text.height) * image.height // PARTS + 1
        box = (max(0, left), max(0, top), min(image.width, right), min(image.height, bottom))
        if box[0] >= box[2] or box[1] >= box[3]:
            grounds.append(_WHITE)
            continue
        ground = _most_frequent(image.crop(box))
        grounds.append(ground)
        if text.rank != OTHER or not text.angle % 90:
            pen.rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=ground)
    return image, grounds


def corner(image: Image) -> Rgb:
    """Return the colour of a figure around its axes."""
    return _most_frequent(image.crop((0, 0, min(4, image.width), min(4, image.height))))


def _most_frequent(part: Image) -> Rgb:
    colors = part.getcolors(part.width * part.height) or []
    _, color = max(colors, key=lambda each: each[0], default=(0, _WHITE))
    if not isinstance(color, tuple):
        return _WHITE
    return color[0] // STEP * STEP, color[1] // STEP * STEP, color[2] // STEP * STEP


def printed(
    strips: Sequence[Strip],
    layer: TextLayer,
    texts: Sequence[FigureText],
    grounds: Sequence[Rgb],
    ground: Rgb,
    *,
    ascii_only: bool,
) -> list[Strip]:
    """Return the drawn image with the layer's gaps and words. `ground`: colour of the figure around its axes."""
    rows = [_spread(strip, layer.gap_columns) for strip in strips]
    blank = Segment(" " * layer.columns, None if ascii_only else Style(bgcolor=Color.from_rgb(*ground)))
    for after, count in reversed(layer.gap_rows):
        rows[after + 1 : after + 1] = [Strip([blank], layer.columns)] * count
    by_row: dict[int, list[PlacedText]] = {}
    for word in layer.words:
        by_row.setdefault(word.row, []).append(word)
    for row, words in by_row.items():
        strip = rows[row]
        if ascii_only:  # the image consists of characters, too
            strip = _with_room(strip, words)
        for word in words:
            style = None if ascii_only else _style(texts[word.of], grounds[word.of])
            strip = _over(strip, word, style, texts[word.of].sign)
        rows[row] = strip
    return rows


def _spread(strip: Strip, gaps: Sequence[tuple[int, int]]) -> Strip:
    """Repeat cells of a row."""
    parts, start = [], 0
    for after, count in gaps:
        cell = strip.crop(after, after + 1)
        parts += [strip.crop(start, after + 1), *([cell] * count)]
        start = after + 1
    return Strip.join([*parts, strip.crop(start)]) if parts else strip


def _with_room(strip: Strip, words: Sequence[PlacedText]) -> Strip:
    """Blank the cells beside words."""
    for word in words:
        first = max(0, word.column - 1)
        last = min(strip.cell_length, word.column + cell_len(word.text) + 1)
        strip = Strip.join([strip.crop(0, first), Strip([Segment(" " * (last - first))]), strip.crop(last)])
    return strip


def _over(strip: Strip, word: PlacedText, style: Style | None, sign: str) -> Strip:
    end = word.column + cell_len(word.text)
    segments = [Segment(word.text, style)]
    if sign and style is not None:
        segments = [
            Segment(word.text[:1], style + Style(color=Color.parse(sign))),
            Segment(word.text[1:], style),
        ]
    return Strip.join([strip.crop(0, word.column), Strip(segments), strip.crop(end)])


def _style(text: FigureText, ground: Rgb) -> Style:
    """Return the text's own colour on what is around it, unless that cannot be read."""
    color = Color.parse(text.color or "#000000")
    own = color.triplet
    if own is None or abs(_brightness((own.red, own.green, own.blue)) - _brightness(ground)) < _READABLE:
        color = Color.parse("#000000" if _brightness(ground) > 1275 else "#ffffff")
    return Style(color=color, bgcolor=Color.from_rgb(*ground))


def _brightness(color: Rgb) -> int:
    return 3 * color[0] + 6 * color[1] + color[2]
