"""A site's settings: below those of a user, above them where they are locked, and refused as a whole when they are wrong."""

from __future__ import annotations

import pytest

from jlab_tui.core.errors import SettingError, UsageError
from jlab_tui.core.site_settings import (
    NO_SITE,
    Source,
    blame_site,
    parse_site,
    require_unlocked,
    source_of,
)

FILE = """
# for everybody
JLAB_MCP_DIR=/scratch/$USER/.jlab-mcp
JLAB_MCP_SLURM_MODULES = "gcc/13 cuda/12.6"
JLAB_MCP_SETUP='PATH=$USER:$PATH'
 lock   JLAB_MCP_LINK=srun
lock JLAB_MCP_SLURM_EXTRA=
JLAB_MCP_LOG_DIR=~/logs/${USER}
JLAB_MCP_SLURM_QOS=
JLAB_MCP_NEW=1
"""
SITE = parse_site("/etc/s", FILE, "ada")


def test_a_file_is_read_line_by_line() -> None:
    assert {one.name: (one.value, one.line, one.is_locked) for one in SITE.settings} == {
        "JLAB_MCP_DIR": ("/scratch/ada/.jlab-mcp", 3, False),
        "JLAB_MCP_SLURM_MODULES": ("gcc/13 cuda/12.6", 4, False),
        "JLAB_MCP_SETUP": ("PATH=$USER:$PATH", 5, False),
        "JLAB_MCP_LINK": ("srun", 6, True),
        "JLAB_MCP_SLURM_EXTRA": ("", 7, True),
        "JLAB_MCP_LOG_DIR": ("~/logs/ada", 8, False),
        "JLAB_MCP_SLURM_QOS": ("", 9, False),
        "JLAB_MCP_NEW": ("1", 10, False),
    }
    assert SITE.locked == {"LINK": "/etc/s, line 6", "SLURM_EXTRA": "/etc/s, line 7"}
    (home,) = parse_site("/etc/s", "JLAB_MCP_DIR=~", "ada").settings
    assert home.value == "~"
    assert parse_site("/etc/s", "", "ada").settings == () == NO_SITE.settings


def test_a_user_overrides_the_site_unless_it_has_locked_the_value() -> None:
    env = {"JLAB_MCP_LINK": "tcp", "JLAB_MCP_DIR": "/mine", "JLAB_MCP_SLURM_MODULES": " ", "HOME": "/h"}
    merged = SITE.environment(env)
    assert (merged["JLAB_MCP_LINK"], merged["JLAB_MCP_DIR"]) == ("srun", "/mine")
    assert (merged["JLAB_MCP_SLURM_MODULES"], merged["HOME"]) == ("gcc/13 cuda/12.6", "/h")
    assert [one.name for one in SITE.overridden(env)] == ["JLAB_MCP_LINK"]
    assert not list(SITE.overridden({"JLAB_MCP_LINK": " srun "}))
    assert NO_SITE.environment(env) == env


@pytest.mark.parametrize(
    ("name", "env", "choices", "source"),
    [
        ("LINK", "tcp", "", Source.LOCK),
        ("SLURM_EXTRA", "--nice", "", None),
        ("DIR", "/mine", "", Source.ENVIRONMENT),
        ("DIR", " ", "", Source.SITE),
        ("SLURM_MODULES", "", "x", Source.CHOICE),
        ("SLURM_QOS", "", "", None),
        ("SLURM_TIME", "", "", None),
    ],
)
def test_every_value_has_one_source(name: str, env: str, choices: str, source: Source | None) -> None:
    assert source_of(f"JLAB_MCP_{name}", {f"JLAB_MCP_{name}": env}, {name: choices}, SITE) is source


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("export JLAB_MCP_LINK=srun", "line 1: 'export JLAB_MCP_LINK=srun' is not JLAB_MCP_NAME=VALUE, with or without `lock ` in front"),
        ("\nPATH=/x", "line 2: 'PATH=/x' is not JLAB_MCP_NAME=VALUE"),
        ("JLAB_MCP_SLURM_MEM=64G", "line 1: JLAB_MCP_SLURM_MEM='64G' is not a whole number of MB without a unit"),
        ("lock JLAB_MCP_LINK=x\nJLAB_MCP_WAIT_S=no", "line 1: JLAB_MCP_LINK='x' is not auto or tcp or srun or ssh; line 2: JLAB_MCP_WAIT_S="),
        ("JLAB_MCP_DIR=/a\0b", "line 1: JLAB_MCP_DIR='/a\\x00b' is not a single line"),
        ("JLAB_MCP_DIR=scratch/jlab", "line 1: JLAB_MCP_DIR='scratch/jlab' is not a path that begins with / or ~/"),
        ("JLAB_MCP_LOG_DIR=~ada/x", "line 1: JLAB_MCP_LOG_DIR='~ada/x' is not a path that begins with / or ~/"),
        ("JLAB_MCP_SLURM_TEMPLATE=job.sh", "is not a path that begins with / or ~/"),
        ("JLAB_MCP_DIR=$HOME/x", "line 1: JLAB_MCP_DIR='$HOME/x' is not a path without `$`, of which only $USER is replaced"),
        ("JLAB_MCP_DIR=/s/${USER}/$USERNAME", "JLAB_MCP_DIR='/s/ada/$USERNAME' is not a path without `$`"),
        ("JLAB_MCP_TRUSTED_DIRS=/s/$GROUP", "is not a path without `$`"),
        ("JLAB_MCP_SITE_CONFIG=/x", "line 1: JLAB_MCP_SITE_CONFIG can be set in an environment only"),
        ("JLAB_MCP_LINK=tcp\n#\nlock JLAB_MCP_LINK=srun", "line 3: JLAB_MCP_LINK is set in line 1 already"),
        ("a\n" * 7, "line 5: 'a' is not JLAB_MCP_NAME=VALUE, with or without `lock ` in front; and 2 more."),
    ],
)  # fmt: skip
def test_each_bad_line_is_named_and_none_of_the_file_is_used(text: str, fault: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_site("/etc/s", text, "ada")
    assert caught.value.message.startswith("The site's settings in /etc/s cannot be used: line ")
    assert fault in caught.value.message and "JLAB_MCP_SITE_CONFIG=none" in caught.value.hint


def test_as_many_faults_as_are_told_need_no_count() -> None:
    with pytest.raises(UsageError) as caught:
        parse_site("/etc/s", "a\n" * 5, "ada")
    assert caught.value.message.endswith("in front.")


def test_a_value_that_makes_no_sense_beside_others_is_blamed_on_who_has_set_it() -> None:
    error = SettingError("JLAB_MCP_DIR", "/x", "a place")
    assert blame_site(error, NO_SITE) is error
    assert blame_site(error, SITE).message == (
        "The site's settings in /etc/s cannot be used: line 3: JLAB_MCP_DIR='/x' is not a place."
    )


def test_an_argument_in_the_place_of_a_locked_value_is_refused() -> None:
    require_unlocked(SITE.locked, ["SLURM_TIME"])
    with pytest.raises(UsageError) as caught:
        require_unlocked(SITE.locked, ["SLURM_TIME", "LINK"])
    assert caught.value.message == "The site keeps JLAB_MCP_LINK as it is (/etc/s, line 6)."
