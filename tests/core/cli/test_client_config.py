"""Registering with MCP clients: other people's configuration is left as it was."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.adapters.client_files import interpreter_of
from jlab_tui.core.cli.client_config import (
    ALLOW_RULE,
    PLUGIN_RULE,
    PLUGIN_SERVER,
    RULES,
    SWITCHED_OFF,
    Broken,
    ClientChoices,
    Command,
    Denial,
    broken_in,
    choices_in,
    claude_command,
    is_throwaway,
    merge_mcp_json,
    other_clients,
    registered_in,
    with_allow_rule,
)
from jlab_tui.core.cli.json_edit import NotJson, parse_object, set_member
from jlab_tui.core.errors import UsageError

OURS = Command("/opt/tools/jlab-mcp")
STYLED = """{
\t"mcpServers": {
\t\t"files": {"command": "npx", "args": ["-y", "files-server", "~/data"], "env": {"É": "ü"}}
\t},
\t"unknown": [1,2,   3]
}
"""


def test_other_servers_unknown_keys_and_the_style_of_the_text_are_kept() -> None:
    merged = merge_mcp_json(STYLED, OURS, ".mcp.json")
    assert merged.is_changed and not merged.was_there
    added = ',\n\t\t"jlab-mcp": {\n\t\t\t"type": "stdio",\n\t\t\t"command": "/opt/tools/jlab-mcp",\n\t\t\t"args": []\n\t\t}'
    before, after = STYLED.split("}}", 1)
    assert merged.text == before + "}}" + added + after


def test_a_second_time_changes_nothing() -> None:
    once = merge_mcp_json(STYLED, OURS, ".mcp.json").text
    again = merge_mcp_json(once, OURS, ".mcp.json")
    assert again.text == once and not again.is_changed and again.was_there


def test_what_the_user_added_to_our_entry_is_kept_when_the_command_changes() -> None:
    text = '{"mcpServers": {"jlab-mcp": {"command": "/old", "args": [], "env": {"JLAB_MCP_WAIT_S": "60"}}}}'
    merged = merge_mcp_json(text, OURS, ".mcp.json")
    assert merged.was_there
    assert json.loads(merged.text)["mcpServers"]["jlab-mcp"] == {
        "command": "/opt/tools/jlab-mcp",
        "args": [],
        "env": {"JLAB_MCP_WAIT_S": "60"},
    }


@pytest.mark.parametrize(
    "text", ["", "  \n", "{}", "{ }\n", '{"mcpServers": {}}', '\ufeff{"a": 1}', '{\r\n  "a": 1\r\n}\r\n']
)
def test_any_valid_beginning_ends_with_our_server_in_it(text: str) -> None:
    merged = merge_mcp_json(text, OURS, ".mcp.json").text
    assert parse_object(merged)["mcpServers"]["jlab-mcp"]["command"] == "/opt/tools/jlab-mcp"
    assert merged.startswith("\ufeff") == text.startswith("\ufeff")
    assert "\r\n" not in text or "\n" not in merged.replace("\r\n", "")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{\n  "mcpServers": {\n    "a": {}\n    "b": {}\n  }\n}', "line 4, column 5"),
        ("[]", "line 1, column 1"),
        ('{"mcpServers": []}', "line 1, column 16"),
        ("{", "line 1, column 2"),
        ('\n{"mcpServers": []}', "line 2, column 16"),
    ],
)
def test_a_broken_file_is_refused_with_the_position(text: str, where: str) -> None:
    with pytest.raises(UsageError) as refused:
        merge_mcp_json(text, OURS, "/p/.mcp.json")
    assert refused.value.message.startswith(f"/p/.mcp.json, {where}: ")
    assert "Nothing was written" in refused.value.message and "jlab-mcp init" in refused.value.hint


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), _json, max_size=4), st.sampled_from([None, 1, 2, 4, "\t"]), _json)
def test_only_the_member_that_is_set_changes(
    whole: dict[str, Any], indent: int | str | None, value: Any
) -> None:
    text = json.dumps(whole, indent=indent)
    assert json.loads(set_member(text, ["wanted"], value)) == {**whole, "wanted": value}


def test_registrations_are_found_in_the_user_scope_and_in_this_project_only() -> None:
    entry = {"command": "/venv/bin/python", "args": ["-m", "jlab_tui"]}
    text = json.dumps(
        {
            "mcpServers": {"x": {"command": "jlab-mcp"}, "y": {"command": "other"}, "z": None},
            "projects": {"/here": {"mcpServers": {"j": entry}}, "/there": {"mcpServers": {"j": entry}}},
        }
    )
    found = registered_in(text, "~/.claude.json", ["/here"])
    assert [(f.where, f.program, f.removal) for f in found] == [
        ("~/.claude.json", "jlab-mcp", "claude mcp remove --scope user x"),
        ("~/.claude.json (this project)", "/venv/bin/python", "claude mcp remove --scope local j"),
    ]
    (of_project,) = registered_in('{"mcpServers": {"jlab-mcp": {"command": "jlab-mcp"}}}', "/p/.mcp.json")
    assert of_project.removal == "claude mcp remove --scope project jlab-mcp"
    assert registered_in("{", "x") == []


@pytest.mark.parametrize(
    ("entry", "is_ours"),
    [
        ({"command": "/opt/bin/jlab-mcp"}, True),
        ({"command": "uvx", "args": ["jlab-mcp"]}, True),
        ({"command": "python", "args": ["-m", "jlab_tui"]}, True),
        ({"command": "python", "args": "jlab_tui"}, False),
        ({"command": "/jlab-mcp/other"}, False),
        ({}, False),
        (None, False),
        ("jlab-mcp", False),
    ],
)
def test_our_entries_are_known_by_what_they_run(entry: Any, is_ours: bool) -> None:
    assert bool(registered_in(json.dumps({"mcpServers": {"x": entry}}), "f")) is is_ours


@pytest.mark.parametrize(
    "text", ["[]", '{"mcpServers": 3}', '{"mcpServers": null}', '{"projects": [1]}', '{"projects": {}}']
)
def test_a_file_without_servers_registers_nothing(text: str) -> None:
    assert registered_in(text, "f", ["/here"]) == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"a": 1}', '{"a": 1,\n  "k": {\n    "v": 2\n  }}'),
        ('{\n    "a": 1\n}', '{\n    "a": 1,\n    "k": {\n        "v": 2\n    }\n}'),
        ('{\r\n\t"a": 1\r\n}', '{\r\n\t"a": 1,\r\n\t"k": {\r\n\t\t"v": 2\r\n\t}\r\n}'),
        ('{"é": 1, "k": {}}', '{"é": 1, "k": {\n  "v": 2\n}}'),
        ('{"a":1,"b":[2],"k":{"v":1,"w":3}}', '{"a":1,"b":[2],"k":{"v":2,"w":3}}'),
        ('{"k": {"v": 1, "w": 3}}', '{"k": {"v": 2, "w": 3}}'),
        ('{"k": {"v": 1}, "k": {"v": 3}}', '{"k": {"v": 1}, "k": {"v": 2}}'),
        ('{\n  "k": {"w": [\n    1\n  ]}\n}', '{\n  "k": {"w": [\n    1\n  ],\n    "v": 2}\n}'),
    ],
)
def test_a_member_is_written_in_the_style_of_its_file(text: str, wanted: str) -> None:
    assert set_member(text, ["k", "v"], 2) == wanted


def test_a_path_with_an_accent_is_written_as_it_reads() -> None:
    assert set_member("{}", ["k"], "/home/ada/été") == '{\n  "k": "/home/ada/été"\n}'


def test_the_place_of_a_value_that_is_no_object_is_named() -> None:
    with pytest.raises(NotJson) as caught:
        set_member('{\n  "k": 3}', ["k", "v"], 2)
    assert (caught.value.reason, caught.value.line, caught.value.column) == ("'k' is not an object", 2, 8)
    with pytest.raises(NotJson) as caught:
        parse_object("[" * 100_000)
    assert (caught.value.reason, caught.value.line) == ("it is nested too deeply", 0)


def test_a_file_that_is_nested_too_deeply_has_no_one_place() -> None:
    with pytest.raises(UsageError) as refused:
        merge_mcp_json("[" * 100_000, OURS, "/p/.mcp.json")
    assert refused.value.message == "/p/.mcp.json: it is nested too deeply. Nothing was written."


@pytest.mark.parametrize(("user", "scope"), [(True, ["--scope", "user"]), (False, [])])
def test_claude_code_gets_the_command_after_two_dashes(user: bool, scope: list[str]) -> None:
    command = Command("/v/python", ("-m", "jlab_tui"))
    expected = ["claude", "mcp", "add", *scope, "jlab-mcp", "--", "/v/python", "-m", "jlab_tui"]
    assert claude_command(command, user=user) == expected
    assert Command("/a b/x", ("-m",)).line == "'/a b/x' -m"


def test_the_blocks_for_other_clients_are_valid_in_their_formats() -> None:
    command = Command('/a b/"q"/python', ("-m", "jlab_tui"))
    blocks = dict(other_clients(command))
    codex = tomllib.loads(next(t for w, t in blocks.items() if w.startswith("Codex")))["mcp_servers"][
        "jlab-mcp"
    ]
    assert codex["command"] == command.program and codex["args"] == ["-m", "jlab_tui"]
    code = json.loads(next(t for w, t in blocks.items() if w.startswith("VS Code")))
    assert code["servers"]["jlab-mcp"]["type"] == "stdio"
    generic = json.loads(next(t for w, t in blocks.items() if w.startswith("Cursor")))
    assert generic["mcpServers"]["jlab-mcp"]["command"] == command.program


@pytest.mark.parametrize(
    ("prefix", "throwaway"),
    [
        ("/home/ada/.cache/uv/archive-v0/Xy12", True),
        ("/scratch/ada/cache/archive-v0/Xy12/bin/jlab-mcp", True),
        ("/scratch/ada/environments-v2/script-9f", True),
        ("/scratch/ada/builds-v0/.tmp4k", True),
        ("/home/ada/.cache/rattler/cache/cached-envs-v0/f00a128274527791", True),
        ("/home/ada/.local/pipx/.cache/4f29ab01cd83e7f", True),
        ("/opt/ada/.cache/4f29ab01cd83e7f/bin/jlab-mcp", True),
        ("/scratch/ada/pipx/4f29ab01cd83e7f", True),
        ("/home/ada/.local/share/uv/tools/jlab-mcp", False),
        ("/home/ada/project/.venv", False),
        ("/home/ada/uv/archive-v/project", False),
        ("/home/ada/.cache/project", False),
        ("/home/ada/pipx/venvs/jlab-mcp", False),
    ],
)
def test_environments_that_a_cache_cleaning_removes_are_recognised(prefix: str, throwaway: bool) -> None:
    assert is_throwaway(prefix) is throwaway


@pytest.mark.parametrize(
    ("first", "second", "interpreter"),
    [
        (b"#!/v/bin/python3\n", b"import sys\n", "/v/bin/python3"),
        (b"#!/with space/bin/python\n", b"", "/with space/bin/python"),
        (b"#!/v/bin/python -I\n", b"", "/v/bin/python"),
        (b"#!/bin/sh\n", b"'''exec' /long/python \"$0\" \"$@\"\n", "/long/python"),
        (b"#!/bin/sh\n", b'\'\'\'exec\' "/long path/python" "$0" "$@"\n', "/long path/python"),
        (b"#!/bin/sh\n", b'\'\'\'exec\' "$(dirname -- "$(realpath -- "$0")")"/\'python\' "$0" "$@"\n', ""),
        (b"\x7fELF", b"", ""),
    ],
)
def test_the_interpreter_of_an_installed_script_is_read(
    first: bytes, second: bytes, interpreter: str
) -> None:
    assert interpreter_of(first, second) == interpreter


DENIED = '{"disabledMcpjsonServers": ["jlab-mcp"]}'


def deny(*rules: object) -> str:
    return json.dumps({"permissions": {"deny": rules}})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (DENIED, ClientChoices(("f",))),
        (
            '{"disabledMcpjsonServers": ["other"], "enabledMcpjsonServers": ["jlab-mcp"]}',
            ClientChoices(is_approved=True),
        ),
        ('{"enableAllProjectMcpServers": true}', ClientChoices(is_approved=True)),
        ('{"enabledPlugins": {"jlab-mcp@jlab-mcp": true}}', ClientChoices(has_plugin=True)),
        ('{"enabledPlugins": {"jlab-mcp@jlab-mcp": false, "x@y": true}}', ClientChoices()),
        (f'{{"projects": {{"/p": {DENIED}, "/q": []}}}}', ClientChoices(("f",))),
        (f'{{"projects": {{"/other": {DENIED}, "/q": []}}}}', ClientChoices()),
        ('{"disabledMcpjsonServers": "jlab-mcp", "enabledPlugins": 1, "permissions": []}', ClientChoices()),
        (deny("Read", "mcp__jlab-mcp"), ClientChoices(denials=(Denial("f", RULES, "mcp__jlab-mcp"),))),
        (deny("mcp__jlab-mcp__*"), ClientChoices(denials=(Denial("f", RULES, "mcp__jlab-mcp__*"),))),
        (deny("mcp__jlab-mcp2", "mcp__other", 3), ClientChoices()),
        (
            deny("mcp__jlab-mcp__stop", "mcp__plugin_jlab-mcp_jlab-mcp__execute_*"),
            ClientChoices(
                denials=(
                    Denial("f", RULES, "mcp__jlab-mcp__stop"),
                    Denial("f", RULES, "mcp__plugin_jlab-mcp_jlab-mcp__execute_*"),
                )
            ),
        ),
        (deny("mcp__plugin_jlab-mcp_jlab-mcp"), ClientChoices(denials=(Denial("f", RULES, PLUGIN_RULE),))),
        (
            '{"projects": {"/p": {"disabledMcpServers": ["x", "jlab-mcp", "plugin:jlab-mcp:jlab-mcp"]}}}',
            ClientChoices(
                denials=(Denial("f", SWITCHED_OFF, "jlab-mcp"), Denial("f", SWITCHED_OFF, PLUGIN_SERVER))
            ),
        ),
        ('{"projects": {"/other": {"disabledMcpServers": ["jlab-mcp"]}}}', ClientChoices()),
        (
            '{"deniedMcpServers": [3, {"serverName": "x"}, {"serverName": "jlab-mcp"}, {"serverCommand": []}]}',
            ClientChoices(denials=(Denial("f", "deniedMcpServers", "jlab-mcp"),)),
        ),
        ("broken", ClientChoices()),
    ],
)
def test_what_claude_code_was_told_about_the_server_is_read_from_its_settings(
    text: str, found: ClientChoices
) -> None:
    assert choices_in([("f", text)], ["/p", "/q"]) == found


@pytest.mark.parametrize(
    ("denial", "tool"),
    [
        (Denial("f", RULES, "mcp__jlab-mcp__stop"), "stop"),
        (Denial("f", RULES, "mcp__plugin_jlab-mcp_jlab-mcp__execute_*"), "execute_*"),
        (Denial("f", RULES, "mcp__jlab-mcp__*"), ""),
        (Denial("f", RULES, PLUGIN_RULE), ""),
        (Denial("f", SWITCHED_OFF, "jlab-mcp"), ""),
    ],
)
def test_a_rule_for_a_single_tool_names_it(denial: Denial, tool: str) -> None:
    assert denial.tool == tool


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("{}", ()),
        ("", ()),
        ("\ufeff \n", ()),
        ('{\n  "a" 1}', (Broken("f, line 2, column 7", "Expecting ':' delimiter"),)),
        ("[]", (Broken("f, line 1, column 1", "it is not a JSON object"),)),
        ('{"mcpServers": []}', (Broken("f, line 1, column 16", "'mcpServers' is not an object"),)),
    ],
)
def test_a_file_of_which_nothing_is_read_is_named_with_the_position(
    text: str, broken: tuple[Broken, ...]
) -> None:
    assert broken_in([("f", text)]) == broken


def test_a_refusal_in_settings_that_claude_code_does_not_reset_is_told_apart() -> None:
    texts = [
        (path, DENIED) for path in ("/p/.claude/settings.local.json", "/h/settings.json", "/h/.claude.json")
    ]
    found = choices_in(texts, [])
    assert found.denied == ("/p/.claude/settings.local.json", "/h/.claude.json")
    assert found.denials == (Denial("/h/settings.json", "disabledMcpjsonServers", "jlab-mcp"),)


@pytest.mark.parametrize("nearest", [True, False])
def test_the_first_file_that_names_the_plugin_says_whether_it_is_on(nearest: bool) -> None:
    def plugin(is_on: bool) -> str:
        return json.dumps({"enabledPlugins": {"jlab-mcp@jlab-mcp": is_on}})

    texts = [
        ("/p/settings.local.json", "{}"),
        ("/p/settings.json", plugin(nearest)),
        ("/h", plugin(not nearest)),
    ]
    choices = choices_in(texts, [])
    assert choices.has_plugin is nearest
    assert choices.allow_rule == (PLUGIN_RULE if nearest else ALLOW_RULE)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("", [ALLOW_RULE]),
        ("\ufeff\r\n", [ALLOW_RULE]),
        ('{"permissions": {"allow": ["Read"], "deny": ["x"]}, "model": "m"}', ["Read", ALLOW_RULE]),
        ('{"permissions": {"deny": ["x"]}}', [ALLOW_RULE]),
        ('{"permissions": {"allow": ["mcp__jlab-mcp"]}}', [ALLOW_RULE]),
    ],
)
def test_the_rule_that_allows_the_tools_is_added_once_and_all_else_stays(
    text: str, allowed: list[str]
) -> None:
    written = with_allow_rule(text, "f", ALLOW_RULE)
    changed = parse_object(written)
    assert changed["permissions"]["allow"] == allowed
    assert with_allow_rule(written, "f", ALLOW_RULE) == written
    assert changed.get("model") == (parse_object(text).get("model") if "model" in text else None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"permissions": 3}', "f, line 1, column 17: 'permissions' is not an object. It stays as it is."),
        ('{\n  "a" 1}', "f, line 2, column 7: Expecting ':' delimiter. It stays as it is."),
        ('{"permissions": {"allow": "Read"}}', "f: permissions.allow is no list. It stays as it is."),
        ('{"permissions": {"allow": null}}', "f: permissions.allow is no list. It stays as it is."),
        ("[" * 100_000, "f: it is nested too deeply. It stays as it is."),
    ],
)
def test_settings_to_which_no_rule_can_be_added_stay_as_they_are(text: str, told: str) -> None:
    with pytest.raises(UsageError) as refused:
        with_allow_rule(text, "f", ALLOW_RULE)
    assert refused.value.message == told and "`jlab-mcp init --allow` again" in refused.value.hint
