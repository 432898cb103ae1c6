"""Draws images in terminal cells: quadrants, or octants, of two colours each, with thin lines thickened before shrinking.

The result is ordinary strips, which scroll, select and travel through tmux and ssh like text.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from ..core.display.octants import OCTANTS
from ..core.display.text_layer import text_layer
from ..core.journal.figure_texts import FigureTexts
from .ansi import one_line
from .figure_layer import STEP, blanked, corner, printed

if TYPE_CHECKING:
    from PIL.Image import Image

_QUADRANTS = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"
"""bit 0 upper left, 1 upper right, 2 lower left, 3 lower right"""
_RAMP = " .:-=+*#%@"
_FLAT = 160
"""span of weighted brightness up to which a cell gets one colour"""
_MAX_PIXELS = 40_000_000
_THIN_FROM = 1.5
"""smallest reduction that thickens lines"""
_NEAR_GROUND = 16
"""difference in brightness that still counts as background"""
_GROUND_SHARE = 0.3
"""smallest part of the image that counts as its background"""
_EDGE_SHARE = 0.8
"""smallest part of its edge that counts as what is around it"""

_MOST_PNG_BYTES = 3_000_000
"""larger ones are drawn in cells"""

Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class PngPixels:
    """A PNG that a terminal may be given."""

    png: str = field(repr=False)
    """in base64, on one line"""
    ground: Rgb
    """the colour of its corner, where it is transparent white"""


def fit(width: int, height: int, max_columns: int, max_rows: int) -> tuple[int, int]:
    """Return columns and rows for an image of `width` x `height` pixels; a cell is twice as high as wide."""
    if width <= 0 or height <= 0 or max_columns <= 0 or max_rows <= 0:
        return max(1, min(40, max_columns)), max(1, min(12, max_rows))
    columns = min(max_columns, max(1, width // 6))
    rows = max(1, round(columns * height / width / 2))
    if rows > max_rows:
        rows = max_rows
        columns = max(1, min(max_columns, round(rows * 2 * width / height)))
    return columns, rows


def load(data: str) -> Image:
    """Decode a base64 image, on white if transparent. Raises ValueError if that fails."""
    from PIL import Image as Images  # at the first image, in a thread
    from PIL import UnidentifiedImageError

    try:
        image: Image = Images.open(io.BytesIO(base64.b64decode(data)))
        if image.width * image.height > _MAX_PIXELS:
            raise ValueError(f"{image.width}x{image.height} pixels are too many to draw")
        if image.mode in ("RGBA", "LA", "P", "PA"):
            image = image.convert("RGBA")
            ground = Images.new("RGBA", image.size, (255, 255, 255, 255))
            ground.alpha_composite(image)
            image = ground
        return image.convert("RGB")
    except (OSError, SyntaxError, EOFError, UnidentifiedImageError, Images.DecompressionBombError) as error:
        raise ValueError(str(error) or type(error).__name__) from None


def png_of(data: str) -> PngPixels | None:
    """Return a base64 image as a terminal takes it, None if it is no sound PNG, or a very large one."""
    try:
        png = base64.b64decode(data)
        if not png.startswith(b"\x89PNG\r\n\x1a\n") or len(png) > _MOST_PNG_BYTES:
            return None
        return PngPixels(base64.b64encode(png).decode("ascii"), corner(load(data)))
    except ValueError:
        return None


def strips(
    image: Image, columns: int, rows: int, *, ascii_only: bool = False, octants: bool = False
) -> list[Strip]:
    """Return the image on `columns` x `rows` cells."""

    if ascii_only:
        return _in_ascii(image, columns, rows)
    if octants:
        return _in_octants(image, columns, rows)
    data = _reduced(image, columns * 2, rows * 2).tobytes()
    stride = columns * 6
    return [
        _row(
            _quadrants(
                data[y * 2 * stride : (y * 2 + 1) * stride],
                data[(y * 2 + 1) * stride : (y * 2 + 2) * stride],
                columns,
            ),
            columns,
        )
        for y in range(rows)
    ]


def _in_ascii(image: Image, columns: int, rows: int) -> list[Strip]:
    """Return the image in characters: blank for its background, denser the more a place differs from it."""
    grey = _reduced(image, columns, rows).convert("L")
    values = grey.tobytes()
    ground = _ground(grey)
    if ground is None:
        ground = _edge(values, columns)
    low, high = grey.getextrema()
    dark = low if isinstance(low, int) else 0
    base = ground if ground is not None else dark
    span = max(1, base - dark, (high if isinstance(high, int) else 255) - base)
    marks = [_RAMP[min(9, abs(value - base) * 9 // span)] for value in range(256)]
    lines = (values[y * columns : (y + 1) * columns] for y in range(rows))
    return [Strip([Segment("".join(marks[value] for value in line))], columns) for line in lines]


def _in_octants(image: Image, columns: int, rows: int) -> list[Strip]:
    data = _reduced(image, columns * 2, rows * 4).tobytes()
    stride = columns * 6

    def cells(y: int) -> Iterator[tuple[str, Rgb, Rgb]]:
        for left in range(y * 4 * stride, (y * 4 + 1) * stride, 6):
            places = [place for row in range(4) for place in (left + row * stride, left + row * stride + 3)]
            yield _two_coloured([(data[p], data[p + 1], data[p + 2]) for p in places], OCTANTS)

    return [_row(cells(y), columns) for y in range(rows)]


def _quadrants(upper: bytes, lower: bytes, columns: int) -> Iterator[tuple[str, Rgb, Rgb]]:
    for x in range(0, columns * 6, 6):
        pixels: list[Rgb] = [
            (upper[x], upper[x + 1], upper[x + 2]),
            (upper[x + 3], upper[x + 4], upper[x + 5]),
            (lower[x], lower[x + 1], lower[x + 2]),
            (lower[x + 3], lower[x + 4], lower[x + 5]),
        ]
        yield _two_coloured(pixels, _QUADRANTS)


def _row(cells: Iterable[tuple[str, Rgb, Rgb]], columns: int) -> Strip:
    segments: list[Segment] = []
    last: tuple[Rgb, Rgb] | None = None
    run = ""
    for char, fore, back in cells:
        if (fore, back) != last:
            if last is not None:
                segments.append(Segment(run, _style(*last)))
            last, run = (fore, back), ""
        run += char
    if last is not None:
        segments.append(Segment(run, _style(*last)))
    return Strip(segments, columns)


def _two_coloured(pixels: list[Rgb], characters: str) -> tuple[str, Rgb, Rgb]:
    """Return character, colour and background for the pixels of a cell, split at the middle of their brightness."""
    bright = [3 * p[0] + 6 * p[1] + p[2] for p in pixels]
    low, high = min(bright), max(bright)
    if high - low < _FLAT:
        ground = _mean(pixels)
        return " ", ground, ground
    middle = (low + high) / 2
    light = [p for p, b in zip(pixels, bright, strict=True) if b > middle]
    dark = [p for p, b in zip(pixels, bright, strict=True) if b <= middle]
    bits = sum(1 << i for i, b in enumerate(bright) if b > middle)
    return characters[bits], _mean(light), _mean(dark)


def _mean(pixels: list[Rgb]) -> Rgb:
    n = len(pixels)
    return (
        sum(p[0] for p in pixels) // n // STEP * STEP,
        sum(p[1] for p in pixels) // n // STEP * STEP,
        sum(p[2] for p in pixels) // n // STEP * STEP,
    )


def _reduced(image: Image, width: int, height: int) -> Image:
    """Return the image at its final size; thin lines on an even background keep their full colour.

    Shrinking to an eighth makes a line of two pixels a quarter of an element, and as pale. So what differs from the
    background grows until it fills an element, and each element takes the colour of its middle. Elements without background
    nearby, as in a heat map, shrink as usual.
    """
    from PIL import Image as Images
    from PIL import ImageFilter

    plain = image.resize((width, height), Images.Resampling.LANCZOS, reducing_gap=2)
    shrink = image.width / width
    if shrink < _THIN_FROM:
        return plain
    grey = image.convert("L").resize((width * 2, height * 2), Images.Resampling.BOX)
    ground = _ground(grey)
    if ground is None:
        return plain
    is_light = ground > 127
    grown = _grown(image, math.ceil(shrink), darker=is_light)
    middles = grown.resize((width * 2, height * 2), Images.Resampling.BOX)
    middles = middles.resize((width, height), Images.Resampling.NEAREST)
    near = grey.filter(ImageFilter.MaxFilter(5) if is_light else ImageFilter.MinFilter(5))
    near = near.point([255 * (abs(value - ground) <= _NEAR_GROUND) for value in range(256)])
    return Images.composite(middles, plain, near.resize((width, height), Images.Resampling.BOX))


def _ground(grey: Image) -> int | None:
    """Return the brightness of an image's background; None for a photograph."""
    counts = grey.histogram()
    ground = max(range(256), key=lambda value: counts[value])
    near = sum(counts[max(0, ground - _NEAR_GROUND) : ground + _NEAR_GROUND + 1])
    return ground if near >= _GROUND_SHARE * sum(counts) else None


def _edge(values: bytes, columns: int) -> int | None:
    """Return the brightness around an image, as of a heat map in a figure; None if it is not even there."""
    edge = values[:columns] + values[-columns:] + values[::columns] + values[columns - 1 :: columns]
    usual = max(set(edge), key=edge.count)
    near = sum(abs(value - usual) <= _NEAR_GROUND for value in edge)
    return usual if near >= _EDGE_SHARE * len(edge) else None


def _grown(image: Image, size: int, *, darker: bool) -> Image:
    """Replace each pixel by the darkest, or lightest, of the `size` x `size` around it."""
    from PIL import ImageChops, ImageOps

    pick = ImageChops.darker if darker else ImageChops.lighter
    width, height = image.size
    # Without it the edges grow into each other.
    image = ImageOps.expand(image, size, "white" if darker else "black")
    for right, down in ((1, 0), (0, 1)):
        grown = 1
        while grown < size:
            step = min(grown, size - grown)
            image = pick(image, ImageChops.offset(image, right * step, down * step))
            grown += step
    left = size + size // 2
    return image.crop((left, left, left + width, left + height))


@lru_cache(maxsize=2048)
def _style(fore: Rgb, back: Rgb) -> Style:
    return Style(color=Color.from_rgb(*fore), bgcolor=Color.from_rgb(*back))


def drawn(
    data: str,
    columns: int,
    rows: int,
    texts: FigureTexts = (),
    *,
    ascii_only: bool,
    octants: bool = False,
) -> list[Strip]:
    """Return the strips of a base64 image with its texts; a sentence if it cannot be decoded."""
    try:
        image = load(data)
        layer = text_layer(texts, columns, rows, cell_len, ascii_only=ascii_only)
        if not layer.words:
            return strips(image, columns, rows, ascii_only=ascii_only, octants=octants)
        image, grounds = blanked(image, texts)
        plain = strips(image, columns, rows, ascii_only=ascii_only, octants=octants)
        return printed(plain, layer, texts, grounds, corner(image), ascii_only=ascii_only)
    except ValueError as error:
        return [Strip([Segment(f"The image cannot be drawn: {one_line(str(error))[:80]}")])]
