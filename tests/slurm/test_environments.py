"""Which Python a job's kernels run in: the project's where the node runs it, and else that is said everywhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.project import Project

from .machines import Cluster

pytestmark = [pytest.mark.xdist_group("slurm"), pytest.mark.usefixtures("job_past_its_walltime")]


def environment(root: Path, *, runs_on_nodes: bool) -> Path:
    """A `.venv` with Jupyter that runs on the nodes only, or on all other machines only, as one for another CPU. Returns its Python."""
    venv = root / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    (site,) = (venv / "lib").glob("python*/site-packages")
    (site / "ours.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n", encoding="utf-8")
    python = venv / "bin" / "python"
    shutil.copy(python, venv / "bin" / "python-real", follow_symlinks=False)
    python.unlink()
    there, elsewhere = ("", "exit 1") if runs_on_nodes else ("exit 1", "")
    fails = "echo 'GLIBC_2.99 not found' >&2; exit 1"
    python.write_text(
        f"#!/bin/sh\ncase $(hostname) in\n  c*-*) {fails if there else ':'};;\n  *) {fails if elsewhere else ':'};;\nesac\n"
        f'exec "{venv}/bin/python-real" "$@"\n',
        encoding="utf-8",
    )
    python.chmod(0o755)
    return python


async def test_a_python_that_the_node_cannot_run_is_named_wherever_kernels_are_used(
    cluster: Cluster, lab: Project
) -> None:
    python = environment(lab.root, runs_on_nodes=False)
    refused = lab.run("start", "--detach")
    assert refused.returncode == 1
    assert "The project's Python does not run on the node." in refused.stderr, refused.stderr + refused.stdout
    assert f"{python} does not run on c" in refused.stderr and "GLIBC_2.99 not found" in refused.stderr
    lab.extra_env["JLAB_MCP_PYTHON_FALLBACK"] = "1"
    done = lab.run("start", "--detach")
    assert done.returncode == 0, done.stdout + done.stderr + lab.logs()
    told = f"{python} does not run on {lab.status_file()['HOSTNAME']}: GLIBC_2.99 not found; kernels run in {sys.executable} instead."
    assert told in done.stdout
    assert told in lab.run("doctor").stdout
    async with lab.client() as agent:
        assert told in (await agent.record("ping"))["notices"]
        opened = await agent.record("start_new_session", experiment_name="env")
        assert opened["python"] == sys.executable and told in opened["warnings"]


async def test_a_python_that_only_the_node_can_run_is_used_there(cluster: Cluster, lab: Project) -> None:
    python = environment(lab.root, runs_on_nodes=True)
    done = lab.run("start", "--detach")
    assert done.returncode == 0, done.stdout + done.stderr + lab.logs()
    assert (
        f"The Python of {python.parents[1]} does not run here (GLIBC_2.99 not found); the node tries it."
        in done.stdout
    )
    async with lab.client() as agent:
        opened = await agent.record("start_new_session", experiment_name="env")
        code = "import sys; print(sys.prefix)"
        prefix = await agent.text("execute_code", session_id=opened["session_id"], code=code)
        assert prefix.startswith(f"{python.parents[1]}\n") and "warnings" not in opened


def test_a_start_inside_a_job_says_so_and_its_own_job_knows_nothing_of_that_one(
    cluster: Cluster, lab: Project
) -> None:
    """As a shell of `salloc` on a login node has it."""
    outer = {
        "SLURM_JOB_ID": "4711",
        "SLURM_JOB_NODELIST": cluster.gpu1.name,
        "SLURM_STEP_ID": "0",
        "SLURM_MEM_PER_CPU": "100",
        "SLURM_NTASKS": "64",
    }
    show = 'echo "inherited: ${SLURM_STEP_ID-none} ${SLURM_MEM_PER_CPU-none} ${SLURM_NTASKS-none}"; exit 7'
    done = lab.run("start", "--detach", JLAB_MCP_SETUP=show, **outer)
    assert "This shell holds job 4711, but " in done.stdout
    assert "To use that one, go there first: srun --overlap --jobid 4711 --pty bash" in done.stdout
    assert "inherited: none none 1" in lab.run("logs").stdout
