"""What reaches a project's server from the login node: bridges and their steps, a browser's ways, listeners of the node."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import httpx

from tests.project import Project

from .machines import Cluster, Node


def bridges(project: Project) -> list[int]:
    """PIDs of the bridges of a project's server."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = entry.read_bytes().split(b"\0")
            if b"--bridge" in words and str(project.home).encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
    return found


def forwards(project: Project) -> list[int]:
    """PIDs of the ways of a browser to a project's server."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_one = b"--forward" in (entry / "cmdline").read_bytes().split(b"\0")
            if is_one and f"HOME={project.home}\0".encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found


def steps(cluster: Cluster, job_id: str) -> list[str]:
    """The job's steps besides its script."""
    rows = cluster.run("squeue", "-h", "-s", "-j", job_id, "-o", "%i", check=False).split()
    return [row for row in rows if not row.endswith((".batch", ".extern"))]


def listeners(node: Node, project: Project) -> list[str]:
    """PIDs of the project's processes that listen on TCP on the node."""
    mark = f"HOME={project.home}\0"
    found = re.findall(r"pid=(\d+)", node.run("ss", "-Htlnp"))
    return [pid for pid in found if mark in node.run("cat", f"/proc/{pid}/environ", check=False)]


async def logs_in(transport: httpx.AsyncBaseTransport, host: str, token: str) -> bool:
    """Whether a browser is let in with the link, and afterwards by the cookie that it got."""
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}", timeout=40) as browser:
        page = await browser.get("/lab", params={"token": token}, follow_redirects=True)
        kernels = await browser.get("/api/kernels")
        return page.is_success and kernels.is_success
