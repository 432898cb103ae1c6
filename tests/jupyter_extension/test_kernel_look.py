"""A look at a kernel's process: its stacks while a C call holds Python's lock, and what its child waits for."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

from tests.jupyter_extension.servers import Server, owning, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: /proc")

HELD = """
import ctypes, os, signal
from pathlib import Path
def hold():
    Path('held').touch()
    left = ctypes.PyDLL(None).sleep(SECONDS)  # keeps Python's lock
    print('slept on, left', left, flush=True)
hold()
"""


def look(server: Server, kernel: str, stacks: int = 0) -> dict[str, Any]:
    answer = server.http.get(f"/jlab-mcp/look/{kernel}?stacks={stacks}")
    answer.raise_for_status()
    return dict(answer.json())


async def test_stacks_are_read_while_a_c_call_holds_pythons_lock_and_the_call_sleeps_on(
    server: Server,
) -> None:
    async with owning(server) as channel:
        msg_id = await channel.send(HELD.replace("SECONDS", "6"))
        folder = f"/proc/{server.pid_of(channel.kernel)}/cwd"
        until(lambda: os.path.exists(f"{folder}/held"), "the call to hold the lock")
        plain = look(server, channel.kernel)
        assert plain["stacks"] is None and plain["threads"][0]["call"] == "clock_nanosleep"
        found = look(server, channel.kernel, stacks=1)
        assert found["stacks"]["by"] in ("signal", "py-spy"), found
        assert " in hold" in found["stacks"]["text"] or "hold (" in found["stacks"]["text"]
        again = look(server, channel.kernel, stacks=1)
        assert again["stacks"]["text"].count("hold") == found["stacks"]["text"].count("hold")
        await channel.idle(msg_id)
        assert "slept on, left 0" in channel.printed(msg_id), "the signal ended no system call"
        os.remove(f"{folder}/held")


async def test_a_child_that_waits_for_a_terminal_is_seen_with_its_program_only(server: Server) -> None:
    async with owning(server) as channel:
        await channel.send("!sh -c 'read answer' --password=secret")

        def waiting() -> dict[str, Any] | None:
            children: list[dict[str, Any]] = look(server, channel.kernel)["children"]
            return next((child for child in children if child["target"].startswith("/dev/pts/")), None)

        child = until(waiting, "the child to read from its terminal")
        assert (child["name"], child["call"]) == ("sh", "read")


def test_a_kernel_of_nobody_has_no_process(server: Server) -> None:
    assert server.http.get("/jlab-mcp/look/nobody").status_code == 404
