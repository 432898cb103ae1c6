"""A start clears away what earlier ones have left, and nothing that somebody may still need."""

from __future__ import annotations

import os
import time
from pathlib import Path

from jlab_tui.adapters.files import is_there
from jlab_tui.adapters.journal.store import JournalStore
from jlab_tui.adapters.server.cleanup import prune
from jlab_tui.adapters.server.extension_copy import install_node_files
from jlab_tui.adapters.server.launch_files import write_launch_files
from jlab_tui.adapters.server.status_file import StatusFile
from jlab_tui.core.server.record import ServerRecord, ServerState
from jlab_tui.core.settings import Mode, Settings, load_settings

DAY_S = 86400.0
NOW = time.time()


def settings_in(home: Path, **env: str) -> Settings:
    return load_settings({"HOME": str(home), **env}, home / "project", is_there)


def made(path: Path, age_days: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x", encoding="utf-8")
    os.utime(path, (NOW - age_days * DAY_S,) * 2)
    return path


def test_tokens_of_past_launches_and_old_copies_go(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    files = write_launch_files(settings.connection_dir, "local-18000", {})
    requeued = made(files.config_file.with_name(files.config_file.name + ".r1"), 0)
    node = install_node_files(settings.node_dir)
    old = settings.node_dir / "0123456789ab"
    made(old / "launch.py", 0)
    others = made(settings.connection_dir / "notes.txt", 90)
    prune(settings, node, NOW)
    assert list(settings.connection_dir.iterdir()) == [others]
    assert not requeued.exists() and (node / "launch.py").exists() and not old.exists()


def test_a_directory_that_projects_may_share_is_left_alone(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, JLAB_MCP_CONNECTION_DIR=str(tmp_path / "shared"))
    files = write_launch_files(settings.connection_dir, "slurm", {})
    prune(settings, settings.node_dir, NOW)
    assert files.token_file.exists() and files.config_file.exists()


def test_logs_go_after_as_long_as_records_are_kept_unless_a_project_names_them(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    logs = settings.log_dir
    old = [
        made(logs / name, 31)
        for name in (
            "jupyter-local-p-0123456789ab-18000.log",
            "jupyter-slurm-7.log",
            "start-20260131-235959-2.log",
            "dashboard-node-01-4711.log",
            "dashboard-node-01-4711.log.1",
        )
    ]
    kept = [
        made(logs / "jupyter-slurm-8.log", 29),
        made(logs / "my.log", 99),
        made(logs / "dashboard-notes.log", 99),
        made(logs / "dashboard-node-01-4712.log", 29),
        made(logs / "jupyter-slurm-9.log", 31),
    ]
    record = ServerRecord(ServerState.READY, Mode.SLURM, job_id="9", log=str(kept[-1]))
    StatusFile(settings.home / "servers" / "other-1" / "server-status").write(record)
    prune(settings, settings.node_dir, NOW)
    assert sorted(logs.iterdir()) == sorted(kept) and not any(path.exists() for path in old)


def test_deeds_of_old_dashboards_go_with_the_records(tmp_path: Path) -> None:
    old, new = (
        made(tmp_path / "actions" / "here-1.jsonl", 31),
        made(tmp_path / "actions" / "here-2.jsonl", 29),
    )
    store = JournalStore(tmp_path / "sessions", tmp_path / "actions", lambda: tmp_path, "here")
    for _step in store.clear_old(30, NOW):
        pass
    assert not old.exists() and new.exists()
