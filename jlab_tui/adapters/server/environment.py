"""Examines the Pythons of a project's and the shell's environments, and writes the kernelspec of the chosen one."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ...core.server.environment import Candidate, Interpreter, PassedOver, PythonChoice, choose
from ..files import private_dir, write_atomic
from ..programs import run

PROJECT_KERNEL = "python3"
"""the usual kernel's name in notebooks; on our server it is the project's kernel"""
ASK_S = 30.0
"""long enough for a Python on a cold network file system"""
NEUTRAL = "/"
"""directory to run it in: a project's file with the name of a standard module (`types.py`) would shadow that"""

_ASK = """
import importlib.util as u, sys
server = sys.version_info >= (3, 9) and all(u.find_spec(n) for n in ("jupyterlab", "jupyter_server"))
if server:
    import importlib.metadata as m
    server = int(m.version("jupyter_server").split(".")[0]) >= 2
print("\\njlab-mcp:", int(server), *(int(u.find_spec(name) is not None) for name in ("ipykernel", "pip")))
"""
"""checks what the Jupyter extension needs; without it, the Python can run kernels only"""


async def choose_python(root: Path, env: Mapping[str, str]) -> PythonChoice:
    """Choose among the root's `.venv`, VIRTUAL_ENV, CONDA_PREFIX and our own Python, in this order."""
    venv = root.absolute() / ".venv"
    lost = await asyncio.to_thread(_lost, venv)
    candidates = [lost] if lost is not None else []
    seen = set()
    for prefix, is_conda in (
        (str(venv), False),
        (env.get("VIRTUAL_ENV", ""), False),
        (env.get("CONDA_PREFIX", ""), True),
    ):
        there = await asyncio.to_thread(_resolved, prefix)
        if not there or there in seen:
            continue
        seen.add(there)
        anew = "" if prefix == str(venv) else str(venv)  # what the shell names may hold anything, so it stays
        prefix = str(Path(prefix).absolute())
        candidate = replace(await _candidate(prefix, env, is_conda=is_conda), anew=anew)
        is_base = is_conda and env.get("CONDA_DEFAULT_ENV") in ("base", "root")
        if is_base and not (candidate.python and candidate.python.has_kernel):
            continue  # conda activates it in every shell, so it belongs to no project
        candidates.append(candidate)
        if candidate.python is not None and candidate.python.has_kernel:
            break
    return choose(candidates, sys.executable, _has_uv(env), own_serves=own_serves())


async def broken(venv: Path, env: Mapping[str, str]) -> PassedOver | None:
    """Say why the Python of an environment does not run; None if it does, or if nothing is there yet."""
    candidate = await asyncio.to_thread(_lost, venv)
    if candidate is None and await asyncio.to_thread(_has_entries, venv):
        candidate = await _candidate(str(venv), env, is_conda=False)
    if candidate is None or (candidate.python is not None and candidate.python.runs):
        return None
    return choose([candidate], sys.executable, _has_uv(env), own_serves=own_serves()).passed


def _has_entries(path: Path) -> bool:
    return path.is_dir() and any(path.iterdir())


def _has_uv(env: Mapping[str, str]) -> bool:
    return shutil.which("uv", path=env.get("PATH")) is not None


def own_serves() -> bool:
    """Whether our own Python can run JupyterLab; an install may leave that out."""
    return importlib.util.find_spec("jupyterlab") is not None


def _lost(path: Path) -> Candidate | None:
    """Return an environment of which only a link is there, or a file: scratch file systems are purged, and links to them stay."""
    if path.is_symlink() and not path.exists():
        return Candidate(
            str(path), Interpreter(str(path / "bin/python"), False, leads_to=str(path.readlink()))
        )
    return Candidate(str(path), None) if path.is_file() else None


def _resolved(prefix: str) -> str:
    """Return the resolved directory; empty if there is none."""
    path = Path(prefix)
    return str(path.resolve()) if prefix and path.is_dir() else ""


async def _candidate(prefix: str, env: Mapping[str, str], *, is_conda: bool) -> Candidate:
    folder = Path(prefix).absolute() / "bin"
    is_conda = is_conda or (folder.parent / "conda-meta").is_dir()
    for path in (folder / "python", folder / "python3"):
        if folder.parent.resolve() == Path(sys.prefix).resolve():
            return Candidate(prefix, Interpreter(sys.executable, True, True, True), is_conda)
        if path.is_symlink() and not path.exists():
            return Candidate(prefix, Interpreter(str(path), False, leads_to=str(path.readlink())), is_conda)
        if path.exists():
            return Candidate(prefix, await inspect_python(str(path), env), is_conda)
    return Candidate(prefix, None, is_conda)


async def inspect_python(path: str, env: Mapping[str, str], ask_s: float = ASK_S) -> Interpreter:
    """Ask a Python what it can run: nothing if it does not start."""
    clean = {name: value for name, value in env.items() if name not in ("PYTHONHOME", "PYTHONSTARTUP")}
    ran = await run([path, "-c", _ASK], clean, ask_s, cwd=NEUTRAL)
    found = re.search(r"^jlab-mcp: ([01]) ([01]) ([01])$", ran.out, re.MULTILINE)
    if found is None:
        lines = (ran.err or ran.out).strip().splitlines()
        return Interpreter(path, False, trouble=lines[-1].strip() if lines else f"exit code {ran.returncode}")
    server, kernel, pip = (flag == "1" for flag in found.groups())
    return Interpreter(path, True, server, kernel, pip)


def write_kernelspec(directory: Path, python: str, name: str) -> Path:
    """Write a kernelspec for a Python that has ipykernel but no server. Returns the data directory to search."""
    target = private_dir(directory / "kernels" / PROJECT_KERNEL)
    spec = {
        "argv": [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": f"Python ({name})",
        "language": "python",
        "metadata": {"debugger": True},
    }
    write_atomic(target / "kernel.json", json.dumps(spec, indent=1) + "\n", mode=0o644)
    return directory


def kernelspecs_of(prefix: str) -> str:
    """Return the data directory with an environment's kernelspecs; empty if it has none."""
    data = Path(prefix).absolute() / "share" / "jupyter"
    return str(data) if (data / "kernels").is_dir() else ""
