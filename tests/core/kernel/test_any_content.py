"""Whatever a kernel sends: it is taken apart once, and what is left can be read, stored and encoded."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.display.mime import describe_data
from jlab_tui.core.json_values import DEEPEST, parse_json
from jlab_tui.core.kernel.control import parse_control
from jlab_tui.core.kernel.conversation import Conversation
from jlab_tui.core.kernel.wire import PieceJoiner, unpack_message

ANY_TEXT = st.text(st.characters(codec=None), max_size=12)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=10,
)
TYPES = ["stream", "status", "execute_input", "execute_reply", "error", "display_data", "update_display_data", "execute_result", "clear_output", "jlab_mcp_obituary", "comm_open"]  # fmt: skip
NAMES = ["code", "data", "ename", "evalue", "execution_count", "execution_state", "lost", "metadata", "name", "payload", "status", "text", "traceback", "transient", "signal", "exit_code", "cause", "wait", "restarting", "detail"]  # fmt: skip
CONTENT = st.dictionaries(st.sampled_from(NAMES), ANY_JSON) | ANY_JSON


@given(st.lists(st.tuples(st.sampled_from(["iopub", "shell"]), st.sampled_from(TYPES), CONTENT), max_size=8))
def test_any_content_in_any_order_is_facts_that_can_be_encoded(said: list[tuple[str, str, Any]]) -> None:
    conversation = Conversation()
    conversation.asked("parent", "run")
    for channel, msg_type, content in said:
        header = {"msg_type": msg_type, "msg_id": "m"}
        parts = [json.dumps(part).encode() for part in (header, {"msg_id": "parent"}, {}, content)]
        for fact in conversation.feed(unpack_message(v1(channel, *parts))):
            repr(fact).encode()
            if (data := getattr(fact, "data", None)) is not None:
                describe_data(data).encode()
                json.dumps(data, allow_nan=False, ensure_ascii=False).encode()


def v1(channel: str, *parts: bytes) -> bytes:
    whole = [channel.encode(), *parts]
    offsets = [8 * (len(whole) + 2)]
    for part in whole:
        offsets.append(offsets[-1] + len(part))
    return b"".join(n.to_bytes(8, "little") for n in (len(offsets), *offsets)) + b"".join(whole)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_value_error(data: bytes) -> None:
    for read in (unpack_message, PieceJoiner().feed):
        try:
            read(data)
        except ValueError as error:
            assert str(error)


@given(
    ANY_TEXT
    | ANY_JSON.map(json.dumps)
    | st.dictionaries(st.sampled_from(["gap", "known", "refused", "hello", "pong"]), ANY_JSON).map(json.dumps)
)
def test_any_text_frame_is_known_or_a_value_error(frame: str) -> None:
    try:
        parse_control(frame)
    except ValueError as error:
        assert str(error)


@given(ANY_JSON)
def test_a_parsed_value_can_be_walked_stored_and_encoded(value: Any) -> None:
    parsed = parse_json(json.dumps(value))
    json.dumps(parsed, allow_nan=False, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("NaN", None), ("[1e999, -1e999, 1e-999, 1.5]", [None, None, 0.0, 1.5]), ("[-Infinity]", [None]),
        ('"\\ud83d\\ude00"', "😀"), ('"\\ud83d"', "\ufffd"), ('{"a": 1, "a": 2}', {"a": 2}), (b'"\xff"', "\ufffd"),
        ("9" * 5000, None), (f"{'9' * 400}.5", None), ("[" * DEEPEST + "]" * DEEPEST, ...),
    ],
)  # fmt: skip
def test_what_json_does_not_have_is_nothing(raw: str | bytes, value: Any) -> None:
    parsed = parse_json(raw)
    assert value is ... or parsed == value
    assert not (isinstance(parsed, float) and math.isnan(parsed))


@pytest.mark.parametrize(
    "raw", ["[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), '{"a":' * 500 + "1" + "}" * 500, "[" * 10**6]
)
def test_content_nested_too_deeply_is_refused(raw: str) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json(raw)
