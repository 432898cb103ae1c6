"""Asking a Python what it can run, despite shadowing files and other output."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jlab_tui.adapters.interpreter import ask_python
from jlab_tui.adapters.server.environment import (
    choose_python,
    inspect_python,
    kernelspecs_of,
    write_kernelspec,
)

ENV = {"PATH": os.environ["PATH"], "HOME": "/"}


def program(path: Path, script: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("name", ["types.py", "random.py", "json.py", "importlib.py"])
async def test_a_file_of_the_project_shadows_no_standard_module_of_the_question(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("kinds = ['a', 'b']\n", encoding="utf-8")
    with contextlib.chdir(tmp_path):
        found = await inspect_python(sys.executable, ENV)
        assert found.runs and found.has_server and found.has_kernel
        assert (await ask_python(sys.executable, ENV)).version


@pytest.mark.parametrize(
    ("script", "trouble"),
    [
        ("echo 'Welcome to the cluster'; exit 0", "Welcome to the cluster"),
        ("echo first >&2; echo 'version GLIBC_2.34 not found' >&2; exit 1", "version GLIBC_2.34 not found"),
        ("exit 3", "exit code 3"),
        ("kill -ILL $$", "exit code -4"),
        ("printf '\\377\\376' >&2; exit 1", "\ufffd\ufffd"),
    ],
)
async def test_one_that_does_not_answer_is_reported_with_its_last_line(
    tmp_path: Path, script: str, trouble: str
) -> None:
    found = await inspect_python(program(tmp_path / "a b" / "python", script), ENV)
    assert (found.runs, found.trouble) == (False, trouble)


async def test_banners_before_and_after_the_answer_are_passed_over(tmp_path: Path) -> None:
    script = f'echo "You have mail"; {sys.executable} "$@"; echo "1 0 0 bye"'
    found = await inspect_python(program(tmp_path / "python", script), ENV)
    assert found.runs and found.has_kernel


async def test_one_that_hangs_is_given_up(tmp_path: Path) -> None:
    found = await inspect_python(program(tmp_path / "python", "exec sleep 600"), ENV, 0.5)
    assert not found.runs and "no answer in 0.5 s" in found.trouble


async def test_one_that_cannot_be_executed_is_reported_with_the_systems_error(tmp_path: Path) -> None:
    path = tmp_path / "python"
    path.write_bytes(b"\x7fELF of another machine")
    path.chmod(0o755)
    assert "Exec format error" in (await inspect_python(str(path), ENV)).trouble


async def test_each_environment_is_asked_once_and_conda_base_is_nobodys_project(tmp_path: Path) -> None:
    venv = tmp_path / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    link = tmp_path / "link"
    link.symlink_to(venv)
    env = {
        **ENV,
        "VIRTUAL_ENV": str(link),
        "CONDA_PREFIX": str(tmp_path / "conda"),
        "CONDA_DEFAULT_ENV": "base",
    }
    (tmp_path / "conda" / "conda-meta").mkdir(parents=True)
    choice = await choose_python(tmp_path, env)
    assert choice.prefixes == (str(venv),) and choice.note.startswith(f"{venv} has no ipykernel")
    named = await choose_python(
        tmp_path / "other", {**env, "VIRTUAL_ENV": "/gone", "CONDA_DEFAULT_ENV": "ml"}
    )
    assert named.note.startswith(f"{tmp_path / 'conda'} has no Python")


async def test_a_conda_environment_without_a_python_is_told_how_conda_adds_one(tmp_path: Path) -> None:
    (tmp_path / ".venv" / "conda-meta").mkdir(parents=True)
    choice = await choose_python(tmp_path, ENV)
    assert choice.passed is not None and choice.passed.fix.startswith(f"conda install -p {tmp_path}/.venv")


@pytest.mark.parametrize("target", ["/scratch/purged", ".venv", ""])
async def test_an_environment_that_is_only_a_link_or_a_file_is_reported(tmp_path: Path, target: str) -> None:
    venv = tmp_path / ".venv"
    if target:
        venv.symlink_to(target)
    else:
        venv.write_text("elsewhere", encoding="utf-8")
    choice = await choose_python(tmp_path, {**ENV, "VIRTUAL_ENV": sys.prefix})
    assert choice.server == sys.executable and choice.passed is not None
    assert choice.passed.why == (
        f"The Python of {venv} is not there any more (its link leads to {target})"
        if target
        else f"{venv} has no Python"
    )
    assert choice.passed.fix.startswith(f"mv {venv} ")
    assert choice.silent == (f"{venv}/bin/python" if target else "")


async def test_a_directory_that_only_the_shell_names_is_left_where_it_is(tmp_path: Path) -> None:
    named = tmp_path / "work"
    named.mkdir()
    choice = await choose_python(named, {**ENV, "VIRTUAL_ENV": os.path.relpath(named)})
    assert choice.passed is not None and choice.passed.why.endswith("/work has no Python")
    assert choice.passed.fix == (
        f"python3 -m venv {named}/.venv && {named}/.venv/bin/python -m pip install ipykernel"
    )


async def test_our_own_environment_is_no_other_one(tmp_path: Path) -> None:
    choice = await choose_python(tmp_path, {**ENV, "VIRTUAL_ENV": sys.prefix})
    assert (choice.server, choice.kernel, choice.note) == (sys.executable, "", "")


def test_the_projects_kernel_has_the_name_that_notebooks_use(tmp_path: Path) -> None:
    data = write_kernelspec(tmp_path, "/p q/bin/python", "p")
    spec = json.loads((data / "kernels" / "python3" / "kernel.json").read_text(encoding="utf-8"))
    assert spec["argv"][0] == "/p q/bin/python"
    assert kernelspecs_of(str(tmp_path)) == ""
    (tmp_path / "share" / "jupyter" / "kernels").mkdir(parents=True)
    assert kernelspecs_of(str(tmp_path)) == str(tmp_path / "share" / "jupyter")
