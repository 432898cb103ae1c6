"""Sessions, runs and cells through the tools; the kernels of these tests print the code that they are sent."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from jlab_tui.core.kernel.waits import ChildFacts, ProcessFacts, ThreadFacts
from jlab_tui.core.server.resources import KernelUse, Sample
from tests.project import until

from .apps import Front


async def test_a_new_session_has_what_the_other_tools_need(front: Front) -> None:
    async with front.client() as agent:
        opened = await agent.record("start_new_session", experiment_name="lr sweep")
    assert Path(opened["notebook_path"]).name.startswith("lr_sweep") and len(opened["session_id"]) == 8
    assert opened["kernel_id"] in front.place.server.by_id


async def test_code_becomes_a_cell_and_its_output_the_reply(front: Front) -> None:
    async with front.client() as agent:
        session = await agent.session()
        said = await agent.text("execute_code", session_id=session, code="x = 1")
        assert said.startswith("x = 1\n") and f"run {session}-1" in said
        assert "[1] ok" in await agent.text("read_notebook", session_id=session)


async def test_a_run_that_continues_is_waited_for_by_its_id(front: Front) -> None:
    async with front.client() as agent:
        session = await agent.session()
        said = await agent.text("execute_code", session_id=session, code="hang", wait_s=0)
        assert f'Call wait_for_run(run_id="{session}-1") for the rest.' in said
        waiting = asyncio.create_task(agent.text("wait_for_run", run_id=f"{session}-1", wait_s=60))
        (kernel,) = front.place.server.by_id.values()
        kernel.says("stream", {"name": "stdout", "text": "done"}, kernel.running)
        kernel.ends(kernel.running)
        assert (await waiting).startswith("done")


async def test_a_run_that_hangs_is_looked_at_on_request_and_one_that_has_ended_is_not(front: Front) -> None:
    child = ChildFacts(9, "git push", ThreadFacts("S", "read", "/dev/pts/3"))
    front.place.server.process_facts = ProcessFacts(1, (ThreadFacts("S", "wait4"),), (child,))
    async with front.client() as agent:
        session = await agent.session()
        await agent.text("execute_code", session_id=session, code="hang", wait_s=0)
        said = await agent.text("wait_for_run", run_id=f"{session}-1", stacks=True)
        assert "it continues" in said
        assert "git push (PID 9), which waits for input from its terminal, where nobody types." in said
        assert "No stacks: the kernel does not answer beside its code" in said
        (kernel,) = front.place.server.by_id.values()
        kernel.ends(kernel.running)
        await agent.text("wait_for_run", run_id=f"{session}-1")
        assert "git push" not in await agent.text("wait_for_run", run_id=f"{session}-1", stacks=True)


async def test_only_the_process_that_holds_a_run_looks_at_it(front: Front, tmp_path: Path) -> None:
    other = Front(tmp_path, shared=front.place)
    async with front.client() as agent, other.client() as stranger:
        session = await agent.session()
        await agent.text("execute_code", session_id=session, code="hang", wait_s=0)
        said = await stranger.text("wait_for_run", run_id=f"{session}-1", stacks=True)
        assert "it continues" in said and "Another process of jlab-mcp holds this run" in said


async def test_a_second_run_is_refused_while_one_is_in_progress(front: Front) -> None:
    async with front.client() as agent:
        session = await agent.session()
        await agent.text("execute_code", session_id=session, code="hang", wait_s=0)
        said = await agent.error("execute_code", session_id=session, code="x")
        assert f"{session}-1" in said and "wait_for_run" in said
        (kernel,) = front.place.server.by_id.values()
        assert kernel.codes == ["hang"]


async def test_cells_are_edited_run_again_added_and_deleted(front: Front) -> None:
    async with front.client() as agent:
        session = await agent.session()
        await agent.text("execute_code", session_id=session, code="a")
        assert (await agent.text("edit_cell", session_id=session, cell=0, source="b")).startswith("b\n")
        kept = await agent.text("edit_cell", session_id=session, cell=0, source="c", run=False)
        assert kept.startswith("Cell ") and "has its new text" in kept
        assert (await agent.text("run_cell", session_id=session, cell=0)).startswith("c\n")
        added = await agent.text("add_markdown", session_id=session, markdown="# Title", position=0)
        assert added.startswith("Markdown cell ") and added.rstrip(".").endswith("index 0")
        gone = await agent.text("delete_cell", session_id=session, cell=-1)
        assert "is deleted" in gone and "has 1 cell" in gone
        assert "# Title" in await agent.text("read_notebook", session_id=session, cells=[0])


async def test_a_run_is_read_in_lines(front: Front) -> None:
    async with front.client() as agent:
        session = await agent.session()
        await agent.text("execute_code", session_id=session, code="one\ntwo\nthree")
        page = await agent.text("read_output", run_id=f"{session}-1", grep="^t", tail=None)
        assert page.splitlines()[1:] == ["1: two", "2: three"]


@pytest.mark.parametrize("given", [{}, {"session_id": "a", "path": "b.ipynb"}])
async def test_one_notebook_is_read_at_a_time(front: Front, given: dict[str, str]) -> None:
    async with front.client() as agent:
        assert "Give exactly one of them." in await agent.error("read_notebook", **given)


async def test_a_throwaway_kernel_is_gone_after_its_run_and_its_output_is_not(front: Front) -> None:
    async with front.client() as agent:
        session = await agent.session()
        said = await agent.text("execute_scratch", code="quick look")
        assert said.startswith("quick look")
        await until(lambda: len(front.app.sessions.open_sessions) == 1)
        assert len(front.place.server.by_id) == 1
        run = said.partition("run ")[2].partition(")")[0].split()[0].strip(",:;")
        assert "quick look" in await agent.text("read_output", run_id=run)
        assert [s["session_id"] for s in (await agent.record("ping"))["sessions"]] == [session]


async def test_a_notebook_is_opened_with_its_cells_run_again(front: Front) -> None:
    async with front.client() as agent:
        first = await agent.record("start_new_session", experiment_name="n")
        codes = [f"a = {number}" for number in range(12)]
        for code in codes:
            await agent.text("execute_code", session_id=first["session_id"], code=code)
        await agent.text("shutdown_session", session_id=first["session_id"])
        again = await agent.record("start_session_resume_notebook", notebook_path=first["notebook_path"])
    assert again["live_kernel"] is False and again["reexecution"].startswith("done")
    cells = [(cell["state"], cell.get("output")) for cell in again["cells"]]
    assert cells == [("ok", code) for code in codes], again


async def test_cells_run_again_as_their_tags_have_it_and_the_reply_says_so(front: Front) -> None:
    def cell(name: str, source: str, tags: object) -> dict[str, object]:
        return {"cell_type": "code", "id": name, "metadata": {"tags": tags}, "outputs": [], "source": source}

    cells = [
        cell("meant", "hang", ["raises-exception"]),
        cell("training", "a = 1", ["skip-execution", 7]),
        cell("odd", "b = 2", "skip-execution"),
        cell("end", "hang", None),
        cell("after", "c = 3", []),
    ]
    path = front.place.notebook_dir / "tagged.ipynb"
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}), encoding="utf-8"
    )
    async with front.client() as agent:
        opening = asyncio.create_task(
            agent.record("start_session_resume_notebook", notebook_path=str(path), wait_s=60)
        )
        for _ in range(2):
            kernel = await until(
                lambda: next((k for k in front.place.server.by_id.values() if k.running), None)
            )
            kernel.raises(kernel.running, "ZeroDivisionError")
        reply = await opening
    assert kernel.codes == ["hang", "b = 2", "hang"]
    assert reply["cells_skipped"] == {"tag": "skip-execution", "cells": ["training"]}
    assert reply["cells_total"] == 4 and "stopped at cell end" in reply["reexecution"]
    assert [(row["cell"], row["state"]) for row in reply["cells"]] == [
        ("meant", "error"),
        ("odd", "ok"),
        ("end", "error"),
    ]
    assert reply["cells"][0]["tag"].startswith("raises-exception") and "tag" not in reply["cells"][2]


async def test_a_copy_runs_nothing(front: Front) -> None:
    async with front.client() as agent:
        first = await agent.record("start_new_session", experiment_name="n")
        await agent.text("execute_code", session_id=first["session_id"], code="a = 1")
        copy = await agent.record("start_session_continue_notebook", notebook_path=first["notebook_path"])
    assert copy["notebook_path"].endswith("_continued.ipynb")
    assert front.place.server.by_id[copy["kernel_id"]].codes == []


async def test_a_restart_and_a_shutdown_reply_with_what_is_left(front: Front) -> None:
    async with front.client() as agent:
        session = await agent.session()
        assert "restarted" in (await agent.text("restart_kernel", session_id=session)).lower()
        await agent.text("shutdown_session", session_id=session)
        assert front.place.server.by_id == {}
        said = await agent.error("execute_code", session_id=session, code="x")
        assert f"Session {session} is closed" in said and "start_session_resume_notebook" in said


async def test_kernels_that_a_client_left_are_named_with_what_they_hold_and_the_call_that_ends_them(
    front: Front,
) -> None:
    async with front.client() as agent:
        first = await agent.record("start_new_session", experiment_name="first")
    assert "kept_kernels" not in first
    await front.app.sessions.release()
    uses = {first["kernel_id"]: KernelUse(1, gpu_memory_mb=4100.0)}
    front.place.server.samples = [Sample(1.0, 1, None, None, None, None, kernels=uses)]
    later = Front(front.folder, shared=front.place)
    async with later.client() as agent:
        kept = (await agent.record("start_new_session", experiment_name="second"))["kept_kernels"]
        (one,) = kept["sessions"]
        assert (one["session_id"], one["gpu_memory_mb"]) == (first["session_id"], 4100)
        assert one["kernel"].startswith("Its client left at ") and "JLAB_MCP_ON_EXIT=keep" in one["kernel"]
        assert one["to_end_it"] == f'shutdown_session(session_id="{first["session_id"]}")'
        assert (await agent.record("ping"))["adoptable_sessions"] == kept["sessions"]
        front.place.server.reaps()
        (gone,) = (await agent.record("ping"))["ended_sessions"]
        assert gone["session_id"] == first["session_id"] and "Its client left at " in gone["why"]
