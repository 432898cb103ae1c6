"""Fixtures for tests that drive the real program."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from jlab_tui.jupyter_extension.lazy_import import put_off
from tests.children import none_left
from tests.project import Mount, Project, project_in
from tests.shared import SharedProject, shared

put_off("rfc3987_syntax", "is_valid_syntax")  # which nbformat imports: seconds, in each worker

# Each process that the tests start would compile what it imports: a kernel's start takes four times the CPU time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell that runs the tests in the background ignores SIGINT, and so would each process that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no counterexample.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeatable", settings.get_profile("patient"), derandomize=True, max_examples=30)
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def no_process_is_left_behind() -> Iterator[None]:
    """Whoever starts a process ends it and waits for it: else it slows, or fails, another test."""
    with none_left():
        yield


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project of its own, with no server yet."""
    with project_in(tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedProject]:
    """A project with a running server, shared by the tests of one worker; none of them stops it."""
    with project_in(tmp_path_factory.mktemp("shared"), JLAB_MCP_EXIT_GRACE_S="1") as made:
        made.start()
        with shared(made) as project:
            yield project


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """A small disk, for tests of full and read-only ones; root only."""
    there = tmp_path / "disk"
    there.mkdir()

    def make(options: str) -> Path:
        argv = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(there)]
        if subprocess.run(argv, capture_output=True, check=False).returncode:
            pytest.skip("mounting a file system needs root")
        return there

    yield make
    if there.is_mount():
        subprocess.run(["umount", "-l", there], check=True)
