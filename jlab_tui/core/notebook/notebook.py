"""A notebook in memory: cells by id, and what a save needs of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from ..display.printable import printable
from ..errors import NotebookError
from ..server.record import KernelSpec
from .stored import Outputs, Span, summary_of

_NAME_MAX_BYTES: Final = 200
SKIPPED: Final = "skip-execution"
"""tag of a cell that does not run when the whole notebook runs; nbclient's, like the next"""
RAISES: Final = "raises-exception"
"""tag of a cell whose exception does not stop the others"""

Fragment = bytes | Span
"""a cell's JSON text in a file, or where it is: memory holds that of small cells"""


@dataclass(slots=True)
class NotebookCell:
    id: str
    cell_type: str
    """code, markdown or raw"""
    source: str
    outputs: Outputs = field(default_factory=list)
    """only a cell that the file has as it is may have them there alone"""
    execution_count: int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    attachments: dict[str, Any] | None = None
    version: int = 0
    """counts our changes"""
    saved_version: int = -1
    """version on disk; -1 for a cell that was never saved"""
    saved_source: str = ""
    fragment: Fragment | None = None
    """its JSON text in the file; None if it must be encoded again"""
    is_edited: bool = False
    """somebody else changed its source since the model saw it"""

    @property
    def tags(self) -> frozenset[str]:
        """The cell's tags; what is no list of texts has none."""
        tags = self.metadata.get("tags")
        return (
            frozenset(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else frozenset()
        )

    @property
    def is_dirty(self) -> bool:
        return self.version != self.saved_version

    def is_held(self, fragment: Fragment) -> None:
        """The file has the cell as it is; memory need not hold what is only to be read there."""
        self.fragment = fragment
        if isinstance(fragment, Span):
            self.outputs = summary_of(self.outputs)

    def touch(self) -> None:
        self.version += 1
        self.fragment = None


@dataclass(slots=True)
class Notebook:
    cells: list[NotebookCell] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    is_shifted: bool = False
    """somebody else added, moved or removed cells since the model saw their indices"""
    removed: dict[str, str] = field(default_factory=dict)
    """sources of the cells that we removed, by id, until the next save"""

    def find(self, cell: str | int) -> int:
        """Find a cell by id or by index (negative counts from the end). Raises NotebookError."""
        count = len(self.cells)
        text = str(cell).strip()
        if isinstance(cell, str) or not -count <= cell < count:  # an id may consist of digits
            for index, known in enumerate(self.cells):
                if known.id == text:
                    return index
        if isinstance(cell, str):
            if not text.lstrip("-").isdecimal():
                ids = ", ".join(c.id for c in self.cells[-12:])
                raise NotebookError(
                    f"There is no cell {cell!r} in this notebook.",
                    f"Its last cells are: {ids}." if ids else "It has no cells yet; use execute_code.",
                )
            cell = int(text)
        if not -count <= cell < count:
            raise NotebookError(
                f"There is no cell {cell}: the notebook has {count} cell{'s' * (count != 1)}.",
                f"Use an index from {-count} to {count - 1}, or a cell id."
                if count
                else "Use execute_code to add one.",
            )
        return cell % count

    def to_run(self) -> list[NotebookCell]:
        """Return the cells that run when the whole notebook runs."""
        return [cell for cell in self._code() if SKIPPED not in cell.tags]

    def skipped(self) -> list[NotebookCell]:
        """Return the cells with code that do not, because of their tag."""
        return [cell for cell in self._code() if SKIPPED in cell.tags]

    def _code(self) -> list[NotebookCell]:
        return [cell for cell in self.cells if cell.cell_type == "code" and cell.source.strip()]

    def by_id(self, cell_id: str) -> NotebookCell | None:
        return next((c for c in reversed(self.cells) if c.id == cell_id), None)

    def insert(self, cell: NotebookCell, index: int = -1) -> int:
        """Insert before `index`; -1 appends, -2 inserts before the last cell. Returns the cell's index. Raises NotebookError."""
        count = len(self.cells)
        at = index if index >= 0 else count + index + 1
        if not 0 <= at <= count:
            raise NotebookError(
                f"Position {index} is outside the notebook, which has {count} cell{'s' * (count != 1)}.",
                f"Use -1 to append, or a position from 0 to {count}.",
            )
        self.cells.insert(at, cell)
        return at

    def remove(self, cell_id: str) -> int:
        """Remove a cell. Returns the index that it had. Raises NotebookError."""
        index = self.find(cell_id)
        cell = self.cells.pop(index)
        if cell.saved_version >= 0:
            self.removed[cell.id] = cell.saved_source
        return index


def cell_id(digits: str) -> str:
    """Make a cell's id from random hex digits: eight that begin with a letter, so that nobody takes them for an index."""
    return "abcdef"[int(digits[0], 16) % 6] + digits[1:8]


def new_notebook(spec: KernelSpec) -> Notebook:
    return Notebook(
        metadata={
            "kernelspec": {"name": spec.name, "display_name": spec.display_name, "language": spec.language},
            "language_info": {"name": spec.language},
        }
    )


@dataclass(frozen=True, slots=True)
class Saved:
    """The result of a save."""

    fragments: dict[str, tuple[int, Fragment]]
    """for each cell that was encoded, or is at another place now: its version, its text in the file"""
    versions: dict[str, tuple[int, str]]
    """for each cell written: its version, its source"""
    seconds: float


@dataclass(frozen=True, slots=True)
class CellCopy:
    """A cell at the start of the save."""

    cell: NotebookCell
    version: int
    source: str
    fragment: Fragment | None


def copy_cells(notebook: Notebook) -> list[CellCopy]:
    """Take what `save` needs. It copies changed cells, so that the event loop can keep changing them."""
    copies = []
    for cell in notebook.cells:
        if cell.fragment is None:
            outputs = list(cell.outputs) if isinstance(cell.outputs, list) else cell.outputs
            frozen = NotebookCell(
                cell.id, cell.cell_type, cell.source, outputs, cell.execution_count,
                dict(cell.metadata), cell.attachments,
            )  # fmt: skip
            copies.append(CellCopy(frozen, cell.version, cell.source, None))
        else:
            copies.append(CellCopy(cell, cell.version, cell.source, cell.fragment))
    return copies


class ChangedOnDisk(Exception):
    """Somebody else wrote the file since our last save; read and merge it first."""


def file_stem(experiment_name: str) -> str:
    """Turn an experiment's name into a file name without suffix: path separators and control characters become `_`.

    Never empty, never hidden, no option of a command, at most 200 bytes long.
    """
    name = re.sub(r"[\s/\\:\x00-\x1f\x7f-\x9f<>\"|?*]+", "_", experiment_name.strip())
    name = printable(name).strip("._ ").lstrip("-._ ").removesuffix(".ipynb").strip("._ ")
    return _cut(name).strip("._ ").lstrip("-._ ") or "notebook"


def stem_of_copy(stem: str) -> str:
    """Return the file name, without suffix, of a copy of the notebook `stem`; a long name is cut to make room."""
    fits = len(stem.encode("utf-8", "surrogateescape")) <= _NAME_MAX_BYTES
    return f"{stem if fits else _cut(stem)}_continued"


def _cut(name: str) -> str:
    return name.encode("utf-8", "ignore")[:_NAME_MAX_BYTES].decode("utf-8", "ignore")
