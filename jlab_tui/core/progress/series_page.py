"""Chosen series of a run's record as a short table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from .sentences import series_words, short
from .series import SeriesTable, pairs

ROWS: Final = 40
SERIES_MAX: Final = 8
"""names in one table"""
_NAMES_LISTED: Final = 40


def series_page(run_id: str, lines: Iterable[tuple[int, str]], names: Sequence[str]) -> str:
    """Return the values of some names by line, and what is least and greatest of each; of many rows, evenly chosen ones."""
    wanted = {name.casefold(): name for name in names}
    table = SeriesTable()
    rows: list[tuple[int, dict[str, float]]] = []
    every, seen = 1, 0
    last: tuple[int, dict[str, float]] | None = None
    for number, line in lines:
        values = {}
        for _, name, unit, value in pairs(line + "\n"):
            table.add(name, unit, value, number)
            if name.casefold() in wanted:
                values[name.casefold()] = value
        if not values:
            continue
        last = number, values
        if seen % every == 0:
            rows.append(last)
            if len(rows) >= 2 * ROWS:
                rows, every = rows[::2], 2 * every
        seen += 1
    if last is None:
        return _no_such(run_id, table, names)
    rows = [row for row in rows[:: -(-len(rows) // ROWS)] if row is not last] + [last]
    known = [one for name, one in table.named.items() if name.casefold() in wanted]
    head = f"[run {run_id}: {seen:,} lines with these numbers, {len(rows)} of them below]"
    columns = " | ".join(["line", *wanted.values()])
    return "\n".join([head, *map(series_words, known), columns, *(_row(row, wanted) for row in rows)])


def _row(row: tuple[int, dict[str, float]], wanted: Iterable[str]) -> str:
    line, values = row
    return " | ".join([str(line), *(short(values[name]) if name in values else "" for name in wanted)])


def _no_such(run_id: str, table: SeriesTable, names: Sequence[str]) -> str:
    listed = [one.name for one in table.telling]
    found = f"it prints {', '.join(listed[:_NAMES_LISTED])}" if listed else "it prints no name=value twice"
    return (
        f"[run {run_id} has no numbers named {', '.join(names)}; {found}]"
        if names
        else f"[run {run_id}: {found}]"
    )
