"""Rich data that is read from the record when it is needed, so that memory need not hold it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ...core.journal.events import DataShown, DataUpdated
from ...core.notebook.stored import RecordedData
from ..ports import Journal


def recorded_data(journal: Journal, event: DataShown | DataUpdated, offset: int) -> RecordedData | None:
    """Return the data of an event whose line is at an offset, as the file has it; None where that is not certain."""
    if journal.failure or journal.lost:
        return None
    return RecordedData(partial(_data_at, journal, event.run, offset), tuple(event.data))


def _data_at(journal: Journal, run: str, offset: int) -> Mapping[str, Any]:
    """Read the data of an output of a run; nothing where the file has another line. Blocks."""
    entry = journal.read_at(offset)
    event = entry.event if entry is not None else None
    return event.data if isinstance(event, DataShown | DataUpdated) and event.run == run else {}
