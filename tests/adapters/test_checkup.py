"""Looking at directories and requirements for the doctor: on real, small file systems where the trouble is the disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from jlab_tui.adapters.checkup import (
    filesystem_of,
    look_at_directory,
    stale_intent,
)
from jlab_tui.core.doctor.checks import DirectoryFacts
from tests.project import Mount


def look(path: Path) -> DirectoryFacts:
    return look_at_directory("state dir", path, "DIR", judged=[path])


def test_a_disk_without_room_for_a_small_file_is_full(mount: Mount) -> None:
    disk = mount("size=64k")
    (disk / "filler").write_bytes(bytes(60_000))
    assert look(disk / "new").write_error == "No space left on device"
    assert [path.name for path in disk.iterdir()] == ["filler"]


def test_a_disk_that_cannot_be_written_says_so(mount: Mount) -> None:
    facts = look(mount("ro") / "new")
    assert (facts.exists, facts.is_writable, facts.write_error) == (False, False, "Read-only file system")


def test_room_and_free_files_are_those_of_the_nearest_directory_that_exists(mount: Mount) -> None:
    disk = mount("size=40m,nr_inodes=100")
    facts = look(disk / "a" / "b")
    assert (facts.there, facts.free_mb) == (str(disk), 40) and 90 < (facts.free_files or 0) < 100
    assert filesystem_of(disk / "a" / "b") == "tmpfs"


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert look(tmp_path / "file").write_error == "it is not a directory"
    assert look(tmp_path / "file" / "below").write_error == f"{tmp_path}/file is not a directory"
    assert stale_intent(tmp_path / "file" / "starting", 0, 1) == ""


def test_unmet_requirements_are_named_with_the_installed_version(tmp_path: Path) -> None:
    def install(name: str, version: str, *requires: str) -> None:
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir()
        lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {text}" for text in requires)]
        (folder / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *lines]), encoding="utf-8")

    install("blue", "1.5")
    install("green", "3.0rc1")
    never = ("white; sys_platform == 'never'", "black; extra == 'dev'")
    install("paint", "1", "blue>=2", "green>=2", "red>1", *never)
    ask = (
        "from jlab_tui.adapters.checkup import unmet_requirements as f; print(f('paint'), f('no-such-thing'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", ask],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == (
        "[Unmet(requirement='blue>=2', has='1.5'), Unmet(requirement='red>1', has='')]"
        " [Unmet(requirement='no-such-thing', has='')]"
    )
