"""A run that prints nothing for long is looked at once, by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

from jlab_tui.core.journal.events import RunFinished, RunStatus
from jlab_tui.core.kernel.stuck import KernelLook
from jlab_tui.core.kernel.waits import ProcessFacts, ThreadFacts
from jlab_tui.services.journal.writer import SessionJournal
from jlab_tui.services.kernel.inspection import Inspection
from jlab_tui.services.session.run_handle import RunHandle, ticks
from jlab_tui.services.session.silence import SilenceWatch


class Notes:
    def __init__(self) -> None:
        self.said: list[tuple[str, str, str]] = []

    def notice(self, text: str, level: str = "info", stuck_on: str = "") -> None:
        self.said.append((text, level, stuck_on))


def a_run() -> RunHandle:
    return RunHandle("s-1", "s", "execute_code", "c", "1", "m", 0.0, Path("j"), 0)


class Watched:
    """One run, watched with little patience."""

    def __init__(self, quiet_s: float = 0.02) -> None:
        self.run = a_run()
        self.notes = Notes()
        self.looks = 0
        self.found = KernelLook(process=ProcessFacts(1, (ThreadFacts("S", "futex"),)))
        self.at_look: Callable[[], None] = lambda: None
        self.watch = SilenceWatch(cast(SessionJournal, self.notes), self.look, quiet_s)

    async def look(self) -> Inspection:
        self.looks += 1
        self.at_look()
        return Inspection(self.found, "")


async def test_a_silent_run_is_looked_at_once_and_its_record_and_reply_say_what_it_does() -> None:
    one = Watched()
    await one.watch.watch(one.run)
    assert one.looks == 1
    assert one.run.silence.startswith("Run s-1 has printed nothing for 0 s. It waits for a lock.")
    ((note, level, stuck_on),) = one.notes.said
    assert note.endswith("S shows its stacks.") and (level, stuck_on) == ("warning", "a lock")


async def test_a_look_that_finds_nothing_says_nothing() -> None:
    one = Watched()
    one.found = KernelLook()
    await one.watch.watch(one.run)
    assert one.looks == 1 and not one.notes.said and not one.run.silence


async def test_a_run_that_has_ended_is_not_looked_at() -> None:
    one = Watched(quiet_s=3600)
    watching = asyncio.create_task(one.watch.watch(one.run))
    await asyncio.sleep(0)
    one.run.finish(RunFinished("s-1", RunStatus.OK, 1.0))
    await watching
    assert one.looks == 0 and not one.notes.said


async def test_a_run_that_prints_during_the_look_is_not_called_silent() -> None:
    one = Watched()

    def prints() -> None:
        one.run.heard = ticks() + 1

    one.at_look = prints
    await one.watch.watch(one.run)
    assert one.looks == 1 and not one.notes.said and not one.run.silence
