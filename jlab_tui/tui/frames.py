"""When the next frame may leave: at most one is under way, so that a slow line shows the present, not the past."""

from __future__ import annotations

from dataclasses import dataclass, replace

ASKED_BYTES = 1024
"""after so many bytes the terminal is asked whether it has drawn them: a socket may hold megabytes"""
SILENCE_S = 5.0
"""a terminal that has not answered for so long is not asked again"""
SLOW_BYTES_S, FAST_BYTES_S = 50_000, 150_000
"""below the first a line is slow, above the second it is not any more"""
SLOW_FRAMES = 3
"""a line is slow after so many frames in a row that say so: one may have waited for a busy machine"""
REST_S = 0.25
"""longest rest of a slow line after a frame; a key finds it free then"""
IMAGE_BYTES, MOST_IMAGE_BYTES, IMAGE_S = 4096, 1 << 18, 0.1
"""data of images that may leave with a frame: the first on a line that is slow or not known, else what it carries in so long"""
LONGEST_IMAGE_S = 5.0
"""an image that keeps a slow line busy for longer is not sent"""
_MEASURED_BYTES = 1024
"""frames that are large enough to tell the speed of a line"""
_BUSY_PART = 0.1
"""smallest part of the time of a frame in which the line was busy with it"""
_LATE_PART = 0.25
"""an app that takes note of a frame later than this, in parts of the time that the frame took, was busy itself: that tells nothing of the line"""

QUESTION = "\x1b[6n"
"""Where is the cursor? Every terminal answers, after it has drawn what came before."""


@dataclass(frozen=True, slots=True)
class TerminalLine:
    """The line to the terminal, as the frames find it."""

    bytes_s: float = 0.0
    """0: not known"""
    is_slow: bool = False
    slow_frames: int = 0
    """measured frames since the last that was not slow"""
    answers: bool = False
    """the terminal answers questions"""
    asked_at: float = 0.0
    """when it was asked without a frame; 0: it was not, or has answered"""
    latency_s: float = 0.0
    """from a question to its answer, without a frame: no part of the speed"""
    sent_at: float = 0.0
    sent_bytes: int = 0
    is_away: bool = False
    """a frame has not left yet"""
    waits_for_answer: bool = False
    unasked: int = 0
    """bytes since the last question"""
    free_at: float = 0.0

    def may_send(self, now: float) -> bool:
        """Whether the next frame may leave now."""
        return not self.is_away and not self.waits_for_answer and now >= self.free_at

    def due_in(self, now: float) -> float:
        """Return the seconds until `may_send` can change without news of the line; 0 if it cannot."""
        if self.waits_for_answer:
            return max(0.01, self.sent_at + SILENCE_S - now)
        return max(0.0, self.free_at - now)

    @property
    def image_bytes(self) -> int:
        """Data of images that may leave with a frame."""
        if self.is_slow:
            return IMAGE_BYTES
        return max(IMAGE_BYTES, min(MOST_IMAGE_BYTES, int(self.bytes_s * IMAGE_S)))

    def carries(self, size: int) -> bool:
        """Whether an image of `size` bytes comes while a person still waits for it."""
        return not self.is_slow or size <= self.bytes_s * LONGEST_IMAGE_S

    def asked(self, now: float) -> TerminalLine:
        """The terminal was asked before it got a frame."""
        return replace(self, asked_at=now)

    def asks(self, size: int) -> bool:
        """Whether a frame of `size` bytes ends with a question."""
        return self.answers and self.unasked + size >= ASKED_BYTES

    def sent(self, now: float, size: int) -> TerminalLine:
        """A frame of `size` bytes was handed to the terminal's file."""
        asks = self.asks(size)
        return replace(
            self,
            sent_at=now,
            sent_bytes=size,
            is_away=True,
            waits_for_answer=asks,
            unasked=0 if asks else self.unasked + size,
        )

    def left(self, now: float, late_s: float = 0.0) -> TerminalLine:
        """The terminal's file has taken the frame. `late_s`: for so long the app was too busy to be told."""
        if not self.is_away:
            return self
        line = replace(self, is_away=False)
        may_answer = (
            self.asked_at and now - self.asked_at < SILENCE_S
        )  # then a buffer may have taken it, not the line
        return line if line.waits_for_answer or may_answer else line._drawn(now, late_s)

    def answered(self, now: float, late_s: float = 0.0) -> TerminalLine:
        """The terminal has drawn the frame, or says for the first time that it answers. `late_s`: as for `left`."""
        line = replace(self, answers=True)
        if self.asked_at:
            line = replace(line, asked_at=0.0, latency_s=max(0.0, now - self.asked_at))
        elif self.waits_for_answer:
            line = replace(line, latency_s=min(self.latency_s, now - self.sent_at))
        return replace(line, waits_for_answer=False)._drawn(now, late_s) if line.waits_for_answer else line

    def looked_at(self, now: float) -> TerminalLine:
        """Give up a question that gets no answer."""
        if self.waits_for_answer and not self.is_away and now - self.sent_at >= SILENCE_S:
            return replace(self, waits_for_answer=False, answers=False)
        return self

    def _drawn(self, now: float, late_s: float) -> TerminalLine:
        if self.is_away:
            return self
        took = max(1e-4, now - self.sent_at)
        if self.sent_bytes < _MEASURED_BYTES:
            return self
        rate = self.sent_bytes / max(took - self.latency_s, took * _BUSY_PART)
        if rate < FAST_BYTES_S and late_s > took * _LATE_PART:  # the threads at the line had to wait as well
            return self
        known = self.bytes_s * (rate / self.bytes_s) ** 0.3 if self.bytes_s else rate
        agreeing = self.slow_frames + 1 if rate < SLOW_BYTES_S else 0
        is_slow = known < FAST_BYTES_S if self.is_slow else known < SLOW_BYTES_S and agreeing >= SLOW_FRAMES
        rest = min(REST_S, took / 2) if is_slow else 0.0
        return replace(self, bytes_s=known, is_slow=is_slow, slow_frames=agreeing, free_at=now + rest)
