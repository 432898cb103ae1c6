"""What the doctor concludes about the Python of the kernels: its packages, and PyTorch against the GPU driver."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .checks import Finding, Level


@dataclass(frozen=True, slots=True)
class PythonFacts:
    """What an interpreter reports about itself."""

    path: str
    version: str = ""
    """empty: it could not be run"""
    packages: Mapping[str, str] | None = None
    """versions of the packages that it has, among those we ask about"""
    has_pip: bool = True
    torch_cuda: str = ""
    """CUDA version that its PyTorch was built for"""
    torch_hip: str = ""
    trouble: str = ""
    """its last words where it could not be run"""

    def has(self, *names: str) -> bool:
        return all(name in (self.packages or {}) for name in names)

    def install(self, *packages: str) -> str:
        """The command that installs packages there."""
        tool = (
            [self.path, "-m", "pip", "install"]
            if self.has_pip
            else ["uv", "pip", "install", "--python", self.path]
        )
        return shlex.join([*tool, *packages])


@dataclass(frozen=True, slots=True)
class DriverFacts:
    """The GPU driver of one machine."""

    host: str
    maker: str = ""
    """`nvidia`, `amd`, or empty: none found"""
    version: str = ""
    cuda: str = ""
    """highest CUDA version of an NVIDIA driver"""


@dataclass(frozen=True, slots=True)
class Unmet:
    """A requirement of ours that our own environment does not meet."""

    requirement: str
    """as pip writes it"""
    has: str = ""
    """the version that is there; empty: none"""


def check_program(
    version: str, own: PythonFacts, prefix: str, unmet: Sequence[Unmet], *, throwaway: bool
) -> list[Finding]:
    """This program and the packages that it needs."""
    text = f"jlab-mcp {version} on Python {own.version} in {prefix}"
    if unmet:
        wanted = ", ".join(f"{u.requirement} ({f'{u.has} is there' if u.has else 'missing'})" for u in unmet)
        mend = own.install(*(u.requirement for u in unmet))
        return [Finding("program", Level.FAIL, f"{text} needs {wanted}.", mend)]
    if throwaway:
        text += ", an environment that is removed when its cache is cleaned"
        return [Finding("program", Level.WARN, text, "uv tool install jlab-mcp   (from where you got it)")]
    return [Finding("program", Level.OK, text)]


def check_setup(facts: PythonFacts | None) -> list[Finding]:
    """What JLAB_MCP_SETUP leads to; None: it is meant for another machine and was not run here."""
    if facts is None:
        text = (
            "JLAB_MCP_SETUP prepares the environment on the node; what it gives is seen when the job starts."
        )
        return [Finding("environment", Level.SKIP, text)]
    if not facts.version:
        text = f"JLAB_MCP_SETUP does not lead to a Python that runs: {facts.trouble or 'it printed nothing'}"
        return [Finding("environment", Level.FAIL, text, 'bash -xc "$JLAB_MCP_SETUP; python --version"')]
    versions = _versions(facts, "ipykernel", "jupyterlab", "jupyter_server")
    text = f"JLAB_MCP_SETUP leads to {facts.path} (Python {facts.version}, {versions})"
    lacks = [name for name in ("jupyterlab", "ipykernel") if not facts.has(name)]
    if lacks:
        return [
            Finding(
                "environment",
                Level.FAIL,
                f"{text}, which lacks {' and '.join(lacks)}.",
                facts.install(*lacks),
            )
        ]
    return [Finding("environment", Level.OK, text)]


def check_environment(
    chosen: PythonFacts, own: PythonFacts, note: str, *, kernel_only: bool, is_tool: bool = False
) -> list[Finding]:
    """The Python that runs the kernels, and the one that runs JupyterLab.

    `is_tool`: our own Python is an environment apart, which lacks what the project's code imports.
    """
    found = []
    if not chosen.version:
        return [
            Finding(
                "environment", Level.FAIL, f"{chosen.path} cannot be run.", f"rm -r {_prefix(chosen.path)}"
            )
        ]
    if note:
        needed = chosen.install("ipykernel", "jupyterlab")
        mend = note.partition("with: ")[2] or needed
        found.append(Finding("environment", Level.WARN, note.partition(";")[0] + ".", mend))
    versions = _versions(chosen, "ipykernel", "jupyterlab", "jupyter_server")
    if not chosen.has("ipykernel"):
        text = f"kernels would run in {chosen.path}, which has no ipykernel."
        return [*found, Finding("environment", Level.FAIL, text, chosen.install("ipykernel"))]
    text = f"kernels run in {chosen.path} (Python {chosen.version}, {versions})"
    if is_tool and chosen.path == own.path:
        text += "; that is jlab-mcp's own, a .venv in the project would hold your packages (jlab-mcp start --bootstrap)"
    found.append(Finding("environment", Level.OK, text))
    if kernel_only:
        server = _versions(own, "jupyterlab", "jupyter_server")
        level = Level.OK if own.has("jupyterlab", "jupyter_server") else Level.FAIL
        mend = "" if level is Level.OK else own.install("jupyterlab")
        found.append(Finding("server", level, f"JupyterLab runs in {own.path} ({server})", mend))
    return found


def _prefix(python: str) -> str:
    return shlex.quote(python.removesuffix("/bin/python"))


def _versions(python: PythonFacts, *names: str) -> str:
    packages = python.packages or {}
    return ", ".join(f"{name} {packages.get(name, 'missing')}" for name in names)


_BUILDS = {11: "cu118", 12: "cu126"}
"""PyTorch's own builds by major version of CUDA; each runs on every driver of that major version"""


def check_torch(python: PythonFacts, driver: DriverFacts | None) -> list[Finding]:
    """Whether PyTorch was built for the GPU driver. `driver` None: the machine that will run it is not known yet."""
    torch = (python.packages or {}).get("torch", "")
    if not torch:
        return []
    built = (
        f"CUDA {python.torch_cuda}"
        if python.torch_cuda
        else f"ROCm {python.torch_hip}"
        if python.torch_hip
        else "CPUs only"
    )
    text = f"PyTorch {torch} is built for {built}"
    if driver is None:
        return [Finding("torch", Level.SKIP, f"{text}; the node's driver is seen once a job runs.")]
    seen = f"{driver.maker.upper()} driver {driver.version}".strip()
    if not driver.maker:
        return [Finding("torch", Level.OK, f"{text}; {driver.host} has no GPU driver.")]
    reinstall = python.install("--force-reinstall", "torch")
    if driver.maker == "nvidia":
        if not python.torch_cuda:
            text = f"{text}, but {driver.host} has an {seen}."
            return [Finding("torch", Level.WARN, text, reinstall)]
        if driver.cuda and _major(python.torch_cuda) > _major(driver.cuda):
            text = f"{text}, but the {seen} of {driver.host} goes only up to CUDA {driver.cuda}."
            build = _BUILDS.get(_major(driver.cuda))
            index = f" --index-url https://download.pytorch.org/whl/{build}" if build else ""
            mend = f"{reinstall}{index}   (a build for CUDA {_major(driver.cuda)})"
            return [Finding("torch", Level.FAIL, text, mend)]
    elif not python.torch_hip:
        text = f"{text}, but {driver.host} has an AMD GPU."
        mend = f"{reinstall}   (choose a build for ROCm)"
        return [Finding("torch", Level.WARN, text, mend)]
    return [Finding("torch", Level.OK, f"{text}, which suits the {seen} of {driver.host}.")]


def _major(version: str) -> int:
    head = version.partition(".")[0]
    return int(head) if head.isdecimal() else 0
