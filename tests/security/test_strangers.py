"""What somebody without the token can cost the server: memory, log, and what it answers them."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.jupyter_extension.servers import TOKEN, Server, serving, until

GIB = 1 << 30
NO_ANSWER = "/lab/api/licenses/x"
"""a route of JupyterLab 4.6 whose handler cannot be called, with or without a token"""
DUMP_ROUTES = """
import json, os

def _jupyter_server_extension_points():
    return [{"module": "dump_routes"}]

def _load_jupyter_server_extension(app):
    def dump():
        patterns, rules = [], list(app.web_app.default_router.rules)
        while rules:
            rule = rules.pop()
            rules.extend(getattr(rule.target, "rules", []))
            if hasattr(rule.matcher, "regex"):
                patterns.append(rule.matcher.regex.pattern)
        with open(os.environ["ROUTES"], "w") as file:
            json.dump(patterns, file)
    app.io_loop.add_callback(dump)
"""
PUBLIC = re.compile(r"/(|login|logout|static/.*|favicon\.ico|robots\.txt|api/?)\Z")
"""what a login page needs; where JupyterLab is not installed, / says that a server runs, and /api says which version of Jupyter answers"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("strangers")
    config = folder / "home" / ".jupyter"
    config.mkdir(parents=True)
    (config / "jupyter_server_config.py").write_text(
        "c.ServerApp.jpserver_extensions = {'dump_routes': True}\n", encoding="utf-8"
    )
    (folder / "modules").mkdir()
    (folder / "modules" / "dump_routes.py").write_text(DUMP_ROUTES, encoding="utf-8")
    environ = {"PYTHONPATH": str(folder / "modules"), "ROUTES": str(folder / "routes.json")}
    with serving(folder, environ=environ) as running:
        yield running


def address(server: Server) -> tuple[str, int]:
    parts = urlsplit(server.facts["url"])
    assert parts.hostname is not None and parts.port is not None
    return parts.hostname, parts.port


def ask(
    server: Server, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> int:
    connection = http.client.HTTPConnection(*address(server), timeout=20)
    try:
        connection.request(method, path, body=body or None, headers=headers or {})
        return connection.getresponse().status
    finally:
        connection.close()


def cost_of_bodies(server: Server, heads: list[str], each: int) -> float:
    """By so many MB does the server grow while strangers send a body on connections that they keep open."""
    before, chunk = server.rss_mb(), b"x" * (1 << 20)
    with contextlib.ExitStack() as stack:
        for head in heads:
            stranger = stack.enter_context(socket.create_connection(address(server), timeout=20))
            stranger.sendall(head.encode("latin-1"))
            with contextlib.suppress(OSError):  # it is closed at the other end
                for _ in range(each >> 20):
                    stranger.sendall(chunk)
        server.http.get("api/status")
        return server.rss_mb() - before


@pytest.mark.parametrize(
    ("headers", "begin"),
    [
        (f"Content-Length: {GIB}", ""),
        (f"Content-Length: {GIB}\r\nAuthorization: token wrong", ""),
        (f"Content-Length: {GIB}\r\nCookie: username-127-0-0-1={TOKEN}; _xsrf=1", ""),
        (f"Content-Length: {GIB}, {GIB}", ""),
        (f"Content-Length: {GIB}\r\nExpect: 100-continue", ""),
        ("Transfer-Encoding: chunked", "3fffffff\r\n"),
    ],
)
def test_a_body_of_a_stranger_is_not_read(server: Server, headers: str, begin: str) -> None:
    paths = ("/login", "/api/kernels", "/jlab-mcp/claims")
    heads = [f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n\r\n{begin}" for path in paths]
    assert cost_of_bodies(server, heads, 60 << 20) < 10


def test_large_notebooks_and_uploads_of_the_user_still_pass(server: Server) -> None:
    cell = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "x" * (30 << 20)}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    body = {"type": "notebook", "format": "json", "content": notebook}
    assert server.http.put("api/contents/large.ipynb", json=body).status_code == 201
    browser = httpx.Client(base_url=server.facts["url"], timeout=30, trust_env=False)
    with browser:  # a cookie and the XSRF token in place of the header
        browser.get("/login")
        browser.get("/login", params={"token": TOKEN})
        browser.get("/lab")
        xsrf = {"X-XSRFToken": browser.cookies["_xsrf"]}
        upload = {"type": "file", "format": "text", "content": "x" * (5 << 20)}
        assert browser.put("/api/contents/upload.txt", json=upload, headers=xsrf).status_code == 201


def test_refused_requests_cost_the_log_a_line_a_minute(server: Server) -> None:
    before = server.log.stat().st_size
    for number in range(300):
        assert ask(server, "GET", f"/{number}/{'a' * 40_000}") in (302, 400, 403, 404)
        assert ask(server, "GET", "/api/kernels?x=" + "b" * 20_000, {"Referer": "r" * 20_000}) == 403
    assert server.log.stat().st_size - before < 20_000
    text = server.log.read_text(encoding="utf-8", errors="replace")
    assert "unauthenticated request" in text
    assert max(map(len, text.splitlines())) <= 500


@contextlib.contextmanager
def open_files(server: Server, *, free: int) -> Iterator[int]:
    """The server may open only so many files more. Gives its limit, half of which goes to strangers."""
    pid = server.facts["pid"]
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = len(os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + free, limits[1]))
    try:
        yield used + free
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


def test_strangers_who_keep_connections_open_keep_nobody_out(server: Server) -> None:
    """The oldest of theirs end; an authenticated one stays, even if it is silent for long."""
    mine = http.client.HTTPConnection(*address(server), timeout=20)
    mine.auto_open = 0
    mine.connect()

    def asked_again() -> int:
        mine.request("GET", "/api/kernels", headers={"Authorization": f"token {TOKEN}"})
        answer = mine.getresponse()
        answer.read()
        return answer.status

    with contextlib.closing(mine), open_files(server, free=200) as limit, contextlib.ExitStack() as stack:
        assert asked_again() == 200
        first = stack.enter_context(socket.create_connection(address(server), timeout=20))
        for number in range(limit // 2 + 10):
            stranger = stack.enter_context(socket.create_connection(address(server), timeout=20))
            if number % 3 == 0:
                stranger.sendall(b"GET /api/kernels HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            if number % 3 == 1:
                stranger.sendall(b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n")
        assert first.recv(1) == b""
        for _ in range(20):
            assert ask(server, "GET", "/api/kernels", {"Authorization": f"token {TOKEN}"}) == 200
        assert asked_again() == 200


def test_connections_up_to_the_limit_of_open_files_cost_little_log_and_no_connection_that_is_open(
    server: Server,
) -> None:
    before = server.log.stat().st_size
    assert server.http.get("api/status").status_code == 200
    with open_files(server, free=10), contextlib.ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(socket.create_connection(address(server), timeout=20))
        until(
            lambda: b"more of this kind are left out" in server.log.read_bytes()[before:],
            "the limit is reached, and the log limits what it says about that",
        )
        for _ in range(50):
            assert server.http.get("api/status").status_code == 200
    until(lambda: ask(server, "GET", "/api/kernels") == 403, "new connections are taken again")
    assert server.log.stat().st_size - before < 200_000


def test_a_request_puts_no_control_character_into_the_log(server: Server) -> None:
    with socket.create_connection(address(server), timeout=20) as stranger:
        stranger.sendall(b"GET /\x9b31m\x1b[31m HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        while stranger.recv(4096):
            pass
    assert server.http.get("api/contents/\x9b31m").status_code == 404
    until(lambda: b"contents" in server.log.read_bytes(), "the user's own request is logged")
    assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]", server.log.read_bytes())


def test_no_route_answers_a_stranger(server: Server) -> None:
    found = until(
        lambda: (
            (server.folder / "routes.json").read_text() if (server.folder / "routes.json").exists() else ""
        ),
        "the routes are listed",
    )
    paths = sorted({concrete(pattern) for pattern in json.loads(found)} - {"", NO_ANSWER})
    assert len(paths) > 30 and {"/jlab-mcp/info", "/api/contents/x", "/api/kernels/x-x-x-x-x/channels"} <= {
        *paths
    }
    wrong = [
        {},
        {"Authorization": "token wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Cookie": "username-127-0-0-1=x"},
    ]
    answered: dict[tuple[str, str], int] = {}
    asked = 0
    for path in paths:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            for headers in wrong:
                asked += 1
                status = ask(server, method, path, headers, b"{}" if method != "GET" else b"")
                if status < 300 and not PUBLIC.match(path):
                    answered[method, path] = status
    assert not answered
    assert asked == len(paths) * 5 * len(wrong) > 600


def concrete(pattern: str) -> str:
    """A path that a route's regular expression matches; empty when none is found."""
    path = re.sub(r"\\w\+|\[[^]]*\]|\.\*", "x", pattern.rstrip("$")).replace("\\", "")
    while (simpler := re.sub(r"\((?:\?P<\w+>|\?:)?([^()|]*)[^()]*\)[?*+]*", r"\1", path)) != path:
        path = simpler
    path = re.sub("[?*+]", "", path)
    return path if path.startswith("/") and re.search(pattern, path) else ""


def test_a_page_of_another_site_gets_nothing_from_the_users_own_browser(server: Server) -> None:
    """It can send the user's cookie along, but not hide where it comes from: by Origin, by Host once its own name leads to
    127.0.0.1, and by the token against forged requests that it cannot read."""
    with httpx.Client(base_url=server.facts["url"], timeout=20, trust_env=False) as browser:
        browser.get("/login", params={"token": TOKEN})
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    mine = {"Cookie": cookies}
    rest = [
        "/api/contents",
        "/api/kernels",
        "/api/sessions",
        "/api/kernelspecs",
        "/jlab-mcp/info",
        "/jlab-mcp/kernels",
    ]
    kernel = server.start_kernel()
    sockets = [f"/api/kernels/{kernel}/channels", f"/jlab-mcp/channels/{kernel}", "/api/events/subscribe"]
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    assert {ask(server, "GET", path, mine) for path in rest} == {200}
    assert {ask(server, "GET", path, mine | upgrade) for path in sockets} == {101}
    answers = []
    for where in (
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ):
        answers += [ask(server, "GET", path, mine | where) for path in rest]
        answers += [ask(server, "GET", path, mine | where | upgrade) for path in sockets]
        answers += [
            ask(server, method, path, mine | where, b"{}") for method in ("POST", "PUT") for path in rest
        ]
    answers += [
        ask(server, method, path, mine, b"{}") for method in ("POST", "PUT", "DELETE") for path in rest
    ]
    assert len(answers) == 102 and set(answers) <= {403, 404, 405}
    assert server.alive(kernel)
