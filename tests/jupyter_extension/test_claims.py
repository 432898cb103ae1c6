from __future__ import annotations

import asyncio
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from jlab_tui.adapters.jupyter.dial import Dialer
from jlab_tui.adapters.jupyter.rest import JupyterApi
from jlab_tui.core.journal.events import Entry, Event, HumanActed
from jlab_tui.core.kernel.link import Lease
from jlab_tui.core.server.exit_grace import ExitGrace
from jlab_tui.core.server.record import Owner
from jlab_tui.core.server.route import PlainRoute
from tests.jupyter_extension.servers import TOKEN, Channel, Server, owning, serving, start_owner, until


def owner(client: str) -> dict[str, object]:
    return {"client": client, "host": "h", "pid": 1, "conversation": None, "name": "n"}


async def test_a_living_owner_keeps_its_kernel_and_a_takeover_ends_its_connection(server: Server) -> None:
    async with owning(server) as first:
        await first.run("x = 1")
        second = Channel(server, first.kernel)
        refused = server.claim(first.kernel, second.client)
        assert refused.status_code == 409
        assert refused.json()["owner"]["client"] == first.client
        second.claim(takeover=True)
        assert second.epoch == 2
        code, reason = await first.closed()
        assert code == 4409 and reason.startswith("owned by test")
        await first.open()
        assert (await first.closed())[0] == 4409
        await second.open(since=0)
        assert await second.run("print(x)") == "1\n"
        await second.close()


async def test_of_two_that_claim_at_once_the_first_learns_that_it_lost(server: Server) -> None:
    kernel = server.start_kernel()
    first, second = Channel(server, kernel), Channel(server, kernel)
    first.claim()
    second.claim()
    await first.open()
    assert (await first.closed())[0] == 4409
    await second.open()
    assert await second.run("print('mine')") == "mine\n"
    await second.close()


async def test_a_killed_owners_run_is_adopted_whole(server: Server) -> None:
    kernel = server.start_kernel()
    victim = start_owner(server, kernel)
    assert victim.stdout is not None
    with victim.stdout:
        assert await asyncio.to_thread(victim.stdout.readline) == b"running\n"
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    replacement = Channel(server, kernel)
    until(
        lambda: server.claim(kernel, replacement.client).status_code == 200,
        "the lease ended with its process",
    )
    replacement.claim()
    assert replacement.epoch == 2
    (msg_id,) = server.kernels()[kernel]["requests"]
    await replacement.open(since=0)
    await replacement.idle(msg_id)
    assert replacement.printed(msg_id) == "".join(f"{i}\n" for i in range(40))
    await replacement.close()


async def test_a_released_idle_kernel_and_its_session_go_after_the_grace(server: Server) -> None:
    body = {"path": "a.ipynb", "type": "notebook", "name": "a", "kernel": {"name": "python3"}}
    kernel = server.http.post("api/sessions", json=body).json()["kernel"]["id"]
    async with owning(server, kernel) as channel:
        await channel.run("1")
        answer = server.http.post("jlab-mcp/release", json={"client": channel.client, "on_exit": "shutdown"})
        assert answer.json() == {"kernels": [kernel]}
        assert (await channel.obituary())["cause"] == "left"
    assert not server.alive(kernel)
    assert kernel not in {s["kernel"]["id"] for s in server.http.get("api/sessions").json()}


@pytest.mark.parametrize("notebook", ["mine.ipynb", None])
async def test_a_kernel_whose_client_vanished_while_it_started_is_its_own_until_the_grace_is_over(
    server: Server, notebook: str | None
) -> None:
    theirs = server.start_kernel()
    before = set(server.kernels())
    asked = {"session": "s", "owner": owner("gone"), "path": "mine.ipynb", "notebook": notebook}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{server.facts['url']}jlab-mcp/kernels",
            json=asked,
            headers={"Authorization": f"token {TOKEN}"},
            timeout=httpx.Timeout(10, read=0.001),
            trust_env=False,
        )
    (kernel,) = await asyncio.to_thread(until, lambda: set(server.kernels()) - before, "it is claimed")
    known = server.kernels()[kernel]
    assert known["owner"]["client"] == "gone" and known["started_here"] and not known["owner_connected"]
    sessions = [s["path"] for s in server.http.get("api/sessions").json() if s["kernel"]["id"] == kernel]
    assert sessions == ([notebook] if notebook else [])
    await asyncio.to_thread(until, lambda: not server.alive(kernel), "it is shut down")
    assert server.alive(theirs)
    assert "mine.ipynb" not in [s["path"] for s in server.http.get("api/sessions").json()]


async def test_a_kernel_that_cannot_start_is_reported(server: Server) -> None:
    body = {"session": "s", "owner": owner("a"), "name": "no-such-kernel"}
    answer = server.http.post("jlab-mcp/kernels", json=body)
    assert answer.status_code == 500 and "no-such-kernel" in answer.json()["message"]
    assert server.http.post("jlab-mcp/kernels", json={**body, "owner": None}).status_code == 400
    assert server.http.post("jlab-mcp/kernels", json={**body, "notebook": "n"}).status_code == 400


def test_a_server_whose_kernel_could_not_start_still_stops_when_it_is_told_to(tmp_path: Path) -> None:
    with serving(tmp_path, lab=False) as server:
        assert server.http.post("api/kernels", json={"name": "no-such-kernel"}).status_code >= 400
        server.start_kernel()
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(40)


async def test_a_kernel_without_a_client_says_how_long_it_stays_and_why_it_ended(server: Server) -> None:
    kernels = [server.start_kernel() for _ in range(3)]
    base = server.facts["url"].replace("http", "ws", 1)
    browser = await connect(
        f"{base}api/kernels/{kernels[2]}/channels",
        additional_headers={"Authorization": f"token {TOKEN}"},
        proxy=None,
    )
    began = time.time()
    grace = ExitGrace(600.0, "JLAB_MCP_KEEP_H")
    for kernel, own in zip(kernels, (grace, None, None), strict=True):
        api = JupyterApi(Dialer(PlainRoute(server.facts["url"])), TOKEN, own)
        await api.claim("s", kernel, Owner(kernel, "h", 1), on_exit="shutdown")
        assert (await api.recorded_kernels())[kernel].left is None, "its client is there"
        await api.release(kernel)
        if own is None:
            await api.close()
            continue
        kept = (await api.recorded_kernels())[kernel].left
        assert kept is not None and kept.ends_at is not None
        assert (kept.released, kept.stays, kept.idle_s, kept.by) == (True, "", 600.0, "JLAB_MCP_KEEP_H")
        assert began <= kept.at <= time.time() and kept.ends_at - kept.at > 590
        await api.close()
    await asyncio.to_thread(until, lambda: not server.alive(kernels[1]), "the server's own grace is over")
    assert server.alive(kernels[0])
    used = server.kernels()[kernels[2]]["left"]
    assert server.alive(kernels[2]) and (used["stays"], used["ends_at"]) == ("used", None)

    def ended() -> Any:
        return server.http.get("jlab-mcp/ended").json().get(kernels[1])

    told = await asyncio.to_thread(until, ended, "how it ended is known")
    obituary = told["obituary"]
    assert (told["session"], obituary["cause"], obituary["idle_s"], obituary["by"]) == ("s", "left", 3.0, "")
    assert began <= obituary["left_at"] < obituary["at"]
    await browser.close()
    await asyncio.to_thread(until, lambda: not server.alive(kernels[2]), "nobody uses it any more")
    assert server.claim(kernels[0], "x", exit_grace_s="long").status_code == 400
    server.claim(kernels[0], "x", on_exit="kill")


async def test_a_kernel_that_is_claimed_again_in_time_stays(server: Server) -> None:
    async with owning(server) as channel, owning(server) as control:
        await channel.run("x = 5")
        await control.run("1")
        for each in (channel, control):
            server.http.post("jlab-mcp/release", json={"client": each.client, "on_exit": "shutdown"})
        successor = Channel(server, channel.kernel)
        successor.claim()
        await successor.open(since=0)
        # The other kernel's end shows that the grace is over.
        assert (await control.obituary())["cause"] == "left"
        assert await successor.run("print(x)") == "5\n"
        await successor.close()


async def test_a_lost_lease_reaps_a_busy_kernel_only_after_its_run(server: Server) -> None:
    channel = Channel(server, server.start_kernel())
    channel.claim()
    await channel.open()
    msg_id = await channel.send("import time; time.sleep(6); print('done')")
    await channel.until(lambda _, m: m.msg_type == "execute_input")
    channel.cut()
    watcher = Channel(server, channel.kernel)
    await watcher.open(since=0, watch=True)
    assert (await watcher.obituary())["cause"] == "left"
    assert watcher.printed(msg_id) == "done\n"
    await watcher.close()


async def test_kill_ends_a_run_at_once(server: Server) -> None:
    async with owning(server) as channel:
        await channel.send("import time; time.sleep(600)")
        await channel.until(lambda _, m: m.msg_type == "execute_input")
        server.http.post("jlab-mcp/release", json={"client": channel.client, "on_exit": "kill"})
        assert (await channel.obituary())["cause"] == "left"


async def test_what_a_user_asks_of_a_session_reaches_its_owner_and_no_watcher(server: Server) -> None:
    kernel, api = server.start_kernel(), JupyterApi(Dialer(PlainRoute(server.facts["url"])), TOKEN)
    act = Entry(1.0, HumanActed("comment", "s1", reason="Lower it.", id="h-1:1"))
    assert not await api.hand_on(kernel, act)
    claim = await api.claim("s1", kernel, Owner("c", "h", 1), on_exit="shutdown")
    heard: list[tuple[str, Event]] = []
    arrived = asyncio.Event()
    for client, epoch in (("", 0), ("c", claim.epoch)):
        link = api.link(kernel, session_id="s", lease=Lease(client, epoch, "shutdown"), hold=None, since=0)

        def hear(event: Event, client: str = client) -> None:
            heard.append((client, event))
            arrived.set()

        async with AsyncExitStack() as stack:
            stack.push_async_callback(link.close)
            link.open(lambda message: None, lambda change: None, hear)
            await link.ready(40)
            assert await api.hand_on(kernel, act) is bool(client)
            if client:
                await asyncio.wait_for(arrived.wait(), 40)
    assert heard == [("c", act.event)] and not await api.hand_on("nonsense", act)
    too_long = {"kernel": kernel, "act": "x" * ((1 << 20) + 1)}
    assert server.http.post("jlab-mcp/acts", json=too_long).status_code == 400
    await api.close()
