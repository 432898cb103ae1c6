"""The images that the terminal keeps for us: what it was given, is still to get, and is to forget."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from ..core.display.kitty_placeholders import (
    IDS,
    deletion,
    placeholder,
    transmission,
)

Rgb = tuple[int, int, int]


class PlacedImage(list[Strip]):
    """The rows of an image on the board, which is on it as long as anybody has them."""


@dataclass(slots=True)
class _Job:
    image: int
    pieces: deque[str]
    done: Callable[[], None]
    is_begun: bool = False


@dataclass(frozen=True, slots=True)
class _Kept:
    pieces: tuple[str, ...] = field(repr=False)


class ImageBoard:
    """Sends in pieces, so that what the line has to carry at once is small."""

    def __init__(self, first: int) -> None:
        """`first`: any number; programs that share a terminal should have different ones."""
        self._next = first
        self._kept: dict[int, _Kept] = {}
        self._jobs: deque[_Job] = deque()
        self._gone: deque[int] = deque()
        """images nobody has any more; noted by whatever thread let go of them"""

    @property
    def images(self) -> tuple[int, ...]:
        """The numbers of what is on the board."""
        return tuple(self._kept)

    @property
    def has_work(self) -> bool:
        return bool(self._jobs or self._gone)

    def add(self, png: str, columns: int, rows: int, ground: Rgb, done: Callable[[], None]) -> PlacedImage:
        """Take a PNG in base64; `done` is told when its last piece is taken. `ground` is seen beside it, and through it."""
        number = self._next % (IDS - 1) + 1
        self._next = number
        self._kept[number] = _Kept(tuple(transmission(number, png, columns, rows)))
        self._send(number, done)
        style = Style(
            color=Color.from_rgb(number >> 16, number >> 8 & 255, number & 255),
            bgcolor=Color.from_rgb(*ground),
        )
        placed = PlacedImage(
            Strip([Segment(placeholder(row, column), style) for column in range(columns)], columns)
            for row in range(rows)
        )
        weakref.finalize(placed, self._gone.append, number).atexit = False
        return placed

    def send_again(self, done: Callable[[], None]) -> None:
        """Send all, the newest first, to a terminal that may be another one; tell `done` when the last piece is taken."""
        self._forget_gone()
        waiting = {job.image for job in self._jobs if not job.is_begun}
        again = [image for image in reversed(self._kept) if image not in waiting]
        for place, image in enumerate(again, 1):
            self._send(image, done if place == len(again) else _nothing)

    def take(self, most: int) -> str:
        """Return the next sequences: of `most` characters, or one if that has more."""
        self._forget_gone()
        taken = ""
        while self._jobs:
            job = self._jobs[0]
            piece = job.pieces[0]
            if taken and len(taken) + len(piece) > most:
                break
            taken += piece
            job.pieces.popleft()
            job.is_begun = True
            if not job.pieces:
                self._jobs.popleft()
                job.done()
        return taken

    def cleared(self) -> str:
        """Return what makes the terminal forget all."""
        self._jobs.clear()
        gone = {*self._kept, *self._gone}
        self._kept.clear()
        self._gone.clear()
        return "".join(deletion(image) for image in sorted(gone))

    def _send(self, image: int, done: Callable[[], None]) -> None:
        self._jobs.append(_Job(image, deque(self._kept[image].pieces), done))

    def _forget_gone(self) -> None:
        """Delete what nobody has any more, after the pieces that are under way."""
        while self._gone:
            image = self._gone.popleft()
            if self._kept.pop(image, None) is None:
                continue
            self._jobs = deque(job for job in self._jobs if job.is_begun or job.image != image)
            self._jobs.append(_Job(image, deque([deletion(image)]), _nothing))


def _nothing() -> None: ...
