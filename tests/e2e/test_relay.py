"""The MCP server's worker dies, freezes or fails: the client's pipe stays, its calls are answered, and code runs once."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

import jlab_tui
from jlab_tui.core.reply.task import EXTENSION
from tests.e2e.processes import Wire, relayed_wire, text_of, until_recorded, worker_of
from tests.project import Project, alive, outputs_text, read_notebook, until
from tests.shared import SharedProject

PACKAGE = Path(jlab_tui.__file__).parent
ERAS: dict[str, dict[str, Any] | None] = {"handshake": None, "2026-07-28": {}}
eras = pytest.mark.parametrize("era", ERAS)
COUNT = """\
import time
with open({path!r}, "a") as file: print("ran", file=file)
for i in range(8): print("line", i, flush=True); time.sleep(0.1)
'the end'"""
LINES = [f"line {i}" for i in range(8)]


async def killed(relay: Wire, number: signal.Signals = signal.SIGKILL) -> None:
    """The worker that the relay has now dies."""
    os.kill(await worker_of(relay), number)


async def opened(relay: Wire, name: str = "relayed") -> tuple[str, Path]:
    answer = await relay.record("start_new_session", experiment_name=name)
    return answer["session_id"], Path(answer["notebook_path"])


def assert_whole(text: str, ran: Path) -> None:
    assert [line for line in text.splitlines() if line.startswith("line ")] == LINES, text
    assert "'the end'" in text and ran.read_text().splitlines() == ["ran"], text


@eras
async def test_a_call_is_answered_whole_although_its_worker_is_killed(
    shared_server: SharedProject, tmp_path: Path, era: str
) -> None:
    async with relayed_wire(shared_server, ERAS[era]) as relay:
        session, notebook = await opened(relay)
        chance = random.Random(f"{era} {tmp_path}")
        for number in range(1, 5):
            ran = tmp_path / f"ran{number}"
            _, answer = relay.call("execute_code", session_id=session, code=COUNT.format(path=str(ran)))
            await asyncio.sleep(chance.uniform(0.0, 1.2))  # any moment, not a wait for something
            await killed(relay)
            assert_whole(text_of(await answer), ran)
        await relay.text("shutdown_session", session_id=session)
        cells = read_notebook(notebook)["cells"]
        assert len(cells) == 4
        for cell in cells:
            assert [line for line in outputs_text(cell).splitlines() if line.startswith("line ")] == LINES


@pytest.mark.parametrize("moment", ['"k":"run"', "line 0", '"k":"finished"'])
async def test_an_edited_cell_runs_once_whenever_its_worker_dies(
    shared_server: SharedProject, tmp_path: Path, moment: str
) -> None:
    async with relayed_wire(shared_server) as relay:
        session, notebook = await opened(relay)
        await relay.text("execute_code", session_id=session, code="x = 1")
        ran = tmp_path / "ran"
        source = COUNT.format(path=str(ran)) + "\nx"
        _, answer = relay.call("edit_cell", session_id=session, cell=0, source=source)
        await until_recorded(shared_server, session, moment if moment.startswith("line") else f"{session}-2")
        await killed(relay)
        text = text_of(await answer)
        assert ran.read_text().splitlines() == ["ran"] and f"run {session}-2: ok" in text, text
        await relay.text("shutdown_session", session_id=session)
        (cell,) = read_notebook(notebook)["cells"]
        assert "".join(cell["source"]) == source and "line 7" in outputs_text(cell)


async def test_a_session_that_is_being_opened_is_opened_once(shared_server: SharedProject) -> None:
    async with relayed_wire(shared_server) as relay:
        await relay.record("ping")
        before = len((await relay.record("ping"))["kernels"])
        chance = random.Random("opened once")
        for number in range(3):
            _, answer = relay.call("start_new_session", experiment_name=f"once{number}")
            await asyncio.sleep(chance.uniform(0.05, 1.0))  # any moment
            await killed(relay)
            session = json.loads(text_of(await answer))
            path = Path(session["notebook_path"])
            assert path.stem == f"once{number}" and not path.with_stem(f"once{number}_2").exists()
            assert "42" in await relay.text("execute_code", session_id=session["session_id"], code="6 * 7")
            await relay.text("shutdown_session", session_id=session["session_id"])
        async with asyncio.timeout(40):
            while len((await relay.record("ping"))["kernels"]) > before:
                await asyncio.sleep(0.2)  # what nobody holds ends after its grace


async def test_a_throwaway_call_and_a_rerun_are_carried_on(
    shared_server: SharedProject, tmp_path: Path
) -> None:
    async with relayed_wire(shared_server) as relay:
        scratch, cell = tmp_path / "scratch", tmp_path / "cell"
        _, answer = relay.call("execute_scratch", code=COUNT.format(path=str(scratch)))
        await until(scratch.exists)
        await killed(relay)
        assert_whole(text_of(await answer), scratch)
        session, notebook = await opened(relay)
        for code in ("a = 1", COUNT.format(path=str(cell)), "a + 1"):
            await relay.text("execute_code", session_id=session, code=code)
        await relay.text("shutdown_session", session_id=session)
        cell.unlink()
        _, answer = relay.call("start_session_resume_notebook", notebook_path=str(notebook))
        await until(cell.exists)
        await killed(relay)
        again = json.loads(text_of(await answer))
        assert again["reexecution"] == "done" and [row["state"] for row in again["cells"]] == ["ok"] * 3
        assert cell.read_text().splitlines() == ["ran"]
        await relay.text("shutdown_session", session_id=again["session_id"])


async def test_what_takes_something_away_takes_it_once(shared_server: SharedProject) -> None:
    async with relayed_wire(shared_server) as relay:
        session, notebook = await opened(relay)
        for code in ("a = 1", "b = 2", "c = 3"):
            await relay.text("execute_code", session_id=session, code=code)
        for tool, more in (
            ("delete_cell", {"cell": 0}),
            ("add_markdown", {"markdown": "once"}),
            ("restart_kernel", {}),
            ("interrupt_kernel", {}),
            ("shutdown_session", {}),
        ):
            _, answer = relay.call(tool, session_id=session, **more)
            await asyncio.sleep(0.02)  # any moment
            await killed(relay)
            result = (await answer)["result"]
            assert not result.get("isError"), (tool, result)
        sources = ["".join(cell["source"]) for cell in read_notebook(notebook)["cells"]]
        assert sources == ["b = 2", "c = 3", "once"]


async def test_a_call_that_the_user_stopped_is_never_begun_again(
    shared_server: SharedProject, tmp_path: Path
) -> None:
    async with relayed_wire(shared_server) as relay:
        session, _ = await opened(relay)
        ran = tmp_path / "ran"
        code = f"import time\nwith open({str(ran)!r}, 'a') as file: print('ran', file=file)\ntime.sleep(600)"
        for order in ("stopped, then killed", "killed, then stopped"):
            ran.unlink(missing_ok=True)
            number, _ = relay.call("execute_code", session_id=session, code=code)
            await until(ran.exists)
            if order.startswith("killed"):
                os.kill(await worker_of(relay), signal.SIGSTOP)  # it cannot answer the cancellation
                await killed(relay)
                relay.cancel(number, "the user")
            else:
                relay.cancel(number, "the user")
                await killed(relay)
            async with asyncio.timeout(60):
                while "42" not in await relay.text(
                    "execute_code", session_id=session, code="6 * 7", wait_s=1
                ):
                    await relay.text("interrupt_kernel", session_id=session)
            assert ran.read_text().splitlines() == ["ran"], order
        await relay.text("shutdown_session", session_id=session)


async def test_an_idle_worker_that_dies_leaves_the_variables(shared_server: SharedProject) -> None:
    async with relayed_wire(shared_server) as relay:
        session, _ = await opened(relay)
        await relay.text("execute_code", session_id=session, code="kept = 42")
        first = await worker_of(relay)
        await killed(relay)
        await until(lambda: not Path(f"/proc/{first}").exists())
        assert await worker_of(relay) != first
        # The next worker takes the session back before any call: longer than idle kernels of nobody are kept here.
        await asyncio.sleep(3)
        assert "42" in await relay.text("execute_code", session_id=session, code="kept")
        await relay.text("shutdown_session", session_id=session)


@pytest.mark.parametrize("way", ["as Claude Code does", "stdin closed", "SIGTERM"])
async def test_the_end_of_the_client_ends_relay_and_worker(shared_server: SharedProject, way: str) -> None:
    async with relayed_wire(shared_server) as relay:
        await relay.record("ping")
        worker = await worker_of(relay)
        match way:
            case "stdin closed":
                assert relay.process.stdin is not None
                relay.process.stdin.close()
            case "SIGTERM":
                relay.signal(signal.SIGTERM)
            case _:
                relay.signal(signal.SIGINT)
        assert await relay.gone() == 0
        assert not alive(worker)


async def test_a_stopped_worker_ends_with_its_relay_although_that_is_killed(
    shared_server: SharedProject,
) -> None:
    async with relayed_wire(shared_server) as relay:
        await relay.record("ping")
        worker = await worker_of(relay)
        os.kill(worker, signal.SIGSTOP)
        relay.signal(signal.SIGKILL)
        await relay.gone()
    await until(lambda: not alive(worker), what="it is continued, and sees that nobody is there")


async def test_a_worker_that_cannot_start_is_told_and_a_wrong_setting_ends_the_server(
    project: Project,
) -> None:
    done = await asyncio.to_thread(project.run, JLAB_MCP_WAIT_S="x")
    assert done.returncode == 2 and "JLAB_MCP_WAIT_S" in done.stderr


async def test_a_question_to_the_user_survives_the_worker_that_asked(
    project: Project, tmp_path: Path
) -> None:
    for name in ("sbatch", "sinfo"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        program.chmod(0o755)
    env = {"PATH": f"{tmp_path}/bin{os.pathsep}{project.env['PATH']}", "JLAB_MCP_RUN_MODE": ""}
    async with relayed_wire(project, {"elicitation": {"form": {}}}, **env) as relay:
        asked = (await relay.ask("tools/call", name="start_server", arguments={}))["result"]
        assert asked["resultType"] == "input_required", asked
        await killed(relay)
        declined = {name: {"action": "decline"} for name in asked["inputRequests"]}
        answer = await relay.ask(
            "tools/call",
            name="start_server",
            arguments={},
            inputResponses=declined,
            requestState=asked["requestState"],
        )
        assert text_of(answer).startswith("mode_required"), answer


@eras
async def test_a_worker_of_another_version_takes_over_and_the_client_reads_its_tools(
    shared_server: SharedProject, tmp_path: Path, era: str
) -> None:
    shutil.copytree(PACKAGE, tmp_path / "jlab_tui", ignore=shutil.ignore_patterns("__pycache__"))
    async with relayed_wire(shared_server, ERAS[era], PYTHONPATH=str(tmp_path)) as relay:
        if ERAS[era] is not None:
            relay.send("subscriptions/listen", notifications={"toolsListChanged": True})
            await until(lambda: relay.notices, what="the subscription is there")
        session, _ = await opened(relay)
        await relay.text("execute_code", session_id=session, code="kept = 42")
        (tmp_path / "jlab_tui" / "__init__.py").write_text('__version__ = "99.0"\n', encoding="utf-8")
        await killed(relay)
        assert "42" in await relay.text("execute_code", session_id=session, code="kept")
        assert [each["method"] for each in relay.notices if "list" in each["method"]] == [
            "notifications/tools/list_changed"
        ]
        assert all(
            each["method"] != "notifications/subscriptions/acknowledged" for each in relay.notices[1:]
        ), "once"
        if ERAS[era] is not None:
            served = (await relay.ask("tools/list"))["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]
            assert served["version"] == "99.0"
        await relay.text("shutdown_session", session_id=session)


async def test_many_calls_survive_one_death(shared_server: SharedProject) -> None:
    async with relayed_wire(shared_server, {"extensions": {EXTENSION: {}}}) as relay:
        session, _ = await opened(relay)
        calls = [relay.call("ping")[1] for _ in range(19)]
        calls.append(relay.call("execute_code", session_id=session, code="6 * 7")[1])
        await killed(relay)
        answers = [text_of(answer) for answer in await asyncio.gather(*calls)]
        assert "42" in answers[-1] and all('"status": "ok"' in answer for answer in answers[:-1])
        await relay.text("shutdown_session", session_id=session)
