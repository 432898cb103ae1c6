"""The texts of a figure and where they stand in its image, as kernels send them and journals keep them.

`jupyter_extension/kernel_figures.py` makes them; whoever has a kernel may send anything.
"""

from __future__ import annotations

import re
from dataclasses import astuple, dataclass
from typing import Any, Final

from ..json_values import items

TRANSIENT: Final = "jlab_mcp_texts"
"""name in the transient data of a display"""
TITLE, TICK, OTHER = 0, 1, 2
OUTSIDE: Final = "o"
TEXTS_MAX: Final = 300
CHARS_MAX: Final = 200
PARTS: Final = 10_000
_FARTHEST: Final = 3 * PARTS
_COLOR: Final = re.compile("#[0-9a-f]{6}")


@dataclass(frozen=True, slots=True)
class FigureText:
    rank: int
    """0: a title, an axis label or part of a legend; 1: the label of a tick; 2: another one"""
    x: int
    """left edge; like the three below in 1/10,000 of the image's width or height, from its upper left corner"""
    y: int
    width: int
    height: int
    angle: int
    """degrees, counterclockwise"""
    align: str
    """l, c or r; o: l, in a legend beside the axes"""
    text: str
    """as the kernel has it: may have lines, formulas between dollar signs, and anything else"""
    color: str = ""
    """`#rrggbb`; empty if unknown"""
    sign: str = ""
    """colour of what stands for it in the figure, if it belongs to a legend"""


FigureTexts = tuple[FigureText, ...]


def figure_texts(value: Any) -> FigureTexts:
    """Read texts from JSON; what is none is left out, and so are those beyond the first 300."""
    found = (_text(each) for each in items(value)[:TEXTS_MAX])
    return tuple(each for each in found if each is not None)


def texts_json(texts: FigureTexts) -> list[list[Any]]:
    """Return texts as JSON, as `figure_texts` reads them."""
    return [list(astuple(each)) for each in texts]


def _text(value: Any) -> FigureText | None:
    match value:
        case [*numbers, str(align), str(text), str(color), str(sign)] if len(numbers) == 6 and all(
            type(number) is int and abs(number) <= _FARTHEST for number in numbers
        ):
            rank, x, y, width, height, angle = numbers
            align = align if align in ("l", "c", "r", OUTSIDE) else "c"
            color, sign = (name if _COLOR.fullmatch(name) else "" for name in (color, sign))
            return FigureText(rank, x, y, width, height, angle, align, text[:CHARS_MAX], color, sign)
        case _:
            return None
