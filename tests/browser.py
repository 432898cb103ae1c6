"""A headless Chromium, driven through its DevTools: what a page shows, what its console says, and pictures of it."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.waiting import pauses

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_SWITCHES = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --no-proxy-server --remote-debugging-port=0 about:blank"
)


@dataclass
class Browser:
    """One process; each page has its own tab."""

    process: subprocess.Popen[bytes]
    line: ClientConnection
    tabs: dict[str, Tab] = field(default_factory=dict)
    _asked: int = 0

    def ask(self, method: str, tab: str = "", **parameters: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol and return its result."""
        self._asked += 1
        number = self._asked
        message = {
            "id": number,
            "method": method,
            "params": parameters,
            **({"sessionId": tab} if tab else {}),
        }
        self.line.send(json.dumps(message))
        while True:
            answer = json.loads(self.line.recv(timeout=60))
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return dict(answer["result"])
            if answer.get("sessionId") in self.tabs:
                self.tabs[answer["sessionId"]].note(answer)

    def open(self, url: str, width: int = 1280, height: int = 800, *, dark: bool = False) -> Tab:
        """Open a page of this size and wait until it has loaded."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        name = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = self.tabs[name] = Tab(self, name, target)
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.ask(f"{domain}.enable")
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        tab.ask("Emulation.setEmulatedMedia", features=[scheme])
        tab.resize(width, height)
        tab.ask("Page.navigate", url=url)
        tab.until("document.readyState === 'complete' && location.href !== 'about:blank'")
        return tab


@dataclass
class Tab:
    browser: Browser
    name: str
    target: str
    console: list[str] = field(default_factory=list)
    """warnings and errors, whoever wrote them"""
    requests: list[str] = field(default_factory=list)
    """addresses that the page asked for"""
    dialogs: int = 0
    """that scripts opened"""

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.browser.ask(method, self.name, **parameters)

    def note(self, event: dict[str, Any]) -> None:
        """Keep what the browser tells of itself."""
        method, told = event["method"], event["params"]
        if method == "Log.entryAdded" and told["entry"]["level"] in ("warning", "error"):
            self.console.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
        elif method == "Runtime.consoleAPICalled":
            self.console.append(str([one.get("value") for one in told["args"]]))
        elif method == "Runtime.exceptionThrown":
            self.console.append(str(told["exceptionDetails"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(str(told["request"]["url"]))
        elif method == "Page.javascriptDialogOpening":
            self.dialogs += 1

    def resize(self, width: int, height: int) -> None:
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def js(self, expression: str) -> Any:
        """Return what an expression is in the page."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, expression: str, timeout: float = 40.0) -> None:
        """Look until an expression is true in the page."""
        for pause in pauses(timeout):
            if self.js(f"!!({expression})"):
                return
            time.sleep(pause)
        raise AssertionError(
            f"never true: {expression}; the page: {self.js('document.body.innerText')[:3000]}"
        )

    def shot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot")["data"]))

    def close(self) -> None:
        self.browser.ask("Target.closeTarget", targetId=self.target)


@contextlib.contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Run a browser with a profile of its own."""
    assert CHROMIUM is not None
    with (profile.parent / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            [CHROMIUM, f"--user-data-dir={profile}", *_SWITCHES.split()], stdout=log, stderr=log
        )
    try:
        port, path = _listens(profile / "DevToolsActivePort")
        with connect(f"ws://127.0.0.1:{port}{path}", max_size=None, compression=None, proxy=None) as line:
            browser = Browser(process, line)
            try:
                yield browser
            finally:
                browser.ask("Browser.close")
    finally:
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(profile, ignore_errors=True)


def _listens(told: Path) -> tuple[int, str]:
    for pause in pauses(40):
        lines = told.read_text(encoding="utf-8").split("\n") if told.exists() else []
        if len(lines) > 1:
            return int(lines[0]), lines[1]
        time.sleep(pause)
    raise AssertionError("Chromium never listened")
