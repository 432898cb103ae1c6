"""A figure with axes without matplotlib. The demo lays this file beside its notebook where matplotlib is not installed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

WIDTH, HEIGHT = 800, 400
LEFT, RIGHT, TOP, BOTTOM = 76, 20, 44, 60
COLORS = ("#1f77b4", "#d62728", "#2ca02c")
Series = tuple[Sequence[float], Sequence[float], str]
"""x, y, and `.` for points or `-` for a line"""


TEXTS = "jlab_mcp_texts"
PARTS = 10_000
"""of the picture's width or height, for the place of a text"""


def chart(series: Mapping[str, Series], *, title: str, x: str, y: str) -> None:
    """Show a picture of the series, with its words for those who draw it on a terminal."""
    from IPython.display import display

    image, texts = draw(series, title=title, x=x, y=y)
    display(image, transient={TEXTS: texts})  # type: ignore[no-untyped-call]


def draw(series: Mapping[str, Series], *, title: str, x: str, y: str) -> tuple[Any, list[list[Any]]]:
    """Return a picture of the series with ticks, a grid, the names of the axes and a legend, and its texts as a dashboard reads
    them: rank, left, top, width, height, angle, alignment, text, colour, colour of its sign in a legend."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    canvas = ImageDraw.Draw(image)
    font, large = ImageFont.load_default(15), ImageFont.load_default(18)
    across = ticks([value for xs, _, _ in series.values() for value in xs])
    up = ticks([value for _, ys, _ in series.values() for value in ys])
    texts: list[list[Any]] = []

    def note(rank: int, box: Sequence[float], text: str, align: str, angle: int = 0, sign: str = "") -> None:
        left, top, right, bottom = box
        place = (left / WIDTH, top / HEIGHT, (right - left) / WIDTH, (bottom - top) / HEIGHT)
        texts.append([rank, *(round(PARTS * part) for part in place), angle, align, text, "#000000", sign])

    def write(rank: int, at: tuple[float, float], text: str, anchor: str, font: Any = font) -> None:
        canvas.text(at, text, "black", font, anchor=anchor)
        note(rank, canvas.textbbox(at, text, font, anchor=anchor), text, "r" if anchor[0] == "r" else "c")

    def place(at_x: float, at_y: float) -> tuple[float, float]:
        right = LEFT + (at_x - across[0]) / (across[-1] - across[0]) * (WIDTH - LEFT - RIGHT)
        return right, HEIGHT - BOTTOM - (at_y - up[0]) / (up[-1] - up[0]) * (HEIGHT - TOP - BOTTOM)

    write(0, (WIDTH / 2, TOP / 2), title, "mm", large)
    write(0, ((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 18), x, "mm")
    label = Image.new("RGB", (HEIGHT - TOP - BOTTOM, 22), "white")
    ImageDraw.Draw(label).text((label.width / 2, 11), y, "black", font, anchor="mm")
    image.paste(label.rotate(90, expand=True), (8, TOP))
    note(0, (8, TOP, 30, HEIGHT - BOTTOM), y, "c", 90)
    for tick in across:
        canvas.line([place(tick, up[0]), place(tick, up[-1])], fill="#dddddd")
        write(1, (place(tick, up[0])[0], HEIGHT - BOTTOM + 6), f"{tick:g}", "ma")
    for tick in up:
        canvas.line([place(across[0], tick), place(across[-1], tick)], fill="#dddddd")
        write(1, (LEFT - 8, place(across[0], tick)[1]), f"{tick:g}", "rm")
    canvas.rectangle([place(across[0], up[-1]), place(across[-1], up[0])], outline="black")
    for number, (name, (xs, ys, kind)) in enumerate(series.items()):
        color = COLORS[number % len(COLORS)]
        points = [place(*point) for point in zip(xs, ys, strict=True)]
        if kind == "-":
            canvas.line(points, fill=color, width=3)
        else:
            for left, top in points:
                canvas.ellipse([left - 2.5, top - 2.5, left + 2.5, top + 2.5], fill=color)
        row, begin = TOP + 18 + 22 * number, WIDTH - RIGHT - 150
        canvas.rectangle([begin, row - 3, begin + 20, row + 3], fill=color)
        canvas.text((begin + 28, row), name, "black", font, anchor="lm")
        end = canvas.textbbox((begin + 28, row), name, font, anchor="lm")[2]
        note(0, (begin, row - 9, end, row + 9), name, "l", sign=color)
    return image, texts


def ticks(values: Sequence[float]) -> list[float]:
    """Return two to nine round numbers that enclose the values."""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    power = 10.0 ** (math.floor(math.log10(span)) - 1)
    step = next(base * power for base in (1, 2, 5, 10, 20) if span / (base * power) <= 7)
    first = math.floor(low / step)
    count = max(1, math.ceil(high / step) - first)
    return [(first + number) * step for number in range(count + 1)]
