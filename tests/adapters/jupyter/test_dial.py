"""A name with several addresses, of which some are silent: requests and kernel channels use the one that answers."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from jlab_tui.adapters.jupyter.dial import Dialer
from jlab_tui.adapters.jupyter.rest import JupyterApi
from jlab_tui.core.server.route import TlsRoute
from jlab_tui.core.server.status import Health
from tests.listening import listening
from tests.security.test_impostors import answering, certificate, tcp

TOKEN = "t"
CONNECT = """
import asyncio, sys
from jlab_tui.adapters.jupyter.dial import Dialer
from jlab_tui.core.server.route import PlainRoute

async def main():
    dialer = Dialer(PlainRoute(f"http://two:{sys.argv[1]}"))
    for _ in range(2):
        (await dialer.connect()).close()

asyncio.run(asyncio.wait_for(main(), 20))
"""


@contextmanager
def silent(address: str, port: int) -> Iterator[None]:
    """A listener whose queue is full: the system drops whatever comes."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((address, port), backlog=0))
        for _ in range(4):
            waits = stack.enter_context(socket.socket())
            waits.setblocking(False)
            waits.connect_ex(listener.getsockname())
        yield


async def test_a_silent_address_holds_up_neither_requests_nor_channels(tmp_path: Path) -> None:
    ours, context = certificate(tmp_path / "ours")
    async with listening(answering, tcp("127.0.0.2")(), context) as port:
        with ExitStack() as stack:
            others = [f"127.0.0.{number}" for number in range(3, 12)]
            for address in others:
                stack.enter_context(silent(address, port))
            route = TlsRoute(f"https://127.0.0.3:{port}", ours, (*others, "127.0.0.2"))
            dialer = Dialer(route)
            async with asyncio.timeout(30):
                (await dialer.connect()).close()
            api = JupyterApi(Dialer(route), TOKEN)
            assert await api.health() is Health.OK
            await api.close()


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="mounting needs root and unshare"
)
def test_a_name_with_a_silent_address_is_reached_at_its_other_one(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.8 two\n127.0.0.9 two\n", encoding="utf-8")
    place = ["unshare", "--mount", "sh", "-c", 'mount --bind "$1" /etc/hosts && shift && exec "$@"', "sh"]
    with socket.create_server(("127.0.0.9", 0)) as ours:
        port = ours.getsockname()[1]
        with silent("127.0.0.8", port):
            done = subprocess.run(
                [*place, str(hosts), sys.executable, "-c", CONNECT, str(port)],
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
    assert done.returncode == 0, done.stderr
