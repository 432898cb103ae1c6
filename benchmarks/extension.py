"""What the Jupyter extension costs, against a raw jupyter_client: round trip, floods of prints, huge output.

    [PRINTS=N] [JLAB_MCP_EXTENSION_PYTHON=...] python benchmarks/extension.py [round-trip|prints|huge|image ...]

Each figure comes with its limit from the same run: a plain jupyter_client on the kernel's own ZeroMQ sockets. The
server is a real one, as launched on a node; CPU time and memory are its process's own (/proc), Linux only.
"""

from __future__ import annotations

import asyncio
import os
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import zmq  # noqa: E402
from jupyter_client.blocking.client import BlockingKernelClient  # noqa: E402
from jupyter_client.manager import KernelManager  # noqa: E402

from jlab_tui.adapters.jupyter.dial import Dialer  # noqa: E402
from jlab_tui.adapters.jupyter.kernel_link import KernelLink  # noqa: E402
from jlab_tui.core.kernel.link import Lease  # noqa: E402
from jlab_tui.core.kernel.wire import KernelMessage, Request  # noqa: E402
from jlab_tui.core.server.route import PlainRoute  # noqa: E402
from jlab_tui.jupyter_extension.kernel_command import addition  # noqa: E402
from tests.jupyter_extension.servers import TOKEN, Server, serving  # noqa: E402

ROUND_TRIPS = 200
PRINTS = int(os.environ.get("PRINTS", "100000"))
"""Set PRINTS for fewer: a busy machine needs a minute for this many."""
HUGE = 50_000_000
IMAGE = 30_000_000
FLOOD = f"for i in range({PRINTS}): print('line', i, flush=True)"
HOLD_MORE = addition(["-m", "ipykernel_launcher"])


class Raw:
    """A plain jupyter_client on a kernel; sees every message and parses only the last ones."""

    def __init__(self, connection_file: str) -> None:
        context = zmq.Context()
        context.setsockopt(zmq.RCVHWM, 0)
        self.client = BlockingKernelClient(connection_file=connection_file, context=context)
        self.client.load_connection_file()
        self.client.start_channels(stdin=False, hb=False)
        self.client.wait_for_ready(timeout=30)

    def run(self, code: str) -> float:
        """Seconds from the request to its idle, all messages decoded by jupyter_client."""
        began = time.perf_counter()
        msg_id = self.client.execute(code)
        while True:
            message = self.client.get_iopub_msg(timeout=120)
            if message["parent_header"].get("msg_id") != msg_id or message["msg_type"] != "status":
                continue
            if message["content"]["execution_state"] == "idle":
                self.client.get_shell_msg(timeout=120)
                return time.perf_counter() - began

    def drain(self, code: str) -> float:
        """Like `run`, without decoding messages: the most that the kernel can deliver."""
        began = time.perf_counter()
        msg_id = self.client.execute(code).encode()
        receive = self.client.iopub_channel.socket.recv_multipart
        while True:
            parts = receive()
            if b'"idle"' in parts[-1][:200] and msg_id in parts[-3]:
                self.client.get_shell_msg(timeout=120)
                return time.perf_counter() - began

    def close(self) -> None:
        self.client.stop_channels()


class Ours:
    """Our own client on a claimed kernel."""

    def __init__(self, server: Server, kernel: str) -> None:
        answer = server.claim(kernel, "benchmark")
        lease = Lease("benchmark", answer.json()["epoch"], "shutdown")
        self._left: set[str] = set()
        self._waiting: str = ""
        self._done = asyncio.Event()
        self._count = 0
        self.link = KernelLink(
            Dialer(PlainRoute(server.facts["url"])),
            {"Authorization": f"token {TOKEN}"},
            kernel,
            session_id="benchmark",
            lease=lease,
        )
        self.link.open(self._on_message, lambda change: None)

    def _on_message(self, message: KernelMessage) -> None:

        if message.parent_id != self._waiting:
            return
        if message.msg_type == "execute_reply":
            self._left.discard("reply")
        elif message.msg_type == "status" and message.content["execution_state"] == "idle":
            self._left.discard("idle")
        if not self._left:
            if self.link.seq:
                self.link.acknowledge(message.seq)
            self._done.set()

    async def run(self, code: str) -> float:
        self._count += 1
        self._waiting = f"b{self._count}-{time.time_ns()}"
        self._left = {"reply", "idle"}
        self._done.clear()
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        began = time.perf_counter()
        await self.link.send(Request("shell", "execute_request", self._waiting, content))
        await asyncio.wait_for(self._done.wait(), 300)
        return time.perf_counter() - began


class Watch:
    """CPU seconds of a process and its highest resident memory in between, in MB."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self.before = self.peak = self._rss()
        self._cpu = self._ticks()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self.cpu = self._ticks() - self._cpu

    def _look(self) -> None:
        while not self._ended.wait(0.01):
            self.peak = max(self.peak, self._rss())

    def _rss(self) -> float:
        pages = int(Path(f"/proc/{self._pid}/statm").read_text(encoding="utf-8").split()[1])
        return pages * resource.getpagesize() / 1e6

    def _ticks(self) -> float:
        fields = Path(f"/proc/{self._pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connection_file(server: Server, kernel: str) -> str:
    (found,) = (server.folder / "home").rglob(f"kernel-{kernel}.json")
    return str(found)


async def round_trip(server: Server) -> None:
    kernel = server.start_kernel()
    ours = Ours(server, kernel)
    await ours.link.ready(30)
    await ours.run("1+1")
    raw = Raw(connection_file(server, kernel))
    mine, theirs = [], []
    for _ in range(ROUND_TRIPS):
        mine.append(await ours.run("1+1"))
        theirs.append(await asyncio.to_thread(raw.run, "1+1"))
    a, b = statistics.median(mine) * 1e3, statistics.median(theirs) * 1e3
    print(f"1+1: ours {a:.2f} ms, raw {b:.2f} ms, ratio {a / b:.2f} (medians of {ROUND_TRIPS}, interleaved)")
    raw.close()
    await ours.link.close()


async def prints(server: Server) -> None:
    manager = KernelManager()
    await asyncio.to_thread(manager.start_kernel, extra_arguments=HOLD_MORE)
    raw = Raw(manager.connection_file)
    alone = await asyncio.to_thread(raw.drain, FLOOD)
    decoded = await asyncio.to_thread(raw.run, FLOOD)
    raw.close()
    manager.shutdown_kernel(now=True)
    ours = Ours(server, server.start_kernel())
    await ours.link.ready(30)
    await ours.run("1+1")
    with Watch(server.process.pid) as watch:
        mine = await ours.run(FLOOD)
    print(
        f"{PRINTS:,} flushed prints: ours {mine:.1f} s; raw, decoded {decoded:.1f} s, ratio {mine / decoded:.2f}; "
        f"raw, only received {alone:.1f} s, ratio {mine / alone:.2f}; server CPU {watch.cpu:.1f} s, "
        f"memory {watch.before:.0f} MB, peak +{watch.peak - watch.before:.0f} MB"
    )
    await ours.link.close()


async def huge(server: Server) -> None:
    await _large(server, f"{HUGE // 1_000_000} MB in one print", f"print('x' * {HUGE})")


async def image(server: Server) -> None:
    code = (
        "from IPython.display import publish_display_data\n"
        f"publish_display_data({{'image/png': 'A' * {IMAGE}}})"
    )
    await _large(server, f"{IMAGE // 1_000_000} MB in one image", code)


async def _large(server: Server, name: str, code: str) -> None:
    kernel = server.start_kernel()
    ours = Ours(server, kernel)
    await ours.link.ready(30)
    await ours.run("1+1")
    raw = Raw(connection_file(server, kernel))
    with Watch(server.process.pid) as watch:
        mine = await ours.run(code)
    theirs = await asyncio.to_thread(raw.drain, code)
    print(
        f"{name}: ours {mine:.2f} s, raw {theirs:.2f} s, ratio {mine / theirs:.2f}; server CPU {watch.cpu:.1f} s, "
        f"memory {watch.before:.0f} MB, peak +{watch.peak - watch.before:.0f} MB"
    )
    raw.close()
    await ours.link.close()


BENCHMARKS: dict[str, Callable[[Server], Awaitable[None]]] = {
    "round-trip": round_trip,
    "prints": prints,
    "huge": huge,
    "image": image,
}


async def main(names: list[str]) -> None:
    for name in names or BENCHMARKS:
        with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "server") as server:
            await BENCHMARKS[name](server)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
