"""Sets one member of a JSON text in place and keeps everything else to the byte.

Other people's configuration files have a style of their own (inline arrays, widths, order); parsing and dumping the
whole file would rewrite all of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


class NotJson(ValueError):
    """The text is not JSON, or has another value where an object is needed."""

    def __init__(self, reason: str, line: int = 0, column: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
        """counted from 1; 0 when the problem has no single position"""
        self.column = column


@dataclass(frozen=True, slots=True)
class _Member:
    key: str
    start: int
    """of the value"""
    end: int


def parse_object(text: str) -> dict[str, Any]:
    """Parse the object of a JSON text. Raises NotJson with line and column."""
    try:
        value = json.loads(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        raise NotJson(error.msg, error.lineno, error.colno) from None
    except RecursionError:
        raise NotJson("it is nested too deeply") from None
    if not isinstance(value, dict):
        raise NotJson("it is not a JSON object", 1, 1)
    return value


def set_member(text: str, path: Sequence[str], value: Any) -> str:
    """Set the member at `path` to `value`, and create the objects on the way. Raises NotJson.

    A text of only white space counts as an empty object.
    """
    if not text.removeprefix("\ufeff").strip():
        return _dump(_nest(path, value), "  ", "\n") + "\n"
    parse_object(text)
    newline = "\r\n" if "\r\n" in text else "\n"
    unit = _indent_unit(text)
    return _set(text, _skip(text, 1 if text.startswith("\ufeff") else 0), path, value, unit, newline)


def _set(text: str, start: int, path: Sequence[str], value: Any, unit: str, newline: str) -> str:
    """Do the work of `set_member` from the object that begins at `start`."""
    key, *rest = path
    members = list(_members(text, start))
    found = next((m for m in reversed(members) if m.key == key), None)
    if found is None:
        return _insert(text, start, members, key, _nest(rest, value), unit, newline)
    if not rest:
        dumped = _dump(value, unit, newline, _indent_of(text, found.start))
        return text[: found.start] + dumped + text[found.end :]
    if text[found.start] != "{":
        line, column = position(text, found.start)
        raise NotJson(f"{key!r} is not an object", line, column)
    return _set(text, found.start, rest, value, unit, newline)


def position(text: str, offset: int) -> tuple[int, int]:
    """Return line and column of an offset, counted from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _members(text: str, start: int) -> Iterator[_Member]:
    """Yield the members of the object that begins at `start`; the text must be JSON."""
    at = _skip(text, start + 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        at = _skip(text, _skip(text, at) + 1)
        _, end = _DECODER.raw_decode(text, at)
        yield _Member(key, at, end)
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)


def _insert(
    text: str, start: int, members: Sequence[_Member], key: str, value: Any, unit: str, newline: str
) -> str:
    outer = _indent_of(text, start)
    inner = outer + unit
    written = f"{newline}{inner}{json.dumps(key)}: {_dump(value, unit, newline, inner)}"
    if members:
        end = members[-1].end
        return f"{text[:end]},{written}{text[end:]}"
    close = text.index("}", start)
    return f"{text[: start + 1]}{written}{newline}{outer}{text[close:]}"


def _dump(value: Any, unit: str, newline: str, indent: str = "") -> str:
    dumped = json.dumps(value, indent=unit, ensure_ascii=False)
    return dumped.replace("\n", newline + indent)


def _nest(path: Sequence[str], value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value


def _indent_of(text: str, offset: int) -> str:
    """Return the indentation of the line that contains `offset`."""
    line = text[text.rfind("\n", 0, offset) + 1 : offset]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _indent_unit(text: str) -> str:
    match = re.search(r"^\ufeff?\s*\{[ \t]*\r?\n([ \t]+)", text)
    return match[1] if match else "  "


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
