"""Another machine, as far as ssh can tell: a real sshd of this account on loopback, behind which HOME is another one."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.children import LASTING, ended
from tests.project import COMMAND, Project, alive, project_in
from tests.waiting import pauses

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
SSH = shutil.which("ssh")
HOST = f"cluster-{os.getpid()}"
"""another name in each test process: an open connection is known by it on the whole machine"""


@dataclass
class There:
    """The other machine and the project on it."""

    directory: Path
    project: Project
    """as somebody sees it who is logged in there"""
    port: int
    options: tuple[str, ...] = ()
    pids: list[int] = field(default_factory=list)

    @property
    def bin(self) -> Path:
        """Has an ssh that knows this machine as `HOST`, with a key of its own."""
        return self.directory / "bin"

    @property
    def place(self) -> str:
        return f"{HOST}:{self.project.root}"

    def connections(self) -> list[int]:
        """PIDs of sshd's processes for connections."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                words = entry.read_text(encoding="utf-8").rpartition(")")[2].split()
                if int(words[1]) in self.pids:
                    found.append(int(entry.parent.name))
        return found

    def here(self, directory: Path, **env: str) -> contextlib.AbstractContextManager[Project]:
        """A project of the same user on the laptop."""
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        return project_in(directory, PATH=path, **env)


def install(project: Project) -> None:
    """Let the machine's account have jlab-mcp where installers put it."""
    link = project.home / ".local" / "bin" / "jlab-mcp"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(COMMAND)


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def _key(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


@contextlib.contextmanager
def machine(directory: Path, project: Project, *options: str) -> Iterator[There]:
    """Run sshd with `options` of sshd_config; skips where there is none."""
    if SSHD is None or SSH is None:
        pytest.skip("sshd (openssh-server) is not installed")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where it shuts itself in, as root
    directory.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    there = There(directory, project, port, options)
    host_key, key = _key(directory / "host_key"), _key(directory / "key")
    shutil.copy(f"{key}.pub", directory / "authorized_keys")
    settings = [
        *options,
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {host_key}",
        f"AuthorizedKeysFile {directory}/authorized_keys",
        "StrictModes no",
        "PermitRootLogin yes",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "UsePAM no",
        "UseDNS no",
        "PidFile none",
        f"SetEnv HOME={project.home}",
    ]
    write(directory / "sshd_config", "\n".join(settings) + "\n")
    public = (directory / "host_key.pub").read_text(encoding="utf-8")
    write(directory / "known_hosts", f"[127.0.0.1]:{port} {public}{HOST} {public}")
    client = {
        "HostName": "127.0.0.1",
        "Port": str(port),
        "User": pwd.getpwuid(os.geteuid()).pw_name,
        "IdentityFile": str(key),
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": str(directory / "known_hosts"),
        "GlobalKnownHostsFile": "/dev/null",
    }
    lines = "".join(f"  {name} {value}\n" for name, value in client.items())
    write(directory / "ssh_config", f"Host {HOST}\n{lines}")
    write(there.bin / "ssh", f'#!/bin/sh\nexec {SSH} -F {directory}/ssh_config "$@"\n', 0o700)
    with serving(there):
        yield there


@contextlib.contextmanager
def serving(there: There) -> Iterator[None]:
    """Let sshd listen for the time of the block."""
    log = there.directory / "sshd.log"
    argv = [str(SSHD), "-D", "-f", str(there.directory / "sshd_config"), "-E", str(log)]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, env={**os.environ, **LASTING})
    with ended(process):
        there.pids.append(process.pid)
        for pause in pauses(40):
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", there.port)):
                    break
            assert process.poll() is None, log.read_text(encoding="utf-8")
            time.sleep(pause)
        try:
            yield
        finally:
            for pid in there.connections():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, 9)
    assert not alive(process.pid)


def far_ends(there: There, command: str) -> list[list[str]]:
    """The processes that run a command behind a line to that machine."""
    home = f"HOME={there.project.home}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_text(encoding="utf-8").split("\0")
            is_there = home in path.with_name("environ").read_bytes().split(b"\0")
            if is_there and "python" in words[0] and "--at" in words and command in words:
                found.append(words)
    return found
