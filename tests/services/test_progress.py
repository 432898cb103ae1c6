"""Whatever takes long says that it lives."""

from __future__ import annotations

import asyncio

import pytest

from jlab_tui.services.progress import patiently


async def test_a_wait_is_reported_repeatedly_until_the_work_is_done() -> None:
    told: list[float] = []
    done = asyncio.Event()

    def tell(waited_s: float) -> None:
        told.append(waited_s)
        if len(told) == 3:
            done.set()

    async def work() -> str:
        await done.wait()
        return "result"

    assert await patiently(work(), tell, first_s=0.001, most_s=0.002) == "result"
    assert len(told) >= 3 and told == sorted(told)


async def test_quick_work_says_nothing_and_its_error_comes_through() -> None:
    told: list[float] = []

    async def work() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await patiently(work(), told.append)
    assert told == []


async def test_who_stops_waiting_lets_the_work_come_to_its_end() -> None:
    begun, cleaned = asyncio.Event(), []

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    task = asyncio.create_task(patiently(work(), lambda _: None))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == [True]
