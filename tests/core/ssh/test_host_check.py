"""What another machine has of what is needed there: asked in sh, read between marks, told in sentences."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from jlab_tui.core.ssh import argv
from jlab_tui.core.ssh.host_check import (
    BEGIN,
    END,
    HostFacts,
    check_script,
    connects_to,
    directory_trouble,
    forbids_forwarding,
    install_script,
    install_trouble,
    parse_facts,
    pin_of,
    program_of,
)
from jlab_tui.core.ssh.place import RemotePlace

FACTS = HostFacts(
    host="login3.example.org",
    address="10.0.0.3",
    directory="/home/ada/proj",
    directory_is="yes",
    program="/home/ada/.local/bin/jlab-mcp",
    version="1.2",
    login_program="",
    uv="",
    python="/usr/bin/python3.12",
    newest_python="Python 3.9.2",
)
PLACE = RemotePlace("cluster", "proj")


def asked(place: RemotePlace, home: Path, path: str) -> HostFacts:
    """What sh answers on this machine."""
    env = {"HOME": str(home), "PATH": path, "SHELL": "/bin/sh", "SSH_CONNECTION": "10.0.0.9 5 10.0.0.3 22"}
    done = subprocess.run(
        ["sh", "-s"], input=check_script(place), env=env, capture_output=True, text=True, check=True
    )
    facts = parse_facts(f"Welcome!\n{done.stdout}\nbye")
    assert facts is not None, done.stdout
    return facts


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_sh_says_what_is_there(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "my $(touch x) 'dir'").mkdir(parents=True)
    own = program(home / ".local/bin/jlab-mcp", "echo jlab-mcp 1.2")
    uv = program(tmp_path / "bin/uv", "")
    python = program(tmp_path / "bin/python3.12", "exit 0")
    program(tmp_path / "bin/python3.13", "exit 1")
    facts = asked(RemotePlace("h", "my $(touch x) 'dir'"), home, f"{tmp_path}/bin:/usr/bin:/bin")
    assert (facts.directory, facts.directory_is) == (f"{home}/my $(touch x) 'dir'", "yes")
    assert (facts.program, facts.version, facts.uv, facts.python) == (str(own), "1.2", str(uv), str(python))
    assert facts.address == "10.0.0.3" and facts.host and facts.login_program == ""
    assert not list(tmp_path.glob("**/x"))


@pytest.mark.parametrize(
    ("directory", "expected"),
    [("~", "{home}"), ("", "{home}"), ("~/d", "{home}/d"), ("d", "{home}/d"), ("/no/such", "/no/such")],
)
def test_a_directory_begins_at_home_there(tmp_path: Path, directory: str, expected: str) -> None:
    facts = asked(RemotePlace("h", directory, "~/x/jlab-mcp"), tmp_path, "/usr/bin:/bin")
    assert facts.directory == expected.format(home=tmp_path)
    assert (facts.directory_is == "missing") == (directory not in ("", "~"))


def test_a_program_that_only_a_login_shell_finds_is_named_by_its_path(tmp_path: Path) -> None:
    own = program(tmp_path / "opt/jlab-mcp", "echo jlab-mcp 1.2")
    (tmp_path / ".profile").write_text(f"echo hi; PATH={tmp_path}/opt:$PATH\n", encoding="utf-8")
    facts = asked(RemotePlace("h"), tmp_path, "/usr/bin:/bin")
    assert (facts.program, facts.version, facts.login_program) == ("", "", str(own))
    assert program_of(PLACE, facts) == PLACE._replace(program=str(own))
    assert program_of(PLACE, replace(facts, login_program="/odd path/jlab-mcp")) == PLACE
    assert program_of(PLACE, FACTS) == PLACE


@pytest.mark.parametrize("said", ["", f"{BEGIN}\nhost=h\n", f"{END}\n{BEGIN}\n"])
def test_an_answer_that_is_not_whole_is_none(said: str) -> None:
    assert parse_facts(said) is None


@pytest.mark.parametrize(("version", "expected"), [("jlab-mcp 2.0", "2.0"), ("bash: oops", ""), ("", "")])
def test_a_version_is_only_our_own(version: str, expected: str) -> None:
    facts = parse_facts(f"{BEGIN}\nversion={version}\nno fact\n{END}\n")
    assert facts is not None and facts.version == expected


def test_what_is_wrong_comes_with_what_to_type() -> None:
    assert directory_trouble(PLACE, FACTS) is install_trouble(PLACE, FACTS) is None
    missing = directory_trouble(PLACE, replace(FACTS, directory="/a b", directory_is="missing"))
    assert missing is not None and "ssh cluster 'mkdir -p '\"'\"'/a b'\"'\"''" in missing[1]
    closed = directory_trouble(PLACE, replace(FACTS, directory_is="closed"))
    assert closed is not None and "may not write in /home/ada/proj on cluster" in closed[0]
    old = install_trouble(PLACE, replace(FACTS, python=""))
    assert old is not None and "(there is Python 3.9.2)" in old[0] and "astral.sh/uv" in old[1]
    none = install_trouble(PLACE, replace(FACTS, python="", newest_python=""))
    assert none is not None and "there is" not in none[0]


@pytest.mark.parametrize(
    ("uv", "python", "expected"),
    [
        ("/b/uv", "", "/b/uv tool install --quiet --force "),
        ("/b/uv", "/p/python3", "/b/uv tool install --quiet --force --python /p/python3 "),
        ("", "/p/python3", "/p/python3 -m venv --clear "),
    ],
)
def test_it_is_installed_with_what_is_there(uv: str, python: str, expected: str) -> None:
    script = install_script(replace(FACTS, uv=uv, python=python), "a.whl")
    assert expected in script and '"$HOME/.cache/jlab-mcp/"a.whl' in script
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)


NAME = {"": ["10.0.0.2", "10.0.0.3"]}


@pytest.mark.parametrize(
    ("addresses", "pin"),
    [
        ({}, ""),
        ({"": ["10.0.0.3"]}, ""),
        ({"": ["10.0.0.3", "::1"]}, ""),
        (NAME | {"login3.example.org": ["10.0.0.3"]}, "login3.example.org"),
        (NAME | {"login3.example.org": ["192.168.0.3"]}, "10.0.0.3"),
        ({"": ["10.0.0.2", "10.0.0.4"]}, ""),
    ],
)
def test_of_several_machines_behind_a_name_the_one_that_answered_is_kept(
    addresses: dict[str, list[str]], pin: str
) -> None:
    assert pin_of(PLACE, FACTS, addresses) == pin


def test_a_pin_that_is_there_stays() -> None:
    assert pin_of(PLACE._replace(pin="login1"), FACTS, NAME) == "login1"


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        ("user ada\nhostname login.example.org\nport 22\n", "login.example.org"),
        ("hostname x\nproxyjump gate\n", ""),
        ("hostname x\nproxycommand nc %h\n", ""),
        ("hostname x\nproxycommand none\n", "x"),
        ("", ""),
    ],
)
def test_a_name_is_looked_up_only_where_ssh_itself_connects_to_it(configuration: str, expected: str) -> None:
    assert connects_to(configuration) == expected


def test_forwarding_is_forbidden_where_the_host_says_so() -> None:
    assert forbids_forwarding("channel 0: open failed: administratively prohibited: open failed")
    assert not forbids_forwarding("channel 0: open failed: connect failed: Connection refused")
    assert argv.probe_forwarding(PLACE)[-3:] == ["-W127.0.0.1:1", "--", "cluster"]
    assert argv.show_configuration(PLACE) == ["ssh", "-G", "--", "cluster"]
