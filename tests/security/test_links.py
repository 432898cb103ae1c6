"""Nothing of ours is read, run, written or emptied through a link, and a copy that was changed is never run."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jlab_tui.adapters.files import open_own, read_own
from jlab_tui.adapters.journal.bell import Bell, usable_fifo_dir
from jlab_tui.adapters.journal.journal_file import JournalWriter
from jlab_tui.adapters.journal.store import JournalStore
from jlab_tui.adapters.server.detached import start_detached
from jlab_tui.adapters.server.extension_copy import extension_digest, install_node_files
from jlab_tui.adapters.server.status_file import StatusFile
from jlab_tui.core.errors import StatusFileUnreadable
from jlab_tui.core.journal.events import Entry, Notice
from jlab_tui.core.settings import status_dir_name
from jlab_tui.core.slurm.script import ResourceRequest, ScriptInputs, render_script, script_values
from tests.jupyter_extension.servers import until
from tests.project import Project
from tests.security.strangers import STRANGER, needs_stranger

TEMPLATE = Path(__file__).parents[2] / "templates" / "jupyter_slurm.sh.template"
PRECIOUS = "years of work\n"


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    path = tmp_path / "precious"
    path.write_text(PRECIOUS, encoding="utf-8")
    return path


def symbolic(link: Path, target: Path) -> None:
    link.symlink_to(target)


def hard(link: Path, target: Path) -> None:
    link.hardlink_to(target)


@pytest.mark.parametrize("make", [symbolic, hard], ids=lambda make: make.__name__)
def test_a_start_empties_no_file_through_a_link_in_the_place_of_its_log(
    project: Project, precious: Path, make: Callable[[Path, Path], None]
) -> None:
    logs = project.home / ".jlab-mcp" / "logs"
    logs.mkdir(parents=True, mode=0o700)
    make(logs / f"jupyter-local-{status_dir_name(project.root)}-18765.log", precious)
    done = project.run("start", "--detach", JLAB_MCP_PORT_MIN="18765", JLAB_MCP_PORT_MAX="18765")
    assert precious.read_text(encoding="utf-8") == PRECIOUS
    assert done.returncode == 1 and "remove it" in done.stderr


def test_a_link_in_the_place_of_a_status_file_is_named(tmp_path: Path, precious: Path) -> None:
    (tmp_path / "server-status").symlink_to(precious)
    with pytest.raises(StatusFileUnreadable, match="symbolic link, which jlab-mcp does not follow"):
        StatusFile(tmp_path / "server-status").read()


def test_a_fifo_in_the_place_of_a_status_file_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "server-status")
    with pytest.raises(StatusFileUnreadable, match="not a plain file"):
        StatusFile(tmp_path / "server-status").read()


def test_a_link_in_the_place_of_a_journal_gets_no_line_and_is_named(tmp_path: Path, precious: Path) -> None:
    (tmp_path / "s.1.jsonl").symlink_to(precious)
    writer = JournalWriter(tmp_path / "s.1.jsonl")
    writer.append(Entry(1.0, Notice("secret")))
    writer.close().result(30)
    assert precious.read_text(encoding="utf-8") == PRECIOUS
    assert "symbolic link" in writer.failure or "not permitted" in writer.failure


def test_a_link_in_the_place_of_a_bell_is_not_rung(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "others")
    reader = os.open(tmp_path / "others", os.O_RDONLY | os.O_NONBLOCK)
    (tmp_path / "fifos").mkdir()
    (tmp_path / "fifos" / "here-1.fifo").symlink_to(tmp_path / "others")
    bell = Bell(tmp_path / "fifos", "here")
    try:
        bell.ring({"session": "a"})
        assert os.read(reader, 100) == b""
    finally:
        bell.close()
        os.close(reader)


def test_nothing_is_made_through_a_link_in_the_place_of_the_bells_marker(tmp_path: Path) -> None:
    fifos = tmp_path / "status" / "fifos"
    fifos.mkdir(parents=True)
    (fifos / f".probe-{os.getpid()}").touch()  # so that no FIFO can be made for a test
    (tmp_path / "status" / "fifos-elsewhere").symlink_to(tmp_path / "made")
    with contextlib.suppress(PermissionError):
        usable_fifo_dir(fifos, os.getuid())
    assert not (tmp_path / "made").exists()


def test_a_marker_of_the_bells_that_is_ours_leads_both_ends_to_the_same_place(tmp_path: Path) -> None:
    fifos = tmp_path / f"status-{os.getpid()}" / "fifos"
    fifos.mkdir(parents=True)
    probe = fifos / f".probe-{os.getpid()}"
    probe.touch()
    elsewhere = usable_fifo_dir(fifos, os.getuid())
    probe.unlink()
    try:
        assert elsewhere != fifos and usable_fifo_dir(fifos, os.getuid()) == elsewhere
        assert (fifos.parent / "fifos-elsewhere").stat().st_mode & 0o777 == 0o600
    finally:
        elsewhere.rmdir()


def test_a_link_in_the_place_of_a_journal_is_not_sealed(tmp_path: Path, precious: Path) -> None:
    link, real = tmp_path / "s.1.jsonl", tmp_path / "s.2.jsonl"
    link.symlink_to(precious)
    real.touch(mode=0o600)
    precious.chmod(0o640)
    store = JournalStore(tmp_path, tmp_path / "actions", lambda: tmp_path, "here")
    writer = store.successor("s", [link, real])
    assert writer is not None
    writer.close().result(30)
    assert precious.stat().st_mode & 0o777 == 0o640
    assert real.stat().st_mode & 0o777 == 0o400


def test_a_file_is_emptied_only_where_it_has_one_name(tmp_path: Path, precious: Path) -> None:
    (tmp_path / "link").hardlink_to(precious)
    with pytest.raises(PermissionError, match="second name"):
        open_own(tmp_path / "link", os.O_WRONLY | os.O_TRUNC)
    assert read_own(tmp_path / "link") == PRECIOUS.encode()  # a snapshot by hard links may be read
    (tmp_path / "link").unlink()
    os.close(open_own(precious, os.O_WRONLY | os.O_TRUNC))
    assert precious.read_bytes() == b""


def test_files_of_ours_are_private_under_any_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        copy = install_node_files(tmp_path / "node")
        started = start_detached(["--help"], {}, log_dir=tmp_path / "logs", cwd=tmp_path, env={})
        os.close(open_own(tmp_path / "file", os.O_WRONLY | os.O_CREAT))
    finally:
        os.umask(before)
    until(lambda: started.exit_code is not None, "the start has ended", 60)
    made = [started.log, tmp_path / "file", *copy.rglob("*.py")]
    assert len(made) > 20
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in made if path.stat().st_mode & 0o077} == {}


# -- the copy of the extension -------------------------------------------------------------------------------------


def change(copy: Path) -> None:
    (copy / "launch.py").write_text("print('mine')", encoding="utf-8")


def remove(copy: Path) -> None:
    (copy / "service.py").unlink()


def add(copy: Path) -> None:
    (copy / "json.py").write_text("print('mine')", encoding="utf-8")


def link(copy: Path) -> None:
    (copy / "launch.py").rename(copy.parent / "elsewhere.py")
    (copy / "launch.py").symlink_to(copy.parent / "elsewhere.py")


def link_all(copy: Path) -> None:
    copy.rename(copy.parent / "elsewhere")
    copy.symlink_to(copy.parent / "elsewhere")


def compile_as_a_stranger(copy: Path) -> None:
    (copy / "__pycache__").mkdir()
    os.chown(copy / "__pycache__", STRANGER, STRANGER)


CHANGES = [
    change, remove, add, link, link_all, pytest.param(compile_as_a_stranger, marks=needs_stranger),
]  # fmt: skip


@pytest.mark.parametrize("spoil", CHANGES, ids=lambda spoil: spoil.__name__)
def test_a_start_replaces_a_copy_that_was_changed(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    copy = install_node_files(tmp_path)
    as_made = {path.name: path.read_bytes() for path in copy.iterdir()}
    spoil(copy)
    assert install_node_files(tmp_path) == copy
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == as_made
    assert not copy.is_symlink()
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith("elsewhere")] == [copy.name]


def test_a_copy_that_is_as_it_was_stays_with_what_python_compiled(tmp_path: Path) -> None:
    copy = install_node_files(tmp_path)
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "launch.cpython-312.pyc").write_bytes(b"compiled")
    inode = copy.stat().st_ino
    assert install_node_files(tmp_path).stat().st_ino == inode


def check_of_the_job(launcher: Path, digest: str) -> subprocess.CompletedProcess[str]:
    """The part of the job script that looks at the copy, as it is rendered, without its patience."""
    inputs = ScriptInputs("0" * 16, "/dev/null", "/", str(launcher), "/dev/null", [sys.executable], digest)
    script = render_script(
        TEMPLATE.read_text(encoding="utf-8"), script_values(ResourceRequest("1:00:00"), inputs)
    )
    head = script[script.index("fail() {") : script.index('say "job')]
    check = script[script.index("check_copy() {") : script.index('say "starting')].replace(
        "range(30)", "range(1)"
    )
    shell = f"say() {{ :; }}\n{head}\npython={sys.executable}\nlauncher={launcher}\n{check}"
    return subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60, check=False)


def test_a_job_runs_the_copy_that_it_was_submitted_with(tmp_path: Path) -> None:
    copy = install_node_files(tmp_path)
    done = check_of_the_job(copy / "launch.py", extension_digest())
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("spoil", CHANGES[:-2], ids=lambda spoil: spoil.__name__)
def test_a_job_runs_no_copy_that_was_changed_while_it_waited(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    copy = install_node_files(tmp_path)
    spoil(copy)
    done = check_of_the_job(copy / "launch.py", extension_digest())
    assert done.returncode == 94 and "not those that this job was submitted with" in done.stdout
    shutil.rmtree(tmp_path / copy.name)
