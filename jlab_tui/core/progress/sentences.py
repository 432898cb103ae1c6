"""What a model and a person read of a run's pace and of its numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .digest import Digest
from .series import Series
from .tracks import Pace

NAMES_SHOWN: Final = 6
_NAMES_LISTED: Final = 12
_LINES_LEAST: Final = 200
"""lines from which on numbers stand for them"""
_WATCHED_LEAST_S: Final = 60.0
_MARGIN_S: Final = 60.0

Clock = Callable[[float], str]
"""epoch seconds as a time of day, such as `03:40`"""


def pace_words(pace: Pace) -> str:
    """Return the pace in one line: `epoch 3/10 (30%), 12 s each, about 84 s left`."""
    words = pace.shown if pace.is_share else f"{pace.shown} ({100 * pace.share:.0f}%)"
    if pace.rate and not pace.is_share:
        words += f", {rate_words(pace.rate)}"
    if pace.left is not None and pace.share < 1.0:
        words += f", about {duration(pace.left)} left{' of this loop' if pace.is_part else ''}"
    return words


def rate_words(rate: float) -> str:
    """Return steps a second in the unit in which they are easily read."""
    if rate >= 1:
        return f"{rate:,.0f}/s" if rate >= 100 else f"{rate:.2g}/s"
    each = 1 / rate
    return f"{each:.2g} s each" if each < 99.5 else f"{each / 60:.2g} min each"


def duration(seconds: float) -> str:
    """Return a duration in words: `84 s`, `12 min`, `3 h 5 min`, `2 d 4 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


def ends_late(pace: Pace | None, now: float, job_ends: float) -> float | None:
    """Return when a run ends by its pace (epoch seconds) if its job ends before (`job_ends`, 0: never), else None."""
    if pace is None or pace.left is None or pace.is_part or not job_ends:
        return None
    if pace.watched < _WATCHED_LEAST_S or now + pace.left <= job_ends + _MARGIN_S:
        return None
    return now + pace.left


def late_sentence(ends: float, job_ends: float, clock: Clock) -> str:
    """Say that a run does not fit into its job's time."""
    return (
        f"At this pace the run ends about {clock(ends)}, but its job ends {clock(job_ends)}, and everything in memory is "
        "then lost. Save what you need to files before, or run it in a job with more time."
    )


def tells_enough(digest: Digest) -> bool:
    """Whether its numbers may stand for the lines of a long output."""
    looked_at = digest.lines - digest.skipped
    return bool(digest.series.named) and looked_at >= _LINES_LEAST and 2 * digest.series.told >= looked_at


def numbers(digest: Digest, run_id: str) -> str:
    """Return first, last, least and greatest value of each name, one a line."""
    telling = digest.series.telling
    shown, others = telling[:NAMES_SHOWN], telling[NAMES_SHOWN:]
    names = [one.name for one in shown if not one.is_counter and not one.is_constant][:2] or [shown[0].name]
    asked = ", ".join(f'"{name}"' for name in names)
    lines = [
        f'Numbers in all {digest.lines:,} lines; as a table: read_output(run_id="{run_id}", series=[{asked}])',
        *map(series_words, shown),
    ]
    if others:
        more = ", ".join(one.name for one in others[:_NAMES_LISTED])
        lines.append(
            f"{len(others)} more name{'s' * (len(others) != 1)}: {more}{', ...' * (len(others) > _NAMES_LISTED)}"
        )
    if digest.skipped:
        lines.append(f"{digest.skipped:,} lines came too fast for this and are not in it.")
    return "\n".join(lines)


def series_words(series: Series) -> str:
    """Return one series in one line."""
    label = f"{series.name} ({series.unit})" if series.unit else series.name
    if series.is_constant:
        return f"{label}: {short(series.first)} throughout"
    words = f"{label}: first {short(series.first)}, last {short(series.last)}"
    if series.low <= series.high:
        words += f", min {short(series.low)} (line {series.low_line:,}), max {short(series.high)} (line {series.high_line:,})"
    if series.odd:
        words += f", {series.odd:,} not finite (from line {series.odd_line:,} on)"
    return words


def short(value: float) -> str:
    """Return a number with four digits, or whole."""
    return f"{value:,.0f}" if value.is_integer() and abs(value) < 1e9 else f"{value:.4g}"
