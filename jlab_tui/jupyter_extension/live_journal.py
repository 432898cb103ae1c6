"""Reads a session's journals for the page: its last cells, what was appended, one line by its place."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
from typing import BinaryIO, Optional, Tuple

from .live_cells import LiveFeed
from .live_files import LINE_MAX, opened, places_of
from .live_items import LiveCell
from .live_outputs import Place

_RUN = re.compile(rb'^\{"v":\d+,"t":[-+.0-9e]+,"k":"run"', re.MULTILINE)
"""begins a line; an output in JSON may have anything else"""
_BEGIN_MAX = 64
_FIRST = 256 << 10
_MOST = 4 << 20
"""bytes that are read for the last cells, if at least one begins there"""
_FAR = 128 << 20
"""bytes in which the beginning of a cell is looked for"""
_AT_ONCE = 4 << 20


def line_at(directory: str, session: str, place: Place) -> Optional[bytes]:
    """Return the line that begins at a place; None if none does."""
    epoch, offset = place
    path = dict(places_of(directory, session)).get(epoch)
    if path is None:
        return None
    try:
        with opened(path) as file:
            file.seek(max(0, offset - 1))
            if offset and file.read(1) != b"\n":
                return None
            line = file.readline(LINE_MAX)
    except OSError:
        return None
    return line if line.endswith(b"\n") else None


def time_at(directory: str, session: str, place: Place) -> float:
    """Return when the line at a place was written (epoch seconds); infinity if none is there."""
    try:
        return float(json.loads(line_at(directory, session, place) or b"")["t"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return math.inf


class LiveJournal:
    """The record of one session, read from its end."""

    def __init__(self, directory: str, session: str) -> None:
        self.directory = directory
        self.session = session
        self._epoch = 0
        self._path = ""
        self._rest = b""
        """of a line whose end was not there yet"""

    def last_cells(self, keep: int, before: Optional[Place] = None) -> LiveFeed:
        """Return the last cells of the record, or those that end before a place; `appended` goes on from the former."""
        places = [one for one in places_of(self.directory, self.session) if before is None or one[0] <= before[0]]
        feed = LiveFeed(keep)
        while places:
            (epoch, path), self._rest = places.pop(), b""
            self._epoch, self._path = epoch, path
            end = before[1] if before is not None and epoch == before[0] else None
            feed = _feed_of(path, epoch, end, keep)
            if feed.items and not (before is None and places and _began_with_another(feed)):
                break
        while before is None and (self.appended(feed) or self.moved_on(feed)):
            pass  # the later owners, which have run nothing yet or went on with a run
        return feed

    def appended(self, feed: LiveFeed) -> bool:
        """Take in what was appended since. Returns whether anything was."""
        data = b""
        with contextlib.suppress(OSError), opened(self._path) as file:
            file.seek(feed.place[1] + len(self._rest))
            data = file.read(_AT_ONCE)
        if not data:
            return False
        whole, newline, self._rest = (self._rest + data).rpartition(b"\n")
        _fold(feed, whole + newline, self._epoch, feed.place[1])
        return bool(newline)

    def moved_on(self, feed: LiveFeed) -> bool:
        """Go on in the file of a later owner, or where the file has gone. Returns whether there is one."""
        places = places_of(self.directory, self.session)
        later = [one for one in places if one[0] > self._epoch]
        if not later:
            self._path = dict(places).get(self._epoch, self._path)
            return False
        self._epoch, self._path = later[0]
        self._rest = b""
        feed.place = (self._epoch, 0)
        return True


def _began_with_another(feed: LiveFeed) -> bool:
    """Tell whether all of a file is read, and a run goes on in it that an earlier owner began."""
    return feed.since[1] == 0 and any(isinstance(one, LiveCell) and one.run and not one.tool for one in feed.items)


def _feed_of(path: str, epoch: int, end: Optional[int], keep: int) -> LiveFeed:
    feed = LiveFeed(keep)
    feed.place = feed.since = (epoch, 0)
    with contextlib.suppress(OSError), opened(path) as file:
        size = file.seek(0, os.SEEK_END)
        start, data = _window(file, size if end is None else min(end, size), keep)
        if start:
            file.seek(0)
            feed.apply(file.readline(LINE_MAX), epoch, 0)  # who opened it
            feed.items.clear()
            begun = _begun_before(file, start, run_of(data[: data.find(b"\n") + 1]))
            if begun is not None:
                feed.apply(begun[1], epoch, begun[0])
        feed.place = feed.since = (epoch, start)
        _fold(feed, data, epoch, start)
    return feed


def _window(file: BinaryIO, end: int, keep: int) -> Tuple[int, bytes]:
    """Return where the last whole lines before `end` begin, and these: enough for `keep` runs, or megabytes."""
    size = _FIRST
    while True:
        start = max(0, end - size)
        file.seek(start)
        data = file.read(end - start)
        cut = data.find(b"\n") + 1 if start else 0
        runs = [found.start() for found in _RUN.finditer(data, cut)]
        if start == 0 or len(runs) >= keep or size >= _MOST:
            break
        size *= 4
    cut = runs[-keep] if len(runs) >= keep else cut
    return start + cut, data[cut : data.rfind(b"\n") + 1]


def run_of(line: bytes) -> str:
    """Return the run that a line goes on with; empty if it begins one, or tells of none."""
    try:
        event = json.loads(line)
        return "" if event["k"] in ("run", "held", "edit") else str(event.get("run", ""))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return ""


def _begun_before(file: BinaryIO, start: int, run: str) -> Optional[Tuple[int, bytes]]:
    """Return place and line of the beginning of a run, if that is the last one that began before a place."""
    end = start if run else 0
    while end > max(0, start - _FAR):
        low = max(0, end - _AT_ONCE)
        file.seek(low)
        data = file.read(end - low)
        found = [one.start() for one in _RUN.finditer(data) if one.start() or not low]
        if found:
            begin = low + found[-1]
            file.seek(begin)
            line = file.readline(LINE_MAX)
            return (begin, line) if (b'"run":%s,' % json.dumps(run).encode()) in line else None
        end = low + _BEGIN_MAX if low else 0
    return None


def _fold(feed: LiveFeed, data: bytes, epoch: int, start: int) -> None:
    for line in data.split(b"\n")[:-1]:
        feed.apply(line + b"\n", epoch, start)
        start += len(line) + 1
