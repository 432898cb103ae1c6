"""Numbers with a name in printed text, `loss=0.31` or `loss: 0.31`, as one bounded series for each name.

Not numbers of a series: clocks, dates, addresses, versions, hexadecimal numbers, digits of other scripts.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

NAMES_MAX: Final = 48
_ONCE_MAX: Final = 256
"""names with one value so far; of more, the oldest are forgotten"""
_POINTS_MAX: Final = 128
"""kept of one series; then every second one goes"""

_VALUE: Final = r"([-+]?(?:[0-9]{1,3}(?:,[0-9]{3})++|[0-9]++)(?:\.[0-9]++)?+(?:[eE][-+]?[0-9]++)?+|[-+]?\.[0-9]++|[-+]?(?:nan|inf|NaN|Inf|NAN|INF)\b)"
_UNIT: Final = r"(%|ms|[uµn]s|s|sec|min|h|[kKMGT]i?B|B|x|[a-z]{1,10}/s)?"
_END: Final = r"(?=[\s,;)\]}|'\"]|\.\s)"
_NUMBER: Final = re.compile(
    rf"(?:=|:(?=[ \t]))[ \t]{{0,8}}(?:(?:tensor|np\.float[0-9]{{2}})\()?{_VALUE}[ ]?{_UNIT}{_END}"
)
_NAME_BACKWARDS: Final = re.compile(
    r"[ \t]{0,3}['\"]?([\w./@-]{0,39}[^\W\d])(?![\w./@-])(?: ([^\W\d_]{2,12}+)(?![\w./@-]))?"
)
"""what stands in front of `=` or `:`, from there on backwards: the search for a separator is fast, that for a name is not"""
_NAME_FROM: Final = 60
"""characters in which it stands"""
_NO_NAMES: Final = frozenset(
    {"debug", "info", "warning", "error", "and", "with", "at", "the", "nan", "inf", "step", "epoch"}
)
"""words in front of a name that are no part of it"""


@dataclass(slots=True)
class Series:
    """The values of one name."""

    name: str
    unit: str = ""
    count: int = 0
    first: float = math.nan
    last: float = math.nan
    low: float = math.inf
    low_line: int = 0
    high: float = -math.inf
    high_line: int = 0
    odd: int = 0
    """values that are no finite number"""
    odd_line: int = 0
    """of the first of them"""
    is_counter: bool = True
    """whole numbers that never fall, such as an epoch's"""
    lines: array[float] = field(default_factory=lambda: array("d"))
    """of the kept points"""
    values: array[float] = field(default_factory=lambda: array("d"))
    _every: int = 1
    """of so many finite values one is kept"""

    @property
    def is_constant(self) -> bool:
        return self.low == self.high and not self.odd

    @property
    def points(self) -> list[tuple[int, float]]:
        """Line and value of evenly chosen finite values, and of the last."""
        return [(int(line), value) for line, value in zip(self.lines, self.values, strict=True)]

    def add(self, value: float, line: int) -> None:
        self.is_counter = self.is_counter and value.is_integer() and not value < self.last
        if not self.count:
            self.first = value
        if not math.isfinite(value):
            self.odd_line = self.odd_line if self.odd else line
            self.odd += 1
        else:
            self._keep(value, line)
            if value < self.low:
                self.low, self.low_line = value, line
            if value > self.high:
                self.high, self.high_line = value, line
        self.count += 1
        self.last = value

    def copy(self) -> Series:
        return replace(self, lines=self.lines[:], values=self.values[:])

    def _keep(self, value: float, line: int) -> None:
        if (self.count - self.odd) % self._every:
            return
        self.lines.append(line)
        self.values.append(value)
        if len(self.values) > _POINTS_MAX:
            self.lines, self.values = self.lines[::2], self.values[::2]
            self._every *= 2


@dataclass(slots=True)
class SeriesTable:
    """All series of one run. Names beyond the limit, and names with a single value, are not kept."""

    named: dict[str, Series] = field(default_factory=dict)
    """those with two values and more, by name, in the order of their first value"""
    beyond: int = 0
    """values of names that found no place"""
    told: int = 0
    """lines that have a value"""
    _once: dict[str, Series] = field(default_factory=dict)
    _told_line: int = -1

    def add(self, name: str, unit: str, value: float, line: int) -> None:
        if line != self._told_line:
            self._told_line = line
            self.told += 1
        known = self.named.get(name)
        if known is None:
            known = self._once.pop(name, None)
            if known is None:
                self._once[name] = known = Series(name, unit)
                if len(self._once) > _ONCE_MAX:
                    del self._once[next(iter(self._once))]
            elif len(self.named) < NAMES_MAX:
                self.named[name] = known
            else:
                self.beyond += 1
                return
        known.add(value, line)

    def copy(self) -> SeriesTable:
        named = {name: series.copy() for name, series in self.named.items()}
        return replace(self, named=named, _once={})

    @property
    def telling(self) -> list[Series]:
        """What tells most first: not counters, nor what never changes."""
        return sorted(self.named.values(), key=lambda one: (one.is_constant, one.is_counter))


def pairs(text: str) -> Iterator[tuple[int, str, str, float]]:
    """Yield position, name, unit and value of the named numbers in whole lines of text, the last with its line break."""
    for match in _NUMBER.finditer(text):
        start = match.start()
        named = _NAME_BACKWARDS.match(text[max(0, start - _NAME_FROM) : start][::-1])
        if named is None:
            continue
        name, value = named[1][::-1], match[1]
        if (before := named[2]) is not None and (word := before[::-1]).lower() not in _NO_NAMES:
            name = f"{word} {name}"
        yield start, name, match[2] or "", float(value.replace(",", "") if "," in value else value)
