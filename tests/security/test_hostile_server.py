"""A server that sends anything: the link to a kernel survives, and every request has an answer or a clear error."""

from __future__ import annotations

import asyncio
import json
import logging
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve

from jlab_tui.adapters.jupyter.dial import Dialer
from jlab_tui.adapters.jupyter.kernel_link import KernelLink
from jlab_tui.adapters.jupyter.rest import JupyterApi
from jlab_tui.core.errors import JlabError
from jlab_tui.core.kernel.link import Lease, LinkChange, LinkUp
from jlab_tui.core.kernel.wire import KernelMessage, Request, pack_request
from jlab_tui.core.server.record import Owner
from jlab_tui.core.server.route import PlainRoute
from jlab_tui.core.server.state_machine import Health
from tests.listening import Handler, listening
from tests.project import until

HELLO = json.dumps({"hello": {"first": 1, "last": 0, "epoch": 1, "gap": None}})
DEEP = "[" * 100_000 + "]" * 100_000
ODD_TEXTS = [
    "5", "[]", "null", '"hello"', "NaN", "", "{", "\x00", DEEP, '{"gap": 5}', '{"gap": []}', '{"gap": {"from": "a"}}',
    '{"gap": {"from": 1e999, "to": 2, "bytes": 3}}', '{"gap": {"from": 1, "to": %s}}' % ("9" * 5000), '{"known": []}',
    '{"known": {"a": 1}}', '{"refused": 5}', '{"refused": {}}', '{"hello": 5}', f'{{"a": {DEEP}}}', '{"gap": {"from": -1, "to": 2}}',
    '{"known": "x", "known": 5}', '{"\\ud800": "\\udfff"}',
]  # fmt: skip


def message(seq: int, header: Any, content: Any, parent: Any = None, channel: str = "iopub") -> bytes:
    """One numbered piece with a v1 frame; every part may be any JSON value, or raw bytes."""

    def raw(part: Any) -> bytes:
        return part if isinstance(part, bytes) else json.dumps(part).encode()

    parts = [channel.encode(), raw(header), raw(parent if parent is not None else {}), b"{}", raw(content)]
    offsets = [8 * (len(parts) + 2)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    frame = struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets) + b"".join(parts)
    return struct.pack("<QII", seq, 0, 1) + frame


def printed(seq: int, text: Any = "still here") -> bytes:
    return message(seq, {"msg_type": "stream", "msg_id": "m"}, {"name": "stdout", "text": text})


def head(msg_type: str) -> dict[str, str]:
    return {"msg_type": msg_type, "msg_id": "m"}


ODD_MESSAGES = [
    message(1, 5, {}),
    message(1, [], {}),
    message(1, {"msg_type": 5, "msg_id": []}, {}),
    message(1, {"msg_type": "stream"}, {}),
    message(1, DEEP.encode(), {}),
    message(1, head("stream"), DEEP.encode()),
    message(1, head("execute_input"), b'{"code": ' + b"9" * 5000 + b', "execution_count": {}}'),
    message(1, head("stream"), b"\xff\xfe"),
    message(1, head("stream"), 5),
    message(1, head("stream"), {"text": 5, "name": []}),
    message(1, head("stream"), {"text": "x"}, parent=5),
    message(1, head("execute_reply"), {"payload": 5, "traceback": {}, "status": []}, channel="shell"),
    message(1, head("error"), {"ename": [], "evalue": {}, "traceback": 7}),
    message(
        1, head("display_data"), {"data": {"text/plain": 5, "image/png": {}}, "metadata": [], "transient": 3}
    ),
    message(1, head("status"), {"execution_state": {"a": []}}),
    message(1, head("jlab_mcp_obituary"), {"lost": 5, "signal": [], "exit_code": {}, "cause": []}),
    message(1, head("stream"), {}, channel="elsewhere"),
    struct.pack("<QII", 1, 0, 1) + b"no frame",
    struct.pack("<QII", 1, 0, 1) + struct.pack("<Q", 1 << 60),
]


@asynccontextmanager
async def linked(
    node: Callable[[ServerConnection], Awaitable[None]],
) -> AsyncIterator[tuple[KernelLink, list[LinkChange], asyncio.Queue[KernelMessage]]]:
    changes: list[LinkChange] = []
    messages: asyncio.Queue[KernelMessage] = asyncio.Queue()
    async with serve(node, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        link = KernelLink(
            Dialer(PlainRoute(f"http://127.0.0.1:{port}")), {}, "kernel", session_id="s", lease=Lease("client", 1, "shutdown")
        )  # fmt: skip
        link.open(messages.put_nowait, changes.append)
        try:
            yield link, changes, messages
        finally:
            await link.close()


async def still_there(messages: asyncio.Queue[KernelMessage]) -> None:
    async with asyncio.timeout(30):
        while (await messages.get()).content.get("text") != "still here":
            pass


async def test_a_frame_that_says_nothing_is_passed_over_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def node(connection: ServerConnection) -> None:
        await connection.send(HELLO)
        for _ in range(3):
            for text in ODD_TEXTS:
                await connection.send(text)
        await connection.send(printed(1))
        await connection.wait_closed()

    with caplog.at_level(logging.WARNING):
        async with linked(node) as (link, changes, messages):
            await still_there(messages)
            assert changes == [LinkUp(first=True)], "the connection goes on"
            assert link.oddities == 3 * len(ODD_TEXTS)
    assert len(caplog.records) < 20


@pytest.mark.parametrize("odd", ODD_MESSAGES, ids=map(str, range(len(ODD_MESSAGES))))
async def test_a_message_that_says_nothing_is_passed_over(odd: bytes) -> None:
    async def node(connection: ServerConnection) -> None:
        await connection.send(HELLO)
        await connection.send(odd)
        await connection.send(printed(2))
        await connection.wait_closed()

    async with linked(node) as (link, changes, messages):
        await still_there(messages)
        assert changes == [LinkUp(first=True)]
        assert link.oddities == 1


@pytest.mark.parametrize(
    "greeting", ["5", '{"hello": 5}', '{"hello": {}}', '{"hello": {"first": 1}}', DEEP, b"bytes", "{"]
)
async def test_another_protocol_is_not_asked_over_and_over(greeting: str | bytes) -> None:
    connections = 0

    async def node(connection: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        await connection.send(greeting)
        await connection.wait_closed()

    async with linked(node) as (link, changes, _):
        with pytest.raises(TimeoutError):
            await link.ready(3)
        assert connections <= 7
        await until(lambda: connections >= 2)
        assert not any(isinstance(change, LinkUp) for change in changes)


async def test_a_fault_after_each_hello_is_met_less_and_less_often() -> None:
    connections = 0
    fifth = asyncio.Event()

    async def node(connection: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        if connections == 5:
            fifth.set()
        await connection.send(HELLO)
        await connection.send(struct.pack("<QII", 1, 7, 0))  # a piece without its beginning

    async with linked(node):
        begun = asyncio.get_running_loop().time()
        await asyncio.wait_for(fifth.wait(), 30)
        assert asyncio.get_running_loop().time() - begun > 1, "0.2 s where every pause is the first one"


async def test_a_message_makes_the_next_reconnect_quick_again() -> None:
    connections = 0

    async def node(connection: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        await connection.send(HELLO)
        if connections > 5:
            await connection.send(printed(connections))

    async with linked(node) as (link, _, messages):
        await still_there(messages)
        assert link._fruitless <= 1
        await still_there(messages)
        assert link._fruitless <= 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KERNEL = {"id": "k-1", "name": "python3", "execution_state": "idle", "connections": 1, "last_activity": "now"}
SAMPLE = {"t": 1.0, "cpu": {"count": 4, "percent": 1.0, "load_1m": 0.1}, "memory": {"used_mb": 1, "total_mb": 2}, "gpu": [{"index": 0, "name": "A"}], "kernels": {"k-1": {"pid": 3, "rss_mb": 4}}}  # fmt: skip
ANSWERS: dict[str, Any] = {
    "/api/status": {"kernels": 1},
    "/api/kernels": [KERNEL],
    "/api/kernels/k-1": KERNEL,
    "/api/sessions": [{"id": "s-1", "path": "a.ipynb", "kernel": KERNEL}],
    "/api/kernelspecs": {"default": "python3", "kernelspecs": {"python3": {"spec": {"argv": ["/usr/bin/python3"], "language": "python"}}}},
    "/jlab-mcp/info": {"protocol": 2, "features": ["channels"], "python": "/usr/bin/python3", "now": 5.0},
    "/jlab-mcp/resources": {"now": SAMPLE, "history": [SAMPLE]},
    "/jlab-mcp/kernels": {"k-1": {"session": "s", "epoch": 1, "owner": {"client": "c"}, "last_seq": 4, "requests": {"m": {}}}},
    "/jlab-mcp/claims": {"epoch": 1, "last_seq": 2},
}  # fmt: skip


@asynccontextmanager
async def asked(handler: Handler) -> AsyncIterator[JupyterApi]:
    """`JupyterApi` at a server that answers as `handler` does."""
    async with listening(handler) as port:
        api = JupyterApi(Dialer(PlainRoute(f"http://127.0.0.1:{port}")), "token")
        try:
            yield api
        finally:
            await api.close()


def answering(answers: dict[str, bytes], status: int = 200) -> AbstractAsyncContextManager[JupyterApi]:
    """One answer for each path."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.readline():
            length = 0
            while line := (await reader.readline()).strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            await reader.readexactly(length)
            body = answers.get(request.decode().split(" ")[1].partition("?")[0], b"{}")
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
            await writer.drain()

    return asked(handle)


async def ask_everything(api: JupyterApi) -> None:
    """Every question that the program asks; each is answered or fails with an error that a user can be shown."""
    owner = Owner("c", "h", 1)
    assert isinstance(await api.health(), Health)
    for question in (
        api.kernels, api.kernelspecs, api.features, api.clock, api.resources, api.recorded_kernels,
        lambda: api.kernel_at("a.ipynb"), lambda: api.kernel_state("k-1"), lambda: api.delete_kernel("k-2"),
        lambda: api.rename_session("k-1", "b.ipynb"), lambda: api.start_kernel("python3"),
        lambda: api.start_kernel("python3", "a.ipynb", "a.ipynb"), lambda: api.claim("s", "k-1", owner, on_exit="keep"),
        lambda: api.start_claimed("s", owner, "python3"), lambda: api.interrupt("k-1"), api.shares_documents,
    ):  # fmt: skip
        try:
            repr(await question())
        except JlabError as error:
            assert str(error)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in inner for place in places(child, (*path, key)))]


def replaced(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    copy = value.copy()
    copy[place[0]] = replaced(copy[place[0]], place[1:], new)
    return copy


@pytest.mark.parametrize("body", [b"5", b"[]", b"null", b'"kernels"', b"{", b"", b"\xff", b"NaN", DEEP.encode(), b'[5, [], null, {"kernel": 5}]', b'[{"id": "../../x", "kernel": {"id": "\\u001b]0;x"}}]', b'{"epoch": 1e999, "kernel": 5}', b'{"now": ' + b"9" * 5000 + b"}"])  # fmt: skip
async def test_an_odd_answer_is_no_traceback(body: bytes) -> None:
    for status in (200, 404, 409):
        async with answering(dict.fromkeys(ANSWERS, body), status) as api:
            await ask_everything(api)


def test_any_value_in_any_place_of_an_answer_is_no_traceback() -> None:
    every = [(path, place) for path, answer in ANSWERS.items() for place in places(answer)]

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.tuples(st.sampled_from(every), JSON), min_size=1, max_size=4))
    def check(odd: list[tuple[tuple[str, tuple[Any, ...]], Any]]) -> None:
        said = dict(ANSWERS)
        for (path, place), value in odd:
            if place in places(said[path]):
                said[path] = replaced(said[path], place, value)

        async def ask() -> None:
            async with answering({path: json.dumps(answer).encode() for path, answer in said.items()}) as api:
                await ask_everything(api)

        asyncio.run(ask())

    check()


async def test_what_a_server_says_properly_is_understood() -> None:
    async with answering({path: json.dumps(answer).encode() for path, answer in ANSWERS.items()}) as api:
        assert await api.health() is Health.OK
        assert [(k.kernel_id, k.path) for k in await api.kernels()] == [("k-1", "a.ipynb")]
        assert (await api.kernelspecs()).default.python == "/usr/bin/python3"
        assert await api.features() == {"channels"}
        assert await api.clock() == 5.0
        assert [s.memory_percent for s in await api.resources()] == [50.0, 50.0]
        assert (await api.recorded_kernels())["k-1"].requests == {"m"}
        assert (await api.claim("s", "k-1", Owner("c", "h", 1), on_exit="keep")).last_seq == 2
        assert await api.kernel_at("a.ipynb") == ("k-1", "idle")


async def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"100000\r\n" + b" " * (1 << 20) + b"\r\n")
            await writer.drain()

    async with asked(endless) as api:
        with pytest.raises(JlabError):
            await asyncio.wait_for(api.kernels(), 60)


async def test_an_answer_that_comes_byte_by_byte_is_not_waited_for() -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with asked(slow) as api:
        assert await asyncio.wait_for(api.health(0.2), 40) is Health.SILENT


def test_a_request_that_is_sent_is_read_back() -> None:
    frame = pack_request(Request("shell", "execute_request", "m", {"code": "\ud800"}), "s", "now")
    assert frame
