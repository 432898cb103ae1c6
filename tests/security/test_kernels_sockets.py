"""Another account subscribes to what a kernel publishes, and gets nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

from tests.jupyter_extension.servers import owning, serving
from tests.security.strangers import as_stranger, needs_stranger

SUBSCRIBE = """
import socket, sys
for path in sys.argv[1:]:
    with socket.socket(socket.AF_UNIX) as subscriber:
        try:
            subscriber.connect(path)
            subscriber.settimeout(10)
            print(subscriber.recv(10)[:1])  # ZeroMQ greets whoever may connect
        except OSError as error:
            print(type(error).__name__)
"""


@needs_stranger
async def test_a_subscriber_of_another_account_gets_nothing_from_a_kernels_sockets(tmp_path: Path) -> None:
    with serving(tmp_path / "s", lab=False) as server:
        async with owning(server) as channel:
            await channel.run("1")
            process = psutil.Process(server.pid_of(channel.kernel))
            paths = sorted(
                {str(c.laddr) for c in process.net_connections("unix") if "jlab-mcp" in str(c.laddr)}
            )
            assert len(paths) >= 4
            assert as_stranger(SUBSCRIBE, *paths).stdout.split() == ["PermissionError"] * len(paths)
            ours = subprocess.run(
                [sys.executable, "-c", SUBSCRIBE, *paths],
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
            assert ours.stdout.split() == [r"b'\xff'"] * len(paths)
