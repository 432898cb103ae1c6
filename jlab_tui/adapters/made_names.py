"""Patterns of the file names that this program makes, derived from the functions that make them.

Code that removes files by name uses them, so it never removes a file that this program did not make.
"""

from __future__ import annotations

import re
from collections.abc import Callable

DIGITS = r"[0-9]+"
HEX = r"[0-9a-f]+"


def pattern_of(make: Callable[..., str], *parts: str) -> re.Pattern[str]:
    """Return a pattern of the names that `make` returns when its arguments match `parts`, regular expressions in order."""
    marks = [f"\0{number}\0" for number in range(len(parts))]
    text = re.escape(make(*marks))
    for mark, part in zip(marks, parts, strict=True):
        text = text.replace(mark, f"(?:{part})")
    return re.compile(text)


def any_of(*patterns: re.Pattern[str]) -> re.Pattern[str]:
    """Return a pattern that matches what any of `patterns` matches."""
    return re.compile("|".join(f"(?:{pattern.pattern})" for pattern in patterns))
