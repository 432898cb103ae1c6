"""A dashboard's log: private, bounded, without tokens; if it cannot be written, the dashboard continues and says so."""

from __future__ import annotations

import logging
import stat
from pathlib import Path

import pytest

from jlab_tui.adapters.log_file import LogFile, logging_to
from tests.project import Mount

TOKEN = "0123456789abcdef" * 3
log = logging.getLogger("jlab_tui.somewhere")


def failing() -> None:
    raise KeyError("sessions")


def test_a_logged_failure_is_in_a_private_file_with_its_traceback(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "logs" / "dashboard-host-1.log")
    with logging_to(file):
        assert not file.path.exists()
        try:
            failing()
        except KeyError:
            log.exception("reading the journals failed")
    text = file.path.read_text(encoding="utf-8")
    assert "ERROR jlab_tui.somewhere: reading the journals failed" in text
    assert "in failing" in text and "KeyError: 'sessions'" in text
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    assert file.where() == f"Details: {file.path}"


def test_no_token_reaches_the_log_even_with_debug_on(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "dashboard-host-1.log")
    with logging_to(file, logging.DEBUG):
        log.debug("asked http://localhost:8888/api?token=%s&a=1 with Authorization: token %s", TOKEN, TOKEN)
        log.error("another kind: token=%s", "My-Own_Token.1")
        for name in ("httpx2", "httpcore2.http11", "websockets.client", "httpx", "httpcore"):
            logging.getLogger(name).debug("> Authorization: token %s", TOKEN)
    text = file.path.read_text(encoding="utf-8")
    assert TOKEN not in text and "My-Own" not in text
    assert "token=***&a=1" in text and len(text.splitlines()) == 2


def test_the_log_keeps_its_newest_lines_within_twice_its_bound(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "dashboard-host-1.log", max_bytes=2000)
    with logging_to(file):
        for number in range(500):
            log.warning("line %04d", number)
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == ["dashboard-host-1.log", "dashboard-host-1.log.1"]
    assert all(0 < path.stat().st_size <= 2000 for path in files)
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)
    assert "line 0499" in files[0].read_text(encoding="utf-8")


def test_a_log_that_somebody_removes_is_made_again(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "dashboard-host-1.log")
    with logging_to(file):
        log.warning("first")
        file.path.unlink()
        log.warning("second")
    assert "second" in file.path.read_text(encoding="utf-8")


def test_a_log_that_cannot_be_written_is_named_with_the_reason(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").write_text("a file where the directory should be", encoding="utf-8")
    file = LogFile(tmp_path / "logs" / "dashboard-host-1.log")
    with logging_to(file):
        log.error("this goes nowhere")
        log.error("neither does %d this", "which cannot be formatted")
        assert file.where() == f"The log {file.path} cannot be written: TypeError."
        log.error("nor does this")
        assert file.where() == f"The log {file.path} cannot be written: File exists."
        (tmp_path / "logs").unlink()
        log.error("now there is room")
        assert file.where() == f"Details: {file.path}"
    assert capfd.readouterr() == ("", "")


def test_a_full_disk_loses_lines_and_nothing_else(mount: Mount) -> None:
    disk = mount("size=64k")
    (disk / "filler").write_bytes(b"x" * (64 << 10))
    file = LogFile(disk / "dashboard-host-1.log")
    with logging_to(file):
        log.error("no room for this")
        assert "cannot be written: No space left on device" in file.where()
        (disk / "filler").unlink()
        log.error("room again")
    assert "room again" in file.path.read_text(encoding="utf-8")


def test_a_read_only_disk_loses_lines_and_nothing_else(mount: Mount) -> None:
    file = LogFile(mount("size=64k,ro") / "logs" / "dashboard-host-1.log")
    with logging_to(file):
        log.error("nowhere to write this")
        assert "cannot be written: Read-only file system" in file.where()


def test_what_was_set_up_before_is_there_again_afterwards(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    with logging_to(LogFile(tmp_path / "x.log")):
        assert root.handlers != before[1]
    assert (root.level, root.handlers) == before
