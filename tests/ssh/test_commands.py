"""What is typed on a laptop for a project on another machine: found out, registered, run there, and said where."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jlab_tui.adapters.ssh.session import SshSession
from jlab_tui.core.ssh.line import not_begun
from jlab_tui.core.ssh.place import parse_place
from tests.project import COMMAND, Project, project_in, until

from .machines import HOST, There, far_ends, machine, write

pytestmark = pytest.mark.xdist_group("ssh")


@pytest.fixture
def noisy(there: There) -> Iterator[There]:
    """Its start-up file talks on both streams."""
    talk = write(there.project.home / ".bashrc", "echo Welcome; echo Quota: 93 % >&2\nprintf 'no end'\n")
    yield there
    talk.unlink()


def test_init_registers_the_line_and_commands_then_act_there(noisy: There, here: Project) -> None:
    (here.root / ".mcp.json").write_text('{"mcpServers": {"other": {"command": "x"}}}', encoding="utf-8")
    done = here.run("init", "--ssh", noisy.place)
    assert done.returncode == 0 and "forbids port forwarding" in done.stdout, done.stdout + done.stderr
    servers = json.loads((here.root / ".mcp.json").read_text(encoding="utf-8"))["mcpServers"]
    assert servers["jlab-mcp"]["args"][-2:] == ["--ssh", noisy.place] and servers["other"] == {"command": "x"}
    assert f'"--ssh", "{noisy.place}"' in done.stdout, "for other clients, too"
    status = here.run("status", "--json")
    assert json.loads(status.stdout)["state"] == "ready"
    assert status.stderr.startswith(f"jlab-mcp: on {noisy.place}, where") and "Quota" not in status.stderr
    assert f"{noisy.project.root}" in here.run("doctor").stdout
    assert here.run("wait", "--ssh", HOST).returncode == 0
    (way,) = (line.strip() for line in here.run("url").stdout.splitlines() if "ssh -N" in line)
    assert way.endswith(f" {HOST}"), "as the laptop knows it"
    assert here.run("init").returncode == 0
    assert (
        "No Jupyter server" in (plain := here.run("status")).stdout + plain.stderr
        and HOST not in plain.stderr
    )


def test_a_repository_that_names_a_host_in_its_own_file_decides_nothing(there: There, here: Project) -> None:
    entry = {"command": "jlab-mcp", "args": ["--ssh", there.place]}
    (here.root / ".mcp.json").write_text(json.dumps({"mcpServers": {"jlab-mcp": entry}}), encoding="utf-8")
    done = here.run("stop")
    assert HOST not in done.stdout + done.stderr
    assert there.project.status_file()["STATE"] == "ready"


async def test_a_command_that_follows_ends_with_its_line(there: There, here: Project) -> None:
    events = here.spawn("events", "--json", "--ssh", there.place)
    await until(lambda: far_ends(there, "events"))
    events.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(events.wait, 60) == 130
    await until(lambda: not far_ends(there, "events"))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("-oProxyCommand=touch${IFS}x:p", "is not the name of a host"),
        (f"{HOST}:not there/$(touch x)/'\"ü", f"{HOST} has no directory"),
        (f"{HOST}:a\nb", "control character"),
        ("nowhere.invalid:p", "nowhere.invalid cannot be reached: Could not resolve"),
    ],
    ids=["an option", "no directory", "two lines", "no host"],
)
def test_what_cannot_be_is_a_sentence_with_what_to_type(
    there: There, here: Project, given: str, sentence: str
) -> None:
    for command in (["init", f"--ssh={given}"], ["status", f"--ssh={given}"]):
        done = here.run(*command)
        assert done.returncode in (1, 2) and sentence in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 2, done
    assert not list(here.root.iterdir()) and not list(there.project.home.glob("**/x"))


@pytest.mark.parametrize(
    ("program", "begin_s", "sentence"),
    [
        ("exec cat", 2.0, "did not begin on"),
        ("echo \"There is no command '$1'\" >&2; exit 2", 60.0, "too old for this"),
    ],
    ids=["silent", "older"],
)
def test_another_jlab_mcp_there_is_a_sentence_with_what_installs_this_one(
    there: There, here: Project, program: str, begin_s: float, sentence: str
) -> None:
    place = parse_place(there.place)
    end = SshSession(place, here.env).follow(["exec", "sh", "-c", program], print, print, begin_s=begin_s)
    told = not_begun(place, end.code, end.said)
    assert sentence in told and told.endswith(f"jlab-mcp init --ssh {place}"), told


def test_what_is_missing_there_is_sent_and_installed_when_the_user_agrees(tmp_path: Path) -> None:
    """The installer there is a program that looks at the wheel as one, and then does its part."""
    with project_in(tmp_path / "bare") as project, machine(tmp_path / "ssh", project) as bare:
        uv = project.home / ".local" / "bin" / "uv"
        steps = f"for wheel; do :; done; {sys.executable} -m zipfile -l $wheel >{tmp_path}/listed"
        write(uv, f"#!/bin/sh\n{steps}\nln -s {COMMAND} ~/.local/bin/jlab-mcp\n", 0o755)
        with bare.here(tmp_path / "here") as here:
            refused = here.run("init", "--ssh", bare.place)
            assert refused.returncode == 2 and "--yes` installs it" in refused.stderr, refused.stderr
            assert "jlab-mcp init --ssh" in here.run("status", "--ssh", bare.place).stderr
            done = here.run("init", "--ssh", bare.place, "--yes")
            assert done.returncode == 0 and "Sending jlab_mcp-" in done.stdout, done.stdout + done.stderr
            assert here.run("stop").stdout == f"Nothing is running for {project.root}.\n"
        listed = (tmp_path / "listed").read_text(encoding="utf-8")
        assert "jlab_tui/cli.py" in listed and ".dist-info/entry_points.txt" in listed
        assert not list((project.home / ".cache" / "jlab-mcp").iterdir())
