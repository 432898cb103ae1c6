from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import httpx
import pytest

from tests.jupyter_extension.servers import TOKEN, Channel, Server, content_of, owning, parent_of, until

LINES = "import time\nfor i in range(30):\n    print('line', i, flush=True); time.sleep(0.05)\n"
EXPECTED = "".join(f"line {i}\n" for i in range(30))


async def test_a_run_is_seen_whole_and_its_reply_is_in_the_stream(server: Server) -> None:
    async with owning(server) as channel:
        msg_id = await channel.send("print('hello'); 6 * 7")
        await channel.idle(msg_id)
        types = [m.msg_type for m in channel.messages.values()]
        assert channel.texts[0]["hello"]["gap"] is None
        assert channel.printed(msg_id) == "hello\n"
        assert "execute_result" in types
        await channel.until(
            lambda _, m: m.msg_type == "execute_reply"
        ) if "execute_reply" not in types else None
        assert sorted(channel.messages) == list(range(1, channel.last + 1))


async def test_the_first_request_after_a_kernel_start_is_never_lost(server: Server) -> None:
    for _ in range(3):
        async with owning(server) as channel:
            assert await channel.run("print('first')") == "first\n"


async def test_a_cut_connection_resumes_with_every_line_once(server: Server) -> None:
    async with owning(server) as channel:
        msg_id = await channel.send(LINES)
        await channel.until(lambda _, m: m.msg_type == "stream" and parent_of(m) == msg_id)
        channel.cut()
        await asyncio.sleep(0.4)  # the outage itself
        await channel.open()
        await channel.idle(msg_id)
        assert channel.printed(msg_id) == EXPECTED


async def test_a_run_that_ended_while_nobody_was_connected_is_read_on(server: Server) -> None:
    async with owning(server) as channel:
        msg_id = await channel.send(LINES)
        await channel.until(lambda _, m: m.msg_type == "stream" and parent_of(m) == msg_id)
        channel.cut()
        until(lambda: not server.kernels()[channel.kernel]["busy"], "the run ended")
        await channel.open()
        await channel.idle(msg_id)
        assert channel.printed(msg_id) == EXPECTED


async def test_a_request_that_is_sent_again_runs_once(server: Server) -> None:
    async with owning(server) as channel:
        await channel.run("n = 0")
        msg_id = await channel.send("n += 1")
        await channel.send("n += 1", msg_id=msg_id)
        await channel.idle(msg_id)
        assert await channel.run("print(n)") == "1\n"
        assert {"known": msg_id} in channel.texts


async def test_another_reader_gets_the_same_stream_and_cannot_send(server: Server) -> None:
    async with owning(server) as owner:
        msg_id = await owner.send("for i in range(50): print(i)")
        await owner.idle(msg_id)
        watcher = Channel(server, owner.kernel)
        await watcher.open(since=0, watch=True)
        await watcher.idle(msg_id)
        assert watcher.printed(msg_id) == owner.printed(msg_id)
        await watcher.send("print('intruder')")
        while "refused" not in watcher.texts[-1]:
            await watcher.receive()
        await watcher.close()


async def test_acknowledged_messages_are_dropped_and_reported(server: Server) -> None:
    async with owning(server) as channel:
        await channel.run("print('x' * 1000)")
        acked = channel.last
        await channel.tell(ack=acked)
        until(lambda: server.kernels()[channel.kernel]["acked_seq"] == acked, "the server took the ack")
        reader = Channel(server, channel.kernel)
        await reader.open(since=0, watch=True)
        hello = await reader.receive()
        assert isinstance(hello, dict)
        assert hello["hello"]["gap"] == {"from": 1, "to": acked, "bytes": 0}
        await reader.close()


async def test_input_from_the_user_is_refused_instead_of_hanging_the_kernel(server: Server) -> None:
    async with owning(server) as channel:
        content = {"code": "input()", "silent": False, "allow_stdin": True}
        msg_id = await channel.request("execute_request", content)
        while not (channel.texts and "refused" in channel.texts[-1]):
            await channel.receive()
        assert channel.texts[-1]["refused"] == msg_id
        assert await channel.run("print('alive')") == "alive\n"


async def test_a_subshell_answers_while_a_cell_runs(server: Server) -> None:
    async with owning(server) as channel:
        await channel.request("kernel_info_request", {})
        info = await channel.until(lambda _, m: m.msg_type == "kernel_info_reply")
        if "kernel subshells" not in content_of(channel.messages[info]).get("supported_features", []):
            pytest.skip("the kernel has no subshells (ipykernel 7 has)")
        await channel.run("answer = 42")
        busy = await channel.send("import time\nwhile not globals().get('stop'): time.sleep(0.01)")
        await channel.until(lambda _, m: m.msg_type == "execute_input")
        await channel.request("create_subshell_request", {}, channel="control")
        seq = await channel.until(lambda _, m: m.msg_type == "create_subshell_reply")
        subshell = content_of(channel.messages[seq])["subshell_id"]
        content = {"code": "print('sub', answer); stop = True", "silent": False, "allow_stdin": False}
        inner = await channel.request("execute_request", content, subshell_id=subshell)
        await channel.idle(busy)
        assert channel.printed(inner) == "sub 42\n"


async def test_a_request_survives_a_restart_that_it_was_sent_into(server: Server) -> None:
    async with owning(server) as channel:
        await channel.run("x = 1")
        assert server.http.post(f"api/kernels/{channel.kernel}/restart").status_code == 200
        assert (await channel.obituary())["cause"] == "restart"
        assert await channel.run("print('x' in globals())") == "False\n"


async def test_a_dead_kernel_is_explained_and_the_next_run_works(server: Server, tmp_path: Path) -> None:
    deaths = {
        "import os; os._exit(3)": ("exit", 3, None),
        "import os; os.kill(os.getpid(), 9)": ("signal", None, "SIGKILL"),
        "import os; os.kill(os.getpid(), 11)": ("signal", None, "SIGSEGV"),
    }
    async with owning(server) as channel:
        for code, (cause, exit_code, name) in deaths.items():
            await channel.run("1")
            heard = tmp_path / f"heard {cause} {name}"
            wait = f"import os, time\nwhile not os.path.exists({str(heard)!r}): time.sleep(0.02)\n"
            msg_id = await channel.send(f"print('last words', flush=True)\n{wait}{code}")
            await channel.until(lambda _, m: m.msg_type == "stream")
            heard.touch()
            told = await channel.obituary()
            assert (told["cause"], told["exit_code"], told["signal"]) == (cause, exit_code, name)
            assert told["restarting"] is True
            assert channel.printed(msg_id) == "last words\n"
            assert server.kernels()[channel.kernel]["requests"][msg_id]["state"] == "lost"
            assert await channel.run("print('back')") == "back\n"


async def test_a_shut_down_kernel_leaves_an_obituary(server: Server) -> None:
    async with owning(server) as channel:
        await channel.run("1")
        assert server.http.delete(f"api/kernels/{channel.kernel}").status_code == 204
        told = await channel.obituary()
        assert (told["cause"], told["restarting"]) == ("shutdown", False)


async def test_a_kernel_that_crashes_on_every_start_is_not_reported_as_shut_down(server: Server) -> None:
    spec = server.folder / "home" / ".local" / "share" / "jupyter" / "kernels" / "unfit"
    spec.mkdir(parents=True)
    command = [sys.executable, "-c", "import time; time.sleep(0.3); raise SystemExit(3)", "{connection_file}"]
    (spec / "kernel.json").write_text(
        json.dumps({"argv": command, "display_name": "Unfit", "language": "python"}), encoding="utf-8"
    )
    kernel = server.http.post("api/kernels", json={"name": "unfit"}).json()["id"]
    async with owning(server, kernel) as channel:
        seq = await channel.until(
            lambda _, m: m.msg_type == "jlab_mcp_obituary" and not content_of(m)["restarting"]
        )
        told = content_of(channel.messages[seq])
        assert (told["cause"], told["exit_code"]) == ("keeps dying", 3)


async def test_an_unknown_kernel_closes_with_4404(server: Server) -> None:
    channel = Channel(server, "no-such-kernel")
    assert server.claim("no-such-kernel", channel.client).status_code == 404
    await channel.open()
    assert (await channel.closed())[0] == 4404


async def test_without_the_token_nothing_answers(server: Server) -> None:
    kernel = server.start_kernel()
    for path in ("info", "kernels", "resources", f"channels/{kernel}"):
        answer = httpx.get(f"{server.facts['url']}jlab-mcp/{path}", trust_env=False)
        assert answer.status_code in (401, 403), path


async def test_the_tokens_value_is_in_no_environment_and_no_command_line(server: Server) -> None:
    kernel = server.start_kernel()
    for pid in (server.process.pid, server.pid_of(kernel)):
        for name in ("environ", "cmdline"):
            with open(f"/proc/{pid}/{name}", "rb") as file:
                assert TOKEN.encode() not in file.read()
    assert TOKEN not in server.log.read_text(encoding="utf-8")
    assert os.stat(server.folder / "connection.json").st_mode & 0o077 == 0
