"""Replies to an interrupt whose effect does not show at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from jlab_tui.core.kernel.link import RecordedKernel
from tests.services.session.test_completion import begin, opened


@pytest.mark.parametrize(
    ("has_ended", "said"),
    [
        (
            True,
            "was interrupted and has ended in the kernel; about 300 MB of output are still on their way here.",
        ),
        (
            False,
            "was interrupted; about 300 MB of output are still on their way here, and then it shows whether",
        ),
    ],
)
async def test_output_on_its_way_is_not_taken_for_the_codes_clean_up(
    tmp_path: Path, has_ended: bool, said: str
) -> None:
    async with opened(tmp_path) as kernel:
        run = await begin(kernel)

        async def interrupt(kernel_id: str) -> None:
            kernel.say(run.msg_id, "iopub", "stream", name="stdout", text="printed before\n")

        async def recorded_kernels() -> dict[str, RecordedKernel]:
            running = "" if has_ended else run.msg_id
            found = RecordedKernel(True, 602, 1, running, recorded_bytes=300_000_000)
            return {"k": found}

        session = kernel.process.session
        vars(kernel.process.api).update(interrupt=interrupt, recorded_kernels=recorded_kernels)
        session._interrupter.ladder.patience_s = 0.01
        assert said in await session._interrupter.interrupt(run, "the user")
