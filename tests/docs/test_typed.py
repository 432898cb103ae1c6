"""Every command that a page tells users to type is run by a test, or stands here with the reason why not."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from jlab_tui.core.doctor.setting_checks import check_settings
from jlab_tui.core.settings import load_settings
from jlab_tui.core.site_settings import parse_site

from .test_documents import ROOT, blocks

PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
WALKED = {
    "run": "tests/docs/test_documents.py::test_the_blocks_marked_to_be_run_can_be_typed_as_they_stand",
    "login": "tests/slurm/test_cluster_page.py::test_the_way_can_be_typed_as_it_stands",
    "job": "tests/slurm/test_cluster_page.py::test_the_way_can_be_typed_as_it_stands",
    "days": "tests/slurm/test_cluster_page.py::test_an_agent_for_days_has_a_job_to_which_a_terminal_comes_back",
}
"""blocks that a test types line by line, by the word behind their fence"""
INSTALLS = "tests/packaging/test_wheel.py::test_uv_installs_the_wheel_as_a_tool"
TYPED = {
    r"cd .*|export .*|umask \d+|exit": "changes the shell only",
    r"jlab-mcp init( --print| --allow)?": "tests/e2e/test_onboarding.py::test_from_init_in_an_empty_directory_a_real_client_runs_a_plot",
    r"jlab-mcp doctor": "tests/e2e/test_onboarding.py::test_the_doctor_finds_nothing_wrong_where_all_is_well_and_leaves_nothing_behind",
    r"jlab-mcp init --user": "tests/e2e/test_onboarding.py::test_init_for_the_user_leaves_the_writing_to_the_client",
    r"jlab-mcp start": "tests/tui/test_tmux.py::test_a_whole_visit",
    r"jlab-mcp start --bootstrap": "tests/adapters/test_bootstrap.py::test_uv_makes_the_environment_and_installs_jupyter",
    r"jlab-mcp start --no-tui": "tests/e2e/test_lifecycle.py::test_ctrl_c_in_the_foreground_stops_the_server_that_it_launched",
    r"jlab-mcp start --hold": "tests/tui/test_holding.py::test_all_code_is_held_from_the_start_on_request",
    r"jlab-mcp start --replay \S+": "tests/e2e/test_live_view.py::test_a_recorded_journal_is_played_without_a_server",
    r"jlab-mcp start \d+:00:00": "tests/slurm/test_queueing.py::test_a_walltime_that_the_partition_does_not_allow_is_refused_before_a_job_is_queued_unless_asked_for",
    r"jlab-mcp (stop|logs)": "tests/e2e/test_lifecycle.py::test_start_detached_brings_up_a_server_that_outlives_the_command",
    r"jlab-mcp stop --forget": "tests/e2e/test_lifecycle.py::test_a_server_of_another_host_is_not_touched",
    r"jlab-mcp wait RUN": "tests/e2e/test_tasks.py::test_a_shell_waits_for_a_run_and_learns_how_it_ended",
    r"jlab-mcp events": "tests/e2e/test_events.py::test_a_kernel_that_dies_idle_is_told_and_one_that_dies_in_a_call_is_not",
    r"jlab-mcp completion .*": "tests/e2e/test_onboarding.py::test_the_shell_completes_commands_options_and_values",
    r"jlab-mcp url( --live)? --copy": "tests/e2e/test_onboarding.py::test_url_hands_the_link_to_the_terminal_and_prints_no_token",
    r"jlab-mcp url( --live)?": "tests/e2e/test_onboarding.py::test_url_prints_the_way_there_without_the_token",
    r"jlab-mcp init --ssh \S+|jlab-mcp status": "tests/ssh/test_commands.py::test_init_registers_the_line_and_commands_then_act_there",
    r"jlab-mcp login \S+( --end)?": "tests/ssh/test_login.py::test_the_tools_say_what_to_type_once_and_work_when_it_was_typed",
    r"(uvx --from \S+ |uvx )?jlab-mcp demo|sh scripts/demo": "tests/e2e/test_live_view.py::test_the_demo_runs_without_a_terminal_and_leaves_nothing",
    r"sh scripts/test": "it is what runs this test",
    r"uv tool install( --compile-bytecode)?( --python (\S+|\"\$\(which python3\.12\)\"))?( --force)? \S+": INSTALLS,
    r"(PYTHON=\S+ )?sh scripts/demo": "tests/packaging/test_scripts.py::test_a_checkout_that_was_moved_gets_a_new_environment",
    r"pipx? (install|ensurepath).*|uv tool (update-shell|install)|pip wheel": "what pipx, pip and uv do",
    r"claude mcp (add --scope user|remove jlab-mcp)": "what Claude Code does; typed by hand in 2.1.197",
    r"(python3 -m venv \.venv)?( && )?(\.venv/bin/python -m pip install [\w ]+)?": "what pip does; with uv: tests/adapters/test_bootstrap.py",
    r"jlab-mcp --version": "tests/packaging/test_wheel.py::test_the_installed_command_runs_a_server_without_the_checkout",
    r"printf .* > leave-out.txt|uv tool install --excludes leave-out.txt jlab-mcp": INSTALLS,
    r"uv tool (upgrade|uninstall) jlab-mcp|uv cache prune": "what uv does",
    r"python3 -m pip wheel .*|pip download .*|python3 -m venv ~/jlab-mcp.*|\S+/bin/python -m pip install --no-index .*|uv tool install --no-index .*": "the package index is on the other side: typed by hand, those with --no-index in a namespace without a network",
    r"ln -sfn \S+ \S+": "moves a link; what an upgrade does to a running server: tests/e2e/test_upgrades.py",
    r"git clone .*": "needs the place that it names",
    r"claude plugin .*": "tests/packaging/test_plugin.py::test_claude_code_takes_the_plugin_and_connects_to_its_server",
}  # fmt: skip
"""a pattern for the whole command; what runs it, or why no test does"""


def typed() -> list[tuple[str, str]]:
    """Page and command of every line in the blocks that no test walks, and of the commands in running text and tables."""
    found = []
    for page in PAGES:
        for info, lines in blocks(page):
            kind, *words = info.split() or [""]
            if kind == "console" and not set(words) & WALKED.keys():
                found += [(page.name, line[2:]) for line in lines if line.startswith("$ ")]
            elif kind == "sh" and lines and not is_settings("\n".join(lines)):
                found += [(page.name, line) for line in lines]
        found += [(page.name, command) for command in in_running_text(page)]
    return list(dict.fromkeys((page, re.sub(r"\s+# .*", "", command).strip()) for page, command in found))


def in_running_text(page: Path) -> list[str]:
    """The commands in sentences and tables; the program itself writes some pages, with an example of each."""
    text = page.read_text(encoding="utf-8")
    if text.startswith("<!-- Written by"):
        return []
    code = re.findall(r"`([^`<>\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    return [one for one in code if re.match(COMMANDS, one)]


COMMANDS = r"(\w+=\S+ )?(jlab-mcp|uvx|uv tool|pipx?|claude (mcp|plugin)|sh scripts/\w+|\S*python3? -m (venv|pip)) ?\S"


def is_settings(text: str) -> bool:
    return "export JLAB_MCP_" in text or text.startswith("# /etc/")


@pytest.mark.parametrize(("page", "command"), typed(), ids=lambda value: value)
def test_every_command_of_a_page_is_run_by_a_test_or_has_a_reason(page: str, command: str) -> None:
    assert any(re.fullmatch(pattern, command) for pattern in TYPED), (
        f"{page}: nothing runs `{command}`. Mark its block `console run`, or add it to TYPED with the test that runs it, or with the reason."
    )


def test_every_test_that_runs_a_command_is_there_and_every_pattern_is_needed() -> None:
    for named in (*WALKED.values(), *TYPED.values()):
        path, _, name = named.partition("::")
        if name:
            assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), named
    commands = [command for _, command in typed()]
    unused = [pattern for pattern in TYPED if not any(re.fullmatch(pattern, c) for c in commands)]
    assert len(unused) <= 2, unused


def test_the_scripts_of_the_first_screen_are_there() -> None:
    for script in re.findall(r"sh (scripts/\w+)", (ROOT / "README.md").read_text(encoding="utf-8")):
        assert os.access(ROOT / script, os.X_OK), script


SETTINGS = [
    (page.name, "\n".join(lines))
    for page in PAGES
    for info, lines in blocks(page)
    if info == "sh" and is_settings("\n".join(lines))
]


@pytest.mark.parametrize(("page", "text"), SETTINGS, ids=lambda value: value.splitlines()[0])
def test_the_settings_of_an_example_can_be_used_as_they_stand(page: str, text: str, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    if text.startswith("# /etc/"):
        env = parse_site(page, text, "ada").environment(home)
    else:
        command = ["bash", "-c", f"set -e\n{text}\nenv -0"]
        done = subprocess.run(command, env=home, capture_output=True, text=True, check=True)
        env = dict(line.split("=", 1) for line in done.stdout.split("\0") if line)
    assert load_settings(env, tmp_path, lambda path: False) != load_settings(
        home, tmp_path, lambda path: False
    )
    assert [finding.text for finding in check_settings(env) if finding.fix] == []
