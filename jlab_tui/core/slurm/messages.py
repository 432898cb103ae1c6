"""Turns Slurm's terse messages into sentences: what happened, and what to do. Tables of patterns, first match wins.

The patterns are the literal messages of Slurm 17 to 24 (slurm_errno.c, job_state_reason_string()); most were seen
on a real controller.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Advice:
    """A message and a hint, like the errors of `core.errors`."""

    message: str
    """what happened"""
    hint: str
    """what to do; may be empty"""

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


def reply_lines(text: str) -> list[str]:
    """Return the lines that a Slurm command printed, without its prefix (`sbatch: error: `)."""
    lines = (
        re.sub(r"^(?:sbatch|squeue|sinfo|scancel|scontrol|srun): (?:error: |fatal: )?", "", line.strip())
        for line in text.splitlines()
    )
    return [line for line in lines if line]


_QUEUE_FAILURES: tuple[tuple[str, str], ...] = (
    (r"Unable to contact slurm controller|Connection refused", "Slurm's controller is not answering."),
    (
        r"Socket timed out on send/recv|^s[a-z]+ timed out: ",
        "Slurm's controller is hanging: no answer in time.",
    ),
    (
        r"Munge \w+ failed|Protocol authentication error|Invalid authentication credential",
        "Slurm cannot authenticate this host (munge does not work here).",
    ),
    (
        r"Could not establish a configuration source|Unable to process configuration",
        "This host has no working Slurm configuration.",
    ),
    (r"can't be reached|Problem talking to the? ?database", "The cluster cannot be reached from here."),
)


def explain_queue_failure(stderr: str) -> str:
    """Explain a failed squeue, sinfo or scontrol in one sentence. It never says anything about a job."""
    for pattern, sentence in _QUEUE_FAILURES:
        if re.search(pattern, stderr):
            return sentence
    first = next((line.strip() for line in stderr.splitlines() if line.strip()), "it gave no reason.")
    return f"The query to Slurm failed: {first[:200]}"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a job waits."""

    advice: Advice
    is_stuck: bool = False
    """it needs a change before it can start"""


_PENDING: tuple[tuple[str, bool, str, str], ...] = (
    (
        r"Resources",
        False,
        "First in line: it starts when nodes with the requested resources become free.",
        "",
    ),
    (
        r"Priority",
        False,
        "Other jobs with a higher priority are ahead in the queue.",
        "A shorter walltime or fewer resources may let it start in a gap.",
    ),
    (r"None", False, "Slurm has not looked at it yet.", ""),
    (
        r"BeginTime",
        False,
        "It waits for its start time (after a requeue Slurm holds a job back for about two minutes).",
        "",
    ),
    (
        r"DependencyNeverSatisfied",
        True,
        "The job that it depends on failed, so it will never start.",
        "Stop it with `jlab-mcp stop` and remove the dependency from JLAB_MCP_SLURM_EXTRA.",
    ),
    (r"Dependency", False, "It waits for another job to end.", ""),
    (
        r"JobHeldUser",
        True,
        "You put it on hold.",
        "Release it with `scontrol release JOBID`.",
    ),
    (
        r"JobHeldAdmin|launch failed requeued held|JobHoldMaxRequeue|job requeued in held state",
        True,
        "The administrators put it on hold, or Slurm did because it failed to start before.",
        "Ask the cluster's administrators, or stop it with `jlab-mcp stop` and start again.",
    ),
    (
        r"PartitionTimeLimit",
        True,
        "Its walltime is longer than the partition allows, so it will never start.",
        "Stop it with `jlab-mcp stop`, then start with a shorter time; `sinfo -o '%P %l'` shows the limits.",
    ),
    (
        r"PartitionNodeLimit|PartitionConfig|BadConstraints",
        True,
        "It asks for more than the partition can give (CPUs, memory or nodes), so it will never start.",
        "Stop it with `jlab-mcp stop`, then lower JLAB_MCP_SLURM_CPUS, _MEM or _GRES.",
    ),
    (
        r"PartitionDown|PartitionInactive",
        True,
        "The partition is closed, perhaps for maintenance.",
        "Wait for it to open, or stop with `jlab-mcp stop` and choose another partition.",
    ),
    (
        r"ReqNodeNotAvail|NodeDown|Nodes required for job are DOWN",
        False,
        "The nodes that it needs are down, drained or reserved (a maintenance window may be near).",
        "A walltime that ends before the maintenance may let it start; `scontrol show reservation` shows it.",
    ),
    (
        r"ReservationDeleted|Reservation",
        False,
        "It waits for its reservation.",
        "`scontrol show reservation` shows when it begins.",
    ),
    (r"Licenses", False, "It waits for a licence.", ""),
    (
        r"QOSNotAllowed|InvalidQOS",
        True,
        "This partition does not allow its QOS.",
        "Stop it with `jlab-mcp stop` and change JLAB_MCP_SLURM_QOS.",
    ),
    (
        r"InvalidAccount|AccountNotAllowed|AccountingPolicy",
        True,
        "This partition does not allow its account.",
        "Stop it with `jlab-mcp stop` and change JLAB_MCP_SLURM_ACCOUNT.",
    ),
    (
        r"(?:QOS|Assoc)Max\w*(?:PerJob|WallDuration|MinutesPerJob|NodePerJob|CpuPerJob)\w*",
        True,
        "The job alone is over a limit of your QOS or account, so it will not start.",
        "Stop it with `jlab-mcp stop` and ask for less time or fewer resources.",
    ),
    (
        r"(?:QOS|Assoc)Max\w*|MaxCpuPerAccount|MaxJobsPerAccount|MaxGRESPerAccount",
        False,
        "You are at a limit of your QOS or account (jobs or resources at once).",
        "It starts when one of your jobs ends; `squeue --me` lists them.",
    ),
    (
        r"(?:QOS|Assoc)Grp\w*",
        False,
        "Your group is at a limit of its QOS or account.",
        "It starts when jobs of the group end.",
    ),
    (r"QOS\w*", False, "A rule of its QOS holds it back.", ""),
    (
        r"(?:Cleaning|Prolog|SystemFailure|FrontEndDown)",
        False,
        "The cluster is cleaning up or recovering.",
        "",
    ),
)


def explain_pending(reason: str) -> Waiting:
    """Explain squeue's reason (%r) of a waiting job. An unknown reason is quoted."""
    word = reason.strip().strip("()")
    for pattern, stuck, message, hint in _PENDING:
        if re.match(rf"(?:{pattern})(?![A-Za-z])", word):
            return Waiting(Advice(message, hint), stuck)
    return Waiting(
        Advice(f"Slurm gives the reason {word[:200]!r}." if word else "Slurm gives no reason.", "")
    )
