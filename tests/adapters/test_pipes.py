"""Pipes of the relay: lines of any size, readers that are slow or gone, a terminal left as it was."""

from __future__ import annotations

import os
import socket

import pytest

from jlab_tui.adapters.pipes import LINE_MAX, LineCutter, Outlet, read_some


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_lines_come_out_whole_however_the_data_is_cut(size: int) -> None:
    data = b"one\n\n  \ntwo\nthree\nunended"
    cutter = LineCutter()
    lines = [line for at in range(0, len(data), size) for line in cutter.feed(data[at : at + size])[0]]
    assert lines == [b"one\n", b"two\n", b"three\n"]


def test_a_line_that_is_too_long_is_dropped_with_its_beginning_told() -> None:
    cutter = LineCutter()
    assert cutter.feed(b"head") == ([], [])
    for _ in range(LINE_MAX // (1 << 20) + 1):
        assert cutter.feed(b"x" * (1 << 20)) == ([], [])
    lines, (head,) = cutter.feed(b"tail\nnext\n")
    assert lines == [b"next\n"] and head.startswith(b"headxxx") and len(head) < 1 << 20


def test_what_a_slow_reader_leaves_waits_and_comes_in_order() -> None:
    source, end = os.pipe()
    outlet = Outlet(end)
    lines = [b"%d" % number * 50_000 + b"\n" for number in range(9)]
    for line in lines:
        outlet.send(line)
    assert outlet.size > 0
    got = b""
    while outlet.size:
        got += os.read(source, 1 << 20)
        outlet.flush()
    outlet.close()
    while data := os.read(source, 1 << 20):
        got += data
    os.close(source)
    assert got == b"".join(lines)


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_reader_that_is_gone_leaves_nothing_waiting(kind: str) -> None:
    if kind == "pipe":
        source, end = os.pipe()
    else:
        source, end = (each.detach() for each in socket.socketpair())
    outlet = Outlet(end)
    outlet.send(b"x" * (1 << 20))
    assert outlet.size > 0
    os.close(source)
    outlet.flush()
    outlet.send(b"more")
    assert outlet.is_closed and outlet.size == 0
    outlet.close()
    outlet.close()


def test_a_writer_that_breaks_off_reads_as_the_end() -> None:
    ours, its = socket.socketpair()
    with ours:
        assert os.get_blocking(ours.fileno())
        ours.setblocking(False)
        assert read_some(ours.fileno()) is None
        ours.send(b"unread")
        its.close()
        assert read_some(ours.fileno()) == b""


def test_a_descriptor_that_others_share_blocks_again_afterwards() -> None:
    source, end = os.pipe()
    outlet = Outlet(os.dup(end))
    assert not os.get_blocking(end)
    outlet.close()
    assert os.get_blocking(end)
    os.close(source)
    os.close(end)
