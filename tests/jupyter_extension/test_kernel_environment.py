"""The variables of a kernel: its own Python's programs come first, and plots are drawn inline."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import pytest

from jlab_tui.jupyter_extension.kernel_environment import (
    CONDA,
    PLAIN,
    VENV,
    KernelPython,
    first_on_path,
    kernel_variables,
    python_of,
)

from .servers import PYTHON, owning, serving

SHELL = {
    "PATH": "/home/me/bin:/usr/bin",
    "VIRTUAL_ENV": "/old/.venv",
    "VIRTUAL_ENV_PROMPT": "old",
    "CONDA_PREFIX": "/conda",
    "CONDA_DEFAULT_ENV": "base",
    "PYTHONHOME": "/old",
    "HOME": "/home/me",
}


@pytest.mark.parametrize(
    ("python", "changed", "gone"),
    [
        (
            KernelPython("/p/.venv/bin", VENV, False),
            {"PATH": "/p/.venv/bin:/home/me/bin:/usr/bin", "VIRTUAL_ENV": "/p/.venv"},
            {"VIRTUAL_ENV_PROMPT", "PYTHONHOME"},
        ),
        (
            KernelPython("/conda/envs/ml/bin", CONDA, True),
            {
                "PATH": "/conda/envs/ml/bin:/home/me/bin:/usr/bin",
                "CONDA_PREFIX": "/conda/envs/ml",
                "CONDA_DEFAULT_ENV": "/conda/envs/ml",
            },
            {"VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "PYTHONHOME"},
        ),
        (
            KernelPython("/conda/bin", CONDA, False),
            {"PATH": "/conda/bin:/home/me/bin:/usr/bin"},
            {"VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "PYTHONHOME"},
        ),
        (
            KernelPython("/usr/bin", PLAIN, True),
            {},
            {"VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "CONDA_PREFIX", "CONDA_DEFAULT_ENV"},
        ),
        (
            KernelPython("/usr/bin", PLAIN, False),
            {"PATH": "/usr/bin:/home/me/bin"},
            {"VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "CONDA_PREFIX", "CONDA_DEFAULT_ENV"},
        ),
        (None, {}, set()),
    ],
    ids=["venv", "conda", "conda as in the shell", "system", "system behind another", "no Python"],
)
def test_a_kernel_is_in_the_environment_of_its_python(
    python: KernelPython | None, changed: Mapping[str, str], gone: set[str]
) -> None:
    expected = {name: value for name, value in {**SHELL, **changed}.items() if name not in gone}
    assert kernel_variables(SHELL, python) == expected


def test_a_pip_of_another_python_installs_nothing_for_an_environment_without_one() -> None:
    without = KernelPython("/p/.venv/bin", VENV, False, has_pip=False)
    assert kernel_variables(SHELL, without)["PIP_REQUIRE_VIRTUALENV"] == "1"
    for other in (without._replace(has_pip=True), without._replace(kind=CONDA), without._replace(kind=PLAIN)):
        assert "PIP_REQUIRE_VIRTUALENV" not in kernel_variables(SHELL, other)


@pytest.mark.parametrize("backend", ["Agg", "TkAgg", "", "module://nowhere", "two\nlines"])
def test_a_backend_of_the_shell_hides_no_plots(backend: str) -> None:
    assert kernel_variables({"MPLBACKEND": backend, "A": "b"}, None) == {"A": "b"}


def test_lightning_waits_for_no_other_rank_in_a_job() -> None:
    job = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "jlab-mcp", "SLURM_NTASKS": "1", "SLURM_EXPORT_ENV": "NONE"}
    assert kernel_variables(job, None) == {
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NAME": "interactive",
        "SLURM_NTASKS": "1",
    }


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", f"/e/bin:{os.defpath}"),
        ("/e/bin:/usr/bin", "/e/bin:/usr/bin"),
        ("/usr/bin:/e/bin", "/e/bin:/usr/bin"),
        ("::/usr/bin", "/e/bin:::/usr/bin"),
    ],
)
def test_a_folder_stands_on_the_path_once(path: str, expected: str) -> None:
    assert first_on_path("/e/bin", path) == expected


def environment(at: Path, mark: str) -> str:
    (at / "bin").mkdir(parents=True)
    (at / "bin" / "pip").touch()
    python = at / "bin" / "python"
    python.symlink_to(sys.executable)
    (at / "bin" / "python3").symlink_to(python)
    if mark == "conda-meta":
        (at / mark).mkdir()
    elif mark:
        (at / mark).touch()
    return str(python)


@pytest.mark.parametrize(("mark", "kind"), [("pyvenv.cfg", VENV), ("conda-meta", CONDA), ("", PLAIN)])
def test_an_environment_is_known_by_its_mark_not_its_name(tmp_path: Path, mark: str, kind: str) -> None:
    program = environment(tmp_path / 'a "quoted" $HOME é', mark)
    folder = os.path.dirname(program)
    assert python_of([program, "-m", "x"], {"PATH": "/bin"}) == KernelPython(folder, kind, False)
    assert python_of([program], {"PATH": folder}) == KernelPython(folder, kind, True)
    assert python_of(["python3"], {"PATH": folder}) == KernelPython(folder, kind, True)


@pytest.mark.parametrize("command", [[], ["R", "--slave"], ["/gone/bin/python"], [""], ["python3.99"]])
def test_a_program_that_is_no_python_here_leaves_the_environment_alone(command: list[str]) -> None:
    assert python_of(command, {"PATH": ""}) is None


async def test_every_process_of_a_kernel_is_one_of_its_python_also_after_a_restart(tmp_path: Path) -> None:
    ask = (
        "import os, shutil, sys\n"
        "print(repr((shutil.which('python3'), os.environ.get('VIRTUAL_ENV'), sys.prefix, os.environ['MPLBACKEND'])))"
    )
    shell = {"MPLBACKEND": "Agg", "VIRTUAL_ENV": "/elsewhere", "PATH": "/usr/bin:/bin"}
    with serving(tmp_path / "s", environ=shell, lab=False) as server:
        async with owning(server) as channel:
            before = await channel.run(ask)
            restarted = server.http.post(f"api/kernels/{channel.kernel}/restart")
            assert restarted.status_code == 200
            after = await channel.run(ask)
    which, prefix_named, prefix, backend = ast.literal_eval(before)
    assert which == str(Path(PYTHON).with_name("python3"))
    assert prefix_named == prefix == str(Path(PYTHON).parents[1])
    assert "inline" in backend
    assert after == before


async def test_what_a_kernelspec_sets_itself_stays(tmp_path: Path) -> None:
    spec = tmp_path / "specs" / "kernels" / "own"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    content = {"argv": argv, "display_name": "own", "language": "python", "env": {"MPLBACKEND": "Agg"}}
    (spec / "kernel.json").write_text(json.dumps(content), encoding="utf-8")
    with serving(
        tmp_path / "s", lab=False, kernelspec_dirs=[str(tmp_path / "specs")], default_kernel="own"
    ) as server:
        async with owning(server) as channel:
            assert await channel.run("import os; print(os.environ['MPLBACKEND'])") == "Agg\n"


def environment_with_kernel(at: Path, argv: list[str]) -> str:
    """An environment whose kernelspec `bare` starts `argv`. Returns its data directory."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(at)], check=True)
    (site,) = (at / "lib").glob("python*/site-packages")
    (site / "ours.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n", encoding="utf-8")
    spec = at / "share" / "jupyter" / "kernels" / "bare"
    spec.mkdir(parents=True)
    content = {"argv": argv, "display_name": "bare", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(content), encoding="utf-8")
    return str(at / "share" / "jupyter")


async def test_python_in_the_kernelspec_of_an_environment_is_the_python_of_that_one(tmp_path: Path) -> None:
    venv = tmp_path / "it's a venv"
    data = environment_with_kernel(venv, ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"])
    gone = Path(data) / "kernels" / "gone"
    gone.mkdir()
    (gone / "kernel.json").write_text('{"argv": ["/gone/python"], "display_name": "g", "language": "python"}')
    broken = Path(data) / "kernels" / "broken"
    broken.mkdir()
    (broken / "kernel.json").write_text("{not json", encoding="utf-8")
    with serving(tmp_path / "s", lab=False, kernelspec_dirs=[data], default_kernel="bare") as server:
        programs = server.http.get("jlab-mcp/info").json()["kernel_programs"]
        assert programs == {"bare": str(venv / "bin" / "python"), "gone": None, "python3": PYTHON}
        async with owning(server) as channel:
            asked = await channel.run("import os, sys; print(sys.prefix, os.environ['VIRTUAL_ENV'], sep='|')")
            pip = await channel.run("print(os.environ['PIP_REQUIRE_VIRTUALENV'])")
    assert asked == f"{venv}|{venv}\n"
    assert pip == "1\n", "the environment has no pip"


async def test_a_file_beside_the_notebook_named_like_a_standard_module_keeps_no_kernel_from_starting(
    tmp_path: Path,
) -> None:
    # An environment that loads no module before the notebook's directory counts.
    command = ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    data = environment_with_kernel(tmp_path / "venv", command)
    with serving(tmp_path / "s", lab=False, kernelspec_dirs=[data], default_kernel="bare") as server:
        root = server.folder / "root"
        (root / "types.py").write_text("kinds = []\n", encoding="utf-8")
        (root / "mine.py").write_text("x = 5\n", encoding="utf-8")
        kernel = server.http.post("api/kernels", json={"path": "n.ipynb"}).json()["id"]
        async with owning(server, kernel) as channel:
            assert await channel.run("import mine, os; print(mine.x, os.getcwd())") == f"5 {root}\n"
