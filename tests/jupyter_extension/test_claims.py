from __future__ import annotations

import asyncio
import signal

import httpx
import pytest

from jlab_tui.adapters.jupyter.dial import Dialer
from jlab_tui.adapters.jupyter.rest import JupyterApi
from jlab_tui.core.server.record import Owner
from jlab_tui.core.server.route import PlainRoute
from jlab_tui.jupyter_extension.claims import Claims, Graces, Granted, Refused
from tests.jupyter_extension.servers import TOKEN, Channel, Server, owning, start_owner, until

GRACES = Graces(exit_s=30, unclaimed_busy_s=600, reconnect_s=20)


def owner(client: str) -> dict[str, object]:
    return {"client": client, "host": "h", "pid": 1, "conversation": None, "name": "n"}


def claims_of(client: str, now: float = 0.0) -> Claims:
    claims = Claims(GRACES)
    assert claims.claim("k", "s", owner(client), False, now) == Granted(
        1, None, adopted=False, displaced=None
    )
    return claims


def test_a_claim_is_refused_only_while_its_owners_connection_lives() -> None:
    claims = claims_of("a")
    connection = object()
    assert claims.connected("k", "a", 1, "shutdown", connection)
    assert isinstance(claims.claim("k", "s", owner("b"), False, 1.0), Refused)
    claims.disconnected("k", connection, 2.0)
    assert claims.claim("k", "s", owner("b"), False, 2.0) == Granted(
        2, owner("a"), adopted=True, displaced=None
    )


def test_the_same_client_keeps_its_epoch_and_a_takeover_raises_it() -> None:
    claims = claims_of("a")
    claims.connected("k", "a", 1, "shutdown", object())
    again = claims.claim("k", None, owner("a"), False, 1.0)
    assert isinstance(again, Granted) and again.epoch == 1
    taken = claims.claim("k", "s", owner("b"), True, 1.0)
    assert isinstance(taken, Granted) and (taken.epoch, taken.displaced) == (2, "a")
    assert not claims.connected("k", "a", 1, "shutdown", object())
    assert not claims.owns("k", "a", 1)


@pytest.mark.parametrize(
    ("on_exit", "busy", "at", "expected"),
    [
        ("shutdown", False, 29.9, []),
        ("shutdown", False, 30.1, [("k", False)]),
        ("shutdown", True, 3000.0, []),
        ("keep", False, 3000.0, []),
        ("kill", True, 0.1, [("k", True)]),
    ],
)
def test_a_released_kernel_is_due_by_its_policy(
    on_exit: str, busy: bool, at: float, expected: list[tuple[str, bool]]
) -> None:
    claims = claims_of("a")
    claims.connected("k", "a", 1, "shutdown", object())
    assert claims.due({"k": busy}, 10.0) == []
    assert claims.release("a", on_exit, 100.0) == ["k"]
    assert claims.due({"k": busy}, 100.0 + at) == expected


def test_a_kernel_that_is_to_be_kept_is_kept_whoever_leaves_and_before_the_first_connection() -> None:
    claims = Claims(GRACES)
    claims.claim("k", "s", owner("a"), False, 0.0, "keep")
    assert claims.due({}, 3000.0) == [], "claimed, never connected"
    claims.claim("other", "s", owner("a"), False, 0.0, "shutdown")
    claims.release("a", None, 100.0)
    assert claims.due({}, 3000.0) == [("other", False)]


def test_a_run_that_outlives_its_owner_gets_the_long_grace_from_its_end() -> None:
    claims = claims_of("a")
    claims.release("a", "shutdown", 0.0)
    assert claims.due({"k": True}, 1.0) == []
    assert claims.due({"k": True}, 500.0) == []
    assert claims.due({"k": False}, 1099.0) == []
    assert claims.due({"k": False}, 1100.0) == [("k", False)]


def test_a_lost_connection_has_time_to_come_back_before_it_counts_as_gone() -> None:
    claims = claims_of("a")
    connection = object()
    claims.connected("k", "a", 1, "kill", connection)
    claims.disconnected("k", connection, 100.0)
    assert claims.due({"k": False}, 119.9) == []
    assert claims.due({"k": False}, 120.0) == [("k", True)]
    claims.connected("k", "a", 1, "kill", object())
    assert claims.due({"k": False}, 200.0) == []


def test_a_silent_owner_may_be_succeeded_and_loses_nothing_as_long_as_it_is_there() -> None:
    claims = claims_of("a")
    connection = object()
    claims.connected("k", "a", 1, "shutdown", connection)
    claims.silent("k", connection, True)
    assert claims.owner_of("k")[:2] == (owner("a"), False)
    assert claims.due({}, 1e6) == []
    claims.silent("k", connection, False)
    assert claims.owner_of("k")[1]
    assert isinstance(claims.claim("k", "s", owner("b"), False, 1e6), Refused)
    claims.silent("k", connection, True)
    assert claims.claim("k", "s", owner("b"), False, 1e6) == Granted(
        2, owner("a"), adopted=True, displaced="a"
    )
    claims.silent("k", connection, True)
    assert not claims.owner_of("k")[1]


def test_an_owners_own_grace_counts_until_another_one_claims() -> None:
    claims = claims_of("a")
    claims.claim("k", "s", owner("a"), False, 0.0, exit_s=500.0)
    claims.claim("k", "s", owner("a"), False, 0.0)
    claims.release("a", None, 0.0)
    assert claims.due({}, 499.0) == [] and claims.due({}, 501.0) == [("k", False)]
    claims.claim("k", "s", owner("b"), False, 501.0)
    claims.release("b", None, 501.0)
    assert claims.due({}, 530.0) == [] and claims.due({}, 532.0) == [("k", False)]


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


async def test_of_two_that_claim_at_once_the_first_is_told_that_it_lost(server: Server) -> None:
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
        assert (await channel.obituary())["cause"] == "shutdown"
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


async def test_a_kernel_that_cannot_be_started_is_said_to_be_that(server: Server) -> None:
    body = {"session": "s", "owner": owner("a"), "name": "no-such-kernel"}
    answer = server.http.post("jlab-mcp/kernels", json=body)
    assert answer.status_code == 500 and "no-such-kernel" in answer.json()["message"]
    assert server.http.post("jlab-mcp/kernels", json={**body, "owner": None}).status_code == 400
    assert server.http.post("jlab-mcp/kernels", json={**body, "notebook": "n"}).status_code == 400


async def test_a_clients_own_exit_grace_travels_with_its_claim(server: Server) -> None:
    kernels = [server.start_kernel(), server.start_kernel()]
    for kernel, grace in zip(kernels, (600.0, None), strict=True):
        api = JupyterApi(Dialer(PlainRoute(server.facts["url"])), TOKEN, grace)
        await api.claim("s", kernel, Owner(kernel, "h", 1), on_exit="shutdown")
        await api.release(kernel)
        await api.close()
    await asyncio.to_thread(until, lambda: not server.alive(kernels[1]), "the server's own grace is over")
    assert server.alive(kernels[0])
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
        assert (await control.obituary())["cause"] == "shutdown"
        assert await successor.run("print(x)") == "5\n"
        await successor.close()


async def test_a_lost_lease_reaps_a_busy_kernel_only_after_its_run(server: Server) -> None:
    channel = Channel(server, server.start_kernel())
    channel.claim()
    await channel.open()
    msg_id = await channel.send("import time; time.sleep(2.5); print('done')")
    await channel.until(lambda _, m: m.msg_type == "execute_input")
    channel.cut()
    watcher = Channel(server, channel.kernel)
    await watcher.open(since=0, watch=True)
    assert (await watcher.obituary())["cause"] == "shutdown"
    assert watcher.printed(msg_id) == "done\n"
    await watcher.close()


async def test_kill_ends_a_run_at_once(server: Server) -> None:
    async with owning(server) as channel:
        await channel.send("import time; time.sleep(600)")
        await channel.until(lambda _, m: m.msg_type == "execute_input")
        server.http.post("jlab-mcp/release", json={"client": channel.client, "on_exit": "kill"})
        assert (await channel.obituary())["cause"] == "shutdown"
