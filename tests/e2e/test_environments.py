"""Which Python runs the kernel: the project's own where it can, with or without a server of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from tests.project import Agent, Project


def make_venv(root: Path, *, packages: tuple[str, ...] | None) -> Path:
    """A `.venv` that sees the test environment's packages: all of them, or links to some."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root / ".venv")], check=True)
    (site,) = (root / ".venv" / "lib").glob("python*/site-packages")
    ours = Path(sysconfig.get_paths()["purelib"])
    if packages is None:
        (site / "ours.pth").write_text(f"{ours}\n", encoding="utf-8")
    else:
        for path in ours.iterdir():
            name = path.name.partition("-")[0].partition(".")[0]
            if name not in packages:
                (site / path.name).symlink_to(path)
    return root / ".venv"


async def kernel_prefix(agent: Agent) -> tuple[str, str]:
    opened = await agent.record("start_new_session", experiment_name="env")
    code = "import os, sys; print(sys.prefix); print(os.getcwd())"
    text = await agent.text("execute_code", session_id=opened["session_id"], code=code)
    prefix, cwd = text.splitlines()[:2]
    assert cwd == opened["cwd"] == str(agent.project.root / "notebooks")
    return prefix, str(opened["python"])


async def test_a_project_environment_with_jupyter_runs_server_and_kernel(project: Project) -> None:
    venv = make_venv(project.root, packages=None)
    project.start()
    async with project.client() as agent:
        prefix, python = await kernel_prefix(agent)
    assert prefix == str(venv) and python == str(venv / "bin" / "python")


async def test_a_project_environment_with_only_a_kernel_gets_a_kernel_under_our_server(
    project: Project,
) -> None:
    venv = make_venv(project.root, packages=("jupyterlab", "jupyter_server", "jupyter_lsp", "notebook_shim"))
    mine = venv / "share" / "jupyter" / "kernels" / "mine"
    mine.mkdir(parents=True)
    argv = ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Mine", "language": "python", "env": {"MINE": "1"}}
    (mine / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    code = "import os, sys; print(sys.prefix, os.environ['MINE'])"
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": code}
    ]
    metadata = {"kernelspec": {"name": "mine", "display_name": "Mine", "language": "python"}}
    notebook: dict[str, Any] = {"nbformat": 4, "nbformat_minor": 4, "metadata": metadata, "cells": cells}
    (project.root / "mine.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    project.start()
    async with project.client() as agent:
        prefix, python = await kernel_prefix(agent)
        assert prefix == str(venv) and python == str(venv / "bin" / "python")
        opened = await agent.record("start_session_resume_notebook", notebook_path="mine.ipynb")
        assert opened["python"] == python and "warnings" not in opened
        assert opened["cells"][0]["output"] == f"{venv} 1"


async def test_a_setup_counts_more_than_the_projects_environment(project: Project) -> None:
    make_venv(project.root, packages=("jupyterlab", "jupyter_server", "jupyter_lsp", "notebook_shim"))
    project.extra_env["JLAB_MCP_SETUP"] = f'PATH="{Path(sys.executable).parent}:$PATH"'
    project.start()
    async with project.client() as agent:
        prefix, _ = await kernel_prefix(agent)
    assert prefix == sys.prefix


async def test_a_project_environment_without_a_kernel_is_named_wherever_kernels_are_used(
    project: Project,
) -> None:
    venv = make_venv(project.root, packages=("ipykernel", "ipykernel_launcher"))
    (project.root / "types.py").write_text("kinds = ['a', 'b']\n", encoding="utf-8")  # it shadows nothing
    refused = project.run("start", "--detach")
    assert refused.returncode == 1 and project.run("status").returncode == 1
    assert f"{venv} has no ipykernel, so no kernel can run in it." in refused.stderr
    assert " install ipykernel\n" in refused.stderr and "JLAB_MCP_PYTHON_FALLBACK=1" in refused.stderr
    (active := project.home / "active").mkdir()
    other = make_venv(active, packages=None)
    refused = project.run("start", "--detach", VIRTUAL_ENV=str(other))
    assert (
        refused.returncode == 1 and f"{venv} has no ipykernel, so no kernel can run in it." in refused.stderr
    )
    assert f"runs kernels in another environment instead: {other}/bin/python)" in refused.stderr
    project.extra_env["JLAB_MCP_PYTHON_FALLBACK"] = "1"
    done = project.run("start", "--detach")
    assert done.returncode == 0
    told = f"{venv} has no ipykernel, and kernels run in {sys.executable}; add it with: "
    assert told in done.stdout and " install ipykernel" in done.stdout
    async with project.client() as agent:
        assert any(notice.startswith(told) for notice in (await agent.record("ping"))["notices"])
        opened = await agent.record("start_new_session", experiment_name="env")
        assert opened["python"] == sys.executable and opened["warnings"][0].startswith(told)


@pytest.mark.parametrize("path", ["$PATH", "/usr/bin:/bin"], ids=["a python with jupyter", "another"])
def test_a_line_of_the_set_up_that_fails_ends_the_start_with_its_own_words(
    project: Project, path: str
) -> None:
    python = Path(sys.executable).parent
    setup = f"PATH={python}:{path}\nsource ~/miniforge3/etc/profile.d/conda.sh\nconda activate torch"
    done = project.run("start", "--detach", JLAB_MCP_SETUP=setup)
    assert done.returncode == 1
    told = (
        "a line of JLAB_MCP_SETUP failed: source ~/miniforge3/etc/profile.d/conda.sh (it returned 1): bash: "
    )
    assert told in done.stderr and "/conda.sh: No such file or directory" in done.stderr, done.stderr
    assert project.run("status").returncode == 1
