"""What is printed of a figure's texts: lines of characters, legends whole, the labels of an axis together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ..journal.figure_texts import OTHER, OUTSIDE, PARTS, TICK, TITLE, FigureText
from .formula_text import readable

NEAR: Final = PARTS // 250
"""parts of the image's width or height that make no difference"""
_STEEP: Final = 20
"""degrees from which on a text goes downwards"""
_DEEP_MOST: Final = 12
"""longest label downwards"""
_LINES_MOST: Final = 3
_SIGN: Final = "━ "

WidthOf = Callable[[str], int]
"""columns of a text"""


@dataclass(frozen=True, slots=True)
class FigureLabel:
    """One text that is printed."""

    text: FigureText
    """the first one, if it is a legend"""
    of: tuple[int, ...]
    """which text each line is of"""
    lines: tuple[str, ...]
    width: int
    """columns of its longest line; downwards, characters"""
    is_down: bool
    y: int
    """its middle"""

    @property
    def x(self) -> int:
        """where it is tied to, as a part of the image's width"""
        text = self.text
        by = {"l": 0, OUTSIDE: 0, "r": text.width}
        return text.x + by.get(text.align, text.width // 2)


def figure_labels(
    texts: Sequence[FigureText], rows: int, width_of: WidthOf, *, ascii_only: bool
) -> list[FigureLabel]:
    """Return what is printed, the most important first."""
    found: list[FigureLabel] = []
    steep = [text for text in texts if text.rank == TITLE and _is_steep(text)]
    for place, text in enumerate(texts):
        words = readable(text.text, ascii_only=ascii_only)
        lines = [line.rstrip() for line in words.split("\n") if line.strip()][:_LINES_MOST]
        if not lines:
            continue
        is_down = _is_steep(text)
        if is_down and text.rank == TITLE:
            beside = sum(abs(middle_of(other) - middle_of(text)) <= NEAR for other in steep)
            lines = _split(" ".join(lines), max(3, (rows + 1) // beside - 1))
        elif is_down:
            lines = [" ".join(lines)[:_DEEP_MOST]]
        elif text.sign:
            lines = [_SIGN + " ".join(lines)]
        width = max(map(len, lines)) if is_down else max(map(width_of, lines))
        item = FigureLabel(
            text, (place,) * len(lines), tuple(lines), width, is_down, text.y + text.height // 2
        )
        if found and _is_next_entry(found[-1], item):
            item = _joined(found.pop(), item)
        found.append(item)
    return sorted(found, key=lambda item: TICK + 0.5 if item.text.sign else item.text.rank)


def _is_next_entry(legend: FigureLabel, entry: FigureLabel) -> bool:
    is_legend = bool(legend.text.sign and entry.text.sign) and legend.text.x == entry.text.x
    below = entry.y - legend.y
    return is_legend and 0 < below < PARTS // 4


def _joined(legend: FigureLabel, entry: FigureLabel) -> FigureLabel:
    count = len(legend.lines)
    return replace(
        legend,
        text=replace(legend.text, width=max(legend.text.width, entry.text.width)),
        of=(*legend.of, *entry.of),
        lines=(*legend.lines, *entry.lines),
        width=max(legend.width, entry.width),
        y=(legend.y * count + entry.y) // (count + 1),
    )


def _is_steep(text: FigureText) -> bool:
    return min(text.angle % 180, -text.angle % 180) >= _STEEP


def middle_of(text: FigureText) -> int:
    return text.x + text.width // 2


def _split(text: str, most: int) -> list[str]:
    """Split a text into at most three lines of at most so many characters, at blanks where it can."""
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= most:
            lines[-1] += f" {word}"
        else:
            lines += [word[start : start + most] for start in range(0, len(word), most)]
    return lines[:_LINES_MOST]


def axes_of(items: Sequence[FigureLabel]) -> Iterator[list[FigureLabel]]:
    """Yield the labels of ticks along an axis together, titles and labels of axes alone."""
    group: list[FigureLabel] = []
    for item in items:
        if item.text.rank == OTHER or item.text.sign:
            continue
        if group and not _goes_on(group, item):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def _goes_on(group: Sequence[FigureLabel], item: FigureLabel) -> bool:
    last = group[-1]
    if TITLE in (last.text.rank, item.text.rank) or last.is_down != item.is_down:
        return False
    tops = (last.text.y - item.text.y) if item.is_down else (last.y - item.y)
    in_row, in_column = abs(tops) <= NEAR, abs(last.x - item.x) <= NEAR
    if len(group) == 1:
        return in_row or in_column
    return in_row if is_row(group) else in_column


def is_row(group: Sequence[FigureLabel]) -> bool:
    return len(group) > 1 and abs(group[0].x - group[1].x) > NEAR
