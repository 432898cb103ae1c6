"""A stream on its way to a real disk and back, without a kernel."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jlab_tui.jupyter_extension.segments import read_spool
from jlab_tui.jupyter_extension.spool import SpoolThread
from jlab_tui.jupyter_extension.stream import Stream
from jlab_tui.jupyter_extension.stream_spooler import StreamLimits, StreamSpooler

LIMITS = StreamLimits(cache=1000, pause=2000, memory=5000)


async def until(found: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not found():
            await asyncio.sleep(0.01)


class Disk:
    def __init__(self, root: Path) -> None:
        self.folder = root / "k"
        self.rooms = 0
        self.stream = Stream(LIMITS.cache, LIMITS.memory)
        self.thread = SpoolThread(str(root), 1 << 30, asyncio.get_running_loop().call_soon_threadsafe)
        self.readers = ThreadPoolExecutor(1)
        self.spooler = StreamSpooler("k", self.stream, LIMITS, self.thread, self.readers, self.on_room)

    def on_room(self) -> None:
        self.rooms += 1

    def append(self, count: int) -> None:
        for _ in range(count):
            self.stream.append(bytes(100))
        self.spooler.grown()


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Disk]:
    made = Disk(tmp_path)
    yield made
    made.thread.stop(30)
    made.readers.shutdown()


async def test_what_the_disk_has_leaves_memory_makes_room_and_is_read_back(disk: Disk) -> None:
    disk.append(30)
    assert (disk.spooler.has_room, disk.spooler.recorded_bytes) == (False, 3000)
    disk.thread.start()
    await until(lambda: disk.stream.unspooled_bytes == 0)
    await disk.spooler.settled()
    assert (disk.spooler.has_room, disk.rooms) == (True, 1)
    assert disk.stream.get(1) is None and disk.stream.get(30) is not None
    assert [seq for seq, _ in await disk.spooler.read_back(4, 1 << 20)] == list(range(5, 31))
    disk.append(1)
    await until(lambda: disk.stream.unspooled_bytes == 0)
    assert disk.spooler.recorded_bytes > 3100, "records have heads on disk"


async def test_an_acknowledged_recording_is_removed_when_it_is_closed_and_another_one_is_kept(
    disk: Disk, tmp_path: Path
) -> None:
    disk.thread.start()
    disk.append(3)
    await until(lambda: disk.stream.unspooled_bytes == 0)
    disk.append(2)
    disk.spooler.close()
    disk.thread.stop(30)
    assert [seq for seq, _ in read_spool(str(disk.folder))] == [1, 2, 3, 4, 5]
    again = Disk(tmp_path / "other")
    again.thread.start()
    again.append(3)
    again.spooler.ack(3)
    again.spooler.close()
    again.thread.stop(30)
    again.readers.shutdown()
    assert again.rooms == 1 and not again.folder.exists()


async def test_a_batch_that_the_disk_refuses_waits_and_is_written_later(disk: Disk) -> None:
    disk.folder.write_text("in the way", encoding="utf-8")
    disk.thread.start()
    disk.append(30)
    await until(lambda: disk.thread._failing)
    await disk.spooler.settled()
    assert disk.stream.unspooled and disk.stream.unspooled_bytes == 3000
    os.unlink(disk.folder)
    await until(lambda: disk.stream.unspooled_bytes == 0)
    assert [seq for seq, _ in read_spool(str(disk.folder))] == list(range(1, 31))
