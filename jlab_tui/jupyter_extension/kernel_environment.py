"""Decides each kernel's environment variables: its own Python comes first on the PATH, plots are drawn inline, and nothing
names another environment. The kernelspec's own variables override these.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence

VENV, CONDA, PLAIN = "venv", "conda", "plain"
_NOT_FOR_KERNELS = ("MPLBACKEND", "SLURM_EXPORT_ENV")
"""With an exported backend nobody sees the plots; without one ipykernel sets its own. `srun` takes the other variable for
its `--export`, if sbatch had such an option."""
_SERVERS = ("python", "python%d" % sys.version_info[0], "python%d.%d" % sys.version_info[:2])
"""Programs of a kernelspec that Jupyter replaces by the server's own Python."""
_OF_VENV = ("VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT")
_OF_CONDA = ("CONDA_PREFIX", "CONDA_DEFAULT_ENV", "CONDA_PROMPT_MODIFIER")


class KernelPython(NamedTuple):
    """The Python that runs a kernel."""

    folder: str
    """Its directory, with `pip` and scripts."""
    kind: str
    is_on_path: bool
    """Whether `python3` on the PATH is this one."""
    has_pip: bool = True
    """False in an environment that uv made."""

    @property
    def prefix(self) -> str:
        return os.path.dirname(self.folder)


def kernel_variables(env: Mapping[str, str], python: Optional[KernelPython]) -> Dict[str, str]:
    """Return a kernel's variables on a server with the variables `env`. `python`: None if it runs no Python that we know."""
    made = {name: value for name, value in env.items() if name not in _NOT_FOR_KERNELS}
    if "SLURM_JOB_ID" in made:
        # Else Lightning waits for other ranks in a job with only this process.
        made["SLURM_JOB_NAME"] = "interactive"
    if python is None:
        return made
    if python.kind == VENV:  # keep conda's variables, like an activation in a shell
        _replace(made, _OF_VENV, VIRTUAL_ENV=python.prefix)
        if not python.has_pip:  # `!pip` is another Python's, and would silently install there
            made["PIP_REQUIRE_VIRTUALENV"] = "1"
    elif python.kind == CONDA and made.get("CONDA_PREFIX") != python.prefix:
        _replace(made, (*_OF_VENV, *_OF_CONDA), CONDA_PREFIX=python.prefix, CONDA_DEFAULT_ENV=python.prefix)
    elif python.kind == CONDA:
        _replace(made, _OF_VENV)
    else:
        _replace(made, (*_OF_VENV, *_OF_CONDA))
    if python.kind != PLAIN:
        made.pop("PYTHONHOME", None)
    if python.kind != PLAIN or not python.is_on_path:
        made["PATH"] = first_on_path(python.folder, made.get("PATH", ""))
    return made


def first_on_path(folder: str, path: str) -> str:
    """Return the PATH (by default the system's) with a folder in front, once."""
    rest = [entry for entry in (path or os.defpath).split(os.pathsep) if entry != folder]
    return os.pathsep.join([folder, *rest])


def program_of(command: Sequence[str], resource_dir: str, env: Mapping[str, str]) -> Optional[str]:
    """Return the program that a kernelspec starts; None if it is not on this machine.

    `python` means the server's own, or in the kernelspec of another environment, that environment's."""
    if not command:
        return None
    if command[0] in _SERVERS:
        return _python_around(resource_dir) or sys.executable
    return shutil.which(command[0], path=env.get("PATH") or os.defpath)


def programs(specs: Mapping[str, Any], env: Mapping[str, str]) -> Dict[str, Optional[str]]:
    """Return the program of each kernelspec that Jupyter found, by name."""
    return {
        name: program_of(each["spec"]["argv"], str(each["resource_dir"]), env) for name, each in specs.items()
    }


def python_of(command: Sequence[str], env: Mapping[str, str]) -> Optional[KernelPython]:
    """Return the Python that a kernel's command starts; None for another program, or a missing one."""
    program = command[0] if command else ""
    if not os.path.basename(program).startswith(("python", "pypy")):
        return None
    path = env.get("PATH") or os.defpath
    found = shutil.which(program, path=path)
    if found is None:
        return None
    folder = os.path.dirname(os.path.abspath(found))
    usual = shutil.which("python3", path=path)
    is_on_path = usual is not None and os.path.dirname(os.path.abspath(usual)) == folder
    has_pip = os.path.exists(os.path.join(folder, "pip"))
    return KernelPython(folder, _kind(folder), is_on_path, has_pip)


def run_in_own_environment(manager: Any) -> None:
    """Make a kernel that has not started use its own Python and that one's variables."""
    start, make_command = manager.start_kernel, manager.format_kernel_cmd

    def start_kernel(**arguments: Any) -> Any:
        env = arguments.get("env") or os.environ
        program = _program(manager, env)
        arguments["env"] = kernel_variables(env, python_of([program] if program else [], env))
        return start(**arguments)

    def format_kernel_cmd(*arguments: Any, **named: Any) -> List[str]:
        command: List[str] = make_command(*arguments, **named)
        if command and command[0] == sys.executable:
            command[0] = _program(manager, os.environ) or command[0]
        return command

    manager.start_kernel = start_kernel
    manager.format_kernel_cmd = format_kernel_cmd


def _program(manager: Any, env: Mapping[str, str]) -> Optional[str]:
    try:
        spec = manager.kernel_spec
        return program_of(spec.argv, spec.resource_dir, env)
    except Exception:  # noqa: BLE001 - the start itself reports a missing kernel
        return None


def _python_around(resource_dir: str) -> Optional[str]:
    """Return the Python of the environment that contains a kernelspec, `<prefix>/share/jupyter/kernels/<name>`."""
    prefix, found = os.path.dirname(resource_dir), True
    for name in ("kernels", "jupyter", "share"):
        found = found and os.path.basename(prefix) == name
        prefix = os.path.dirname(prefix)
    folder = os.path.join(prefix, "bin")
    if not found or _kind(folder) == PLAIN or os.path.realpath(prefix) == os.path.realpath(sys.prefix):
        return None
    return shutil.which(os.path.join(folder, "python"))


def _replace(made: Dict[str, str], names: Iterable[str], **by: str) -> None:
    for name in names:
        made.pop(name, None)
    made.update(by)


def _kind(folder: str) -> str:
    prefix = os.path.dirname(folder)
    if os.path.exists(os.path.join(prefix, "pyvenv.cfg")):
        return VENV
    return CONDA if os.path.isdir(os.path.join(prefix, "conda-meta")) else PLAIN
