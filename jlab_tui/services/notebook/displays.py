"""The outputs of ended runs that later code may still change: those with a display id."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ...core.notebook.notebook import NotebookCell
from ...core.notebook.output_items import DataItem, rich_size
from ...core.notebook.outputs import CellOutputs
from ...core.notebook.stored import HEAVY
from ...core.session.run import Run

_MOST: Final = 500
"""display ids"""
_Output = dict[str, Any]


class Displays:
    """The displays of one notebook, by display id."""

    def __init__(self) -> None:
        self.earlier: dict[str, set[str]] = {}
        """runs of earlier processes that used a display id"""
        self._known: dict[str, list[tuple[Run, _Output | None]]] = {}

    def of(self, display_id: str) -> Iterator[tuple[Run, _Output | None]]:
        """Yield the ended runs that used a display id, each with its output; None for a large one, which only its cell
        keeps."""
        yield from self._known.get(display_id, ())

    def remember(self, run: Run, outputs: CellOutputs, cell: NotebookCell) -> None:
        """Note the displays of a run that has ended; its cell has them."""
        items = [item for item in outputs.items() if isinstance(item, DataItem) and not item.into]
        assert isinstance(cell.outputs, list)
        rich = [o for o in cell.outputs if o["output_type"] in ("display_data", "execute_result")]
        for item, output in zip(items, rich, strict=False):
            if item.display_id:
                is_large = item.recorded is not None or rich_size(output["data"]) > HEAVY
                self._known.setdefault(item.display_id, []).append((run, None if is_large else output))
        while len(self._known) > _MOST:
            self._known.pop(next(iter(self._known)))
