"""Both ends of a bridge's pipe, without any pipe: bytes from one are fed to the other, in any pieces."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jlab_tui.jupyter_extension.bridge_pipe import (
    CONNECTIONS,
    CREDIT,
    DATA,
    END,
    NOISE,
    OPEN,
    PIECE,
    PING,
    PONG,
    RESET,
    WINDOW,
    Arrived,
    Ended,
    Event,
    Opened,
    Over,
    Pipe,
    PipeBroken,
    Reset,
    Room,
)

GREETING = b"\0jlab-mcp bridge 1\n"


def frame(kind: int, number: int, body: bytes = b"") -> bytes:
    return struct.pack("!BII", kind, number, len(body)) + body


def pair() -> tuple[Pipe, Pipe]:
    """A login end and a node end that have greeted each other."""
    login, node = Pipe(opens=True), Pipe(opens=False)
    assert node.feed(login.take()) == [] and login.feed(node.take()) == []
    assert login.is_up and node.is_up
    return login, node


def opened() -> tuple[Pipe, Pipe, int]:
    """A pair with one open connection."""
    login, node = pair()
    number = login.open()
    assert number is not None and node.feed(login.take()) == [Opened(number)]
    return login, node, number


def test_what_one_end_sends_arrives_at_the_other_and_the_end_closes_both_ways() -> None:
    login, node, number = opened()
    assert login.send(number, b"question")
    assert not login.end(number)
    assert node.feed(login.take()) == [Arrived(number, b"question"), Ended(number)]
    assert node.send(number, b"answer")
    assert node.end(number)
    assert login.feed(node.take()) == [Arrived(number, b"answer"), Ended(number), Over(number)]
    assert (login.size, node.size) == (0, 0)


def test_a_reset_breaks_a_connection_off_and_what_crosses_it_is_passed_over() -> None:
    login, node, number = opened()
    login.reset(number)
    node.send(number, b"crossing")
    node.end(number)
    assert login.feed(node.take()) == []
    assert node.feed(login.take()) == [Reset(number)]
    for end in (login, node):
        assert end.send(number, b"late") and end.end(number)
        end.reset(number)
        end.written(number, WINDOW)
        assert (end.take(), end.size) == (b"", 0)


def test_nothing_is_sent_after_the_end_and_it_is_said_once() -> None:
    login, _, number = opened()
    login.end(number)
    login.end(number)
    assert login.send(number, b"late")
    assert login.take() == frame(END, number)


def test_a_connection_that_is_not_read_waits_alone_and_goes_on_when_it_is() -> None:
    login, node, slow = opened()
    quick = login.open()
    assert quick is not None
    data = bytes(WINDOW + 5)
    assert not login.send(slow, data)
    assert not login.send(slow, b"more")
    assert login.send(quick, b"quick")
    events = node.feed(login.take())
    held = sum(len(event.data) for event in events if isinstance(event, Arrived) and event.number == slow)
    assert held == WINDOW and events[-1] == Arrived(quick, b"quick")
    node.written(slow, WINDOW // 4 - 1)
    assert node.take() == b"", "credit is not given in crumbs"
    node.written(slow, 1)
    assert login.feed(node.take()) == [Room(slow)]
    assert node.feed(login.take()) == [Arrived(slow, b"\0\0\0\0\0more")]


def test_credit_for_a_connection_that_waits_for_nothing_is_no_news() -> None:
    login, node, number = opened()
    assert login.send(number, bytes(WINDOW // 4))
    node.feed(login.take())
    node.written(number, WINDOW // 4)
    assert login.feed(node.take()) == []
    assert login.send(number, bytes(WINDOW)), "it has its whole credit again"


def test_the_end_waits_for_what_is_still_to_be_sent() -> None:
    login, node, number = opened()
    login.send(number, bytes(2 * WINDOW + 1))
    login.end(number)
    assert Ended(number) not in node.feed(login.take())
    for _ in range(2):
        node.written(number, WINDOW)
        assert login.feed(node.take()) == []
        events = node.feed(login.take())
    assert events == [Arrived(number, b"\0"), Ended(number)]
    node.written(number, WINDOW)
    assert node.take() == b"", "nobody waits for this credit"
    assert node.end(number) and login.feed(node.take()) == [Ended(number), Over(number)]


def test_a_connection_whose_other_end_has_ended_is_over_when_all_is_sent() -> None:
    login, node, number = opened()
    login.send(number, bytes(WINDOW + 1))
    assert not login.end(number)
    node.feed(login.take())
    assert not node.end(number)
    assert login.feed(node.take()) == [Ended(number)]
    node.written(number, WINDOW)
    assert login.feed(node.take()) == [Over(number)]
    assert node.feed(login.take()) == [Arrived(number, b"\0"), Ended(number), Over(number)]


def test_an_end_answers_a_ping() -> None:
    login, node = pair()
    login.ping()
    assert node.feed(login.take()) == []
    assert node.take() == frame(PONG, 0)
    assert login.feed(frame(PONG, 0)) == []


def test_too_many_connections_are_refused_at_both_ends() -> None:
    login, node = pair()
    assert all(login.open() for _ in range(CONNECTIONS))
    assert login.open() is None
    assert len(node.feed(login.take())) == CONNECTIONS
    assert node.feed(frame(OPEN, CONNECTIONS + 1)) == []
    assert node.take() == frame(RESET, CONNECTIONS + 1)


def test_ten_thousand_connections_leave_nothing_behind() -> None:
    login, node = pair()
    for number in range(1, 10_001):
        assert login.open() == number
        login.send(number, b"GET /")
        node.feed(login.take())
        node.send(number, b"200")
        if number % 3:
            node.end(number)
            login.feed(node.take())
            login.end(number)
        else:
            login.reset(number)
        node.feed(login.take())
        login.feed(node.take())
    assert (login.size, node.size, login.take(), node.take()) == (0, 0, b"", b"")
    assert login.count == node.count == 10_000


@pytest.mark.parametrize("noise", [b"", b"Welcome to login1\n\0jlab-mcp bridge\n", b"\0" * NOISE])
def test_what_a_shell_prints_before_the_greeting_is_passed_over(noise: bytes) -> None:
    pipe = Pipe(opens=False)
    assert pipe.feed(noise) == [] and not pipe.is_up
    assert pipe.feed(GREETING + frame(OPEN, 1)) == [Opened(1)]


BEFORE: tuple[bytes, ...] = (b"x" * (NOISE + 25), b"\0jlab-mcp bridge 2\n", b"\0jlab-mcp bridge 0001" * 9999)
AFTER: tuple[bytes, ...] = (
    frame(0, 1),
    frame(8, 1, b"x"),
    frame(DATA, 1),
    frame(OPEN, 2, b"x"),
    frame(OPEN, 1),
    frame(OPEN, 0),
    frame(PING, 0, b"x"),
    frame(CREDIT, 1, b"xyz"),
    frame(CREDIT, 1, struct.pack("!I", 1)),
    frame(DATA, 2, b"x"),
    frame(END, 2),
    frame(END, 1) + frame(DATA, 1, b"x"),
    frame(END, 1) + frame(END, 1),
    frame(9, 1, b"x"),
    frame(DATA, 1, bytes(PIECE)) * (WINDOW // PIECE) + frame(DATA, 1, b"x"),
    struct.pack("!BII", DATA, 1, PIECE + 1),
)


@pytest.mark.parametrize("sent", [*BEFORE, *(GREETING + frame(OPEN, 1) + rest for rest in AFTER)])
def test_an_end_that_does_not_keep_to_the_protocol_is_told_so_for_good(sent: bytes) -> None:
    node = Pipe(opens=False)
    with pytest.raises(PipeBroken):
        node.feed(sent)
    with pytest.raises(PipeBroken):
        node.feed(GREETING)


def test_the_node_opens_no_connections() -> None:
    login, _ = pair()
    with pytest.raises(PipeBroken):
        login.feed(frame(OPEN, 1))


@given(st.binary(max_size=300), st.booleans())
def test_garbage_is_refused_and_never_more(garbage: bytes, is_greeted: bool) -> None:
    pipe = Pipe(opens=False)
    try:
        pipe.feed(GREETING * is_greeted + garbage)
    except PipeBroken:
        pass
    assert pipe.size <= CONNECTIONS


class Ends:
    """Two ends with the wires between them, on which bytes travel as far as they are let, and what each side has written."""

    def __init__(self) -> None:
        self.login, self.node = Pipe(opens=True), Pipe(opens=False)
        self.wires = {True: b"", False: b""}
        self.sent: dict[tuple[bool, int], bytes] = defaultdict(bytes)
        self.got: dict[tuple[bool, int], bytes] = defaultdict(bytes)
        self.unread: dict[tuple[bool, int], int] = defaultdict(int)
        self.over: set[tuple[bool, int]] = set()
        self.broken: set[int] = set()
        self.known: set[int] = set()
        """connections that the node has heard of"""
        self.blocked: set[tuple[bool, int]] = set()

    def end(self, is_login: bool) -> Pipe:
        return self.login if is_login else self.node

    def carry(self, to_login: bool, most: int) -> None:
        """Let so many bytes through the wire."""
        self.wires[to_login] += self.end(not to_login).take()
        moved, self.wires[to_login] = self.wires[to_login][:most], self.wires[to_login][most:]
        self.note(to_login, self.end(to_login).feed(moved))

    def note(self, is_login: bool, events: Iterable[Event]) -> None:
        for event in events:
            key = is_login, event.number
            match event:
                case Arrived(_, data):
                    assert key not in self.over
                    self.got[key] += data
                    self.unread[key] += len(data)
                    assert self.unread[key] <= WINDOW
                case Ended():
                    self.over.add(key)
                case Room():
                    self.blocked.discard(key)
                case Reset():
                    self.broken.add(event.number)
                case Opened():
                    self.known.add(event.number)
                case Over():
                    assert key in self.over

    def send(self, is_login: bool, number: int, data: bytes) -> None:
        if (is_login, number) not in self.blocked and number not in self.broken:
            self.sent[not is_login, number] += data
            if not self.end(is_login).send(number, data):
                self.blocked.add((is_login, number))

    def read(self, is_login: bool, number: int) -> None:
        self.end(is_login).written(number, self.unread.pop((is_login, number), 0))

    def settle(self) -> None:
        """Read everything and let everything through."""
        for _ in range(200):
            for is_login in (True, False):
                self.carry(is_login, 1 << 30)
                for _, number in list(self.unread):
                    self.read(is_login, number)


numbers = st.integers(1, 4)
sides = st.booleans()
sizes = st.sampled_from([1, 9, 100, PIECE + 1, WINDOW // 2, WINDOW + 3])
steps = st.one_of(
    st.tuples(st.just("open")),
    st.tuples(st.just("send"), sides, numbers, sizes),
    st.tuples(st.just("carry"), sides, st.sampled_from([1, 5, 17, 4000, 1 << 21])),
    st.tuples(st.just("read"), sides, numbers),
    st.tuples(st.just("reset"), numbers),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=60))
def test_any_interleaving_delivers_each_connections_bytes_in_order(moves: list[tuple[object, ...]]) -> None:
    ends = Ends()
    count = 0
    do: dict[object, Callable[..., None]] = {"send": lambda *_: None, "carry": ends.carry, "read": ends.read}

    def send(is_login: bool, number: int, size: int) -> None:
        if number <= count and (is_login or number in ends.known):
            ends.send(is_login, number, bytes([number]) * size)

    do["send"] = send
    for name, *arguments in moves:
        if name == "open":
            count += bool(count < 4 and ends.login.open())
        elif name == "reset":
            number = int(str(arguments[0]))
            if number <= count:
                ends.login.reset(number)
                ends.broken.add(number)
        else:
            do[name](*arguments)
    ends.settle()
    for number in range(1, count + 1):
        for is_login in (True, False):
            key = is_login, number
            if number in ends.broken:
                assert ends.sent[key].startswith(ends.got[key])
            else:
                assert ends.got[key] == ends.sent[key]
        ends.login.end(number)
        ends.node.end(number)
    ends.settle()
    assert (ends.login.size, ends.node.size) == (0, 0)


@given(st.lists(st.integers(0, 200), max_size=8))
def test_any_cut_of_the_stream_says_the_same(cuts: list[int]) -> None:
    login = Pipe(opens=True)
    for data in (b"one", b"two" * 20):
        number = login.open()
        assert number is not None
        login.send(number, data)
        login.end(number)
    whole = b"motd\n" + login.take()
    node = Pipe(opens=False)
    heard: list[Event] = []
    at = 0
    for cut in [*sorted(min(cut, len(whole)) for cut in cuts), len(whole)]:
        heard += node.feed(whole[at:cut])
        at = cut
    assert heard == [Opened(1), Arrived(1, b"one"), Ended(1), Opened(2), Arrived(2, b"two" * 20), Ended(2)]
