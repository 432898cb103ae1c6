"""Jobs for the tests: submitted through the real template, with a stand-in for the launcher; bounded waits on squeue."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

from jlab_tui.adapters.slurm.commands import Slurm
from jlab_tui.core.slurm.queue import Job, QueueRows
from jlab_tui.core.slurm.script import ResourceRequest, ScriptInputs, render_script, script_values
from jlab_tui.core.slurm.submit import Submitted
from jlab_tui.core.slurm.terms import JobPhase, JobState

from .machines import Cluster, wait_for

TEMPLATE = Path(__file__).parents[2] / "templates" / "jupyter_slurm.sh.template"

LAUNCHER = """
import json, os, socket, sys, time
config = json.load(open(sys.argv[1]))
target = config["connection_file"]
with open(target + ".part", "w") as file:
    json.dump({"hostname": socket.gethostname(), "pid": os.getpid()}, file)
os.rename(target + ".part", target)
print("launched", flush=True)
while True:
    time.sleep(3600)
"""
"""stand-in for the real launcher: writes the connection file, then stays"""

GPU_JOB = ResourceRequest(time="30:00", partition="gpu", gres="gpu:1", mem_mb=100)
CPU_JOB = ResourceRequest(time="30:00", mem_mb=100)


def inputs(cluster: Cluster, submission: str, **changes: str | list[str]) -> ScriptInputs:
    """Inputs of a script that works, its files written; `changes` replace some."""
    home = cluster.shared
    (home / "launch.py").write_text(LAUNCHER, encoding="utf-8")
    config = home / f"{submission}.config"
    config.write_text(f'{{"connection_file": "{home}/{submission}.json"}}', encoding="utf-8")
    values: dict[str, str | list[str]] = {
        "log": f"{home}/{submission}-%j.log",
        "workdir": str(home),
        "launcher": str(home / "launch.py"),
        "config": str(config),
        "pythons": [sys.executable],
        **changes,
    }
    return ScriptInputs(submission=submission, **values)  # type: ignore[arg-type]


def script(request: ResourceRequest, given: ScriptInputs) -> str:
    return render_script(TEMPLATE.read_text(encoding="utf-8"), script_values(request, given))


async def submit(slurm: Slurm, cluster: Cluster, submission: str, request: ResourceRequest = GPU_JOB) -> str:
    answer = await slurm.submit(script(request, inputs(cluster, submission)))
    assert isinstance(answer, Submitted), answer
    return answer.job_id


async def job_when(slurm: Slurm, job_id: str, condition: Callable[[Job], bool], timeout_s: float = 30) -> Job:
    """The job's row once the condition holds for it."""
    deadline = time.monotonic() + timeout_s
    job = None
    while time.monotonic() < deadline:
        answer = await slurm.queue()
        job = answer.find(job_id) if isinstance(answer, QueueRows) else None
        if job and condition(job):
            return job
        await asyncio.sleep(0.1)
    raise AssertionError(f"not within {timeout_s:g} s: {job}")


def in_state(*states: JobState) -> Callable[[Job], bool]:
    return lambda job: job.state in states


is_running = in_state(JobState.RUNNING)


def has_ended(job: Job) -> bool:
    return job.phase is JobPhase.ENDED


def clear(cluster: Cluster) -> None:
    """Cancel all jobs but the one that waits for its walltime, and mend what a test broke."""
    live = ["squeue", "-h", "-o", "%A %j"]

    def jobs() -> list[str]:
        rows = (line.split(" ", 1) for line in cluster.run(*live, check=False).splitlines())
        return [row[0] for row in rows if row[1] != "walltime"]

    for job_id in jobs():
        cluster.run("scancel", job_id)
    for node in cluster.nodes:
        cluster.run("scontrol", "update", f"NodeName={node.name}", "State=RESUME", check=False)
    wait_for(lambda: not jobs(), "all jobs have ended")
