"""Which kernel a notebook gets: its own, else one of its language, and never one of another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jlab_tui.core.errors import NotebookError
from jlab_tui.core.server.kernelspecs import (
    ChosenKernel,
    KernelSpecs,
    WantedKernel,
    choose_kernel,
    wanted_kernel,
)
from jlab_tui.core.server.record import KernelSpec

PYTHON = KernelSpec("python3", "Python (p)", "python", "/p/.venv/bin/python")
ML = KernelSpec("ml", "Python [ml]", "Python", "/ml/bin/python")
R = KernelSpec("ir", "R", "R", "/usr/bin/R")
SERVER = KernelSpecs(PYTHON, {"python3": PYTHON, "ml": ML, "ir": R})


@pytest.mark.parametrize(
    ("metadata", "wanted"),
    [
        ({}, WantedKernel()),
        ({"kernelspec": 5, "language_info": "R"}, WantedKernel()),
        ({"kernelspec": {"name": 7, "language": ["R"]}}, WantedKernel()),
        ({"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}}, WantedKernel("ir", "R", "R")),
        ({"kernelspec": {"name": "x"}, "language_info": {"name": "R"}}, WantedKernel("x", "", "R")),
        ({"language_info": {"name": "julia"}}, WantedKernel("", "", "julia")),
        ({"kernelspec": {"name": "ir33"}}, WantedKernel("ir33", "", "R")),
        ({"kernelspec": {"name": "julia-1.11"}}, WantedKernel("julia-1.11", "", "julia")),
        ({"kernelspec": {"name": "xcpp17"}}, WantedKernel("xcpp17", "", "c++")),
        ({"kernelspec": {"name": "conda-env-iris-py"}}, WantedKernel("conda-env-iris-py", "", "python")),
        ({"kernelspec": {"name": "conda-env-stats-r"}}, WantedKernel("conda-env-stats-r", "", "R")),
        ({"kernelspec": {"name": "conda-env-sim-jl"}}, WantedKernel("conda-env-sim-jl", "", "julia")),
        ({"kernelspec": {"name": "iris"}}, WantedKernel("iris")),
        ({"kernelspec": {"name": "7"}}, WantedKernel("7")),
    ],
)
def test_a_notebook_says_which_kernel_it_wants(metadata: dict[str, Any], wanted: WantedKernel) -> None:
    assert wanted_kernel(metadata) == wanted


@pytest.mark.parametrize(
    ("wanted", "spec"),
    [
        (WantedKernel(), PYTHON),
        (WantedKernel("python3", "Python 3", "python"), PYTHON),
        (WantedKernel("jlab-mcp-project", "Python (q)", "python"), PYTHON),
        (WantedKernel("", "", "Python"), PYTHON),
        (WantedKernel("ml", "", "python"), ML),
        (WantedKernel("ir", "R", "R"), R),
        (WantedKernel("", "", "r"), R),
        (WantedKernel("", "", "R 4.2"), R),
    ],
)
def test_the_kernel_that_it_names_or_the_usual_one_needs_no_word(
    wanted: WantedKernel, spec: KernelSpec
) -> None:
    assert choose_kernel(wanted, SERVER) == ChosenKernel(spec)


@pytest.mark.parametrize(
    ("wanted", "runs_on"),
    [
        (
            WantedKernel("conda-env-x-py", "Python [x]", "python"),
            "'python3' (Python (p), /p/.venv/bin/python)",
        ),
        (WantedKernel("myenv"), "'python3' (Python (p), /p/.venv/bin/python)"),
        (WantedKernel("xpython", "", "ipython"), "'python3' (Python (p), /p/.venv/bin/python)"),
        (WantedKernel("ir42", "R 4.2", "R"), "'ir' (R, /usr/bin/R)"),
    ],
)
def test_another_kernel_of_the_same_language_is_used_and_named(wanted: WantedKernel, runs_on: str) -> None:
    chosen = choose_kernel(wanted, SERVER)
    assert chosen.note == (
        f"The notebook names the kernel {wanted.shown}, which this server does not have; "
        f"its cells run on {runs_on} instead."
    )


def test_a_kernel_whose_program_is_gone_is_as_one_that_is_not_there() -> None:
    server = replace(SERVER, missing=frozenset({"ml", "python3"}))
    gone = KernelSpecs(PYTHON, {"python3": PYTHON, "ml": replace(ML, python="")}, frozenset({"python3"}))
    assert choose_kernel(WantedKernel(), gone) == ChosenKernel(replace(ML, python=""))
    assert choose_kernel(WantedKernel("python3"), gone).note == (
        "The notebook names the kernel 'python3', whose program is not there; "
        "its cells run on 'ml' (Python [ml]) instead."
    )
    with pytest.raises(NotebookError) as refused:
        choose_kernel(WantedKernel("ml", "", "python"), server)
    assert "The server's kernels: ir (R)." in refused.value.hint


def test_a_language_that_the_server_has_no_kernel_for_is_refused_with_the_kernels_that_it_has() -> None:
    with pytest.raises(NotebookError) as refused:
        choose_kernel(WantedKernel("julia-1.11", "Julia", "julia"), SERVER)
    assert refused.value.message == (
        "The notebook is written in julia (kernel 'julia-1.11' (Julia)), and this server has no kernel for that."
    )
    assert "python3 (Python (p)), ml (Python [ml]), ir (R)" in refused.value.hint
    with pytest.raises(NotebookError, match="written in julia, and"):
        choose_kernel(WantedKernel("", "", "julia"), SERVER)
    with pytest.raises(NotebookError) as bare:
        choose_kernel(WantedKernel("bash", "bash", "bash"), KernelSpecs(PYTHON, {}))
    assert (
        "written in bash (kernel 'bash'), and" in bare.value.message and "kernels: none." in bare.value.hint
    )


def test_a_python_notebook_gets_python_where_that_is_not_the_default_kernel() -> None:
    server = KernelSpecs(R, {"ir": R, "ml": ML})
    assert choose_kernel(WantedKernel(), server) == ChosenKernel(ML)
    assert "'python3', which this server does not have" in choose_kernel(WantedKernel("python3"), server).note


def test_the_kernel_of_a_session_is_described_by_the_name_in_its_notebook() -> None:
    assert SERVER.named(WantedKernel("ir", "", "R")) == R
    assert SERVER.named(WantedKernel("gone")) == SERVER.named(WantedKernel()) == PYTHON
