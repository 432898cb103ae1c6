"""Joins changes of widgets, so that a bar that moves a thousand times a second costs two lines a second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..json_values import items
from .events import WidgetsChanged


def joined_changes(first: WidgetsChanged, then: WidgetsChanged) -> WidgetsChanged:
    """Return both as one change of the first's run. Reuses and changes the mappings of `first`."""
    states, buffers, views = (_mutable(part) for part in (first.states, first.buffers, first.views))
    for comm_id, state in then.states.items():
        known = states.get(comm_id)
        states[comm_id] = {**known, **state} if known and state else state
    for comm_id, new in then.buffers.items():
        by_path = {repr(buffer["path"]): buffer for buffer in [*items(buffers.get(comm_id)), *new]}
        buffers[comm_id] = [*by_path.values()]
    views.update(then.views)
    return WidgetsChanged(first.run, states, buffers, views)


def _mutable(part: Mapping[str, Any]) -> dict[str, Any]:
    return part if isinstance(part, dict) else dict(part)
