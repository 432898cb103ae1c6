"""A notebook in memory (nbformat 4.5): cells by id, and their text on disk.

Format: https://nbformat.readthedocs.io/en/latest/format_description.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ..display.printable import printable
from ..errors import NotebookError
from ..server.record import KernelSpec
from .text_forms import plain_source

_NAME_MAX_BYTES: Final = 200
SKIPPED: Final = "skip-execution"
"""tag of a cell that does not run when the whole notebook runs; nbclient's, like the next"""
RAISES: Final = "raises-exception"
"""tag of a cell whose exception does not stop the others"""
_SPLIT_ANYWAY: Final = frozenset(("application/javascript", "image/svg+xml"))


Fragment = tuple[bytes, ...]
"""a cell's JSON text in a file, in pieces: joining those of a large cell would copy it"""


@dataclass(slots=True)
class NotebookCell:
    id: str
    cell_type: str
    """code, markdown or raw"""
    source: str
    outputs: list[dict[str, Any]] = field(default_factory=list)
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


def parse_notebook(text: str, new_id: Iterable[str]) -> Notebook:
    """Parse a notebook file; cells without an id get one from `new_id`. Raises NotebookError with the reason."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotebookError(
            f"It is not JSON ({error}).", "Restore the file, or open another notebook."
        ) from None
    if not isinstance(raw, dict) or not isinstance(raw.get("nbformat"), int):
        raise NotebookError("It is JSON, but not a notebook.", "Give the path of an .ipynb file.")
    if raw["nbformat"] != 4:
        raise NotebookError(
            f"It is a notebook of format {raw['nbformat']}; format 4 is needed.",
            "Convert it with: jupyter nbconvert --to notebook --inplace FILE",
        )
    if not isinstance(raw.get("cells"), list) or not all(isinstance(c, dict) for c in raw["cells"]):
        raise NotebookError(
            "It is a notebook without a list of cells.", "Restore the file, or open another notebook."
        )
    ids = iter(new_id)
    seen: set[str] = set()
    cells = []
    for item in raw["cells"]:
        cell = _parse_cell(item, ids)
        if cell.id in seen:
            cell.id = next(ids)
        seen.add(cell.id)
        cells.append(cell)
    metadata = raw.get("metadata")
    return Notebook(cells, metadata if isinstance(metadata, dict) else {})


def _parse_cell(raw: Mapping[str, Any], ids: Any) -> NotebookCell:
    identifier = raw.get("id")
    cell_type = raw.get("cell_type")
    count = raw.get("execution_count")
    source = plain_source(_joined(raw.get("source")))
    outputs = raw.get("outputs")
    return NotebookCell(
        id=identifier if isinstance(identifier, str) and identifier else next(ids),
        cell_type=cell_type if cell_type in ("code", "markdown", "raw") else "raw",
        source=source,
        outputs=[_joined_output(o) for o in outputs if isinstance(o, dict)]
        if isinstance(outputs, list)
        else [],
        execution_count=count if isinstance(count, int) else None,
        metadata=raw["metadata"] if isinstance(raw.get("metadata"), dict) else {},
        attachments=raw.get("attachments"),
        saved_version=0,
        saved_source=source,
    )


def cell_fragment(cell: NotebookCell) -> Fragment:
    """Encode a cell as JSON, indented for a notebook file."""
    raw: dict[str, Any] = {
        "cell_type": cell.cell_type,
        "id": cell.id,
        "metadata": cell.metadata,
        "source": cell.source.splitlines(keepends=True),
    }
    if cell.cell_type != "code":
        if cell.attachments is not None:
            raw["attachments"] = cell.attachments
        return (b"  " + _indented(raw, 2),)
    raw["execution_count"] = cell.execution_count
    raw["outputs"] = []
    # One output after the other: the encoder lets no other thread run meanwhile.
    whole = _indented(raw, 2)
    if not cell.outputs:
        return (b"  " + whole,)
    head, _, tail = whole.partition(b'\n   "outputs": []')
    pieces = [b"  " + head, b'\n   "outputs": [']
    for index, output in enumerate(cell.outputs):
        pieces += [b",\n    " if index else b"\n    ", _indented(_split_output(output), 4)]
    return (*pieces, b"\n   ]", tail)


def notebook_bytes(fragments: Sequence[Fragment], metadata: Mapping[str, Any]) -> list[bytes]:
    """Yield the file's content in parts."""
    parts: list[bytes] = [b'{\n "cells": [']
    for index, fragment in enumerate(fragments):
        parts += [b",\n" if index else b"\n", *fragment]
    tail = b'\n ],\n "metadata": ' if fragments else b'],\n "metadata": '
    parts += [tail, _json(metadata).replace(b"\n", b"\n "), b',\n "nbformat": 4,\n "nbformat_minor": 5\n}\n']
    return parts


def _joined(value: Any) -> str:
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _joined_output(raw: Mapping[str, Any]) -> dict[str, Any]:
    output = dict(raw)
    if "text" in output:
        output["text"] = _joined(output["text"])
    if isinstance(output.get("data"), dict):
        output["data"] = {
            mime: _joined(value) if isinstance(value, list) and not mime.endswith("json") else value
            for mime, value in output["data"].items()
        }
    return output


def _split_output(output: Mapping[str, Any]) -> dict[str, Any]:
    raw = dict(output)
    if isinstance(raw.get("text"), str):
        raw["text"] = raw["text"].splitlines(keepends=True)
    if isinstance(raw.get("data"), dict):
        raw["data"] = {
            mime: value.splitlines(keepends=True)
            if isinstance(value, str) and (mime.startswith("text/") or mime in _SPLIT_ANYWAY)
            else value
            for mime, value in raw["data"].items()
        }
    return raw


def _indented(value: object, by: int) -> bytes:
    return _json(value).replace(b"\n", b"\n" + b" " * by)


def _json(value: object) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True).encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=1, sort_keys=True).encode()


@dataclass(frozen=True, slots=True)
class Saved:
    """The result of a save."""

    fragments: dict[str, tuple[int, Fragment]]
    """for each encoded cell: its version, its text in the file"""
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
            frozen = NotebookCell(
                cell.id, cell.cell_type, cell.source, list(cell.outputs), cell.execution_count,
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
