"""On the server's machine: kernels run in the project's Python if it runs there; else a notice says so."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from jlab_tui.jupyter_extension.project_python import decide, why_not


def config(python: str, **more: Any) -> dict[str, Any]:
    return {"kernel_python": python, "kernel_specs": "/specs", "kernelspec_dirs": ["/env"], **more}


def program(path: Path, script: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_a_python_that_runs_there_gets_the_kernels_and_earlier_reports_stay(
    tmp_path: Path,
) -> None:
    python = program(tmp_path / "bin" / "python", "exit 0")
    used = config(python, asks_kernel_python=True, environment="/a is not used")
    assert decide(used, "the server's first choice does not run") == "/a is not used"
    assert used["kernelspec_dirs"] == ["/specs", "/env"] and used["default_kernel"] == "python3"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo noise; echo 'GLIBC_2.34 not found' >&2; exit 1", "GLIBC_2.34 not found"),
        ("exit 3", "exit code 3"),
        ("kill -ILL $$", "signal 4"),
    ],
)
def test_one_that_does_not_run_there_is_reported_with_its_own_line_and_kernels_run_in_the_servers(
    tmp_path: Path, script: str, said: str
) -> None:
    python = program(tmp_path / "bin" / "python", script)
    left = config(python, asks_kernel_python=True)
    told = decide(left, "")
    assert told == (
        f"{python} does not run on {socket.gethostname()}: {said}; kernels run in {sys.executable} instead."
    )
    assert left["kernelspec_dirs"] == ["/env"] and "default_kernel" not in left


def test_one_that_was_asked_on_this_machine_just_now_is_not_asked_again() -> None:
    assert decide(config("/not/there/bin/python"), "") == ""


def test_the_servers_own_environment_needs_no_kernelspec() -> None:
    own = config(os.path.join(sys.prefix, "bin", "python"))
    assert decide(own, "X does not run") == f"X does not run; kernels run in {sys.executable} instead."
    assert own["kernelspec_dirs"] == ["/env"]
    assert decide({"environment": "seen before"}, "") == "seen before"


def test_a_missing_program_or_one_of_another_machine_is_reported_with_the_systems_error(
    tmp_path: Path,
) -> None:
    assert why_not(str(tmp_path / "python")) == "No such file or directory"
    program(tmp_path / "python", "")
    (tmp_path / "python").write_bytes(b"\x7fELF?")
    assert why_not(str(tmp_path / "python")) == "Exec format error"
    assert why_not(sys.executable) == ""
