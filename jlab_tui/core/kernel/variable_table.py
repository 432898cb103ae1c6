"""Parses what a kernel answers about its variables (`services.kernel.variables_probe`), sorts it, and makes the model's table."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from ..json_values import items, mapping, parse_json, text, whole

_VALUE_MAX: Final = 600
_VALUE_LINES: Final = 10
"""of an expression's value, which is shown over a part of the screen"""


@dataclass(frozen=True, slots=True)
class KernelVariable:
    """One variable; texts are empty where it does not say."""

    name: str
    type: str = ""
    shape: str = ""
    """of a container: its length"""
    dtype: str = ""
    device: str = ""
    bytes: int = 0
    value: str = ""
    """of a small one"""


@dataclass(frozen=True, slots=True)
class Variables:
    """The largest variables of a kernel, largest first."""

    rows: tuple[KernelVariable, ...]
    total: int
    """so many it has"""


class Column(StrEnum):
    """What a table of variables shows, in this order."""

    NAME = "name"
    TYPE = "type"
    SHAPE = "shape"
    DTYPE = "dtype"
    DEVICE = "device"
    SIZE = "size"
    VALUE = "value"


COLUMNS: Final = tuple(Column)
NO_PYTHON: Final = "A Python kernel is needed: this one evaluates no expressions. Run code that prints its variables instead."


def parse_variables(reply: Mapping[str, Any]) -> Variables | str:
    """Interpret the content of a reply to the probe; a sentence if it has no variables to show."""
    answer = mapping(mapping(reply.get("user_expressions")).get("v"))
    if not answer:
        return NO_PYTHON
    if answer.get("status") != "ok":
        why = f"{text(answer.get('ename'), 'no answer')}: {text(answer.get('evalue'))}"
        return f"The variables could not be read: {why}"
    try:
        found = mapping(parse_json(ast.literal_eval(text(mapping(answer.get("data")).get("text/plain")))))
    except (ValueError, SyntaxError, TypeError, AttributeError, MemoryError, RecursionError):
        return "The variables could not be read: the kernel's answer is not understood."
    rows = tuple(_variable(mapping(row)) for row in items(found.get("rows")))
    return Variables(rows, max(len(rows), whole(found.get("total"))))


def value_of(reply: Mapping[str, Any]) -> str:
    """Return an evaluated expression's value, or its exception, as a text that a note has room for."""
    answer = mapping(mapping(reply.get("user_expressions")).get("v"))
    if answer.get("status") == "ok":
        value = text(mapping(answer.get("data")).get("text/plain"), "no text")
        shown = "\n".join(value[:_VALUE_MAX].split("\n")[:_VALUE_LINES])
        return value if shown == value else f"{shown} ..."
    return f"{text(answer.get('ename'), 'no answer')}: {text(answer.get('evalue'))}"


def _variable(row: Mapping[str, Any]) -> KernelVariable:
    names = ("name", "type", "shape", "dtype", "device", "value")
    return KernelVariable(bytes=whole(row.get("bytes")), **{name: text(row.get(name)) for name in names})


def sorted_by(
    rows: Sequence[KernelVariable], column: Column, *, is_reversed: bool = False
) -> list[KernelVariable]:
    """Sort by a column, equal ones by name. Sizes begin with the largest, texts with the first that is not empty."""
    by_name = sorted(rows, key=lambda row: row.name.lower())
    if column is Column.SIZE:
        return sorted(by_name, key=lambda row: row.bytes, reverse=not is_reversed)
    ordered = sorted(
        (row for row in by_name if _text(row, column)),
        key=lambda row: _text(row, column).lower(),
        reverse=is_reversed,
    )
    return ordered + [row for row in by_name if not _text(row, column)]


def _text(row: KernelVariable, column: Column) -> str:
    return size_text(row.bytes) if column is Column.SIZE else str(getattr(row, column.value))


def cells_of(row: KernelVariable) -> dict[Column, str]:
    """Return the texts of one row of a table."""
    return {column: _text(row, column) for column in COLUMNS}


def variables_table(found: Variables | str, names: Sequence[str] | None) -> str:
    """Make the table for a model; `names`: those that it asked for."""
    if isinstance(found, str):
        return found
    if not found.rows:
        return f"None of {', '.join(names)} exists." if names else "No variables yet."
    lines = [" | ".join(COLUMNS), *(" | ".join(cells_of(row).values()) for row in found.rows)]
    if len(found.rows) < found.total:
        lines.append(f"... the {len(found.rows)} largest of {found.total:,}; ask for others by name.")
    known = {row.name for row in found.rows}
    if missing := [name for name in names or () if name not in known]:
        lines.append(f"Not found: {', '.join(missing)}.")
    return "\n".join(lines)


def size_text(count: float) -> str:
    """`12 B`, `3.4 kB`, `1.6 GB`."""
    if count < 1000:
        return f"{count:.0f} B"
    for unit in ("kB", "MB"):
        count /= 1000
        if count < 999.95:
            return f"{count:.1f} {unit}"
    return f"{count / 1000:,.1f} GB"
