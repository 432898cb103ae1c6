"""Events as lines of a journal: each kind is written, and read back as it was."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jlab_tui.core.journal.events import Entry, Event, Unknown, decode, encode

KINDS: list[type[Any]] = [kind for kind in typing.get_args(Event) if kind is not Unknown]
NUMBERS = st.floats(0, 2**33).map(lambda seconds: round(seconds, 3))


def events_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(kind)
    return st.builds(kind, **{f.name: _values(hints[f.name]) for f in fields(kind)})


def _values(hint: Any) -> st.SearchStrategy[Any]:
    if typing.get_origin(hint) is Mapping:
        return st.dictionaries(st.text(max_size=9), st.text(max_size=9) | st.integers(), max_size=2)
    return NUMBERS if hint is float else st.from_type(hint)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=25)
@given(data=st.data())
def test_every_event_is_read_back_as_it_was_written(kind: type[Any], data: st.DataObject) -> None:
    entry = Entry(data.draw(NUMBERS), data.draw(events_of(kind)), data.draw(st.integers(0, 99)))
    assert decode(encode(entry)) == entry
