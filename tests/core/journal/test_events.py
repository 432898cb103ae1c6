"""Events as lines of a journal: each kind is written, and read back as it was."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jlab_tui.core.journal.events import (
    UNREADABLE,
    Entry,
    Event,
    ExecutionStarted,
    RunFinished,
    RunReplied,
    RunStatus,
    TextPrinted,
    Unknown,
    decode,
    encode,
)
from jlab_tui.core.journal.figure_texts import CHARS_MAX, PARTS, FigureText, FigureTexts
from jlab_tui.core.journal.run_use import RunUse

KINDS: list[type[Any]] = [kind for kind in typing.get_args(Event) if kind is not Unknown]
NUMBERS = st.floats(0, 2**33).map(lambda seconds: round(seconds, 3))


def events_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(kind)
    return st.builds(kind, **{f.name: _values(hints[f.name]) for f in fields(kind)})


def _values(hint: Any) -> st.SearchStrategy[Any]:
    if typing.get_origin(hint) is Mapping:
        return st.dictionaries(st.text(max_size=9), st.text(max_size=9) | st.integers(), max_size=2)
    if hint is RunUse:
        return st.builds(RunUse, *([st.none() | NUMBERS] * 4))
    if hint == FigureTexts:
        number, color = st.integers(-PARTS, PARTS), st.sampled_from(["", "#1f77b4"])
        align, words = st.sampled_from("lcro"), st.text(max_size=CHARS_MAX)
        text = st.builds(FigureText, *([number] * 6), align, words, color, color)
        return st.lists(text, max_size=3).map(tuple)
    return NUMBERS if hint is float else st.from_type(hint)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=25)
@given(data=st.data())
def test_every_event_is_read_back_as_it_was_written(kind: type[Any], data: st.DataObject) -> None:
    entry = Entry(data.draw(NUMBERS), data.draw(events_of(kind)), data.draw(st.integers(0, 99)))
    assert decode(encode(entry)) == entry


def test_half_a_character_is_recorded_and_read_back() -> None:
    entry = Entry(1.0, TextPrinted("r", "stdout", "half of an emoji: \ud83d"))
    assert decode(encode(entry)) == entry
    assert "é".encode() in encode(Entry(1.0, TextPrinted("r", "stdout", "é"))), "what can be read stays so"


def test_a_line_says_what_differs_from_the_usual() -> None:
    line = encode(Entry(1790000000.12345, ExecutionStarted("r")))
    assert line == b'{"v":1,"t":1790000000.123,"k":"begun","run":"r"}\n'
    counted = encode(Entry(1.0, ExecutionStarted("r", 3), seq=1))
    assert counted == b'{"v":1,"t":1.0,"k":"begun","seq":1,"run":"r","execution_count":3}\n'


def test_a_reply_of_any_mapping_type_is_written() -> None:
    entry = Entry(1.0, RunReplied("r", MappingProxyType({"status": "ok"})))
    assert decode(encode(entry)) == entry


def test_a_line_of_a_newer_version_is_kept_unchanged() -> None:
    for line in ('{"v":1,"t":5,"k":"danced","seq":7}', '{"v":2,"t":5,"k":"danced","seq":7}'):
        assert decode(line.encode() + b"\n") == Entry(5.0, Unknown("danced", line), 7)
    newer = b'{"v":2,"t":5,"k":"text","run":"r","stream":"stdout","text":"x"}'
    assert decode(newer) == Entry(5.0, Unknown("text", newer.decode()))
    with_more = b'{"v":1,"t":5,"k":"text","run":"r","stream":"stdout","text":"x","mood":"good"}'
    assert decode(with_more) == Entry(5.0, TextPrinted("r", "stdout", "x"))


def test_what_cannot_be_understood_is_never_written() -> None:
    with pytest.raises(ValueError, match="unknown"):
        encode(Entry(1.0, Unknown("danced", "")))


@pytest.mark.parametrize(
    "line",
    [
        "", "{", "[1]", "7", "null", "{}", "[" * 100_000, '{"v":1,"k":"text"}', '{"v":1,"t":5}', '{"t":5,"k":"text"}',
        '{"v":1,"t":"then","k":"text"}', '{"v":1,"t":5,"k":"text"}', '{"v":1,"t":5,"k":"text","seq":Infinity}',
        '{"v":1,"t":5,"k":"text","run":"r","stream":"stdout","text":7}',
        '{"v":1,"t":5,"k":"data","run":"r","data":["no mapping"]}',
        '{"v":1,"t":5,"k":"begun","run":"r","execution_count":"3"}',
        '{"v":1,"t":5,"k":"clear","run":"r","wait":"yes"}',
        '{"v":1,"t":5,"k":"finished","run":"r","status":"great","seconds":1}',
        '{"v":1,"t":5,"k":"finished","run":"r","status":"ok","seconds":"long"}',
        '{"v":1,"t":NaN,"k":"told","run":"r"}', '{"v":1,"t":Infinity,"k":"told","run":"r"}',
        '{"v":1,"t":-1e999,"k":"told","run":"r"}', '{"v":1,"t":5,"k":"saved","until":NaN}',
        '{"v":1,"t":5,"k":"finished","run":"r","status":"ok","seconds":1e999}',
        '{"v":1,"t":5,"k":"error","run":"r","ename":"E","evalue":"","traceback":3}',
    ],
)  # fmt: skip
def test_a_damaged_line_is_shown_and_breaks_nothing(line: str) -> None:
    shown = Unknown(UNREADABLE, line[:2000])
    assert decode(line.encode()) == Entry(0.0, shown)


def test_numbers_and_lines_are_taken_as_json_writes_them() -> None:
    line = b'{"v":1,"t":5,"k":"finished","run":"r","status":"died","seconds":2,"execution_count":null}'
    assert decode(line) == Entry(5.0, RunFinished("r", RunStatus.DIED, 2.0))


@pytest.mark.parametrize("status", list(RunStatus))
def test_a_run_ends_in_every_way_but_held_and_running(status: RunStatus) -> None:
    assert status.is_final is (status.value not in ("held", "running"))
