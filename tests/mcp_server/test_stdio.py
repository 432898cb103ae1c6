"""MCP over anything that a shell connects: pipes, files, /dev/null, or nothing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from jlab_tui.mcp_server.stdio import LINE_MAX
from tests.project import COMMAND, Project, until

HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    },
}


def test_without_a_client_the_server_ends_without_a_word(project: Project) -> None:
    done = project.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


async def test_replies_can_go_to_a_file(project: Project, tmp_path: Path) -> None:
    replies = tmp_path / "replies.jsonl"
    with replies.open("wb") as file, subprocess.Popen(
        [COMMAND], cwd=project.root, env=project.env, stdin=subprocess.PIPE, stdout=file
    ) as server:  # fmt: skip
        assert server.stdin is not None
        server.stdin.write(json.dumps(HELLO).encode() + b"\n")
        server.stdin.flush()
        await until(lambda: replies.read_bytes().endswith(b"\n"))
        server.stdin.close()
        assert server.wait(60) == 0
    assert json.loads(replies.read_bytes())["result"]["serverInfo"]["name"] == "jlab-mcp"


def test_requests_can_come_from_a_file(project: Project, tmp_path: Path) -> None:
    requests = tmp_path / "requests.jsonl"
    requests.write_text(json.dumps(HELLO) + "\n", encoding="utf-8")
    with requests.open("rb") as file:
        done = subprocess.run(
            [COMMAND], cwd=project.root, env=project.env, stdin=file, capture_output=True, check=False
        )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_closed_stdin_is_reported(project: Project) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "{COMMAND}" <&-'],
        cwd=project.root, env=project.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "Stdin or stdout is closed" in done.stderr.splitlines()[0]


MODERN = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
    }
}


@pytest.mark.parametrize(
    "requests",
    [
        [HELLO, {"method": "notifications/initialized"}, {"id": 2, "method": "tools/list", "params": {}}],
        [{"id": 2, "method": "tools/list", "params": MODERN}],
    ],
    ids=["legacy", "modern"],
)
def test_all_tools_together_take_at_most_14000_bytes(
    project: Project, requests: list[dict[str, Any]]
) -> None:
    """A model reads them at the start of every conversation."""
    with subprocess.Popen(
        [COMMAND], cwd=project.root, env=project.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdin is not None and server.stdout is not None
        for request in requests:
            server.stdin.write(json.dumps({"jsonrpc": "2.0", **request}).encode() + b"\n")
        server.stdin.flush()
        listed = next(line for line in server.stdout if json.loads(line).get("id") == 2)
        server.stdin.close()
        assert server.wait(60) == 0
    assert len(json.loads(listed)["result"]["tools"]) >= 20
    assert len(listed) <= 14_000 + len(b'{"jsonrpc":"2.0","id":2,"result":}\n')


UNREADABLE = {
    b'{"jsonrpc": "2.0", "id": 2, "method": "ping", "params": {"x": "\\ud800"}}': (2, "surrogate"),
    b'{"jsonrpc": "2.0", "id": 3, "method": "ping", "params": {"x": "\xff"}}': (3, "not UTF-8"),
    b'{"jsonrpc": "2.0", "id": 4, "method": "pi\0ng"}': (4, "not a valid request"),
    b'{"jsonrpc": "2.0", "id": "five", "method": ["ping"]}': ("five", "not a valid request"),
    b'[{"jsonrpc": "2.0", "id": 6, "method": "ping"}]': (None, "not a valid request"),
    b'{"jsonrpc": "2.0", "id": 7, "method"': (None, "not JSON"),
    b"[" * 100_000: (None, "not JSON"),
    b'{"jsonrpc": "2.0", "id": 8, "method": "ping", "params": "' + b"x" * LINE_MAX: (
        None,
        "longer than 16 MB",
    ),
}


def test_a_line_that_cannot_be_read_is_refused_and_the_next_one_is_answered(project: Project) -> None:
    with subprocess.Popen(
        [COMMAND], cwd=project.root, env=project.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdin is not None and server.stdout is not None

        def ask(line: bytes) -> dict[str, Any]:
            assert server.stdin is not None and server.stdout is not None
            server.stdin.write(line + b"\n")
            server.stdin.flush()
            answer = json.loads(server.stdout.readline())
            assert isinstance(answer, dict)
            return answer

        assert ask(json.dumps(HELLO).encode())["id"] == 1
        for line, (number, why) in UNREADABLE.items():
            answer = ask(line)
            assert answer["id"] == number and why in answer["error"]["message"], line[:100]
            assert "nothing was done" in answer["error"]["message"]
            assert ask(b'{"jsonrpc": "2.0", "id": 9, "method": "ping"}')["result"] == {}
        ask_nothing = b'{"jsonrpc": "2.0", "method": 5}\n{"jsonrpc": "2.0", "id": 1, "answer": 5}'
        assert ask(ask_nothing + b'\n{"jsonrpc": "2.0", "id": 10, "method": "ping"}')["id"] == 10
        server.stdin.write(b'{"jsonrpc": "2.0", "id": 11, "method": "pi')
        server.stdin.close()
        assert server.wait(60) == 0


def test_ten_thousand_pings_at_once_are_all_answered(project: Project) -> None:
    pings = (b'{"jsonrpc": "2.0", "id": %d, "method": "ping"}\n' % number for number in range(2, 10_002))
    requests = json.dumps(HELLO).encode() + b"\n" + b"".join(pings)
    with subprocess.Popen(
        [COMMAND], cwd=project.root, env=project.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdin is not None and server.stdout is not None
        writing = Thread(target=server.stdin.write, args=(requests,))
        writing.start()
        answered = [json.loads(server.stdout.readline())["id"] for _ in range(10_001)]
        writing.join()
        server.stdin.close()
        assert server.wait(60) == 0
    assert sorted(answered) == [*range(1, 10_002)]
