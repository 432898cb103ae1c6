"""Where a project on another machine is, and the ssh that leads there: nothing that the user writes is more than a name."""

from __future__ import annotations

import json
import shlex
import subprocess
from binascii import b2a_base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.errors import UsageError
from jlab_tui.core.ssh import argv
from jlab_tui.core.ssh.crossing import Crossing, begins, crossing_of, decode_crossing, encode_crossing
from jlab_tui.core.ssh.place import RemotePlace, parse_place


@pytest.mark.parametrize(
    ("text", "host", "directory"),
    [
        ("cluster", "cluster", ""),
        ("cluster:", "cluster", ""),
        ("cluster:proj", "cluster", "proj"),
        ("ada@login.example.org:~/my proj", "ada@login.example.org", "~/my proj"),
        ("ada@uni@gate:/data/$(id)/'\"", "ada@uni@gate", "/data/$(id)/'\""),
        ("h:ä/日本:x", "h", "ä/日本:x"),
    ],
)
def test_a_place_is_a_host_and_a_directory_there(text: str, host: str, directory: str) -> None:
    place = parse_place(text)
    assert (place.host, place.directory) == (host, directory)
    assert parse_place(str(place)) == place


@pytest.mark.parametrize(
    "text",
    [
        "-oProxyCommand=id", "-oProxyCommand=id:x", "", ":x", "a b:x", "$(id)", "a;b", "h\n", "höst", "a@-b", "@h", "h/x",
        "x" * 300, "h:a\nb", "h:a\0", "h:\x7f",
    ],
)  # fmt: skip
def test_what_is_more_than_a_name_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_place(text)
    assert refused.value.hint and "\n" not in refused.value.message


@pytest.mark.parametrize(("program", "pin"), [("a b", ""), ("-x", ""), ("$(id)", ""), ("jlab-mcp", "-x")])
def test_a_program_and_a_login_node_are_names_too(program: str, pin: str) -> None:
    with pytest.raises(UsageError):
        parse_place("h", program=program, pin=pin)


def test_a_place_is_registered_as_it_is_read() -> None:
    assert parse_place("h:d").arguments == ("--ssh", "h:d")
    full = RemotePlace("h", "d", "~/bin/jlab-mcp", "login3")
    assert full.arguments == ("--ssh", "h:d", "--program", "~/bin/jlab-mcp", "--pin", "login3")


def test_a_host_follows_two_dashes_and_nothing_is_asked_or_forwarded() -> None:
    place = RemotePlace("ada@cluster", pin="login3")
    command = argv.run_there(place, ["a b", "$x"], control="/tmp/c")
    assert command[command.index("--") + 1 :] == ["ada@cluster", "'a b' '$x'"]
    told = {"-oBatchMode=yes", "-oClearAllForwardings=yes", "-oControlPath=/tmp/c", "-oControlMaster=no"}
    assert told | {"-oHostName=login3", "-oHostKeyAlias=cluster", "-oConnectTimeout=5"} <= set(command)
    assert not any(word.startswith("-oControlPath") for word in argv.run_there(RemotePlace("h"), ["x"]))


def test_the_commands_for_a_terminal_may_ask() -> None:
    place = RemotePlace("cluster")
    assert "-t" in argv.run_in_terminal(place, ["x"]) and "-oBatchMode=yes" not in argv.run_in_terminal(
        place, ["x"]
    )
    login = argv.log_in(place, "/tmp/c")
    assert (
        login[-2:] == ["--", "cluster"] and "-oControlPath=/tmp/c" in login and "-oBatchMode=yes" not in login
    )
    assert argv.ask_master(place, "/tmp/c", "check") == [
        "ssh",
        "-Ocheck",
        "-oControlPath=/tmp/c",
        "--",
        "cluster",
    ]


@pytest.mark.parametrize("program", ["jlab-mcp", "~/bin/jlab-mcp", "/opt/x/jlab-mcp"])
def test_sh_there_finds_the_program(program: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("home")
    for folder in ("bin", ".local/bin"):
        (home / folder).mkdir(parents=True)
        fake = home / folder / "jlab-mcp"
        fake.write_text('#!/bin/sh\necho "$0" "$@"\n', encoding="utf-8")
        fake.chmod(0o755)
    program = program.replace("/opt/x", str(home / "bin"))
    typed = shlex.join(argv.program_command(program, "e30=", ["status"]))
    done = subprocess.run(
        ["sh", "-c", typed],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    where = ".local/bin" if program == "jlab-mcp" else "bin"
    assert done.stdout == f"{home}/{where}/jlab-mcp --at e30= status\n"


def test_the_settings_and_the_conversation_cross_and_nothing_else() -> None:
    env = {
        "JLAB_MCP_WAIT_S": "5",
        "CLAUDE_CODE_SESSION_ID": "c",
        "CLAUDE_PROJECT_DIR": "/here",
        "AWS_SECRET": "s",
        "JLAB_MCP_SITE_CONFIG": "/of/this/machine",
    }
    crossing = crossing_of("cluster", "my proj", env, marks=False)
    assert crossing == Crossing(
        "cluster", "my proj", (("CLAUDE_CODE_SESSION_ID", "c"), ("JLAB_MCP_WAIT_S", "5")), False
    )
    with pytest.raises(ValueError, match="100 kB"):
        encode_crossing(crossing_of("h", "", {"JLAB_MCP_SETUP": "x" * 80_000}))


@given(st.text(), st.dictionaries(st.text().map("JLAB_MCP_{}".format), st.text()), st.booleans())
def test_what_crosses_is_one_word_and_comes_back_as_it_was(
    directory: str, settings: dict[str, str], marks: bool
) -> None:
    crossing = crossing_of("h", directory, settings, marks=marks)
    text = encode_crossing(crossing)
    assert text == shlex.quote(text.replace("=", "")) + "=" * text.count("=")
    assert decode_crossing(text) == crossing


@pytest.mark.parametrize(
    "content", ["", "x", b"\xff", [], ["h", "d", {}], [1, "", {}, True], ["h", 1, {}, True], ["h", "d", [], True],
                ["h", "d", {}, 1], ["h", "d", {"PATH": "/x"}, True]],
)  # fmt: skip
def test_what_jlab_mcp_has_not_written_is_refused(content: object) -> None:
    text = (
        content
        if isinstance(content, str)
        else b2a_base64(
            content if isinstance(content, bytes) else json.dumps(content).encode(), newline=False
        ).decode()
    )
    with pytest.raises(ValueError, match="jlab-mcp"):
        decode_crossing(text)


def test_a_program_begins_after_whatever_start_up_files_said() -> None:
    assert begins(b"jlab-mcp-begins 1.2\n") == "1.2"
    assert begins(b"Welcome to the cluster!\n") is None and begins(b"jlab-mcp-begins\n") is None
