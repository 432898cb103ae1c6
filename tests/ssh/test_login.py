"""A host that wants to know something that only the user can type, and allows little: it is asked in a terminal, once, and
never by a tool."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import process_of
from tests.project import COMMAND, Project

from .machines import HOST, There, machine

pytestmark = pytest.mark.xdist_group("ssh")

CODE = "271828"


@pytest.fixture(scope="module")
def guarded(there: There, tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    """The same machine behind an sshd that allows one session in a connection and forwards nothing; the key has a passphrase."""
    directory = tmp_path_factory.mktemp("guarded")
    options = ("MaxSessions 1", "AllowTcpForwarding no", "AllowStreamLocalForwarding no")
    with machine(directory, there.project, *options) as made:
        subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", CODE, "-f", directory / "key"], check=True)
        yield made


@pytest.fixture
def outside(guarded: There, tmp_path: Path) -> Iterator[Project]:
    with guarded.here(tmp_path / "outside") as project:
        yield project
        project.run("login", HOST, "--end")


def in_terminal(project: Project, *arguments: str, answer: str) -> str:
    """Run a command in a terminal and answer the first question that ends in a colon; what stood there."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(project.root)
        os.execve(COMMAND, [COMMAND, *arguments], project.env)
    screen, is_answered = b"", False
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            break
        if not part:
            break
        screen += part
        if not is_answered and screen.rstrip().endswith(b":"):
            os.write(terminal, f"{answer}\n".encode())
            is_answered = True
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(terminal)
    assert code == 0, screen.decode()
    return screen.decode()


async def test_the_tools_say_what_to_type_once_and_work_when_it_was_typed(
    guarded: There, outside: Project
) -> None:
    sentence = f"{HOST} asks who you are. Log in once, in a terminal: jlab-mcp login {HOST}"
    with process_of(outside, None, ("--ssh", guarded.place)) as relay:
        assert sentence in await relay.text("ping")
        refused = await asyncio.to_thread(outside.run, "status", "--ssh", guarded.place)
        assert refused.returncode == 1 and sentence in refused.stderr
        assert "no terminal" in (await asyncio.to_thread(outside.run, "login", HOST)).stderr
        said = await asyncio.to_thread(in_terminal, outside, "login", HOST, answer=CODE)
        assert f"Logged in to {HOST}." in said and CODE not in said
        assert (await relay.record("ping"))["status"] == "ok"
        busy = await asyncio.to_thread(outside.run, "status", "--ssh", guarded.place)
        assert busy.returncode == 1 and "one session at a time" in busy.stderr, busy.stderr
    assert outside.run("login", HOST).stdout == f"You are logged in to {HOST}.\n"
    found = outside.run("init", "--ssh", guarded.place)
    assert found.returncode == 0, found.stdout + found.stderr
    assert outside.run("login", HOST, "--end").stdout == f"Logged out of {HOST}.\n"
    assert sentence in outside.run("status").stderr
