"""A look into a kernel leaves its run, its count and its record alone."""

from __future__ import annotations

import asyncio

from jlab_tui.adapters.files import is_there
from jlab_tui.core.settings import load_settings
from jlab_tui.services.dashboard.actions import Target
from jlab_tui.services.dashboard.kernel_looks import KernelLooks
from jlab_tui.wiring.server import make_access, make_launcher
from tests.e2e.processes import lasting_wire, until_printed
from tests.project import until
from tests.shared import SharedProject
from tests.waiting import pauses

WAITS = """
from pathlib import Path
import time
kept = list(range(1000))
print('begun', flush=True)
while not Path('looked at').exists():
    time.sleep(0.05)
"""
AWAITS = """
import asyncio
while not Path('on').exists():
    await asyncio.sleep(0.05)
"""

USES_ALL = """
import sys, types
class Tensor:
    device, dtype, shape, nbytes = 'cuda:0', 'float32', (3, 4), 3 << 30
class OutOfMemoryError(RuntimeError): pass
batch = {'x': Tensor(), 'y': Tensor()}
def forward():
    hidden = Tensor()
    raise OutOfMemoryError('CUDA out of memory. Tried to allocate 20.00 GiB.')
forward()
"""


async def beginning(looks: KernelLooks, target: Target, expected: str) -> str:
    """A look that begins as expected: the code may be anywhere in its loop."""
    for pause in pauses(40):
        said = await looks.stacks(target)
        if said.startswith(expected):
            break
        await asyncio.sleep(pause)
    assert said.startswith(expected), said
    return said


async def test_the_dashboards_looks_answer_while_a_cell_runs_and_leave_no_trace(
    shared_server: SharedProject,
) -> None:
    settings = load_settings(shared_server.env, shared_server.root, is_there)
    launcher, access = make_launcher(settings, shared_server.env), make_access(settings, shared_server.env)
    looks = KernelLooks(lambda: launcher, access.api)
    async with lasting_wire(shared_server) as client:
        opened = await client.record("start_new_session", experiment_name="looks")
        session = opened["session_id"]
        target = Target(session, opened["kernel_id"], "Looks")
        await client.text("execute_code", session_id=session, code=WAITS.strip(), wait_s=0)
        await until_printed(shared_server, session, "begun")
        said = await beginning(
            looks, target, "It waits for time to pass: it sleeps, at In[1], line 6: time.sleep"
        )
        assert "Main thread, outermost call first:\n  In[1], line 6: time.sleep(0.05)\n" in said
        asked = await client.text("wait_for_run", run_id=f"{session}-1", stacks=True)
        assert "Main thread, outermost call first:\n  In[1], line " in asked and "it continues" in asked, (
            asked
        )
        found = await looks.variables(target)
        assert [row.shape for row in found.rows if row.name == "kept"] == ["1000"]
        (shared_server.root / "notebooks" / "looked at").touch()
        assert "[1] run" in await client.text("wait_for_run", run_id=f"{session}-1")
        assert "kept" in {row.name for row in (await looks.variables(target)).rows}
        reply = await client.text("execute_code", session_id=session, code="kept[-1]")
        assert reply.startswith("999\n") and f"([2] run {session}-2" in reply, "the looks counted nothing"
        await client.text("execute_code", session_id=session, code=AWAITS.strip(), wait_s=0)
        await beginning(
            looks, target, "It waits for an event of its event loop, at In[3], line 3: await asyncio.sl"
        )
        (shared_server.root / "notebooks" / "on").touch()
        await client.text("wait_for_run", run_id=f"{session}-3")
        failed = await client.text("execute_code", session_id=session, code=USES_ALL.strip())
        assert "CUDA out of memory" in failed, failed
        assert (
            "Held in this kernel: batch 6.0 GiB in 2 tensors; locals of forward() 3.0 GiB (float32 (3, 4))."
            in failed
        )
        await until(  # the record follows a reply by a moment
            lambda: any(
                "batch 6.0 GiB" in e["text"] for e in shared_server.journal(session) if e["k"] == "notice"
            )
        )
        await client.text("shutdown_session", session_id=session)
    await launcher.close()
    await access.close()
