from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.jupyter_extension.servers import Server, owning, until


def model(server: Server, kernel: str) -> dict[str, Any]:
    return dict(server.http.get(f"api/kernels/{kernel}").json())


KERNEL_START_S = 60.0
"""A bound for a kernel's start on a busy machine."""


def becomes(server: Server, kernel: str, state: str) -> str:
    """Wait until REST names this state; returns the last activity."""
    until(lambda: model(server, kernel)["execution_state"] == state, f"REST says {state}", KERNEL_START_S)
    return str(model(server, kernel)["last_activity"])


async def test_rest_tells_what_a_recorded_kernel_does(server: Server) -> None:
    async with owning(server) as channel:
        await channel.run("1")
        before = becomes(server, channel.kernel, "idle")
        await channel.send(
            "import time\nwhile not globals().get('stop'): print('.', flush=True); time.sleep(0.05)"
        )
        during = becomes(server, channel.kernel, "busy")
        until(lambda: model(server, channel.kernel)["last_activity"] > during, "prints are activity")
        assert server.http.post(f"api/kernels/{channel.kernel}/interrupt").status_code == 204
        after = becomes(server, channel.kernel, "idle")
        assert before < during < after


async def test_rest_says_idle_after_a_busy_kernel_was_restarted_or_died(
    server: Server, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    async with owning(server) as channel:
        await channel.send("import time; time.sleep(600)")
        becomes(server, channel.kernel, "busy")
        assert server.http.post(f"api/kernels/{channel.kernel}/restart").status_code == 200
        becomes(server, channel.kernel, "idle")
        code = f"import os, time\nwhile not os.path.exists({str(seen)!r}): time.sleep(0.02)\nos._exit(3)"
        await channel.send(code)
        becomes(server, channel.kernel, "busy")
        seen.touch()
        becomes(server, channel.kernel, "idle")
        assert await channel.run("print('back')") == "back\n"


async def test_a_recorded_kernels_iopub_is_read_once(server: Server) -> None:
    async with owning(server) as channel:
        await channel.run("1")
        (info,) = (server.folder / "home").rglob(f"kernel-{channel.kernel}.json")
        facts = json.loads(info.read_text(encoding="utf-8"))
        path = f"{facts['ip']}-{facts['iopub_port']}"
        await one_connection_to(path)
        assert server.http.post(f"api/kernels/{channel.kernel}/restart").status_code == 200
        await channel.run("1")
        await one_connection_to(path)


async def one_connection_to(path: str) -> None:
    """Wait until only one is left: that of Jupyter's own watcher takes a moment to go."""
    async with asyncio.timeout(40):
        while connections_to(path) != 1:
            await asyncio.sleep(0.05)


def connections_to(path: str) -> int:
    """Connections that a Unix socket's listener has accepted: they bear its name."""
    rows = [line.split() for line in Path("/proc/net/unix").read_text(encoding="utf-8").splitlines()]
    connected = "03"
    return sum(row[5] == connected and row[7:] == [path] for row in rows[1:])


async def test_the_servers_own_watcher_returns_when_the_recording_ends(tmp_path: Path) -> None:
    manager_module = pytest.importorskip("jupyter_server.services.kernels.kernelmanager")
    from jlab_tui.jupyter_extension.activity import Activity
    from jlab_tui.jupyter_extension.framing import Message

    kernels = manager_module.AsyncMappingKernelManager(connection_dir=str(tmp_path), root_dir=str(tmp_path))
    activity = Activity(kernels)
    kernel = await kernels.start_kernel()
    try:
        manager = kernels.get_kernel(kernel)
        stock = type(manager._activity_stream)

        def status(state: str) -> Message:
            header = b'{"msg_id": "1", "msg_type": "status", "date": "2020-01-01T00:00:00Z"}'
            parent = b'{"msg_id": "2", "msg_type": "execute_request", "date": "2020-01-01T00:00:00Z"}'
            return Message("iopub", header, parent, b"{}", json.dumps({"execution_state": state}).encode())

        activity.feed(kernel, [status("busy")])
        assert manager.execution_state == "busy"
        assert type(manager._activity_stream) is not stock
        activity.give_back(kernel)
        assert type(manager._activity_stream) is stock
        client = manager.client()
        client.start_channels()
        await client.wait_for_ready(timeout=KERNEL_START_S)
        async with asyncio.timeout(KERNEL_START_S):
            # The watcher may connect after a cell's messages have passed.
            while manager.execution_state != "idle":
                await client.execute_interactive("1", timeout=KERNEL_START_S)
        client.stop_channels()
    finally:
        await kernels.shutdown_all(now=True)
