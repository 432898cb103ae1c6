"""MCP over stdio on asyncio pipes; a signal ends the input cleanly.

The SDK's own transport dies of SIGTERM without running the exit, hangs on SIGINT, shares its worker threads with tools,
and drops the reason of a cancellation.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import stat
import sys
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from threading import Thread
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import INVALID_REQUEST, PARSE_ERROR, JSONRPCNotification, jsonrpc_message_adapter
from pydantic import ValidationError

from ..core.relay_lines import LEAVE

LINE_MAX = 16 << 20
LINE_SILENCE_S = 300.0
"""silence after which a line is lost that nobody closed; the relay says something every minute"""
_TOO_LONG = b"a line too long to read"
_REMEMBERED = 200
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class CancelReasons:
    """Why the client cancelled a request, which the SDK does not pass on, and why the input ended."""

    def __init__(self, *, is_behind_line: bool = False) -> None:
        """`is_behind_line`: the relay is on another machine, and says when its client leaves."""
        self._reasons: OrderedDict[str, str] = OrderedDict()
        self.is_behind_line = is_behind_line
        self.input_ended = False
        self.has_left = False
        """the client, or somebody ended this process"""

    @property
    def lost_line(self) -> bool:
        """Whether the input ended because its line broke: the client is still there, and will be back."""
        return self.is_behind_line and not self.has_left

    def note(self, message: SessionMessage) -> None:
        noted = message.message
        if not isinstance(noted, JSONRPCNotification) or noted.method != "notifications/cancelled":
            return
        params = noted.params or {}
        self._reasons[str(params.get("requestId"))] = str(params.get("reason") or "")
        while len(self._reasons) > _REMEMBERED:
            self._reasons.popitem(last=False)

    def by_user(self, request_id: str) -> bool:
        """Return whether a person cancelled this request, and not a client's deadline or a lost connection."""
        reason = self._reasons.get(request_id)
        return reason is not None and not self.input_ended and is_by_user(reason)


def is_by_user(reason: str) -> bool:
    """Return whether the reason of a cancellation names a person, and not a client's deadline."""
    low = reason.lower()
    if "timeout" in low or "timed out" in low or "deadline" in low:
        return False
    return "user" in low or "abort" in low or "interrupt" in low


@asynccontextmanager
async def stdio(
    reasons: CancelReasons, on_sent: Callable[[], None]
) -> AsyncIterator[tuple[MemoryObjectReceiveStream[Any], MemoryObjectSendStream[Any]]]:
    """Open streams of session messages for `Server.run`.

    This takes file descriptors 0 and 1; other code that reads or prints, here and in child processes, gets /dev/null and
    stderr. SIGINT, SIGTERM and SIGHUP end the input, which cancels handlers in flight and lets the lifespan's exit finish.
    `on_sent` is called after each sent message.
    """
    in_fd, out_fd = _take_standard_streams()
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LINE_MAX)
    in_transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(in_fd, "rb", 0)
    )
    out_transport, out_protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, os.fdopen(out_fd, "wb", 0)
    )
    writer = asyncio.StreamWriter(out_transport, out_protocol, None, loop)

    def end_input() -> None:
        reasons.input_ended = reasons.has_left = True
        if not reader.at_eof():
            in_transport.pause_reading()
            reader.feed_eof()

    for number in _ENDING:
        loop.add_signal_handler(number, end_input)

    in_send, in_receive = anyio.create_memory_object_stream[Any](0)
    out_send, out_receive = anyio.create_memory_object_stream[Any](0)

    async def pump_in() -> None:
        async with in_send:
            while line := await _line(reader, LINE_SILENCE_S if reasons.is_behind_line else None):
                if line == LEAVE:
                    reasons.has_left = True
                    break
                if line.isspace():
                    continue
                try:
                    message = SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
                    reasons.note(message)
                    await in_send.send(message)
                except ValidationError as error:
                    if answer := _refusal(line):
                        writer.write(answer)
                    else:
                        await in_send.send(error)
            reasons.input_ended = True

    async def pump_out() -> None:
        async with out_receive:
            async for item in out_receive:
                text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                writer.write(text.encode() + b"\n")
                try:
                    await writer.drain()
                except ConnectionError:
                    return
                on_sent()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pump_in)
        tasks.start_soon(pump_out)
        try:
            yield in_receive, out_send
        finally:
            tasks.cancel_scope.cancel()
            in_transport.close()
            out_transport.close()
            for number in _ENDING:
                # Everything is written; ignore further signals, so that this exit stays clean.
                loop.remove_signal_handler(number)
                signal.signal(number, signal.SIG_IGN)


def _refusal(line: bytes) -> bytes | None:
    """Return the JSON-RPC error for a line that the SDK cannot read; without one its client would wait for ever.

    None for a notification or a response, which nobody waits for."""
    code, number, why = INVALID_REQUEST, None, "it is not a valid request"
    try:
        raw = json.loads(line.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        code, why = PARSE_ERROR, f"it is not JSON, or longer than {LINE_MAX >> 20} MB"
    else:
        if isinstance(raw, dict):
            if "method" not in raw or "id" not in raw:
                return None
            number = raw["id"] if isinstance(raw["id"], int | str) else None
        try:
            line.decode()
            json.dumps(raw, ensure_ascii=False).encode()
        except UnicodeDecodeError:
            why = "it is not UTF-8"
        except UnicodeEncodeError:
            why = "its text contains half of a surrogate pair (\\ud800 to \\udfff)"
    error = {"code": code, "message": f"Request refused, nothing was done: {why}."}
    return json.dumps({"jsonrpc": "2.0", "id": number, "error": error}).encode() + b"\n"


async def _line(reader: asyncio.StreamReader, silence_s: float | None) -> bytes:
    """The next line; nothing at the end, or after so long a silence."""
    try:
        async with asyncio.timeout(silence_s):
            return await reader.readline()
    except TimeoutError:
        return b""
    except ValueError:
        # Longer than LINE_MAX: readline has dropped that part; continue after it.
        return _TOO_LONG


def _take_standard_streams() -> tuple[int, int]:
    sys.stdout.flush()
    in_fd, out_fd = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return _readable(in_fd), _writable(out_fd)


def _readable(fd: int) -> int:
    """Return the descriptor, or a pipe that a thread fills from it: an event loop cannot wait for files and /dev/null."""
    if _can_be_waited_for(fd):
        return fd
    outlet, inlet = os.pipe()
    Thread(target=_copy, args=(fd, inlet), daemon=True).start()
    return outlet


def _writable(fd: int) -> int:
    """Like `_readable`, for output; the process ends when all of it is written."""
    if _can_be_waited_for(fd):
        return fd
    outlet, inlet = os.pipe()
    Thread(target=_copy, args=(outlet, fd)).start()
    return inlet


def _can_be_waited_for(fd: int) -> bool:
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(fd)


def _copy(source: int, target: int) -> None:
    with open(source, "rb", 0) as reading, open(target, "wb", 0) as writing, contextlib.suppress(OSError):
        while chunk := reading.read(1 << 16):
            rest = memoryview(chunk)
            while rest:
                rest = rest[writing.write(rest) or 0 :]
