"""`1 + 1` over each route to one running server, on one kernel; and the cost of certificates for a start.

python benchmarks/links.py [CELLS]
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

from ground import ROOT, Project, compare, row

from jlab_tui.adapters.jupyter.dial import Dialer
from jlab_tui.adapters.jupyter.websocket import KernelConnection, open_connection
from jlab_tui.adapters.server.certificate import certificate_in, new_identity
from jlab_tui.core.server.route import LoopbackRoute, PlainRoute, Route, SocketRoute, TlsRoute
from tests.project import project_in

ENCRYPTED = """
import json, os, ssl
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

def _jupyter_server_extension_points():
    return [{"module": "encrypted"}]

def _load_jupyter_server_extension(app):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.environ["BENCH_IDENTITY"])
    sockets = bind_sockets(0, "127.0.0.1")
    server = HTTPServer(app.web_app, ssl_options=context)
    app.io_loop.add_callback(server.add_sockets, sockets)
    with open(os.environ["BENCH_PORT"], "w") as file:
        file.write(str(sockets[0].getsockname()[1]))
"""
"""a second port of the same server, with a certificate like a job's"""

WRITE = """
import sys, tempfile, time
from pathlib import Path
from jlab_tui.adapters.server.launch_files import write_launch_files
with tempfile.TemporaryDirectory() as folder:
    write_launch_files(Path(folder) / "c", "slurm", {}, over_network=sys.argv[1] == "1")
"""


async def one_plus_one(ws: KernelConnection) -> None:
    """Run it and wait for reply and idle."""
    msg_id = uuid.uuid4().hex
    header = {
        "msg_id": msg_id,
        "msg_type": "execute_request",
        "session": "s",
        "username": "",
        "version": "5.3",
    }
    content = {"code": "1 + 1", "silent": False, "store_history": False, "allow_stdin": False}
    await ws.send(
        json.dumps(
            {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        )
    )
    missing = {"reply", "idle"}
    while missing:
        message = json.loads(await ws.recv())
        if message["parent_header"].get("msg_id") != msg_id:
            continue
        if message["msg_type"] == "execute_reply":
            missing.discard("reply")
        elif message["content"].get("execution_state") == "idle":
            missing.discard("idle")


async def links(project: Project, encrypted_port: str, certificate: str, cells: int) -> None:
    facts = project.status_file()
    routes: dict[str, Route] = {
        "plain TCP": PlainRoute(facts["URL"]),
        "plain TCP, owner proved": LoopbackRoute(facts["URL"]),
        "Unix socket": SocketRoute(facts["SOCKET"]),
        "pinned TLS": TlsRoute(f"https://127.0.0.1:{encrypted_port}", certificate),
    }
    kernel = new_kernel(project, facts)
    times: dict[str, list[float]] = {name: [] for name in routes}
    names = list(routes)
    for _ in names:  # the server answers the first to connect first: each route is first once
        names = [*names[1:], names[0]]
        async with contextlib.AsyncExitStack() as stack:
            works = [
                functools.partial(one_plus_one, await connected(stack, routes[name], kernel, facts["TOKEN"]))
                for name in names
            ]
            for name, mine in zip(names, await compare(cells // len(names), *works, warm_up=10), strict=True):
                times[name] += mine
    reach = {"Unix socket": "(reach 1.0)", "pinned TLS": "(reach 1.05)"}
    for name, mine in times.items():
        row(f"1 + 1, {name}", mine, times["plain TCP"], reach.get(name, ""))


async def connected(
    stack: contextlib.AsyncExitStack, route: Route, kernel: str, token: str
) -> KernelConnection:
    """Return a connection on that route to the kernel's channels, closed with the stack."""
    path = f"/api/kernels/{kernel}/channels?session_id={uuid.uuid4().hex}"
    ws = await open_connection(Dialer(route), path, {"Authorization": f"token {token}"}, None, 20)
    stack.push_async_callback(ws.close)
    return ws


def new_kernel(project: Project, facts: dict[str, str]) -> str:
    import httpx2

    headers = {"Authorization": f"token {facts['TOKEN']}"}
    answer = httpx2.post(f"{facts['URL']}/api/kernels", headers=headers, json={}, timeout=60, trust_env=False)
    return str(answer.json()["id"])


async def starts(rounds: int = 15) -> None:
    """The part of `start` that differs, in a separate process: four certificates for a job, none here."""

    async def written(over_network: str) -> None:
        await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", WRITE, over_network], check=True, cwd=ROOT
        )

    without, certificates = await compare(rounds, lambda: written("0"), lambda: written("1"), warm_up=1)
    row("launch files written, without certificates", without)
    row("launch files written, with a job's four", certificates, without)


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        identity, port = folder / "identity.pem", folder / "port"
        identity.touch(0o600)
        identity.write_bytes(new_identity())
        (folder / "encrypted.py").write_text(ENCRYPTED, encoding="utf-8")
        config = folder / "p/home/.jupyter/jupyter_server_config.py"
        config.parent.mkdir(parents=True)
        config.write_text("c.ServerApp.jpserver_extensions = {'encrypted': True}\n", encoding="utf-8")
        more = {"PYTHONPATH": str(folder), "BENCH_IDENTITY": str(identity), "BENCH_PORT": str(port)}
        with project_in(folder / "p", **more) as project:
            project.start()
            cells = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
            asyncio.run(links(project, port.read_text(encoding="utf-8"), certificate_in(identity), cells))
    asyncio.run(starts())
    print(f"load: {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")


if __name__ == "__main__":
    main()
