"""Settings come from the environment, once, and a bad value is named."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

import jlab_tui
from jlab_tui.core import setting_values as read
from jlab_tui.core.errors import SettingError
from jlab_tui.core.setting_values import is_slurm_time
from jlab_tui.core.settings import (
    PREFIX,
    VARIABLES,
    Mode,
    Settings,
    SlurmSettings,
    find_root,
    load_settings,
    status_dir_name,
)

CWD = Path("/data/project")
PACKAGE = Path(jlab_tui.__file__).parent


def load(**env: str) -> Settings:
    return load_settings(
        {"HOME": "/home/ada", **{PREFIX + k: v for k, v in env.items()}}, CWD, lambda path: False
    )


def test_defaults_are_those_of_the_documentation() -> None:
    settings = load()
    assert settings.home == Path("/home/ada/.jlab-mcp")
    assert settings.root == settings.server_root_dir == CWD
    assert settings.notebook_dir == CWD / "notebooks"
    assert settings.status_dir == settings.home / "servers" / status_dir_name(CWD)
    assert (settings.port_min, settings.port_max, settings.local_bind_ip) == (18000, 19000, "127.0.0.1")
    assert (settings.wait_s, settings.output_chars, settings.image_max_px) == (90, 20_000, 512)
    assert (settings.run_mode, settings.on_exit, settings.keep_h, settings.exit_grace_s) == (None,) * 4
    assert (
        settings.slurm.partition == "" and settings.slurm.gres == "gpu:1" and settings.slurm.time == "4:00:00"
    )


def test_every_setting_changes_something() -> None:
    read_of: dict[str, set[str]] = {}
    for module in PACKAGE.rglob("*.py"):
        if module == PACKAGE / "core" / "settings.py":
            continue
        for node in ast.walk(ast.parse(module.read_bytes())):
            if isinstance(node, ast.Attribute):
                owner = getattr(node.value, "attr", getattr(node.value, "id", ""))
                read_of.setdefault(node.attr, set()).add(owner.lstrip("_"))
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                # one that is wanted before the others are read has a function of its name
                read_of.setdefault(node.func.id.removesuffix("_of"), set()).add("settings")
    unread = [one.name for one in fields(Settings) if "settings" not in read_of.get(one.name, ())]
    unread += [
        one.name for one in fields(SlurmSettings) if not {"slurm", "request"} & read_of.get(one.name, set())
    ]
    assert unread == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT_MIN", "0"), ("PORT_MAX", "70000"), ("PORT_MIN", "1e3"), ("PORT_MIN", "١٨٠٠٠"), ("SLURM_CPUS", "-1"),
        ("SLURM_MEM", "32G"), ("SLURM_TIME", "4h"), ("SLURM_PARTITION", "a b"), ("SLURM_ACCOUNT", "x\ny"),
        ("SLURM_GRES", "gpu:1'; rm -rf"), ("RUN_MODE", "cloud"), ("WAIT_S", "86401"), ("WAIT_S", "nan"), ("ON_EXIT", "maybe"),
        ("EXIT_GRACE_S", "inf"), ("KEEP_H", "721"), ("KEEP_H", "long"), ("KEEP_H", "-1"), ("IDLE_END_H", "721"), ("IMAGE_MAX_PX", "1"), ("LOCAL_BIND_IP", "localhost"),
        ("SLURM_BIND_IP", "10.0.0.0/99"), ("SLURM_BIND_IP", "an interface"), ("SLURM_MEM", "0"), ("QUEUE_TIMEOUT", "forever"),
    ],
)  # fmt: skip
def test_a_bad_value_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(SettingError) as caught:
        load(**{name: value})
    assert caught.value.variable == PREFIX + name
    assert (
        caught.value.message.startswith(f"{PREFIX}{name}=")
        and caught.value.hint
        and caught.value.exit_code == 2
    )


def test_a_port_range_upside_down_is_refused() -> None:
    with pytest.raises(SettingError) as caught:
        load(PORT_MIN="18500", PORT_MAX="18400")
    assert caught.value.message == "JLAB_MCP_PORT_MAX='18400' is not at least JLAB_MCP_PORT_MIN (18500)."
    assert load(PORT_MIN="18400", PORT_MAX="18400").port_max == 18400


def test_empty_values_count_as_unset_and_none_asks_for_no_gres() -> None:
    assert load(PORT_MIN="", SLURM_GRES=" ", RUN_MODE="").slurm.gres == "gpu:1"
    assert load(SLURM_GRES="none").slurm.gres == ""
    assert load(RUN_MODE="SLURM").run_mode is Mode.SLURM


def test_paths_are_taken_from_the_working_directory_or_home() -> None:
    assert load(NOTEBOOK_DIR="nb").notebook_dir == CWD / "nb"
    assert load(DIR="~/state").home == Path("/home/ada/state")
    assert load(LOG_DIR="/var/log/x").log_dir == Path("/var/log/x")


def test_the_sites_file_has_its_place_unless_another_is_named_or_none_wanted() -> None:
    assert load().site_config == Path("/etc/jlab-mcp/config")
    assert load(SITE_CONFIG="lab/config").site_config == CWD / "lab" / "config"
    assert load(SITE_CONFIG="none").site_config is None


def test_the_root_is_the_nearest_ancestor_that_has_a_status_directory() -> None:
    home = Path("/h")
    known = {home / "servers" / status_dir_name(Path("/data")) / "server-status"}
    assert find_root(Path("/data/project/deep"), home, known.__contains__) == Path("/data")
    known.add(home / "servers" / status_dir_name(Path("/data/project")) / "sessions")
    assert find_root(Path("/data/project/deep"), home, known.__contains__) == Path("/data/project")
    assert find_root(Path("/other"), home, known.__contains__) == Path("/other")


def test_a_directory_without_server_and_records_makes_no_project() -> None:
    """A start that failed, or a stop of nothing, leaves at most an empty one."""
    home = Path("/home/ada/.jlab-mcp")
    left = {home / "servers" / status_dir_name(Path("/home/ada")) / name for name in ("node", "spool", "")}
    assert find_root(Path("/home/ada/project"), home, left.__contains__) == Path("/home/ada/project")


def test_status_directories_of_two_projects_never_coincide() -> None:
    names = {status_dir_name(Path(p)) for p in ("/a/x y", "/a/x_y", "/b/x y", "/", "/" + "n" * 200)}
    assert {name.rpartition("-")[0] for name in names} == {"x_y", "root", "n" * 40}
    assert len(names) == 5 and all(len(n) < 60 and "/" not in n for n in names)


@pytest.mark.parametrize(("text", "good"), [("30", True), ("30:00", True), ("4:00:00", True), ("1-0", True), ("1-12:30", True),
                                            ("1-00:00:00", True), ("", False), ("4h", False), ("1-", False), ("1:2:3:4", False)])  # fmt: skip
def test_walltimes_are_slurms_six_forms(text: str, good: bool) -> None:
    assert is_slurm_time(text) is good


def test_every_variable_is_documented_and_has_a_meaning() -> None:
    names = [v.name for v in VARIABLES]
    assert len(names) == len(set(names)) and all(v.meaning for v in VARIABLES)


def test_a_local_start_may_take_as_long_as_the_setting_says() -> None:
    assert (load().local_start_s, load().ready_timeout_s) == (60, 120)
    for seconds in (5, 300):
        given = load(READY_TIMEOUT=str(seconds))
        assert given.local_start_s == given.ready_timeout_s == seconds


@pytest.mark.parametrize("variable", ["DIR", "LOG_DIR", "SLURM_MODULES", "SLURM_TEMPLATE"])
def test_a_value_of_two_lines_is_refused(variable: str) -> None:
    with pytest.raises(SettingError, match=r"line"):
        load(**{variable: "one\ntwo"})


def test_a_lowest_port_above_the_default_range_names_the_highest() -> None:
    with pytest.raises(SettingError, match="at most 19000, which is JLAB_MCP_PORT_MAX"):
        load(PORT_MIN="19001")
    assert load(PORT_MIN="19000").port_min == 19000


@pytest.mark.parametrize(
    ("name", "lowest", "highest"),
    [("SLURM_CPUS", 1, 100_000), ("IMAGE_MAX_PX", 16, 4096), ("OUTPUT_CHARS", 500, 90_000), ("WAIT_S", 0, 86_400),
     ("READY_TIMEOUT", 1, 86400), ("QUEUE_TIMEOUT", 0, 2_592_000), ("KEEP_DAYS", 1, 36500)],
)  # fmt: skip
def test_a_number_may_be_the_lowest_or_the_highest_of_its_range_and_no_other(
    name: str, lowest: int, highest: int
) -> None:
    assert load(**{name: str(lowest)}) != load(**{name: str(highest)})
    for outside in (lowest - 1, highest + 1):
        with pytest.raises(SettingError, match=f"from {lowest} to {highest}"):
            load(**{name: str(outside)})


@pytest.mark.parametrize(
    ("text", "count", "seconds", "choice"),
    [
        ("2", 2, 2.0, None), ("4", 4, 4.0, None), ("3", 3, 3.0, "3"), ("2.5", None, 2.5, None), ("1", None, None, None),
        ("5", None, None, None), ("4.1", None, None, None), ("x", None, None, None), ("", None, None, None), ("Slurm", None, None, "slurm"),
    ],
)  # fmt: skip
def test_a_text_is_what_its_setting_takes_or_is_refused_with_the_expected_form(
    text: str, count: int | None, seconds: float | None, choice: str | None
) -> None:
    def taken(reader: Callable[[str], object], form: str) -> object:
        try:
            return reader(text)
        except ValueError as error:
            assert str(error) == form
            return None

    assert taken(read.integer(2, 4), "a whole number from 2 to 4") == count
    assert taken(read.seconds(2, 4), "a number of seconds from 2 to 4") == seconds
    assert taken(read.one_of(str, "slurm", "3"), "slurm or 3") == choice


@pytest.mark.parametrize("ip", ["127.0.0.2", "0.0.0.0", "::1"])
def test_a_local_server_listens_on_the_address_that_is_set(ip: str) -> None:
    assert load(LOCAL_BIND_IP=ip).local_bind_ip == ip


def test_a_home_directory_alone_is_a_path() -> None:
    assert load(DIR="~").home == Path("/home/ada")
    assert load(DIR="a~b/~c").home == CWD / "a~b/~c"


@pytest.mark.parametrize("path", ["~other", "~other/x", "$HOME/x", "${CLAUDE_PROJECT_DIR}"])
@pytest.mark.parametrize("name", ["DIR", "NOTEBOOK_DIR", "SITE_CONFIG"])
def test_what_only_a_shell_replaces_is_no_path(name: str, path: str) -> None:
    with pytest.raises(SettingError, match=re.escape("only ~/ is known")):
        load(**{name: path})


def test_without_a_home_variable_the_tilde_stays() -> None:
    assert load_settings({}, CWD, lambda path: False).home == CWD / "~" / ".jlab-mcp"


def test_the_directories_of_a_project_lie_in_its_status_directory() -> None:
    settings = load(STATUS_DIR="/s")
    names = {"server-status", "sessions", "actions", "fifos", "node", "spool"}
    places = (settings.status_file, settings.sessions_dir, settings.actions_dir, settings.fifo_dir)
    assert {path.name for path in (*places, settings.node_dir, settings.spool_dir)} == names
    assert {path.parent for path in (*places, settings.connection_dir)} == {Path("/s")}


def test_what_slurm_takes_is_handed_on_as_it_was_set() -> None:
    slurm = load(
        SLURM_MODULES="cuda/12.1 python/3.11", SLURM_TIME="1-12", SLURM_BIND_IP="10.0.0.5", SLURM_GRES="gpu:2"
    ).slurm
    assert (slurm.modules, slurm.time, slurm.bind_ip) == ("cuda/12.1 python/3.11", "1-12", "10.0.0.5")
    assert slurm.gres == "gpu:2"


@pytest.mark.parametrize("place", ["ib0", "bond0.12", "10.1.0.0/16", "10.1.2.3/16", "fe80::1", "::"])
def test_a_node_may_listen_at_an_address_in_a_network_or_on_an_interface(place: str) -> None:
    assert load(SLURM_BIND_IP=place).slurm.bind_ip == place


def test_memory_may_be_left_to_slurm() -> None:
    assert (load(SLURM_MEM="none").slurm.mem_mb, load(SLURM_MEM="500").slurm.mem_mb) == (0, 500)


def test_memory_with_a_unit_is_refused_with_the_number_to_write() -> None:
    with pytest.raises(SettingError, match="a whole number of MB without a unit"):
        load(SLURM_MEM="64G")


def test_directories_are_absolute_and_flags_are_words() -> None:
    assert load(TRUSTED_DIRS="/a/:/b:/").trusted_dirs == {"/a", "/b", "/"}
    assert load(ALLOW_UNPROVED="Yes").allow_unproved and not load(ALLOW_UNPROVED="0").allow_unproved
    for name, value in (("TRUSTED_DIRS", "/a:b"), ("ALLOW_UNPROVED", "2")):
        with pytest.raises(SettingError):
            load(**{name: value})


def test_each_directory_of_ours_is_named_with_the_variable_that_moves_it() -> None:
    moved = load(DIR="/d", STATUS_DIR="/s", CONNECTION_DIR="/c", LOG_DIR="/l").own_directories
    assert {(name, str(path)) for name, path in moved[:4]} == {
        ("DIR", "/d"), ("STATUS_DIR", "/s"), ("CONNECTION_DIR", "/c"), ("LOG_DIR", "/l"),
    }  # fmt: skip
    below = {name: [str(path) for own, path in moved[4:] if own == name] for name, _ in moved[4:]}
    assert below == {"STATUS_DIR": ["/s/sessions", "/s/actions", "/s/fifos", "/s/node", "/s/spool"]}
