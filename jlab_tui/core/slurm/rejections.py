"""Explains why sbatch refused a job, from its output. Quotes the text of the site's plugins without interpreting it.

A plugin prints any text on the lines before Slurm's own: `sbatch: error: <anything>`. Slurm's reason follows
`Batch job submission failed:`, or is one of the few whole lines with which sbatch refuses before it asks the controller.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from ..site_settings import kept_by_site
from .messages import Advice, reply_lines


class Rejection(StrEnum):
    """Why sbatch refused a job."""

    PARTITION = "partition"
    NO_SUCH_NODES = "no such nodes"
    GRES = "gres"
    MEMORY = "memory"
    TIME_LIMIT = "time limit"
    TIME_FORMAT = "time format"
    CPUS = "cpus"
    NODE_NAME = "node name"
    CONSTRAINT = "constraint"
    ACCOUNT = "account"
    QOS = "qos"
    LIMIT = "limit"
    OPTION = "option"
    SCRIPT = "script"
    ACCESS = "access"
    HOST = "host"
    """this host, or this user, may not submit to the partition"""
    RESERVATION = "reservation"
    UNREACHABLE = "unreachable"
    """the controller did not answer: nothing was submitted"""
    UNCERTAIN = "uncertain"
    """no answer arrived after the job was sent, so Slurm may have it"""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Rejected:
    """sbatch failed."""

    cause: Rejection
    advice: Advice
    reply: str
    """what the site and Slurm printed, in one line"""

    @property
    def message(self) -> str:
        """The reply, then what it means."""
        return f"Slurm says: {self.reply}. {self.advice.message}"


def under_lock(rejected: Rejected, kept: str) -> Rejected:
    """Leave out the other mode where the site has locked the mode. `kept`: where it has; empty: nowhere."""
    if not kept or rejected.advice.hint != _NO_CONFIGURATION[1]:
        return rejected
    hint = f"Use a login node of the cluster. {kept_by_site('RUN_MODE', kept)}"
    return replace(rejected, advice=Advice(rejected.advice.message, hint))


Row = tuple[str, Rejection, str, str]

_NO_ANSWER = (
    "Slurm's controller did not answer in time; Slurm may have accepted the job.",
    "Look for it with `squeue --me` before you submit again.",
)
_NO_CONFIGURATION = (
    "This host has no working Slurm configuration; nothing was submitted.",
    "Use a login node of the cluster, or start with --mode local.",
)
_NO_GRES = (
    "Slurm does not know that generic resource.",
    "Set JLAB_MCP_SLURM_GRES to what `sinfo -o '%P %G'` lists, such as gpu:1, or to none.",
)
_NO_OPTION = (
    "Slurm does not know one of the options.",
    "Correct JLAB_MCP_SLURM_EXTRA; `man sbatch` lists the options.",
)

_REASONS: tuple[Row, ...] = (
    (r"Socket timed out|Zero Bytes were transmitted|Unexpected message received", Rejection.UNCERTAIN, *_NO_ANSWER),
    (
        r"Unable to contact slurm controller|Connection refused",
        Rejection.UNREACHABLE,
        "Slurm's controller does not answer; nothing was submitted.",
        "Try again when `scontrol ping` says UP.",
    ),
    (
        r"Protocol authentication error|Invalid authentication credential|Munge ",
        Rejection.UNREACHABLE,
        "Slurm could not authenticate this host (munge does not work here); nothing was submitted.",
        "Use another login node, or tell the cluster's administrators.",
    ),
    (
        r"Invalid partition name",
        Rejection.PARTITION,
        "There is no partition with that name.",
        "Set JLAB_MCP_SLURM_PARTITION to one that `sinfo -s` lists, or unset it for the default.",
    ),
    (r"Invalid generic resource|Invalid (?:Trackable RESource|TRES)", Rejection.GRES, *_NO_GRES),
    (
        r"Requested time limit is invalid",
        Rejection.TIME_LIMIT,
        "The walltime is longer than the partition allows.",
        "Ask for less: `jlab-mcp start TIME` or JLAB_MCP_SLURM_TIME; `sinfo -o '%P %l'` shows the limits.",
    ),
    (
        r"More processors requested than permitted|CPU count per node can not be satisfied",
        Rejection.CPUS,
        "No node of the partition has that many CPUs.",
        "Lower JLAB_MCP_SLURM_CPUS; `sinfo -o '%P %c'` shows what the nodes have.",
    ),
    (
        r"Memory specification can not be satisfied",
        Rejection.MEMORY,
        "No node of the partition has that much memory.",
        "Lower JLAB_MCP_SLURM_MEM (in MB), or set it to none; `sinfo -o '%P %m'` shows what the nodes have.",
    ),
    (
        r"Invalid node name|Node count specification invalid",
        Rejection.NODE_NAME,
        "The node list names a node that does not exist.",
        "Correct it in JLAB_MCP_SLURM_EXTRA; `sinfo -N` lists the nodes.",
    ),
    (
        r"Invalid feature specification|Invalid constraint",
        Rejection.CONSTRAINT,
        "No node has the features of the constraint.",
        "Correct JLAB_MCP_SLURM_CONSTRAINT; `sinfo -o '%P %f'` lists the features.",
    ),
    (
        r"Invalid account",
        Rejection.ACCOUNT,
        "The account does not exist, or you may not use it in this partition.",
        "Set JLAB_MCP_SLURM_ACCOUNT to one that `sacctmgr show assoc user=$USER` lists.",
    ),
    (
        r"Invalid qos|Job's QOS not permitted",
        Rejection.QOS,
        "The quality of service (QOS) does not exist, or you may not use it in this partition.",
        "Set JLAB_MCP_SLURM_QOS to one that `sacctmgr show assoc user=$USER format=qos` lists, or unset it.",
    ),
    (
        r"Requested reservation is invalid|Access denied to requested reservation|Reservation",
        Rejection.RESERVATION,
        "The reservation does not exist, or is not open to you now.",
        "Correct it in JLAB_MCP_SLURM_EXTRA; `scontrol show reservation` lists them.",
    ),
    (
        r"Job violates accounting/QOS policy",
        Rejection.LIMIT,
        "The job is over a limit of your account or QOS (jobs at once, size or time).",
        "End jobs that you no longer need (`squeue --me`), or ask for less.",
    ),
    (
        r"Requested node configuration is not available|Requested (?:topology|nodes).*not available",
        Rejection.NO_SUCH_NODES,
        "No node of the partition has what you ask for (GPUs, CPUs and memory together).",
        "Compare JLAB_MCP_SLURM_GRES, _CPUS and _MEM with `sinfo -o '%P %G %c %m'`, or choose another partition.",
    ),
    (
        r"User's group not permitted",
        Rejection.ACCESS,
        "You may not use this partition.",
        "Choose another one with JLAB_MCP_SLURM_PARTITION; `scontrol show partition` says who may.",
    ),
    (
        r"Access/permission denied",
        Rejection.HOST,
        "The partition takes no jobs from this host, or none of yours.",
        "`scontrol show partition` names the hosts (AllocNodes) and the users; submit there, or choose another partition "
        "with JLAB_MCP_SLURM_PARTITION.",
    ),
    (
        r"Pathname of a file.*too long|Job script.*too large|Batch script is empty",
        Rejection.SCRIPT,
        "Slurm rejects the job script.",
        "Correct the template that JLAB_MCP_SLURM_TEMPLATE names.",
    ),
)  # fmt: skip
"""by the beginning of what follows `Batch job submission failed:`"""

_LINES: tuple[Row, ...] = (
    (r"Could not establish a configuration source|Unable to process configuration.*", Rejection.UNREACHABLE, *_NO_CONFIGURATION),
    (r"Invalid generic resource \(gres\) specification", Rejection.GRES, *_NO_GRES),
    (
        r"Invalid --time specification|Invalid time limit specification",
        Rejection.TIME_FORMAT,
        "Slurm does not understand the form of the walltime.",
        "Write it as 4:00:00 or 1-00:00:00.",
    ),
    (
        r"Unable to open file .*|This does not look like a batch script.*|Batch script contains DOS line breaks.*|Batch script is empty!",
        Rejection.SCRIPT,
        "Slurm rejects the job script.",
        "Correct the template that JLAB_MCP_SLURM_TEMPLATE names: it starts with #!/bin/bash and has Unix line ends.",
    ),
    (
        r"(?:unrecognized|ambiguous) option .*|option .* (?:requires an|doesn't allow an) argument|invalid option -- .*|"
        r"Invalid (?:--\S+|\S+) specification.*|Invalid --.*",
        Rejection.OPTION,
        *_NO_OPTION,
    ),
)  # fmt: skip
"""whole lines that sbatch prints before it asks the controller"""

_FAILED = "Batch job submission failed:"
_SITE_MAX = 600
_REASON_MAX = 200


def explain_rejection(stderr: str) -> Rejected:
    """Explain the output of a failed sbatch, and quote it."""
    lines = list(dict.fromkeys(line for line in reply_lines(stderr) if not line.startswith("Try ")))
    failures = [line for line in lines if line.startswith(_FAILED)]
    others = "; ".join(line.rstrip(".") for line in lines if line not in failures)
    if len(others) > _SITE_MAX:
        others = f"{others[:_SITE_MAX]}..."
    reply = (
        "; ".join(filter(None, (others, *(line[:_REASON_MAX] for line in failures[-1:]))))
        or "no reason given"
    )
    row = _row(failures[-1].removeprefix(_FAILED).strip() if failures else "", lines)
    if row is None:
        advice = Advice("Slurm rejected the job.", "Correct what it names, then start again.")
        return Rejected(Rejection.OTHER, _with_memory_hint(advice, others), reply)
    return Rejected(row[1], Advice(row[2], row[3]), reply)


def explain_no_answer(why: str) -> Rejected:
    """Explain an sbatch that did not run, or did not end in time; `why` says which."""
    if "cannot be run" in why:
        advice = Advice("This host has no sbatch; nothing was submitted.", _NO_CONFIGURATION[1])
        return Rejected(Rejection.UNREACHABLE, advice, why)
    return Rejected(Rejection.UNCERTAIN, Advice(*_NO_ANSWER), why)


def _row(reason: str, lines: list[str]) -> Row | None:
    if not reason:
        return next((row for row in _LINES if any(re.fullmatch(row[0], line) for line in lines)), None)
    # The controller first names the part of the node configuration that it lacks.
    if reason.startswith("Requested node configuration"):
        reasons = [line for line in lines if line == "Memory specification can not be satisfied"] or [reason]
        reason = reasons[0]
    return next((row for row in _REASONS if re.match(row[0], reason)), None)


def _with_memory_hint(advice: Advice, site: str) -> Advice:
    """Add a hint for sites that divide memory by CPUs and refuse a job that asks for memory."""
    if not re.search(r"--mem\b", site):
        return advice
    return Advice(advice.message, f"{advice.hint} JLAB_MCP_SLURM_MEM=none leaves --mem out.")
