"""A notebook as the text of its file (nbformat 4.5).

Format: https://nbformat.readthedocs.io/en/latest/format_description.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from ..errors import NotebookError
from .notebook import Notebook, NotebookCell
from .stored import RecordedData, Span
from .text_forms import plain_source

_SPLIT_ANYWAY: Final = frozenset(("application/javascript", "image/svg+xml"))
_CHUNK: Final = 1 << 20
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_GONE: Final = "[this output is not on record, because the disk was full]"

OnCell = Callable[[NotebookCell, int, int], None]
"""called with a cell that would be written as it is, and the characters between which the file has it"""


def parse_notebook(
    text: str, new_id: Iterable[str], on_cell: OnCell = lambda cell, start, end: None
) -> Notebook:
    """Parse a notebook file, cell by cell, so that `on_cell` may let go of the outputs of one before the next is read.
    Cells without an id get one from `new_id`. Raises NotebookError with the reason."""
    cells = _Cells(iter(new_id), on_cell)
    try:
        raw = cells.read_object(text)
    except (ValueError, RecursionError):
        raw = cells.take_whole(_loaded(text))
    if not isinstance(raw.get("nbformat"), int):
        raise NotebookError("It is JSON, but not a notebook.", "Give the path of an .ipynb file.")
    if raw["nbformat"] != 4:
        raise NotebookError(
            f"It is a notebook of format {raw['nbformat']}; format 4 is needed.",
            "Convert it with: jupyter nbconvert --to notebook --inplace FILE",
        )
    if not cells.are_there:
        raise NotebookError(
            "It is a notebook without a list of cells.", "Restore the file, or open another notebook."
        )
    metadata = raw.get("metadata")
    return Notebook(cells.found, metadata if isinstance(metadata, dict) else {})


def _loaded(text: str) -> dict[str, Any]:
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotebookError(
            f"It is not JSON ({error}).", "Restore the file, or open another notebook."
        ) from None
    return raw if isinstance(raw, dict) else {}


class _Cells:
    """Takes the cells of a notebook file one by one."""

    def __init__(self, ids: Iterator[str], on_cell: OnCell) -> None:
        self._ids = ids
        self._on_cell = on_cell
        self.found: list[NotebookCell] = []
        self._seen: set[str] = set()
        self.are_there = False
        """whether the file has a list of cells"""

    def read_object(self, text: str) -> dict[str, Any]:
        """Read the file's object, of which only the cells may be large; returns the rest. Raises ValueError for any other
        text than that of an object without repetitions."""
        value = json.JSONDecoder().raw_decode
        rest: dict[str, Any] = {}
        at = _past(text, _past(text, 0), "{")
        while True:
            key, at = value(text, at)
            at = _past(text, _past(text, at), ":")
            if not isinstance(key, str) or key in rest:
                raise ValueError(key)
            rest[key] = None
            if key == "cells" and text.startswith("[", at):
                at = self._read_cells(text, at)
            else:
                rest[key], at = value(text, at)
            at = _past(text, at)
            if text.startswith("}", at):
                break
            at = _past(text, at, ",")
        if _past(text, at + 1) != len(text):
            raise ValueError("more than one value")
        return rest

    def _read_cells(self, text: str, at: int) -> int:
        self.are_there = True
        value = json.JSONDecoder().raw_decode
        at = _past(text, at, "[")
        if text.startswith("]", at):
            return at + 1
        while True:
            raw, end = value(text, at)
            self._take(raw, (at, end))
            at = _past(text, end)
            if text.startswith("]", at):
                return at + 1
            at = _past(text, at, ",")

    def take_whole(self, raw: dict[str, Any]) -> dict[str, Any]:
        """Take the cells of a file that was read at once."""
        self.found, self._seen, self.are_there = [], set(), isinstance(raw.get("cells"), list)
        for item in raw["cells"] if self.are_there else ():
            self._take(item, None)
        return raw

    def _take(self, raw: Any, place: tuple[int, int] | None) -> None:
        if not isinstance(raw, dict):
            self.are_there = False
            return
        cell = _parse_cell(raw, self._ids)
        if cell.id in self._seen:
            cell.id = next(self._ids)
        self._seen.add(cell.id)
        self.found.append(cell)
        if place is not None and (raw.get("id"), raw.get("cell_type")) == (cell.id, cell.cell_type):
            self._on_cell(cell, *place)


def _past(text: str, at: int, mark: str = "") -> int:
    """Return the place behind a mark and the space that follows, or behind space. Raises ValueError if it is not there."""
    if not text.startswith(mark, at):
        raise ValueError(mark)
    space = _SPACE.match(text, at + len(mark))
    return space.end() if space is not None else at


def _parse_cell(raw: Mapping[str, Any], ids: Iterator[str]) -> NotebookCell:
    identifier = raw.get("id")
    cell_type = raw.get("cell_type")
    count = raw.get("execution_count")
    source = plain_source(_joined(raw.get("source")))
    return NotebookCell(
        id=identifier if isinstance(identifier, str) and identifier else next(ids),
        cell_type=cell_type if cell_type in ("code", "markdown", "raw") else "raw",
        source=source,
        outputs=_parse_outputs(raw),
        execution_count=count if isinstance(count, int) else None,
        metadata=raw["metadata"] if isinstance(raw.get("metadata"), dict) else {},
        attachments=raw.get("attachments"),
        saved_version=0,
        saved_source=source,
    )


def _parse_outputs(raw: Mapping[str, Any]) -> list[dict[str, Any]]:
    outputs = raw.get("outputs")
    return [_joined_output(o) for o in outputs if isinstance(o, dict)] if isinstance(outputs, list) else []


def outputs_of(cell: NotebookCell) -> list[dict[str, Any]]:
    """Return a cell's outputs, wherever they are. Blocks. Raises NotebookError when the file has changed meanwhile."""
    if isinstance(cell.outputs, list):
        return [_complete(output) for output in cell.outputs]
    assert cell.text is not None
    try:
        raw = json.loads(cell.text.text())
        if raw["id"] == cell.id:
            return _parse_outputs(raw)
    except (OSError, ValueError, TypeError, KeyError):
        pass
    raise NotebookError(f"Somebody else changed the notebook while cell {cell.id} was read.", "Call again.")


def overwritten(cells: Iterable[NotebookCell]) -> list[NotebookCell]:
    """Return the cells whose texts were in a file that somebody has written over. Blocks."""
    lost = []
    for cell in cells:
        if (text := cell.text) is not None:
            try:
                text.read(text.offset, 1)
            except OSError:
                lost.append(cell)
    return lost


def cell_text(cell: NotebookCell) -> Iterator[bytes]:
    """Encode a cell as JSON, indented for a notebook file, in parts. Blocks while it reads the run's record."""
    raw: dict[str, Any] = {
        "cell_type": cell.cell_type,
        "id": cell.id,
        "metadata": cell.metadata,
        "source": cell.source.splitlines(keepends=True),
    }
    if cell.cell_type != "code":
        if cell.attachments is not None:
            raw["attachments"] = cell.attachments
        yield _indented(raw, 2)
        return
    raw["execution_count"] = cell.execution_count
    raw["outputs"] = []
    whole = _indented(raw, 2)
    assert isinstance(cell.outputs, list), "a cell that changed has its outputs in memory"
    if not cell.outputs:
        yield whole
        return
    head, _, tail = whole.partition(b'\n   "outputs": []')
    yield head
    yield b'\n   "outputs": ['
    # One output after the other: the encoder lets no other thread run meanwhile.
    for index, output in enumerate(cell.outputs):
        yield b",\n    " if index else b"\n    "
        yield _indented(_split_output(_complete(output)), 4)
    yield b"\n   ]"
    yield tail


def span_parts(span: Span) -> Iterator[bytes]:
    """Read a part of a file piece by piece. Blocks."""
    for begin in range(0, span.size, _CHUNK):
        yield span.read(span.offset + begin, min(_CHUNK, span.size - begin))


def notebook_end(metadata: Mapping[str, Any], *, is_empty: bool) -> bytes:
    """Return what stands behind the last cell."""
    begin = b'],\n "metadata": ' if is_empty else b'\n ],\n "metadata": '
    end = b',\n "nbformat": 4,\n "nbformat_minor": 5\n}\n'
    return begin + _json(metadata).replace(b"\n", b"\n ") + end


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


def _complete(output: dict[str, Any]) -> dict[str, Any]:
    """Return an output with its data, which the run's record may have."""
    data = output.get("data")
    return (
        {**output, "data": data.read() or {"text/plain": _GONE}} if isinstance(data, RecordedData) else output
    )


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
