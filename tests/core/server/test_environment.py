"""Which Python runs kernels, and the notice if it is not the first environment's."""

from __future__ import annotations

import pytest

from jlab_tui.core.errors import LaunchFailed
from jlab_tui.core.server.environment import Candidate, Interpreter, PythonChoice, choose, require_projects

OWN = "/own/bin/python"
BOTH = Candidate("/p/.venv", Interpreter("/p/.venv/bin/python", True, True, True, True))
KERNEL = Candidate("/p/.venv", Interpreter("/p/.venv/bin/python", True, False, True))
NEITHER = Candidate("/p/.venv", Interpreter("/p/.venv/bin/python", True, has_pip=True))
SERVER_ONLY = Candidate("/p/.venv", Interpreter("/p/.venv/bin/python", True, True))
BROKEN = Candidate("/p/.venv", Interpreter("/p/.venv/bin/python", False, trouble="Illegal instruction"))
ACTIVE = Candidate("/a", Interpreter("/a/bin/python", True, True, True))
OURS = Candidate("/own", Interpreter(OWN, True, True, True))


@pytest.mark.parametrize(
    ("candidates", "server", "kernel", "prefixes"),
    [
        ([], OWN, "", ()),
        ([BOTH], BOTH.prefix + "/bin/python", "", ()),
        ([KERNEL], OWN, "/p/.venv/bin/python", ("/p/.venv",)),
        ([NEITHER], OWN, "", ("/p/.venv",)),
        ([SERVER_ONLY, ACTIVE], "/a/bin/python", "", ("/p/.venv",)),
        ([OURS, ACTIVE], OWN, "", ("/own", "/a")),
        ([BROKEN, OURS], OWN, "", ("/p/.venv", "/own")),
    ],
)
def test_the_first_environment_with_a_kernel_runs_the_kernels(
    candidates: list[Candidate], server: str, kernel: str, prefixes: tuple[str, ...]
) -> None:
    choice = choose(candidates, OWN, True)
    assert (choice.server, choice.kernel, choice.prefixes) == (server, kernel, prefixes)


def test_there_is_no_notice_if_the_first_environment_is_used() -> None:
    assert choose([BOTH], OWN, True).note == choose([], OWN, True).note == PythonChoice(OWN).note == ""


@pytest.mark.parametrize(
    ("candidate", "has_uv", "why", "fix"),
    [
        (
            NEITHER,
            True,
            "/p/.venv has no ipykernel",
            "/p/.venv/bin/python -m pip install ipykernel",
        ),
        (
            SERVER_ONLY,
            True,
            "/p/.venv has no ipykernel",
            "uv pip install --python /p/.venv/bin/python ipykernel",
        ),
        (
            SERVER_ONLY,
            False,
            "/p/.venv has no ipykernel",
            "/p/.venv/bin/python -m ensurepip && /p/.venv/bin/python -m pip install ipykernel",
        ),
        (BROKEN, True, "does not run here (Illegal instruction)", "/p/.venv/bin/python -c 'import sys'"),
        (
            Candidate("/p q/.venv", Interpreter("/p q/.venv/bin/python", False)),
            True,
            "does not run here (it printed nothing)",
            "'/p q/.venv/bin/python' -c 'import sys'",
        ),
        (
            Candidate("/p q", Interpreter("/p q/bin/python", False, leads_to="/usr/bin/python3.8")),
            True,
            "is not there any more (its link leads to /usr/bin/python3.8)",
            "mv '/p q' '/p q'.old && python3 -m venv '/p q' && '/p q'/bin/python -m pip install ipykernel",
        ),
        (
            Candidate(
                "/gone",
                Interpreter("/gone/bin/python", False, leads_to="/usr/bin/python3.8"),
                anew="/p q/.venv",
            ),
            True,
            "The Python of /gone is not there any more",
            "python3 -m venv '/p q/.venv' && '/p q/.venv'/bin/python -m pip install ipykernel",
        ),
        (
            Candidate("/home", None, anew="/p/.venv"),
            True,
            "/home has no Python",
            "python3 -m venv /p/.venv && /p/.venv/bin/python -m pip install ipykernel",
        ),
        (
            Candidate("/c", None, is_conda=True),
            True,
            "/c has no Python",
            "conda install -p /c ipykernel",
        ),
        (
            Candidate("/p", None),
            True,
            "/p has no Python",
            "mv /p /p.old && python3 -m venv /p && /p/bin/python -m pip install ipykernel",
        ),
    ],
)
def test_an_environment_that_is_passed_over_is_reported_with_a_command_that_deletes_nothing(
    candidate: Candidate, has_uv: bool, why: str, fix: str
) -> None:
    choice = choose([candidate], OWN, has_uv)
    assert choice.passed is not None and why in choice.passed.why and choice.passed.fix == fix
    assert why in choice.note and f"kernels run in {OWN};" in choice.note and choice.note.endswith(fix)
    assert "--clear" not in fix and "rm " not in fix


def test_the_first_that_was_passed_over_is_reported_although_another_one_is_used() -> None:
    choice = choose([NEITHER, Candidate("/b", None), KERNEL], OWN, True)
    assert choice.note.startswith("/p/.venv has no ipykernel, and kernels run in /p/.venv/bin/python;")
    assert choice.silent == ""


def test_a_python_that_does_not_run_here_is_kept_for_a_node_that_may_run_it() -> None:
    second = Candidate("/b", Interpreter("/b/bin/python", False))
    assert choose([BROKEN, second, ACTIVE], OWN, True).silent == "/p/.venv/bin/python"


@pytest.mark.parametrize(
    ("candidates", "instead"),
    [
        ([NEITHER], f"jlab-mcp's own Python instead: {OWN})"),
        ([BROKEN, OURS], f"jlab-mcp's own Python instead: {OWN})"),
        ([NEITHER, ACTIVE], "another environment instead: /a/bin/python)"),
        ([BROKEN, KERNEL], "another environment instead: /p/.venv/bin/python)"),
    ],
)
def test_a_start_that_leaves_the_first_environment_fails_unless_that_is_allowed(
    candidates: list[Candidate], instead: str
) -> None:
    choice = choose(candidates, OWN, True)
    require_projects(choice, OWN, fallback=True)
    with pytest.raises(LaunchFailed) as refused:
        require_projects(choice, OWN, fallback=False)
    assert choice.passed is not None and refused.value.message.startswith(choice.passed.why)
    assert choice.passed.fix in refused.value.hint
    assert refused.value.hint.endswith(f"(JLAB_MCP_PYTHON_FALLBACK=1 runs kernels in {instead}")


@pytest.mark.parametrize("candidates", [[], [BOTH], [KERNEL], [KERNEL, ACTIVE], [OURS]])
def test_a_start_in_the_first_environment_needs_nobodys_word(candidates: list[Candidate]) -> None:
    require_projects(choose(candidates, OWN, True), OWN, fallback=False)


@pytest.mark.parametrize(
    ("candidates", "server", "why", "fix"),
    [
        ([BOTH], "/p/.venv/bin/python", "", ""),
        ([KERNEL], OWN, "and /p/.venv has no JupyterLab.", "Add it with: uv pip install --python /p/.venv/bin/python jupyterlab"),
        ([NEITHER], OWN, "and /p/.venv has no ipykernel.", "Add it with: /p/.venv/bin/python -m pip install jupyterlab ipykernel"),
        ([], OWN, "and the project has no environment that has it.", ".venv/bin/python -m pip install jupyterlab ipykernel"),
    ],
)  # fmt: skip
def test_a_program_without_jupyterlab_needs_it_in_the_projects_environment(
    candidates: list[Candidate], server: str, why: str, fix: str
) -> None:
    choice = choose(candidates, OWN, True, own_serves=False)
    assert (choice.server, choice.kernel) == (server, "")
    if not why:
        require_projects(choice, OWN, fallback=False, own_serves=False)
        return
    with pytest.raises(LaunchFailed) as refused:
        require_projects(choice, OWN, fallback=True, own_serves=False)
    assert refused.value.message == f"jlab-mcp was installed without JupyterLab, {why}"
    assert refused.value.hint.endswith(fix)


def test_a_program_without_jupyterlab_leaves_the_projects_kernel_only_where_that_is_allowed() -> None:
    choice = choose([KERNEL, ACTIVE], OWN, True, own_serves=False)
    assert (choice.server, choice.kernel) == ("/a/bin/python", "")
    require_projects(choice, OWN, fallback=True, own_serves=False)
    with pytest.raises(LaunchFailed, match=r"/p/\.venv has no JupyterLab"):
        require_projects(choice, OWN, fallback=False, own_serves=False)
