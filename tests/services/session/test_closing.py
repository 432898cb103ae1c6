"""What goes wrong while a session is closed is in the log, and nothing of it runs on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from jlab_tui.adapters.journal.journal_reader import read_entries
from jlab_tui.core.journal.events import SessionClosed
from jlab_tui.services.progress import cancelled
from tests.jupyters import Place
from tests.kernels import Transcript
from tests.services.session.test_replay import Process, RecordedStream


class BrokenStream(RecordedStream):
    async def close(self) -> None:
        raise RuntimeError("the link is broken")


async def test_a_failure_while_closing_is_logged_with_its_traceback_and_the_rest_is_closed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    process = Process(tmp_path, Transcript({}, ()), BrokenStream(()))
    await process.begin()
    await process.session.close("shut down")
    (failure,) = [record for record in caplog.records if "closing session abcd1234" in record.getMessage()]
    assert failure.exc_info is not None and "the link is broken" in str(failure.exc_info[1])
    path = process.session.journal.path
    assert isinstance([entry.event for _, entry in read_entries(path)][-1], SessionClosed)


async def test_a_failure_at_the_exit_of_the_process_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = Place(tmp_path)
    process = place.process()
    await process.open_new("n")

    async def fails(client: str) -> None:
        raise RuntimeError("no release")

    place.server.release = fails  # type: ignore[method-assign]
    await process.release()
    (failure,) = [record for record in caplog.records if record.exc_info is not None]
    assert failure.exc_info is not None and "no release" in str(failure.exc_info[1])


async def test_work_of_a_session_has_ended_when_the_session_is_closed(tmp_path: Path) -> None:
    process = Process(tmp_path, Transcript({}, ()), RecordedStream(()))
    await process.begin()
    begun, is_clean = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            is_clean.set()

    process.session._driver.background(work())
    await begun.wait()
    await process.session.close()
    assert is_clean.is_set()


async def raises(let_go: asyncio.Event) -> None:
    try:
        await let_go.wait()
    finally:
        raise RuntimeError("in its clean-up")


async def holds_out(let_go: asyncio.Event) -> None:
    while not let_go.is_set():
        with contextlib.suppress(asyncio.CancelledError):
            await let_go.wait()


@pytest.mark.parametrize(("work", "said"), [(raises, "letting go failed"), (holds_out, "1 tasks do not end")])
async def test_closing_waits_for_cancelled_work_but_not_for_ever(
    work: Callable[[asyncio.Event], Coroutine[Any, Any, None]], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    let_go = asyncio.Event()
    task = asyncio.create_task(work(let_go))
    await asyncio.sleep(0)
    await cancelled("letting go", [task], timeout=0.05)
    assert said in caplog.text
    let_go.set()
    await asyncio.wait([task])
