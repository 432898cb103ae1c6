"""Sums heights of the feed's items fast: row -> item and item -> first row in O(log n)."""

from __future__ import annotations

from collections.abc import Iterable


class RowIndex:
    """Prefix sums over a growing list of heights."""

    __slots__ = ("_top", "_tree", "heights", "total")

    def __init__(self, heights: Iterable[int] = ()) -> None:
        self.heights = list(heights)
        self.total = sum(self.heights)
        self._tree = [0, *self.heights]
        for index in range(1, len(self._tree)):
            parent = index + (index & -index)
            if parent < len(self._tree):
                self._tree[parent] += self._tree[index]
        self._top = 1
        while self._top << 1 < len(self._tree):
            self._top <<= 1

    def __len__(self) -> int:
        return len(self.heights)

    def append(self, height: int) -> None:
        self.heights.append(height)
        index = len(self.heights)
        node = height
        child = index - 1
        low = index - (index & -index)
        while child > low:
            node += self._tree[child]
            child -= child & -child
        self._tree.append(node)
        self.total += height
        if self._top << 1 <= index:
            self._top <<= 1

    def set(self, index: int, height: int) -> None:
        delta = height - self.heights[index]
        if not delta:
            return
        self.heights[index] = height
        self.total += delta
        node = index + 1
        while node < len(self._tree):
            self._tree[node] += delta
            node += node & -node

    def before(self, index: int) -> int:
        """Return the first row of an item: the heights of those before it."""
        total = 0
        while index:
            total += self._tree[index]
            index -= index & -index
        return total

    def find(self, row: int) -> tuple[int, int]:
        """Return the item at `row`, and the row inside it; `row` must be less than `total`."""
        position, step = 0, self._top
        while step:
            after = position + step
            if after < len(self._tree) and self._tree[after] <= row:
                position = after
                row -= self._tree[after]
            step >>= 1
        return position, row
