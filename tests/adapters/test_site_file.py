"""A site's file is used if nobody but root, the user or the owner of the program can have written it."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from pathlib import Path

import pytest

from jlab_tui.adapters.site_file import read_site
from jlab_tui.core.errors import UsageError
from jlab_tui.core.settings import SITE_CONFIG, site_config_of
from jlab_tui.core.site_settings import Site
from tests.security.accounts import STRANGER, needs_two_accounts


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config"
    path.write_text("JLAB_MCP_DIR=/scratch/$USER\n", encoding="utf-8")
    path.chmod(0o644)
    return path


def read(path: Path, **env: str) -> Site:
    env |= {"HOME": "/home/ada", "JLAB_MCP_SITE_CONFIG": str(path)}
    return read_site(site_config_of(env, Path("/")), env)


def test_the_file_that_the_variable_names_is_read(file: Path) -> None:
    (one,) = read(file).settings
    assert one.value == f"/scratch/{pwd.getpwuid(os.geteuid()).pw_name}"
    env = {"HOME": str(file.parent), "JLAB_MCP_SITE_CONFIG": "~/config"}
    assert site_config_of(env, Path("/")) == file
    assert site_config_of({"JLAB_MCP_SITE_CONFIG": "config"}, file.parent) == file


def test_a_byte_order_mark_is_no_part_of_the_first_line(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfJLAB_MCP_DIR=/scratch\r\n")
    assert [one.value for one in read(file).settings] == ["/scratch"]


def test_no_file_is_needed_and_none_is_read_where_the_user_wants_none() -> None:
    assert read(Path("none")).settings == ()
    if not Path(SITE_CONFIG).exists():
        assert read(Path(SITE_CONFIG)).settings == ()


def test_a_named_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"JLAB_MCP_SITE_CONFIG names .*gone, which is not there"):
        read(tmp_path / "gone")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


SPOILT: dict[str, Callable[[Path], object]] = {
    "config can be written by everybody (mode 666)": lambda path: path.chmod(0o666),
    "can be written by everybody (mode 777)": lambda path: path.parent.chmod(0o777),
    "it has more than 100 kB": lambda path: path.write_text("#" * 100_001, encoding="utf-8"),
    "it is not text in UTF-8": lambda path: path.write_bytes(b"# \xff"),
    "Too many levels of symbolic links": loop,
    "line 1: 'x' is not JLAB_MCP_NAME=VALUE": lambda path: path.write_text("x", encoding="utf-8"),
}


@pytest.mark.parametrize("why", SPOILT)
def test_a_file_that_cannot_be_used_is_refused_with_its_reason(why: str, file: Path) -> None:
    SPOILT[why](file)
    require_refused(file, why)


@pytest.mark.parametrize("spoil", [pipe, directory])
def test_what_is_no_file_is_refused_and_left_closed(spoil: Callable[[Path], None], file: Path) -> None:
    spoil(file)
    before = os.listdir("/dev/fd")
    require_refused(file, "it is no file")
    require_refused(Path("/dev/null"), "it is no file")
    assert os.listdir("/dev/fd") == before


def require_refused(path: Path, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(path)
    assert why in caught.value.message and str(path) in caught.value.message


@needs_two_accounts
def test_a_file_of_another_account_is_refused(file: Path) -> None:
    os.chown(file, STRANGER, -1)
    with pytest.raises(UsageError, match=f"config belongs to {STRANGER}"):
        read(file)


def test_a_directory_that_the_user_vouches_for_is_used(file: Path) -> None:
    file.parent.chmod(0o777)
    assert read(file, JLAB_MCP_TRUSTED_DIRS=str(file.parent)).settings
    with pytest.raises(UsageError):
        read(file, JLAB_MCP_TRUSTED_DIRS="relative")
