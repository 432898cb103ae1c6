"""How a browser reaches the server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jlab_tui.core.cli.browser_access import access_of
from jlab_tui.core.link.bridge import Way
from jlab_tui.core.server.record import ServerRecord, ServerState
from jlab_tui.core.settings import Mode


@pytest.mark.parametrize(
    ("url", "user", "direct", "ssh", "local"),
    [
        ("http://node7:18001", "ada", "http://node7:18001/lab", "ssh -N -L 18001:node7:18001 ada@login", "http://127.0.0.1:18001/lab"),
        ("http://node7:18001/base/", "", "http://node7:18001/base/lab", "ssh -N -L 18001:node7:18001 login", "http://127.0.0.1:18001/base/lab"),
        ("https://localhost:9", "ada", "https://localhost:9/lab", "ssh -N -L 9:127.0.0.1:9 ada@login", "http://127.0.0.1:9/lab"),
        ("http://127.0.0.2:9", "ada", "http://127.0.0.2:9/lab", "ssh -N -L 9:127.0.0.1:9 ada@login", "http://127.0.0.1:9/lab"),
        ("http://[fd00::7]:9", "ada", "http://[fd00::7]:9/lab", "ssh -N -L '9:[fd00::7]:9' ada@login", "http://127.0.0.1:9/lab"),
        ("http://[::1]:9", "ada", "http://[::1]:9/lab", "ssh -N -L 9:127.0.0.1:9 ada@login", "http://127.0.0.1:9/lab"),
    ],
)  # fmt: skip
def test_the_server_is_reached_directly_or_through_ssh(
    url: str, user: str, direct: str, ssh: str, local: str
) -> None:
    record = ServerRecord(ServerState.READY, Mode.SLURM, url=url, port=7, hostname="node1")
    access = access_of(record, user, "login")
    assert (access.url, access.ssh, access.local_url) == (direct, ssh, local)
    assert access.link("secret", through_ssh=True) == f"{local}?token=secret"
    assert access.link("secret", through_ssh=False) == f"{direct}?token=secret"
    assert "secret" not in str(access)


@pytest.mark.parametrize(
    ("url", "user", "ssh"),
    [
        ("https://node7:9", "ada", "ssh -N -J ada@login -L 9:/run/j.sock ada@node7"),
        ("https://node7:9", "", "ssh -N -J login -L 9:/run/j.sock node7"),
        ("", "ada", "ssh -N -J ada@login -L 7:/run/j.sock ada@node1"),
    ],
)
def test_a_job_that_listens_on_a_socket_is_reached_through_its_node(url: str, user: str, ssh: str) -> None:
    record = ServerRecord(
        ServerState.READY, Mode.SLURM, url=url, port=7, hostname="node1", socket="/run/j.sock"
    )
    assert access_of(record, user, "login").ssh == ssh


def test_a_server_without_a_port_is_reached_at_the_socket_of_its_bridge() -> None:
    record = ServerRecord(
        ServerState.READY, Mode.SLURM, job_id="70012", hostname="node1", socket="/s", link=Way.SRUN
    )
    access = access_of(record, "ada", "login", "/tmp/b.sock")
    assert access.url == ""
    assert access.ssh == "ssh -N -L 18012:/tmp/b.sock ada@login"
    assert access.link("secret", through_ssh=False) == "http://127.0.0.1:18012/lab?token=secret"
    assert "18012:/s ada@node1" in access_of(record, "ada", "login").ssh
    assert ":18000/" in access_of(replace(record, job_id=""), "", "login").local_url


def test_a_socket_on_this_machine_changes_nothing() -> None:
    record = ServerRecord(ServerState.READY, Mode.LOCAL, url="http://127.0.0.1:9", socket="/run/j.sock")
    assert access_of(record, "ada", "login").ssh == "ssh -N -L 9:127.0.0.1:9 ada@login"
