"""Outputs that memory does not hold: the notebook's file has them, or the run's record, and they are read when needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..display.widgets import view_of

HEAVY: Final = 8 * 1024
"""bytes of a cell's text in the file, or characters of an output, from which on memory need not hold them"""


ReadPart = Callable[[int, int], bytes]
"""reads a file as it was when a part of it was found, from an offset, so many bytes; blocks"""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a file: the JSON text of a cell, or of several with what stands between them."""

    read: ReadPart
    offset: int
    size: int
    """bytes"""
    is_ours: bool = False
    """we wrote the file, so it is known what stands between two cells"""

    def text(self) -> bytes:
        """Read it. Blocks."""
        return self.read(self.offset, self.size)


@dataclass(frozen=True, slots=True)
class StoredOutputs:
    """The outputs of a cell that only the file has, and what a map of the notebook says of them."""

    kinds: tuple[str, ...]
    has_error: bool
    views: tuple[str, ...]
    """ids of the widgets that they show"""


Outputs = list[dict[str, Any]] | StoredOutputs
"""a cell's outputs as a notebook stores them"""


@dataclass(frozen=True, slots=True)
class RecordedData:
    """The data of an output that only the run's record has."""

    read: Callable[[], Mapping[str, Any]]
    """blocks"""
    mimes: tuple[str, ...]


Recorded = RecordedData | None
"""None where it is not certain that the record has it"""


def summary_of(outputs: Outputs) -> StoredOutputs:
    """Summarise outputs."""
    if isinstance(outputs, StoredOutputs):
        return outputs
    has_error = any(output.get("output_type") == "error" for output in outputs)
    views = tuple(view for output in outputs if (view := view_of(_data(output))))
    return StoredOutputs(tuple(dict.fromkeys(map(_kind, outputs))), has_error, views)


def has_recorded(outputs: Outputs) -> bool:
    """Whether some data is to be read from the run's record."""
    return isinstance(outputs, list) and any(isinstance(o.get("data"), RecordedData) for o in outputs)


def _data(output: Mapping[str, Any]) -> Mapping[str, Any]:
    data = output.get("data")
    return dict.fromkeys(data.mimes) if isinstance(data, RecordedData) else data or {}


def _kind(output: Mapping[str, Any]) -> str:
    kind = str(output.get("output_type", ""))
    if kind in ("display_data", "execute_result"):
        mimes: Iterable[str] = _data(output)
        kind = next((mime for mime in mimes if mime.startswith("image/")), next(iter(mimes), kind))
    return str(output.get("name", kind)) if kind == "stream" else kind
