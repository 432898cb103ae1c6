"""Decides on the server's machine whether kernels run in the project's Python, if the server runs in another one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import Any, Dict

ASK_S = 60.0
NAME = "python3"
"""The usual name of Python's kernelspec in notebooks."""


def decide(config: Dict[str, Any], passed: str) -> str:
    """Put the project's kernelspec into the configuration if its Python runs here. Returns why kernels run elsewhere.

    The configuration may say so already, as seen from the machine that starts the server. `passed`: why the job script did
    not use the first Python for the server."""
    python = str(config.get("kernel_python") or "")
    if not python or os.path.realpath(os.path.dirname(os.path.dirname(python))) == os.path.realpath(
        sys.prefix
    ):
        return _elsewhere(passed) or str(config.get("environment") or "")
    trouble = why_not(python) if config.get("asks_kernel_python") else ""
    if trouble:
        return _elsewhere("%s does not run on %s: %s" % (python, socket.gethostname(), trouble))
    config["kernelspec_dirs"] = [config["kernel_specs"], *(config.get("kernelspec_dirs") or [])]
    config["default_kernel"] = NAME
    return str(config.get("environment") or "")


def why_not(python: str) -> str:
    """Return why a Python cannot run kernels on this machine, from its own output; empty if it can."""
    command = [python, "-c", "import ipykernel"]
    try:
        # Not in the project, whose files may shadow a standard module.
        ran = subprocess.run(
            command, check=False, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=ASK_S
        )
    except OSError as error:
        return error.strerror or str(error)
    except subprocess.TimeoutExpired:
        return "no answer in %g s" % ASK_S
    if ran.returncode == 0:
        return ""
    lines = ran.stderr.decode("utf-8", "replace").strip().splitlines()
    ended = "signal %d" % -ran.returncode if ran.returncode < 0 else "exit code %d" % ran.returncode
    return lines[-1].strip() if lines else ended


def _elsewhere(why: str) -> str:
    return "%s; kernels run in %s instead." % (why, sys.executable) if why else ""
