"""Joins small prints and cuts huge ones before they get numbers.

Joining keeps 100,000 flushed prints cheap for all readers; cutting turns a 50 MB print into messages of moderate size.
Both splice the escaped JSON text as bytes and parse nothing.
"""

from __future__ import annotations

import re
from typing import Iterable, Iterator, List, Optional, Tuple

from .framing import Bytes, Message, with_id_suffix

CUT_BYTES = 512 * 1024
JOIN_BYTES = 64 * 1024
TAIL_BYTES = 4096

_OPENING = re.compile(rb'\{\s*"name"\s*:\s*"\w*"\s*,\s*"text"\s*:\s*"')
_HIGH_SURROGATE = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}$")
_LOW_SURROGATE = re.compile(rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}")


def text_bounds(content: Bytes) -> Optional[Tuple[int, int]]:
    """Return where the escaped text in a stream message's content begins and ends.

    None unless the content is exactly a name followed by a text. Checks only the end of a huge text, where anything else
    would be.
    """
    found = _OPENING.match(content)
    if found is None or content[-2:] != b'"}' or len(content) < found.end() + 2:
        return None
    start, end = found.end(), len(content) - 2
    if _backslashes_before(content, start, end) % 2:
        return None
    tail = bytes(content[safe_cut(content, start, max(start, end - TAIL_BYTES)) : end])
    if b'"' in tail and b'"' in tail.replace(b"\\\\", b"").replace(b'\\"', b""):
        return None
    return start, end


def _backslashes_before(text: Bytes, start: int, end: int) -> int:
    """Return the length of the run of backslashes in `text[start:end]` that ends at `end`. Copies only blocks of a huge text."""
    run = 0
    while end > start:
        block = bytes(text[max(start, end - 1024) : end])
        here = len(block) - len(block.rstrip(b"\\"))
        run += here
        if here < len(block):
            break
        end -= len(block)
    return run


def safe_cut(text: Bytes, start: int, wanted: int) -> int:
    """Return the last position <= `wanted` where `text` can be cut: outside an escape, a surrogate pair or a character.

    `start` is a safe position; text is escaped JSON in UTF-8. Returns `wanted` if no position before it is safe.
    """
    if wanted >= len(text):
        return len(text)
    if wanted <= start:
        return start
    cut = wanted
    while cut > start and text[cut] & 0xC0 == 0x80:
        cut -= 1
    cut = _outside_escape(text, start, cut)
    tail = text[max(start, cut - 6) : cut]
    if (
        _HIGH_SURROGATE.search(tail)
        and _LOW_SURROGATE.match(text[cut : cut + 6])
        and _is_escape(text, start, cut - 6)
    ):
        cut -= 6
    return cut if cut > start else wanted


def _is_escape(text: Bytes, start: int, at: int) -> bool:
    """Whether the backslash at `at` begins an escape, and is not itself the escaped one."""
    return _backslashes_before(text, start, at + 1) % 2 == 1


def _outside_escape(text: Bytes, start: int, cut: int) -> int:
    first = max(start, cut - 6)
    backslash = first + bytes(text[first:cut]).rfind(b"\\")
    if backslash < first or not _is_escape(text, start, backslash):
        return cut
    length = 6 if text[backslash + 1 : backslash + 2] == b"u" else 2
    return backslash if backslash + length > cut else cut


def cut(message: Message, limit: int = CUT_BYTES) -> Iterator[Message]:
    """Yield the message, or a huge print as several messages with the same name and parent."""
    if len(message.content) <= limit or message.msg_type != "stream":
        yield message
        return
    bounds = text_bounds(message.content)
    if bounds is None:
        yield message
        return
    (start, stop), number = bounds, 1
    opening = message.content[:start]
    while start < stop:
        end = min(stop, safe_cut(message.content, start, start + limit))
        header = message.header if number == 1 else with_id_suffix(message.header, ".%d" % number)
        yield message._replace(header=header, content=b"".join([opening, message.content[start:end], b'"}']))
        start, number = end, number + 1


def joined(messages: Iterable[Message], limit: int = JOIN_BYTES) -> Iterator[Message]:
    """Yield the messages, with adjacent prints to one stream of one cell joined."""
    held: Optional[Message] = None
    opening = b""
    texts: List[bytes] = []
    size = 0
    for message in messages:
        bounds = None
        if len(message.content) < limit and not message.buffers and message.msg_type == "stream":
            bounds = text_bounds(message.content)
        text = bytes(message.content[bounds[0] : bounds[1]]) if bounds else b""
        if held is not None:
            fits = (
                bounds is not None and message.content[: bounds[0]] == opening and size + len(text) <= limit
            )
            if fits and message.parent == held.parent and message.metadata == held.metadata:
                texts.append(text)
                size += len(text)
                continue
            yield _rebuilt(held, opening, texts)
            held = None
        if bounds is None:
            yield message
        else:
            held, opening = message, bytes(message.content[: bounds[0]])
            texts, size = [text], len(text)
    if held is not None:
        yield _rebuilt(held, opening, texts)


def _rebuilt(first: Message, opening: bytes, texts: List[bytes]) -> Message:
    if len(texts) == 1:
        return first
    return first._replace(content=b"".join([opening, *texts, b'"}']))
