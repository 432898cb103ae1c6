"""The wire is whatever a shell connects: pipes, files, /dev/null, or nothing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

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
        assert server.wait(20) == 0
    assert json.loads(replies.read_bytes())["result"]["serverInfo"]["name"] == "jlab-mcp"


def test_requests_can_come_from_a_file(project: Project, tmp_path: Path) -> None:
    requests = tmp_path / "requests.jsonl"
    requests.write_text(json.dumps(HELLO) + "\n", encoding="utf-8")
    with requests.open("rb") as file:
        done = subprocess.run(
            [COMMAND], cwd=project.root, env=project.env, stdin=file, capture_output=True, check=False
        )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_closed_stdin_is_said(project: Project) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "{COMMAND}" <&-'],
        cwd=project.root, env=project.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "Stdin or stdout is closed" in done.stderr.splitlines()[0]


def test_a_request_that_cannot_be_read_is_refused_and_the_next_one_is_answered(project: Project) -> None:
    half = {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": {"name": "ping", "arguments": {"x": "\ud800"}},
    }
    wrong = {"jsonrpc": "2.0", "id": "three", "method": ["tools/call"]}
    with subprocess.Popen(
        [COMMAND], cwd=project.root, env=project.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdin is not None and server.stdout is not None
        answers = []
        for request in (HELLO, half, wrong, {"jsonrpc": "2.0", "id": 4, "method": "ping"}):
            server.stdin.write(json.dumps(request).encode() + b"\n")
            server.stdin.flush()
            answers.append(json.loads(server.stdout.readline()))
        server.stdin.close()
        assert server.wait(20) == 0
    assert [answer["id"] for answer in answers] == [1, 2, "three", 4]
    assert (
        "surrogate" in answers[1]["error"]["message"] and "nothing was done" in answers[1]["error"]["message"]
    )
    assert answers[2]["error"]["code"] == -32600 and answers[3]["result"] == {}
