"""An interrupt climbs from the signal to stronger means until the code stops, and says which one worked."""

from __future__ import annotations

import pytest

from jlab_tui.adapters.files import is_there
from jlab_tui.core.settings import load_settings
from jlab_tui.services.dashboard.actions import Target
from jlab_tui.services.dashboard.kernel_actions import KernelActions
from jlab_tui.wiring.server import make_access, make_launcher
from tests.e2e.processes import lasting_wire, tab, until_printed
from tests.shared import SharedProject

WOKEN = "s, once a request had woken the kernel's event loop"
RAISED = "s, at an exception raised in it"
AGAIN = "s, at the second interrupt"


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("print('begun'); await asyncio.sleep(600)", WOKEN),
        ("await asyncio.sleep(0)\nprint('begun', flush=True)\nwhile True: pass", RAISED),
        ("await asyncio.sleep(0)\nprint('begun', flush=True)\ntime.sleep(600)", AGAIN),
        (
            "signal.signal(signal.SIGINT, lambda *_: None)\nprint('begun', flush=True)\nwhile True: pass",
            RAISED,
        ),
        ("!echo begun; sleep 600", "s; the kernel is idle"),
    ],
    ids=["awaits", "coroutine never yields", "coroutine in a C call", "handler replaced", "shell command"],
)
async def test_code_that_the_signal_does_not_stop_is_stopped_and_keeps_its_variables(
    shared_server: SharedProject, code: str, how: str
) -> None:
    async with lasting_wire(shared_server) as client:
        session = (await client.record("start_new_session", experiment_name="interrupts"))["session_id"]
        code = f"import asyncio, signal, time\nkept = 42\n{code}"
        await client.text("execute_code", session_id=session, code=code, wait_s=0)
        await until_printed(shared_server, session, "begun")
        said = await client.text("interrupt_kernel", session_id=session)
        assert how in said and "keeps its variables" in said, said
        reply = await client.text("wait_for_run", run_id=f"{session}-1")
        assert "interrupted after" in reply, reply
        assert (await client.text("execute_code", session_id=session, code="kept")).startswith("42\n")
        await client.text("shutdown_session", session_id=session)


async def test_clean_up_that_awaits_is_left_alone_at_the_first_interrupt_and_ended_at_the_second(
    shared_server: SharedProject,
) -> None:
    async with lasting_wire(shared_server) as client:
        session = (await client.record("start_new_session", experiment_name="clean-up"))["session_id"]
        code = (
            "import asyncio\ntry:\n    print('begun', flush=True)\n    await asyncio.sleep(600)\n"
            "finally:\n    await asyncio.sleep(600)"
        )
        await client.text("execute_code", session_id=session, code=code, wait_s=0)
        await until_printed(shared_server, session, "begun")
        first = await client.text("interrupt_kernel", session_id=session)
        assert "its own clean-up" in first and "still runs" in first, first
        assert RAISED in await client.text("interrupt_kernel", session_id=session)
        await client.text("shutdown_session", session_id=session)


async def test_a_cell_that_cancels_itself_is_no_interrupted_one(shared_server: SharedProject) -> None:
    async with lasting_wire(shared_server) as client:
        session = (await client.record("start_new_session", experiment_name="cancelled"))["session_id"]
        code = "import asyncio\ntask = asyncio.ensure_future(asyncio.sleep(9))\ntask.cancel()\nawait task"
        reply = await client.text("execute_code", session_id=session, code=code)
        assert "the code raised an exception" in reply and "CancelledError" in reply
        await client.text("shutdown_session", session_id=session)


async def test_the_dashboards_key_stops_a_cell_that_awaits_which_ends_as_interrupted(
    shared_server: SharedProject,
) -> None:
    settings = load_settings(shared_server.env, shared_server.root, is_there)
    launcher, access = make_launcher(settings, shared_server.env), make_access(settings, shared_server.env)
    actions = KernelActions(lambda: launcher, access.api)
    async with lasting_wire(shared_server) as client:
        opened = await client.record("start_new_session", experiment_name="key")
        session = opened["session_id"]
        code = "import asyncio\nprint('begun', flush=True)\nawait asyncio.sleep(600)"
        await client.text("execute_code", session_id=session, code=code, wait_s=0)
        await until_printed(shared_server, session, "begun")
        said = await actions.interrupt(Target(session, opened["kernel_id"], "Key", f"{session}-1"))
        assert said.startswith("Key is idle; its code stopped, once a request had woken"), said
        reply = await client.text("wait_for_run", run_id=f"{session}-1")
        assert "interrupted after" in reply and "CancelledError" in reply, reply
        await client.text("shutdown_session", session_id=session)
    await launcher.close()
    await access.close()


async def test_a_cell_of_the_users_own_that_awaits_is_stopped_on_request(
    shared_server: SharedProject,
) -> None:
    async with lasting_wire(shared_server) as client:
        opened = await client.record("start_new_session", experiment_name="theirs")
        session = opened["session_id"]
        await client.text(
            "execute_code", session_id=session, code="1"
        )  # from now on the server hears the kernel
        async with tab(shared_server, opened["kernel_id"]) as run_as_user:
            await run_as_user("import asyncio; await asyncio.sleep(600)")
            said = await client.text("interrupt_kernel", session_id=session)
        assert said == "No run of yours is in progress; another client's code on this kernel was interrupted."
        assert (await client.text("execute_code", session_id=session, code="6 * 7")).startswith("42\n")
        await client.text("shutdown_session", session_id=session)
