"""No directory in which a second account can put its files in the place of ours is used, and no harmless one is refused."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jlab_tui.adapters.server.extension_copy import install_node_files
from jlab_tui.adapters.trust import weaknesses
from jlab_tui.core.server.record import ServerRecord, ServerState, format_record
from jlab_tui.core.settings import Mode, status_dir_name
from tests.project import Project, project_in
from tests.security.strangers import STRANGER, as_stranger, needs_stranger, public_directory

pytestmark = needs_stranger
LAB = 60123
"""a group that the second account is in, and that is nobody's own"""

SWAP = """
import os, sys
mine = sys.argv[1]
for path in (os.path.join(mine, "planted"), mine):
    try:
        os.mkdir(path) if path != mine else os.rename(mine, mine + ".aside")
        sys.exit(0)
    except OSError:
        pass
sys.exit(1)
"""
"""put something into a directory, or the directory out of the way, so that another can stand in its place"""


@pytest.fixture
def base() -> Iterator[Path]:
    with public_directory() as made:
        yield made


def acl(path: Path, *entries: tuple[int, int, int]) -> None:
    """An access list of the owner (all rights), `entries` and a mask of all rights."""
    packed = [struct.pack("<I", 2)]
    for tag, rights, number in ((1, 7, 2**32 - 1), *entries, (0x10, 7, 2**32 - 1), (0x20, 5, 2**32 - 1)):
        packed.append(struct.pack("<HHI", tag, rights, number))
    try:
        os.setxattr(path, "system.posix_acl_access", b"".join(packed))
    except OSError as error:
        pytest.skip(f"this file system takes no access lists: {error}")


def plain(above: Path) -> Path:
    return made(above / "mine", 0o700)


def made(path: Path, mode: int, uid: int = 0, gid: int = 0) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, uid, gid)
    path.chmod(mode)
    return path


def in_a_scratch_directory(base: Path) -> Path:
    """As /scratch is on many clusters: everybody may make directories, with the sticky bit and a group that is passed on."""
    return plain(made(base / "scratch", 0o3777, gid=LAB))


def readable_by_all(base: Path) -> Path:
    return made(base / "mine", 0o755)


def writable_by_the_group_of_its_owner_alone(base: Path) -> Path:
    return made(base / "mine", 0o775)


def with_a_list_that_lets_its_owner_write(base: Path) -> Path:
    mine = made(base / "mine", 0o700)
    acl(mine, (2, 7, 0), (4, 5, 2**32 - 1))
    return mine


def behind_a_link_of_ours(base: Path) -> Path:
    there = made(base / "there", 0o700)
    (base / "mine").symlink_to(there)
    return base / "mine"


def writable_by_all(base: Path) -> Path:
    return made(base / "mine", 0o777)


def sticky_itself(base: Path) -> Path:
    return made(base / "mine", 0o1777)


def below_one_that_all_may_change(base: Path) -> Path:
    return plain(made(base / "shared", 0o777))


def below_one_of_a_group_without_the_sticky_bit(base: Path) -> Path:
    return plain(made(base / "project", 0o2775, gid=LAB))


def below_one_of_a_stranger(base: Path) -> Path:
    return plain(made(base / "theirs", 0o755, uid=STRANGER))


def of_a_stranger(base: Path) -> Path:
    return made(base / "mine", 0o755, uid=STRANGER)


def with_a_list_that_lets_a_stranger_write(base: Path) -> Path:
    mine = made(base / "mine", 0o700)
    acl(mine, (2, 7, STRANGER), (4, 5, 2**32 - 1))
    return mine


def with_a_list_that_lets_a_group_write(base: Path) -> Path:
    mine = made(base / "mine", 0o700)
    acl(mine, (4, 5, 2**32 - 1), (8, 7, LAB))
    return mine


def behind_a_link_into_one_that_all_may_change(base: Path) -> Path:
    there = below_one_that_all_may_change(base)
    (base / "mine").symlink_to(there)
    return base / "mine"


def behind_a_link_that_all_may_change(base: Path) -> Path:
    there = made(base / "there", 0o700)
    shared = made(base / "shared", 0o777)
    (shared / "mine").symlink_to(there)
    return shared / "mine"


HARMLESS = (
    in_a_scratch_directory,
    readable_by_all,
    writable_by_the_group_of_its_owner_alone,
    with_a_list_that_lets_its_owner_write,
    behind_a_link_of_ours,
)
WEAK = (
    writable_by_all,
    sticky_itself,
    below_one_that_all_may_change,
    below_one_of_a_group_without_the_sticky_bit,
    below_one_of_a_stranger,
    of_a_stranger,
    with_a_list_that_lets_a_stranger_write,
    with_a_list_that_lets_a_group_write,
    behind_a_link_into_one_that_all_may_change,
    behind_a_link_that_all_may_change,
)


@pytest.mark.parametrize("layout", HARMLESS, ids=lambda layout: layout.__name__)
def test_a_directory_that_no_stranger_can_change_is_used(base: Path, layout: Callable[[Path], Path]) -> None:
    mine = layout(base)
    assert weaknesses(mine) == ()
    assert as_stranger(SWAP, mine, gid=LAB).returncode == 1


@pytest.mark.parametrize("layout", WEAK, ids=lambda layout: layout.__name__)
def test_a_directory_that_a_stranger_can_change_is_named_unless_the_user_vouches_for_it(
    base: Path, layout: Callable[[Path], Path]
) -> None:
    mine = layout(base)
    weak = weaknesses(mine)
    assert weak and weaknesses(mine, {one.path for one in weak}) == ()
    target = mine.resolve() if "into" in layout.__name__ else mine
    assert as_stranger(SWAP, target, gid=LAB).returncode == 0


def test_the_repair_that_is_named_repairs(base: Path) -> None:
    mine = writable_by_all(base)
    (weak,) = weaknesses(mine)
    assert os.system(weak.repair) == 0
    assert weaknesses(mine) == ()


def test_a_loop_of_links_is_an_error_of_the_system(base: Path) -> None:
    (base / "mine").symlink_to(base / "mine")
    with pytest.raises(OSError, match="symbolic links"):
        weaknesses(base / "mine")


PLANT = """
import os, shutil, sys
mine, status, node, marker = sys.argv[1:]
os.umask(0)
os.rename(mine, mine + ".aside")
folder = os.path.join(status, "node", node)
os.makedirs(folder)
with open(os.path.join(folder, "launch.py"), "w") as file:
    file.write("open(%r, 'w').write('ran')" % marker)
for path, _, _ in os.walk(mine):
    os.chmod(path, 0o755)
"""


@pytest.fixture
def in_a_shared_directory(base: Path, tmp_path: Path) -> Iterator[Project]:
    """A project whose JLAB_MCP_DIR lies in a directory that all may change."""
    mine = below_one_that_all_may_change(base)
    with project_in(tmp_path, JLAB_MCP_DIR=str(mine)) as project:
        yield project


def test_a_start_runs_nothing_that_a_stranger_put_in_the_place_of_ours(
    base: Path, tmp_path: Path, in_a_shared_directory: Project
) -> None:
    project = in_a_shared_directory
    mine = Path(project.extra_env["JLAB_MCP_DIR"])
    status = mine / "servers" / status_dir_name(project.root)
    marker = tmp_path / "the stranger's code ran as us"
    node = install_node_files(tmp_path / "known").name  # anybody can compute it
    planted = as_stranger(PLANT, mine, status, node, marker)
    assert planted.returncode == 0, planted.stderr

    done = project.run("start", "--detach")

    assert not marker.exists()
    assert done.returncode == 1 and not list(status.rglob("*.token"))
    assert f"{mine.parent} can be written by everybody" in done.stderr
    assert f"chmod go-w {mine.parent}" in done.stderr or "JLAB_MCP_DIR=" in done.stderr
    assert "JLAB_MCP_TRUSTED_DIRS=" in done.stderr


def test_nobody_reads_the_status_file_of_a_stranger(in_a_shared_directory: Project) -> None:
    project = in_a_shared_directory
    mine = Path(project.extra_env["JLAB_MCP_DIR"])
    status = mine / "servers" / status_dir_name(project.root)
    record = ServerRecord(
        ServerState.READY,
        Mode.LOCAL,
        hostname="127.0.0.1",
        port=9,
        pid=os.getpid(),
        pid_start="1",
        launcher=socket.gethostname(),
        token="x",
        started=1.0,
    )
    write = (
        "import os, sys; mine, status, text = sys.argv[1:]; os.rename(mine, mine + '.aside'); os.makedirs(status); "
        "open(status + '/server-status', 'w').write(text)"
    )
    text = format_record(replace(record, url="http://127.0.0.1:9"))
    assert as_stranger(write, mine, status, text).returncode == 0
    for command in ("status", "url", "stop"):
        done = project.run(command)
        assert done.returncode == 1 and "can be written by everybody" in done.stderr, command
    assert (status / "server-status").exists()


def test_doctor_names_the_component_and_the_command(in_a_shared_directory: Project) -> None:
    project = in_a_shared_directory
    above = Path(project.extra_env["JLAB_MCP_DIR"]).parent
    done = project.run("doctor")
    assert done.returncode == 1 and f"chmod go-w {above}" in done.stdout
    shutil.rmtree(above / "mine")
    above.chmod(0o755)
    assert "can be written by" not in project.run("doctor").stdout


def test_a_directory_of_a_stranger_is_used_when_the_user_says_so(
    base: Path, in_a_shared_directory: Project
) -> None:
    project = in_a_shared_directory
    above = Path(project.extra_env["JLAB_MCP_DIR"]).parent
    project.extra_env["JLAB_MCP_TRUSTED_DIRS"] = str(above)
    project.start()
    assert project.run("status").returncode == 0


@pytest.mark.parametrize("ours", [[], ["--map-user=65534"]], ids=["no number", "nobody's number"])
def test_where_every_account_has_the_same_number_nothing_is_read_or_started(
    project: Project, ours: list[str]
) -> None:
    """Whoever listens at the server's port, or owns its directories, would pass for us."""
    if subprocess.run(["unshare", "--user", "true"], capture_output=True, check=False).returncode:
        pytest.skip("user namespaces cannot be made here")
    for command in (["status"], ["start", "--detach"]):
        done = project.run(*command, within=["unshare", "--user", *ours])
        assert done.returncode == 1 and done.stdout == ""
        assert "cannot tell accounts apart" in done.stderr and "--map-current-user" in done.stderr
    assert "unshare --map-current-user" in project.run("doctor", within=["unshare", "--user", *ours]).stdout
    done = project.run("status", within=["unshare", "--map-current-user"])
    assert "No Jupyter server is running" in done.stdout + done.stderr
