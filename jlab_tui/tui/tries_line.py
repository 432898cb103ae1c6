"""The line that stands for what was tried before a cell ran well."""

from __future__ import annotations

from rich.segment import Segment

from ..core.feed.items import FeedCell
from .blocks import Frame, spread
from .format import at
from .wrapping import Row

TRIES_MOST = 9
"""failed tries that are drawn one by one"""


class TriesLine:
    """` ✗✗✗✓  4 tries, o shows them                02:13:51`"""

    height = 1

    def __init__(self, first: FeedCell, count: int, frame: Frame) -> None:
        """`count`: of all tries; the last of them ran well."""
        self.first = first
        self.count = count
        self.frame = frame

    def row(self, index: int) -> Row:
        glyphs, palette = self.frame.glyphs, self.frame.palette
        failed = glyphs.failed * min(self.count - 1, TRIES_MOST)
        dots = glyphs.dots if self.count - 1 > TRIES_MOST else ""
        left: Row = [
            Segment(f" {failed}{dots}", palette.style("error")),
            Segment(glyphs.done, palette.style("success")),
            Segment(f"  {self.count:,} tries, o shows them", palette.style("faint")),
        ]
        right: Row = [Segment(at(self.first.at, self.frame.local), palette.style("faint"))]
        return spread(left, right, self.frame.width - 1)
