"""Owners that are silent without having closed anything: a network that swallows, a process that is frozen."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.proxy import Proxy
from tests.jupyter_extension.servers import Channel, Server, is_idle, serving, start_owner, until
from tests.listening import listening

pytestmark = pytest.mark.xdist_group("impatient")  # one such server is enough

LINES = "".join(f"{i}\n" for i in range(40))


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("impatient")
    with serving(folder, lab=False, silence_s=2, reconnect_grace_s=4) as running:
        yield running


@contextlib.asynccontextmanager
async def through_a_proxy(server: Server) -> AsyncIterator[tuple[Server, Proxy]]:
    """The same server, seen through a network that can swallow everything."""
    proxy = Proxy(int(server.facts["port"]))
    async with listening(proxy.accept) as port:
        url = server.facts["url"].replace(str(server.facts["port"]), str(port))
        seen = replace(server, facts={**server.facts, "url": url})
        yield seen, proxy
        seen.http.close()


async def adopted(server: Server, kernel: str) -> Channel:
    """Claimed without force, as soon as the server lets go of the silent owner."""
    replacement = Channel(server, kernel)

    def claimed() -> bool:
        return server.claim(kernel, replacement.client).status_code == 200

    await asyncio.to_thread(until, claimed, "the silent owner's lease ended")
    replacement.claim()
    assert replacement.epoch == 2
    await replacement.open(since=0)
    return replacement


async def test_a_half_open_connection_is_noticed_and_its_run_is_adopted_whole(impatient: Server) -> None:
    async with through_a_proxy(impatient) as (far, network):
        owner = Channel(impatient, impatient.start_kernel())
        owner.claim()
        owner.server = far
        await owner.open()
        msg_id = await owner.send("import time\nfor i in range(40): print(i, flush=True); time.sleep(0.03)")
        await owner.until(lambda _, m: m.msg_type == "stream")
        network.cut("silence")
        assert impatient.claim(owner.kernel, "too-early").status_code == 409
        replacement = await adopted(impatient, owner.kernel)
        await replacement.until(lambda _, m: is_idle(m, msg_id))
        assert replacement.printed(msg_id) == LINES
        assert await replacement.run("print('mine')") == "mine\n"
        await replacement.close()
        owner.cut()


async def test_a_frozen_owner_is_succeeded_and_refused_when_it_wakes(impatient: Server) -> None:
    kernel = impatient.start_kernel()
    owner = start_owner(impatient, kernel)
    try:
        assert owner.stdout is not None
        with owner.stdout as said:
            assert await asyncio.to_thread(said.readline) == b"running\n"
            owner.send_signal(signal.SIGSTOP)
            replacement = await adopted(impatient, kernel)
            (msg_id,) = impatient.kernels()[kernel]["requests"]
            await replacement.until(lambda _, m: is_idle(m, msg_id))
            assert replacement.printed(msg_id) == LINES
            owner.send_signal(signal.SIGCONT)
            closed_with, came_back_to = [await asyncio.to_thread(said.readline) for _ in range(2)]
        assert closed_with in (b"4409\n", b"1006\n")
        assert came_back_to == b"4409\n"
        assert await replacement.run("print('still mine')") == "still mine\n"
        await replacement.close()
    finally:
        owner.kill()
        owner.wait()


async def test_a_suspended_owner_keeps_its_kernel_and_finds_its_variables(impatient: Server) -> None:
    """Nothing is reaped as long as its system acknowledges, for longer than all graces together."""
    kernel = impatient.start_kernel()
    owner = start_owner(impatient, kernel)
    try:
        assert owner.stdout is not None
        with owner.stdout as said:
            assert await asyncio.to_thread(said.readline) == b"running\n"
            owner.send_signal(signal.SIGSTOP)

            def silent() -> bool:
                return not impatient.kernels()[kernel]["owner_connected"]

            await asyncio.to_thread(until, silent, "the owner is called silent")
            other = impatient.start_kernel()
            impatient.claim(
                other, "leaving"
            )  # and never connects: the reconnect grace, then the grace for leaving
            await asyncio.to_thread(until, lambda: not impatient.alive(other), "the graces are over", 40)
            assert impatient.alive(kernel)
            owner.send_signal(signal.SIGCONT)
            await asyncio.to_thread(until, lambda: not silent(), "the owner is back")
    finally:
        owner.kill()
        owner.wait()
