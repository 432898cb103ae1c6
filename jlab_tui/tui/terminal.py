"""What a program owes its terminal: colours in tmux, signals, crashes without locals, clipboard, title."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, MutableMapping
from typing import Any, TypeVar

from rich.color import ColorSystem
from textual._ansi_sequences import SYNC_END, SYNC_START
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App, SuspendNotSupported
from textual.driver import Driver
from textual.screen import Screen
from textual.timer import Timer

from ..core.cli.picture_choice import NAME_QUESTION
from .colors import color_system
from .frames import QUESTION, TerminalLine
from .image_board import ImageBoard, PlacedImage, Rgb
from .terminal_driver import PacedDriver
from .terminal_screen import TerminalScreen, spans_of

log = logging.getLogger(__name__)

T = TypeVar("T")


def prepare(env: MutableMapping[str, str]) -> None:
    """Correct variables that would spoil the screen. Call this before making the app.

    Inside tmux COLORTERM is empty, so Textual would use 256 colours; tmux itself reduces colours if its client needs it.
    After a resize Textual would trust an exported COLUMNS or LINES more than the terminal.
    """
    if env.get("TMUX") and not env.get("COLORTERM") and "NO_COLOR" not in env:
        env["COLORTERM"] = "truecolor"
    env.pop("COLUMNS", None)
    env.pop("LINES", None)


LEAVE_S = 3.0
"""longest time between a signal and the end of the process"""


class TerminalApp(App[int]):
    """An app that restores the terminal however it ends, and writes only what changed, one frame at a time."""

    _leaving: threading.Timer | None = None
    _has_asked = False
    is_leaving = False
    """its widgets are being removed, while timers and messages still come"""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.line = TerminalLine()
        self._colors = color_system(os.environ)
        self._terminal = TerminalScreen(self._colors)
        self._board = ImageBoard(int.from_bytes(os.urandom(3), "big"))
        self._frame_timer: Timer | None = None

    def get_driver_class(self) -> type[Driver]:
        chosen = super().get_driver_class()
        return PacedDriver if issubclass(PacedDriver, chosen) else chosen

    # -- frames

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        """Take over a picture of Textual's, and send what differs when the line is free."""
        is_ours = isinstance(renderable, LayoutUpdate | ChopsUpdate) and isinstance(self._driver, PacedDriver)
        if not is_ours or self._batch_count or not self._running or self._closed:
            super()._display(screen, renderable)
            return
        try:
            self._terminal.resize(self.size.width, self.size.height)
            for x, y, strip in spans_of(renderable):
                self._terminal.put(x, y, strip)
            self._send_frame()
        except Exception as error:  # noqa: BLE001 - as in Textual, a picture that cannot be drawn ends the app
            self._handle_exception(error)
        finally:
            self.post_display_hook()

    def _send_frame(self) -> None:
        driver, now = self._driver, time.monotonic()
        if not isinstance(driver, PacedDriver) or not (self._terminal.is_dirty or self._board.has_work):
            return
        if (line := self.line.looked_at(now)) != self.line:
            self.line = line
            driver.give_up()
        if not self.line.may_send(now):
            self._send_later(now)
            return
        data = self._board.take(self.line.image_bytes)
        changes = self._terminal.changes()
        if not changes and not data:
            return
        frame = data + (f"{SYNC_START}{changes}{SYNC_END}" if self._sync_available and changes else changes)
        asks = self.line.asks(len(frame))
        self.line = self.line.sent(now, len(frame))
        driver.write(frame)
        if asks:
            driver.ask(QUESTION)
        driver.flush()

    def _send_later(self, now: float) -> None:
        """Try again when a slow line has rested, or a terminal has kept silent for too long; news of the frame come by themselves."""
        if self._frame_timer is None and (due := self.line.due_in(now)) > 0:
            self._frame_timer = self.set_timer(due, self._frame_due)

    def _frame_due(self) -> None:
        self._frame_timer = None
        self._send_frame()

    def frame_left(self, at: float) -> None:
        self.line = self.line.left(at, time.monotonic() - at)
        self._send_frame()

    def terminal_answered(self, at: float) -> None:
        self.line = self.line.answered(at, time.monotonic() - at)
        self._send_frame()

    def terminal_entered(self) -> None:
        """Draw everything again: at the start, after a suspension."""
        self.line = TerminalLine()
        self._terminal.forget()
        self._board.send_again(self._terminal.forget)
        if isinstance(self._driver, PacedDriver):
            self._driver.write(self._name_question())
            self._driver.ask(QUESTION)
            self.line = self.line.asked(time.monotonic())
        self._send_frame()

    def _name_question(self) -> str:
        """Ask the terminal once what it is, unless it is one that would print the question."""
        was_asked, self._has_asked = self._has_asked, True
        return "" if was_asked or os.environ.get("TERM") == "linux" else NAME_QUESTION

    def terminal_named(self, name: str) -> None:
        """Note what the terminal is, which it says some time after the start, or never."""

    def action_repaint(self) -> None:
        """Draw the screen again, in case another program wrote into it."""
        self._terminal.forget()
        self._board.send_again(self._terminal.forget)
        self._send_frame()

    # -- images that the terminal keeps

    @property
    def can_show_pixels(self) -> bool:
        """Whether images can be given to the terminal.

        The colour of a character says which image it is a part of, so that it must arrive as it was sent.
        """
        is_ours = isinstance(self._driver, PacedDriver) and not self.no_color
        return is_ours and self._colors is ColorSystem.TRUECOLOR

    async def show_pixels(self, png: str, columns: int, rows: int, ground: Rgb) -> PlacedImage:
        """Give a PNG in base64 to the terminal; return its rows once it is on its way."""
        is_sent = asyncio.Event()
        placed = self._board.add(png, columns, rows, ground, is_sent.set)
        self._send_frame()
        await is_sent.wait()
        return placed

    def has_left(self) -> None:
        """Note that the terminal is restored; now the process may take its time."""
        if self._leaving is not None:
            self._leaving.cancel()

    async def on_event_loop_ready(self) -> None:
        """Let signals detach, and make errors in callbacks of the loop crashes."""
        loop = asyncio.get_running_loop()

        def leave(number: int, frame: object) -> None:
            # A closed or stopped terminal can block the loop, or Textual's last writes, for ever.
            if self._leaving is None:
                self._leaving = threading.Timer(LEAVE_S, os._exit, [128 + number])
                self._leaving.daemon = True
                self._leaving.start()
            loop.call_soon_threadsafe(lambda: self.exit(128 + number, return_code=128 + number))

        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, leave)
        loop.set_exception_handler(self._loop_failed)

    def _loop_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, Exception):
            log.error("the event loop reports an error", exc_info=error)
            self._handle_exception(error)

    async def _shutdown(self) -> None:
        self.is_leaving = True
        if isinstance(self._driver, PacedDriver) and (end := self._board.cleared()):
            self._driver.write(end)
            self._driver.ask(QUESTION)
        await super()._shutdown()

    def _fatal_error(self) -> None:
        """Textual's own report prints the values of local variables; a token could be among them."""
        from rich.segment import Segments  # a tenth of the start-up time, only for a crash
        from rich.traceback import Traceback

        self.bell()
        log.critical("the dashboard crashed", exc_info=True)
        traceback = Traceback(show_locals=False, suppress=["textual", "rich"], max_frames=12)
        self._exit_renderables.append(Segments(self.console.render(traceback, self.console.options)))
        self._close_messages_no_wait()

    def lend(self, use: Callable[[], T]) -> T:
        """Let another program have the terminal. Raises what `use` raises."""
        results: list[T] = []
        failure: Exception | None = None
        with contextlib.suppress(SuspendNotSupported), self.suspend():
            try:
                results.append(use())
            except Exception as error:  # noqa: BLE001 - raised again: through `suspend` it would leave the screen dead
                failure = error
        if failure is not None:
            raise failure
        return results[0] if results else use()

    def copy_to_clipboard(self, text: str) -> None:
        """Copy by OSC 52 and to tmux's buffer: by default tmux ignores an application's OSC 52."""
        super().copy_to_clipboard(text)
        if os.environ.get("TMUX") and shutil.which("tmux"):
            self.run_worker(lambda: _to_tmux(text), thread=True, group="clipboard", exit_on_error=False)

    def set_pane_title(self, text: str) -> None:
        """Set the title of tmux's pane."""
        if self._driver is not None and not self.is_headless:
            self._driver.write(f"\x1b]2;{text}\x1b\\")


def _to_tmux(text: str) -> None:
    try:
        subprocess.run(
            ["tmux", "load-buffer", "-w", "-"],
            input=text.encode("utf-8", "replace"),
            timeout=2,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("tmux did not take the text: %s", error)
