"""The real Claude Code in a real terminal, with a scripted model on loopback and a home of its own: no login, no network."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .project import COMMAND, Project, until

KEY = "dummy-not-a-key"
MISSING = [f"{name} is not installed" for name in ("claude", "tmux") if shutil.which(name) is None]
SESSION = "SESSION"
"""in the arguments of a scripted call: the session that was opened last"""
REST = None
"""the model ends its turn here"""
Step = tuple[str, dict[str, Any]] | None


@dataclass
class Asked:
    """One request to the model."""

    at: float
    """epoch seconds"""
    last: str
    """text of all that is new since its last answer"""
    messages: str
    """all of them, as JSON"""


@dataclass
class Model:
    """Goes through a script, one step a request, whatever it reads; then it ends its turns."""

    script: Sequence[Step]
    server: str = "mcp__jlab-mcp__"
    """in front of the tools' names"""
    asked: list[Asked] = field(default_factory=list)
    """the requests of the conversation, not those for titles and the like"""
    port: int = 0

    async def read(self, text: str, *, since: int = 0, seconds: float = 120) -> Asked:
        """Wait until the model is shown something in its last message; `since`: a number of requests."""

        def shown() -> Asked | None:
            return next((asked for asked in self.asked[since:] if text in asked.last), None)

        found: Asked | None = await until(shown, timeout=seconds, what=lambda: f"{text!r} in {self._said()}")
        assert found is not None
        return found

    def _said(self) -> list[str]:
        return [asked.last[-700:] for asked in self.asked[-5:]]

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """The content block for a request."""
        messages = body["messages"]
        if not body.get("tools"):
            return {"type": "text", "text": "a title"}
        done = sum(message["role"] == "assistant" for message in messages)
        roles = [message["role"] for message in messages]
        new = messages[len(roles) - roles[::-1].index("assistant") :] if done else messages
        last = "\n".join(_text(message["content"]) for message in new)
        self.asked.append(Asked(time.time(), last, json.dumps(messages)))
        step = self.script[done] if done < len(self.script) else REST
        if step is REST:
            return {"type": "text", "text": f"Turn {done} is over."}
        tool, arguments = step
        opened = re.findall(r"session_id\W+([0-9a-f]{8})\b", self.asked[-1].messages)
        given = {k: opened[-1] if v == SESSION and opened else v for k, v in arguments.items()}
        name = self.server + tool
        return {"type": "tool_use", "id": f"toolu_{done:04}", "name": name, "input": given}


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(block.get("text") or json.dumps(block.get("content", "")) for block in content)


@contextlib.contextmanager
def serving(model: Model) -> Iterator[None]:
    """The Messages API, as far as Claude Code asks for it, until the block ends."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def say(self, value: object) -> None:
            data = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self.say({"data": []})

        do_HEAD = do_GET

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if "count_tokens" in self.path:
                self.say({"input_tokens": len(body) // 4})
            elif "/v1/messages" not in self.path:
                self.say({})
            else:
                self.complete(json.loads(body))

        def complete(self, body: dict[str, Any]) -> None:
            block = model.answer(body)
            stop = "tool_use" if block["type"] == "tool_use" else "end_turn"
            message: dict[str, Any] = {
                "id": f"msg_{time.time_ns()}",
                "type": "message",
                "role": "assistant",
                "model": body.get("model"),
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {"input_tokens": 10, "output_tokens": 1},
            }
            if not body.get("stream"):
                self.say({**message, "content": [block], "stop_reason": stop})
                return
            is_text = block["type"] == "text"
            start = {**block, "text": ""} if is_text else {**block, "input": {}}
            kind, name, part = (
                ("text_delta", "text", block["text"])
                if is_text
                else ("input_json_delta", "partial_json", json.dumps(block["input"]))
            )
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            for event, facts in (
                ("message_start", {"message": message}),
                ("content_block_start", {"index": 0, "content_block": start}),
                ("content_block_delta", {"index": 0, "delta": {"type": kind, name: part}}),
                ("content_block_stop", {"index": 0}),
                ("message_delta", {"delta": {"stop_reason": stop, "stop_sequence": None}, "usage": {"output_tokens": 5}}),
                ("message_stop", {}),
            ):  # fmt: skip
                line = json.dumps({"type": event, **facts})
                self.wfile.write(f"event: {event}\ndata: {line}\n\n".encode())
            self.close_connection = True

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    model.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.1,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Terminal:
    """A terminal with Claude Code in it."""

    socket: str

    def tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", self.socket, *words], capture_output=True, text=True, check=False
        )
        return done.stdout

    def screen(self) -> str:
        return self.tmux("capture-pane", "-p", "-S", "-60")

    async def shows(self, text: str, seconds: float = 60) -> str:
        await until(
            lambda: text in self.screen(), timeout=seconds, what=lambda: f"{text!r} on\n{self.screen()}"
        )
        return self.screen()

    async def type(self, text: str) -> None:
        self.tmux("send-keys", "-l", text)
        await self.shows(text)
        self.tmux("send-keys", "Enter")

    async def exit(self) -> None:
        """Leave Claude Code, as a person does, also while tasks are there."""
        await self.type("/exit")
        question = "Exit and stop tasks"
        await until(
            lambda: self.has_ended or question in self.screen(),
            60,
            what=lambda: f"it leaves\n{self.screen()}",
        )
        if not self.has_ended:
            self.tmux("send-keys", "Enter")
            await until(lambda: self.has_ended, 60, what=lambda: f"it leaves\n{self.screen()}")

    @property
    def has_ended(self) -> bool:
        return not self.tmux("list-sessions")


@contextlib.contextmanager
def claude_code(
    project: Project,
    model: Model,
    *arguments: str,
    plugin: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[Terminal]:
    """Claude Code in the project's directory with jlab-mcp as its server; ended at the end of the block."""
    home = project.home / "claude"
    home.mkdir(exist_ok=True)
    configure(home, project.root)
    config = project.home / "mcp.json"
    config.write_text(json.dumps({"mcpServers": {"jlab-mcp": {"command": COMMAND}}}), encoding="utf-8")
    settings = {
        **project.extra_env,
        **(env or {}),
        "JLAB_MCP_RUN_MODE": "local",
        "JLAB_MCP_DIR": str(project.home / ".jlab-mcp"),
        **environment(home, model, project.env["PATH"]),
    }
    words = ["env", "-i", *(f"{name}={value}" for name, value in settings.items())]
    words += [str(shutil.which("claude")), "--permission-mode", "default", *arguments]
    if plugin is None:
        words += ["--mcp-config", str(config), "--strict-mcp-config", "--allowedTools", "mcp__jlab-mcp"]
    else:
        words += ["--plugin-dir", str(plugin), "--allowedTools", "mcp__plugin_jlab-mcp_jlab-mcp"]
    terminal = Terminal(str(project.home / "tmux"))
    errors = shlex.quote(str(project.home / "claude-stderr.log"))
    line = f"cd {shlex.quote(str(project.root))} && {shlex.join(words)} 2>{errors}"
    terminal.tmux("-f", "/dev/null", "new-session", "-d", "-x", "150", "-y", "45", line)
    try:
        yield terminal
    finally:
        terminal.tmux("kill-server")


def environment(home: Path, model: Model, path: str) -> dict[str, str]:
    """What Claude Code needs in order to ask the model only."""
    return {
        "HOME": str(home),
        "TERM": "xterm-256color",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{model.port}",
        "ANTHROPIC_API_KEY": KEY,
        "NO_PROXY": "127.0.0.1",
        "PATH": f"{Path(COMMAND).parent}{os.pathsep}{path}",
    }


def configure(home: Path, root: Path) -> None:
    """What a person has answered at the first start."""
    trusted = {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True, "allowedTools": []}
    answers = {
        "hasCompletedOnboarding": True,
        "theme": "dark",
        "bypassPermissionsModeAccepted": True,
        "customApiKeyResponses": {"approved": [KEY], "rejected": []},
        "projects": {str(root): trusted},
    }
    path = home / ".claude.json"
    if not path.exists():
        path.write_text(json.dumps(answers), encoding="utf-8")
