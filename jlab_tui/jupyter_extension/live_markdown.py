"""Finds the tables of Markdown, which the page draws as tables; all the rest of it stays text. Pure.

`core/display/tables.py`, which the extension cannot import, does the same for the dashboard.
"""

from __future__ import annotations

import re
from typing import List, Sequence, Union

from .live_table import CELLS_MAX, Table, TableCell

MARKDOWN_MAX = 200_000
"""characters of a text in which tables are looked for"""
Block = Union[str, Table]
_BAR = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r":?-+:?")
_IMAGE = re.compile(r"!\[([^\]\n]{0,200})\]\(data:[^)\s]*\)?")


def blocks_of(source: str) -> List[Block]:
    """Return the tables of Markdown, and the text around them without the images in it. One that is too long is text as a whole."""
    if len(source) > MARKDOWN_MAX:
        return [source]
    lines = _IMAGE.sub(r"[image \1]", source).split("\n")
    found: List[Block] = []
    text: List[str] = []
    place, cells, is_code = 0, 0, False
    while place < len(lines):
        is_code ^= lines[place].lstrip().startswith(("```", "~~~"))
        end = place if is_code else _end_of_table(lines, place)
        table = _table(lines[place:end]) if end > place else None
        cells += sum(map(len, table.rows)) if table is not None else 0
        if table is None or cells > CELLS_MAX:
            end = max(end, place + 1)
            text += lines[place:end]
        else:
            found += ["\n".join(text)] if any(text) else []
            text = []
            found.append(table)
        place = end
    return [*found, "\n".join(text)] if any(text) or not found else found


def _end_of_table(lines: Sequence[str], place: int) -> int:
    """Return where the table ends that begins with a line; that line if none does."""
    head, rule = lines[place], lines[place + 1] if place + 1 < len(lines) else ""
    if "|" not in head or "|" not in rule:
        return place
    rules = _split(rule)
    if not all(map(_RULE.fullmatch, rules)) or len(rules) != len(_split(head)):
        return place
    end = place + 2
    while end < len(lines) and "|" in lines[end]:
        end += 1
    return end


def _table(lines: Sequence[str]) -> Table:
    head = _split(lines[0])
    rows = [[TableCell(text, is_head=True) for text in head]]
    for line in lines[2:]:
        cells = _split(line)
        rows.append([TableCell(text) for text in [*cells, *[""] * len(head)][: len(head)]])
    return Table(rows)


def _split(line: str) -> List[str]:
    inner = line.strip()
    inner = inner[1:] if inner.startswith("|") else inner
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [cell.replace("\\|", "|").strip() for cell in _BAR.split(inner)]
