"""The program of an earlier version, from the history of this checkout: servers that it started outlive an upgrade."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from .project import Agent, Project

ROOT = Path(__file__).parents[1]
FIRST_PROOF = "jlab_tui/core/server/route.py"
"""came with the first version that sends the token only to a server that proves itself"""


@dataclass(frozen=True)
class Earlier:
    """An earlier version's program, which runs in today's projects."""

    tree: Path

    def run(self, project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "jlab_tui", *arguments],
            cwd=project.root,
            env=self._env(project),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def start(self, project: Project) -> dict[str, str]:
        """Start a server; its status file."""
        done = self.run(project, "start", "--no-tui", "--detach")
        assert done.returncode == 0, done.stdout + done.stderr + project.logs()
        facts = project.status_file()
        assert "SOCKET" not in facts and "CERT" not in facts, "a server that does not prove itself"
        return facts

    @asynccontextmanager
    async def client(self, project: Project) -> AsyncIterator[Agent]:
        parameters = StdioServerParameters(
            command=sys.executable,
            args=["-m", "jlab_tui"],
            cwd=str(project.root),
            env=self._env(project),
        )
        async with Client(stdio_client(parameters)) as client:
            yield Agent(client, project)

    def _env(self, project: Project) -> dict[str, str]:
        return {**project.env, "PYTHONPATH": str(self.tree)}


def program_before_the_proof(directory: Path) -> Earlier:
    """The version before servers proved themselves, unpacked into `directory`. Skips the test without a history."""
    added = _git("log", "--diff-filter=A", "--format=%H", "--", FIRST_PROOF)
    if added is None or not added.split():
        pytest.skip("needs the history of a git checkout")
    archive = _git("archive", f"{added.split()[-1].decode()}^", "jlab_tui", "templates")
    if archive is None:
        pytest.skip("needs the whole history of a git checkout; this one is shallow")
    with tarfile.open(fileobj=BytesIO(archive)) as packed:
        packed.extractall(directory, filter="data")
    return Earlier(directory)


def _git(*arguments: str) -> bytes | None:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None
