"""Real Jupyter servers with the Jupyter extension, as processes, and a client that speaks its protocol."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from jlab_tui.jupyter_extension.framing import PIECE_HEAD, Message, pack, unpack
from tests.waiting import pauses

PYTHON = os.environ.get("JLAB_MCP_EXTENSION_PYTHON", sys.executable)
"""The servers' Python; set it to run these tests against another jupyter_server, the oldest one for instance."""
NODE = Path(__file__).resolve().parents[2] / "jlab_tui" / "jupyter_extension"
WITHOUT_NODE = Path(__file__).resolve().parents[1] / "without_node"
T = TypeVar("T")
TOKEN = "a-token-that-must-not-leak"


@dataclass
class Server:
    """A running server and how to reach it."""

    process: subprocess.Popen[bytes]
    facts: dict[str, Any]
    folder: Path
    log: Path
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(
            base_url=self.facts["url"],
            headers={"Authorization": f"token {TOKEN}"},
            timeout=30,
            trust_env=False,
        )

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    def start_kernel(self) -> str:
        answer = self.http.post("api/kernels", json={})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def kernels(self) -> dict[str, Any]:
        return dict(self.http.get("jlab-mcp/kernels").json())

    def alive(self, kernel: str) -> bool:
        return kernel in {k["id"] for k in self.http.get("api/kernels").json()}

    def pid_of(self, kernel: str) -> int:
        def known() -> int | None:
            now = self.http.get("jlab-mcp/resources").json()["now"]
            pid: int | None = now["kernels"].get(kernel, {}).get("pid")
            return pid

        return until(known, "the sampler names the kernel's process")

    def rss_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def claim(self, kernel: str, client: str, **body: Any) -> httpx.Response:
        owner = {"client": client, "host": "h", "pid": os.getpid(), "conversation": None, "name": "test"}
        return self.http.post(
            "jlab-mcp/claims", json={"session": "s1", "kernel": kernel, "owner": owner, **body}
        )

    def stop(self) -> None:
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def until(look: Callable[[], T | None], what: str, timeout: float = 40.0) -> T:
    """Look until there is an answer."""
    for pause in pauses(timeout):
        if found := look():
            return found
        time.sleep(pause)
    raise AssertionError(f"never happened: {what}")


def start_server(
    folder: Path,
    *,
    node: Path = NODE,
    python: str = PYTHON,
    environ: Mapping[str, str] | None = None,
    lab: bool = True,
    **config: Any,
) -> Server:
    """Launch a server in `folder` and wait until it has published its address."""
    process, log = launch(folder, node=node, python=python, environ=environ, lab=lab, **config)
    connection = folder / "connection.json"

    def published() -> dict[str, Any] | None:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        return json.loads(connection.read_text(encoding="utf-8")) if connection.exists() else None

    try:
        return Server(process, until(published, "the server listens", 40), folder, log)
    except BaseException:
        process.kill()
        process.wait()
        raise


def launch(
    folder: Path,
    *,
    node: Path = NODE,
    python: str = PYTHON,
    environ: Mapping[str, str] | None = None,
    lab: bool = True,
    **config: Any,
) -> tuple[subprocess.Popen[bytes], Path]:
    """Only start the process. Without JupyterLab, which a node need not have, it is up in half the time."""
    (folder / "root").mkdir(parents=True, exist_ok=True)
    (folder / "token").write_text(TOKEN, encoding="utf-8")
    values = {
        "token_file": str(folder / "token"),
        "ip": "127.0.0.1",
        "port": None,
        "port_min": 18000,
        "port_max": 29000,
        "root_dir": str(folder / "root"),
        "spool_dir": str(folder / "spool"),
        "connection_file": str(folder / "connection.json"),
        "kernelspec_dirs": [],
        "default_kernel": None,
        "exit_grace_s": 3,
        "unclaimed_busy_grace_s": 3,
        "reconnect_grace_s": 1.5,
        "hostname": None,
        **config,
    }
    (folder / "config.json").write_text(json.dumps(values), encoding="utf-8")
    (folder / "config.json").chmod(0o600)
    home = folder / "home"
    home.mkdir(exist_ok=True)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER_", "JPY_", "SLURM_"))}
    env["PATH"] = f"{WITHOUT_NODE}{os.pathsep}{env['PATH']}"
    env |= {"HOME": str(home), "IPYTHONDIR": str(home / "ipython"), **(environ or {})}
    if not lab:
        env["PYTHONPATH"] = str(Path(__file__).parent / "without_lab")
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [python, str(node / "launch.py"), str(folder / "config.json")],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=env,
            cwd=folder,
        )
    return process, log


@contextlib.contextmanager
def serving(folder: Path, **arguments: Any) -> Iterator[Server]:
    server = start_server(folder, **arguments)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Channel:
    """A client of the resumable channels that keeps every message it got, by number."""

    server: Server
    kernel: str
    client: str = field(default_factory=lambda: uuid.uuid4().hex)
    epoch: int = 0
    messages: dict[int, Message] = field(default_factory=dict)
    texts: list[dict[str, Any]] = field(default_factory=list)
    socket: ClientConnection | None = None
    read: int = 0
    """Number up to which `until` has looked."""
    newest: int = 0
    _pieces: list[bytes] = field(default_factory=list)

    def claim(self, **body: Any) -> None:
        answer = self.server.claim(self.kernel, self.client, **body)
        assert answer.status_code == 200, answer.text
        self.epoch = answer.json()["epoch"]

    @property
    def last(self) -> int:
        return max(self.messages, default=0)

    async def open(self, since: int | None = None, watch: bool = False, on_exit: str = "shutdown") -> None:
        base = self.server.facts["url"].replace("http", "ws", 1)
        lease = "" if watch else f"&client={self.client}&epoch={self.epoch}&on_exit={on_exit}"
        self.socket = await connect(
            f"{base}jlab-mcp/channels/{self.kernel}?since={self.last if since is None else since}{lease}",
            additional_headers={"Authorization": f"token {TOKEN}"},
            max_size=None,
            max_queue=None,  # closing would wait for frames that a test has not read
            compression=None,
            proxy=None,
        )

    async def close(self) -> None:
        if self.socket is not None:
            await self.socket.close()

    def cut(self) -> None:
        """Break the connection without a word."""
        assert self.socket is not None
        self.socket.transport.abort()

    async def send(self, code: str, *, msg_id: str | None = None, silent: bool = False) -> str:
        return await self.request(
            "execute_request",
            {
                "code": code,
                "silent": silent,
                "store_history": True,
                "user_expressions": {},
                "allow_stdin": False,
                "stop_on_error": True,
            },
            msg_id=msg_id,
        )

    async def request(
        self,
        msg_type: str,
        content: Mapping[str, Any],
        *,
        channel: str = "shell",
        msg_id: str | None = None,
        **header: Any,
    ) -> str:
        msg_id = msg_id or uuid.uuid4().hex
        head = {
            "msg_id": msg_id,
            "msg_type": msg_type,
            "session": self.client,
            "username": "t",
            "version": "5.3",
            "date": datetime.datetime.now(datetime.UTC).isoformat(),
            **header,
        }
        message = Message(channel, json.dumps(head).encode(), b"{}", b"{}", json.dumps(content).encode())
        assert self.socket is not None
        await self.socket.send(pack(message))
        return msg_id

    async def tell(self, **text: Any) -> None:
        assert self.socket is not None
        await self.socket.send(json.dumps(text))

    async def receive(self, timeout: float = 40.0) -> Message | dict[str, Any]:
        """The next message or text; received messages are confirmed."""
        assert self.socket is not None
        while True:
            frame = await asyncio.wait_for(self.socket.recv(), timeout)
            if isinstance(frame, str):
                self.texts.append(json.loads(frame))
                return self.texts[-1]
            seq, index, is_last = PIECE_HEAD.unpack_from(frame)
            assert index == len(self._pieces)
            self._pieces.append(frame[PIECE_HEAD.size :])
            if not is_last:
                continue
            message = unpack(b"".join(self._pieces))
            self._pieces.clear()
            assert seq not in self.messages, "a message came twice"
            self.messages[seq] = message
            self.newest = seq
            await self.tell(got=seq)
            return message

    async def until(self, found: Callable[[int, Message], bool], timeout: float = 40.0) -> int:
        """Receive until a message satisfies `found`; returns its number. Looks at each message once."""
        async with asyncio.timeout(timeout):
            while True:
                while self.read < self.newest:
                    self.read += 1
                    if self.read in self.messages and found(self.read, self.messages[self.read]):
                        return self.read
                await self.receive(timeout)

    async def run(self, code: str, timeout: float = 40.0) -> str:
        """Run a cell to its idle; returns what it printed."""
        msg_id = await self.send(code)
        await self.idle(msg_id, timeout)
        return self.printed(msg_id)

    async def idle(self, msg_id: str, timeout: float = 40.0) -> int:
        return await self.until(lambda _, m: is_idle(m, msg_id), timeout)

    async def obituary(self, timeout: float = 40.0) -> dict[str, Any]:
        seq = await self.until(lambda _, m: m.msg_type == "jlab_mcp_obituary", timeout)
        return content_of(self.messages[seq])

    def printed(self, msg_id: str) -> str:
        texts = []
        for _, message in sorted(self.messages.items()):
            if message.msg_type == "stream" and parent_of(message) == msg_id:
                texts.append(content_of(message)["text"])
        return "".join(texts)

    async def closed(self, timeout: float = 40.0) -> tuple[int, str]:
        """Wait for the server to close; its code and reason."""
        with contextlib.suppress(ConnectionClosed):
            async with asyncio.timeout(timeout):
                while True:
                    await self.receive(timeout)
        assert self.socket is not None
        return self.socket.close_code or 0, self.socket.close_reason or ""


def start_owner(server: Server, kernel: str) -> subprocess.Popen[bytes]:
    """A process that claims a kernel and runs 40 lines on it; `owner.py` says what it prints."""
    command = [sys.executable, "-m", "tests.jupyter_extension.owner", server.facts["url"], kernel]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=NODE.parents[1], bufsize=0)


def content_of(message: Message) -> dict[str, Any]:
    return dict(json.loads(bytes(message.content)))


def parent_of(message: Message) -> str:
    return str(json.loads(message.parent).get("msg_id", ""))


def is_idle(message: Message, msg_id: str) -> bool:
    if message.msg_type != "status" or parent_of(message) != msg_id:
        return False
    return bool(content_of(message)["execution_state"] == "idle")


@contextlib.asynccontextmanager
async def owning(server: Server, kernel: str | None = None, **arguments: Any) -> AsyncIterator[Channel]:
    """A claimed kernel with an open channel."""
    channel = Channel(server, kernel or server.start_kernel())
    channel.claim()
    await channel.open(**arguments)
    try:
        yield channel
    finally:
        await channel.close()
