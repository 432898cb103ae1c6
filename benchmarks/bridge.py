"""The bridge to a node without a port, against TLS to the node's port, on the tests' own Slurm cluster.

    python benchmarks/bridge.py [CELLS]

Its start against a step that does nothing, `1 + 1` and a large file on one kernel and server, and what 8 agents and 8 dashboards
share. To reach: up 0.5 s after the step, 1.3 times, 15 MB/s, and one step for all.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import sys
import tempfile
import time
import uuid
from pathlib import Path

import httpx2
from ground import Project, compare, measure, row
from links import one_plus_one

from jlab_tui.adapters.jupyter.dial import Dialer
from jlab_tui.adapters.jupyter.websocket import open_connection
from jlab_tui.adapters.link.bridges import Bridges
from jlab_tui.adapters.programs import run
from jlab_tui.core.link.bridge import BridgeTarget, Way
from jlab_tui.core.link.steps import srun_command
from jlab_tui.core.server.route import BridgeRoute, TlsRoute
from tests.e2e.test_live_view import terminal
from tests.project import COMMAND, project_in, until
from tests.slurm.cluster import running
from tests.slurm.conftest import lab_env
from tests.slurm.machines import Cluster, missing
from tests.slurm.reaching import bridges as pids_of_bridges
from tests.slurm.reaching import steps

BIG_MB = 32
CLIENTS = 8
STARTS = 5


async def bridge(cluster: Cluster, project: Project, cells: int) -> None:
    facts = project.status_file()
    target = BridgeTarget(facts["HOSTNAME"], facts["SOCKET"], facts["JOB_ID"])
    route = BridgeRoute(target, (Way.SRUN,))
    clients = [Bridges(project.env, project.home / "log") for _ in range(CLIENTS)]
    await starts(project, target, clients[0])
    through = [Dialer(route, "", one) for one in clients]
    direct = Dialer(TlsRoute(facts["URL"], facts["CERT"]))
    await round_trips(direct, through, facts["TOKEN"], cells)
    zeros = srun_command(target, ["head", "-c", str(BIG_MB << 20), "/dev/zero"], overlaps=True)
    took = await measure(functools.partial(run, zeros, project.env, 120))
    print(f"{BIG_MB} MB of a step of its own, without any bridge: {BIG_MB * 1048.576 / took:.1f} MB/s")
    for name, dialer in (("TLS", direct), ("the bridge (reach 15)", through[0])):
        rates = [await megabytes_a_second(dialer, facts["TOKEN"]) for _ in range(3)]
        print(
            f"a file of {BIG_MB} MB through {name}: {max(rates):.1f} MB/s at best, {min(rates):.1f} at worst"
        )


async def together(cluster: Cluster, project: Project) -> None:
    """Count what agents and dashboards share that all have the same server in front of them."""
    project.extra_env["JLAB_MCP_LINK"] = Way.SRUN
    job_id = project.status_file()["JOB_ID"]
    async with contextlib.AsyncExitStack() as stack:
        agents = [await stack.enter_async_context(project.client()) for _ in range(CLIENTS)]
        boards = [
            stack.enter_context(terminal(project, f"{COMMAND} start --readonly")) for _ in range(CLIENTS)
        ]
        took = await measure(lambda: asyncio.gather(*(agent.record("ping") for agent in agents)))
        for board in boards:
            await board.shows("● running", 120)
        shared = len(steps(cluster, job_id)), len(pids_of_bridges(project))
    print(
        f"{CLIENTS} agents and {CLIENTS} dashboards: {shared[0]} step, {shared[1]} bridge; the agents' first answers after {took:.0f} ms"
    )


async def starts(project: Project, target: BridgeTarget, bridges: Bridges) -> None:
    """Time a step that does nothing, and a bridge until it is up; leave it up."""
    idle, up = [], []
    for left in reversed(range(STARTS)):
        nothing = srun_command(target, ["true"], overlaps=True)
        idle.append(await measure(functools.partial(run, nothing, project.env, 60)))
        up.append(await measure(functools.partial(bridges.start, target, [Way.SRUN])))
        if left:
            for pid in pids_of_bridges(project):
                os.kill(pid, signal.SIGTERM)
            await until(lambda: not pids_of_bridges(project))
    row("a step that does nothing", idle)
    row("a bridge until it is up", up, idle, "(reach 500 ms more)")


async def round_trips(direct: Dialer, through: list[Dialer], token: str, cells: int) -> None:
    headers = {"Authorization": f"token {token}"}
    async with httpx2.AsyncClient(
        base_url=direct.base, headers=headers, transport=direct.transport(httpx2.Limits()), timeout=60
    ) as http:
        kernel = (await http.post("/api/kernels", json={})).json()["id"]
    async with contextlib.AsyncExitStack() as stack:
        works = []
        for dialer in (direct, *through):
            path = f"/api/kernels/{kernel}/channels?session_id={uuid.uuid4().hex}"
            ws = await open_connection(dialer, path, headers, None, 60)
            stack.push_async_callback(ws.close)
            works.append(functools.partial(one_plus_one, ws))
        mine, theirs = await compare(cells, *works[:2], warm_up=10)
    row("1 + 1, TLS to the node's port", mine)
    row("1 + 1, the bridge", theirs, mine, "(reach 1.3)")


async def megabytes_a_second(dialer: Dialer, token: str) -> float:
    headers = {"Authorization": f"token {token}"}
    async with httpx2.AsyncClient(
        base_url=dialer.base, headers=headers, transport=dialer.transport(httpx2.Limits()), timeout=120
    ) as http:
        began = time.perf_counter()
        answer = await http.get("/files/big.bin")
        assert len(answer.content) == BIG_MB << 20
    return BIG_MB * 1.048576 / (time.perf_counter() - began)


def main() -> None:
    if why := missing():
        sys.exit(why)
    cells = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    with (
        tempfile.TemporaryDirectory() as directory,
        running() as cluster,
        project_in(Path(directory), **lab_env(cluster)) as project,
    ):
        (project.root / "big.bin").write_bytes(os.urandom(BIG_MB << 20))
        project.start()
        asyncio.run(bridge(cluster, project, cells))
        asyncio.run(together(cluster, project))
    print(f"load: {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")


if __name__ == "__main__":
    main()
