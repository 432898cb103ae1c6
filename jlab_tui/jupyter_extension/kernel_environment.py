"""Decides the variables of each kernel, on a laptop and in a job alike: its own Python first on the PATH, plots drawn
inline, and nothing that names another environment. What the kernelspec sets itself comes on top.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence

VENV, CONDA, PLAIN = "venv", "conda", "plain"
_NOT_FOR_KERNELS = ("MPLBACKEND", "SLURM_EXPORT_ENV")
"""A backend that the shell or a module exports draws plots that nobody sees: ipykernel sets its own where there is none.
`srun` takes the other for its `--export`, where sbatch had an option of that kind."""
_SERVERS = ("python", "python%d" % sys.version_info[0], "python%d.%d" % sys.version_info[:2])
"""Programs of a kernelspec that Jupyter takes for the server's own Python, wherever that is on the PATH."""
_OF_VENV = ("VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT")
_OF_CONDA = ("CONDA_PREFIX", "CONDA_DEFAULT_ENV", "CONDA_PROMPT_MODIFIER")


class KernelPython(NamedTuple):
    """The Python that runs a kernel."""

    folder: str
    """Where it lies, with its `pip` and its scripts."""
    kind: str
    is_on_path: bool
    """`python3` on the PATH is this one already."""

    @property
    def prefix(self) -> str:
        return os.path.dirname(self.folder)


def kernel_variables(env: Mapping[str, str], python: Optional[KernelPython]) -> Dict[str, str]:
    """The variables of a kernel on a server with the variables `env`. `python` None: it runs no Python that we know."""
    made = {name: value for name, value in env.items() if name not in _NOT_FOR_KERNELS}
    if "SLURM_JOB_ID" in made:
        # Lightning would wait for the other ranks of a job that has this one process.
        made["SLURM_JOB_NAME"] = "interactive"
    if python is None:
        return made
    if python.kind == VENV:  # conda's variables stay below it, as where one is activated in a shell
        _replace(made, _OF_VENV, VIRTUAL_ENV=python.prefix)
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
    """The PATH with a folder in front, once; the system's default where there was none."""
    rest = [entry for entry in (path or os.defpath).split(os.pathsep) if entry != folder]
    return os.pathsep.join([folder, *rest])


def program_of(command: Sequence[str], resource_dir: str, env: Mapping[str, str]) -> Optional[str]:
    """The program that a kernelspec starts; None if it is not on this machine.

    `python` stands for the server's own; in the kernelspec of another environment, for the Python of that one."""
    if not command:
        return None
    if command[0] in _SERVERS:
        return _python_around(resource_dir) or sys.executable
    return shutil.which(command[0], path=env.get("PATH") or os.defpath)


def programs(specs: Mapping[str, Any], env: Mapping[str, str]) -> Dict[str, Optional[str]]:
    """The program of each kernelspec that Jupyter found, by name."""
    return {
        name: program_of(each["spec"]["argv"], str(each["resource_dir"]), env) for name, each in specs.items()
    }


def python_of(command: Sequence[str], env: Mapping[str, str]) -> Optional[KernelPython]:
    """The Python that a kernel's command starts with; None for a program of another kind, or one that is not there."""
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
    return KernelPython(folder, _kind(folder), is_on_path)


def run_in_own_environment(manager: Any) -> None:
    """Have a kernel that is not started yet start with its own Python, and with the variables of that."""
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
    except Exception:  # noqa: BLE001 - the start itself reports a kernel that does not exist
        return None


def _python_around(resource_dir: str) -> Optional[str]:
    """The Python of the environment that a kernelspec lies in, `<prefix>/share/jupyter/kernels/<name>`."""
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
