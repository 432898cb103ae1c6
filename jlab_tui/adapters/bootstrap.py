"""Makes a project's `.venv` with ipykernel if there is none: with `uv` if installed, else `venv` and pip."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from ..core.errors import LaunchFailed
from .programs import run
from .server.environment import NEUTRAL, broken

PACKAGES = ("ipykernel",)
PINNED = Path(__file__).with_name("bootstrap.lock")
"""it with all its dependencies, pinned with hashes; `scripts/lock` writes it"""
_LIMIT_S = 1800.0


async def bootstrap(root: Path, env: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Make `<root>/.venv`, or add ipykernel to an existing one. Raises LaunchFailed with the tool's last output, and for one
    whose Python does not run.

    A new environment gets exactly the `PINNED` versions. An existing one keeps the user's own versions where they fit.
    """
    venv = root / ".venv"
    python = venv / "bin" / "python"
    if (passed := await broken(venv, env)) is not None:
        raise LaunchFailed(f"{passed.why}.", passed.hint)
    uv = shutil.which("uv", path=env.get("PATH"))
    tool = "uv" if uv else "venv and pip"
    commands: list[list[str]] = []
    wanted = list(PACKAGES)
    if not await asyncio.to_thread(python.exists):
        say(f"Making {venv} with {tool}...")
        commands.append([uv, "venv", str(venv)] if uv else [sys.executable, "-m", "venv", str(venv)])
        wanted = ["--require-hashes", "-r", str(PINNED)]
    say(f"Installing {' and '.join(PACKAGES)} in {venv} with {tool}; this takes a minute or more...")
    commands.append(
        [uv, "pip", "install", "--python", str(python), *wanted]
        if uv
        else [str(python), "-m", "pip", "install", "--disable-pip-version-check", *wanted]
    )
    for command in commands:
        # uv reads the project's settings; for Python, a file of the project may shadow a standard module.
        ran = await run(command, env, _LIMIT_S, cwd=None if uv else NEUTRAL)
        if not ran.is_ok:
            words = [line.strip() for line in (ran.err or ran.out).splitlines() if line.strip()]
            raise LaunchFailed(
                f"{venv} could not be made: `{' '.join(command)}` failed: {' '.join(words[-3:])[-500:]}",
                "Make it yourself with ipykernel in it, then start again.",
            )
