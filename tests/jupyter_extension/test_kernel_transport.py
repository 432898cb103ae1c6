from __future__ import annotations

import concurrent.futures
import json
import os
import socket
import stat
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from jlab_tui.jupyter_extension import unix_socket
from jlab_tui.jupyter_extension.kernel_transport import use_sockets
from tests.jupyter_extension.servers import PYTHON, Server, owning, serving
from tests.security.strangers import STRANGER, needs_stranger, public_directory

PYTHON_COMMAND = ["/usr/bin/python3.12", "-m", "ipykernel_launcher", "-f", "{connection_file}"]


class ManagerOfAKernel:
    """As much of a KernelManager as the choice looks at."""

    def __init__(self, argv: list[str], config: dict[str, Any] | None = None, **metadata: Any) -> None:
        self.kernel_spec = SimpleNamespace(argv=argv, metadata=metadata)
        self.config = config or {}
        self.transport = "tcp"
        self.ip = "127.0.0.1"

    def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
        return [*self.kernel_spec.argv, *(extra_arguments or [])]


@pytest.mark.parametrize(
    "argv",
    [
        PYTHON_COMMAND,
        ["conda", "run", "-n", "e", *PYTHON_COMMAND],
        ["python", "-m", "ipykernel", "-f", "c.json", "--config=mine.py"],
    ],
)
def test_a_kernel_of_ipython_on_this_machine_speaks_over_sockets_of_its_own(
    tmp_path: Path, argv: list[str]
) -> None:
    first, second = ManagerOfAKernel(argv), ManagerOfAKernel(argv)
    assert use_sockets(first, str(tmp_path)) and use_sockets(second, str(tmp_path))
    assert first.transport == second.transport == "ipc"
    assert first.ip != second.ip and first.ip.startswith(f"{tmp_path}/")


def test_a_kernel_starts_and_restarts_after_a_cleaner_took_the_directory_of_its_sockets(
    tmp_path: Path,
) -> None:
    folder, manager = tmp_path / "d", ManagerOfAKernel(PYTHON_COMMAND)
    assert use_sockets(manager, str(folder))
    for _ in "start", "restart":
        folder.rmdir()
        assert manager.format_kernel_cmd(["-x"]) == [*PYTHON_COMMAND, "-x"]
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_kernel_starts_on_tcp_where_the_directory_of_its_sockets_is_another_accounts(
    tmp_path: Path,
) -> None:
    manager = ManagerOfAKernel(PYTHON_COMMAND)
    (tmp_path / "d").symlink_to(tmp_path)
    assert not use_sockets(manager, str(tmp_path / "d"))
    assert manager.transport == "tcp"


@needs_stranger
def test_a_name_that_another_account_took_first_costs_no_privacy(tmp_path: Path) -> None:
    """They are easy to guess; without any of them, kernels would publish everything on open ports."""
    with public_directory() as shared:
        shared.chmod(0o1777)
        taken, ours = shared / "jlab-mcp-0", shared / "jlab-mcp-0-7f"
        taken.mkdir()
        os.chown(taken, STRANGER, STRANGER)
        assert unix_socket.first_folder([str(taken), str(ours)]) == str(ours)
        assert stat.S_IMODE(ours.stat().st_mode) == 0o700


@needs_stranger
@pytest.mark.parametrize(("owner", "mode"), [(0, 0o777), (STRANGER, 0o1777)], ids=["no sticky bit", "theirs"])
def test_a_directory_that_others_can_replace_holds_no_sockets_of_kernels(owner: int, mode: int) -> None:
    with public_directory() as shared:
        os.chown(shared, owner, owner)
        shared.chmod(mode)
        assert unix_socket.first_folder([str(shared / "jlab-mcp-0")]) is None


@pytest.mark.parametrize(
    "manager",
    [
        ManagerOfAKernel(["R", "--slave", "-e", "IRkernel::main()"]),
        ManagerOfAKernel(["bash", "-c", "exec python -m ipykernel_launcher -f c.json"]),
        ManagerOfAKernel(["docker", "run", "image", *PYTHON_COMMAND]),
        ManagerOfAKernel(["ssh", "host", *PYTHON_COMMAND]),
        ManagerOfAKernel(PYTHON_COMMAND, kernel_provisioner={"provisioner_name": "remote"}),
        ManagerOfAKernel(PYTHON_COMMAND, {"ManagerOfAKernel": {"ip": "10.0.0.1"}}),
        ManagerOfAKernel(PYTHON_COMMAND, {"ManagerOfAKernel": {"transport": "tcp"}}),
    ],
    ids=["R", "shell", "container", "ssh", "provisioner", "own address", "own transport"],
)
def test_other_kernels_stay_as_they_are(manager: ManagerOfAKernel) -> None:
    before = manager.ip
    assert not use_sockets(manager, "/tmp/d")
    assert (manager.transport, manager.ip) == ("tcp", before)


async def test_no_other_account_can_read_what_a_kernel_of_ours_publishes(server: Server) -> None:
    async with owning(server) as channel:
        await channel.run("1")
        process = psutil.Process(server.pid_of(channel.kernel))
        listening = [c for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        assert len(listening) <= 1, "ipykernel's port for what its subprocesses print; it gives nothing out"
        sockets = [Path(c.laddr) for c in process.net_connections("unix") if "jlab-mcp" in str(c.laddr)]
        assert sockets and all(stat.S_IMODE(path.parent.stat().st_mode) == 0o700 for path in sockets)
        assert server.kernels()[channel.kernel]["private"] is True
        server.http.post(f"api/kernels/{channel.kernel}/restart")
        await channel.obituary()
        assert await channel.run("print(2)") == "2\n"


def test_kernels_that_start_at_once_do_not_meet(server: Server) -> None:
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        kernels = list(pool.map(lambda _: server.start_kernel(), range(4)))
    assert all(server.alive(kernel) for kernel in kernels)
    for kernel in kernels:
        server.http.delete(f"api/kernels/{kernel}")


async def test_a_kernel_that_stays_on_tcp_is_reported_and_holds_no_more_for_its_readers(
    server: Server,
) -> None:
    """Each reader of the open port has a queue of its own: a raised mark would let strangers fill the memory."""
    spec = server.folder / "home/.local/share/jupyter/kernels/tcp/kernel.json"
    spec.parent.mkdir(parents=True)
    argv = ["nice", PYTHON, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": argv, "display_name": "tcp", "language": "python"}), encoding="utf-8")
    kernel = server.http.post("api/kernels", json={"name": "tcp"}).json()["id"]
    async with owning(server, kernel) as channel:
        assert await channel.run("print(get_ipython().kernel.iopub_thread.socket.sndhwm)") == "1000\n"
        assert server.kernels()[kernel]["private"] is False


@pytest.mark.parametrize("policy", ["auto", "required"])
async def test_a_user_who_encrypts_kernels_can_use_them(tmp_path: Path, policy: str) -> None:
    asks = "from jupyter_client import KernelManager as made; exit(not hasattr(made, 'transport_encryption'))"
    if subprocess.run([PYTHON, "-c", asks], check=False).returncode:
        pytest.skip("this jupyter_client encrypts nothing (8.10 does)")
    config = tmp_path / "s/home/.jupyter/jupyter_server_config.py"
    config.parent.mkdir(parents=True)
    config.write_text(
        f"c.KernelManager.transport_encryption = {policy!r}\nc.KernelManager.transport = 'tcp'\n",
        encoding="utf-8",
    )
    with serving(tmp_path / "s", lab=False) as server:
        async with owning(server) as channel:
            assert await channel.run("print(40 + 2)") == "42\n"
            assert server.kernels()[channel.kernel]["private"] is True


def test_sockets_that_a_killed_process_left_are_removed(tmp_path: Path) -> None:
    dead, alive, other = tmp_path / ("0" * 12 + ".sock"), tmp_path / "k01234567-1", tmp_path / "mine.sock"
    for path in (dead, other):
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(alive))
        listening.listen()
        unix_socket.remove_dead(str(tmp_path), older_than_s=-1)
        assert not dead.exists()
        assert alive.exists() and other.exists()


def test_a_folder_of_sockets_is_private() -> None:
    folder = unix_socket.folder_of_sockets()
    assert folder is not None
    info = os.stat(folder)
    assert (stat.S_IMODE(info.st_mode), info.st_uid) == (0o700, os.geteuid())
