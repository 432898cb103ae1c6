"""A second plain account of this machine: a process under a user id that nobody has."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

STRANGER = next(uid for uid in range(54321, 60000) if uid not in {entry.pw_uid for entry in pwd.getpwall()})

needs_stranger = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as a second account")


def as_stranger(code: str, *arguments: object, gid: int = STRANGER) -> subprocess.CompletedProcess[str]:
    """Run Python as the second account, with no groups but `gid`. Nothing of the environment is passed on."""
    return subprocess.run(
        ["/usr/bin/env", "-i", _python(), "-I", "-c", code, *map(str, arguments)],
        user=STRANGER,
        group=gid,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _python() -> str:
    """One that any account can run: the tests' own may lie in a home directory."""
    for name in ("/usr/bin/python3", "/usr/local/bin/python3", sys.executable):
        if Path(name).exists():
            return name
    raise AssertionError("no Python")


@contextmanager
def public_directory() -> Iterator[Path]:
    """A directory that every account can enter and only we can write to."""
    made = Path(tempfile.mkdtemp(prefix="jlab-security-", dir="/tmp"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
