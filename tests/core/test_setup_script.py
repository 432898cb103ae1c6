"""A line of JLAB_MCP_SETUP that fails ends the start and is named, as bash itself judges it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from jlab_tui.core.setup_script import SETUP_FAILED, setup_script


def run(setup: str, *, script: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the lines as `start` does locally, or in a file, as a job does."""
    text = f'{setup_script(setup)}\necho "ready X=${{X-}}"\n'
    argv = ["bash", "-c", text, "bash"]
    if script is not None:
        script.write_text(text, encoding="utf-8")
        argv = ["bash", str(script)]
    return subprocess.run(
        argv, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    )


@pytest.mark.parametrize(
    ("setup", "named"),
    [
        ("false", "false (it returned 1)"),
        ("false; X=1", "false (it returned 1)"),
        ("false && X=1\nX=2", "false (it returned 1)"),
        ("source /none/conda.sh && conda activate torch # mine", "source /none/conda.sh (it returned 1)"),
        ("[ -d / ] && conda activate torch && X=1", "conda activate torch (it returned 127)"),
        ("f() { return 3; }\nf && X=1", "f (it returned 3)"),
        ("(exit 4) && X=1", "(exit 4) && X=1 (it returned 4)"),
        ("if true; then\n  false && X=1\nfi", "false (it returned 1)"),
        ("cat <<E && false && X=1\ntext\nE", "false (it returned 1)"),
        ("X=$(false)", "X=$(false) (it returned 1)"),
        ("if true", "if true (it returned 2)"),
        ("X=1 )", "X=1 ) (it returned 2)"),
        ("PATH=/none\nwrong && X=1", "wrong (it returned 127)"),
        ("[ -d /none ] || exit 4", "exit 4 (the shell ended in it with code 4)"),
        ("X=1\nexit 0", "exit 0 (the shell ended in it with code 0)"),
        ("f() {\n  exit 3\n}\nf", "f (the shell ended in it with code 3)"),
        ("source /dev/stdin <<<'exit 6'", "source /dev/stdin <<< 'exit 6' (the shell ended in it with code 6)"),
    ],
)  # fmt: skip
def test_a_line_that_fails_ends_the_start_and_names_the_command(
    setup: str, named: str, tmp_path: Path
) -> None:
    for done in (run(setup), run(setup, script=tmp_path / "job.sh")):
        assert done.returncode == 89 and "ready" not in done.stdout
        assert done.stderr.endswith(f"jlab-mcp: error: {SETUP_FAILED}: {named}\n"), done.stderr


@pytest.mark.parametrize(
    ("setup", "value"),
    [
        ("X=1", "1"),
        ("[ -f /none ] && false\nX=2", "2"),
        ("[[ -f /none ]] && false; test -f /none && false\nX=3", "3"),
        ("command -v none >/dev/null && false\nX=4", "4"),
        ("echo a | grep -q b && false\nX=5", "5"),
        ("false || true\nX=6", "6"),
        ("set -eu\n[ -f /none ] && false\nX=7\n$(exit)", "7"),
        ("f() {\n  false\n  X=8\n}\nf", "8"),
        ("X='a\nb'", "a\nb"),
        ("X=1\\\n0", "10"),
        ("cat >/dev/null <<E\nif true\nE\nX=11", "11"),
        ("declare -x X=12", "12"),
        ("shopt -s extglob\ncase a in !(b)) X=13 ;; esac", "13"),
        ("false &&\n  false || X=14", "14"),
        ("X='it'\\''s $HOME'", "it's $HOME"),
        ("PATH=/none\nX=15", "15"),
        ("false && X=1; X=16", "16"),
        ("(exit 4) || X=17", "17"),
    ],
)  # fmt: skip
def test_what_bash_takes_for_no_failure_goes_on_in_the_same_shell(
    setup: str, value: str, tmp_path: Path
) -> None:
    for done in (run(setup), run(setup, script=tmp_path / "job.sh")):
        assert (done.returncode, done.stdout) == (0, f"ready X={value}\n"), done.stderr


def test_an_exit_after_the_set_up_is_not_the_set_ups() -> None:
    done = subprocess.run(
        ["bash", "-c", f"{setup_script('X=1')}\nexit 5"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (5, "")


def test_a_command_inside_a_file_may_fail_and_the_files_own_status_counts(tmp_path: Path) -> None:
    profile = tmp_path / "profile.sh"
    profile.write_text("false\nX=1\n", encoding="utf-8")
    assert run(f"source {profile}").stdout == "ready X=1\n"
    profile.write_text("X=1\nfalse\n", encoding="utf-8")
    assert f"{profile} (it returned 1)" in run(f". {profile}").stderr
