"""Textual's driver, when its writes have left and the terminal has answered, and what it reads."""

from __future__ import annotations

import os
import selectors
import threading
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, Any, Protocol

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.events import CursorPosition
from textual.message import Message

from .answer_filter import AnswerFilter
from .paste_filter import PasteFilter

_READ_BYTES, _READ_S = 4096, 0.1
_QUIET_ROUNDS = 5
"""reads without news after which nothing is left of a key that comes in parts: only news wake the thread then"""
GOODBYE_S, FIRST_GOODBYE_S = 1.0, 0.2
"""longest wait for an answer under way, which the shell would get otherwise; from a terminal that has never answered"""


class FrameSender(Protocol):
    """Told in the thread of the event loop, some time after it happened."""

    def frame_left(self, at: float) -> None:
        """All writes had left at that time (monotonic seconds)."""

    def terminal_answered(self, at: float) -> None:
        """The terminal had drawn what was written before a question."""

    def terminal_entered(self) -> None:
        """The screen is ours, and empty."""

    def terminal_named(self, name: str) -> None:
        """The terminal has said what it is."""


class ToldFile:
    """A terminal's file that tells when everything has left. Textual's writer flushes it when its queue is empty."""

    def __init__(self, file: IO[str], tell: Callable[[], None]) -> None:
        self._file = file
        self._tell = tell

    def write(self, text: str) -> None:
        self._file.write(text)

    def flush(self) -> None:
        self._file.flush()
        self._tell()

    def fileno(self) -> int:
        return self._file.fileno()


class ReadableEvent(threading.Event):
    """An event for which a selector can wait, too."""

    _signal = -1

    @contextmanager
    def readable(self) -> Iterator[int]:
        """A descriptor that can be read once the event is set."""
        read, self._signal = os.pipe()
        try:
            yield read
        finally:
            signal, self._signal = self._signal, -1
            os.close(signal)
            os.close(read)

    def set(self) -> None:
        if self._signal >= 0:  # before it is set, because the reader closes the descriptor after that
            os.write(self._signal, b"\0")
        super().set()


class PacedDriver(LinuxDriver):
    """Tells its app, a `FrameSender`, about each frame."""

    exit_event: ReadableEvent

    def __init__(self, app: Any, **how: Any) -> None:
        super().__init__(app, **how)
        self._sender: FrameSender = app
        self._file: Any = ToldFile(
            self._file, lambda: self._tell(partial(self._sender.frame_left, time.monotonic()))
        )
        self.exit_event = ReadableEvent()
        self._open_questions = 0
        self._has_answers = threading.Event()
        self._has_answers.set()
        self._has_answered = False

    def _tell(self, news: Callable[[], None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(news)

    def write(self, data: str) -> None:
        """Write, unless the terminal is gone: nobody would empty the queue of a writer that has ended."""
        if self._writer_thread is not None and self._writer_thread.is_alive():
            super().write(data)

    def ask(self, question: str) -> None:
        """Write a question; the answer comes to `terminal_answered`."""
        self._has_answers.clear()
        self._open_questions += 1
        self.write(question)

    def give_up(self) -> None:
        """Expect no answer any more."""
        self._open_questions = 0
        self._has_answers.set()

    def start_application_mode(self) -> None:
        super().start_application_mode()  # type: ignore[no-untyped-call]
        self._tell(self._sender.terminal_entered)

    def _sigcont_application(self, *_: object) -> None:
        """Begin anew after a suspension only.

        A terminal that is hung up sends SIGCONT, too, and Textual would start a second pair of threads for it, of which
        the first may never end.
        """
        if self._must_signal_resume:
            super()._sigcont_application()
        elif self._auto_restart:  # else another program has the terminal
            self._tell(self._sender.terminal_entered)

    def disable_input(self) -> None:
        if not self.exit_event.is_set():
            self._has_answers.wait(GOODBYE_S if self._has_answered else FIRST_GOODBYE_S)
        super().disable_input()

    def run_input_thread(self) -> None:
        """Read keys, pastes and answers until the end, and then what has already come: the shell would get it otherwise."""
        parser, pastes, answers = XTermParser(self._debug), PasteFilter(), AnswerFilter()
        decode = getincrementaldecoder("utf-8")("replace").decode
        with selectors.SelectSelector() as selector, self.exit_event.readable() as end:
            selector.register(self.fileno, selectors.EVENT_READ)
            selector.register(end, selectors.EVENT_READ)
            is_last = is_named = False
            quiet = 0
            while not is_last:
                if is_last := self.exit_event.is_set():
                    selector.unregister(end)
                news = selector.select(_READ_S if is_last or quiet < _QUIET_ROUNDS else None)
                is_ready = any(key.fd == self.fileno for key, _ in news)
                quiet = 0 if is_ready else quiet + 1
                come = os.read(self.fileno, _READ_BYTES) if is_ready else b""
                if is_ready and not come:  # nobody is at the other end any more
                    self.exit_event.wait(_READ_S)
                text = pastes.cleaned(answers.cleaned(decode(come)))
                if answers.name and not is_named:
                    is_named = True
                    self._tell(partial(self._sender.terminal_named, answers.name))
                for event in (*(parser.feed(text) if text else ()), *parser.tick()):
                    self.process_message(event)

    def process_message(self, message: Message) -> None:
        if not isinstance(message, CursorPosition):
            super().process_message(message)
            return
        self._has_answered = True
        self._open_questions = max(0, self._open_questions - 1)
        if not self._open_questions:
            self._has_answers.set()
        self._tell(partial(self._sender.terminal_answered, time.monotonic()))
