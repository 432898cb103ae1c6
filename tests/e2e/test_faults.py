"""Kernels die, JupyterLab dies, the user presses ESC or edits the notebook: the reply says what happened, nothing is lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from tests.e2e.processes import (
    Wire,
    kernel_pid,
    lasting_wire,
    recorded_lines,
    tab,
    text_of,
    until_printed,
    until_recorded,
    wire,
)
from tests.project import Project, alive, outputs_text, read_notebook, until
from tests.shared import SharedProject

ESC = "AbortError: user-cancel"
DEATHS = {
    "os._exit(1)": "exit code 1",
    "os.kill(os.getpid(), 9)": "SIGKILL",
    "import ctypes; ctypes.string_at(0)": "SIGSEGV",
    "exit()": "the code itself ended it with exit() or quit()",
}


async def open_session(client: Wire, name: str) -> tuple[str, Path, str]:
    opened = await client.record("start_new_session", experiment_name=name)
    return opened["session_id"], Path(opened["notebook_path"]), opened["kernel_id"]


# -- kernels -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", DEATHS, ids=["exit code", "kill", "segmentation fault", "exit()"])
async def test_a_dead_kernel_is_named_with_its_cause_and_the_next_run_works(
    shared_server: SharedProject, tmp_path: Path, code: str
) -> None:
    async with lasting_wire(shared_server) as client:
        session, path, _ = await open_session(client, "death")
        for number in (1, 3):
            seen = tmp_path / f"seen{number}"  # ZeroMQ takes along what a dying process has just handed to it
            begin = (
                f"import os, time; print('before', {number}, flush=True)\n"
                f"while not os.path.exists({str(seen)!r}): time.sleep(0.02)\nhere = {number}\n"
            )
            _, running = client.call("execute_code", session_id=session, code=begin + code)
            await until_printed(shared_server, session, f"before {number}")
            seen.touch()
            dead = text_of(await running)
            assert "Error: KernelDied: " in dead and DEATHS[code] in dead and "before" in dead, dead
            after = await client.text("execute_code", session_id=session, code="'here' in globals()")
            assert after.startswith("False\n") and f"run {session}-{number + 1}: ok" in after, after
            assert "all variables and imports are lost" in after
        cells = await until(lambda: _when(path, 4))
        assert [o["output_type"] for o in cells[2]["outputs"]] == ["stream", "error"]
        assert cells[2]["outputs"][1]["ename"] == "KernelDied"
        await until(
            lambda: (
                [e["status"] for e in shared_server.journal(session) if e["k"] == "finished"]
                == ["died", "ok", "died", "ok"]
            )
        )
        await client.text("shutdown_session", session_id=session)


def _when(path: Path, count: int) -> list[dict[str, list[dict[str, object]]]]:
    """The cells when there are that many, and the last run is over: the file follows a reply by a moment."""
    cells = read_notebook(path)["cells"]
    ends = [output["output_type"] for output in cells[-1]["outputs"][-1:]] if len(cells) == count else []
    return cells if ends and ends != ["stream"] else []


async def test_a_kernel_killed_from_outside_between_two_runs_is_reported_once(
    shared_server: SharedProject,
) -> None:
    async with lasting_wire(shared_server) as client:
        session, _, kernel = await open_session(client, "outside")
        await client.text("execute_code", session_id=session, code="x = 1")
        pid = kernel_pid(kernel)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until_recorded(shared_server, session, "died: ")
        reply = await client.text("execute_code", session_id=session, code="x")
        assert "NameError" in reply and "SIGKILL" in reply and "all variables and imports are lost" in reply
        assert "lost" not in await client.text("execute_code", session_id=session, code="1")
        await client.text("shutdown_session", session_id=session)


# -- JupyterLab --------------------------------------------------------------------------------------------------


async def test_jupyterlab_killed_in_a_run_is_reported_and_its_output_is_kept(project: Project) -> None:
    project.start()
    async with wire(project) as client:
        session, path, kernel = await open_session(client, "lab")
        kernel_process = kernel_pid(kernel)
        code = "import time\nfor i in range(600): print('line', i, flush=True); time.sleep(0.1)"
        _, running = client.call("execute_code", session_id=session, code=code)
        await until_recorded(project, session, "line 9\\n")
        os.kill(int(project.status_file()["PID"]), signal.SIGKILL)
        reply = text_of(await running)
        (last,) = [line for line in reply.splitlines() if "JupyterLab" in line]
        assert last.startswith("JupyterLab not responding. Restart with: jlab-mcp start"), last
        seen = [line for line in reply.splitlines() if line.startswith("line ")]
        assert seen == [f"line {i}" for i in range(len(seen))] and len(seen) >= 10
        await until(lambda: recorded_lines(project, session, "line ") == seen)
        (cell,) = await until(lambda: _when(path, 1))
        assert [x for x in outputs_text(cell).splitlines() if x.startswith("line ")] == seen
        again = await client.text("execute_code", session_id=session, code="1")
        assert again.startswith("JupyterLab not responding. Restart with: jlab-mcp start"), again
        ping = await client.record("ping")
        assert ping["healthy"] is False
        if kernel_process is not None:
            await until(lambda: not alive(kernel_process), 30, "the kernel's end")


# -- ESC ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "clean_up"),
    [
        ("time.sleep(600)", "pass"),
        ("while count >= 0: count += 1", "pass"),
        ("while count >= 0: count += 1", "time.sleep(3)"),
    ],
    ids=["sleep", "python loop", "long clean-up"],
)
async def test_esc_stops_the_code_and_keeps_its_output(
    shared_server: SharedProject, body: str, clean_up: str
) -> None:
    async with lasting_wire(shared_server) as client:
        session, path, _ = await open_session(client, "esc")
        # Not `while True: ...`: CPython 3.11 leaves its jump, where it is interrupted, out of the `try`.
        code = f"""import time
count = 0
print('begun', flush=True)
try:
    {body}
finally:
    {clean_up}
    print('tidied up')"""
        request, _ = client.call("execute_code", session_id=session, code=code)
        await until_printed(shared_server, session, "begun")
        client.cancel(request, ESC)
        reply = await client.text("wait_for_run", run_id=f"{session}-1")
        assert "begun\ntidied up\n" in reply and "interrupted after" in reply
        assert reply.count("\nKeyboardInterrupt:") == 1, reply
        assert "tidied up" in await client.text("read_output", run_id=f"{session}-1")
        assert (await client.text("execute_code", session_id=session, code="6 * 7")).startswith("42\n")
        cells = await until(lambda: _when(path, 2))
        assert outputs_text(cells[0]) == "begun\ntidied up\n"
        await client.text("shutdown_session", session_id=session)


async def test_esc_while_a_run_is_waited_for_stops_it_and_a_clients_timeout_does_not(
    shared_server: SharedProject,
) -> None:
    async with lasting_wire(shared_server) as client:
        session, _, _ = await open_session(client, "esc in a wait")
        code = "import time; print('begun', flush=True); time.sleep(600)"
        await client.text("execute_code", session_id=session, code=code, wait_s=0)
        await until_printed(shared_server, session, "begun")
        for reason, outcome in (("SdkError: Request timed out", "Still running"), (ESC, "interrupted after")):
            request, _ = client.call("wait_for_run", run_id=f"{session}-1", wait_s=60)
            await client.text(
                "read_output", run_id=f"{session}-1"
            )  # the wait has begun when this is answered
            client.cancel(request, reason)
            patience = 60 if reason == ESC else 1
            assert outcome in await client.text("wait_for_run", run_id=f"{session}-1", wait_s=patience)
        await client.text("shutdown_session", session_id=session)


async def test_esc_before_the_kernel_has_started_is_not_lost(shared_server: SharedProject) -> None:
    async with lasting_wire(shared_server) as client:
        session, _, _ = await open_session(client, "early esc")
        for number in (1, 3, 5):
            request, _ = client.call("execute_code", session_id=session, code="import time; time.sleep(600)")
            await until_recorded(shared_server, session, f'"run":"{session}-{number}"')
            client.cancel(request, ESC)
            reply = await client.text("wait_for_run", run_id=f"{session}-{number}")
            assert "interrupted after" in reply, reply
            after = await client.text("execute_code", session_id=session, code="6 * 7")
            assert after.startswith("42\n") and "lost" not in after, after
        await client.text("shutdown_session", session_id=session)


@pytest.mark.parametrize("reason", ["SdkError: Request timed out", "deadline exceeded", ""])
async def test_a_clients_own_timeout_leaves_the_run_alone(shared_server: SharedProject, reason: str) -> None:
    async with lasting_wire(shared_server) as client:
        session, _, _ = await open_session(client, "timeout")
        code = "import time, pathlib\nprint('begun', flush=True)\nwhile not pathlib.Path('go on after the fault').exists(): time.sleep(0.05)\n'whole'"
        request, _ = client.call("execute_code", session_id=session, code=code)
        await until_printed(shared_server, session, "begun")
        client.cancel(request, reason)
        refused = await client.text("execute_code", session_id=session, code="1")
        assert "is busy" in refused
        flag = shared_server.root / "notebooks" / "go on after the fault"
        flag.touch()
        reply = await client.text("wait_for_run", run_id=f"{session}-1")
        flag.unlink()
        assert "'whole'" in reply and ": ok," in reply
        await client.text("shutdown_session", session_id=session)


@pytest.mark.parametrize(
    "body",
    [
        # Waits for itself in C, with Python's lock held, as a long computation in a library does, but without computing.
        "import ctypes\nlock, mutex = ctypes.PyDLL(None).pthread_mutex_lock, ctypes.create_string_buffer(64)\nlock(mutex)\nBEGUN\nlock(mutex)",
        "import time\nBEGUN\nwhile True:\n    try: time.sleep(1)\n    except KeyboardInterrupt: pass",
    ],
    ids=["C call", "swallows KeyboardInterrupt"],
)
async def test_code_that_cannot_be_interrupted_is_reported_with_what_helps(
    shared_server: SharedProject, tmp_path: Path, body: str
) -> None:
    go, begun = tmp_path / "go", tmp_path / "begun"  # not a print: whoever holds Python's lock may hold it up
    code = body.replace(
        "BEGUN",
        f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)\nopen({str(begun)!r}, 'w').close()",
    )
    async with lasting_wire(shared_server) as client:
        session, _, _ = await open_session(client, "stubborn")
        await client.text("execute_code", session_id=session, code=code, wait_s=0)
        await until_recorded(shared_server, session, '"k":"begun"')
        go.touch()
        await until(begun.exists)
        said = await client.text("interrupt_kernel", session_id=session)
        assert "does not stop" in said, said
        assert f'restart_kernel(session_id="{session}")' in said and "wait_for_run" in said
        restarted = await client.text("restart_kernel", session_id=session)
        assert "was restarted" in restarted and f"Run {session}-1 was ended" in restarted
        assert (await client.text("execute_code", session_id=session, code="6 * 7")).startswith("42\n")
        await client.text("shutdown_session", session_id=session)


async def test_esc_leaves_the_users_own_cell_alone(shared_server: SharedProject) -> None:
    """The kernel is busy with a cell that the user runs in JupyterLab; ours is queued behind it and cancelled."""
    async with lasting_wire(shared_server) as client:
        session, _, kernel = await open_session(client, "shared kernel")
        await client.text(
            "execute_code", session_id=session, code="1"
        )  # from now on the server hears the kernel
        flag = shared_server.root / "notebooks" / "users-flag"
        code = "import time, pathlib\nwhile not pathlib.Path('users-flag').exists(): time.sleep(0.05)\nusers = 'done'"
        async with tab(shared_server, kernel) as run_as_user:
            await run_as_user(code)
            request, _ = client.call("execute_code", session_id=session, code="import time; time.sleep(600)")
            await until_recorded(shared_server, session, f'"run":"{session}-2"')
            async with asyncio.timeout(40):
                while "Queued for" not in (
                    queued := await client.text("wait_for_run", run_id=f"{session}-2", wait_s=0.5)
                ):
                    pass  # the server has not told yet what the user's tab knows
            assert "user's own code" in queued
            assert "No variables yet" in await client.text("inspect_variables", session_id=session)
            client.cancel(request, ESC)
            await until_recorded(shared_server, session, "which keeps running")
            flag.touch()
            reply = await client.text("wait_for_run", run_id=f"{session}-2")
            flag.unlink()
        assert "interrupted" in reply, reply
        assert (await client.text("execute_code", session_id=session, code="users")).startswith("'done'\n")
        await client.text("shutdown_session", session_id=session)


# -- the user in JupyterLab --------------------------------------------------------------------------------------


async def test_edits_made_in_jupyterlab_are_never_overwritten(shared_server: SharedProject) -> None:
    async with lasting_wire(shared_server) as client:
        session, path, _ = await open_session(client, "edited by hand")
        for code in ("a = 1", "b = 2"):
            await client.text("execute_code", session_id=session, code=code)
        await until(
            lambda: (
                len(read_notebook(path)["cells"]) == 2 and read_notebook(path)["cells"][1]["execution_count"]
            )
        )
        notebook = read_notebook(path)
        notebook["cells"][0]["source"] = ["a = 1  # by hand"]
        own = {"cell_type": "markdown", "id": "byhand01", "metadata": {}, "source": ["# my heading"]}
        notebook["cells"].insert(0, own)
        path.write_text(json.dumps(notebook, indent=1), encoding="utf-8")
        await client.text("execute_code", session_id=session, code="c = 3\nc")
        cells = await until(lambda: _when(path, 4))
        assert ["".join(c["source"]) for c in cells] == [
            "# my heading",
            "a = 1  # by hand",
            "b = 2",
            "c = 3\nc",
        ]
        listed = await client.text("read_notebook", session_id=session)
        assert "# by hand" in listed and "byhand01" in listed
        await client.text("shutdown_session", session_id=session)


async def test_an_edit_made_while_a_cell_runs_is_kept_with_the_cells_output(
    shared_server: SharedProject,
) -> None:
    async with lasting_wire(shared_server) as client:
        session, path, _ = await open_session(client, "edited meanwhile")
        noted = path.with_name("noted")
        code = f"import os, time\nfor i in range(20):\n    print('line', i, flush=True)\n    while i == 9 and not os.path.exists({str(noted)!r}): time.sleep(0.02)"
        _, running = client.call("execute_code", session_id=session, code=code)
        await until_recorded(shared_server, session, "line 9\\n")
        notebook = await until(lambda: (n := read_notebook(path))["cells"] and n)
        own = {"cell_type": "markdown", "id": "byhand02", "metadata": {}, "source": ["a note"]}
        notebook["cells"].append(own)
        path.write_text(json.dumps(notebook, indent=1), encoding="utf-8")
        noted.touch()
        await running
        cells = await until(
            lambda: (c := read_notebook(path)["cells"]) and "line 19" in outputs_text(c[0]) and c
        )
        assert [c["id"] for c in cells][1] == "byhand02"
        assert outputs_text(cells[0]).splitlines() == [f"line {i}" for i in range(20)]
        await client.text("shutdown_session", session_id=session)


@pytest.mark.parametrize("is_started_again", [False, True], ids=["gone", "another one runs"])
async def test_the_next_process_closes_a_run_whose_process_and_server_were_killed(
    project: Project, is_started_again: bool
) -> None:
    project.start()
    async with wire(project) as first:
        session, path, _ = await open_session(first, "unseen")
        code = "import time\nfor i in range(600): print('line', i, flush=True); time.sleep(0.05)"
        first.call("execute_code", session_id=session, code=code)
        await until_recorded(project, session, "line 9\\n")
        first.signal(signal.SIGKILL)
        await first.gone()
    spool = project.status_dir / "spool"
    await until(lambda: any(b"line 40\\n" in part.read_bytes() for part in spool.rglob("*.seg")))
    os.kill(int(project.status_file()["PID"]), signal.SIGKILL)
    await until(lambda: not alive(int(project.status_file()["PID"])))
    if is_started_again:
        project.start()
    async with wire(project) as second:
        reply = await second.text("wait_for_run", run_id=f"{session}-1")
        assert "job_ended" in reply.replace(" ", "_") or "has ended" in reply, reply
        (cell,) = await until(lambda: _when(path, 1))
        lines = outputs_text(cell).splitlines()
        assert lines == [f"line {i}" for i in range(len(lines))] and len(lines) > 40
        assert cell["outputs"][-1]["ename"] == "JobEnded"
        await until(lambda: recorded_lines(project, session, "line ") == lines)
