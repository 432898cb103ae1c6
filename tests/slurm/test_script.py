"""The job script on a real node: options arrive, odd paths survive, what is missing is named."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jlab_tui.adapters.slurm.commands import Slurm
from jlab_tui.core.slurm.job_end import explain_end
from jlab_tui.core.slurm.script import ResourceRequest, ScriptInputs
from jlab_tui.core.slurm.show import JobDetails
from jlab_tui.core.slurm.submit import Submitted

from .jobs import CPU_JOB, GPU_JOB, LAUNCHER, has_ended, inputs, is_running, job_when, script, submit
from .machines import Cluster, wait_for

pytestmark = [pytest.mark.xdist_group("slurm"), pytest.mark.usefixtures("job_past_its_walltime")]


OF_ANOTHER_MACHINE = "/tmp/jlab-mcp-test of another machine/bin/python"


@pytest.fixture
def foreign_python() -> Iterator[None]:
    """A Python that no machine here can run."""
    path = Path(OF_ANOTHER_MACHINE)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x7fELF\x02\x01\x01 of another machine")
    path.chmod(0o755)
    yield
    shutil.rmtree(path.parents[1])


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


async def test_set_up_lines_choose_the_python_and_what_fails_inside_them_may_be_meant(
    cluster: Cluster, slurm: Slurm
) -> None:
    inner = cluster.shared / "profile.sh"
    inner.write_text("false\ntrue\n", encoding="utf-8")
    setup = f"[ -f /none ] && echo x\nfalse || true\n. {inner}\nPATH={Path(sys.executable).parent}:$PATH"
    given = replace(inputs(cluster, "setup", pythons=[""]), setup=setup)
    answer = await slurm.submit(script(CPU_JOB, given))
    assert isinstance(answer, Submitted), answer
    wait_for((cluster.shared / "setup.json").exists, "the launcher has started")
    log = (cluster.shared / f"setup-{answer.job_id}.log").read_text(encoding="utf-8")
    assert "JLAB_MCP_SETUP" not in log
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
        ({"pythons": [OF_ANOTHER_MACHINE]}, "", 88, f"{OF_ANOTHER_MACHINE} does not run on c"),
        (
            {"pythons": [""], "setup": "PATH=/usr/bin:/bin\nconda activate ml"},
            "",
            89,
            "conda activate ml (it returned 127)",
        ),
    ],
    ids=["venv missing", "jupyter missing", "no modules", "of another machine", "conda not initialised"],
)
@pytest.mark.usefixtures("foreign_python")
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


async def log_of(
    cluster: Cluster, slurm: Slurm, name: str, given: ScriptInputs, request: ResourceRequest
) -> str:
    """What a job says until its launcher runs."""
    answer = await slurm.submit(script(request, given))
    assert isinstance(answer, Submitted), answer
    log = Path(given.log.replace("%j", answer.job_id))
    wait_for((cluster.shared / f"{name}.json").exists, "the launcher has started")
    return log.read_text(encoding="utf-8")


MODULE = 'module() { _module_says "$@"; }; _module_says() { echo "modules: $* of $MODULEPATH"; }'


async def test_modules_that_only_a_login_shell_knows_are_loaded(cluster: Cluster, tmp_path: Path) -> None:
    profile = f"echo a banner\n{MODULE}\nexport MODULEPATH='/site/it is'\nsay() {{ :; }}\nPATH=/nowhere\n"
    (tmp_path / ".bash_profile").write_text(profile, encoding="utf-8")
    slurm = Slurm({**cluster.env, "HOME": str(tmp_path)})
    log = await log_of(
        cluster, slurm, "login", inputs(cluster, "login"), replace(CPU_JOB, modules="cuda/12.1 gcc")
    )
    assert "modules: load cuda/12.1 gcc of /site/it is" in log
    assert "a banner" not in log and "starting JupyterLab with" in log


async def test_modules_that_the_set_up_defines_are_loaded_after_it(cluster: Cluster, slurm: Slurm) -> None:
    given = replace(inputs(cluster, "defines"), setup=f"{MODULE}\nMODULEPATH=mine")
    log = await log_of(cluster, slurm, "defines", given, replace(CPU_JOB, modules="cuda"))
    assert "modules: load cuda of mine" in log


async def test_limits_of_the_shell_and_no_exported_variables_reach_the_job(
    cluster: Cluster, tmp_path: Path
) -> None:
    wrapper = tmp_path / "sbatch"
    wrapper.write_text(
        f'#!/bin/sh\nulimit -S -v 2000000\nulimit -S -n 64\nexec {shutil.which("sbatch")} "$@"\n'
    )
    wrapper.chmod(0o755)
    env = {**cluster.env, "PATH": f"{tmp_path}:{cluster.env['PATH']}", "SBATCH_EXPORT": "NONE"}
    setup = 'echo "limits: $(ulimit -S -v) $(ulimit -S -n) of $(ulimit -H -v) $(ulimit -H -n), ${SLURM_EXPORT_ENV-not set}"'
    given = replace(inputs(cluster, "limits"), setup=setup)
    log = await log_of(cluster, Slurm(env), "limits", given, CPU_JOB)
    (told,) = [line.removeprefix("limits: ") for line in log.splitlines() if line.startswith("limits: ")]
    soft, _, rest = told.partition(" of ")
    assert soft == rest.partition(",")[0] and "2000000" not in soft and told.endswith(", not set")


async def test_a_file_of_the_project_shadows_nothing_when_the_node_asks_a_python(
    cluster: Cluster, slurm: Slurm
) -> None:
    given = inputs(cluster, "shadows", workdir=str(cluster.shared / "shadowed"))
    (cluster.shared / "shadowed").mkdir()
    for name in ("types.py", "importlib.py", "random.py"):
        (cluster.shared / "shadowed" / name).write_text("kinds = []\n", encoding="utf-8")
    assert "starting JupyterLab with" in await log_of(cluster, slurm, "shadows", given, CPU_JOB)


@pytest.mark.usefixtures("foreign_python")
async def test_a_python_that_does_not_run_there_is_passed_over_and_the_launcher_is_told(
    cluster: Cluster, slurm: Slurm
) -> None:
    wrapper = cluster.shared / "python-in-an-image"
    wrapper.write_text("#!/bin/sh\necho first >&2\necho 'FATAL: no image' >&2\nexit 255\n", encoding="utf-8")
    wrapper.chmod(0o755)
    given = inputs(cluster, "foreign", pythons=[OF_ANOTHER_MACHINE, str(wrapper), sys.executable])
    (cluster.shared / "launch.py").write_text(
        f"import os\nprint(os.environ['jlab_mcp_passed_over'])\n{LAUNCHER}"
    )
    log = await log_of(cluster, slurm, "foreign", given, CPU_JOB)
    told = [line for line in log.splitlines() if line.startswith(f"{OF_ANOTHER_MACHINE} does not run on c")]
    assert told and "cannot execute binary file" in told[0] and "line " not in told[0]
    assert f"{wrapper} does not run on c" in log and ": FATAL: no image\n" in log


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
