"""The real Claude Code, interactive, with a scripted model: the idle conversation is woken when a run ends, whatever dies meanwhile."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from tests.claude_code import MISSING, REST, SESSION, Model, claude_code, serving
from tests.project import Project, until

pytestmark = pytest.mark.skipif(bool(MISSING), reason="; ".join(MISSING))

ROOT = Path(__file__).parents[2]
AT_ONCE = {"JLAB_MCP_TASK_AFTER_S": "1"}


def processes_of(project: Project, word: str) -> list[int]:
    """Those that run in this project's directory with a word on their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            is_ours = os.readlink(path / "cwd") == str(project.root)
            if is_ours and word.encode() in (path / "cmdline").read_bytes().split(b"\0"):
                found.append(int(path.name))
        except OSError:
            continue
    return found


def conversation_of(pid: int) -> str:
    environment = Path(f"/proc/{pid}/environ").read_text(encoding="utf-8").split("\0")
    (found,) = (line for line in environment if line.startswith("CLAUDE_CODE_SESSION_ID="))
    return found.partition("=")[2]


SLEEP = "import time; time.sleep({}); print('{} is over')"


async def test_the_end_of_a_run_wakes_the_idle_conversation_also_after_its_worker_died(
    project: Project,
) -> None:
    project.start()
    model = Model(
        [
            ("start_new_session", {"experiment_name": "waking"}),
            ("execute_code", {"session_id": SESSION, "code": SLEEP.format(6, "training")}),
            REST,
            ("execute_code", {"session_id": SESSION, "code": SLEEP.format(6, "evaluation")}),
        ]
    )
    with serving(model), claude_code(project, model, env=AT_ONCE) as terminal:
        await terminal.shows("❯")
        await terminal.type("go")
        await model.read("started server-side task")
        await model.read("training is over")
        await model.read("started server-side task", since=len(model.asked) - 1)
        (worker,) = processes_of(project, "--worker")
        os.kill(worker, signal.SIGKILL)
        await model.read("evaluation is over")
        await terminal.exit()


async def test_a_resumed_conversation_is_woken_for_what_ended_while_it_was_away(project: Project) -> None:
    project.start()
    model = Model([("execute_scratch", {"code": SLEEP.format(6, "scratch")})])
    with serving(model):
        with claude_code(project, model, env=AT_ONCE) as terminal:
            await terminal.shows("❯")
            await terminal.type("go")
            await model.read("started server-side task")
            await terminal.shows("is over.")
            (worker,) = processes_of(project, "--worker")
            conversation = conversation_of(worker)
            await terminal.exit()
        await until(lambda: not processes_of(project, "--worker"), what="its process is gone")
        with claude_code(project, model, "--continue", env=AT_ONCE) as terminal:
            await model.read("scratch is over")
            (worker,) = processes_of(project, "--worker")
            assert conversation_of(worker) == conversation, "so that it takes its sessions back"
            await terminal.exit()


async def test_the_plugins_monitor_wakes_the_conversation_when_its_kernel_dies(project: Project) -> None:
    project.start()
    pid = ("execute_code", {"session_id": SESSION, "code": "import os; print('kernel-pid', os.getpid())"})
    model = Model(
        [("start_new_session", {"experiment_name": "watched"}), pid], "mcp__plugin_jlab-mcp_jlab-mcp__"
    )
    with serving(model), claude_code(project, model, plugin=ROOT / "plugin") as terminal:
        await terminal.shows("❯")
        await terminal.type("go")
        found = re.search(r"kernel-pid (\d+)", (await model.read("kernel-pid ")).last)
        assert found is not None
        (worker,), (*_, events) = processes_of(project, "--worker"), processes_of(project, "events")
        assert conversation_of(worker) == conversation_of(events), "so that it hears of its own sessions only"
        kernel = int(found[1])
        os.kill(kernel, signal.SIGKILL)
        await model.read("All its variables are lost")
        await terminal.exit()
