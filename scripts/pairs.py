"""Makes the pictures of Claude Code beside the dashboard, and the moving one of the README, from the real things.

    python scripts/pairs.py [NAME ...]        into screenshots/; as root, on Linux

Claude Code, jlab-mcp, JupyterLab, its kernels and Slurm are real; the model is a script (tests/claude_code.py). Needs the `claude` of
`npm install @anthropic-ai/claude-code` on the PATH, tmux, what scripts/termshot.py needs, and for `queue` what
scripts/install-test-packages installs. Everything runs below a home directory and a host name that exist for these processes only.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import moving  # noqa: E402
import termshot  # noqa: E402

from tests.claude_code import REST, SESSION, Model, Step, configure, environment, serving  # noqa: E402
from tests.project import COMMAND  # noqa: E402
from tests.waiting import pauses  # noqa: E402

FOLDER = ROOT / "screenshots"
HOME = Path("/home/ada")
INSIDE = "--inside"
COLUMNS = 104
TITLES = {"claude": "Claude Code", "shell": "a shell", "dashboard": "jlab-mcp start"}
"""the terminals from top to bottom"""

DATA = """\
import math, random, time
import matplotlib.pyplot as plt
minutes = [n / 2 for n in range(121)]
celsius = [21 + 68 * math.exp(-m / 19) + random.gauss(0, 1.2) for m in minutes]
plt.figure(figsize=(8, 3.2))
plt.plot(minutes, celsius, ".")
plt.xlabel("minutes"); plt.ylabel("°C"); plt.grid(alpha=0.3)
plt.show()"""
TRAIN = """\
pairs = list(zip(minutes, celsius))
room, heat, rate = 10.0, 50.0, 0.10
def tea(m): return room + heat * math.exp(-rate * m)
for epoch in range(1, 41):
    for m, c in random.choices(pairs, k=800):
        miss, fall = tea(m) - c, math.exp(-rate * m)
        room -= 0.002 * miss
        heat -= 0.002 * miss * fall
        rate += 6e-8 * miss * heat * fall * m
    loss = sum((tea(m) - c) ** 2 for m, c in pairs) / len(pairs)
    print(f"epoch {epoch}/40  loss={loss:.3f}  room={room:.2f}")
    time.sleep(1)"""
ALL_OF_IT = "".join(line for line in DATA.splitlines(True) if "plt" not in line) + TRAIN
WRONG = "print(f'after 90 minutes: {te(90):.1f} °C')"


@dataclass
class Speaker(Model):
    """A scripted model that ends its turns with words of its own."""

    words: Sequence[str] = ()

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        block = super().answer(body)
        if block["type"] == "text" and block["text"].startswith("Turn "):
            turns = sum(step is REST for step in self.script[: int(block["text"].split()[1])])
            block["text"] = self.words[min(turns, len(self.words) - 1)]
        return block


@dataclass
class Desk:
    """Terminals of a person: one for Claude Code, one for the dashboard, perhaps a third."""

    env: dict[str, str]
    project: Path
    socket: str
    columns: int = COLUMNS
    names: list[str] = field(default_factory=list)

    def open(self, name: str, rows: int, *words: str, **env: str) -> None:
        line = shlex.join(["env", "-i", *(f"{k}={v}" for k, v in {**self.env, **env}.items()), *words])
        size = ("-x", str(self.columns), "-y", str(rows))
        self.names.append(name)
        self.tmux("new-session", "-d", "-s", name, *size, "-c", str(self.project), line)

    def tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-f", "/dev/null", "-S", self.socket, *words],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout

    def close(self, name: str) -> None:
        self.names.remove(name)
        self.tmux("kill-session", "-t", name)

    def press(self, name: str, *keys: str) -> None:
        self.tmux("send-keys", "-t", name, *keys)

    async def type(self, name: str, text: str) -> None:
        self.tmux("send-keys", "-t", name, "-l", text)
        await self.shows(name, text)
        self.press(name, "Enter")

    def text(self, name: str) -> str:
        return self.tmux("capture-pane", "-p", "-t", name)

    async def shows(self, name: str, pattern: str, seconds: float = 180) -> str:
        """Wait for a text, or a pattern, on a screen."""
        found = ""

        def is_there() -> bool:
            nonlocal found
            found = self.text(name)
            return pattern in found or re.search(pattern, found) is not None

        await until(is_there, seconds, lambda: f"{pattern!r} on\n{found}")
        return found

    def lines(self, *names: str) -> list[str]:
        """The terminals one below the other, each with a title."""
        found = []
        for name in names or [name for name in TITLES if name in self.names]:
            title = f"── {TITLES[name]} "
            found.append(f"\x1b[0;38;2;122;132;153m{title}{'─' * (self.columns - len(title))}\x1b[0m")
            found += self.tmux("capture-pane", "-e", "-N", "-p", "-t", name).removesuffix("\n").split("\n")
        return found

    def save(self, picture: str, *names: str) -> None:
        image = termshot.from_capture(self.lines(*names), self.columns, size=20)
        image.quantize(64, dither=0).save(FOLDER / f"{picture}.png", optimize=True)
        print(picture, flush=True)


async def until(holds: Callable[[], object], seconds: float, what: Callable[[], str]) -> None:
    for pause in pauses(seconds):
        if holds():
            return
        await asyncio.sleep(pause)
    raise TimeoutError(what())


@asynccontextmanager
async def desk(model: Model, **settings: str) -> AsyncIterator[Desk]:
    """A project with jlab-mcp registered, a model that serves, and terminals; all of it is gone at the end."""
    project = HOME / "tea"
    project.mkdir(parents=True)
    env = {
        **environment(HOME, model, os.environ["PATH"]),
        "USER": "ada",
        "LANG": "C.UTF-8",
        "TERM": "tmux-256color",
        "COLORTERM": "truecolor",
        "MCP_TIMEOUT": "240000",
        "JLAB_MCP_RUN_MODE": "local",
        "JLAB_MCP_SITE_CONFIG": "none",
        "JLAB_MCP_EXIT_GRACE_S": "600",
        **settings,
    }
    configure(HOME, project)
    made = Desk(env, project, str(HOME / "tmux"))
    jlab(made, "init")
    with serving(model):
        env["ANTHROPIC_BASE_URL"] = f"http://127.0.0.1:{model.port}"
        try:
            yield made
        finally:
            made.tmux("kill-server")
            jlab(made, "stop")
            shutil.rmtree(HOME)


def jlab(made: Desk, *words: str) -> str:
    done = subprocess.run(
        [COMMAND, *words], env=made.env, cwd=made.project, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


async def open_claude(made: Desk, rows: int, *, asks: bool = False) -> None:
    """Claude Code in the project, ready for words. `asks`: it asks what it asks at its first start."""
    words = [str(shutil.which("claude")), "--permission-mode", "default"]
    if asks:
        made.open("claude", rows, *words)
        return
    words += ["--mcp-config", ".mcp.json", "--strict-mcp-config", "--allowedTools", "mcp__jlab-mcp"]
    made.open("claude", rows, *words)
    first = await made.shows("claude", r"for shortcuts|Use this MCP server")
    if answer := re.search(r"(\d)\. Use this MCP server", first):  # some versions ask all the same
        made.press("claude", answer[1])
    await connected(made)


async def connected(made: Desk) -> None:
    """Wait until Claude Code has jlab-mcp's tools."""
    await made.shows("claude", "for shortcuts")
    await made.type("claude", "/mcp")
    await made.shows("claude", r"✔ jlab-mcp .* tools|jlab-mcp .*✔.* tools")
    made.press("claude", "Escape")
    await made.shows("claude", "for shortcuts")


async def open_dashboard(made: Desk, rows: int, wanted: str = "● running") -> None:
    made.open("dashboard", rows, COMMAND, "start")
    await made.shows("dashboard", wanted)


def turn(*code: str, name: str = "tea") -> list[Step]:
    opened: Step = ("start_new_session", {"experiment_name": name})
    return [opened, *(("execute_code", {"session_id": SESSION, "code": text}) for text in code)]


# -- the pictures


async def beside() -> None:
    """A cell of forty seconds: Claude Code folds it into a line, the dashboard has all of it. And the moving picture."""
    model = Speaker(
        [*turn(DATA, TRAIN, WRONG), ("edit_cell", {"session_id": SESSION, "cell": -1, "source": WRONG.replace("te(", "tea(")}), REST],
        words=["It will have cooled to about 22 °C."],
    )  # fmt: skip
    async with desk(model, JLAB_MCP_TASK_AFTER_S="1000") as made:
        await open_dashboard(made, 30)
        await open_claude(made, 14)
        reel = moving.Reel(made.lines)
        recording = asyncio.create_task(reel.record())
        await made.type("claude", "Fit how the tea cools. How warm is it after 90 minutes?")
        await made.shows("dashboard", "epoch 2[6-9]/40")
        made.save("beside")
        await made.shows("claude", "It will have cooled")
        await asyncio.sleep(6)
        recording.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await recording
        size = reel.save(FOLDER / "moving.gif", made.columns)
        assert size < 1_000_000
        print(f"moving: {len(reel.frames)} frames, {size / 1e3:.0f} kB")


async def cut() -> None:
    """The MCP process is killed in the middle of a run."""
    model = Speaker([*turn(DATA, TRAIN), REST], words=["Done: all 40 epochs are here."])
    async with desk(model, JLAB_MCP_TASK_AFTER_S="1000") as made:
        await open_dashboard(made, 26)
        await open_claude(made, 16)
        made.open("shell", 2, "sh", PS1="$ ")
        await made.type("claude", "Fit how the tea cools.")
        await made.shows("dashboard", "epoch 1[0-9]/40")
        (worker,) = workers(made.project)
        await made.type("shell", f"kill -9 {worker}    # jlab-mcp, in the middle of the run")
        await until(lambda: worker not in workers(made.project), 30, lambda: "it ends")
        await made.shows("dashboard", "epoch 1[2-9]/40|epoch 2")
        made.save("killed")
        await made.shows("claude", "all 40 epochs")
        made.press("claude", "C-o")
        made.press("dashboard", "o")
        await asyncio.sleep(3)
        made.save("continued")


def workers(project: Path) -> list[int]:
    """The MCP servers of this project, of these processes' home only."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (path / "cmdline").read_bytes().split(b"\0")
            is_ours = (path / "ns/mnt").readlink() == Path("/proc/self/ns/mnt").readlink()
            if is_ours and b"--worker" in words and (path / "cwd").readlink() == project:
                found.append(int(path.name))
    return found


async def queue() -> None:
    """A job waits for its node; the agent sleeps, and is woken there and at the end of its run."""
    from tests.slurm.cluster import running
    from tests.slurm.conftest import lab_env

    model = Speaker(
        [
            ("start_server", {"mode": "slurm"}),
            REST,
            *turn(ALL_OF_IT),
            REST,
            REST,
        ],
        words=[
            "The job waits in the queue. I go on when it has its node.",
            "The fit runs on the node. I go on when it ends.",
            "The fit is done: all 40 epochs are in the notebook.",
        ],
    )
    with running() as cluster:
        env = {k: v for k, v in lab_env(cluster).items() if k != "JLAB_MCP_EXIT_GRACE_S"}
        other = cluster.run(
            "sbatch", "--parsable", "-p", "gpu", "--exclusive", "-N", "2", "--job-name=others", "--wrap=sleep 600"
        ).strip()  # fmt: skip
        cluster.wait_for_state(other, "RUNNING")
        async with desk(model, JLAB_MCP_TASK_AFTER_S="20", **env) as made:
            await open_claude(made, 20)
            await made.type("claude", "Start a GPU node and fit how the tea cools.")
            await made.shows("claude", "I go on when it has its node")
            await open_dashboard(made, 24, "PENDING|pending|waits")
            await asyncio.sleep(3)
            made.save("queued")
            cluster.run("scancel", other)
            await made.shows("claude", "all 40 epochs", 300)
            await asyncio.sleep(2)
            made.save("woken")


async def dialogs() -> None:
    """What Claude Code asks at the first start in a project, and before a tool."""
    model = Speaker([*turn(DATA), REST], words=["Done."])
    async with desk(model) as made:
        jlab(made, "start", "--detach")
        made.columns = 90
        await open_claude(made, 22, asks=True)
        await made.shows("claude", "New MCP server")
        made.save("approval", "claude")
        made.press("claude", "Up", "Up", "Enter")
        await connected(made)
        await made.type("claude", "Plot how the tea cools.")
        await made.shows("claude", "Do you want|Yes")
        await asyncio.sleep(1)
        made.save("permission", "claude")


PICTURES = {"beside": beside, "cut": cut, "queue": queue, "dialogs": dialogs}


def main(names: list[str]) -> None:
    if INSIDE not in names:
        # A home and a host name of its own; what is made in them is gone with the last of these processes.
        where = 'mount -t tmpfs none /home && hostname login && exec "$@"'
        words = [
            "unshare",
            "--uts",
            "--mount",
            "sh",
            "-c",
            where,
            "sh",
            sys.executable,
            __file__,
            INSIDE,
            *names,
        ]
        raise SystemExit(subprocess.call(words))
    assert socket.gethostname() == "login"
    for name in [name for name in names if name != INSIDE] or list(PICTURES):
        asyncio.run(PICTURES[name]())


if __name__ == "__main__":
    main(sys.argv[1:])
