from __future__ import annotations

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jlab_tui.jupyter_extension.framing import PIECE_BYTES, PIECE_HEAD, Message, pack, pieces, unpack
from jlab_tui.jupyter_extension.stream_chunks import (
    CUT_BYTES,
    JOIN_BYTES,
    TAIL_BYTES,
    cut,
    joined,
    safe_cut,
    text_bounds,
)

TEXTS = st.text(alphabet=st.sampled_from('ab\\"\n\t\x00u0é€😀\ud83d\ude00'), max_size=300)


def stream(text: str, ascii_only: bool = False, parent: str = "p", name: str = "stdout") -> Message:
    content = json.dumps({"name": name, "text": text}, ensure_ascii=ascii_only)
    header = json.dumps({"msg_id": "m1", "msg_type": "stream"}).encode()
    parent_header = json.dumps({"msg_id": parent}).encode()
    return Message("iopub", header, parent_header, b"{}", content.encode("utf-8", "surrogatepass"))


def text_of(message: Message) -> str:
    return str(json.loads(bytes(message.content).decode("utf-8", "surrogatepass"))["text"])


@given(TEXTS, st.integers(12, 40), st.booleans())
def test_a_cut_print_is_the_same_text_and_every_part_is_valid(
    text: str, limit: int, ascii_only: bool
) -> None:
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    parts = list(cut(stream(text, ascii_only), limit))
    for part in parts:
        bytes(part.content).decode("utf-8")
        text_of(part).encode("utf-8")
    assert "".join(map(text_of, parts)) == text
    assert len({part.msg_id for part in parts}) == len(parts)


@given(st.lists(st.tuples(TEXTS, st.sampled_from(["stdout", "stderr"]), st.sampled_from("pq")), max_size=12))
def test_joined_prints_keep_text_order_stream_and_cell(prints: list[tuple[str, str, str]]) -> None:
    messages = [stream(t, True, parent, name) for t, name, parent in prints]
    kept = list(joined(messages))
    seen: list[list[str]] = []
    for text, name, parent in prints:
        if seen and seen[-1][1:] == [name, parent]:
            seen[-1][0] += text
        else:
            seen.append([text, name, parent])
    got = [[text_of(m), json.loads(bytes(m.content))["name"], json.loads(m.parent)["msg_id"]] for m in kept]
    surrogates = json.loads(json.dumps(seen))
    assert [[json.dumps(a), b, c] for a, b, c in got] == [[json.dumps(a), b, c] for a, b, c in surrogates]


def test_anything_but_a_plain_print_stays_unchanged() -> None:
    odd = stream("x")._replace(content=b'{"name": "stdout", "text": "a", "more": "b"}')
    assert list(joined([odd, odd])) == [odd, odd]
    assert list(cut(odd, 4)) == [odd]


@given(st.binary(max_size=50), st.lists(st.binary(max_size=20), max_size=3))
def test_a_frame_gives_its_message_back(content: bytes, buffers: list[bytes]) -> None:
    message = Message("shell", b"{}", b"{}", b"{}", content, buffers)
    assert unpack(pack(message)) == message


def test_a_large_frame_travels_in_pieces() -> None:
    frame = bytes(range(256)) * 1_200
    sent = list(pieces(7, frame))
    assert [PIECE_HEAD.unpack_from(p) for p in sent] == [(7, 0, 0), (7, 1, 0), (7, 2, 1)]
    assert b"".join(p[PIECE_HEAD.size :] for p in sent) == frame
    assert max(map(len, sent)) <= PIECE_BYTES + PIECE_HEAD.size


UNIT = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|\\u[0-9a-fA-F]{4}|\\.|[\x00-\x7f]|[\xc0-\xff][\x80-\xbf]+"
)
"""What must stay whole of escaped JSON text: a pair of surrogates, an escape, a character."""
ESCAPED = st.lists(
    st.sampled_from(
        [
            "\\\\",
            '\\"',
            "\\n",
            "\\u00e9",
            "\\ud83d",
            "\\ude00",
            "\\uD83D\\uDE00",
            "u",
            "d83d",
            "a",
            "é",
            "€",
            "😀",
        ]
    ),
    max_size=12,
)


@given(ESCAPED, st.integers(0, 80), st.integers(0, 12))
@example(["\\\\", "ud83d", "\\ude00"], 8, 0)
@example(["a", "\\u00e9", "a"], 7, 0)
@example(["a", "é"], 2, 0)
@example(["a", "\\ud83d\\ude00"], 7, 0)
def test_a_cut_is_the_last_place_where_nothing_is_broken(units: list[str], wanted: int, begin: int) -> None:
    text = "".join(units).encode()
    places = [0, *(found.end() for found in UNIT.finditer(text))]
    assert places[-1] == len(text)
    start = places[min(begin, len(places) - 1)]
    safe = [place for place in places if start < place <= wanted]
    expected = max(safe, default=max(wanted, start))
    assert safe_cut(text, start, wanted) == min(expected, len(text))
    assert safe_cut(memoryview(text), start, wanted) == min(expected, len(text))


HEAD = b'{"name": "stdout", "text": "'


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"a",
        b"\\\\",
        b'\\"',
        b'\\\\\\"',
        b"\\\\" * 1024,
        b"a" + b"\\\\" * 1023,
        b"\\n" + b"a" * 1023,
        b"a" * TAIL_BYTES + b"\\\\" * TAIL_BYTES,
        b'"' + b"x" * TAIL_BYTES,
    ],
)
def test_the_text_of_a_print_is_found(text: bytes) -> None:
    for head in (HEAD, b'{"name":"stderr","text":"', b'{ "name" : "" , "text" : "'):
        content = head + text + b'"}'
        assert text_bounds(content) == (len(head), len(content) - 2)
        assert text_bounds(memoryview(content)) == (len(head), len(content) - 2)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"text": "a", "name": "stdout"}',
        HEAD,
        HEAD[:-1] + b'"}',
        HEAD + b"a",
        HEAD + b'a" }',
        HEAD + b'a\\"}',
        HEAD + b"a" + b"\\" * 1023 + b'"}',
        HEAD + b"a" + b"\\" * 1025 + b'"}',
        HEAD + b"\\" * 2049 + b'"}',
        HEAD + b'a", "more": "b"}',
        HEAD + b'\\\\", "more": "b"}',
        HEAD + b'"' + b"x" * (TAIL_BYTES - 1) + b'"}',
    ],
)
def test_content_other_than_a_name_and_a_text_has_no_bounds(content: bytes) -> None:
    assert text_bounds(content) is None


def test_a_print_is_cut_only_above_the_limit_and_every_part_but_the_last_is_as_large_as_it_may_be() -> None:
    whole = stream("x" * 100)
    assert list(cut(whole, len(whole.content))) == [whole]
    parts = list(cut(whole, 45))
    assert [len(text_of(part)) for part in parts] == [45, 45, 10]
    assert [part.msg_id for part in parts] == ["m1", "m1.2", "m1.3"]
    display = whole._replace(header=b'{"msg_id": "m1", "msg_type": "display_data"}')
    assert list(cut(display, 10)) == [display]
    assert (CUT_BYTES, JOIN_BYTES, TAIL_BYTES) == (524288, 65536, 4096)
    assert list(cut(whole)) == [whole] and len(list(cut(stream("x" * (CUT_BYTES + 1))))) == 2


def test_prints_are_joined_up_to_the_limit() -> None:
    prints = [stream(letter * 20) for letter in "abc"]
    assert len(prints[0].content) < 59
    assert [text_of(m) for m in joined(prints, 60)] == ["a" * 20 + "b" * 20 + "c" * 20]
    assert [text_of(m) for m in joined(prints, 59)] == ["a" * 20 + "b" * 20, "c" * 20]
    large, small = stream("x" * 50), stream("y")
    assert [text_of(m) for m in joined([large, small], len(large.content) + 1)] == ["x" * 50 + "y"]
    assert list(joined([large, small], len(large.content))) == [large, small]


def test_only_prints_of_one_stream_one_cell_and_one_kind_are_joined() -> None:
    one = stream("a")
    others = [
        stream("b", name="stderr"),
        stream("b", parent="q"),
        one._replace(metadata=b'{"x": 1}'),
        one._replace(buffers=[b"x"]),
        one._replace(header=b'{"msg_id": "m1", "msg_type": "error"}'),
    ]
    for other in others:
        assert list(joined([one, other, one])) == [one, other, one]
    assert list(joined([])) == []
    assert [text_of(m) for m in joined([one, one, others[0], one])] == ["aa", "b", "a"]
