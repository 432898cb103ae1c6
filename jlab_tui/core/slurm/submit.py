"""Parses the answers of sbatch and scancel into a job id, or a sentence that explains the failure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from .messages import Advice, explain_queue_failure
from .terms import parse_moment


@dataclass(frozen=True, slots=True)
class Submitted:
    job_id: str
    cluster: str = ""
    """set only if sbatch sent the job to another cluster"""
    notices: tuple[str, ...] = ()
    """other lines that the site's sbatch printed"""


def parse_sbatch(stdout: str) -> Submitted | None:
    """Parse the job id of `sbatch --parsable` (`11`, `11;cluster`) or of the long form, between any banners."""
    lines = [line.strip() for line in stdout.splitlines() if line.strip()]
    for line in reversed(lines):
        match = re.fullmatch(r"(\d+)(?:;(\S+))?", line, re.ASCII) or re.fullmatch(
            r"Submitted batch job (\d+)(?: on cluster (\S+))?", line, re.ASCII
        )
        if match:
            return Submitted(match[1], match[2] or "", tuple(other for other in lines if other != line))
    return None


@dataclass(frozen=True, slots=True)
class Estimate:
    """Slurm accepts the job."""

    starts: float | None
    """epoch seconds when it would start; None if Slurm does not say"""
    where: str = ""
    """in Slurm's words: `on nodes gpu1 in partition gpu`"""


def parse_estimate(text: str) -> Estimate:
    """Parse stderr of `sbatch --test-only`: `sbatch: Job 5 to start at 1795706534 using 1 processors on ...`."""
    said = re.search(r"Job \d+ to start at (\S+)(?:.*? (on nodes .*))?", text)
    return Estimate(parse_moment(said[1]), said[2] or "") if said else Estimate(None)


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
    said: str
    """Slurm's own words, one line"""


_REJECTIONS: tuple[tuple[str, Rejection, str, str], ...] = (
    (
        r"[Tt]imed out|Zero Bytes were transmitted|Unexpected message received",
        Rejection.UNCERTAIN,
        "Slurm's controller did not answer in time; Slurm may have accepted the job.",
        "Look for it with `squeue --me` before you submit again.",
    ),
    (
        r"Unable to contact slurm controller|Connection refused",
        Rejection.UNREACHABLE,
        "Slurm's controller does not answer; nothing was submitted.",
        "Try again when `scontrol ping` says UP.",
    ),
    (
        r"authentication|[Mm]unge|MUNGE",
        Rejection.UNREACHABLE,
        "Slurm could not authenticate this host (munge does not work here); nothing was submitted.",
        "Use another login node, or tell the cluster's administrators.",
    ),
    (
        r"configuration source|slurm\.conf|Unable to process configuration",
        Rejection.UNREACHABLE,
        "This host has no working Slurm configuration; nothing was submitted.",
        "Use a login node of the cluster, or start with --mode local.",
    ),
    (
        r"cannot be run",
        Rejection.UNREACHABLE,
        "This host has no sbatch; nothing was submitted.",
        "Use a login node of the cluster, or start with --mode local.",
    ),
    (
        r"[Ii]nvalid partition",
        Rejection.PARTITION,
        "There is no partition with that name.",
        "Set JLAB_MCP_SLURM_PARTITION to one that `sinfo -s` lists, or unset it for the default.",
    ),
    (
        r"Memory specification can not be satisfied",
        Rejection.MEMORY,
        "No node of the partition has that much memory.",
        "Lower JLAB_MCP_SLURM_MEM (in MB); `sinfo -o '%P %m'` shows what the nodes have.",
    ),
    (
        r"Invalid generic resource|[Ii]nvalid [Tt][Rr][Ee][Ss]",
        Rejection.GRES,
        "Slurm does not know that generic resource.",
        "Set JLAB_MCP_SLURM_GRES to what `sinfo -o '%P %G'` lists, such as gpu:1, or to none.",
    ),
    (
        r"Requested time limit is invalid|exceeds.*time limit",
        Rejection.TIME_LIMIT,
        "The walltime is longer than the partition allows.",
        "Ask for less: `jlab-mcp start TIME` or JLAB_MCP_SLURM_TIME; `sinfo -o '%P %l'` shows the limits.",
    ),
    (
        r"Invalid --time|Invalid time limit",
        Rejection.TIME_FORMAT,
        "Slurm does not understand the form of the walltime.",
        "Write it as 4:00:00 or 1-00:00:00.",
    ),
    (
        r"More processors requested than permitted|CPU count per node can not be satisfied|"
        r"Number of processors|More processors requested",
        Rejection.CPUS,
        "No node of the partition has that many CPUs.",
        "Lower JLAB_MCP_SLURM_CPUS; `sinfo -o '%P %c'` shows what the nodes have.",
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
        r"Invalid account|Invalid Account|account/partition combination",
        Rejection.ACCOUNT,
        "The account does not exist, or you may not use it in this partition.",
        "Set JLAB_MCP_SLURM_ACCOUNT to one that `sacctmgr show assoc user=$USER` lists.",
    ),
    (
        r"Invalid qos|Invalid QOS|Job's QOS not permitted",
        Rejection.QOS,
        "The quality of service (QOS) does not exist, or you may not use it in this partition.",
        "Set JLAB_MCP_SLURM_QOS to one that `sacctmgr show assoc user=$USER format=qos` lists, or unset it.",
    ),
    (
        r"Requested reservation is invalid|[Rr]eservation",
        Rejection.RESERVATION,
        "The reservation does not exist, or is not open to you now.",
        "Correct it in JLAB_MCP_SLURM_EXTRA; `scontrol show reservation` lists them.",
    ),
    (
        r"Limit\b|violates accounting/QOS policy|submit limit",
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
        r"User's group not permitted|Access/permission denied|not permitted to use this partition",
        Rejection.ACCESS,
        "You may not use this partition.",
        "Choose another one with JLAB_MCP_SLURM_PARTITION; `scontrol show partition` says who may.",
    ),
    (
        r"Unable to open file|does not look like a batch script|DOS line breaks|Batch script is empty|"
        r"Pathname of a file.*too long|script.*too large",
        Rejection.SCRIPT,
        "Slurm rejects the job script.",
        "Correct the template that JLAB_MCP_SLURM_TEMPLATE names: it starts with #!/bin/bash and has Unix line ends.",
    ),
    (
        r"unrecognized option|invalid option|requires an argument|Invalid .*specification|Invalid --",
        Rejection.OPTION,
        "Slurm does not know one of the options.",
        "Correct JLAB_MCP_SLURM_EXTRA; `man sbatch` lists the options.",
    ),
)


def explain_rejection(stderr: str) -> Rejected:
    """Explain what a failed sbatch printed, with its own words."""
    lines = [re.sub(r"^sbatch: (?:error: |fatal: )?", "", line.strip()) for line in stderr.splitlines()]
    lines = [line for line in lines if line and not line.startswith("Try ")]
    said = "; ".join(dict.fromkeys(lines))[:500] or "no reason given"
    for pattern, cause, message, hint in _REJECTIONS:
        if re.search(pattern, said):
            return Rejected(cause, Advice(message, hint), said)
    return Rejected(
        Rejection.OTHER,
        Advice("Slurm rejected the job.", "Correct what it names, then start again."),
        said,
    )


class Cancel(StrEnum):
    """The result of a scancel."""

    SENT = "sent"
    """the controller accepted it, or did not know the id; scancel prints nothing in both cases"""
    DENIED = "denied"
    UNKNOWN_JOB = "unknown job"
    UNREACHABLE = "unreachable"
    """nothing was cancelled, try again"""
    NOT_OURS = "not ours"
    """the id now belongs to another job than the one on record"""
    FAILED = "failed"


def read_scancel(returncode: int, stderr: str) -> Cancel:
    """Return what scancel did. `returncode` is also 0 for an id that the controller does not know."""
    if re.search(r"Invalid job id|already finished|already completing", stderr):
        return Cancel.UNKNOWN_JOB
    if returncode == 0:
        return Cancel.SENT
    if "permission denied" in stderr:
        return Cancel.DENIED
    if re.search(r"Unable to contact|timed out|authentication|[Mm]unge|configuration source", stderr):
        return Cancel.UNREACHABLE
    return Cancel.FAILED


def explain_cancel(outcome: Cancel, job_id: str, stderr: str = "") -> Advice:
    """Explain the result of a scancel."""
    match outcome:
        case Cancel.SENT:
            return Advice(f"Job {job_id} is being cancelled.", "")
        case Cancel.UNKNOWN_JOB:
            return Advice(f"Job {job_id} has already ended.", "")
        case Cancel.DENIED:
            return Advice(f"Job {job_id} belongs to somebody else, so it was not cancelled.", "")
        case Cancel.NOT_OURS:
            return Advice(
                f"Job {job_id} is no longer the job that jlab-mcp submitted, so it was not cancelled.",
                "The record can be removed; `squeue --me` shows your jobs.",
            )
        case Cancel.UNREACHABLE:
            return Advice(
                f"Job {job_id} was not cancelled: {explain_queue_failure(stderr)}",
                "It is still on record; run `jlab-mcp stop` again when Slurm answers.",
            )
        case Cancel.FAILED:
            first = next((line.strip() for line in stderr.splitlines() if line.strip()), "no reason given")
            return Advice(
                f"Job {job_id} was not cancelled: {first[:200]}", f"Try `scancel {job_id}` yourself."
            )
        case _:
            assert_never(outcome)
