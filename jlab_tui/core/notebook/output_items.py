"""The outputs of a cell in memory, one value each, and the limits on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..display.image_numbers import Place
from ..display.mime import describe_data

TEXT_HALF: Final = 512 * 1024
IMAGE_BUDGET: Final = 5 << 20
ITEMS_HALF: Final = 1000


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
