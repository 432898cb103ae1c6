"""The dashboard in a real terminal while its job waits, runs, comes near its walltime and is cancelled by somebody."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.e2e.test_live_view import Terminal, terminal
from tests.project import COMMAND, Project, until

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

        cluster.run("scontrol", "release", job_id)
        screen = await dashboard.shows("● running", 60)
        node = lab.status_file()["HOSTNAME"]
        header = screen.splitlines()[0]
        assert job_id in header and node in header and "3:59:" in header and " left" in header

        async with lab.client() as agent:
            session = await agent.session("watched")
            code = "import time\nfor n in range(2000): print('step', n, flush=True); time.sleep(0.05)"
            await agent.text("execute_code", session_id=session, code=code, wait_s=0)
            await dashboard.shows(r"step \d+")
            assert lab.status_file()["TOKEN"] not in dashboard.screen()

            cluster.run("scontrol", "update", f"JobId={job_id}", "EndTime=now+100")
            await dashboard.shows("The job's walltime ends in 1 min")
            seen = seconds_left(dashboard)
            await until(lambda: seconds_left(dashboard) <= seen - 2)
            assert dashboard.screen().count("everything in") == 1, "said once, not at each look"

            cluster.run("scancel", job_id)
            screen = await dashboard.shows(f"Job {job_id} was cancelled \\(by scancel, not by jlab-mcp\\)")
        assert "ended" in screen and "jlab-mcp start" in screen
        dashboard.keys("q")
        await dashboard.shows("exit=0")
