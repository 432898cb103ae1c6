"""What removes files by their names removes what this program made, and nothing of the user's that looks like it."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.adapters.files import is_there
from jlab_tui.adapters.journal.bell import Bell
from jlab_tui.adapters.server.cleanup import prune
from jlab_tui.adapters.server.extension_copy import install_node_files
from jlab_tui.adapters.server.file_names import LOGS, local_log
from jlab_tui.adapters.server.launch_files import remove_launch_files, write_launch_files
from jlab_tui.core.settings import Settings, load_settings, status_dir_name

LOGS_OF_THE_USER = (
    "start-training.log",
    "start-20260131.log",
    "start-20260131-235959.log",
    "start-20260131-235959-7.log.old",
    "jupyter-local-notes.log",
    "jupyter-local-p-18000.log",
    "jupyter-slurm-run7.log",
    "jupyter-slurm-7.log.gz",
    "my-jupyter-slurm-7.log",
)
LAUNCHES_OF_THE_USER = (
    "slurm-0123456789.token",
    "slurm-01234567.token.bak",
    "slurm-01234567.connections",
    "slurm-01234567.config.json.r1.mine",
    "local-18000-01234567.config",
    "local-01234567.token",
    ".slurm-01234567.token.swp",
)
COPIES_OF_THE_USER = ("0123456789ab.bak", "0123456789abc", ".0123456789ab.old", "0123456789AB")


def settings_in(home: Path, **env: str) -> Settings:
    return load_settings({"HOME": str(home), **env}, home / "project", is_there)


def old(path: Path) -> Path:
    """A file as it was left a hundred days ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("the user's", encoding="utf-8")
    os.utime(path, (time.time() - 100 * 86400,) * 2)
    return path


def test_a_start_leaves_old_files_of_the_user_that_look_like_ours(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, JLAB_MCP_LOG_DIR=str(tmp_path / "logs"))
    mine = [old(settings.log_dir / name) for name in LOGS_OF_THE_USER]
    mine += [old(settings.connection_dir / name) for name in LAUNCHES_OF_THE_USER]
    mine += [old(settings.node_dir / name / "work.py") for name in COPIES_OF_THE_USER]
    node = install_node_files(settings.node_dir)

    prune(settings, node, time.time())

    assert [path for path in mine if not path.exists()] == []


@pytest.mark.parametrize(
    "name", ["results.connection.json", ".connection.json", "slurm-0123.connection.json"]
)
def test_a_status_file_that_names_a_file_of_the_user_removes_nothing(tmp_path: Path, name: str) -> None:
    mine = [old(tmp_path / name), old(tmp_path / name.replace("connection.json", "csv"))]
    remove_launch_files(tmp_path / name)
    assert all(path.exists() for path in mine)


def test_the_end_of_a_launch_removes_its_own_files_alone(tmp_path: Path) -> None:
    files = write_launch_files(tmp_path, "slurm", {})
    stem = files.token_file.name.removesuffix(".token")
    requeued = [
        old(tmp_path / f"{stem}{end}")
        for end in (".config.json.r1", ".connection.r1.json", ".connection.json.77.tmp")
    ]
    mine = [old(tmp_path / f"{stem}{end}") for end in (".notes", ".token.bak", ".connection.json.bak")]

    remove_launch_files(files.connection_file)

    assert sorted(tmp_path.iterdir()) == sorted(mine) and not any(path.exists() for path in requeued)


def test_a_bell_removes_neither_a_socket_nor_a_file_in_the_place_of_a_dead_dashboard(tmp_path: Path) -> None:
    host = socket.gethostname()
    dead = 2**22 - 1
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / f"{host}-{dead}.fifo"))
    Bell(tmp_path, host).ring({"session": "a"})
    assert (tmp_path / f"{host}-{dead}.fifo").is_socket()


@given(st.text(min_size=1), st.integers(1, 65535))
def test_the_log_of_every_project_is_known_again(name: str, port: int) -> None:
    project = status_dir_name(Path("/") / name.replace("\0", ""))
    assert LOGS.fullmatch(local_log(project, str(port)))
