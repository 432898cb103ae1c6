"""Frames that no client of ours sends, from somebody who has the token: the server and its other connections go on."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

from websockets.exceptions import ConnectionClosed

from jlab_tui.jupyter_extension.framing import Message, pack

from .servers import Channel, Server, owning

HUGE = 10**30
DEEP = "[" * 20_000 + "]" * 20_000
VALUES: list[object] = [
    None,
    True,
    -1,
    0.5,
    HUGE,
    1e300,
    float("inf"),
    "",
    "x",
    "\ud800",
    "9" * 5000,
    [],
    {},
    [[]],
    {"a": []},
]
NUMBERS = ["²", "-1", "1e3", "9" * 5000, "%00", "None"]
HEADER = {"msg_id": "m", "msg_type": "kernel_info_request", "session": "s", "username": "", "version": "5.3"}


def odd_texts() -> Iterator[str]:
    yield from ("", "{", "5", "[]", "null", '"x"', "NaN", DEEP, '{"got": ' + DEEP + "}", "\x00", "9" * 5000)
    for key in ("got", "ack", "bytes", "ping", "hello", "x"):
        for value in VALUES:
            yield json.dumps({key: value})
            yield json.dumps({"got": 1, "bytes": 5, key: value})


def odd_requests(seed: random.Random) -> Iterator[bytes]:
    """A request with one part or one field changed, and one with bytes overwritten or cut."""
    parts = [json.dumps(HEADER).encode(), b"{}", b"{}", b"{}"]
    for channel in ("shell", "control", "iopub", "stdin", "", "\x00"):
        for index in range(4):
            for odd in (b"", b"5", b"[]", b"null", b"{", b"\xff", b'"x"', DEEP.encode()):
                changed = [odd if at == index else part for at, part in enumerate(parts)]
                yield pack(Message(channel, changed[0], changed[1], changed[2], changed[3]))
        for key in HEADER:
            for value in VALUES:
                header = json.dumps({**HEADER, key: value}).encode()
                yield pack(Message(channel, header, b"{}", b"{}", b"{}"))
    whole = pack(Message("shell", parts[0], b"{}", b"{}", b"{}", [b"buffer"] * 3))
    for _ in range(200):
        frame = bytearray(whole)
        frame[seed.randrange(72)] = seed.randrange(256)
        yield bytes(frame)
        yield whole[: seed.randrange(len(whole))]
        yield seed.randbytes(seed.randrange(300))


async def test_no_odd_frame_harms_the_server_or_another_connection(server: Server) -> None:
    frames: list[str | bytes] = [*odd_texts(), *odd_requests(random.Random(1))]
    assert len(frames) == 1_433
    before = server.log.stat().st_size
    async with owning(server) as mine:
        assert await mine.run("x = 6; print(x)") == "6\n"
        odd = Channel(server, server.start_kernel())
        odd.claim()
        sent = 0
        while sent < len(frames):
            await odd.open(since=0)
            assert odd.socket is not None
            try:
                for frame in frames[sent:]:
                    await odd.socket.send(frame)
                    sent += 1
                await odd.close()
            except ConnectionClosed:
                continue
        for query in (f"{name}={value}" for name in ("since", "got", "epoch", "client") for value in NUMBERS):
            assert server.http.get(f"jlab-mcp/channels/{mine.kernel}?{query}").status_code < 500
            watcher = Channel(server, f"{mine.kernel}?{query}&x=")
            await watcher.open(watch=True)
            await watcher.close()
        assert await mine.run("print(x * 7)") == "42\n"
    log = server.log.read_bytes()[before:].decode()
    assert "Uncaught exception GET" not in log and "/jupyter_extension/" not in log, (
        log
    )  # kernels say much of their own
