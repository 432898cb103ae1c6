from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from jlab_tui.adapters.jupyter.dial import Dialer
from jlab_tui.adapters.jupyter.kernel_link import KernelLink
from jlab_tui.core.kernel.link import Lease
from jlab_tui.core.kernel.wire import KernelMessage, Request
from jlab_tui.core.server.route import PlainRoute
from jlab_tui.jupyter_extension.segments import read_spool
from tests.jupyter_extension.servers import TOKEN, Channel, Server, owning, parent_of, start_server, until

FLUSHED = 10_000
"""Ten times what a kernel holds for a slow reader by default."""
HUGE = 20_000_000
"""More than every buffer on the way; 50 MB are in benchmarks/extension.py."""


async def test_every_flushed_print_arrives(server: Server) -> None:
    async with owning(server) as channel:
        msg_id = await channel.send(f"for i in range({FLUSHED}): print('line', i, flush=True)")
        await channel.idle(msg_id, timeout=60)
        assert channel.printed(msg_id) == "".join(f"line {i}\n" for i in range(FLUSHED))


async def test_a_huge_print_arrives_in_parts_and_the_server_returns_to_its_size(server: Server) -> None:
    async with owning(server) as channel:
        await channel.run("line = 'é\\t\"\\\\😀' * 10")
        before = server.rss_mb()
        msg_id = await channel.send(f"print((line * 1000 * ({HUGE} // 1000 // len(line)))[:{HUGE}])")
        await channel.idle(msg_id, timeout=60)
        expected = ('é\t"\\😀' * (HUGE // 5))[:HUGE] + "\n"
        assert channel.printed(msg_id) == expected
        assert max(len(m.content) for m in channel.messages.values()) < 600_000
        assert not any("gap" in text for text in channel.texts)
        reader = Channel(server, channel.kernel)
        await reader.open(since=0, watch=True)
        await reader.idle(msg_id, timeout=60)
        assert reader.printed(msg_id) == expected
        await reader.close()
        await channel.tell(ack=channel.last)
        until(lambda: server.rss_mb() < before + 40, "the server gave the memory back")
        assert server.kernels()[channel.kernel]["dropped_bytes"] == 0


async def test_the_recording_outlives_a_killed_server(tmp_path: Path) -> None:
    server = start_server(tmp_path, lab=False)
    try:
        async with owning(server) as channel:
            msg_id = await channel.send("for i in range(100): print(i)\nimport time; time.sleep(600)")
            await channel.until(lambda _, m: m.msg_type == "stream" and parent_of(m) == msg_id)
            folder = str(server.spool / channel.kernel)
            until(lambda: len(read_spool(folder)) >= channel.last, "the spool has it")
            kernel_pid = server.pid_of(channel.kernel)
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
            kept = dict(read_spool(folder))
            assert msg_id.encode() in kept[channel.last]
            assert set(channel.messages) <= set(kept)
    finally:
        server.stop()
    # The kernel notices that its parent is gone.
    until(lambda: not Path(f"/proc/{kernel_pid}").exists(), "the kernel ended", 30)


async def test_a_image_larger_than_the_window_or_all_memory_arrives_and_so_does_what_follows(
    server: Server,
) -> None:
    """With our own client, which reports after each megabyte what it has, and so not after a message's last piece."""
    claim = server.claim(kernel := server.start_kernel(), "painter")
    arrived: list[KernelMessage] = []
    ended = asyncio.Event()

    def on_message(message: KernelMessage) -> None:
        arrived.append(message)
        if message.parent_id == "paint" and message.content.get("execution_state") == "idle":
            ended.set()

    link = KernelLink(
        Dialer(PlainRoute(server.facts["url"])),
        {"Authorization": f"token {TOKEN}"},
        kernel,
        session_id="painter",
        lease=Lease("painter", claim.json()["epoch"], "shutdown"),
    )
    link.open(on_message, lambda change: None)
    sizes = [30_500_000, 4_700_000, 1000, 70_000_000, 1000]
    code = (
        "from IPython.display import publish_display_data\n"
        f"for size in {sizes}: publish_display_data({{'image/png': 'A' * size}})"
    )
    await link.ready(20)
    content = {"code": code, "silent": False, "allow_stdin": False, "user_expressions": {}}
    await link.send(Request("shell", "execute_request", "paint", content))
    await asyncio.wait_for(ended.wait(), 60)
    await link.close()
    images = [m.content["data"]["image/png"] for m in arrived if m.msg_type == "display_data"]
    assert [len(image) for image in images] == sizes
