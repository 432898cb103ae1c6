"""The job script on a real node: options arrive, odd paths survive, what is missing is named."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from jlab_tui.adapters.slurm.commands import Slurm
from jlab_tui.core.slurm.job_end import explain_end
from jlab_tui.core.slurm.show import JobDetails
from jlab_tui.core.slurm.submit import Submitted

from .jobs import CPU_JOB, GPU_JOB, has_ended, inputs, is_running, job_when, script, submit
from .machines import Cluster, wait_for

pytestmark = [pytest.mark.xdist_group("slurm"), pytest.mark.usefixtures("job_past_its_walltime")]


async def test_every_option_reaches_slurm(cluster: Cluster, slurm: Slurm) -> None:
    request = replace(GPU_JOB, gres="gpu:a100:2", cpus=3, mem_mb=321, time="2:30:00", account="physics")
    job_id = await submit(slurm, cluster, "options", replace(request, extra="--nice=7; --mail-type=NONE"))
    job = await job_when(slurm, job_id, is_running)
    assert (job.cpus, job.memory, job.gres, job.time_limit) == (3, "321M", "gres:gpu:a100:2", 9000)
    shown = cluster.run("scontrol", "-o", "show", "job", job_id)
    assert " Requeue=0 " in shown and " Nice=7 " in shown and f" WorkDir={cluster.shared} " in shown


async def test_without_a_partition_slurms_default_is_used(cluster: Cluster, slurm: Slurm) -> None:
    job_id = await submit(slurm, cluster, "default", CPU_JOB)
    assert (await job_when(slurm, job_id, is_running)).partition == "cpu"


async def test_the_users_environment_does_not_override_the_script(cluster: Cluster) -> None:
    noisy = {
        "SBATCH_JOB_NAME": "other",
        "SBATCH_WAIT": "1",
        "SBATCH_REQUEUE": "1",
        "SQUEUE_STATES": "PENDING",
        "SQUEUE_FORMAT": "%j",
    }
    slurm = Slurm({**cluster.env, **noisy})
    job_id = await submit(slurm, cluster, "noisy", CPU_JOB)
    assert (await job_when(slurm, job_id, is_running)).name == "jlab-mcp"


async def test_paths_with_blanks_quotes_and_percent_signs_work(cluster: Cluster, slurm: Slurm) -> None:
    odd = cluster.shared / 'it\'s 100%u "odd" $HOME #dir'
    odd.mkdir()
    given = inputs(cluster, "odd")
    launcher = shutil.copy(given.launcher, odd / "launch.py")
    config = shutil.copy(given.config, odd / "config.json")
    given = replace(given, log=f"{odd}/%j.log", workdir=str(odd), launcher=str(launcher), config=str(config))
    answer = await slurm.submit(script(CPU_JOB, given))
    assert isinstance(answer, Submitted), answer
    wait_for((cluster.shared / "odd.json").exists, "the launcher has started")
    assert "launched" in (odd / f"{answer.job_id}.log").read_text(encoding="utf-8")
    assert f" WorkDir={odd} " in cluster.run("scontrol", "-o", "show", "job", answer.job_id)


async def test_set_up_lines_choose_the_python_and_a_failing_one_is_only_a_warning(
    cluster: Cluster, slurm: Slurm
) -> None:
    setup = f"false\nexport FROM_SETUP=yes\nPATH={Path(sys.executable).parent}:$PATH"
    given = replace(inputs(cluster, "setup", pythons=[""]), setup=setup)
    answer = await slurm.submit(script(CPU_JOB, given))
    assert isinstance(answer, Submitted), answer
    wait_for((cluster.shared / "setup.json").exists, "the launcher has started")
    log = (cluster.shared / f"setup-{answer.job_id}.log").read_text(encoding="utf-8")
    assert "returned 1: false" in log
    assert f"starting JupyterLab with {Path(sys.executable).parent}/python3" in log


@pytest.mark.parametrize(
    ("changes", "modules", "code", "said"),
    [
        (
            {"pythons": ["/nonexistent/.venv/bin/python"]},
            "",
            91,
            "no Python at /nonexistent/.venv/bin/python",
        ),
        ({"pythons": ["/usr/bin/python3"]}, "", 92, "/usr/bin/python3 has no jupyter_server"),
        ({}, "cuda/12.1", 90, "no `module` command"),
    ],
    ids=["venv missing", "jupyter missing", "no modules"],
)
async def test_the_log_and_the_advice_name_what_is_missing_on_the_node(
    cluster: Cluster, slurm: Slurm, changes: dict[str, str | list[str]], modules: str, code: int, said: str
) -> None:
    given = inputs(cluster, f"missing{code}", **changes)
    answer = await slurm.submit(script(replace(CPU_JOB, modules=modules), given))
    assert isinstance(answer, Submitted), answer
    await job_when(slurm, answer.job_id, has_ended)
    details = await slurm.details(answer.job_id)
    assert isinstance(details, JobDetails)
    assert details.exit_code == code
    assert said in Path(details.log).read_text(encoding="utf-8")
    advice = explain_end(details.state, details.job_id, exit_code=details.exit_code)
    assert advice.hint and "exit code" not in advice.message


async def test_a_python_without_jupyter_is_passed_over_for_the_next(cluster: Cluster, slurm: Slurm) -> None:
    given = inputs(cluster, "second", pythons=["/usr/bin/python3", sys.executable])
    answer = await slurm.submit(script(CPU_JOB, given))
    assert isinstance(answer, Submitted), answer
    wait_for((cluster.shared / "second.json").exists, "the launcher has started")


async def test_nothing_secret_is_in_the_script_that_slurm_keeps(cluster: Cluster, slurm: Slurm) -> None:
    secret = "s3cr3t-0123456789abcdef"
    job_id = await submit(
        Slurm({**cluster.env, "JUPYTER_TOKEN": secret}), cluster, "secret", replace(CPU_JOB, extra="--hold")
    )
    kept = cluster.run("scontrol", "write", "batch_script", job_id, "-")
    environment = cluster.directory / "state" / f"hash.{int(job_id) % 10}" / f"job.{job_id}" / "environment"
    assert "#SBATCH --job-name=jlab-mcp" in kept
    assert secret not in kept
    assert secret.encode() not in environment.read_bytes()
