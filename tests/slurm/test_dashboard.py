"""The dashboard in a real terminal while its job waits, starts unseen, runs, and reaches the end of its walltime."""

from __future__ import annotations

import asyncio
import re
import shutil

import pytest

from tests.e2e.test_live_view import Terminal, terminal
from tests.project import COMMAND, Project, until

from .counting import nothing_is_missing, running_count
from .machines import Cluster

pytestmark = [
    pytest.mark.xdist_group("slurm-jobs"),
    pytest.mark.usefixtures("job_past_its_walltime"),
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]


def seconds_left(dashboard: Terminal) -> int:
    """What the header says, below an hour."""
    (shown,) = re.findall(r"0:(\d\d):(\d\d) left", dashboard.screen())
    return int(shown[0]) * 60 + int(shown[1])


async def test_the_dashboard_shows_queue_run_walltime_and_end_of_a_job(
    cluster: Cluster, lab: Project
) -> None:
    lab.extra_env["JLAB_MCP_SLURM_EXTRA"] = "--hold"
    with terminal(lab, f"{COMMAND} start") as dashboard:
        screen = await dashboard.shows("JobHeldUser")
        job_id = lab.status_file()["JOB_ID"]
        assert job_id in screen and "pending" in screen and "Queue" in screen
        assert f"scontrol release {job_id}" in screen and "cancel the job" in screen
        assert "partition" in screen and "gpu" in screen
        dashboard.keys("q")
        screen = await dashboard.shows("exit=0")
        assert f"SLURM job {job_id} stays in the queue." in screen and "jlab-mcp stop" in screen
    assert lab.status_file()["STATE"] == "pending"

    cluster.run("scontrol", "release", job_id)
    await until(lambda: list(lab.status_dir.glob("connections/*.connection.json")), 60)
    status = lab.run("status")
    assert status.returncode == 0 and status.stdout.startswith("JupyterLab ready at https://")
    async with lab.client() as agent:
        assert (await agent.record("ping"))["status"] == "ok"
        with terminal(lab, f"{COMMAND} start") as dashboard:
            screen = await dashboard.shows("● running", 60)
            node = lab.status_file()["HOSTNAME"]
            header = screen.splitlines()[0]
            assert job_id in header and node in header and "3:59:" in header and " left" in header

            _, run, notebook = await running_count(agent)
            await dashboard.shows(r"line \d+")
            assert lab.status_file()["TOKEN"] not in dashboard.screen()

            cluster.run("scontrol", "update", f"JobId={job_id}", "EndTime=now+100")
            await dashboard.shows("The job's walltime ends in 1 min")
            seen = seconds_left(dashboard)
            await until(lambda: seconds_left(dashboard) <= seen - 2)
            assert dashboard.screen().count("everything in") == 1, "said once, not at each look"
            assert "The job's walltime ends in " in await agent.text("wait_for_run", run_id=run, wait_s=0)

            waiting = asyncio.create_task(agent.text("wait_for_run", run_id=run, wait_s=100))
            cluster.run("scontrol", "update", f"JobId={job_id}", "EndTime=now+2")
            cause = f"Job {job_id} reached the end of its walltime."
            assert cause in await waiting
            screen = await dashboard.shows(re.escape(cause))
            assert "ended" in screen and "jlab-mcp start" in screen
            dashboard.keys("q")
            await dashboard.shows("exit=0")
    await nothing_is_missing(notebook)
    status = lab.run("status")
    assert status.returncode == 1 and "jlab-mcp start TIME" in status.stdout
