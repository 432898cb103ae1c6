"""The relay's process with a small worker: whatever its client's pipes do, it neither spins, nor grows, nor stays behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.project import COMMAND, alive, until

RELAY = """\
import os, sys
from jlab_tui.core.relay import Relay
from jlab_tui.relay_process import Shell
command = [sys.executable, "-c", sys.argv[1], *sys.argv[2:]]
sys.exit(Shell(Relay(lambda: os.urandom(4).hex()), command, dict(os.environ)).run())
"""
HASTY = RELAY.replace("hex())", "hex(), ping_after_s=0.2, silent_s=0.2)").replace(
    "environ))", "environ), 0.1)"
)
WORKER = """\
import json, os, subprocess, sys
def say(**message): print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    match asked.get("method"):
        case "size": say(id=asked["id"], result="x" * asked["params"][0])
        case "child":
            child = subprocess.Popen(["sleep", "600"])
            say(id=asked["id"], result=child.pid)
            os._exit(1)
        case "end": os._exit(1)
        case "chatter": print("a print of a library"); say(id=asked["id"], result=1)
        case "cut":
            if not os.path.exists(asked["params"][0]):
                open(asked["params"][0], "w").close()
                print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": "x" * (4 << 20)})[:-9], flush=True, end="")
                os._exit(1)
            say(id=asked["id"], result="x" * (8 << 20))
        case "tools/call" if "jlab-mcp/cancelled" not in asked["params"]["_meta"]: os.kill(os.getpid(), 19)
        case "tools/call": say(id=asked["id"], result="cancelled")
        case "ping": say(id=asked["id"], result={})
say(method="notifications/message")
"""


def line(**message: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"


@contextlib.contextmanager
def relay(
    stdin: int = subprocess.PIPE,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.DEVNULL,
    *,
    program: str = RELAY,
    worker: str = WORKER,
) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", program, worker]
    with subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr) as process:
        try:
            yield process
        finally:
            process.kill()


def ask(process: subprocess.Popen[bytes], method: str, *params: Any) -> Any:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(line(id=1, method=method, params=params))
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def memory_mb(pid: int) -> float:
    (row,) = (row for row in Path(f"/proc/{pid}/status").read_text().splitlines() if row.startswith("VmRSS"))
    return int(row.split()[1]) / 1024


@pytest.mark.parametrize("closed", ["stdout", "stdin and stdout"])
def test_a_client_that_closes_its_pipes_ends_the_relay_and_its_worker(closed: str) -> None:
    with relay() as process:
        assert process.stdin is not None and process.stdout is not None
        ask(process, "size", 1)
        (worker,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.stdout.close()
        if closed == "stdout":
            process.stdin.write(line(id=2, method="size", params=[1]))
            process.stdin.flush()
        else:
            process.stdin.close()  # the worker says something more
        assert process.wait(60) == 0
        assert not alive(int(worker))


def test_a_client_on_a_socket_that_breaks_off_ends_the_relay() -> None:
    ours, its = socket.socketpair()
    with relay(its.fileno(), its.fileno()) as process:
        its.close()
        ours.sendall(line(id=1, method="size", params=[1]))
        ours.recv(1)  # the rest stays unread, so that the relay's next read is refused
        ours.close()
        assert process.wait(60) == 0


async def test_replies_that_the_client_does_not_read_wait_in_bounded_memory_until_it_does() -> None:
    with relay() as process:
        assert process.stdin is not None and process.stdout is not None
        ask(process, "size", 1)
        for number in range(300):
            process.stdin.write(line(id=number, method="size", params=[1 << 20]))
        process.stdin.flush()
        sizes: list[float] = []

        def is_steady() -> bool:
            sizes.append(memory_mb(process.pid))
            return sizes[-1] > 25 and len(sizes) > 10 and sizes[-10] == sizes[-1]

        await until(is_steady, what="no more replies are taken in")
        assert sizes[-1] < 80
        for number in range(300):
            answer = json.loads(process.stdout.readline())
            assert answer["id"] == number and len(answer["result"]) == 1 << 20
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_a_reply_that_is_too_long_is_refused_and_the_next_one_comes() -> None:
    with relay() as process:
        assert "longer than 16 MB" in ask(process, "size", 17 << 20)["error"]["message"]
        assert len(ask(process, "size", 15 << 20)["result"]) == 15 << 20


def test_a_reply_that_its_workers_death_cuts_comes_whole_from_the_next_one(tmp_path: Path) -> None:
    with relay() as process:
        answer = ask(process, "cut", str(tmp_path / "was here"))
        assert len(answer["result"]) == 8 << 20 and "error" not in answer


def test_what_a_worker_prints_that_is_no_json_goes_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file, relay(stderr=file.fileno()) as process:
        assert ask(process, "chatter")["result"] == 1
    assert "no JSON object: b'a print of a library\\n'" in log.read_text()


def test_a_worker_that_dies_at_once_is_told_and_tried_again_with_the_next_request(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file, relay(stderr=file.fileno(), worker="raise SystemExit(7)") as process:
        for _ in range(2):
            assert "ended with exit code 7" in ask(process, "size", 1)["error"]["message"]
    assert log.read_text().count("ended with exit code 7") in (4, 5), "three times, then once a request"


def test_a_frozen_worker_is_named_in_the_progress_and_replaced_when_its_call_is_cancelled() -> None:
    with relay(program=HASTY) as process:
        assert process.stdin is not None and process.stdout is not None
        params = {"name": "x", "arguments": {}, "_meta": {"progressToken": "p"}}
        process.stdin.write(line(id=1, method="tools/call", params=params))
        process.stdin.flush()
        progress = json.loads(process.stdout.readline())
        assert "Cancel the call" in progress["params"]["message"]
        process.stdin.write(line(method="notifications/cancelled", params={"requestId": 1, "reason": "u"}))
        process.stdin.write(line(id=2, method="size", params=[3]))
        process.stdin.flush()
        while "id" not in (answer := json.loads(process.stdout.readline())):
            pass
        assert answer["id"] == 2 and answer["result"] == "xxx", "the cancelled call gets none"


def test_a_process_that_a_dead_worker_left_behind_holds_nothing_up() -> None:
    with relay() as process:
        left = ask(process, "child")["result"]
        try:
            assert ask(process, "size", 3)["result"] == "xxx"
        finally:
            os.kill(left, signal.SIGKILL)


def test_workers_that_die_leave_no_descriptor_and_no_zombie() -> None:
    with relay() as process:
        before = len(os.listdir(f"/proc/{process.pid}/fd")) if ask(process, "size", 1) else 0
        for _ in range(10):
            assert process.stdin is not None
            process.stdin.write(line(method="end"))
            process.stdin.flush()
            assert ask(process, "size", 1)["result"] == "x"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) == 1 and len(os.listdir(f"/proc/{process.pid}/fd")) == before


def test_without_stderr_nothing_of_the_log_reaches_the_client(tmp_path: Path) -> None:
    wrong = {**os.environ, "HOME": str(tmp_path), "JLAB_MCP_WAIT_S": "x"}  # the worker says so and ends
    shell = ["/bin/sh", "-c", 'exec "$0" 2>&-', COMMAND]
    done = subprocess.run(
        shell, env=wrong, stdin=subprocess.PIPE, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 2 and done.stdout == b""
