"""The plugin for Claude Code: its version is ours, Claude Code accepts it, and its server connects."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from jlab_tui import __version__
from jlab_tui.arguments import make_parser
from tests.project import COMMAND, Project

ROOT = Path(__file__).parents[2]


def read(path: str) -> dict[str, object]:
    value = json.loads((ROOT / path).read_text(encoding="utf-8"))
    assert isinstance(value, dict)
    return value


def test_the_plugin_has_the_version_of_the_package_and_starts_its_command() -> None:
    assert read("plugin/.claude-plugin/plugin.json")["version"] == __version__
    assert read("plugin/.mcp.json") == {
        "mcpServers": {"jlab-mcp": {"type": "stdio", "command": "jlab-mcp", "args": []}}
    }


def test_the_monitor_runs_a_command_that_exists() -> None:
    (monitor,) = json.loads((ROOT / "plugin" / "monitors" / "monitors.json").read_text(encoding="utf-8"))
    program, *arguments = monitor["command"].split()
    assert program == "jlab-mcp" and make_parser().parse_args(arguments).command == "events"


def test_the_skill_names_only_tools_and_arguments_that_exist() -> None:
    text = (ROOT / "plugin" / "skills" / "jupyter" / "SKILL.md").read_text(encoding="utf-8")
    snapshots = ROOT / "tests" / "mcp_server" / "snapshots"
    calls = re.findall(r"`(\w+)(?:\((.*?)\))?`", text)
    named = {tool: re.findall(r"(\w+)=", given) for tool, given in calls if "_" in tool or given}
    assert {"start_new_session", "execute_code", "wait_for_run"} <= named.keys()
    for tool, arguments in named.items():
        if tool in ("session_id", "run_id", "wait_s"):
            continue
        schema = json.loads((snapshots / f"{tool}.json").read_text(encoding="utf-8"))
        assert set(arguments) <= schema["inputSchema"]["properties"].keys(), tool


@pytest.mark.parametrize(
    "page", sorted((ROOT / "plugin" / "commands").glob("*.md")), ids=lambda page: page.stem
)
def test_the_line_that_a_command_runs_prints_something_and_is_allowed(page: Path, project: Project) -> None:
    text = page.read_text(encoding="utf-8")
    (line,) = re.findall(r"^!`(.*)`$", text, re.M)
    allowed = re.findall(r"Bash\((.*?):\*\)", text)
    assert all(any(part.strip().startswith(word) for word in allowed) for part in line.split("||"))
    env = {**project.env, "PATH": f"{Path(COMMAND).parent}{os.pathsep}{project.env['PATH']}"}
    done = subprocess.run(
        ["sh", "-c", line], cwd=project.root, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and (done.stdout + done.stderr).strip()


def test_claude_code_takes_the_plugin_and_connects_to_its_server(tmp_path: Path) -> None:
    claude = shutil.which("claude")
    if claude is None:
        pytest.skip("claude is not installed")
    env = {
        "PATH": f"{Path(COMMAND).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "JLAB_MCP_RUN_MODE": "local",
    }

    def run(*words: str) -> str:
        done = subprocess.run(
            [claude, *words], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("plugin", "validate", "--strict", str(ROOT / "plugin"))
    run("plugin", "marketplace", "add", str(ROOT))
    run("plugin", "install", "jlab-mcp@jlab-mcp")
    assert "plugin:jlab-mcp:jlab-mcp: jlab-mcp  - ✔ Connected" in run("mcp", "list")
