"""Jobs that start and never get to a server: the cause is named, and no allocation is left burning."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import Project

from .machines import Cluster, read_only, wait_for

pytestmark = [pytest.mark.xdist_group("slurm-starts"), pytest.mark.usefixtures("job_past_its_walltime")]

SQUAT = "import socket, sys; s = socket.create_server(('', int(sys.argv[1]))); print('up', flush=True); s.accept()"
HALF = """
python3 - <<'PYTHON'
import glob, json, os
for config in glob.glob(os.environ["CONNECTIONS"] + "/*.config.json"):
    target = json.load(open(config))["connection_file"]
    open(target, "w").write('{"hostname": "half", "po')
PYTHON
exec sleep 100
"""
"""a set-up that leaves half a connection file and goes no further"""


def job_state(cluster: Cluster, lab: Project) -> str:
    job_id = lab.status_file()["JOB_ID"]
    return cluster.run("squeue", "-h", "-t", "all", "-j", job_id, "-o", "%T").strip()


def test_an_environment_that_the_node_does_not_see_is_named(cluster: Cluster, lab: Project) -> None:
    node = cluster.gpu1
    node.run("mount", "-t", "tmpfs", "none", sys.prefix)
    try:
        done = lab.run("start", "--detach", JLAB_MCP_SLURM_EXTRA=f"--nodelist={node.name}")
    finally:
        node.run("umount", sys.prefix)
    assert done.returncode == 1
    assert "No Python was found on the node" in done.stderr and "python3 -m venv .venv && " in done.stderr, (
        done.stderr
    )
    assert lab.run("status").returncode == 1


@pytest.mark.parametrize("setup", ["", "source .venv/bin/activate"], ids=["found", "activated"])
def test_a_venv_without_jupyter_is_named_with_the_command_that_installs_it(
    cluster: Cluster, lab: Project, setup: str
) -> None:
    node = cluster.gpu1
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", ".venv"], cwd=lab.root, check=True)
    node.run("mount", "-t", "tmpfs", "none", sys.prefix)
    try:
        extra = f"--nodelist={node.name}"
        env = {"JLAB_MCP_SLURM_EXTRA": extra, "JLAB_MCP_SETUP": setup, "JLAB_MCP_PYTHON_FALLBACK": "1"}
        done = lab.run("start", "--detach", **env)
    finally:
        node.run("umount", sys.prefix)
    assert done.returncode == 1
    python = f"{lab.root}/.venv/bin/python{'3' if setup else ''}"
    assert "The Python on the node has no jupyter_server." in done.stderr, done.stderr
    assert f"{python} -m pip install jupyterlab ipykernel" in done.stderr
    assert lab.run("status").returncode == 1


def test_a_set_up_that_ends_the_script_is_reported_with_the_line_that_does(
    cluster: Cluster, lab: Project
) -> None:
    done = lab.run("start", "--detach", JLAB_MCP_SETUP="echo module broken: error; exit 7")
    assert done.returncode == 1
    told = "a line of JLAB_MCP_SETUP failed: exit 7 (the shell ended in it with code 7): module broken: error"
    assert told in done.stderr, done.stderr
    assert "module broken: error" in lab.run("logs").stdout


def test_a_taken_port_range_on_the_node_is_named(cluster: Cluster, lab: Project) -> None:
    node, port = cluster.gpu1, str(random.randint(20000, 30000))
    argv = node.command(sys.executable, "-c", SQUAT, port)
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as squatter:
        try:
            assert squatter.stdout and squatter.stdout.readline() == b"up\n"
            ports = {"JLAB_MCP_PORT_MIN": port, "JLAB_MCP_PORT_MAX": port}
            done = lab.run("start", "--detach", JLAB_MCP_SLURM_EXTRA=f"--nodelist={node.name}", **ports)
        finally:
            squatter.kill()
    assert done.returncode == 1
    assert "Every port in the range is taken on the node." in done.stderr
    assert "JLAB_MCP_PORT_MIN" in done.stderr


async def test_a_home_that_the_node_sees_read_only_is_named_at_the_first_start_and_not_needed_at_the_second(
    cluster: Cluster, lab: Project, tmp_path: Path
) -> None:
    node, logs = cluster.gpu1, tmp_path / "logs"
    lab.extra_env["JLAB_MCP_SLURM_EXTRA"] = f"--nodelist={node.name}"
    with read_only(node, lab.home):
        first = await asyncio.to_thread(lab.run, "start", "--detach")
        second = await asyncio.to_thread(lab.run, "start", "--detach", JLAB_MCP_LOG_DIR=str(logs))
        lab.extra_env["JLAB_MCP_DIR"] = str(tmp_path / "scratch")
        group = ["sh", "-c", 'umask 002; exec "$0" "$@"']
        third = await asyncio.to_thread(lab.run, "start", "--detach", within=group)
        assert third.returncode == 0, third.stderr + lab.run("logs").stdout
        (log,) = (tmp_path / "scratch" / "logs").glob("*.log")
        assert log.stat().st_mode & 0o777 == 0o600
        async with lab.client() as agent:
            session = await agent.session()
            assert (await agent.text("execute_code", session_id=session, code="6 * 7")).startswith("42\n")
        await asyncio.to_thread(lab.run, "stop")
    for failed in (first, second):
        assert failed.returncode == 1
        assert failed.stderr.splitlines()[1].strip().startswith("Set JLAB_MCP_DIR"), failed.stderr
    assert "The node cannot write to the status directory" in second.stderr


def test_a_node_without_the_interface_to_listen_on_is_named_with_what_it_has(
    cluster: Cluster, lab: Project
) -> None:
    done = lab.run("start", "--detach", JLAB_MCP_SLURM_BIND_IP="ib0")
    assert done.returncode == 1
    assert "no address of the kind that JLAB_MCP_SLURM_BIND_IP names" in done.stderr
    assert "has no address for ib0; it has: lo 127.0.0.1" in done.stderr


def test_a_log_directory_that_the_node_does_not_have_is_named(cluster: Cluster, lab: Project) -> None:
    logs = lab.home / "logs"
    hide = ("JLAB_MCP_LOG_DIR", str(logs))
    first = lab.run(
        "start", "--detach", JLAB_MCP_QUEUE_TIMEOUT="0", JLAB_MCP_SLURM_EXTRA="--hold", **dict([hide])
    )
    assert first.returncode == 3
    logs.rmdir()
    cluster.run("scontrol", "release", lab.status_file()["JOB_ID"])
    wait_for(lambda: job_state(cluster, lab) == "FAILED", "the job has failed")
    done = lab.run("wait")
    assert done.returncode == 1
    assert "the directory of its log" in done.stderr and "JLAB_MCP_LOG_DIR" in done.stderr


def test_a_job_does_not_run_a_copy_of_the_extension_that_changed_in_the_queue(
    cluster: Cluster, lab: Project
) -> None:
    first = lab.run("start", "--detach", JLAB_MCP_QUEUE_TIMEOUT="0", JLAB_MCP_SLURM_EXTRA="--hold")
    assert first.returncode == 3
    ran = lab.home / "ran"
    (launcher,) = (lab.status_dir / "node").glob("*/launch.py")
    launcher.write_text(f"open({str(ran)!r}, 'w').close()\n", encoding="utf-8")
    cluster.run("scontrol", "release", lab.status_file()["JOB_ID"])
    wait_for(lambda: job_state(cluster, lab) in ("FAILED", "COMPLETED"), "the job has ended", 90)
    assert not ran.exists()
    done = lab.run("wait")
    assert done.returncode == 1
    assert "The copy of the Jupyter extension changed after the job was submitted" in done.stderr


def test_a_half_written_connection_file_is_waited_for_and_the_job_cancelled_in_the_end(
    cluster: Cluster, lab: Project
) -> None:
    lab.extra_env["JLAB_MCP_STATUS_DIR"] = str(lab.home / "status")
    setup = f"export CONNECTIONS={lab.home}/status/connections\n{HALF}"
    done = lab.run("start", "--detach", JLAB_MCP_SETUP=setup, JLAB_MCP_READY_TIMEOUT="3")
    assert done.returncode == 1
    assert "JupyterLab did not start there within 3 s." in done.stderr
    assert "restart 0" in done.stdout, "the end of the job's log is shown"
    facts = dict(line.split("=", 1) for line in (lab.home / "status/server-status").read_text().splitlines())
    assert facts["STATE"] == "error"
    state = cluster.run("squeue", "-h", "-t", "all", "-j", facts["JOB_ID"], "-o", "%T").strip()
    assert state == "CANCELLED"
    assert "did not start there" in lab.run("status").stdout
