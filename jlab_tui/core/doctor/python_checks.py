"""Checks the Python of the kernels: its packages, and PyTorch against the GPU driver."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..server.environment import NEW_WITH_SERVER, PassedOver, PythonChoice, no_server
from ..settings import PREFIX
from .checks import Finding, Level


@dataclass(frozen=True, slots=True)
class PythonFacts:
    """What an interpreter reports about itself."""

    path: str
    version: str = ""
    """empty if it does not run"""
    packages: Mapping[str, str] | None = None
    """versions of those packages we ask about that it has"""
    has_pip: bool = True
    torch_cuda: str = ""
    """CUDA version that its PyTorch was built for"""
    torch_hip: str = ""
    trouble: str = ""
    """its last line of output if it does not run"""

    def has(self, *names: str) -> bool:
        return all(name in (self.packages or {}) for name in names)

    def install(self, *packages: str) -> str:
        """Return the command that installs packages there."""
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
    """`nvidia`, `amd`, or empty if there is none"""
    version: str = ""
    cuda: str = ""
    """highest CUDA version of an NVIDIA driver"""


@dataclass(frozen=True, slots=True)
class ProjectPython:
    """The Python that the kernels of a project get."""

    chosen: PythonFacts
    own: PythonFacts
    """that of jlab-mcp"""
    choice: PythonChoice
    is_tool: bool
    """jlab-mcp is installed outside the project"""


@dataclass(frozen=True, slots=True)
class Unmet:
    """A requirement of jlab-mcp that its own environment does not meet."""

    requirement: str
    """as pip writes it"""
    has: str = ""
    """the installed version; empty if there is none"""


@dataclass(frozen=True, slots=True)
class ProgramFacts:
    """What jlab-mcp runs as."""

    version: str
    python: PythonFacts
    prefix: str
    """directory of its environment"""
    unmet: tuple[Unmet, ...]


_SERVERS = ("jupyterlab", "ipykernel")
"""what an install may leave out (docs/install.md)"""


def check_program(
    version: str, own: PythonFacts, prefix: str, unmet: Sequence[Unmet], *, throwaway: bool
) -> list[Finding]:
    """Check this program and the packages that it needs."""
    text = f"jlab-mcp {version} on Python {own.version} in {prefix}"
    left_out = [u.requirement for u in unmet if not u.has and u.requirement.startswith(_SERVERS)]
    unmet = [u for u in unmet if u.requirement not in left_out]
    if unmet:
        wanted = ", ".join(
            f"{u.requirement} ({f'{u.has} is installed' if u.has else 'missing'})" for u in unmet
        )
        fix = own.install(*(u.requirement for u in unmet))
        return [Finding("program", Level.FAIL, f"{text} needs {wanted}.", fix)]
    if left_out:
        text += ", installed without JupyterLab: the project's environment has to have it"
    if throwaway:
        text += ", an environment that disappears when its cache is cleaned"
        return [Finding("program", Level.WARN, text, "uv tool install jlab-mcp   (from where you got it)")]
    return [Finding("program", Level.OK, text)]


def check_setup(facts: PythonFacts | None, of_site: str = "") -> list[Finding]:
    """Check the Python that JLAB_MCP_SETUP selects; None: it is for another machine and did not run here.

    `of_site`: the lines, if the site has set them, so that the user's shell does not know them."""
    if facts is None:
        text = "JLAB_MCP_SETUP prepares the environment on the node; start a job to check its result."
        return [Finding("environment", Level.SKIP, text)]
    if not facts.version:
        text = f"JLAB_MCP_SETUP does not select a Python that runs: {facts.trouble or 'it printed nothing'}"
        typed = (
            shlex.quote(f"{of_site}; python --version") if of_site else '"$JLAB_MCP_SETUP; python --version"'
        )
        return [Finding("environment", Level.FAIL, text, f"bash -xc {typed}")]
    versions = _versions(facts, "ipykernel", "jupyterlab", "jupyter_server")
    text = f"JLAB_MCP_SETUP selects {facts.path} (Python {facts.version}, {versions})"
    lacks = [name for name in ("jupyter_server", "ipykernel") if not facts.has(name)]
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
    chosen: PythonFacts,
    own: PythonFacts,
    passed: PassedOver | None = None,
    *,
    kernel_only: bool,
    is_tool: bool = False,
    node_tries: bool = False,
    is_refused: bool = False,
) -> list[Finding]:
    """Check the Python of the kernels, and the one of JupyterLab.

    `passed`: the environment that comes first and is not used; `node_tries`: a job tries it anyway; `is_refused`: a start then fails. `is_tool`: jlab-mcp
    has its own environment, which lacks the packages that the project's code imports.
    """
    found = []
    if not chosen.version:
        why = chosen.trouble or "it printed nothing"
        fix = f"{shlex.quote(chosen.path)} -c 'import sys'"
        return [Finding("environment", Level.FAIL, f"{chosen.path} does not run: {why}", fix)]
    if chosen.path == own.path and not own.has("jupyterlab") and not node_tries:
        fix = passed.fix if passed else NEW_WITH_SERVER
        return [Finding("environment", Level.FAIL, no_server(passed), fix)]
    if passed is not None:
        then = "a job tries it on its node" if node_tries else "so it is not used"
        if is_refused and not node_tries:
            instead = f"{PREFIX}PYTHON_FALLBACK=1 runs them in {chosen.path}"
            text = f"{passed.why}, so no kernel can run in it ({instead})."
            return [Finding("environment", Level.FAIL, text, passed.fix)]
        found.append(Finding("environment", Level.WARN, f"{passed.why}; {then}.", passed.fix))
    versions = _versions(chosen, "ipykernel", "jupyterlab", "jupyter_server")
    if not chosen.has("ipykernel"):
        text = f"kernels would run in {chosen.path}, which has no ipykernel."
        return [*found, Finding("environment", Level.FAIL, text, chosen.install("ipykernel"))]
    text = f"kernels run in {chosen.path} (Python {chosen.version}, {versions})"
    if is_tool and chosen.path == own.path:
        text += "; that is jlab-mcp's own environment; create one for your packages with: jlab-mcp start --bootstrap"
    found.append(Finding("environment", Level.OK, text))
    if kernel_only:
        server = _versions(own, "jupyterlab", "jupyter_server")
        level = Level.OK if own.has("jupyterlab", "jupyter_server") else Level.FAIL
        fix = "" if level is Level.OK else own.install("jupyterlab")
        found.append(Finding("server", level, f"JupyterLab runs in {own.path} ({server})", fix))
    return found


def check_node(environment: str) -> list[Finding]:
    """Check what a job's node said about the environment of its kernels."""
    if not environment:
        return []
    return [
        Finding(
            "environment",
            Level.WARN,
            environment,
            "jlab-mcp logs   (each Python that the node tried, and why not)",
        )
    ]


def _versions(python: PythonFacts, *names: str) -> str:
    packages = python.packages or {}
    return ", ".join(f"{name} {packages.get(name, 'missing')}" for name in names)


_BUILDS = {11: "cu118", 12: "cu126"}
"""PyTorch's official builds by major version of CUDA; each runs on every driver of that major version"""


def check_torch(python: PythonFacts, driver: DriverFacts | None) -> list[Finding]:
    """Check whether PyTorch is built for the GPU driver. `driver` None: the machine that runs it is not known yet."""
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
        return [Finding("torch", Level.SKIP, f"{text}; start a job to check it against the node's driver.")]
    seen = f"{driver.maker.upper()} driver {driver.version}".strip()
    if not driver.maker:
        return [Finding("torch", Level.OK, f"{text}; {driver.host} has no GPU driver.")]
    reinstall = python.install("--force-reinstall", "torch")
    if driver.maker == "nvidia":
        if not python.torch_cuda:
            text = f"{text}, but {driver.host} has an {seen}."
            return [Finding("torch", Level.WARN, text, reinstall)]
        if driver.cuda and _major(python.torch_cuda) > _major(driver.cuda):
            text = f"{text}, but the {seen} of {driver.host} supports CUDA only up to {driver.cuda}."
            build = _BUILDS.get(_major(driver.cuda))
            index = f" --index-url https://download.pytorch.org/whl/{build}" if build else ""
            fix = f"{reinstall}{index}   (a build for CUDA {_major(driver.cuda)})"
            return [Finding("torch", Level.FAIL, text, fix)]
    elif not python.torch_hip:
        text = f"{text}, but {driver.host} has an AMD GPU."
        fix = f"{reinstall}   (choose a build for ROCm)"
        return [Finding("torch", Level.WARN, text, fix)]
    return [Finding("torch", Level.OK, f"{text}, which suits the {seen} of {driver.host}.")]


def _major(version: str) -> int:
    head = version.partition(".")[0]
    return int(head) if head.isdecimal() else 0
