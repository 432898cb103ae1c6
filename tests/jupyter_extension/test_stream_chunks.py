from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.jupyter_extension.framing import PIECE_BYTES, PIECE_HEAD, Message, pack, pieces, unpack
from jlab_tui.jupyter_extension.stream_chunks import cut, joined

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


def test_what_is_not_a_plain_print_is_left_alone() -> None:
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
