"""What the terminal shows and what it should show: the sequences between the two, for the cells that differ only.

Textual paints whole widgets; most cells of them stay as they are. A frame that was not sent is no loss: the next one has its cells,
too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.strip import Strip

from ..core.display.kitty_placeholders import PLACEHOLDER
from .colors import codes_of

NEAR = 4
"""unchanged cells that cost no more than moving the cursor over them"""

_ATTRIBUTES = (
    ("bold", "1"),
    ("dim", "2"),
    ("italic", "3"),
    ("underline", "4"),
    ("blink", "5"),
    ("reverse", "7"),
    ("conceal", "8"),
    ("strike", "9"),
    ("underline2", "21"),
)
_OFF = {"1": "22", "2": "22", "3": "23", "4": "24", "5": "25", "7": "27", "8": "28", "9": "29", "21": "24"}
"""what ends an attribute, and maybe another one with it"""
_SEEN_ON_SPACES = frozenset({"4", "7", "9", "21"})

Look = tuple[str, str, str, str]
"""attributes, foreground and background as SGR parameters, and a link"""
Cell = tuple[str, Look]
"""A character with what combines with it. An empty text is the right half of a wide character."""

_PLAIN: Look = ("", "39", "49", "")
_UNKNOWN: Cell = ("\0", _PLAIN)


class TerminalScreen:
    """Rows of cells. `put` says what is wanted, `changes` returns how to get there."""

    def __init__(self, colors: ColorSystem) -> None:
        self._colors = colors
        self._wanted: list[list[Cell]] = []
        self._shown: list[list[Cell]] = []
        self._starts: list[set[int]] = []
        """columns at which a part of the row was written"""
        self._dirty: set[int] = set()
        self._width = 0

    def resize(self, width: int, height: int) -> None:
        """Forget everything if the size is another one."""
        if (width, height) == (self._width, len(self._wanted)):
            return
        self._width = width
        self._wanted = [[(" ", _PLAIN)] * width for _ in range(height)]
        self._starts = [{0} for _ in range(height)]
        self.forget()

    def forget(self) -> None:
        """Take what the terminal shows as unknown."""
        self._shown = [[_UNKNOWN] * self._width for _ in self._wanted]
        self._dirty = set(range(len(self._wanted)))

    def put(self, x: int, y: int, segments: Iterable[Segment]) -> None:
        """Want these segments at column `x` of row `y`."""
        if not 0 <= y < len(self._wanted):
            return
        row, start = self._wanted[y], x
        for text, style, control in segments:
            if control:
                continue
            cells = _cells(text, style, self._colors)
            row[x : x + len(cells)] = cells
            x += len(cells)
        del row[self._width :]
        self._starts[y] = {begin for begin in self._starts[y] if not start < begin < x} | {start}
        self._dirty.add(y)

    @property
    def is_dirty(self) -> bool:
        return bool(self._dirty)

    def changes(self) -> str:
        """Return the sequences that make the terminal show what is wanted; it shows that from now on."""
        pen = _Pen()
        for y in sorted(self._dirty):
            wanted, shown = self._wanted[y], self._shown[y]
            if wanted == shown:
                continue
            is_sure = all(map(_is_sure, wanted)) and all(map(_is_sure, shown))
            spans = _runs(wanted, shown) if is_sure else self._parts(y)
            for first, last in spans:
                pen.move(first, y)
                pen.write(wanted[first:last])
            self._shown[y] = list(wanted)
        self._dirty.clear()
        return pen.finished()

    def _parts(self, y: int) -> Iterator[tuple[int, int]]:
        """Yield the parts of a row that differ, whole: a character of uncertain width moves what follows it in its part."""
        wanted, shown = self._wanted[y], self._shown[y]
        bounds = [*sorted(start for start in self._starts[y] if start < self._width), self._width]
        for first, last in pairwise(bounds):
            if wanted[first:last] != shown[first:last]:
                yield first, last


def spans_of(update: LayoutUpdate | ChopsUpdate) -> Iterator[tuple[int, int, Strip]]:
    """Yield column, row and strip of everything in a picture of Textual's compositor."""
    if isinstance(update, LayoutUpdate):
        for y, strips in enumerate(update.strips, update.region.y):
            x = update.region.x
            for strip in strips:
                yield x, y, strip
                x += strip.cell_length
        return
    for y, first, last in update.spans:
        for end, (x, part) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if part is not None and x <= last and end > first:
                yield x, y, part if x >= first and end <= last else part.crop(0, min(end, last) - x)


def _runs(wanted: Sequence[Cell], shown: Sequence[Cell]) -> Iterator[tuple[int, int]]:
    """Yield spans of cells that differ, joined where few lie between."""
    first = last = -1
    for column, (new, old) in enumerate(zip(wanted, shown, strict=True)):
        if new == old:
            continue
        if first >= 0 and column - last > NEAR:
            yield first, last + 1
            first = column
        elif first < 0:
            first = column
        last = column
    if first >= 0:
        yield first, last + 1


class _Pen:
    """Writes cells with as few sequences as they need."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._look: Look = _PLAIN

    def move(self, x: int, y: int) -> None:
        self._out.append(f"\x1b[{y + 1}H" if x == 0 else f"\x1b[{y + 1};{x + 1}H")

    def write(self, cells: Sequence[Cell]) -> None:
        for text, look in cells:
            if look is not self._look and look != self._look:
                self._turn(look, is_blank=text == " ")
            self._out.append(text)

    def _turn(self, look: Look, *, is_blank: bool) -> None:
        attributes, fore, back, link = look
        before, fore_before, back_before, link_before = self._look
        if is_blank and not attributes and not _SEEN_ON_SPACES.intersection(before.split(";")):
            attributes, fore = before, fore_before  # not to be seen on a space
        if codes := _codes((before, fore_before, back_before), (attributes, fore, back)):
            self._out.append(f"\x1b[{codes}m" if codes != "0" else "\x1b[m")
        if link != link_before:
            self._out.append(f"\x1b]8;;{link}\x1b\\")
        self._look = (attributes, fore, back, link)

    def finished(self) -> str:
        """Return what was written, and leave plain attributes."""
        if self._look != _PLAIN:
            self._turn(_PLAIN, is_blank=False)
        return "".join(self._out)


@lru_cache(1024)
def _codes(before: tuple[str, str, str], after: tuple[str, str, str]) -> str:
    """Return the SGR parameters from one look to another: only what differs, or everything anew where that is shorter."""
    had, wants = (frozenset(filter(None, look[0].split(";"))) for look in (before, after))
    ended = {_OFF[code] for code in had - wants}
    begun = [code for code in sorted(wants) if code not in had or _OFF[code] in ended]
    colors = [new for old, new in zip(before[1:], after[1:], strict=True) if new != old]
    step = ";".join([*sorted(ended), *begun, *colors])
    anew = ";".join(["0", *sorted(wants), *(new for new in after[1:] if new not in _PLAIN)])
    return step if len(step) <= len(anew) else anew


@lru_cache(8192)
def _cells(text: str, style: Style | None, colors: ColorSystem) -> tuple[Cell, ...]:
    look = _look(style, colors)
    blank = look if _SEEN_ON_SPACES.intersection(look[0].split(";")) or look[3] else ("", "39", look[2], "")
    if text.isascii():
        return tuple((" ", blank) if char == " " else (char, look) for char in text)
    found: list[Cell] = []
    for char in text:
        width = cell_len(char)
        if char == " ":
            found.append((" ", blank))
        elif width == 0 and found:
            _join(found, char)
        elif width:
            found.append((char, look))
            if width == 2:
                found.append(("", look))
    extra = len(found) - cell_len(text)
    return tuple(found if extra <= 0 else _narrowed(found, extra))


def _join(found: list[Cell], char: str) -> None:
    """Add a combining character to the one before it."""
    place = len(found) - (2 if found[-1][0] == "" and len(found) > 1 else 1)
    found[place] = (found[place][0] + char, found[place][1])


def _narrowed(found: list[Cell], extra: int) -> list[Cell]:
    """Join the last characters of a text whose clusters are narrower than their characters together."""
    text = "".join(cell[0] for cell in found[-extra - 1 :])
    return [*found[: -extra - 1], (text, found[-1][1])]


@lru_cache(1024)
def _look(style: Style | None, colors: ColorSystem) -> Look:
    if style is None:
        return _PLAIN
    attributes = ";".join(code for name, code in _ATTRIBUTES if getattr(style, name))
    return (
        attributes,
        codes_of(style.color, colors, foreground=True),
        codes_of(style.bgcolor, colors, foreground=False),
        style.link or "",
    )


def _is_sure(cell: Cell) -> bool:
    """Whether every terminal draws the character in one column."""
    text = cell[0]
    return text.startswith(PLACEHOLDER) or (
        len(text) == 1
        and (
            text < "\u0483"
            or "\u2190" <= text <= "\u21ff"
            or "\u2500" <= text <= "\u25ff"
            or "\u2800" <= text <= "\u28ff"
            or "\u2010" <= text <= "\u2027"
            or text in "✓✗"
            or "\U0001cd00" <= text <= "\U0001ceaf"
        )
    )
