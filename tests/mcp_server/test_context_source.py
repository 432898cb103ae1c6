"""The application is made at the first call that needs it: once, after its modules, and again when that failed."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import cast

import pytest

from jlab_tui.core.errors import SettingError
from jlab_tui.mcp_server.context import App
from jlab_tui.mcp_server.context_source import AppSource
from jlab_tui.mcp_server.stdio import CancelReasons
from tests.project import until


@dataclass
class Maker:
    """Notes what happens to an application."""

    done: list[str] = field(default_factory=list)
    fails: int = 0
    may_load: threading.Event = field(default_factory=threading.Event)

    def source(self) -> AppSource:
        return AppSource(self.make, self.preload, CancelReasons())

    def preload(self) -> None:
        assert threading.current_thread() is not threading.main_thread()
        self.may_load.wait(30)
        self.done.append("loaded")

    async def make(self) -> App:
        if self.fails:
            self.fails -= 1
            raise SettingError("JLAB_MCP_WAIT_S", "x", "a number")
        self.done.append("made")
        await asyncio.sleep(0)
        sessions = SimpleNamespace(reclaim_soon=lambda: self.done.append("reclaims"))
        clear_up = partial(self.done.append, "clears up")
        return cast(App, SimpleNamespace(sessions=sessions, clear_up=clear_up, close=self.close))

    async def close(self) -> None:
        self.done.append("closed")


async def test_two_first_calls_at_once_make_one_application() -> None:
    maker = Maker()
    source = maker.source()
    calls = [asyncio.create_task(source.get()) for _ in range(2)]
    await asyncio.sleep(0)
    maker.may_load.set()
    first, second = await asyncio.gather(*calls)
    assert first is second
    assert maker.done == ["loaded", "made", "clears up", "reclaims", "reclaims"]


async def test_a_first_call_that_failed_is_followed_by_one_that_works() -> None:
    maker = Maker(fails=1)
    maker.may_load.set()
    source = maker.source()
    with pytest.raises(SettingError):
        await source.get()
    assert await source.get()


async def test_modules_are_loaded_once_after_the_first_reply_and_nothing_is_made() -> None:
    maker = Maker()
    maker.may_load.set()
    source = maker.source()
    source.warm_up()
    source.warm_up()
    await until(lambda: maker.done)
    assert maker.done == ["loaded"]


async def test_what_was_never_made_is_not_closed() -> None:
    maker = Maker()
    maker.may_load.set()
    source = maker.source()
    await source.close()
    assert maker.done == []
    await source.get()
    await source.close()
    assert maker.done[-1] == "closed"
