"""A model reads once in a reply that its kernel holds an idle GPU; short replies ask nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from jlab_tui.core.errors import ServerUnreachable
from jlab_tui.core.server.record import ServerRecord, ServerState
from jlab_tui.core.server.resources import GpuHours, GpuSample, KernelUse, Sample
from jlab_tui.core.settings import Mode
from jlab_tui.services.server.gpu_hours import gpu_hours
from jlab_tui.services.server.gpu_idle_notice import GpuIdleNotice
from jlab_tui.services.server.ready import Server


@dataclass
class Node:
    """A server whose kernel has been idle for some minutes."""

    minutes: float | None = 40.0
    has_gpu: bool = True
    is_reachable: bool = True
    asked: int = 0
    clock: float = 1000.0
    notice: GpuIdleNotice = field(init=False)

    def __post_init__(self) -> None:
        self.notice = GpuIdleNotice(self.server, 30.0, lambda: self.clock)

    async def server(self) -> Server:
        if not self.is_reachable:
            raise ServerUnreachable("It is away.", "Wait.")
        return Server(ServerRecord(ServerState.READY, Mode.LOCAL), cast(Any, self))

    async def resources(self, history_s: float = 0) -> list[Sample]:
        self.asked += 1
        idle = None if self.minutes is None else self.minutes * 60
        kernels = {"k": KernelUse(1, gpu_memory_mb=1024.0, gpu_idle_s=idle)}
        gpus = (GpuSample(0, "H200"),) if self.has_gpu else ()
        return [Sample(1.0, 1, None, None, None, None, gpus, kernels if self.has_gpu else {})]

    async def take(self, later_s: float = 0.0) -> str:
        self.clock += later_s
        return await self.notice.take("k")


async def test_the_kernels_own_session_is_told_once_a_stretch_and_the_node_asked_once_a_minute() -> None:
    node = Node()
    assert await node.notice.take("other") == ""
    said = await node.take()
    assert said.startswith("This kernel has held 1.0 GiB of GPU memory for 40 min") and "free it" in said
    assert await node.take(10) == "" and node.asked == 1
    node.minutes = 42.0
    assert await node.take(60) == "" and node.asked == 2
    node.minutes = 1.0
    assert await node.take(60) == ""
    node.minutes = 31.0
    assert "for 31 min" in await node.take(60)


async def test_a_warning_that_was_not_read_is_dropped_once_the_gpu_works() -> None:
    node = Node()
    await node.notice.take("other")
    node.minutes = None
    assert await node.take(61) == ""


async def test_a_server_that_is_away_or_has_no_gpu_says_nothing() -> None:
    node = Node(is_reachable=False)
    assert await node.take() == ""
    node.is_reachable, node.has_gpu = True, False
    assert await node.take(61) == "" and node.asked == 1
    assert await node.take(61) == "" and node.asked == 1, "it is asked again after ten minutes"
    node.has_gpu = True
    assert "GPU was idle" in await node.take(600)


async def test_the_warning_can_be_switched_off() -> None:
    node = Node()
    off = GpuIdleNotice(node.server, 0.0, lambda: node.clock)
    assert await off.take("k") == "" and node.asked == 0


@pytest.mark.parametrize(
    ("mode", "state", "hours", "said"),
    [
        (Mode.SLURM, ServerState.READY, GpuHours(3.26, 1.1), "3.3 GPU hours held, 1.1 of them in use."),
        (Mode.SLURM, ServerState.READY, None, ""),
        (Mode.SLURM, ServerState.PENDING, GpuHours(3.0, 1.0), ""),
        (Mode.LOCAL, ServerState.READY, GpuHours(3.0, 1.0), ""),
    ],
)
async def test_the_end_of_a_job_tells_its_gpu_hours(
    mode: Mode, state: ServerState, hours: GpuHours | None, said: str
) -> None:
    class Asked:
        async def resources(self, history_s: float = 0) -> list[Sample]:
            return [Sample(1.0, 1, None, None, None, None, gpu_hours=hours)]

    launcher = SimpleNamespace(recall=lambda: SimpleNamespace(record=ServerRecord(state, mode)))
    assert await gpu_hours(cast(Any, launcher), lambda record: Asked()) == said


async def test_a_job_that_does_not_answer_tells_no_hours() -> None:
    class Away:
        async def resources(self, history_s: float = 0) -> list[Sample]:
            raise ServerUnreachable("It is away.", "Wait.")

    record = ServerRecord(ServerState.READY, Mode.SLURM)
    launcher = SimpleNamespace(recall=lambda: SimpleNamespace(record=record))
    assert await gpu_hours(cast(Any, launcher), lambda record: Away()) == ""
