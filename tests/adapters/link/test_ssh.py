"""A bridge by a real ssh server on this machine, whose shell greets before it runs a command."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from jlab_tui.adapters.link.bridges import BridgeDown, Bridges
from jlab_tui.core.link.bridge import BridgeTarget, Way
from tests.children import ended
from tests.project import until

from .test_carrying import asked, echoing, files_of

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = pytest.mark.skipif(
    SSHD is None or shutil.which("ssh") is None, reason="needs sshd (scripts/install-test-packages)"
)


@dataclass
class SshServer:
    process: subprocess.Popen[bytes]
    env: dict[str, str]
    """in which `ssh` leads to it, whatever the name of the node"""
    keys: Path
    """which it accepts"""

    def hang_up(self) -> None:
        """End its connections, not the server itself."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for pid in children.read_text(encoding="utf-8").split():
            os.kill(int(pid), signal.SIGTERM)


@pytest.fixture
def ssh_server(folder: Path) -> Iterator[SshServer]:
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    keys = folder / "keys"
    shutil.copyfile(folder / "user.pub", keys)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    greeting = 'echo Welcome to node1; eval "$SSH_ORIGINAL_COMMAND"'
    lines = [
        *(f"Port {port}", "ListenAddress 127.0.0.1", f"HostKey {folder}/host", "PidFile none", "UsePAM no"),
        *(f"AuthorizedKeysFile {keys}", "StrictModes no", "PermitRootLogin yes", "PasswordAuthentication no"),
        *("AllowStreamLocalForwarding no", "AllowTcpForwarding no", f"ForceCommand {greeting}"),
    ]
    (folder / "sshd_config").write_text("\n".join(lines) + "\n", encoding="utf-8")
    known = (folder / "host.pub").read_text(encoding="utf-8")
    (folder / "known").write_text(f"[127.0.0.1]:{port} {known}", encoding="utf-8")
    client = [
        *("Host *", "HostName 127.0.0.1", f"Port {port}", f"User {getpass.getuser()}", "IdentitiesOnly yes"),
        *(f"IdentityFile {folder}/user", f"UserKnownHostsFile {folder}/known", "StrictHostKeyChecking yes"),
    ]
    (folder / "config").write_text("\n".join(client) + "\n", encoding="utf-8")
    wrapper = folder / "ssh"
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/config "$@"\n', encoding="utf-8")
    wrapper.chmod(0o755)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    assert SSHD is not None
    argv = [SSHD, "-D", "-e", "-f", str(folder / "sshd_config")]
    with (folder / "sshd.log").open("wb") as log, ended(subprocess.Popen(argv, stderr=log)) as process:
        yield SshServer(process, {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}, keys)
        process.terminate()
        process.wait(40)


def log_of(folder: Path) -> str:
    return (folder / "sshd.log").read_text(encoding="utf-8", errors="replace")


async def listens(folder: Path) -> None:
    await until(lambda: "Server listening" in log_of(folder), what=log_of(folder))


async def test_ssh_carries_a_bridge_behind_a_greeting_and_it_is_made_again_when_the_line_breaks(
    folder: Path, ssh_server: SshServer
) -> None:
    await listens(folder)
    target = BridgeTarget("node1", str(folder / "server"), "1")
    bridges = Bridges(ssh_server.env, folder / "log")
    async with echoing(folder / "server"):
        refuses = "#!/bin/sh\necho 'srun: error: no steps from here' >&2; exit 1\n"
        (folder / "srun").write_text(refuses, encoding="utf-8")
        (folder / "srun").chmod(0o755)
        await bridges.start(target, [Way.SRUN, Way.SSH], "no port")
        path = Path(bridges.socket(target))
        assert await asked(path, b"question") == b"question"
        word = bridges.word(target)
        assert word is not None and word.instead == "no port; srun: srun: error: no steps from here"
        made = path.stat().st_ino
        ssh_server.hang_up()
        await until(lambda: not path.exists() or path.stat().st_ino != made)
        await bridges.start(target, [Way.SSH])
        assert await asked(path, b"again") == b"again"
    await until(lambda: not files_of(bridges, target).lock.exists())


async def test_an_ssh_that_wants_a_password_is_refused_and_asks_nobody(
    folder: Path, ssh_server: SshServer
) -> None:
    await listens(folder)
    ssh_server.keys.write_text("", encoding="utf-8")
    target = BridgeTarget("node1", str(folder / "server"), "1")
    bridges = Bridges(ssh_server.env, folder / "log")
    with pytest.raises(BridgeDown, match="Permission denied"):
        await bridges.start(target, [Way.SSH])
    with contextlib.suppress(OSError):
        files_of(bridges, target).remove()
