"""Both ends of a bridge on this machine: the node's end as a process, over a real pipe, to a real Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jlab_tui.adapters.link.bridges import BridgeDown, Bridges
from jlab_tui.adapters.link.host_files import HostFiles, remove_old
from jlab_tui.adapters.link.node_program import node_command, node_program
from jlab_tui.adapters.link.step import RunningStep, running
from jlab_tui.core.link.bridge import BridgeTarget, Phase, Way, Word, format_word
from jlab_tui.core.link.steps import NODE_ENDS
from jlab_tui.jupyter_extension.bridge_carrier import Carrier
from tests.listening import at_path, listening
from tests.project import until
from tests.security.accounts import impostor, needs_two_accounts
from tests.security.test_impostors import tcp


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends back what it hears, until it hears the end."""
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()


@contextlib.asynccontextmanager
async def echoing(path: Path) -> AsyncIterator[None]:
    async with listening(echo, at_path(path)):
        yield
    path.unlink()


@contextlib.asynccontextmanager
async def bridged(folder: Path, where: str = "") -> AsyncIterator[tuple[Path, Carrier, RunningStep]]:
    """The path of a socket that leads to `folder/server`, or `where`, through a node's end."""
    carrier = Carrier(opens=True)
    async with running(node_command(where or str(folder / "server")), os.environ) as step:
        work = asyncio.create_task(carrier.run(step.source, step.sink, node_program()))
        async with asyncio.timeout(40):
            await carrier.is_up.wait()
        listener = await asyncio.get_running_loop().create_unix_server(carrier.accept, str(folder / "b"))
        try:
            yield folder / "b", carrier, step
        finally:
            listener.close()
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


async def asked(path: Path, question: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(question)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_many_connections_carry_their_own_bytes_and_leave_nothing(folder: Path) -> None:
    async with echoing(folder / "server"), bridged(folder) as (path, carrier, step):
        questions = [bytes([n]) * (n * 3000) for n in range(20)]
        opened: list[int] = []
        for _ in range(50):
            answers = await asyncio.gather(*(asked(path, question) for question in questions))
            assert answers == questions
            await until(lambda: carrier.size == 0)
            opened.append(len(list(Path("/proc/self/fd").iterdir())))
        assert (carrier.count, carrier.pipe.size) == (1000, 0)
        assert max(opened[1:]) <= opened[0] + 10
        await until(lambda: len(list(Path(f"/proc/{step.pid}/fd").iterdir())) <= 20)


async def test_one_that_does_not_read_holds_a_bounded_amount_and_no_other_up(folder: Path) -> None:
    async with echoing(folder / "server"), bridged(folder) as (path, _, _):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stuck:
            stuck.setblocking(False)
            stuck.connect(str(path))
            loop, sent = asyncio.get_running_loop(), 0
            with contextlib.suppress(TimeoutError):
                while sent < 100 << 20:
                    async with asyncio.timeout(2):
                        await loop.sock_sendall(stuck, bytes(1 << 16))
                    sent += 1 << 16
            assert sent < 16 << 20
            assert await asked(path, b"quick") == b"quick"


async def test_what_the_server_breaks_off_is_broken_off_here(folder: Path) -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()

    async with listening(rude, at_path(folder / "server")), bridged(folder) as (path, carrier, _):
        with contextlib.suppress(ConnectionError):
            assert await asked(path, b"question") == b""
        await until(lambda: carrier.size == 0)


async def test_the_nodes_end_leaves_with_the_server(folder: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with echoing(folder / "server"):
            _, _, step = await stack.enter_async_context(bridged(folder))
        assert await step.end() == NODE_ENDS
        assert f"{folder}/server: " in step.errors


@pytest.mark.parametrize("made", ["nothing", "a file", "a directory that others can change"])
async def test_the_nodes_end_serves_only_a_socket_of_its_own_account(folder: Path, made: str) -> None:
    if made == "a file":
        (folder / "server").touch()
    async with contextlib.AsyncExitStack() as stack:
        if made.startswith("a directory"):
            folder.chmod(0o777)
            await stack.enter_async_context(echoing(folder / "server"))
        async with running(node_command(str(folder / "server")), os.environ) as step:
            carrier = Carrier(opens=True)
            await carrier.run(step.source, step.sink, node_program())
            assert not carrier.is_up.is_set() and await step.end() == NODE_ENDS
            assert str(folder) in step.errors


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_the_nodes_end_reaches_the_port_of_a_server_that_has_no_socket(folder: Path, host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    own = socket.create_server((host, 0), family=family)
    shown = f"[{host}]" if ":" in host else host
    async with listening(echo, own) as port, bridged(folder, f"{shown}:{port}") as (path, _, _):
        assert await asked(path, b"question") == b"question"


@needs_two_accounts
async def test_the_nodes_end_leaves_a_port_alone_that_another_account_serves(folder: Path) -> None:
    with impostor(tcp("127.0.0.1", 0)) as stranger:
        async with running(node_command(f"127.0.0.1:{stranger.where}"), os.environ) as step:
            await Carrier(opens=True).run(step.source, step.sink, node_program())
            assert await step.end() == NODE_ENDS
            assert "another account serves" in step.errors
        assert stranger.heard() == b""


async def test_a_node_without_python_says_so(folder: Path) -> None:
    command = [*node_command("/s")]
    command[4] = "/nonexistent/python"
    async with running(["/bin/sh", *command[1:]], {"PATH": str(folder)}) as step:
        await Carrier(opens=True).run(step.source, step.sink, node_program())
        assert await step.end() == 4
        assert "has no Python" in step.errors


def srun_here(folder: Path, before: str = "") -> dict[str, str]:
    """An environment whose `srun` runs its program on this machine."""
    text = f'#!/bin/sh\n{before}\nwhile case $1 in -*) ;; *) false ;; esac; do shift; done\nexec "$@"\n'
    (folder / "srun").write_text(text, encoding="utf-8")
    (folder / "srun").chmod(0o755)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def files_of(bridges: Bridges, target: BridgeTarget) -> HostFiles:
    base = Path(bridges.socket(target))
    return HostFiles(base, base.with_suffix(".lock"), base.with_suffix(".json"))


async def test_a_bridge_is_started_once_by_whoever_needs_it_and_leaves_with_its_server(folder: Path) -> None:
    env = srun_here(folder, f'[ "$1" = --help ] || echo step >> {folder}/steps')
    target = BridgeTarget("here", str(folder / "server"), "1")
    processes = [Bridges(env, folder / "log") for _ in range(4)]
    async with echoing(folder / "server"):
        await asyncio.gather(*(bridges.start(target, [Way.SRUN], "no port") for bridges in processes))
        path = Path(processes[0].socket(target))
        assert await asked(path, b"question") == b"question"
        assert (folder / "steps").read_text(encoding="utf-8") == "step\n"
        word = processes[0].word(target)
        assert word is not None and (word.phase, word.way, word.instead) == (Phase.UP, Way.SRUN, "no port")
        assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    await until(lambda: not files_of(processes[0], target).lock.exists())
    assert processes[0].word(target) is None and not path.exists()


async def test_why_no_way_works_is_said_and_remembered_for_a_while(folder: Path) -> None:
    env = srun_here(folder, f"echo step >> {folder}/steps\necho 'srun: error: not here' >&2; exit 1")
    (folder / "ssh").write_text("#!/bin/sh\nexit 255\n", encoding="utf-8")
    (folder / "ssh").chmod(0o755)
    target = BridgeTarget("here", str(folder / "server"), "1")
    bridges = Bridges(env, folder / "log")
    for _ in range(2):
        with pytest.raises(BridgeDown, match="srun: srun: error: not here; ssh: the pipe was closed"):
            await bridges.start(target, [Way.SRUN, Way.SSH])
    assert (folder / "steps").read_text(encoding="utf-8").count("step") == 2, "--help and one step"
    files_of(bridges, target).remove()


def test_only_what_bridges_have_left_a_month_ago_is_removed(folder: Path) -> None:
    old, used = folder / "b0123456789ab.json", folder / "bfedcba987654.lock"
    for path in (old, used, used.with_suffix(".sock"), folder / "b-mine.json", folder / "b012345678901.lock"):
        path.touch()
        os.utime(path, (0, 0))
    (folder / "b012345678901.lock").touch()
    remove_old(folder, time.time())
    left = {"bfedcba987654.lock", "bfedcba987654.sock", "b-mine.json", "b012345678901.lock"}
    assert {path.name for path in folder.iterdir()} == left


async def test_what_anybody_else_writes_as_a_bridges_word_is_none(folder: Path) -> None:
    target = BridgeTarget("here", str(folder / "server"), "2")
    bridges = Bridges({}, folder)
    files = files_of(bridges, target)
    files.say(format_word(Word(Phase.UP, Way.SRUN, 1.0)))
    assert bridges.word(target) == Word(Phase.UP, Way.SRUN, 1.0)
    files.word.unlink()
    files.word.symlink_to(folder / "elsewhere")
    assert bridges.word(target) is None
    files.remove()
