"""The outputs of a cell in memory, one value each, and the limits on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ..display.html import BITMAPS
from ..display.image_numbers import Place
from ..display.mime import describe_data
from .stored import HEAVY, RecordedData

TEXT_HALF: Final = 512 * 1024
IMAGE_BUDGET: Final = 5 << 20
ITEMS_HALF: Final = 1000
_HELD: Final = 2 * IMAGE_BUDGET
"""characters of rich data that memory holds of a run; of the rest it knows where the run's record has it"""


@dataclass(frozen=True, slots=True)
class CellLimits:
    """How much of a cell's output to keep. The defaults are a reply's."""

    text_half: int = TEXT_HALF
    """characters of text kept from the beginning, and again from the end"""
    images: int = IMAGE_BUDGET
    """characters of base64"""
    data: int = IMAGE_BUDGET
    """characters of HTML, JSON and other data"""
    items_half: int = ITEMS_HALF
    """outputs kept from the beginning, and again from the end"""

    @classmethod
    def of_cell(cls, megabytes: int) -> CellLimits:
        """Return the limits of a notebook's cell that may hold so many megabytes of images."""
        size = megabytes << 20
        return cls(max(TEXT_HALF, size // 25), size * 4 // 3, size // 2, 5 * ITEMS_HALF)


REPLY: Final = CellLimits()
"""what a reply, and a run without a notebook, needs"""


@dataclass(slots=True)
class TextItem:
    stream: str
    parts: list[str]
    size: int
    into: str = ""
    """the Output widget that captured it, like `into` of the items below"""

    @property
    def text(self) -> str:
        if len(self.parts) > 1:
            self.parts = ["".join(self.parts)]
        return self.parts[0]


@dataclass(slots=True)
class DataItem:
    data: Mapping[str, Any]
    metadata: Mapping[str, Any]
    display_id: str
    execution_count: int | None
    """a number for an execute_result, None for a display"""
    place: Place
    size: int
    in_record_only: bool = False
    """a placeholder for an output that only the run's record has"""
    into: str = ""
    view: str | None = None
    """text of its widget, if known"""
    recorded: RecordedData | None = None
    """the data, if memory does not hold it; `data` has only its types then"""

    def let_go(self, recorded: RecordedData | None, held: int) -> None:
        """Leave the data to the run's record, if that has it and memory holds `held` characters of others already."""
        if recorded is not None and held and self.size > HEAVY and held + self.size > _HELD:
            self.view, self.recorded = self.words, recorded
            self.data = dict.fromkeys(self.data)

    @property
    def words(self) -> str:
        """What it shows besides images."""
        return self.view if self.view is not None else describe_data(self.data)


@dataclass(slots=True)
class ErrorItem:
    ename: str
    evalue: str
    traceback: tuple[str, ...]
    into: str = ""


OutputItem = TextItem | DataItem | ErrorItem


@dataclass(frozen=True, slots=True)
class Gap:
    """A place where outputs were dropped."""

    what: str
    """the dropped amount by unit"""


def is_image(data: Mapping[str, Any]) -> bool:
    """Whether some data is a bitmap."""
    return any(mime in data for mime in BITMAPS)


def rich_size(data: Mapping[str, Any]) -> int:
    """Characters of some data."""
    return sum(len(value) if isinstance(value, str) else len(repr(value)) for value in data.values())


def copied(item: OutputItem) -> OutputItem:
    """Return a copy that stays as it is."""
    return replace(item, parts=list(item.parts)) if isinstance(item, TextItem) else replace(item)


def stream_of(item: OutputItem | Gap) -> tuple[str, str]:
    """Return a text's stream and the widget that captured it; empty for others."""
    return (item.stream, item.into) if isinstance(item, TextItem) else ("", "")


def chars_of(items: Iterable[OutputItem]) -> int:
    """Characters of the texts among some items."""
    return sum(item.size for item in items if isinstance(item, TextItem))
