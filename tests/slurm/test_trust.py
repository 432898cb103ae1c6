"""Impostors at the address of a job's server receive nothing but the start of a TLS handshake."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.earlier import program_before_the_proof
from tests.project import COMMAND, Agent, Project, until
from tests.security.accounts import Impostor, impostor, network_of
from tests.security.test_ended_servers import stays_apart
from tests.security.test_impostors import ANSWER, tcp

from .machines import Cluster
from .reaching import bridges

pytestmark = [pytest.mark.xdist_group("slurm-starts"), pytest.mark.usefixtures("job_past_its_walltime")]

HANDSHAKE, ALERT = 22, 21


def only_a_handshake(heard: bytes) -> bool:
    """Whether all that was sent are TLS records of a handshake: there is no application data and no plain text in it."""
    while heard:
        kind, length = heard[0], int.from_bytes(heard[3:5], "big")
        if kind not in (HANDSHAKE, ALERT) or heard[1] != 3 or len(heard) < 5 + length:
            return False
        heard = heard[5 + length :]
    return True


def test_what_counts_as_a_handshake() -> None:
    assert only_a_handshake(b"") and only_a_handshake(b"\x16\x03\x01\x00\x01x\x15\x03\x03\x00\x02\x02\x30")
    assert not only_a_handshake(b"GET /api/status HTTP/1.1\r\nAuthorization: token t\r\n\r\n")
    assert not only_a_handshake(b"\x16\x03\x01\x00\x01x\x17\x03\x03\x00\x01x")


@contextmanager
def at_the_nodes_port(cluster: Cluster, facts: dict[str, str]) -> Iterator[Impostor]:
    node = cluster.node(facts["HOSTNAME"])
    bind = tcp("0.0.0.0", int(facts["PORT"]))
    with impostor(bind, ANSWER, enter=network_of(node.init)) as stranger:
        yield stranger


def cancelled(cluster: Cluster, job_id: str) -> None:
    cluster.run("scancel", job_id)


def past_its_walltime(cluster: Cluster, job_id: str) -> None:
    cluster.run("scontrol", "update", f"JobId={job_id}", "EndTime=now+2")


@pytest.mark.parametrize("end", [cancelled, past_its_walltime])
async def test_whoever_takes_the_nodes_port_after_the_job_gets_nothing(
    cluster: Cluster, lab: Project, end: Callable[[Cluster, str], None]
) -> None:
    lab.start()
    facts = lab.status_file()
    async with lab.client() as agent:
        session = await agent.session()
        await agent.text("execute_code", session_id=session, code="1")
        end(cluster, facts["JOB_ID"])
        has_ended = ("squeue", "-h", "-t", "R,CG", "-j", facts["JOB_ID"])
        await until(lambda: not cluster.run(*has_ended, check=False).strip(), 100)
        with at_the_nodes_port(cluster, facts) as stranger:
            await stays_apart(agent, session, stranger, only_a_handshake)
            ping = await agent.record("ping")
            assert ping["status"] == "ended" and facts["JOB_ID"] in ping["message"]
            assert (await asyncio.to_thread(lab.run, "status")).returncode == 1
            assert only_a_handshake(stranger.heard())


@contextmanager
def hosts_of_its_own(path: Path) -> Iterator[list[str]]:
    """A command that runs the rest of its arguments with `path` as its /etc/hosts."""
    enter = 'mount --bind "$1" /etc/hosts && shift && exec "$@"'
    yield ["unshare", "--mount", "sh", "-c", enter, "sh", str(path)]


@asynccontextmanager
async def client_of(project: Project, *command: str) -> AsyncIterator[Agent]:
    parameters = StdioServerParameters(
        command=command[0], args=list(command[1:]), cwd=str(project.root), env=project.env
    )
    async with Client(stdio_client(parameters)) as client:
        yield Agent(client, project)


async def test_a_stranger_at_another_address_of_the_nodes_name_is_passed_over_while_the_names_change(
    cluster: Cluster, lab: Project, tmp_path: Path
) -> None:
    """The hosts file changes under a process that runs: the node's name leads to somebody else, and then to nobody."""
    hosts = tmp_path / "hosts"
    hosts.write_text("".join(f"192.0.2.1 {node.name}\n" for node in cluster.nodes), encoding="utf-8")
    with hosts_of_its_own(hosts) as in_a_place:  # the names lead to a network without anybody
        done = await asyncio.to_thread(lab.run, "start", "--no-tui", "--detach", within=in_a_place)
    assert done.returncode == 0, done.stderr
    facts = lab.status_file()
    node = cluster.node(facts["HOSTNAME"])
    right, wrong = f"{node.address} {node.name}\n", f"::1 {node.name}\n"
    with (
        impostor(tcp("::1", int(facts["PORT"])), ANSWER) as stranger,
        hosts_of_its_own(hosts) as in_a_place,
    ):
        hosts.write_text(wrong + right, encoding="utf-8")
        async with client_of(lab, *in_a_place, COMMAND) as agent:
            session = await agent.session()
            for names in (wrong, "127.0.0.1 localhost\n", right):
                hosts.write_text(names, encoding="utf-8")
                assert (await agent.record("ping"))["status"] == "ok"
                said = await agent.text("execute_code", session_id=session, code="6 * 7")
                assert said.startswith("42")
                status = await asyncio.to_thread(
                    subprocess.run,
                    [*in_a_place, COMMAND, "status"],
                    cwd=lab.root,
                    env=lab.env,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert status.returncode == 0, status
            heard = stranger.heard()
            assert heard and only_a_handshake(heard), "it was tried, and told nothing"


async def test_a_server_on_its_nodes_loopback_is_never_looked_for_on_the_login_nodes(
    cluster: Cluster, lab: Project
) -> None:
    lab.extra_env |= {"JLAB_MCP_SLURM_BIND_IP": "lo", "JLAB_MCP_LINK": "tcp"}
    done = await asyncio.to_thread(lab.run, "start", "--no-tui", "--detach")
    facts = lab.status_file()
    assert facts["URL"] == f"https://127.0.0.1:{facts['PORT']}"
    assert "another machine" in done.stdout + done.stderr
    with impostor(tcp("127.0.0.1", int(facts["PORT"])), ANSWER) as stranger:
        async with lab.client(JLAB_MCP_ALLOW_UNPROVED="1") as agent:
            ping = await agent.record("ping")
            assert not ping["healthy"] and facts["HOSTNAME"] in ping["message"]
            assert ping["message"] in await agent.error("start_new_session")
        status = await asyncio.to_thread(lab.run, "status")
        assert status.returncode == 1 and ping["message"] in status.stdout
        attached = await asyncio.to_thread(lab.run, "start", "--detach", JLAB_MCP_LINK="auto")
        assert attached.returncode == 0 and attached.stdout.startswith(
            "JupyterLab ready at https://127.0.0.1:"
        )
        assert (
            json.loads((await asyncio.to_thread(lab.run, "status", "--json", JLAB_MCP_LINK="auto")).stdout)[
                "link"
            ]
            == "srun"
        )
        assert stranger.heard() == b""
    cluster.wait_for_state(facts["JOB_ID"], "RUNNING")


async def test_a_requeued_job_proves_itself_anew(cluster: Cluster, lab: Project) -> None:
    lab.extra_env["JLAB_MCP_SLURM_EXTRA"] = "--requeue"
    lab.start()
    before = lab.status_file()
    job_id = before["JOB_ID"]
    async with lab.client() as agent:
        await agent.session("before")
        cluster.run("scontrol", "requeue", job_id)
        cluster.wait_for_state(job_id, "PENDING")
        await asyncio.to_thread(cluster.run_again, job_id)
        waited = await agent.record("wait_for_server", timeout_s=90)
        assert waited["ready"], waited
        after = lab.status_file()
        assert after["JOB_ID"] == job_id
        assert after["TOKEN"] != before["TOKEN"] and after["CERT"] != before["CERT"]
        session = await agent.session("after")
        assert (await agent.text("execute_code", session_id=session, code="6 * 7")).startswith("42")


async def test_a_job_of_an_earlier_version_is_proved_on_its_node_and_used_unproved_only_if_the_user_says_so(
    cluster: Cluster, lab: Project, tmp_path: Path
) -> None:
    facts = program_before_the_proof(tmp_path / "earlier").start(lab)
    url = facts["URL"]
    async with lab.client() as agent:
        ping = await agent.record("ping")
        assert ping["healthy"] and ping["link"] == "srun", (ping, lab.logs())
        session = await agent.session()
        assert (await agent.text("execute_code", session_id=session, code="6 * 7")).startswith("42")
    for pid in bridges(lab):
        os.kill(pid, signal.SIGTERM)
    await until(lambda: not bridges(lab))
    lab.extra_env["JLAB_MCP_LINK"] = "tcp"
    refusal = f"Nothing proves that the server at {url} is yours (job {facts['JOB_ID']})"
    again = await asyncio.to_thread(lab.run, "start", "--no-tui", "--detach")
    assert (
        refusal in again.stdout + again.stderr and "JLAB_MCP_ALLOW_UNPROVED=1" in again.stdout + again.stderr
    )
    cluster.wait_for_state(facts["JOB_ID"], "RUNNING")
    lab.extra_env["JLAB_MCP_ALLOW_UNPROVED"] = "1"
    named = f"Nothing proves that the server at {url} is yours. jlab-mcp uses it because JLAB_MCP_ALLOW_UNPROVED=1 is set"
    async with lab.client() as agent:
        assert any(named in notice for notice in (await agent.record("ping"))["notices"])
        assert any(named in notice for notice in (await agent.record("wait_for_server"))["notices"])
        session = await agent.session()
        assert (await agent.text("execute_code", session_id=session, code="6 * 7")).startswith("42")
    assert named in (await asyncio.to_thread(lab.run, "status")).stdout
    assert lab.status_file()["JOB_ID"] == facts["JOB_ID"]


async def test_a_client_of_an_earlier_version_sends_a_job_of_this_one_nothing_and_leaves_it_running(
    cluster: Cluster, lab: Project, tmp_path: Path
) -> None:
    """It knows no pinned certificate, so it trusts none; today's client continues with the same job."""
    earlier = program_before_the_proof(tmp_path / "earlier")
    lab.start()
    facts = lab.status_file()
    async with earlier.client(lab) as agent:
        ping = await agent.record("ping")
        assert not ping["healthy"] and "that is not trusted here" in ping["message"]
        assert (await agent.call("start_new_session")).is_error
    cluster.wait_for_state(facts["JOB_ID"], "RUNNING")
    assert lab.status_file()["CERT"] == facts["CERT"], "kept by the version that does not know it"
    async with lab.client() as agent:
        session = await agent.session()
        assert (await agent.text("execute_code", session_id=session, code="6 * 7")).startswith("42")
