"""Keys that play, pause and seek a recording."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from .recording import Recording

STEPS = 50
"""presses of an arrow from one end to the other"""


class ReplayKeys:
    """Does nothing where nothing is replayed."""

    ACTIONS: ClassVar[frozenset[str]] = frozenset({"play", "seek", "speed"})

    def __init__(self, recording: Recording | None, show: Callable[[], None]) -> None:
        """`show` shows the recording's time and whether it plays."""
        self._recording = recording
        self._show = show

    @property
    def has_recording(self) -> bool:
        return self._recording is not None

    def play(self) -> None:
        if self._recording is not None:
            self._recording.toggle()
            self._show()

    def change_speed(self, by: int) -> None:
        if self._recording is not None:
            self._recording.change_speed(by)
            self._show()

    def seek(self, by: int) -> None:
        """Go so many steps on, or back where `by` is negative."""
        if (recording := self._recording) is not None:
            playback = recording.playback
            step = max(1.0, (playback.last - playback.first) / STEPS)
            self.seek_to(recording.clock() + by * step)

    def seek_to(self, at: float) -> None:
        """Go to a time (epoch seconds)."""
        if self._recording is not None:
            self._recording.seek(at)
            self._show()

    def seek_on_to(self, at: float) -> bool:
        """Go on to a time that has not been played. Returns whether it had not."""
        if self._recording is None or at <= self._recording.clock():
            return False
        self._recording.seek(at)
        return True
