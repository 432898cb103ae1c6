"""Counts the lines in which two texts of a cell differ."""

from __future__ import annotations

from collections import Counter
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Final

COMPARED_MAX: Final = 600
"""lines of either text up to which they are compared in order: it may take the square of them"""


@lru_cache(maxsize=128)
def changed_lines(before: str, after: str) -> tuple[int, int]:
    """Return how many lines were added and how many removed. Of long texts, lines that only moved do not count."""
    old, new = before.split("\n"), after.split("\n")
    if max(len(old), len(new)) > COMPARED_MAX:
        return (Counter(new) - Counter(old)).total(), (Counter(old) - Counter(new)).total()
    matcher = SequenceMatcher(None, old, new)
    same = sum(block.size for block in matcher.get_matching_blocks())
    return len(new) - same, len(old) - same
