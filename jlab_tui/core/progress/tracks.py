"""Steps in printed text, `120/500`, `epoch 3 of 10`, `45%`, and the pace of what moves among them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

TRACKS_MAX: Final = 12
"""counts that are followed at the same time; of more, the one that moved longest ago is forgotten"""
_POINTS_MAX: Final = 64
_STALE_S: Final = 60.0
_PERCENT: Final = "%"
_PERCENTS_LEAST: Final = 3
"""moves that make a percentage a progress"""
_LABEL_FROM: Final = 80
"""characters in front of a count in which its label is looked for"""

_STEP: Final = re.compile(
    r"(?<![\w./+-])(?<![0-9][:,])([0-9]{1,12}+)(?: ?/ ?| of )([0-9]{1,12}+)(?![\w/-]|[.:,][0-9])"
)
_SHARE: Final = re.compile(r"(?<![\w.,-])([0-9]{1,3}(?:\.[0-9]{1,6})?+) ?%(?![\w%])")
_MEASURED: Final = re.compile(r"[^\W\d_]\w*['\"]?[ \t]*[=:][ \t]*\Z")
_DONE: Final = re.compile(r"(?i)progress|done|complete|download|upload")
_WORDS: Final = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Count:
    """One count that was printed."""

    label: str
    done: float
    total: float
    is_share: bool = False
    """a percentage"""


def counts(line: str) -> list[Count]:
    """Return the counts in one line, the outermost first; percentages only where there is no other."""
    found: list[Count] = []
    behind = 0
    for match in _STEP.finditer(line):
        done, total = int(match[1]), int(match[2])
        if done <= total >= 2:
            found.append(Count(_label(line, match.start(), behind), done, total))
            behind = match.end()
    return found or [*_shares(line)]


def _shares(line: str) -> Iterator[Count]:
    for match in _SHARE.finditer(line):
        start = match.start()
        measured = _MEASURED.search(line, max(0, start - _LABEL_FROM), start)
        if float(match[1]) <= 100.0 and (measured is None or _DONE.match(measured[0])):
            yield Count(_label(line, start), float(match[1]), 100.0, is_share=True)
            return


def _label(line: str, end: int, behind: int = 0) -> str:
    return " ".join(_WORDS.findall(line, max(behind, end - _LABEL_FROM), end)[-3:])


@dataclass(slots=True)
class Track:
    """One count as it moves."""

    label: str
    total: float
    is_share: bool
    done: float
    at: float
    """epoch seconds of the last move"""
    shown: str = ""
    moves: int = 0
    restarts: int = 0
    """how often it began over, as an inner loop does"""
    has_inner: bool = False
    """a loop inside it gives parts of its steps"""
    from_zero: bool = False
    """an outer loop counts from 0"""
    points: list[tuple[float, float]] = field(default_factory=list)
    """time and steps done since it last began"""

    def move(self, done: float, at: float) -> None:
        if done < self.done:
            self.restarts += 1
            self.points = []
        elif done > self.done:
            self.moves += 1
        if done == self.done and self.points:
            return
        self.done, self.at = done, max(self.at, at)
        if self.points and self.points[-1][0] == self.at:
            self.points.pop()
        self.points.append((self.at, done))
        if len(self.points) > _POINTS_MAX:
            self.points = self.points[::2]

    @property
    def is_moving(self) -> bool:
        return self.moves >= (_PERCENTS_LEAST if self.is_share else 1)

    def rate(self, now: float) -> float:
        """Steps a second, over the later half of the time since it began; 0 if unknown."""
        first, last = self.points[0], self.points[-1]
        middle = last[0] - (last[0] - first[0]) / 2
        at, done = next((point for point in reversed(self.points) if point[0] <= middle), first)
        if last[0] <= at or last[1] <= done:
            return 0.0
        took = last[0] - at
        step = took / (last[1] - done)
        waited = max(0.0, now - last[0] - step)
        return (last[1] - done) / (took + waited)

    def left(self, now: float) -> float | None:
        """Seconds until it is done; None if unknown."""
        if self.done >= self.total:
            return 0.0
        rate = self.rate(now)
        return max(0.0, (self.total - self.done) / rate - max(0.0, now - self.at)) if rate else None

    def is_stale(self, newest: float) -> bool:
        """Whether it stands while others move."""
        rate = self.rate(self.at)
        return newest - self.at > max(_STALE_S, 5 / rate if rate else 0.0)


@dataclass(frozen=True, slots=True)
class Pace:
    """How far a run is, by what it prints."""

    shown: str
    """the count as it was printed last, with its label"""
    share: float
    """0 to 1"""
    rate: float
    """steps a second; 0 if unknown"""
    left: float | None
    """seconds; None if unknown"""
    watched: float = 0.0
    """seconds over which the rate was seen"""
    is_part: bool = False
    """of a loop inside another, whose end is not that of the run"""
    is_share: bool = False


@dataclass(slots=True)
class Tracks:
    """The counts of one run."""

    moving: dict[tuple[str, float], Track] = field(default_factory=dict)

    def feed(self, line: str, at: float) -> None:
        """Take in a line that was printed at a time (epoch seconds)."""
        inner: Count | None = None
        for step in reversed(counts(line)):
            self._move(step, inner, at)
            inner = step

    def look(self, now: float) -> Pace | None:
        """Return how far the run is; None while nothing moves."""
        moving = [track for track in self.moving.values() if track.is_moving]
        if not moving:
            return None
        newest = max(track.at for track in moving)
        live = [track for track in moving if track.done < track.total and not track.is_stale(newest)]
        whole = [track for track in live if not track.restarts]
        if whole:
            left = {id(track): track.left(now) or 0.0 for track in whole}
            longest = max(left.values())
            last = [track for track in whole if 2 * left[id(track)] >= longest]
            chosen = max(last, key=lambda track: (track.moves, track.at))
        else:
            chosen = max(live or moving, key=lambda track: (track.at, -track.restarts))
        return Pace(
            chosen.shown,
            min(1.0, chosen.done / chosen.total),
            chosen.rate(now),
            chosen.left(now),
            chosen.points[-1][0] - chosen.points[0][0],
            is_part=chosen.restarts > 0,
            is_share=chosen.is_share,
        )

    def copy(self) -> Tracks:
        """Return a copy to look at while this one is fed."""
        return Tracks({key: replace(one, points=one.points[:]) for key, one in self.moving.items()})

    def _move(self, step: Count, inner: Count | None, at: float) -> None:
        key = (step.label, step.total)
        track = self.moving.get(key)
        done = step.done
        if has_inner := inner is not None and self.moving[inner.label, inner.total].restarts > 0:
            assert inner is not None
            from_zero = done == 0 or (track is not None and track.from_zero)
            done = max(0.0, done - (not from_zero)) + inner.done / inner.total
        if track is None:
            track = self.moving[key] = Track(step.label, step.total, step.is_share, done, at)
            if len(self.moving) > TRACKS_MAX:
                oldest = min((k for k in self.moving if k != key), key=lambda known: self.moving[known].at)
                del self.moving[oldest]
        track.from_zero |= inner is not None and step.done == 0
        if has_inner and not track.has_inner:  # from here on its parts count, too
            track.has_inner, track.done, track.points = True, done, []
            track.moves += 1
        track.move(done, at)
        track.shown = _shown(step) if inner is None else f"{_shown(step)}, {_shown(inner)}"


def _shown(step: Count) -> str:
    label = f"{step.label[-24:]} " if step.label else ""
    return f"{label}{step.done:g}%" if step.is_share else f"{label}{step.done:,.0f}/{step.total:,.0f}"
