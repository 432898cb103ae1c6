"""Numbers the images of a run. A reply and the record use the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never

from ..journal.events import DataShown, DataUpdated, ErrorRaised, OutputCleared, TextPrinted
from .mime import bitmaps


@dataclass(slots=True)
class Place:
    """A place in the output where data was shown."""

    numbers: list[int] = field(default_factory=list)
    """of its images in the run, from 1; of most places there is one image, or none"""

    @property
    def number(self) -> int:
        """The first image's number; 0 while the place shows no image."""
        return self.numbers[0] if self.numbers else 0


@dataclass(slots=True)
class ImageCount:
    """Numbers images in the order in which they first arrived, wherever they are shown."""

    total: int = 0
    """including cleared and dropped ones"""
    cleared: int = 0
    """the output was cleared, which removed the images up to this number"""
    gone: set[int] = field(default_factory=set)
    """images that Output widgets captured and cleared"""
    _places: dict[str, list[Place]] = field(default_factory=dict)
    """by display id"""
    _captured: dict[str, list[Place]] = field(default_factory=dict)
    """by Output widget"""
    _clear_pending: set[str] = field(default_factory=set)
    """Output widgets, and the cell's own output as an empty one"""

    def feed(self, event: TextPrinted | DataShown | DataUpdated | OutputCleared | ErrorRaised) -> list[Place]:
        """Apply one event. Returns the places whose data it sets."""
        match event:
            case OutputCleared(wait=True):
                self._clear_pending.add(event.into)
            case OutputCleared():
                self._clear(event.into)
            case DataUpdated():
                # The reply of the run that updates a display of an earlier cell shows it.
                return self._set(self._places.setdefault(event.display_id, [Place()]), event.data)
            case TextPrinted() | ErrorRaised():
                self._before_output(event.into)
            case DataShown():
                self._before_output(event.into)
                place = Place()
                if event.into:
                    self._captured.setdefault(event.into, []).append(place)
                if event.display_id:
                    self._places.setdefault(event.display_id, []).append(place)
                return self._set([place], event.data)
            case _:
                assert_never(event)
        return []

    def update(self, event: DataUpdated) -> None:
        """Apply an event of another run."""
        self._set(self._places.get(event.display_id, []), event.data)

    def _set(self, places: list[Place], data: Mapping[str, Any]) -> list[Place]:
        count = len(bitmaps(data))
        for place in places:
            while len(place.numbers) < count:
                self.total += 1
                place.numbers.append(self.total)
        return places

    def _before_output(self, into: str) -> None:
        if into in self._clear_pending:
            self._clear(into)

    def _clear(self, into: str) -> None:
        self._clear_pending.discard(into)
        if into:
            self.gone.update(number for place in self._captured.pop(into, ()) for number in place.numbers)
            return
        self.cleared = self.total
        self._places = {}
