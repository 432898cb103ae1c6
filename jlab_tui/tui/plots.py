"""Draws graphs as strips: our braille areas for panels, plotext (if it loads) for the full screen."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from .themes import Palette

_DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
"""braille bits of the left and right column, from the lowest dot up"""
_BARS = " .:-=+*#"
_GRID = "┈"


def _cell(left: int, right: int) -> str:
    bits = sum(_DOTS[0][:left]) | sum(_DOTS[1][:right])
    return chr(0x2800 + bits) if bits else " "


_CELLS = tuple(tuple(_cell(left, right) for right in range(5)) for left in range(5))


def levels(values: Sequence[float | None], count: int, top: int, high: float) -> list[int]:
    """Return the last `count` values as heights 0..top, padded on the left; a measured value gets at least one dot."""
    shown = list(values)[-count:]
    found = [0] * (count - len(shown))
    for value in shown:
        if value is None:
            found.append(0)
        else:
            found.append(max(1, min(top, round(value / high * top))))
    return found


_SPANS_S = (60, 120, 180, 300, 600, 1800)


def shown_span(span_s: float, count: int) -> float:
    """Return the seconds that `count` bins show: round, at least `span_s` and one second a bin."""
    return max(count, next((s for s in _SPANS_S if s >= span_s), span_s))


def binned(values: Sequence[float | None], times: Sequence[float], count: int) -> list[float | None]:
    """Return the last `count` means over equal spans, which do not move with time. `times` rise."""
    if not values or count <= 0:
        return []
    bounds = _bounds(tuple(times), count)
    return [_mean(values[first:last]) for first, last in bounds] if bounds else list(values)


@lru_cache(maxsize=8)
def _bounds(times: tuple[float, ...], count: int) -> tuple[tuple[int, int], ...]:
    """Return first and last value of each bin; empty if each value has its own. Cached for all graphs of one second."""
    width = shown_span(times[-1] - times[0], count) / count
    if width == 1:
        return ()
    last = times[-1] // width
    edges = [bisect_left(times, (last - count + 1 + n) * width) for n in range(count)]
    edges.append(len(times))
    first = next(n for n in range(count) if edges[n + 1] > edges[n])
    return tuple((edges[n], edges[n + 1]) for n in range(first, count))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def area(
    values: Sequence[float | None],
    width: int,
    height: int,
    colors: Sequence[Style],
    grid: Style,
    *,
    high: float = 100.0,
    ascii_only: bool = False,
) -> list[Strip]:
    """Draw a filled area, top row first; two samples a cell, one colour a row (`colors`, bottom row first).

    Faint lines mark 50 and 100 percent where nothing covers them.
    """
    if width <= 0 or height <= 0:
        return []
    if ascii_only:
        return _ascii_area(values, width, height, colors, high)
    heights = levels(values, width * 2, height * 4, high)
    rows = []
    for row in range(height):
        base = (height - 1 - row) * 4
        text = "".join(
            _CELLS[min(4, max(0, heights[i] - base))][min(4, max(0, heights[i + 1] - base))]
            for i in range(0, width * 2, 2)
        )
        is_ruled = height >= 3 and row in (0, height // 2)
        rows.append(Strip(_ruled(text, colors[height - 1 - row], grid, is_ruled), width))
    return rows


def _ruled(text: str, color: Style, grid: Style, is_ruled: bool) -> list[Segment]:
    if not is_ruled or " " not in text:
        return [Segment(text, color)]
    found: list[Segment] = []
    start = 0
    for index in range(1, len(text) + 1):
        if index == len(text) or (text[index] == " ") != (text[start] == " "):
            part = text[start:index]
            found.append(Segment(_GRID * len(part), grid) if part[0] == " " else Segment(part, color))
            start = index
    return found


def _ascii_area(
    values: Sequence[float | None], width: int, height: int, colors: Sequence[Style], high: float
) -> list[Strip]:
    steps = len(_BARS) - 1
    heights = levels(values, width, height * steps, high)
    return [
        Strip(
            [
                Segment(
                    "".join(_BARS[min(steps, max(0, h - base))] for h in heights), colors[height - 1 - row]
                )
            ],
            width,
        )
        for row, base in ((row, (height - 1 - row) * steps) for row in range(height))
    ]


@dataclass(frozen=True, slots=True)
class Line:
    """One curve of a full-screen graph."""

    label: str
    values: Sequence[float | None]
    """percent, oldest first"""
    hue: str

    @property
    def now(self) -> str:
        """The last measured value as text."""
        value = next((v for v in reversed(self.values) if v is not None), None)
        return "?" if value is None else f"{value:.0f}%"


class Plotext:
    """The plotext module, once it is loaded; it contains a compiled part and may not load at all."""

    module: ModuleType | None = None

    def load(self) -> bool:
        """Load it, which takes a while. Returns whether it is there."""
        try:
            import plotext  # 90 ms and a compiled library: only for the full-screen graphs
        except (ImportError, OSError):
            return False
        plotext.terminal.limit(False, False)  # else it clips to the terminal size that it guesses
        self.module = plotext
        return True


def plotext_rows(
    module: ModuleType,
    lines: Sequence[Line],
    times: Sequence[float],
    label: Callable[[float], str],
    width: int,
    height: int,
    palette: Palette,
) -> list[Strip]:
    """Draw curves with axes and time ticks by plotext, and colour them.

    `times`: epoch seconds of the samples. This draws each curve separately and overlays them, so that each has its hue and
    where two meet the dots of both stay.
    """
    texts = [_plotext_text(module, line.values, times, label, width, height) for line in lines]
    if not texts:
        return []
    rows = []
    for row in range(height):
        found = [(" ", palette.style("muted"))] * width
        for text, line in zip(texts, lines, strict=True):
            hue = palette.style(line.hue)
            for column, char in enumerate(text[row][:width] if row < len(text) else ""):
                is_curve = 0x2800 < ord(char) <= 0x28FF
                below = found[column][0]
                if is_curve and 0x2800 < ord(below) <= 0x28FF:
                    char = chr(ord(char) | ord(below))
                if char not in " \u2800":
                    found[column] = (char, hue if is_curve else palette.style("muted"))
        if row + 1 < height and texts[0][row][:_LABELS].strip():
            grid = (_GRID, palette.style("line"))
            found = [
                grid if char == " " and column >= _LABELS else (char, style)
                for column, (char, style) in enumerate(found)
            ]
        rows.append(Strip(_joined(found), width))
    return rows


_LABELS = 4
"""columns left of the curves"""


def _plotext_text(
    module: ModuleType,
    values: Sequence[float | None],
    times: Sequence[float],
    label: Callable[[float], str],
    width: int,
    height: int,
) -> list[str]:
    figure = module.figure  # the only public figure: clear, draw and build in one go
    figure.clear.all()
    figure.plot_size(width, height)
    means = binned(values, times, max(2, (width - _LABELS) * 2)) or [0.0]
    last = times[-1] if times else 0.0
    count = max(2, (width - _LABELS) * 2)
    step = shown_span(last - times[0], count) / count if times else 1.0
    points = [(last - (len(means) - 1 - i) * step, y) for i, y in enumerate(means) if y is not None] or [
        (last, 0.0)
    ]
    signal = figure.signal([x for x, _ in points], [y for _, y in points], marker="braille").lines(True)
    figure.draw(signal)
    first = min(last - 1, last - (len(means) - 1) * step)
    ticks = [first + (last - first) * part / 6 for part in range(7)]
    figure.ruler("x").lim(first, last).ticks(ticks, [label(tick) for tick in ticks])
    figure.ruler("y").lim(0, 100).ticks([0, 25, 50, 75, 100], ["  0", " 25", " 50", " 75", "100"])
    figure.axes(False)
    text: str = figure.build().string(colorless=True)
    rows = text.split("\n")[:height]
    return rows + [""] * (height - len(rows))  # it draws none where it has no room


def _joined(cells: Sequence[tuple[str, Style]]) -> list[Segment]:
    found: list[Segment] = []
    if not cells:
        return found
    run, style = "", cells[0][1]
    for char, own in cells:
        if own is not style and run:
            found.append(Segment(run, style))
            run = ""
        run, style = run + char, own
    found.append(Segment(run, style))
    return found
