"""When a run ends of which one of the kernel's two last messages stays away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from jlab_tui.core.journal.events import RunStatus
from jlab_tui.core.kernel.wire import KernelMessage, Request
from jlab_tui.services.session.run_handle import RunHandle
from tests.kernels import Transcript
from tests.services.session.test_replay import ID, Process, RecordedStream


class AskedStream(RecordedStream):
    """A stream that keeps what it was asked."""

    def __init__(self, messages: Sequence[KernelMessage]) -> None:
        super().__init__(messages)
        self.asked: asyncio.Queue[Request] = asyncio.Queue()

    async def send(self, request: Request) -> bool:
        self.asked.put_nowait(request)
        return True


class Kernel:
    """Feeds messages to the session of one process."""

    def __init__(self, process: Process, stream: AskedStream) -> None:
        self.process, self.stream = process, stream
        self._seq = 0

    def say(self, parent: str, channel: str, kind: str, **content: object) -> None:
        self._seq += 1
        message = KernelMessage(channel, kind, f"m{self._seq}", parent, content, self._seq)
        self.stream.on_message(message)

    async def question(self) -> str:
        """What the session asks because the run's end is missing; its msg_id."""
        return (await asyncio.wait_for(self.stream.asked.get(), 30)).msg_id

    @property
    def run(self) -> RunHandle:
        return self.process.session.runs[f"{ID}-1"]


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Kernel]:
    """A process that holds the session, or takes it over."""
    stream = AskedStream(())
    process = Process(folder, Transcript({}, ()), stream)
    process.session._driver._completion.patience_s = 0.01
    await process.begin()
    yield Kernel(process, stream)
    await process.end()


async def begin(kernel: Kernel) -> RunHandle:
    """A run that the kernel has started."""
    run = await kernel.process.session.run("print('THE END')")
    assert await kernel.question() == run.msg_id
    kernel.say(run.msg_id, "iopub", "execute_input", execution_count=1)
    return run


@pytest.fixture
async def kernel(tmp_path: Path) -> AsyncIterator[Kernel]:
    async with opened(tmp_path) as made:
        yield made


async def test_output_that_the_reply_has_overtaken_belongs_to_the_run(kernel: Kernel) -> None:
    run = await begin(kernel)
    kernel.say(run.msg_id, "shell", "execute_reply", status="ok", execution_count=1)
    question = await kernel.question()
    kernel.say(question, "shell", "kernel_info_reply", status="ok")
    kernel.say(run.msg_id, "iopub", "stream", name="stdout", text="THE END\n")
    assert not run.done.is_set(), "the reply proves nothing about output on the other channel"
    kernel.say(run.msg_id, "iopub", "status", execution_state="idle")
    assert run.status is RunStatus.OK
    assert run.outputs is not None and run.outputs.last_line == "THE END"


async def test_a_run_whose_idle_was_lost_ends_when_the_kernel_has_nothing_left_to_send(
    kernel: Kernel,
) -> None:
    run = await begin(kernel)
    kernel.say(run.msg_id, "shell", "execute_reply", status="ok", execution_count=1)
    question = await kernel.question()
    kernel.say(question, "shell", "kernel_info_reply", status="ok")
    kernel.say(question, "iopub", "status", execution_state="idle")
    await asyncio.wait_for(run.done.wait(), 30)
    assert run.status is RunStatus.OK


async def test_a_run_whose_reply_was_lost_ends_and_says_so(kernel: Kernel) -> None:
    run = await begin(kernel)
    kernel.say(run.msg_id, "iopub", "status", execution_state="idle")
    question = await kernel.question()
    kernel.say(question, "iopub", "status", execution_state="idle")
    assert not run.done.is_set(), "the reply may still be on its way"
    kernel.say(question, "shell", "kernel_info_reply", status="ok")
    await asyncio.wait_for(run.done.wait(), 30)
    assert run.status is RunStatus.LOST


async def test_a_run_taken_over_between_reply_and_idle_is_settled_too(tmp_path: Path) -> None:
    async with opened(tmp_path) as kernel:
        run = await begin(kernel)
        kernel.say(run.msg_id, "shell", "execute_reply", status="ok", execution_count=1)
        kernel.say(run.msg_id, "iopub", "stream", name="stdout", text="late\n")
        await kernel.process.session.journal.flush()
        kernel.process.session.journal.abandon()
    async with opened(tmp_path) as successor:
        question = await successor.question()
        successor.say(question, "shell", "kernel_info_reply", status="ok")
        successor.say(question, "iopub", "status", execution_state="idle")
        await asyncio.wait_for(successor.run.done.wait(), 30)
        assert successor.run.status is RunStatus.OK
