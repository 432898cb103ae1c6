"""A server in a job, used as people use it: by an MCP client, from two login nodes, while Slurm is in trouble or the job is
suspended; its token stays where it belongs.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.e2e.test_live_view import terminal
from tests.project import COMMAND, Agent, Project, project_in, read_notebook, text_of, until
from tests.security.accounts import STRANGER
from tests.shared import SharedProject

from .counting import nothing_is_missing, reached, running_count
from .machines import Cluster, wait_for
from .reaching import forwards, logs_in

pytestmark = [pytest.mark.xdist_group("slurm-jobs"), pytest.mark.usefixtures("job_past_its_walltime")]

OTHER_LOGIN_NODE = ["unshare", "--uts", "sh", "-c", 'hostname login2 && exec "$@"', "sh", COMMAND]
"""the same file system and network, another host name; processes of the first login node mean nothing there"""


@asynccontextmanager
async def client_on_the_other_login_node(project: Project) -> AsyncIterator[Agent]:
    parameters = StdioServerParameters(
        command=OTHER_LOGIN_NODE[0], args=OTHER_LOGIN_NODE[1:], cwd=str(project.root), env=project.env
    )
    async with Client(stdio_client(parameters)) as client:
        yield Agent(client, project)


async def test_code_of_an_mcp_client_runs_in_the_job_and_its_plot_is_in_the_notebook(
    lasting_cluster: Cluster, served: SharedProject
) -> None:
    facts = served.status_file()
    async with served.shared_client() as agent:
        async with asyncio.timeout(40):
            while "walltime_left_s" not in (ping := await agent.record("ping")):
                await asyncio.sleep(0.2)  # the queue is asked again every few seconds
        assert ping["status"] == "ok" and ping["job_id"] == facts["JOB_ID"]
        assert 0 < ping["walltime_left_s"] <= 4 * 3600
        opened = await agent.record("start_new_session", experiment_name="on the node")
        session = opened["session_id"]
        where = "import os, socket\nprint(socket.gethostname(), os.environ['SLURM_JOB_ID'])"
        said = await agent.text("execute_code", session_id=session, code=where)
        assert said.startswith(f"{facts['HOSTNAME']} {facts['JOB_ID']}\n")
        assert facts["HOSTNAME"] in (lasting_cluster.gpu1.name, lasting_cluster.gpu2.name)
        plot = "import matplotlib.pyplot as plt\nplt.plot([1, 4, 9])\nplt.show()"
        shown = await agent.call("execute_code", session_id=session, code=plot)
        assert [block.type for block in shown.content if block.type == "image"] == ["image"]
        used = await agent.record("check_resources")
        assert used["memory"]["total_mb"] == 500, "of the allocation, not of the node"
    cells = read_notebook(Path(opened["notebook_path"]))["cells"]
    assert "image/png" in cells[-1]["outputs"][-1]["data"]


async def test_a_kernel_in_a_job_is_in_the_environment_of_its_python(served: SharedProject) -> None:
    code = "import os, shutil, sys\nprint(shutil.which('python3'), os.environ['VIRTUAL_ENV'], os.environ['SLURM_JOB_NAME'])"
    async with served.shared_client() as agent:
        said = await agent.text("execute_code", session_id=await agent.session("env"), code=code)
    assert said.startswith(f"{Path(sys.executable).with_name('python3')} {sys.prefix} interactive\n")


async def test_another_login_node_sees_and_uses_the_same_server(served: SharedProject) -> None:
    def other(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*OTHER_LOGIN_NODE, *arguments],
            cwd=served.root,
            env=served.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    job_id = served.status_file()["JOB_ID"]
    status = json.loads(other("status", "--json").stdout)
    assert (status["state"], status["job_id"], status["healthy"]) == ("ready", job_id, True)
    attached = other("start", "--detach")
    assert attached.returncode == 0 and attached.stdout.startswith("JupyterLab ready at ")
    async with client_on_the_other_login_node(served) as agent:
        session = await agent.session("elsewhere")
        assert (await agent.text("execute_code", session_id=session, code="6 * 7")).startswith("42")
    assert served.status_file()["JOB_ID"] == job_id


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
async def test_a_dashboard_on_another_login_node_shows_a_cell_live(served: SharedProject) -> None:
    """No FIFO reaches it: it reads the journals on the shared file system."""
    with terminal(served, shlex.join([*OTHER_LOGIN_NODE, "start", "--readonly"])) as dashboard:
        await dashboard.shows("● running", 60)
        (fifo,) = served.status_dir.glob("fifos/*")
        assert fifo.name.startswith("login2-")
        async with served.shared_client() as agent:
            session = await agent.session("watched from afar")
            code = "import time\nfor n in range(600): print('step', n, flush=True); time.sleep(0.05)"
            await agent.text("execute_code", session_id=session, code=code, wait_s=0)
            await dashboard.shows(r"step \d+")
            await agent.text("interrupt_kernel", session_id=session)
        dashboard.keys("q")
        await dashboard.shows("exit=0")


IN_TROUBLE = r"Slurm's controller is (not answering|hanging: no answer in time)\. jlab-mcp assumes that the job keeps running\."


async def pinged(agent: Agent, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The first answer of `ping` for which the condition holds."""
    async with asyncio.timeout(40):
        while True:
            answer = await agent.record("ping")
            if condition(answer):
                return answer
            await asyncio.sleep(0.2)


async def test_a_controller_that_is_down_or_hangs_is_a_notice_and_the_cell_runs_on(
    lasting_cluster: Cluster, served: SharedProject
) -> None:
    job_id = served.status_file()["JOB_ID"]
    async with served.shared_client() as agent:
        session, run, notebook = await running_count(agent)
        cluster = lasting_cluster
        for disturb, mend in ((cluster.stop, cluster.start), (cluster.pause, cluster.cont)):
            disturb()
            try:
                before = reached(notebook)
                ping = await pinged(agent, lambda answer: answer.get("notices"))
                status = await asyncio.to_thread(served.run, "status")
            finally:
                mend()
            assert ping["status"] == "ok" and re.fullmatch(IN_TROUBLE, ping["notices"][0])
            assert status.returncode == 0 and re.search(IN_TROUBLE, status.stdout)
            assert status.stdout.startswith("JupyterLab ready at ")
            await until(lambda before=before: reached(notebook) > before + 20)  # type: ignore[misc]
            assert (await pinged(agent, lambda answer: "notices" not in answer))["status"] == "ok"
        cluster.wait_for_state(job_id, "RUNNING")
        await agent.text("interrupt_kernel", session_id=session)
        assert "KeyboardInterrupt" in await agent.text("wait_for_run", run_id=run)
        assert (await agent.text("execute_code", session_id=session, code="6 * 7")).startswith("42")


async def test_a_suspended_job_is_reported_as_suspended_and_continues_afterwards(
    lasting_cluster: Cluster, served: SharedProject
) -> None:
    facts = served.status_file()
    job_id = facts["JOB_ID"]
    said = f"Job {job_id} is suspended on {facts['HOSTNAME']}: nothing in it runs until it is resumed."
    async with served.shared_client() as agent:
        session, run, notebook = await running_count(agent)
        idle = await agent.session("idle")
        lasting_cluster.run("scontrol", "suspend", job_id)
        try:
            waiting = asyncio.create_task(agent.text("wait_for_run", run_id=run, wait_s=8))
            sent = asyncio.create_task(agent.text("execute_code", session_id=idle, code="6 * 7", wait_s=8))
            ping = await pinged(agent, lambda answer: answer["message"] == said)
            assert ping["status"] == "ready" and not ping["healthy"]
            status = await asyncio.to_thread(served.run, "status")
            assert said in status.stdout
            assert said in await agent.error("start_new_session")
            assert said in await waiting
            not_yet = await sent
            assert said in not_yet and "the kernel has not started it yet" in not_yet
            frozen = reached(notebook)
        finally:
            lasting_cluster.run("scontrol", "resume", job_id)
        await until(lambda: reached(notebook) > frozen + 20)
        assert (await pinged(agent, lambda answer: answer["healthy"]))["status"] == "ok"
        sent_run = re.search(r'wait_for_run\(run_id="([^"]+)"', not_yet)
        assert sent_run and (await agent.text("wait_for_run", run_id=sent_run[1])).startswith("42")
        await agent.text("interrupt_kernel", session_id=session)
        assert "KeyboardInterrupt" in await agent.text("wait_for_run", run_id=run)
    await nothing_is_missing(notebook)


def test_a_login_node_that_cannot_resolve_the_nodes_uses_the_address_that_slurm_knows(
    served: SharedProject, tmp_path: Path
) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n", encoding="utf-8")
    argv = ["unshare", "--mount", "sh", "-c", 'mount --bind "$1" /etc/hosts && shift && exec "$@"', "sh"]
    done = subprocess.run(
        [*argv, str(hosts), COMMAND, "status", "--json"],
        cwd=served.root,
        env=served.env,
        capture_output=True,
        text=True,
        check=False,
    )
    status = json.loads(done.stdout)
    assert status["healthy"] and status["url"] == served.status_file()["URL"], done


def test_a_process_of_another_host_is_never_taken_for_ours(tmp_path: Path) -> None:
    with (
        subprocess.Popen(["sleep", "600"]) as stranger,
        project_in(tmp_path, JLAB_MCP_STATUS_DIR=str(tmp_path / "status")) as project,
    ):
        try:
            (tmp_path / "status").mkdir(mode=0o700)
            record = f"STATE=ready\nMODE=local\nPID={stranger.pid}\nPID_START=1\nHOSTNAME=login7\nLAUNCHER=login7\nEND=1\n"
            (tmp_path / "status" / "server-status").write_text(record, encoding="utf-8")
            refused = project.run("stop")
            assert refused.returncode == 1
            assert "runs on login7" in refused.stderr
            assert stranger.poll() is None
            assert (tmp_path / "status" / "server-status").exists()
        finally:
            stranger.kill()


async def test_a_browser_needs_no_certificate_on_this_host_or_behind_ssh(served: SharedProject) -> None:
    done = await asyncio.to_thread(served.run, "url", USER="ada", SSH_CONNECTION="192.0.2.9 1 192.0.2.1 22")
    _, laptop, ssh, opened, *rest = done.stdout.splitlines()
    token = served.status_file()["TOKEN"]
    assert laptop.startswith("On a laptop") and token not in done.stdout + done.stderr
    found = re.fullmatch(r"  ssh -N -L (\d+):(\S+) ada@192\.0\.2\.1", ssh)
    assert found and opened == f"then open http://127.0.0.1:{found[1]}/lab"
    assert f"On this host, open http://127.0.0.1:{found[1]}/lab" in rest
    assert await logs_in(httpx.AsyncHTTPTransport(), f"127.0.0.1:{found[1]}", token)
    assert await logs_in(httpx.AsyncHTTPTransport(uds=found[2]), "localhost", token)
    again = await asyncio.to_thread(served.run, "url", USER="ada", SSH_CONNECTION="192.0.2.9 1 192.0.2.1 22")
    assert again.stdout == done.stdout and len(forwards(served)) == 1
    ask = f"exec 3<>/dev/tcp/127.0.0.1/{found[1]}; printf 'GET / HTTP/1.0\r\n\r\n' >&3; cat <&3"
    heard = [
        (await asyncio.to_thread(subprocess.run, ["bash", "-c", ask], capture_output=True, user=uid)).stdout
        for uid in (os.geteuid(), STRANGER)
    ]
    assert heard[0].startswith(b"HTTP/1.1 302") and heard[1] == b"", "another account is not let in"
    assert Path(found[2]).stat().st_mode & 0o777 == 0o600


def is_private(path: Path) -> bool:
    """Whether only its owner can read a file; Jupyter's own `jpserver-*-open.html` is 0644 in a directory of mode 0700."""
    return any(part.stat().st_mode & 0o077 == 0 for part in (path, path.parent))


async def test_the_token_is_in_no_script_process_log_record_or_reply(
    lasting_cluster: Cluster, served: SharedProject
) -> None:
    facts = served.status_file()
    token, job_id = facts["TOKEN"], facts["JOB_ID"]
    node = lasting_cluster.node(facts["HOSTNAME"])
    seen = {"batch script": lasting_cluster.run("scontrol", "write", "batch_script", job_id, "-")}
    async with served.shared_client() as agent:
        session = await agent.session("secrets")
        peek = "import os; print(dict(os.environ)); print(open(f'/proc/{os.getppid()}/cmdline').read())"
        for tool, arguments in (
            ("ping", {}),
            ("wait_for_server", {}),
            ("execute_code", {"session_id": session, "code": peek}),
            ("check_resources", {}),
        ):
            seen[tool] = text_of(await agent.call(tool, **arguments))
        seen["processes"] = node.run("ps", "auxwwwe")
    for command in ("status", "logs"):
        done = served.run(command)
        seen[command] = done.stdout + done.stderr
    assert "launch.py" in seen["processes"] and "SLURM_JOB_ID" in seen["execute_code"]
    assert [name for name, text in seen.items() if token in text] == []
    kept = [lasting_cluster.directory / "state", lasting_cluster.directory / "log", served.home, served.root]
    holders = {
        path
        for directory in kept
        for path in directory.rglob("*")
        if path.is_file() and token.encode() in path.read_bytes()
    }
    assert [path for path in holders if not is_private(path)] == []
    ours = {path for path in holders if "jupyter/runtime" not in str(path)}
    assert {path.name.partition(".")[2] or path.name for path in ours} == {"token", "server-status"}


def test_the_other_login_node_can_stop_it(lasting_cluster: Cluster, served: SharedProject) -> None:
    job_id = served.status_file()["JOB_ID"]
    stopped = subprocess.run(
        [*OTHER_LOGIN_NODE, "stop"],
        cwd=served.root,
        env=served.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert stopped.stdout == f"Job {job_id} was cancelled.\n"
    state = lasting_cluster.run("squeue", "-h", "-t", "all", "-j", job_id, "-o", "%T").strip()
    assert state == "CANCELLED"
    assert not list(served.status_dir.glob("connections/*")), "its token is gone"
    wait_for(lambda: not forwards(served), "the way of a browser ends with the server")
