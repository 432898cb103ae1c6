"""Changes of widgets, joined."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest

from jlab_tui.core.journal.events import WidgetsChanged
from jlab_tui.core.journal.widget_changes import joined_changes


def buffer(path: str, data: str) -> dict[str, Any]:
    return {"path": [path], "data": data}


@pytest.mark.parametrize(
    ("changes", "states"),
    [
        ([{"a": {"v": 1}}, {"a": {"v": 2, "w": 3}}, {"b": {}}], {"a": {"v": 2, "w": 3}, "b": {}}),
        ([{"a": {"v": 1}}, {"a": None}], {"a": None}),
        ([{"a": None}, {"a": {"v": 1}}], {"a": {"v": 1}}),
    ],
)
def test_the_latest_state_counts(changes: list[dict[str, Any]], states: dict[str, Any]) -> None:
    joined = WidgetsChanged("r", MappingProxyType({}))
    for change in changes:
        joined = joined_changes(joined, WidgetsChanged("r", change))
    assert joined == WidgetsChanged("r", states)


def test_texts_and_binary_values_are_replaced_by_the_latest() -> None:
    first = WidgetsChanged("r", {}, {"a": [buffer("v", "1"), buffer("w", "1")]}, {"m": "1", "n": "1"})
    joined = joined_changes(first, WidgetsChanged("r", {}, {"a": [buffer("v", "2")]}, {"m": "2"}))
    assert joined.buffers == {"a": [buffer("v", "2"), buffer("w", "1")]} and joined.views == {
        "m": "2",
        "n": "1",
    }
