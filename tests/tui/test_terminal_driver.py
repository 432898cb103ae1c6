"""What wakes the thread that reads the terminal."""

from __future__ import annotations

import os
import select

import pytest

from jlab_tui.tui.terminal_driver import ReadableEvent


def test_an_event_can_be_waited_for_beside_a_terminal_and_leaves_no_descriptor() -> None:
    event = ReadableEvent()
    with event.readable() as descriptor:
        assert select.select([descriptor], [], [], 0)[0] == []
        event.set()
        assert select.select([descriptor], [], [], 0)[0] == [descriptor] and event.is_set()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    event.set()  # nobody waits for it any more
