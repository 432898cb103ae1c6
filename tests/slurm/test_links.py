"""Nodes whose ports nobody reaches: by a step of the job, by ssh, or by nothing, which is said and costs no job."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from jlab_tui.adapters.link.host_files import bridge_files
from jlab_tui.core.link.bridge import BridgeTarget
from tests.e2e.test_live_view import terminal
from tests.project import COMMAND, Project, alive, until

from .machines import Cluster, Node
from .reaching import bridges, forwards, listeners, logs_in, steps
from .test_trust import client_of, hosts_of_its_own

pytestmark = [pytest.mark.xdist_group("slurm"), pytest.mark.usefixtures("job_past_its_walltime")]

PORTS = {"JLAB_MCP_PORT_MIN": "18432", "JLAB_MCP_PORT_MAX": "18687"}


@contextlib.contextmanager
def dropping_ports(nodes: tuple[Node, ...]) -> Iterator[None]:
    """Let nothing out of the nodes that comes from a port of `PORTS`: whoever connects waits in vain."""
    rule = ("ipproto", "tcp", "sport", "-".join(PORTS.values()), "blackhole")
    for node in nodes:
        node.run("ip", "rule", "add", *rule)
    try:
        yield
    finally:
        for node in nodes:
            node.run("ip", "rule", "del", *rule)


COUNT = "import time\nfor n in range(100): print('line', n, flush=True); time.sleep(0.05)"


async def killed(cluster: Cluster, project: Project, job_id: str) -> None:
    (bridge,) = bridges(project)
    os.kill(bridge, signal.SIGKILL)


async def frozen(cluster: Cluster, project: Project, job_id: str) -> None:
    bridge = await until(lambda: next(iter(bridges(project)), 0))
    os.kill(bridge, signal.SIGSTOP)
    await asyncio.sleep(1.5)
    os.kill(bridge, signal.SIGCONT)


async def step_killed(cluster: Cluster, project: Project, job_id: str) -> None:
    newest = (await until(lambda: steps(cluster, job_id)))[-1]
    cluster.run("scancel", newest)


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
async def test_a_server_without_a_port_serves_through_one_step_that_all_share(
    cluster: Cluster, lab: Project
) -> None:
    lab.extra_env["JLAB_MCP_LINK"] = "srun"
    done = await asyncio.to_thread(lab.run, "start", "--detach")
    assert done.returncode == 0, done.stdout + done.stderr + lab.logs()
    facts = lab.status_file()
    node, job_id = facts["HOSTNAME"], facts["JOB_ID"]
    ready = f"JupyterLab ready on {node} (no open port; jlab-mcp url gives the browser's way)"
    assert done.stdout.splitlines()[-1] == ready
    assert (facts["LINK"], facts.get("URL"), facts.get("PORT")) == ("srun", None, None)
    assert listeners(cluster.node(node), lab) == []
    async with lab.client() as agent, lab.client() as other:
        session = await agent.session()
        assert (await agent.text("execute_code", session_id=session, code="6 * 7")).startswith("42")
        assert (await other.record("ping"))["link"] == "srun"
        with terminal(lab, f"{COMMAND} start --readonly") as dashboard:
            await dashboard.shows("● running", 60)
            assert (len(bridges(lab)), len(steps(cluster, job_id))) == (1, 1), "of two agents and a dashboard"
        running = asyncio.create_task(agent.text("execute_code", session_id=session, code=COUNT))
        for number, cut in enumerate((killed, frozen, step_killed), 1):
            reached = f"line {20 * number}"
            await until(lambda reached=reached: reached in str(lab.journal(session)))  # type: ignore[misc]
            await cut(cluster, lab, job_id)
        said = await running
        printed = [line for line in said.splitlines() if line.startswith("line ")]
        assert printed[:100] == [f"line {n}" for n in range(100)]
        assert (await agent.text("execute_code", session_id=session, code="6 * 7")).startswith("42")
        await until(lambda: (len(bridges(lab)), len(steps(cluster, job_id))) == (1, 1))
        ways = (await asyncio.to_thread(lab.run, "url")).stdout
        door = re.search(r"ssh -N -L \d+:(/\S+/f[0-9a-f]{12}\.sock) ", ways)
        assert door and await logs_in(httpx.AsyncHTTPTransport(uds=door[1]), "localhost", facts["TOKEN"])
        doctor = await asyncio.to_thread(lab.run, "doctor")
        assert f"{node} is reached by srun" in doctor.stdout
        (bridge,) = bridges(lab)
        token = facts["TOKEN"].encode()
        assert token not in Path(f"/proc/{bridge}/cmdline").read_bytes()
        assert token not in Path(f"/proc/{bridge}/environ").read_bytes()
    await asyncio.to_thread(lab.run, "stop")
    await until(lambda: not bridges(lab) and not alive(bridge) and not forwards(lab))
    assert steps(cluster, job_id) == []


async def test_where_no_address_of_the_node_answers_a_step_is_taken_and_both_are_said(
    cluster: Cluster, lab: Project, tmp_path: Path
) -> None:
    """The nodes' names lead to a network without anybody, and their addresses drop what comes."""
    lab.extra_env |= PORTS
    hosts = tmp_path / "hosts"
    hosts.write_text("".join(f"192.0.2.1 {node.name}\n" for node in cluster.nodes), encoding="utf-8")
    with dropping_ports(cluster.nodes), hosts_of_its_own(hosts) as in_a_place:
        done = await asyncio.to_thread(lab.run, "start", "--detach", within=in_a_place)
        assert done.returncode == 0, done.stdout + done.stderr + lab.logs()
        facts = lab.status_file()
        assert listeners(cluster.node(facts["HOSTNAME"]), lab), "what `listeners` finds where there is one"
        assert facts["URL"].startswith("https://") and "LINK" not in facts, "it is what this host sees"
        why = f"no address of {facts['HOSTNAME']} takes a connection at port {facts['PORT']}"
        assert f"This host reaches JupyterLab on {facts['HOSTNAME']} by srun: {why}" in done.stdout
        async with client_of(lab, *in_a_place, COMMAND) as agent:
            session = await agent.session()
            assert (await agent.text("execute_code", session_id=session, code="6 * 7")).startswith("42")
        status = await asyncio.to_thread(lab.run, "status", "--json", within=in_a_place)
        assert json.loads(status.stdout)["link"].startswith(f"srun ({why}")
        doctor = await asyncio.to_thread(lab.run, "doctor", within=in_a_place)
        assert (
            f"{facts['HOSTNAME']} is reached by srun ({why}" in doctor.stdout
            and "reach " not in doctor.stdout
        )
    assert lab.run("stop").stdout == f"Job {facts['JOB_ID']} was cancelled.\n"
    await until(lambda: not bridges(lab))


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


async def test_a_host_that_no_way_leads_from_keeps_the_job_which_others_reach_by_ssh(
    cluster: Cluster, lab: Project, tmp_path: Path
) -> None:
    """On the first host neither srun nor ssh leads to the node; the second has an ssh that does."""
    refused, reached = tmp_path / "refused", tmp_path / "reached"
    refused.mkdir()
    reached.mkdir()
    program(refused / "srun", "echo 'srun: error: steps are not allowed from this host' >&2; exit 1")
    program(refused / "ssh", "echo 'Permission denied (publickey).' >&2; exit 255")
    program(reached / "srun", "exit 1")
    inside = "\n".join(
        f'{node.name}) exec {" ".join(node.command("sh", "-c"))} "$3" ;;' for node in cluster.nodes
    )
    program(reached / "ssh", f'while [ "$1" != -- ]; do shift; done\ncase $2 in\n{inside}\nesac')
    path = lab.env["PATH"]
    lab.extra_env |= {"JLAB_MCP_LINK": "ssh", "JLAB_MCP_READY_TIMEOUT": "5"}
    lab.extra_env["PATH"] = f"{refused}{os.pathsep}{path}"
    done = await asyncio.to_thread(lab.run, "start", "--detach")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "for 5 s: ssh: Permission denied (publickey).\n" in done.stdout
    assert "warning: The job keeps running." in done.stderr
    facts = lab.status_file()
    cluster.wait_for_state(facts["JOB_ID"], "RUNNING")
    lab.extra_env["PATH"] = f"{reached}{os.pathsep}{path}"
    target = BridgeTarget(facts["HOSTNAME"], facts["SOCKET"], facts["JOB_ID"])
    bridge_files(target).word.unlink()  # after which it is tried again without a pause
    await until(lambda: lab.run("wait").stdout.startswith("JupyterLab ready on "), 100)
    assert listeners(cluster.node(facts["HOSTNAME"]), lab) == []
    async with lab.client() as agent:
        session = await agent.session()
        assert (await agent.text("execute_code", session_id=session, code="6 * 7")).startswith("42")
        assert (await agent.record("ping"))["link"] == "ssh"
    assert steps(cluster, facts["JOB_ID"]) == []
    lab.stop()
    await until(lambda: not bridges(lab))
