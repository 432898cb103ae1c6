from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest

from jlab_tui.jupyter_extension import unix_socket
from tests.jupyter_extension.servers import TOKEN, Server, serving


def over(path: Path) -> httpx.Client:
    return httpx.Client(
        transport=httpx.HTTPTransport(uds=str(path)),
        base_url="http://localhost/",
        headers={"Authorization": f"token {TOKEN}"},
        timeout=20,
    )


def place(server: Server) -> Path:
    return Path(server.facts["socket"])


def test_the_socket_answers_as_the_port_does_and_only_its_owner_may_enter(server: Server) -> None:
    path = place(server)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with over(path) as http:
        assert http.get("jlab-mcp/info").json()["pid"] == server.process.pid
    with over(path) as http:
        assert http.get("api/kernels", headers={"Authorization": "token wrong"}).status_code == 403


def test_a_server_that_ends_takes_its_socket_with_it(tmp_path: Path) -> None:
    with serving(tmp_path / "s", lab=False) as server:
        path = place(server)
        assert path.exists()
        server.stop()
        assert not path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="acting as another account needs root")
def test_another_account_is_not_answered_even_where_it_can_open_the_socket(server: Server) -> None:
    path = place(server)
    path.parent.chmod(0o711)
    path.chmod(0o666)
    try:
        assert said_by(path, uid=12_345) == b""
        assert said_by(path, uid=os.geteuid()).startswith(b"HTTP/1.1 403")
    finally:
        path.chmod(0o600)
        path.parent.chmod(0o700)


def said_by(path: Path, *, uid: int) -> bytes:
    """What the server answers a process of `uid` that asks without a token."""
    read, write = os.pipe()
    child = os.fork()
    if not child:  # pragma: no cover
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(10)
                client.connect(str(path))
                client.sendall(b"GET /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
                os.write(write, client.recv(100))
        except OSError:
            pass
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said


class App:
    """As much of Jupyter's ServerApp as a socket needs."""

    web_app = staticmethod(lambda request: None)
    max_body_size = max_buffer_size = 1 << 20


async def test_a_socket_whose_file_a_cleaner_removed_is_bound_again(tmp_path: Path) -> None:
    opened = unix_socket.UnixSocket(App(), str(tmp_path / "a" / "s.sock"))
    (tmp_path / "a" / "s.sock").unlink()
    (tmp_path / "a").rmdir()
    opened.look()
    assert stat.S_ISSOCK((tmp_path / "a" / "s.sock").stat().st_mode)
    opened.close()
    assert not (tmp_path / "a" / "s.sock").exists()


async def test_a_socket_that_another_server_bound_at_its_place_is_left_at_the_end(tmp_path: Path) -> None:
    first = unix_socket.UnixSocket(App(), str(tmp_path / "a" / "s.sock"))
    second = unix_socket.UnixSocket(App(), str(tmp_path / "a" / "s.sock"))
    first.close()
    assert (tmp_path / "a" / "s.sock").exists()
    second.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="a directory of another account needs root")
async def test_a_directory_of_another_account_holds_no_socket_of_ours(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", 12_345, 12_345)
    with pytest.raises(PermissionError, match="somebody else"):
        unix_socket.UnixSocket(App(), str(tmp_path / "theirs" / "s.sock"))


async def test_a_link_in_place_of_the_directory_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError):
        unix_socket.UnixSocket(App(), str(tmp_path / "link" / "s.sock"))


def test_no_place_is_longer_than_a_system_takes() -> None:
    found = unix_socket.places(4_294_967_294, "0" * 12)
    assert found
    assert all(len(path.encode()) <= 103 for path in found)


async def test_where_no_socket_can_be_made_the_server_continues_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    taken: list[Any] = [str(tmp_path / "file" / "s.sock")]
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert unix_socket.first_of(App(), taken) is None
    assert "listens only on its port" in caplog.text
