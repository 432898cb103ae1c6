"""What a kernel costs the server: descriptors are few on many machines (`ulimit -n`, often 1,024)."""

from __future__ import annotations

import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from tests.jupyter_extension.servers import PYTHON, content_of, owning, serving, until

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="needs Linux, which shows and sets the limits of a process"
)

OF_A_KERNEL = 6
"""iopub and shell: a ZeroMQ socket and its connection each; the end of the process; its owner's connection"""


def connections(pid: int) -> int:
    """Descriptors of a process that are no files."""
    found = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += not os.readlink(entry).startswith("/")
        except FileNotFoundError:
            pass
    return found


def python_under(folder: Path, limit: str) -> str:
    """A Python that runs under a limit of open files, as `ulimit` takes it."""
    program = folder / "limited-python"
    program.write_text(f'#!/bin/sh\nulimit {limit}\nexec "{PYTHON}" "$@"\n', encoding="utf-8")
    program.chmod(0o700)
    return str(program)


def soft_limit(pid: int) -> int:
    lines = Path(f"/proc/{pid}/limits").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[3]) for line in lines if line.startswith("Max open files"))


async def test_a_kernel_takes_six_descriptors_also_after_a_request_on_control(tmp_path: Path) -> None:
    with serving(tmp_path, lab=False) as server:

        def at_most(number: int, what: str) -> None:
            until(lambda: connections(server.process.pid) <= number, what)

        async with AsyncExitStack() as owners:
            first = await owners.enter_async_context(owning(server))
            await first.run("1")
            base = connections(server.process.pid)
            channels = [await owners.enter_async_context(owning(server)) for _ in range(3)]
            for channel in channels:
                await channel.run("1")
                asked = await channel.request("create_subshell_request", {}, channel="control")
                at = await channel.until(lambda _, m: m.channel == "control")
                assert content_of(channel.messages[at])["status"] == "ok", asked
            at_most(base + len(channels) * OF_A_KERNEL, "three kernels take 18 descriptors")
            for channel in channels:
                server.http.delete(f"api/kernels/{channel.kernel}").raise_for_status()
            at_most(base + len(channels), "their owners' connections are left")
        at_most(base, "everything is given back")


async def test_the_server_may_open_more_files_and_its_kernels_keep_what_jupyter_gives_them(
    tmp_path: Path,
) -> None:
    (tmp_path / "s").mkdir()
    with serving(tmp_path / "s", python=python_under(tmp_path, "-Sn 256"), lab=False) as server:
        assert soft_limit(server.process.pid) == 16_384
        async with owning(server) as channel:
            await channel.run("1")
            first = server.pid_of(channel.kernel)
            assert soft_limit(first) == 4096
            os.kill(first, signal.SIGKILL)
            await channel.obituary()
            await channel.run("1")
            again = until(
                lambda: pid if (pid := server.pid_of(channel.kernel)) != first else None, "it is known"
            )
            assert soft_limit(again) == 4096


async def test_a_kernel_that_would_take_the_last_descriptors_is_refused_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    (tmp_path / "s").mkdir()
    with serving(tmp_path / "s", python=python_under(tmp_path, "-n 100"), lab=False) as server:

        def start() -> httpx.Response:
            return server.http.post("api/kernels", json={})

        async with AsyncExitStack() as owners:
            opened = [await owners.enter_async_context(owning(server))]
            while (answer := start()).status_code == 201:
                assert len(opened) < 20
                opened.append(await owners.enter_async_context(owning(server, answer.json()["id"])))
                await opened[-1].run("1")
            assert answer.status_code == 503
            assert "no file descriptors left" in answer.json()["message"]
            assert "may open 100 (ulimit -n)" in answer.json()["message"]
            for channel in opened:
                assert await channel.run("print('goes on')") == "goes on\n"
            assert server.http.get("jlab-mcp/resources").json()["now"]["kernels"]
            for channel in opened[-2:]:
                server.http.delete(f"api/kernels/{channel.kernel}").raise_for_status()
            until(lambda: start().status_code == 201, "there is room again")
