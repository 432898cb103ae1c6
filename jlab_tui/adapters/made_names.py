"""Patterns of the file names that this program makes, derived from the functions that make them.

All code that removes files by name uses these, so it can never remove a name that no function makes.
"""

from __future__ import annotations

import re
from collections.abc import Callable

DIGITS = r"[0-9]+"
HEX = r"[0-9a-f]+"


def pattern_of(make: Callable[..., str], *parts: str) -> re.Pattern[str]:
    """The names that `make` gives when each of its arguments matches one of `parts`, which are regular expressions."""
    marks = [f"\0{number}\0" for number in range(len(parts))]
    text = re.escape(make(*marks))
    for mark, part in zip(marks, parts, strict=True):
        text = text.replace(mark, f"(?:{part})")
    return re.compile(text)


def any_of(*patterns: re.Pattern[str]) -> re.Pattern[str]:
    """Names that one of the patterns matches."""
    return re.compile("|".join(f"(?:{pattern.pattern})" for pattern in patterns))
