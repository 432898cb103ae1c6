"""Finds the version and packages of a Python, without importing them, and the GPU driver of a machine."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping
from pathlib import Path

from ..core.doctor.python_checks import DriverFacts, PythonFacts
from ..core.server.status import telling_line
from .programs import run
from .server.environment import ASK_S, NEUTRAL
from .server.process import after_setup

_ASK = r"""
import importlib.metadata as m, importlib.util as u, json, os, re, sys
def version(name):
    try:
        return m.version(name)
    except Exception:
        return None
packages = {n: version(n) for n in ("ipykernel", "jupyterlab", "jupyter_server", "torch")}
text, torch = "", packages["torch"] and u.find_spec("torch")
if torch and torch.origin:
    try:
        with open(os.path.join(os.path.dirname(torch.origin), "version.py")) as file:
            text = file.read()
    except OSError:
        pass
built = {k: v for k, v in re.findall(r"^(cuda|hip)\b[^=\n]*=\s*['\"]([^'\"]+)", text, re.M)}
print(json.dumps({"path": sys.executable, "version": "%d.%d.%d" % sys.version_info[:3], "packages": {k: v for k, v in packages.items() if v},
                  "pip": u.find_spec("pip") is not None, "built": built}))
"""


async def ask_python(path: str, env: Mapping[str, str], setup: str = "") -> PythonFacts:
    """Return an interpreter's report about itself, run after the shell lines `setup`; without a version if it does not run."""
    argv = [path, "-c", _ASK]
    if setup.strip():
        argv = after_setup(setup, argv[1:])
    ran = await run(argv, env, ASK_S, cwd=NEUTRAL)
    try:
        report = json.loads(ran.out.strip().splitlines()[-1])
    except (ValueError, IndexError):
        lines = ran.err.strip().splitlines()
        trouble = telling_line(ran.err) if setup.strip() else next(reversed(lines), "")
        return PythonFacts(path, trouble=trouble.removeprefix("jlab-mcp: error: "))
    return PythonFacts(
        report["path"] if setup.strip() else path,
        report["version"],
        report["packages"],
        report["pip"],
        report["built"].get("cuda", ""),
        report["built"].get("hip", ""),
    )


async def ask_driver(env: Mapping[str, str]) -> DriverFacts:
    """Return the GPU driver of this machine."""
    host = socket.gethostname()
    ran = await run(["nvidia-smi"], env, 15.0)
    if ran.is_ok:
        return parse_nvidia_smi(ran.out, host)
    if Path("/dev/kfd").exists():
        version = Path("/sys/module/amdgpu/version")
        try:
            return DriverFacts(host, "amd", version.read_text(encoding="utf-8").strip())
        except OSError:
            return DriverFacts(host, "amd")
    return DriverFacts(host)


NODE_DRIVER = "nvidia-smi 2>/dev/null || { [ -e /dev/kfd ] && echo /dev/kfd; } || true"
"""shell command whose output `parse_driver` reads"""


def parse_driver(text: str, host: str) -> DriverFacts:
    """Return another machine's driver from the output of `NODE_DRIVER` there."""
    if "NVIDIA-SMI" in text:
        return parse_nvidia_smi(text, host)
    return DriverFacts(host, "amd" if "/dev/kfd" in text else "")


def parse_nvidia_smi(text: str, host: str) -> DriverFacts:
    """Return the versions in the header that `nvidia-smi` prints."""
    driver = re.search(r"(?:Driver|KMD) Version\s*:\s*([\d.]+)", text)
    cuda = re.search(r"CUDA(?: UMD)? Version\s*:\s*([\d.]+)", text)
    return DriverFacts(host, "nvidia", driver[1] if driver else "", cuda[1] if cuda else "")
