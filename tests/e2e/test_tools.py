"""The tools as an MCP client sees them, on a real JupyterLab."""

from __future__ import annotations

import asyncio
import base64
import io
import json

import nbformat
import pytest
from mcp.shared.dispatcher import ProgressFnT
from PIL import Image

from tests.e2e.processes import rest, until_begun, until_printed
from tests.project import Era, outputs_text, text_of, until
from tests.shared import SharedProject

PLOT = """
import base64, io
from IPython.display import display, Image
from PIL import Image as P
out = io.BytesIO(); P.new("RGB", (1200, 600), "navy").save(out, "PNG")
display(Image(out.getvalue()))
"""


@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_a_session_computes_in_both_protocol_eras(shared_server: SharedProject, era: Era) -> None:
    async with shared_server.client(era) as agent:
        ping = await agent.record("ping")
        assert ping["status"] == "ok" and ping["healthy"] is True
        opened = await agent.record("start_new_session", experiment_name="both eras")
        assert set(opened) >= {"session_id", "notebook_path", "hostname", "kernel_id"}
        assert len(opened["session_id"]) == 8 and int(opened["session_id"], 16) >= 0
        assert (
            await agent.text("execute_code", session_id=opened["session_id"], code="x = 41\nx + 1")
        ).startswith("42\n")
        await agent.text("shutdown_session", session_id=opened["session_id"])


async def test_every_tool_is_described_and_annotated(shared_server: SharedProject) -> None:
    async with shared_server.shared_client() as agent:
        tools = (await agent.ask(agent.client.list_tools)).tools
        names = [tool.name for tool in tools]
        assert names == sorted(set(names), key=names.index) and len(names) >= 18
        for tool in tools:
            assert tool.description and len(tool.description) < 2000, tool.name
            assert tool.annotations is not None, tool.name
            assert tool.output_schema is None, tool.name
        readers = {tool.name for tool in tools if tool.annotations and tool.annotations.read_only_hint}
        assert readers == {
            "ping",
            "check_resources",
            "wait_for_run",
            "read_output",
            "read_notebook",
            "inspect_variables",
        }


async def test_a_new_session_never_overwrites_a_notebook(shared_server: SharedProject) -> None:
    async with shared_server.shared_client() as agent:
        paths = [
            (await agent.record("start_new_session", experiment_name="same name"))["notebook_path"]
            for _ in range(3)
        ]
        assert [p.rpartition("/")[2] for p in paths] == [
            "same_name.ipynb",
            "same_name_2.ipynb",
            "same_name_3.ipynb",
        ]


async def test_the_notebook_holds_every_cell_and_is_valid(shared_server: SharedProject) -> None:
    async with shared_server.shared_client() as agent:
        opened = await agent.record("start_new_session", experiment_name="valid")
        session = opened["session_id"]
        await agent.text("add_markdown", session_id=session, markdown="# Title")
        await agent.text(
            "execute_code",
            session_id=session,
            code="import sys\nprint('out')\nprint('err', file=sys.stderr)\n7",
        )
        await agent.text("execute_code", session_id=session, code="1/0")
        cells = await agent.cells(session, 3, lambda cells: cells[2]["outputs"])
        assert [c["cell_type"] for c in cells] == ["markdown", "code", "code"]
        kinds = [(o["output_type"], o.get("name")) for o in cells[1]["outputs"]]
        assert kinds == [("stream", "stdout"), ("stream", "stderr"), ("execute_result", None)]
        assert cells[1]["execution_count"] == 1
        (error,) = cells[2]["outputs"]
        assert error["ename"] == "ZeroDivisionError" and "\x1b[" in "".join(error["traceback"])
        nbformat.validate(nbformat.read(opened["notebook_path"], as_version=4))


async def test_an_exception_is_a_result_with_its_traceback_without_colours(
    shared_server: SharedProject,
) -> None:
    async with shared_server.shared_client() as agent:
        session = await agent.session()
        result = await agent.call(
            "execute_code", session_id=session, code="def f():\n    raise ValueError('broken [bold]')\nf()"
        )
        assert not result.is_error
        text = text_of(result)
        assert "ValueError: broken [bold]" in text and "\x1b" not in text


async def test_a_image_is_made_smaller_for_the_model_and_kept_in_the_notebook(
    shared_server: SharedProject,
) -> None:
    async with shared_server.shared_client() as agent:
        session = await agent.session("image")
        result = await agent.call("execute_code", session_id=session, code=PLOT)
        (block,) = [b for b in result.content if b.type == "image"]
        assert Image.open(io.BytesIO(base64.b64decode(block.data))).size == (512, 256)
        (cell,) = await agent.cells(session, 1, lambda cells: cells[0]["outputs"])
        original = base64.b64decode(cell["outputs"][0]["data"]["image/png"])
        assert Image.open(io.BytesIO(original)).size == (1200, 600)
        run = text_of(result).partition("run ")[2].partition(":")[0]
        full = await agent.call("read_output", run_id=run, images=[1])
        (block,) = [b for b in full.content if b.type == "image"]
        assert Image.open(io.BytesIO(base64.b64decode(block.data))).size == (1200, 600)


async def test_a_long_cell_answers_at_the_deadline_and_continues(shared_server: SharedProject) -> None:
    async with shared_server.shared_client() as agent:
        session = await agent.session("long")
        await agent.text("execute_code", session_id=session, code="1")
        go = shared_server.root / "notebooks" / f"go {session}"
        code = f"import os, time\nfor i in range(12):\n    print('line', i, flush=True)\n    while i == 5 and not os.path.exists({go.name!r}): time.sleep(0.02)\n'end'"
        first = await agent.text("execute_code", session_id=session, code=code, wait_s=0.5)
        assert "Still running after" in first
        run = f"{session}-2"
        await until_printed(shared_server, session, "line 5")
        assert "line 5" in await agent.text("wait_for_run", run_id=run, wait_s=0)
        assert f'wait_for_run(run_id="{run}")' in first
        refused = await agent.error("execute_code", session_id=session, code="2")
        assert f"run {run} has been running" in refused and "Nothing was done" in refused
        go.touch()
        done = await agent.text("wait_for_run", run_id=run)
        assert [line for line in done.splitlines() if line.startswith("line")] == [
            f"line {i}" for i in range(12)
        ]
        assert f"run {run}: ok" in done
        lines = [f"line {i}" for i in range(12)]
        await agent.cells(session, 2, lambda cells: outputs_text(cells[1]).splitlines() == lines)


async def test_the_cell_is_in_the_notebook_while_it_runs(shared_server: SharedProject) -> None:
    async with shared_server.shared_client() as agent:
        session = await agent.session("visible")
        await agent.text(
            "execute_code",
            session_id=session,
            code="import time; print('begun', flush=True); time.sleep(600)",
            wait_s=0,
        )
        (cell,) = await agent.cells(session, 1, lambda cells: "begun" in outputs_text(cells[0]))
        assert cell["source"][0].startswith("import time")
        assert "stopped" in await agent.text("interrupt_kernel", session_id=session)


async def test_sessions_run_side_by_side(shared_server: SharedProject) -> None:
    async with shared_server.shared_client() as agent:
        slow, fast = await asyncio.gather(agent.session("slow"), agent.session("fast"))
        waiting = asyncio.create_task(
            agent.text("execute_code", session_id=slow, code="import time; time.sleep(600)")
        )
        # Two calls, one after the other, answered while the first session is busy.
        assert (await agent.text("execute_code", session_id=fast, code="1 + 1")).startswith("2\n")
        assert (await agent.text("execute_code", session_id=fast, code="2 + 2")).startswith("4\n")
        assert not waiting.done()
        await until_begun(shared_server, f"{slow}-1")
        assert "stopped" in await agent.text("interrupt_kernel", session_id=slow)
        assert "interrupted" in await waiting


async def test_edit_cell_replaces_and_reruns_in_place(shared_server: SharedProject) -> None:
    async with shared_server.shared_client() as agent:
        session = await agent.session("edit")
        await agent.text("execute_code", session_id=session, code="a = 1; a")
        await agent.text("add_markdown", session_id=session, markdown="old")
        assert (await agent.text("edit_cell", session_id=session, cell=0, source="a = 5; a")).startswith(
            "5\n"
        )
        assert "has its new text" in await agent.text("edit_cell", session_id=session, cell=-1, source="new")
        cells = await agent.cells(session, 2, lambda cells: cells[1]["source"] == ["new"])
        assert ["".join(c["source"]) for c in cells] == ["a = 5; a", "new"]
        assert (await agent.text("run_cell", session_id=session, cell=cells[0]["id"])).startswith("5\n")
        assert "is deleted" in await agent.text("delete_cell", session_id=session, cell=1)
        await agent.cells(session, 1)


async def test_scratch_code_sees_no_session_and_leaves_nothing(shared_server: SharedProject) -> None:
    async with shared_server.shared_client() as agent:
        session = await agent.session("main")
        await agent.text("execute_code", session_id=session, code="secret = 1")
        assert "NameError" in await agent.text("execute_scratch", code="secret")
        kernels = (await agent.record("ping"))["kernels"]
        assert sum(k["session_id"] == session for k in kernels) == 1


async def test_variables_are_shown_while_a_cell_runs(shared_server: SharedProject) -> None:
    async with shared_server.shared_client() as agent:
        session = await agent.session("inspect")
        await agent.text("execute_code", session_id=session, code="numbers = list(range(100)); word = 'hi'")
        await agent.text("execute_code", session_id=session, code="import time; time.sleep(600)", wait_s=0)
        await until_begun(shared_server, f"{session}-2")
        table = await agent.text("inspect_variables", session_id=session)
        assert "numbers | list | 100" in table and "word | str | 2" in table
        assert "Not found: ghost" in await agent.text(
            "inspect_variables", session_id=session, names=["word", "ghost"]
        )
        kernels = (await agent.record("ping"))["kernels"]
        assert [k["state"] for k in kernels if k.get("session_id") == session] == ["busy"], (
            "the idle of a subshell is not the kernel's"
        )
        await agent.text("interrupt_kernel", session_id=session)
        assert "numbers | list" in await agent.text("inspect_variables", session_id=session)


async def test_resources_are_those_of_the_machine(shared_server: SharedProject) -> None:
    async with shared_server.shared_client() as agent:
        found = await agent.record("check_resources")
        assert found["cpu"]["count"] >= 1 and found["memory"]["total_mb"] > found["memory"]["used_mb"] > 0
        assert isinstance(found["gpu"], list)


async def test_the_status_resource_is_what_ping_says(shared_server: SharedProject) -> None:
    async with shared_server.shared_client() as agent:
        assert len(agent.client.instructions or "") < 2000
        result = await agent.ask(agent.client.read_resource, "jlab-mcp://server/status")
        (content,) = result.contents
        assert json.loads(content.text)["healthy"] is True  # type: ignore[union-attr]


async def test_resume_runs_all_cells_again_on_a_fresh_kernel(shared_server: SharedProject) -> None:
    async with shared_server.shared_client() as agent:
        opened = await agent.record("start_new_session", experiment_name="resume me")
        session, path = opened["session_id"], opened["notebook_path"]
        await agent.text("execute_code", session_id=session, code="value = 6 * 7")
        await agent.text("execute_code", session_id=session, code="value")
        live = await agent.record("start_session_resume_notebook", notebook_path=path)
        assert live["session_id"] == session and live["live_kernel"] is True and "cells" not in live
        read = await agent.ask(agent.client.read_resource, f"jlab-mcp://session/{session}/notebook")
        assert "value = 6 * 7" in read.contents[0].text  # type: ignore[union-attr]
        await agent.text("shutdown_session", session_id=session)
        fresh = await agent.record("start_session_resume_notebook", notebook_path=path)
        assert fresh["live_kernel"] is False and [c["state"] for c in fresh["cells"]] == ["ok", "ok"]
        assert [c.get("output") for c in fresh["cells"]] == [None, "42"]
        assert (
            await agent.text("execute_code", session_id=fresh["session_id"], code="value + 1")
        ).startswith("43\n")


@pytest.mark.parametrize("is_used", [False, True], ids=["fresh", "used"])
async def test_a_kernel_that_the_user_has_just_started_holds_no_state(
    shared_server: SharedProject, is_used: bool
) -> None:
    path = shared_server.root / "notebooks" / f"theirs {is_used}.ipynb"
    path.parent.mkdir(exist_ok=True)
    cell = {
        "cell_type": "code",
        "id": "c1",
        "metadata": {},
        "execution_count": 1,
        "outputs": [],
        "source": "x = 7",
    }
    path.write_text(
        json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), encoding="utf-8"
    )
    with rest(shared_server) as server:
        body = {
            "path": f"notebooks/{path.name}",
            "type": "notebook",
            "name": path.name,
            "kernel": {"name": "python3"},
        }
        theirs = server.post("/api/sessions", json=body).json()
        async with shared_server.shared_client() as agent:
            if is_used:
                opened = await agent.record(
                    "start_session_resume_notebook", notebook_path=str(path), reexecute="never"
                )
                await agent.text("execute_code", session_id=opened["session_id"], code="x = 8")
                await agent.text("shutdown_session", session_id=opened["session_id"])
            again = await agent.record("start_session_resume_notebook", notebook_path=str(path))
            assert again["live_kernel"] is True and ("cells" in again) is not is_used
            assert ("run nothing yet" in again["warnings"][0]) is not is_used
            shown = await agent.text("execute_code", session_id=again["session_id"], code="x")
            assert shown.startswith("8" if is_used else "7")
            await agent.text("shutdown_session", session_id=again["session_id"])
        server.delete(f"/api/sessions/{theirs['id']}")


async def test_whoever_waits_for_a_run_hears_every_ten_seconds_how_it_goes(
    shared_server: SharedProject,
) -> None:
    heard: dict[str, list[tuple[float, str | None]]] = {"owner": [], "other": []}

    def listener(name: str) -> ProgressFnT:
        async def listen(progress: float, total: float | None, message: str | None) -> None:
            heard[name].append((progress, message))

        return listen

    heard_by_all = shared_server.root / "notebooks" / "heard by all"
    code = f"import os, time\nprint('epoch 1', flush=True)\nwhile not os.path.exists({heard_by_all.name!r}): time.sleep(0.1)"
    async with shared_server.client() as owner, shared_server.client() as other:
        session = await owner.session("progress")
        running = asyncio.create_task(
            owner.client.call_tool(
                "execute_code", {"session_id": session, "code": code}, progress_callback=listener("owner")
            )
        )
        await until_printed(shared_server, session, "epoch 1")
        waiting = asyncio.create_task(
            other.client.call_tool(
                "wait_for_run", {"run_id": f"{session}-1"}, progress_callback=listener("other")
            )
        )
        await until(lambda: heard["owner"] and heard["other"])
        heard_by_all.touch()
        await asyncio.gather(running, waiting)
    seconds, message = heard["owner"][0]
    assert seconds >= 10 and message == "epoch 1"
    assert heard["other"][0][1] == "another process holds this run"


async def test_resume_stops_at_an_error_and_names_it(shared_server: SharedProject) -> None:
    async with shared_server.shared_client() as agent:
        opened = await agent.record("start_new_session", experiment_name="broken")
        for code in ("a = 1", "a / 0", "b = 2"):
            await agent.text("execute_code", session_id=opened["session_id"], code=code)
        await agent.text("shutdown_session", session_id=opened["session_id"])
        stopped = await agent.record("start_session_resume_notebook", notebook_path=opened["notebook_path"])
        assert [c["state"] for c in stopped["cells"]] == ["ok", "error"]
        assert stopped["cells"][1]["error"] == "ZeroDivisionError: division by zero"
        await agent.text("shutdown_session", session_id=stopped["session_id"])
        whole = await agent.record(
            "start_session_resume_notebook", notebook_path=opened["notebook_path"], on_error="continue"
        )
        assert [c["state"] for c in whole["cells"]] == ["ok", "error", "ok"]


async def test_a_long_resume_continues_and_nothing_slips_in_between(shared_server: SharedProject) -> None:
    async with shared_server.shared_client() as agent:
        opened = await agent.record("start_new_session", experiment_name="long resume")
        go = shared_server.root / "notebooks" / "go on resuming"
        go.touch()
        for number in range(3):
            code = (
                f"import os, time\nwhile not os.path.exists({go.name!r}): time.sleep(0.02)\nprint({number})"
            )
            await agent.text("execute_code", session_id=opened["session_id"], code=code)
        await agent.text("shutdown_session", session_id=opened["session_id"])
        go.unlink()
        begun = await agent.record(
            "start_session_resume_notebook", notebook_path=opened["notebook_path"], wait_s=0.1
        )
        assert begun["reexecution"].startswith("still running") and begun["cells_total"] == 3
        session = begun["session_id"]
        assert "is busy" in await agent.error("execute_code", session_id=session, code="1")
        go.touch()
        async with asyncio.timeout(60):
            while (
                await agent.call("wait_for_run", run_id=f"{session}-3")
            ).is_error:  # it may not have started
                await asyncio.sleep(0.1)
        assert (await agent.text("read_notebook", session_id=session)).count(" ok ") == 3


async def test_continue_copies_the_notebook_and_runs_nothing(shared_server: SharedProject) -> None:
    async with shared_server.shared_client() as agent:
        opened = await agent.record("start_new_session", experiment_name="origin")
        await agent.text("execute_code", session_id=opened["session_id"], code="z = 1")
        fork = await agent.record("start_session_continue_notebook", notebook_path=opened["notebook_path"])
        assert fork["notebook_path"].endswith("origin_continued.ipynb")
        assert "NameError" in await agent.text("execute_code", session_id=fork["session_id"], code="z")
        await agent.cells(fork["session_id"], 2)
        await agent.cells(opened["session_id"], 1)


async def test_status_shows_the_sessions_that_live_and_what_records_take(
    shared_server: SharedProject,
) -> None:
    async with shared_server.shared_client() as agent:
        closed, session = await agent.session("closed"), await agent.session("shown")
        await agent.text("shutdown_session", session_id=closed)
        await agent.text("execute_code", session_id=session, code="import time; time.sleep(600)", wait_s=0)
        facts = json.loads(shared_server.run("status", "--json").stdout)
        shown = {known["session_id"]: known for known in facts["sessions"]}
        assert closed not in shown and shown[session]["notebook"].endswith("shown.ipynb")
        assert shown[session]["running"].startswith(session) and facts["records_mb"] >= 0
        assert facts["sessions_not_read"] == 0
        said = shared_server.run("status").stdout
        assert "running a cell" in said and "MB on disk" in said
        await agent.text("shutdown_session", session_id=session)


async def test_the_command_line_and_the_tools_tell_the_same_of_the_server(
    shared_server: SharedProject,
) -> None:
    async with shared_server.shared_client() as agent:
        said = json.loads(shared_server.run("status", "--json").stdout)
        answers = [await agent.record(tool) for tool in ("ping", "wait_for_server", "start_server")]
    own = {"kernels", "sessions", "sessions_not_read", "resources", "records_mb", "records_mb_is_partial"}
    told = {key: value for key, value in said.items() if key not in own and value not in ("", None, [])}
    assert {"state", "phase", "healthy", "message", "mode", "root", "hostname", "url", "pid", "log"} <= set(
        told
    )
    for answer in answers:
        assert {key: answer.get(key) for key in told} == told
    assert [answer["ready"] for answer in answers[1:]] == [True, True]
    assert "token" not in json.dumps([said, *answers]).lower()
