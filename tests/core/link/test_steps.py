"""The commands that carry a bridge, and what their ends mean."""

from __future__ import annotations

import shlex

import pytest

from jlab_tui.core.link.bridge import BridgeTarget
from jlab_tui.core.link.steps import (
    NODE_ENDS,
    explain_step_end,
    link_environment,
    overlaps,
    srun_command,
    ssh_command,
)

TARGET = BridgeTarget("gpu1", "/s", "42")
PROGRAM = ["sh", "-c", "exec 'python3' \"$1\"", "a b"]


def test_the_step_shares_the_job_on_its_node_asks_for_no_gpu_and_sends_each_byte_at_once() -> None:
    command = srun_command(TARGET, PROGRAM, overlaps=True)
    assert {"--overlap", "--unbuffered", "--jobid=42", "--nodes=1", "--ntasks=1"} <= set(command)
    assert "--nodelist=gpu1" in command and not any("gres" in word or "gpus" in word for word in command)
    assert command[-len(PROGRAM) :] == PROGRAM
    assert "--overlap" not in srun_command(TARGET, PROGRAM, overlaps=False), "Slurm before 20.11"
    assert overlaps("  --overlap  Allow other steps") and not overlaps("--overcommit")


@pytest.mark.parametrize("node", ["gpu1", "-oProxyCommand=evil"])
def test_a_node_is_never_an_option_of_ssh_and_its_shell_gets_the_program_word_by_word(node: str) -> None:
    command = ssh_command(BridgeTarget(node, "/s", "42"), PROGRAM)
    at = command.index("--")
    assert command[at + 1] == node and "-oBatchMode=yes" in command[:at]
    assert shlex.split(command[at + 2]) == PROGRAM and len(command) == at + 3


def test_nothing_in_the_environment_is_an_option_of_srun_and_the_jobs_cluster_is_named() -> None:
    env = {"SLURM_JOB_ID": "1", "SLURM_CONF": "/c", "SRUN_X": "1", "PATH": "/bin", "SLURM_CLUSTERS": "own"}
    own = link_environment(env, "")
    assert own["SLURM_CONF"] == "/c" and own["PATH"] == "/bin" and own["SLURM_CLUSTERS"] == "own"
    assert "SLURM_JOB_ID" not in own
    assert link_environment(env, "other")["SLURM_CLUSTERS"] == "other"


@pytest.mark.parametrize(
    ("code", "errors", "why", "is_final"),
    [
        (1, "srun: error: Slurm job 6 has expired\nsrun: Check SLURM_JOB_ID ...\n", "srun: error: Slurm job 6 has expired", True),
        (1, "srun: error: Unable to confirm allocation for job 9: Invalid job id specified", "srun: error: Unable to confirm allocation for job 9: Invalid job id specified", True),
        (1, "srun: error: Unable to create step for job 1: Job/step already completing or completed", "srun: error: Unable to create step for job 1: Job/step already completing or completed", True),
        (NODE_ENDS, "/s: No such file or directory", "/s: No such file or directory", True),
        (1, "srun: error: Unable to create step for job 1: Access denied", "srun: error: Unable to create step for job 1: Access denied", False),
        (143, "srun: Job step aborted: Waiting\nsrun: error: c: task 0: Terminated", "srun: error: c: task 0: Terminated", False),
        (143, "srun: Job step aborted: Waiting", "srun: Job step aborted: Waiting", False),
        (255, "gpu1: Permission denied (publickey).\n", "gpu1: Permission denied (publickey)", False),
        (255, "", "the pipe was closed", False),
    ],
)  # fmt: skip
def test_the_end_of_a_step_is_explained_by_what_it_said(
    code: int, errors: str, why: str, is_final: bool
) -> None:
    ended = explain_step_end(code, errors, "the pipe was closed")
    assert (ended.why, ended.is_final) == (why, is_final)


def test_a_step_that_says_nothing_has_its_exit_code() -> None:
    assert explain_step_end(7, "").why == "exit code 7"
    assert len(explain_step_end(1, "x" * 5000).why) == 300
