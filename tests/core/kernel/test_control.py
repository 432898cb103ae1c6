"""Text frames of the Jupyter extension: each known one is read, any other is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.kernel.control import Control, Hello, Known, Missing, NotSent, Pong, UserAct, parse_control


@pytest.mark.parametrize(
    ("frame", "found"),
    [
        ({"hello": {"first": 1, "last": 9, "epoch": 2}}, Hello(1, 9, 2)),
        ({"hello": {"first": 1, "last": 0, "epoch": 0}}, Hello(1, 0, 0)),
        ({"known": "m1"}, Known("m1")),
        ({"refused": "m1", "reason": "fenced"}, NotSent("m1", "fenced")),
        ({"refused": "m1"}, NotSent("m1", "refused")),
        ({"gap": {"from": 1, "to": 4, "bytes": 90, "why": "full"}}, Missing(1, 4, 90, "full")),
        ({"gap": {"from": 1, "to": 4}}, Missing(1, 4, 0, "")),
        ({"pong": 1}, Pong()),
        ({"act": "a line"}, UserAct("a line")),
    ],
)
def test_a_known_frame_is_read(frame: Any, found: Control) -> None:
    assert parse_control(json.dumps(frame)) == found


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        ({"hello": {"first": -1, "last": 9, "epoch": 2}}, "first is no position"),
        ({"hello": {"first": 1, "last": 9, "epoch": True}}, "epoch is no position"),
        ({"gap": {"from": 1}}, "to is no position"),
        ({"hello": 1, "news": 2}, "a text frame with hello, news"),
        ({"known": 3}, "a text frame with known"),
        ({"a": 1, "b": 2, "c": 3, "d": 4}, "a text frame with a, b, c$"),
        ([], "a text frame with list"),
    ],
)
def test_a_frame_of_another_kind_is_refused_with_what_it_holds(frame: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_control(json.dumps(frame))


@given(st.text())
def test_any_other_text_is_refused(frame: str) -> None:
    with pytest.raises(ValueError):
        parse_control(frame)
