"""Parses JSON from outside so that any content is safe to walk, store and encode, and reads its fields."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

DEEPEST: Final = 100
"""levels of nesting; real output has about ten"""
_LARGEST: Final = 1 << 53
_HUGE: Final = re.compile(r"[eE]\+?\d{3}|\d{300}")
_SURROGATES: Final = re.compile(r"\\u[dD][89a-fA-F]")
_LONE: Final = re.compile("[\ud800-\udfff]")


def parse_json(raw: bytes | str) -> Any:
    """Parse a JSON text. Raises ValueError when it is invalid, or nested more than 100 levels.

    Numbers that JSON does not have (NaN, infinities, and what would become one) become None; half a surrogate pair becomes U+FFFD."""
    text = raw if isinstance(raw, str) else raw.decode("utf-8", "replace")
    try:
        value = (_WARY if _HUGE.search(text) else _QUICK).decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    brackets = text.count("[") + text.count("{")
    if brackets > DEEPEST and isinstance(value, dict | list) and _is_deep(value):
        raise ValueError("it is nested too deeply")
    return _whole_characters(value) if _SURROGATES.search(text) else value


def clean_text(text: str) -> str:
    """Replace half a surrogate pair by U+FFFD, so that every encoder accepts the text."""
    return text if text.isascii() else _LONE.sub("\ufffd", text)


def _nothing(_: str) -> None:
    return None


def _finite(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def _not_huge(digits: str) -> int | None:
    return int(digits) if len(digits) < 300 else None


_QUICK: Final = json.JSONDecoder(parse_constant=_nothing)
_WARY: Final = json.JSONDecoder(parse_constant=_nothing, parse_float=_finite, parse_int=_not_huge)
"""made once: a decoder costs as much as a short message"""


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _whole_characters(value: Any) -> Any:
    match value:
        case str():
            return clean_text(value)
        case list():
            return [_whole_characters(item) for item in value]
        case dict():
            return {clean_text(key): _whole_characters(item) for key, item in value.items()}
        case _:
            return value


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def text(value: Any, otherwise: str = "") -> str:
    return value if isinstance(value, str) else otherwise


def flag(value: Any, *, otherwise: bool = False) -> bool:
    return value if isinstance(value, bool) else otherwise


def whole(value: Any, otherwise: int = 0) -> int:
    """Return a count or a position: an integer from 0 to 2**53."""
    is_whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST
    return value if is_whole else otherwise


def number(value: Any) -> float | None:
    """Return a measurement, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e300:
        return None
    return float(value)
