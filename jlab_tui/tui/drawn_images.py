"""Images as they were drawn, up to a number of screen cells: those that were asked for longest ago go first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from textual.strip import Strip

from ..core.feed.items import ImageOutput

Key = tuple[int, int, int]


class DrawnImages:
    """Strips by image and size."""

    def __init__(self) -> None:
        self._drawn: OrderedDict[Key, tuple[ImageOutput, Sequence[Strip]]] = OrderedDict()
        self._cells = 0

    def __len__(self) -> int:
        return len(self._drawn)

    @property
    def cells(self) -> int:
        """Screen cells of all of them."""
        return self._cells

    def get(self, output: ImageOutput, columns: int, rows: int) -> Sequence[Strip] | None:
        key = (id(output), columns, rows)
        if key not in self._drawn:
            return None
        self._drawn.move_to_end(key)
        return self._drawn[key][1]

    def put(
        self, output: ImageOutput, columns: int, rows: int, strips: Sequence[Strip], most_cells: int
    ) -> None:
        """Keep an image, and as many others as fit into `most_cells` with it."""
        key = (id(output), columns, rows)
        if key not in self._drawn:
            self._cells += columns * rows
        self._drawn[key] = (output, strips)
        while self._cells > most_cells and len(self._drawn) > 1:
            (_, width, height), _ = self._drawn.popitem(last=False)
            self._cells -= width * height

    def clear(self) -> None:
        self._drawn.clear()
        self._cells = 0
