from __future__ import annotations

from pathlib import Path

import pytest

from jlab_tui.core.settings import Mode, load_settings
from jlab_tui.core.slurm.allocation import (
    Allocation,
    allocation_here,
    choose_mode,
    node_names,
    offer,
    submits_another,
)

JOB = {"SLURM_JOB_ID": "42", "SLURM_JOB_NODELIST": "gpu[01-03],cpu1"}


@pytest.mark.parametrize(
    ("listed", "names"),
    [
        ("", []),
        ("gpu1", ["gpu1"]),
        ("gpu1,cpu2", ["gpu1", "cpu2"]),
        ("gpu[08-10]", ["gpu08", "gpu09", "gpu10"]),
        ("r[1-2]n[3,5],x", ["r1n3", "r1n5", "r2n3", "r2n5", "x"]),
        ("n[1-2]-ib,m[x,7", ["n1-ib", "n2-ib", "m", "x", "7"]),
        ("n[x-y]", []),
    ],
)
def test_a_list_of_nodes_is_read_as_slurm_writes_it(listed: str, names: list[str]) -> None:
    assert list(node_names(listed)) == names


@pytest.mark.parametrize(
    ("env", "host", "found"),
    [
        (JOB, "gpu02.site", Allocation("42", "gpu02")),
        (JOB, "login1", None),
        ({**JOB, "SLURMD_NODENAME": "cpu1"}, "machine", Allocation("42", "cpu1")),
        ({**JOB, "SLURMD_NODENAME": "other"}, "machine", None),
        ({**JOB, "SLURM_JOB_ID": ""}, "gpu02", None),
        ({"SLURM_JOB_ID": "42"}, "gpu02", None),
        ({}, "gpu02", None),
        ({**JOB, "SLURM_GPUS_ON_NODE": "2", "SLURM_JOB_END_TIME": "1700000000"}, "gpu01", Allocation("42", "gpu01", 2, 1.7e9)),
        ({**JOB, "SLURM_STEP_GPUS": "0,2-3"}, "gpu01", Allocation("42", "gpu01", 3)),
    ],
)  # fmt: skip
def test_only_a_node_of_the_job_is_inside_it(
    env: dict[str, str], host: str, found: Allocation | None
) -> None:
    assert allocation_here(env, host) == found


@pytest.mark.parametrize(("gpus", "said"), [(0, "no GPU"), (1, "1 GPU"), (2, "2 GPUs")])
def test_a_job_is_named_with_what_it_has_here(gpus: int, said: str) -> None:
    assert str(Allocation("42", "gpu01", gpus)) == f"job 42 on gpu01 ({said})"


def test_whoever_submits_from_inside_a_job_is_told_how_to_use_that_one() -> None:
    assert submits_another({}, "gpu01") == offer(None) == ""
    inside = submits_another(JOB, "gpu01")
    assert inside.startswith("This is inside job 42 on gpu01 (no GPU)") and "--mode local" in inside
    kept = submits_another(JOB, "gpu01", "/etc/jlab-mcp/config, line 3")
    assert "--mode local" not in kept
    assert kept.endswith(
        "another job. The site keeps JLAB_MCP_RUN_MODE as it is (/etc/jlab-mcp/config, line 3)."
    )
    held = submits_another(JOB, "login1")
    assert "login1 is none of its nodes" in held and held.endswith("srun --overlap --jobid 42 --pty bash")
    assert offer(Allocation("42", "gpu01")).startswith("This process runs in job 42 on gpu01")


WITH_GPU, WITHOUT = Allocation("42", "gpu01", 1), Allocation("42", "cpu1")


@pytest.mark.parametrize(
    ("given", "variable", "gres", "has_sbatch", "around", "wants_walltime", "mode", "why"),
    [
        ("local", "slurm", "", True, None, False, Mode.LOCAL, "--mode"),
        ("slurm", "local", "", False, WITH_GPU, False, Mode.SLURM, "--mode"),
        (None, "local", "", True, None, False, Mode.LOCAL, "JLAB_MCP_RUN_MODE"),
        (None, "slurm", "", False, WITH_GPU, False, Mode.SLURM, "JLAB_MCP_RUN_MODE"),
        (None, "", "", True, None, False, Mode.SLURM, "sbatch is found"),
        (None, "", "", False, None, False, Mode.LOCAL, "no sbatch"),
        (None, "", "", True, WITH_GPU, False, Mode.LOCAL, "inside job 42 on gpu01 (1 GPU)"),
        (None, "", "", True, WITH_GPU, True, Mode.SLURM, "sbatch is found"),
        (None, "", "", True, WITHOUT, False, Mode.SLURM, "sbatch is found"),
        (None, "", "none", True, WITHOUT, False, Mode.LOCAL, "inside job 42 on cpu1 (no GPU)"),
    ],
)
def test_the_server_runs_where_the_command_says_then_the_variable_then_where_it_fits(
    given: str | None, variable: str, gres: str, has_sbatch: bool, around: Allocation | None, wants_walltime: bool,
    mode: Mode, why: str,
) -> None:  # fmt: skip
    env = {"HOME": "/home/ada", "JLAB_MCP_RUN_MODE": variable, "JLAB_MCP_SLURM_GRES": gres}
    settings = load_settings(env, Path("/work"), lambda path: False)
    chosen = choose_mode(settings, given, has_sbatch=has_sbatch, around=around, wants_walltime=wants_walltime)
    assert chosen == (mode, why)
