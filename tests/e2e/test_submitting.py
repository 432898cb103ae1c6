"""A job stays on record even if the start that submits it dies."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project import Project, project_in, until

ROW = "77|PENDING||30:00|30:00|0:00|N/A|N/A||1|500M|gres:gpu:1|9|gpu|0|{now}|comment={comment}|name=jlab-mcp|reason=Priority"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """On a cluster of stand-ins: sbatch waits for `go`, squeue prints what is in `rows`."""
    programs = {
        "sbatch": f'case "$*" in *test-only*) exit 1;; esac\ncat > {tmp_path}/job\ntouch {tmp_path}/called\n'
        f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done\necho 77",
        "squeue": f"cat {tmp_path}/rows",
        "scontrol": "exit 1",
        "sinfo": "exit 1",
        "scancel": f'echo "$@" >> {tmp_path}/cancelled; : > {tmp_path}/rows',
    }
    for name, body in programs.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        path.chmod(0o755)
    (tmp_path / "rows").touch()
    with project_in(tmp_path / "p", JLAB_MCP_RUN_MODE="slurm", PATH=f"{tmp_path}/bin:/usr/bin:/bin") as made:
        yield made
        (tmp_path / "go").touch()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL], ids=["a closed terminal", "kill -9"])
async def test_a_start_that_ends_while_sbatch_works_leaves_a_job_that_is_found(
    project: Project, tmp_path: Path, number: signal.Signals
) -> None:
    start = project.spawn("start", "--detach")
    await until((tmp_path / "called").exists, 30)
    assert project.status_file().get("JOB_ID") is None
    comment = f"jlab-mcp/{project.status_file()['SUBMISSION']}"
    assert comment in (tmp_path / "job").read_text(encoding="utf-8")
    start.send_signal(number)
    if number == signal.SIGKILL:
        start.wait()
    (tmp_path / "go").touch()
    said, _ = start.communicate(timeout=30)
    assert start.returncode == (129 if number == signal.SIGHUP else -9)
    assert number == signal.SIGKILL or "Job 77 stays in the queue" in said
    (tmp_path / "rows").write_text(ROW.format(now=int(time.time()), comment=comment), encoding="utf-8")
    assert "Job 77 waits in the queue" in project.run("status").stdout
    assert project.status_file()["JOB_ID"] == "77"


async def test_a_job_of_another_cluster_is_asked_about_and_cancelled_there(
    project: Project, tmp_path: Path
) -> None:
    for name in ("squeue", "scancel"):  # answer for cluster `big` only
        path = tmp_path / "bin" / name
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("\n", '\n[ "$SLURM_CLUSTERS" = big ] || exit 0\n', 1), encoding="utf-8")
    sbatch = tmp_path / "bin" / "sbatch"
    sbatch.write_text(
        sbatch.read_text(encoding="utf-8").replace("echo 77", "echo '77;big'"), encoding="utf-8"
    )
    (tmp_path / "go").touch()
    env = {"JLAB_MCP_SLURM_EXTRA": "--clusters=big,small", "JLAB_MCP_QUEUE_TIMEOUT": "0"}
    assert project.run("start", "--detach", **env).returncode == 3
    facts = project.status_file()
    assert (facts["JOB_ID"], facts["CLUSTER"]) == ("77", "big")
    comment = f"jlab-mcp/{facts['SUBMISSION']}"
    (tmp_path / "rows").write_text(ROW.format(now=int(time.time()), comment=comment), encoding="utf-8")
    await until(lambda: "Job 77 waits in the queue" in project.run("status").stdout, 20)
    assert "Job 77 was cancelled" in project.run("stop", SLURM_CLUSTERS="small").stdout
    assert (tmp_path / "cancelled").read_text(encoding="utf-8") == "77\n"


async def test_a_job_that_the_queue_lists_too_late_does_not_run_beside_the_next_one(
    project: Project, tmp_path: Path
) -> None:
    (tmp_path / "go").touch()
    assert project.run("start", "--detach", JLAB_MCP_QUEUE_TIMEOUT="0").returncode == 3
    record = project.status_dir / "server-status"
    text = (
        record.read_text(encoding="utf-8").replace("STATE=pending", "STATE=error").replace("JOB_ID=77\n", "")
    )
    record.write_text(text, encoding="utf-8")
    comment = f"jlab-mcp/{project.status_file()['SUBMISSION']}"
    (tmp_path / "rows").write_text(ROW.format(now=int(time.time()), comment=comment), encoding="utf-8")
    assert project.run("start", "--detach", JLAB_MCP_QUEUE_TIMEOUT="0").returncode == 3
    assert (tmp_path / "cancelled").read_text(encoding="utf-8") == "77\n"
    assert project.status_file()["SUBMISSION"] not in comment


async def test_the_doctor_looks_at_a_server_that_starts_and_cannot_be_reached(
    project: Project, tmp_path: Path
) -> None:
    (tmp_path / "go").touch()
    assert project.run("start", "--detach", JLAB_MCP_QUEUE_TIMEOUT="0").returncode == 3
    record = project.status_dir / "server-status"
    text = (
        record.read_text(encoding="utf-8").replace("STATE=pending", "STATE=starting").replace("END=1\n", "")
    )
    facts = {
        "HOSTNAME": "localhost",
        "PORT": "1",
        "URL": "https://localhost:1",
        "CERT": "AA==",
        "JOB_START": "1",
    }
    record.write_text(
        text + "".join(f"{key}={value}\n" for key, value in facts.items()) + "END=1\n", encoding="utf-8"
    )
    row = ROW.replace("PENDING||", "RUNNING|localhost|").format(
        now=1, comment=f"jlab-mcp/{project.status_file()['SUBMISSION']}"
    )
    (tmp_path / "rows").write_text(row, encoding="utf-8")
    found = {one["check"]: one for one in json.loads(project.run("doctor", "--json").stdout)}
    assert found["reach"]["level"] == "fail" and "port 1" in found["reach"]["text"], found
    assert "srun --overlap --jobid 77" in found["reach"]["fix"]
