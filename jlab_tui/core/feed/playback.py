"""Where a recording is that plays, pauses and is sought. Pure: the caller has the clock."""

from __future__ import annotations

from dataclasses import dataclass, replace

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


@dataclass(frozen=True, slots=True)
class Playback:
    """A position in a record. `now` is monotonic time; the other times are epoch seconds of the record."""

    first: float
    last: float
    at: float
    """the position at `since`"""
    since: float
    """monotonic seconds"""
    speed: float = 1.0
    is_paused: bool = False

    def position(self, now: float) -> float:
        gone = 0.0 if self.is_paused else (now - self.since) * self.speed
        return min(self.last, self.at + gone)

    def is_over(self, now: float) -> bool:
        return self.position(now) >= self.last

    def sought(self, to: float, now: float) -> Playback:
        """Go to a time, and play on there unless it is paused or was at its end."""
        at = min(self.last, max(self.first, to))
        return replace(self, at=at, since=now, is_paused=self.is_paused or self.is_over(now))

    def toggled(self, now: float) -> Playback:
        """Pause, or play on; at its end, from the beginning."""
        if self.is_over(now):
            return replace(self, at=self.first, since=now, is_paused=False)
        return replace(self, at=self.position(now), since=now, is_paused=not self.is_paused)

    def with_speed(self, by: int, now: float) -> Playback:
        """Play faster, or slower where `by` is negative, by so many steps."""
        place = min(range(len(SPEEDS)), key=lambda n: abs(SPEEDS[n] - self.speed))
        speed = SPEEDS[min(len(SPEEDS) - 1, max(0, place + by))]
        return replace(self, at=self.position(now), since=now, speed=speed)
