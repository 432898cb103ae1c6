"""`jlab-mcp demo`: the whole product in a minute, without an agent.

Starts a local server in a temporary project, and a scripted MCP client over stdio that acts like an agent. In a terminal
the dashboard shows it live; without one the demo prints each step.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .adapters.files import is_there
from .core.errors import JlabError, LaunchFailed
from .core.settings import Mode, load_settings
from .services.progress import patiently

if TYPE_CHECKING:
    from mcp import Client

    from .services.server.launcher import Launcher

Say = Callable[[str], None]

_NUMBERS = """\
import math
samples = [math.sin(i / 40) + 0.3 * math.sin(i / 7) for i in range(2000)]
print(f"{len(samples)} samples, mean {sum(samples) / len(samples):+.3f}, max {max(samples):.3f}")
sum(x * x for x in samples) / len(samples)"""

_PLOT = """\
try:
    import matplotlib.pyplot as plt
    plt.figure(figsize=(8, 4))
    plt.plot(samples, lw=1.2)
    plt.title("Two sines"); plt.xlabel("sample"); plt.grid(alpha=0.3)
    plt.show()
except ImportError:
    from PIL import Image, ImageDraw
    from IPython.display import display
    image = Image.new("RGB", (800, 400), "white")
    draw = ImageDraw.Draw(image)
    draw.line([(0, 200), (800, 200)], fill="lightgray")
    draw.line([(i * 0.4, 200 - 140 * y) for i, y in enumerate(samples)], fill="royalblue", width=2)
    display(image)"""

_LOOP = """\
import time
for epoch in range(1, 21):
    loss = 2.1 * 0.87 ** epoch
    print(f"epoch {epoch:2}/20  loss={loss:.4f}", flush=True)
    time.sleep(0.5)"""

_ERROR = """\
weights = {"encoder": 1.0, "decoder": 0.5}
weights["classifier"]"""

_SECOND = """\
total = 0
for step in range(1, 41):
    total += sum(i * i for i in range(20_000))
    if step % 10 == 0:
        print(f"step {step}: {total:,}", flush=True)
total"""


def run_demo(env: Mapping[str, str], *, tui: bool, ascii: bool = False) -> int:
    """Run the demo. Returns the exit code: 0 if every step succeeded."""
    directory = Path(tempfile.mkdtemp(prefix="jlab-mcp-demo-"))
    project = directory / "project"
    project.mkdir()
    own = {k: v for k, v in env.items() if not k.startswith("JLAB_MCP_") and k != "CLAUDE_PROJECT_DIR"}
    own |= {
        "JLAB_MCP_DIR": str(directory / "state"),
        "JLAB_MCP_RUN_MODE": "local",
        "JLAB_MCP_SITE_CONFIG": "none",
        "JLAB_MCP_PYTHON_FALLBACK": "1",
    }
    return _with_dashboard(own, project, ascii=ascii) if tui else asyncio.run(_in_lines(own, project))


async def _in_lines(env: Mapping[str, str], project: Path) -> int:
    begin = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - begin:5.1f} s] {text}", flush=True)

    from .headless import Lines
    from .wiring.server import make_launcher

    launcher = make_launcher(load_settings(env, project, is_there), env)
    lines = Lines(say)
    try:
        await patiently(launcher.start_and_wait(Mode.LOCAL, lines.say, lines.show, 90), lines.still, 5)
        return await _script(env, project, say)
    finally:
        await _stop(launcher, say)
        await launcher.close()


async def _stop(launcher: Launcher, say: Say) -> None:
    with contextlib.suppress(JlabError):
        say(await patiently(launcher.stop(), lambda _: say("Stopping JupyterLab...")))


def _with_dashboard(env: Mapping[str, str], project: Path, *, ascii: bool) -> int:
    from .wiring.dashboard import Looks, run_dashboard
    from .wiring.server import make_launcher

    settings = load_settings(env, project, is_there)
    with open(project.parent / "demo.log", "w", encoding="utf-8") as log:
        script = subprocess.Popen(
            [sys.executable, "-P", "-m", "jlab_tui.demo", str(project)],
            env=dict(env),
            cwd=project,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        code = run_dashboard(settings, env, Mode.LOCAL, Looks(ascii=ascii, says_farewell=False))
    finally:
        script.terminate()
        script.wait(timeout=20)
        launcher = make_launcher(settings, env)
        asyncio.run(_stop(launcher, print))
    print(f"The demo's notebooks are in {project / 'notebooks'}.")
    return code


async def _wait_and_script(env: Mapping[str, str], project: Path) -> int:
    """The scripted client beside a dashboard, which starts the server."""
    from .wiring.server import make_launcher

    launcher = make_launcher(load_settings(env, project, is_there), env)
    deadline = time.monotonic() + 90
    while True:
        with contextlib.suppress(JlabError):
            await launcher.until_ready(lambda status: None, 90)
            break
        if time.monotonic() > deadline:
            raise LaunchFailed("The demo's server did not start.", f"Look at the logs in {project.parent}.")
        await asyncio.sleep(0.2)
    await launcher.close()
    return await _script(env, project, lambda text: print(text, flush=True))


async def _script(env: Mapping[str, str], project: Path, say: Say) -> int:
    """Act like an agent, through a real MCP client that launches `jlab-mcp` over stdio."""
    from mcp import Client
    from mcp.client.stdio import StdioServerParameters, stdio_client

    parameters = StdioServerParameters(
        command=sys.executable, args=["-P", "-m", "jlab_tui"], cwd=str(project), env=dict(env)
    )
    say("An MCP client starts `jlab-mcp` over stdio, as Claude Code would...")
    async with Client(stdio_client(parameters)) as client:
        agent = _Agent(client, say)
        say(f"MCP client connected: {len((await client.list_tools()).tools)} tools")
        await agent.call("check_resources")
        first = json.loads(await agent.call("start_new_session", experiment_name="demo"))
        session = first["session_id"]
        await agent.call(
            "add_markdown", session_id=session, markdown="# Demo\nNumbers, a plot, a loop, an error."
        )
        await agent.call("execute_code", session_id=session, code=_NUMBERS)
        await agent.call("execute_code", session_id=session, code=_PLOT)
        second = json.loads(await agent.call("start_new_session", experiment_name="demo parallel"))[
            "session_id"
        ]
        await asyncio.gather(
            agent.call("execute_code", session_id=session, code=_LOOP),
            agent.call("execute_code", session_id=second, code=_SECOND),
        )
        await agent.call("execute_code", session_id=session, code=_ERROR, expect="KeyError")
        await agent.call(
            "execute_code", session_id=session, code="print('the kernel still has', len(samples), 'samples')"
        )
        await agent.call("check_resources")
    trouble = [*agent.troubles, *check_notebook(Path(first["notebook_path"]))]
    for sentence in trouble:
        say(f"PROBLEM: {sentence}")
    say(f"Notebook: {first['notebook_path']}")
    return 1 if trouble else 0


class _Agent:
    """Calls tools one by one and prints the replies."""

    def __init__(self, client: Client, say: Say) -> None:
        self._client = client
        self._say = say
        self.troubles: list[str] = []

    async def call(self, tool: str, *, expect: str = "", **arguments: Any) -> str:
        code = str(arguments.get("code", "")).splitlines()
        name = f"{tool}  {code[0]}" if code else tool
        self._say(f"-> {name}")

        async def still(progress: float, total: float | None, message: str | None) -> None:
            self._say(f".. {tool}: {message or 'still running'}")

        result = await self._client.call_tool(tool, arguments, progress_callback=still)
        texts = [block.text for block in result.content if block.type == "text"]
        images = sum(block.type == "image" for block in result.content)
        text = "\n".join(texts)
        if result.is_error or expect not in text:
            self.troubles.append(f"{tool} answered: {text[:300]}")
        self._say(f"<- {name}")
        for line in [*_short(text), *([f"<{images} image>"] if images else [])]:
            self._say(f"    {line}")
        return text


def _short(text: str) -> list[str]:
    """Return a record on one line, or the last lines of another reply."""
    try:
        line = json.dumps(json.loads(text), ensure_ascii=False)
    except ValueError:
        return text.splitlines()[-6:]
    return [line if len(line) <= 160 else line[:159] + "…"]


def check_notebook(path: Path) -> list[str]:
    """Return the faults of the demo's notebook; none if it is valid and complete."""
    import nbformat

    try:
        notebook = nbformat.read(str(path), as_version=4)
        nbformat.validate(notebook)
    except (OSError, ValueError, nbformat.ValidationError) as error:
        return [f"{path}: {error}"]
    troubles = []
    cells = [c for c in notebook.cells if c.cell_type == "code"]
    if len(cells) != 5 or len(notebook.cells) != 6:
        troubles.append(f"{path} has {len(notebook.cells)} cells instead of 6.")
    outputs = [o for c in cells for o in c.outputs]
    if not any("image/png" in o.get("data", {}) for o in outputs):
        troubles.append(f"{path} has no image.")
    if not any(o.output_type == "error" and o.ename == "KeyError" for o in outputs):
        troubles.append(f"{path} lacks the exception.")
    printed = "".join(o.text for o in outputs if o.output_type == "stream")
    if printed.count("epoch") != 20:
        troubles.append(f"{path} has {printed.count('epoch')} of 20 lines of the loop.")
    return troubles


if __name__ == "__main__":
    import os

    raise SystemExit(asyncio.run(_wait_and_script(dict(os.environ), Path(sys.argv[1]))))
