"""Decides which Python runs the kernels, and says so if it is not the project's own.

The decision uses each candidate's report on this machine. In a job the node decides again, because an environment may run
in only one of the two places (`jupyter_extension/project_python.py`, the job script).
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import LaunchFailed


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python and what it can run."""

    path: str
    runs: bool
    has_server: bool = False
    has_kernel: bool = False
    has_pip: bool = False
    trouble: str = ""
    """why it does not run: its last line of output, or the system's error"""
    leads_to: str = ""
    """the target of a broken link"""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An environment that the project or the shell names."""

    prefix: str
    python: Interpreter | None
    """None: it has no Python, like a bare conda environment"""
    is_conda: bool = False
    anew: str = ""
    """where to make one in its place; empty: there, once it is moved away"""


@dataclass(frozen=True, slots=True)
class PassedOver:
    """An environment that comes first but does not run the kernels."""

    why: str
    """a sentence without the full stop"""
    remedy: str
    """what the command does"""
    fix: str
    """a command that deletes nothing"""

    @property
    def hint(self) -> str:
        """The remedy as a sentence."""
        return f"{self.remedy[0].upper()}{self.remedy[1:]}: {self.fix}"


@dataclass(frozen=True, slots=True)
class PythonChoice:
    """Which Python runs the server, and which one the kernels."""

    server: str
    kernel: str = ""
    """empty: the server's own"""
    passed: PassedOver | None = None
    silent: str = ""
    """an earlier Python that does not run here but may run on a node"""
    prefixes: tuple[str, ...] = ()
    """environments that add kernelspecs to the server's own"""

    @property
    def note(self) -> str:
        """Why the first environment does not run the kernels, with the remedy; empty if it does."""
        if self.passed is None:
            return ""
        return f"{self.passed.why}, and kernels run in {self.kernel or self.server}; {self.passed.remedy}: {self.passed.fix}"


def choose(
    candidates: Sequence[Candidate], own: str, has_uv: bool, *, own_serves: bool = True
) -> PythonChoice:
    """Choose among the candidates, in their order; without any, `own`, the Python of this program, runs everything.

    The first one with ipykernel runs the kernels. It runs the server too if it has JupyterLab; else `own` does, unless this
    program was installed without JupyterLab (`own_serves`)."""
    passed, silent = None, ""
    prefixes = tuple(candidate.prefix for candidate in candidates)
    for candidate in candidates:
        python = candidate.python
        if python is not None and python.path == own:
            break
        if python is not None and python.has_kernel and (python.has_server or own_serves):
            if python.has_server:
                others = tuple(prefix for prefix in prefixes if prefix != candidate.prefix)
                return PythonChoice(python.path, "", passed, silent, others)
            return PythonChoice(own, python.path, passed, silent, prefixes)
        passed = passed or _passed_over(candidate, has_uv, own_serves)
        if python is not None and not python.runs:
            silent = silent or python.path
    return PythonChoice(own, "", passed, silent, prefixes)


def require_projects(choice: PythonChoice, own: str, *, fallback: bool, own_serves: bool = True) -> None:
    """Raise LaunchFailed if kernels would run in another Python than that of the first environment, unless a person allows that,
    or if `own`, the Python of this program, would have to run a server that it does not have."""
    passed = choice.passed
    if not own_serves and choice.server == own:
        raise LaunchFailed(no_server(passed), passed.hint if passed else f"Make one: {NEW_WITH_SERVER}")
    if passed is None or fallback:
        return
    other = choice.kernel or choice.server
    whose = "jlab-mcp's own Python" if other == own else "another environment"
    raise LaunchFailed(
        f"{passed.why}, so no kernel can run in it.",
        f"{passed.hint}\n  (JLAB_MCP_PYTHON_FALLBACK=1 runs kernels in {whose} instead: {other})",
    )


def _new(prefix: str, packages: str) -> str:
    """Return the command that makes an environment in which kernels run."""
    return f"python3 -m venv {prefix} && {prefix}/bin/python -m pip install {packages}"


NEW_WITH_SERVER = _new(".venv", "jupyterlab ipykernel")


def no_server(passed: PassedOver | None) -> str:
    """Say that neither this program nor the project has JupyterLab."""
    why = passed.why if passed else "the project has no environment that has it"
    return f"jlab-mcp was installed without JupyterLab, and {why}."


def _passed_over(candidate: Candidate, has_uv: bool, own_serves: bool) -> PassedOver:
    """Say why, and how to change it. uv's environments have no pip."""
    prefix, python = candidate.prefix, candidate.python
    quoted = shlex.quote(prefix)
    packages = "ipykernel" if own_serves else "jupyterlab ipykernel"
    if python is None and candidate.is_conda:
        return PassedOver(f"{prefix} has no Python", "add it with", f"conda install -p {quoted} {packages}")
    if python is None or python.leads_to:
        anew = _new(shlex.quote(candidate.anew or prefix), packages)
        fix = anew if candidate.anew else f"mv {quoted} {quoted}.old && {anew}"
        if python is None:
            return PassedOver(f"{prefix} has no Python", "keep it and make another with", fix)
        why = f"The Python of {prefix} is not there any more (its link leads to {python.leads_to})"
        return PassedOver(
            why, "install that Python again, or keep the environment and make another with", fix
        )
    shown = shlex.quote(python.path)
    if not python.runs:
        why = python.trouble or "it printed nothing"
        return PassedOver(
            f"The Python of {prefix} does not run here ({why})",
            "see for yourself with",
            f"{shown} -c 'import sys'",
        )
    install = (
        f"{shown} -m pip install" if python.has_pip or not has_uv else f"uv pip install --python {shown}"
    )
    first = "" if python.has_pip or has_uv else f"{shown} -m ensurepip && "
    if python.has_kernel:  # enough, unless this program has no JupyterLab either
        return PassedOver(f"{prefix} has no JupyterLab", "add it with", f"{first}{install} jupyterlab")
    return PassedOver(f"{prefix} has no ipykernel", "add it with", f"{first}{install} {packages}")
