"""Which projects are on another machine: our own record of it, and what `--ssh` means with it."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from jlab_tui.core.errors import UsageError
from jlab_tui.core.ssh.place import RemotePlace
from jlab_tui.core.ssh.registrations import (
    complete,
    find_registered,
    format_registrations,
    parse_registrations,
    words_there,
)

CLUSTER = RemotePlace("cluster", "/home/ada/my proj", "/opt/jlab-mcp", "login3")
PLACES = {"/here/proj": CLUSTER, "/here/other": RemotePlace("other", "ü")}


def test_the_record_is_read_as_it_was_written() -> None:
    assert parse_registrations(format_registrations(PLACES)) == PLACES


@pytest.mark.parametrize(
    "given",
    [
        "", "[]", '{"projects": 1}', '{"projects": {"/a": 1}}',
        '{"projects": {"/a": {"host": "-oProxyCommand=x", "directory": "", "program": "jlab-mcp", "pin": ""}}}',
        '{"projects": {"/a": {"host": "h", "directory": "a\\nb", "program": "jlab-mcp", "pin": ""}}}',
    ],
)  # fmt: skip
def test_what_cannot_be_used_of_it_is_not_registered(given: str) -> None:
    assert parse_registrations(given) == {}


def test_a_directory_belongs_to_the_nearest_one_that_is_registered() -> None:
    assert find_registered(PLACES, PurePosixPath("/here/proj/deep/in")) == CLUSTER
    assert find_registered(PLACES, PurePosixPath("/here")) is None


@pytest.mark.parametrize(
    ("given", "cwd", "expected"),
    [
        (RemotePlace("cluster"), "/here/proj", CLUSTER),
        (RemotePlace("cluster"), "/elsewhere", CLUSTER),
        (RemotePlace("cluster", "new"), "/elsewhere", CLUSTER._replace(directory="new")),
        (RemotePlace("third", "new"), "/here/proj", RemotePlace("third", "new")),
    ],
)
def test_what_is_typed_is_completed_by_what_is_known_of_the_host(
    given: RemotePlace, cwd: str, expected: RemotePlace
) -> None:
    assert complete(given, PLACES, PurePosixPath(cwd)) == expected


def test_a_host_alone_is_not_enough_where_it_has_no_project_or_several() -> None:
    with pytest.raises(UsageError, match="Which directory of third"):
        complete(RemotePlace("third"), PLACES, PurePosixPath("/"))
    two = PLACES | {"/more": RemotePlace("cluster", "b")}
    with pytest.raises(UsageError, match="Registered there: /home/ada/my proj, b"):
        complete(RemotePlace("cluster"), two, PurePosixPath("/"))


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["status", "--ssh", "h:d", "--json"], ["status", "--json"]),
        (["--ssh=h:d", "logs", "-f"], ["logs", "-f"]),
        (["start", "4:00:00", "--ss", "h", "--speed", "1"], ["start", "4:00:00", "--speed", "1"]),
        (["status", "--ssh", "--ssh"], ["status"]),
    ],
)
def test_what_says_where_a_command_runs_is_not_said_there(typed: list[str], expected: list[str]) -> None:
    assert words_there(typed) == expected
