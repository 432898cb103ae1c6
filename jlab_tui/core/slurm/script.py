"""Checks what a user asks Slurm for, and renders the template of the job script strictly."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import UsageError
from ..setting_values import is_slurm_time
from ..setup_script import setup_script
from .terms import JOB_NAME

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,@+-]*", re.ASCII)
_GRES = re.compile(r"[A-Za-z][A-Za-z0-9_:.,=/+-]*", re.ASCII)
_CONSTRAINT = re.compile(r"[A-Za-z0-9_.,&|*()\[\]!=+-]+", re.ASCII)
_MODULE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+/:-]*", re.ASCII)
_OURS = re.compile(r"--(job-name|wrap|parsable|array|output|error|open-mode|chdir)(?![a-z-])|-[JaoeD]")
"""options that the script sets itself, because they identify the job and its log"""
_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_]+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class ResourceRequest:
    """The resources to request. Empty strings drop the option."""

    time: str
    partition: str = ""
    gres: str = ""
    cpus: int = 1
    mem_mb: int = 0
    """0 asks for none, and so do options that ask in their own way, such as `--mem-per-cpu`"""
    account: str = ""
    qos: str = ""
    constraint: str = ""
    modules: str = ""
    extra: str = ""
    """further sbatch options, separated by `;` or new lines; `--requeue` here lets Slurm requeue the job"""


@dataclass(frozen=True, slots=True)
class ScriptInputs:
    """Paths on the shared file system. They are absolute and may contain any character except a new line."""

    submission: str
    """random id of this submission; stands in the job's comment, which finds a job whose sbatch reply was lost"""
    log: str
    """path of the job's log; `%j` in it becomes the job id"""
    workdir: str
    launcher: str
    """path of the node directory's launch.py"""
    config: str
    """path of its configuration, a 0600 file"""
    pythons: Sequence[str]
    """interpreters to try, in order; an empty name is the one on the PATH after the set-up"""
    digest: str = ""
    """sha256 of the files beside the launcher, which run only if unchanged; empty: not compared"""
    setup: str = ""
    """shell lines, run unchanged"""
    comment: str = ""
    """the user's own, which some sites require; `--comment` among the options counts more"""


def check_time(text: str) -> str:
    if not is_slurm_time(text):
        raise _refused("time", text, "Write it as 4:00:00 or 1-00:00:00.")
    return text


def check_limited_time(text: str) -> str:
    """A time that ends: 0 stands for no limit, which is for a person to set."""
    if not re.search("[1-9]", check_time(text)):
        raise _refused(
            "time", text, "0 means no limit; only the person may set that, with JLAB_MCP_SLURM_TIME."
        )
    return text


def check_partition(text: str) -> str:
    return _matching(_NAME, "partition", text, "`sinfo -s` lists the partitions.")


def check_gres(text: str) -> str:
    return _matching(_GRES, "gres", text, "Write it as gpu:1 or gpu:a100:2.")


def check_account(text: str) -> str:
    return _matching(_NAME, "account", text, "`sacctmgr show assoc user=$USER` lists your accounts.")


def check_qos(text: str) -> str:
    return _matching(_NAME, "qos", text, "`sacctmgr show assoc user=$USER format=qos` lists yours.")


def check_constraint(text: str) -> str:
    return _matching(_CONSTRAINT, "constraint", text, "Write it as a100 or 'a100&ib', without blanks.")


def check_count(what: str, value: int) -> int:
    if isinstance(value, bool) or not 0 < value < 10**9:
        raise _refused(what, str(value), "Give a whole number above 0.")
    return value


def check_request(request: ResourceRequest) -> ResourceRequest:
    """Check every value of a request and return it fit for a script. Raises UsageError for the first unfit value."""
    check_time(request.time)
    check_count("cpus", request.cpus)
    if request.mem_mb:
        check_count("mem_mb", request.mem_mb)
    for value, check in (
        (request.partition, check_partition),
        (request.gres, check_gres),
        (request.account, check_account),
        (request.qos, check_qos),
        (request.constraint, check_constraint),
    ):
        if value:
            check(value)
    split_modules(request.modules)
    split_extra(request.extra)
    return request


def split_modules(text: str) -> list[str]:
    """Split `cuda/12.1 python/3.11`. Raises UsageError for a name that the shell could misread."""
    names = re.split(r"[\s,]+", text.strip()) if text.strip() else []
    return [_matching(_MODULE, "module", name, "Write modules as name/version.") for name in names]


def split_extra(text: str) -> list[str]:
    """Split `--nodelist=gpu07; --reservation=x` into options, one per #SBATCH line. Raises UsageError for anything else."""
    options = [part.strip() for part in re.split(r"[;\n]", text) if part.strip()]
    for option in options:
        if not re.match(r"--?[A-Za-z]", option) or not option.isprintable():
            raise _refused("sbatch option", option, "Write options as --name=value, separated by `;`.")
        if _OURS.match(option):
            raise _refused("sbatch option", option, "jlab-mcp sets this one itself.")
    return options


def script_values(request: ResourceRequest, inputs: ScriptInputs) -> dict[str, str | None]:
    """Return values for all placeholders of a template, checked and quoted; None drops the template's line."""
    check_request(request)
    extra, own_comment = _without_comment(split_extra(request.extra), inputs.comment)
    for path in (inputs.log, inputs.workdir, inputs.launcher, inputs.config, *inputs.pythons):
        # Slurm takes a backslash in --output for "do not replace %j", whatever the quotes.
        if not path.isprintable() or "\\" in path:
            raise _refused("path", path, "It has a character that a job script cannot contain.")
    if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", inputs.submission):
        raise ValueError(f"submission id {inputs.submission!r}")
    if "\0" in inputs.setup:
        raise _refused("JLAB_MCP_SETUP", inputs.setup, "It has a NUL character.")
    modules = split_modules(request.modules)
    log = re.sub(r"%(?!j)", "%%", inputs.log)
    return {
        "job_name": JOB_NAME,
        "comment": _comment(own_comment, inputs.submission),
        "time": request.time,
        "partition": request.partition or None,
        "gres": request.gres or None,
        "cpus": str(request.cpus),
        "mem": None if not request.mem_mb or _asks_for_memory(extra) else f"{request.mem_mb}M",
        "account": request.account or None,
        "qos": request.qos or None,
        "constraint": f'"{request.constraint}"' if request.constraint else None,
        "extra": "\n".join(f"#SBATCH {option}" for option in extra) or None,
        "no_requeue": None if any(option == "--requeue" for option in extra) else "--no-requeue",
        "log": _sbatch_quote(log),
        "workdir": _sbatch_quote(inputs.workdir),
        "modules": " ".join(map(shlex.quote, modules)) or None,
        "setup": setup_script(inputs.setup) if inputs.setup.strip() else None,
        "pythons": " ".join(map(shlex.quote, inputs.pythons)),
        "launcher": shlex.quote(inputs.launcher),
        "digest": inputs.digest or None,
        "config": shlex.quote(inputs.config),
    }


def submission_comment(submission: str) -> str:
    return f"{JOB_NAME}/{submission}"


def _without_comment(options: list[str], comment: str) -> tuple[list[str], str]:
    """Return the options without `--comment`, and the user's comment."""
    kept = []
    for option in options:
        if match := re.fullmatch(r"--comment(?:[=\s]\s*(.*))?", option):
            comment = (match[1] or "").strip("\"'")
        else:
            kept.append(option)
    return kept, comment


def _comment(own: str, submission: str) -> str:
    """Return the job's comment: the user's, which the site may read, then ours, which finds the job."""
    ours = submission_comment(submission)
    return _sbatch_quote(f"{own} {ours}") if own else ours


def _asks_for_memory(options: Sequence[str]) -> bool:
    """Return whether the options ask for memory in their own way; Slurm takes one of the ways only."""
    return any(re.match(r"--mem(?:-per-(?:cpu|gpu))?(?![a-z-])", option) for option in options)


_NOT_EXPORTED = frozenset(
    [
        "SBATCH_JOB_NAME",
        "SBATCH_COMMENT",
        "SBATCH_OUTPUT",
        "SBATCH_ERROR",
        "SBATCH_OPEN_MODE",
        "SBATCH_REQUEUE",
        "SBATCH_NO_REQUEUE",
        "SBATCH_WAIT",
        "SBATCH_ARRAY_INX",
        "SBATCH_IGNORE_PBS",
        "SLURM_RESTART_COUNT",
        "JUPYTER_TOKEN",
    ]
)
_OF_ALLOCATION = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL")
_OF_NO_JOB = frozenset({"SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_CLUSTERS", "SLURM_MPI_TYPE"})
"""the only variables `SLURM_` that a site or a user sets for all jobs"""
_LONG = {"t": "time", "p": "partition", "A": "account", "q": "qos", "C": "constraint", "M": "clusters", "G": "gpus",
         "m": "distribution", "S": "core-spec", "L": "licenses", "w": "nodelist", "x": "exclude"}  # fmt: skip
_VARIABLES = {
    "time": ("TIMELIMIT",),
    "mem": ("MEM_PER_NODE", "MEM_PER_CPU", "MEM_PER_GPU"),
    "mem-per-cpu": ("MEM_PER_NODE", "MEM_PER_CPU", "MEM_PER_GPU"),
    "mem-per-gpu": ("MEM_PER_NODE", "MEM_PER_CPU", "MEM_PER_GPU"),
    "switches": ("REQ_SWITCH",),
    "clusters": ("CLUSTERS",),
}
"""sbatch's input variables, without `SBATCH_`, that are not the option's name in capitals"""


def script_options(script: str) -> dict[str, str]:
    """Return the options of the `#SBATCH` lines by long name, with their values."""
    found = {}
    for line in re.findall(r"^#SBATCH\s+(.+)$", script, re.MULTILINE):
        if match := re.match(r"--([a-z][a-z-]*)(?:[=\s]\s*(.*))?$|-([A-Za-z])\s*=?\s*(.*)$", line.strip()):
            found[match[1] or _LONG.get(match[3], match[3])] = (match[2] or match[4] or "").strip("\"' ")
    return found


def named_cluster(script: str, env: Mapping[str, str]) -> str:
    """Return the cluster, or the clusters to choose from, for sbatch; empty for this host's own."""
    named = script_options(script).get("clusters", "")
    return named or env.get("SBATCH_CLUSTERS", "") or env.get("SLURM_CLUSTERS", "")


def submission_environment(env: Mapping[str, str], script: str) -> dict[str, str]:
    """Return the environment for sbatch, which becomes the job's (Slurm's default, `--export=ALL`).

    To sbatch a variable counts more than a line of the script; to us the settings do, from which the lines are made. So
    what would override a line is left out, and so is a Jupyter token. Inside a job, so is what describes that job: it would
    mislead `srun` and `sbatch` in the new one.
    """
    outer = env if job_around(env) else {}
    of_outer = {name for name in outer if name.startswith(("SLURM_", "SLURMD_")) and name not in _OF_NO_JOB}
    ruled = {
        f"SBATCH_{variable}"
        for option in script_options(script)
        for variable in _VARIABLES.get(option, (option.upper().replace("-", "_"),))
    }
    left_out = _NOT_EXPORTED | ruled | of_outer | {name for name in _OF_ALLOCATION if name in outer}
    return {name: value for name, value in env.items() if name not in left_out}


def job_around(env: Mapping[str, str]) -> str:
    """Return the id of the job that this process runs in; empty if there is none."""
    return env.get("SLURM_JOB_ID", "") or env.get("SLURM_JOBID", "")


def restarted_name(path: str, restarts: int | str) -> str:
    """Return the name of the connection file that the job writes at its n-th restart: `a.json`, `a.r1.json`, ..."""
    if not restarts:
        return path
    stem, dot, ending = path.rpartition(".")
    return f"{stem}.r{restarts}{dot}{ending}" if dot and "/" not in ending else f"{path}.r{restarts}"


def render_script(template: str, values: Mapping[str, str | None]) -> str:
    """Fill `{{name}}` placeholders; a value of None drops the line.

    Raises UsageError for a placeholder that does not exist, for one that a job cannot do without, and for a
    template that sbatch would refuse. Comment lines (`# ...`, not `#SBATCH`) stay unchanged.
    """
    if "\r" in template:
        raise UsageError("The job script template has DOS line ends.", "Convert it with `dos2unix`.")
    if not template.startswith("#!"):
        raise UsageError("The job script template has no first line #!/bin/bash.", "Add it.")
    seen: set[str] = set()
    lines = []
    for line in template.splitlines():
        names = [] if re.match(r"\s*#(?!SBATCH)", line) else _PLACEHOLDER.findall(line)
        for name in names:
            if name not in values:
                raise UsageError(
                    f"The job script template has an unknown placeholder {{{{{name}}}}}.",
                    f"Known ones: {', '.join(sorted(values))}.",
                )
        seen.update(names)
        if all(values[name] is not None for name in names):
            lines.append(_PLACEHOLDER.sub(lambda match: values[match[1]] or "", line) if names else line)
    missing = {"job_name", "comment", "log", "launcher", "config"} - seen
    if missing:
        raise UsageError(
            f"The job script template lacks {', '.join(f'{{{{{name}}}}}' for name in sorted(missing))}.",
            "Start from the template that comes with jlab-mcp.",
        )
    return "\n".join(lines) + "\n"


def _sbatch_quote(text: str) -> str:
    """Quote a value for an #SBATCH line, where sbatch itself reads the quotes and no shell does."""
    return '"' + text.replace('"', r"\"") + '"'


def _matching(pattern: re.Pattern[str], what: str, text: str, hint: str) -> str:
    if not pattern.fullmatch(text):
        raise _refused(what, text, hint)
    return text


def _refused(what: str, text: str, hint: str) -> UsageError:
    shown = text if len(text) <= 60 else text[:57] + "..."
    return UsageError(f"{shown!r} cannot be used as {what}.", hint)
