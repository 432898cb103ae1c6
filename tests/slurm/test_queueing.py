"""`jlab-mcp` while its job waits in the queue or is refused: its messages, what stays, what `stop` does."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import re
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.project import Project, project_in, until

from .conftest import lab_env
from .machines import Cluster, wait_for

pytestmark = [pytest.mark.xdist_group("slurm"), pytest.mark.usefixtures("job_past_its_walltime")]

HELD = {"JLAB_MCP_SLURM_EXTRA": "--hold"}


def our_jobs(cluster: Cluster) -> list[str]:
    rows = cluster.run("squeue", "-h", "-o", "%i %j").splitlines()
    return [job_id for job_id, name in (row.split(" ", 1) for row in rows) if name == "jlab-mcp"]


def state_of(cluster: Cluster, job_id: str) -> str:
    return cluster.run("squeue", "-h", "-t", "all", "-j", job_id, "-o", "%T").strip()


def line_of(process: subprocess.Popen[str], pattern: str) -> str:
    """The next line of its output that matches."""
    assert process.stdout is not None
    for line in process.stdout:
        if re.search(pattern, line):
            return line
    raise AssertionError(f"it ended without {pattern!r}")


def test_a_job_stays_queued_when_the_patience_ends_and_the_next_start_waits_for_the_same_job(
    cluster: Cluster, lab: Project
) -> None:
    first = lab.run("start", "--no-tui", JLAB_MCP_QUEUE_TIMEOUT="1", **HELD)
    assert first.returncode == 3, first.stdout + first.stderr
    (job_id,) = our_jobs(cluster)
    assert first.stdout.startswith(f"SLURM job {job_id} submitted, waiting in queue...\n")
    assert f"You put it on hold.\n  Release it with `scontrol release {job_id}`.\n" in first.stdout
    assert "It stays in the queue: `jlab-mcp start`" in first.stderr
    second = lab.run("start", "--detach", JLAB_MCP_QUEUE_TIMEOUT="0.5", **HELD)
    assert second.returncode == 3 and our_jobs(cluster) == [job_id]
    status = lab.run("status")
    assert status.returncode == 3
    assert f"scontrol release {job_id}" in status.stdout
    waited = lab.run("wait", "--timeout", "3")
    assert waited.returncode == 3 and "You put it on hold" in waited.stdout
    assert waited.stderr.startswith("jlab-mcp: Not ready after ") and "hold" not in waited.stderr, "told once"
    stopped = lab.run("stop")
    assert stopped.stdout == f"Job {job_id} was cancelled.\n"
    assert state_of(cluster, job_id) == "CANCELLED"
    assert "No Jupyter server is running" in lab.run("status").stderr


def test_a_walltime_that_the_partition_does_not_allow_is_refused_before_a_job_is_queued_unless_asked_for(
    cluster: Cluster, lab: Project
) -> None:
    done = lab.run("start", "9:00:00", "--detach")
    assert done.returncode == 2 and our_jobs(cluster) == []
    assert "Partition gpu allows 4:00:00 at most, not 9:00:00" in done.stderr
    assert "`jlab-mcp start 4:00:00`" in done.stderr and "JLAB_MCP_SLURM_EXTRA=--time=9:00:00" in done.stderr
    asked = {"JLAB_MCP_SLURM_EXTRA": "--time=9:00:00", "JLAB_MCP_QUEUE_TIMEOUT": "1"}
    assert lab.run("start", "--no-tui", **asked).returncode == 3
    assert len(our_jobs(cluster)) == 1
    assert lab.run("stop").returncode == 0


def test_a_signal_leaves_the_job_queued_and_says_how_to_resume_and_cancel(
    cluster: Cluster, lab: Project
) -> None:
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    with contextlib.ExitStack() as stack:
        starts = [stack.enter_context(lab.spawn("start", "--no-tui", **HELD)) for _ in numbers]
        for process, number in zip(starts, numbers, strict=True):
            line_of(process, "You put it on hold")
            process.send_signal(number)
        said = [process.stdout.read() if process.stdout else "" for process in starts]
    (job_id,) = our_jobs(cluster)
    for process, number, lines in zip(starts, numbers, said, strict=True):
        assert lines.endswith(
            f"Job {job_id} stays in the queue. Resume with: jlab-mcp start   Cancel it with: jlab-mcp stop\n"
        )
        assert process.returncode == 128 + number
    assert state_of(cluster, job_id) == "PENDING"


def test_two_starts_at_once_make_one_job(cluster: Cluster, lab: Project) -> None:
    starts = [lab.spawn("start", "--detach", JLAB_MCP_QUEUE_TIMEOUT="1", **HELD) for _ in range(2)]
    said = [process.communicate(timeout=60)[0] for process in starts]
    assert len(our_jobs(cluster)) == 1, said
    assert [process.returncode for process in starts] == [3, 3]


def test_a_job_that_somebody_cancels_in_the_queue_is_reported_at_once(cluster: Cluster, lab: Project) -> None:
    with lab.spawn("start", "--no-tui", **HELD) as process:
        line_of(process, "You put it on hold")
        (job_id,) = our_jobs(cluster)
        cluster.run("scancel", job_id)
        said = process.stdout.read() if process.stdout else ""
    assert process.returncode == 1
    assert f"Job {job_id} was cancelled (by scancel, not by jlab-mcp)." in said
    status = lab.run("status")
    assert status.returncode == 1 and "cancelled (by scancel" in status.stdout


@pytest.fixture(scope="module")
def refused(lasting_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project of which no job is ever taken."""
    with project_in(tmp_path_factory.mktemp("refused"), **lab_env(lasting_cluster)) as project:
        yield project


@pytest.mark.parametrize(
    ("settings", "said", "hint"),
    [
        ({"SLURM_PARTITION": "nosuch"}, "There is no partition with that name.", "JLAB_MCP_SLURM_PARTITION"),
        ({"SLURM_GRES": "gpu:h100:1"}, "No node of the partition has what you ask for", "_GRES"),
        ({"SLURM_GRES": "quantum:1"}, "Slurm does not know that generic resource.", "JLAB_MCP_SLURM_GRES"),
        ({"SLURM_MEM": "999999"}, "No node of the partition has that much memory.", "JLAB_MCP_SLURM_MEM"),
        ({"SLURM_CONSTRAINT": "nosuch"}, "No node has the features", "JLAB_MCP_SLURM_CONSTRAINT"),
        ({"SLURM_EXTRA": "--nodelist=nosuch"}, "names a node that does not exist", "JLAB_MCP_SLURM_EXTRA"),
        ({"SLURM_EXTRA": "--bogus=1"}, "does not know one of the options", "JLAB_MCP_SLURM_EXTRA"),
    ],
    ids=lambda value: next(iter(value.values())) if isinstance(value, dict) else "",
)
def test_a_refused_submission_says_slurms_reason_and_what_to_change(
    lasting_cluster: Cluster, refused: Project, settings: dict[str, str], said: str, hint: str
) -> None:
    done = refused.run("start", "--detach", **{f"JLAB_MCP_{name}": value for name, value in settings.items()})
    assert done.returncode == 1
    what, how = done.stderr.splitlines()
    assert said in what and "Slurm says: " in what
    assert hint in how
    assert our_jobs(lasting_cluster) == []
    assert "No Jupyter server is running" in refused.run("status").stderr
    assert not list(refused.status_dir.glob("connections/*")), "no token is left behind"


PLUGIN = """
function slurm_job_submit(job, parts, uid)
  if job.comment and string.find(job.comment, "project:alpha", 1, true) and job.pn_min_memory > 2^62 then
    slurm.log_user("Project alpha has 12 hours left")
    return slurm.SUCCESS
  end
  slurm.log_user("Your jobs timed out; authentication: give --comment, and no --mem")
  return slurm.ERROR
end
function slurm_job_modify(job, record, parts, uid) return slurm.SUCCESS end
return slurm.SUCCESS
"""


def test_a_sites_plugin_is_quoted_and_gets_the_comment_that_it_wants(cluster: Cluster, lab: Project) -> None:
    (cluster.directory / "job_submit.lua").write_text(PLUGIN, encoding="utf-8")
    cluster.configure("JobSubmitPlugins=lua")
    try:
        refused = lab.run("start", "--detach")
        taken = lab.run(
            "start",
            "--detach",
            JLAB_MCP_QUEUE_TIMEOUT="0",
            JLAB_MCP_SLURM_MEM="none",
            JLAB_MCP_SLURM_EXTRA="--hold; --comment=project:alpha",
        )
    finally:
        cluster.configure()
    what, how = refused.stderr.splitlines()
    assert "Slurm says: Your jobs timed out; authentication: give --comment, and no --mem; Batch" in what
    assert refused.returncode == 1 and "JLAB_MCP_SLURM_MEM=none" in how
    assert taken.returncode == 3 and "Slurm says: Project alpha has 12 hours left" in taken.stdout
    (job_id,) = our_jobs(cluster)
    comment = cluster.run("squeue", "-h", "-j", job_id, "-o", "%k").strip()
    assert comment == f"project:alpha jlab-mcp/{lab.status_file()['SUBMISSION']}"
    assert lab.run("stop").stdout == f"Job {job_id} was cancelled.\n"


def test_a_time_that_slurm_would_not_take_is_refused_before_anything_is_done(lab: Project) -> None:
    done = lab.run("start", "tomorrow")
    assert done.returncode == 2
    assert "'tomorrow' is not a walltime." in done.stderr


def test_while_the_controller_is_down_nothing_is_concluded_and_stop_keeps_the_record(
    cluster: Cluster, lab: Project
) -> None:
    lab.run("start", "--detach", JLAB_MCP_QUEUE_TIMEOUT="0", **HELD)
    (job_id,) = our_jobs(cluster)
    cluster.stop()
    try:
        wait_for(lambda: "not answering" in lab.run("status").stdout, "the trouble is seen")
        status = lab.run("status")
        stopped = lab.run("stop")
    finally:
        cluster.start()
    assert status.returncode == 3
    assert (
        "Slurm's controller is not answering. jlab-mcp assumes that the job keeps running." in status.stdout
    )
    assert stopped.returncode == 1
    assert f"Job {job_id} was not cancelled" in stopped.stderr and "still on record" in stopped.stderr
    assert lab.status_file()["STATE"] == "pending"
    assert state_of(cluster, job_id) == "PENDING"
    assert lab.run("stop").stdout == f"Job {job_id} was cancelled.\n"


def test_stop_never_cancels_another_job_that_got_the_same_id(cluster: Cluster, lab: Project) -> None:
    lab.run("start", "--detach", JLAB_MCP_QUEUE_TIMEOUT="0", **HELD)
    (job_id,) = our_jobs(cluster)
    options = ("--hold", "--job-name=jlab-mcp", "--comment=jlab-mcp/0123", "--wrap=sleep 9")
    other = cluster.run("sbatch", "--parsable", *options).strip()
    record = lab.status_dir / "server-status"
    text = record.read_text(encoding="utf-8")
    record.write_text(text.replace(f"JOB_ID={job_id}\n", f"JOB_ID={other}\n"), encoding="utf-8")
    assert "had already ended" in lab.run("stop").stdout
    assert state_of(cluster, other) == "PENDING"


def test_a_stop_that_was_killed_is_finished_by_the_next_start(cluster: Cluster, lab: Project) -> None:
    lab.run("start", "--detach", JLAB_MCP_QUEUE_TIMEOUT="0", **HELD)
    (job_id,) = our_jobs(cluster)
    record = lab.status_dir / "server-status"
    text = record.read_text(encoding="utf-8")
    record.write_text(text.replace("STATE=pending\n", "STATE=stopping\n"), encoding="utf-8")
    assert lab.run("start", "--detach", JLAB_MCP_QUEUE_TIMEOUT="0", **HELD).returncode == 3
    (other,) = our_jobs(cluster)
    assert other != job_id and state_of(cluster, job_id) == "CANCELLED"


SQUEUE = """#!/bin/sh
echo "$(date +%s.%N) $*" >>"$ASKED"
exec /usr/bin/squeue "$@"
"""
OCCUPY = """#!/bin/bash
#SBATCH -p gpu -N 2 --exclusive -t 5
sleep 300
"""


async def test_watchers_and_mcp_servers_ask_squeue_once_per_interval(cluster: Cluster, lab: Project) -> None:
    cluster.wait_for_state(cluster.run("sbatch", "--parsable", stdin=OCCUPY).strip(), "RUNNING")
    started = lab.run("start", "--detach", JLAB_MCP_QUEUE_TIMEOUT="0")
    assert "Slurm's estimate: it starts in about 5 min." in started.stdout
    (job_id,) = our_jobs(cluster)
    (lab.home / "squeue").write_text(SQUEUE, encoding="utf-8")
    (lab.home / "squeue").chmod(0o755)
    calls = lab.home / "calls"
    calls.touch()  # the first answers may be those of `start`, without a call
    lab.extra_env |= {"PATH": f"{lab.home}:{os.environ['PATH']}", "ASKED": str(calls)}
    watchers = [lab.spawn("wait", "--timeout", "60") for _ in range(3)]
    async with lab.client() as a, lab.client() as b:
        agents = [a, b]
        for agent in agents:
            assert (await agent.record("wait_for_server", timeout_s=0))["state"] == "pending"
        already = len(calls.read_text().splitlines())
        tasks = [asyncio.create_task(agent.record("wait_for_server", timeout_s=100)) for agent in agents]
        await until(lambda: len(calls.read_text().splitlines()) >= already + 3, 40)
        await until(lambda: "jobs with a higher priority" in lab.run("status").stdout)
        cluster.run("scancel", job_id)
        answers = await asyncio.gather(*tasks)
    assert [answer["state"] for answer in answers] == ["error"] * 2
    for watcher in watchers:
        said, _ = watcher.communicate(timeout=30)
        assert watcher.returncode == 1 and "was cancelled" in said
    asked = [line.split(" ", 1) for line in calls.read_text().splitlines()]
    times = sorted(float(at) for at, _ in asked)
    assert all(later - earlier > 1.9 for earlier, later in itertools.pairwise(times)), times
    assert [" -u " in arguments for _, arguments in asked].count(False) == 1, "the others' jobs, counted once"
