"""Pictures as terminal cells: quadrants of two colours each, after thickening lines that a strong reduction would lose.

Ordinary strips: they scroll, select and travel through tmux and ssh like text.
"""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from typing import TYPE_CHECKING

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

if TYPE_CHECKING:
    from PIL.Image import Image

_QUADRANTS = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"
"""bit 0 upper left, 1 upper right, 2 lower left, 3 lower right"""
_RAMP = " .:-=+*#%@"
_FLAT = 160
"""span of weighted brightness below which a cell gets one colour"""
_STEP = 4
"""colours are rounded to this, so that neighbours share a style"""
_MAX_PIXELS = 40_000_000

Rgb = tuple[int, int, int]


def fit(width: int, height: int, max_columns: int, max_rows: int) -> tuple[int, int]:
    """Columns and rows for a picture of `width` x `height` pixels; a cell is twice as high as wide."""
    if width <= 0 or height <= 0 or max_columns <= 0 or max_rows <= 0:
        return max(1, min(40, max_columns)), max(1, min(12, max_rows))
    columns = min(max_columns, max(1, width // 6))
    rows = max(1, round(columns * height / width / 2))
    if rows > max_rows:
        rows = max_rows
        columns = max(1, min(max_columns, round(rows * 2 * width / height)))
    return columns, rows


def load(data: str) -> Image:
    """Picture of a base64 string, on white where it is transparent. Raises ValueError when it cannot be decoded."""
    from PIL import Image as Images  # at the first picture, in a thread
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


def strips(image: Image, columns: int, rows: int, *, ascii_only: bool = False) -> list[Strip]:
    """The picture on `columns` x `rows` cells."""
    from PIL import Image as Images

    if ascii_only:
        grey = image.convert("L").resize((columns, rows), Images.Resampling.BOX).tobytes()
        return [
            Strip(
                [Segment("".join(_RAMP[v * 9 // 255] for v in grey[y * columns : (y + 1) * columns]))],
                columns,
            )
            for y in range(rows)
        ]
    small = _thicken(image, columns).resize(
        (columns * 2, rows * 2), Images.Resampling.LANCZOS, reducing_gap=2
    )
    data = small.tobytes()
    stride = columns * 6
    return [
        _row(
            data[y * 2 * stride : (y * 2 + 1) * stride],
            data[(y * 2 + 1) * stride : (y * 2 + 2) * stride],
            columns,
        )
        for y in range(rows)
    ]


def _row(upper: bytes, lower: bytes, columns: int) -> Strip:
    segments: list[Segment] = []
    last: tuple[Rgb, Rgb] | None = None
    run = ""
    for x in range(0, columns * 6, 6):
        char, fore, back = _quadrant(
            (
                (upper[x], upper[x + 1], upper[x + 2]),
                (upper[x + 3], upper[x + 4], upper[x + 5]),
                (lower[x], lower[x + 1], lower[x + 2]),
                (lower[x + 3], lower[x + 4], lower[x + 5]),
            )
        )
        if (fore, back) != last:
            if last is not None:
                segments.append(Segment(run, _style(*last)))
            last, run = (fore, back), ""
        run += char
    if last is not None:
        segments.append(Segment(run, _style(*last)))
    return Strip(segments, columns)


def _quadrant(pixels: tuple[Rgb, Rgb, Rgb, Rgb]) -> tuple[str, Rgb, Rgb]:
    """The character, its colour and its ground for four pixels: split at the middle of their brightness."""
    bright = [3 * p[0] + 6 * p[1] + p[2] for p in pixels]
    low, high = min(bright), max(bright)
    if high - low < _FLAT:
        ground = _mean(pixels)
        return " ", ground, ground
    middle = (low + high) / 2
    light = [p for p, b in zip(pixels, bright, strict=True) if b > middle]
    dark = [p for p, b in zip(pixels, bright, strict=True) if b <= middle]
    bits = sum(1 << i for i, b in enumerate(bright) if b > middle)
    return _QUADRANTS[bits], _mean(light), _mean(dark)


def _mean(pixels: tuple[Rgb, ...] | list[Rgb]) -> Rgb:
    n = len(pixels)
    return (
        sum(p[0] for p in pixels) // n // _STEP * _STEP,
        sum(p[1] for p in pixels) // n // _STEP * _STEP,
        sum(p[2] for p in pixels) // n // _STEP * _STEP,
    )


def _thicken(image: Image, columns: int) -> Image:
    """Keep one-pixel lines alive: they are spread over their neighbours when the reduction is strong."""
    from PIL import ImageFilter, ImageStat

    shrink = image.width / (columns * 2)
    if shrink < 2.5:
        return image
    ground = ImageStat.Stat(image.convert("L").resize((8, 8))).median[0]
    size = 3 if shrink < 6 else 5
    return image.filter(ImageFilter.MinFilter(size) if ground > 128 else ImageFilter.MaxFilter(size))


@lru_cache(maxsize=8192)
def _style(fore: Rgb, back: Rgb) -> Style:
    return Style(color=Color.from_rgb(*fore), bgcolor=Color.from_rgb(*back))
