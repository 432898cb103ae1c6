"""Parses the answers of sbatch and scancel; `core.slurm.rejections` explains a refusal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from .messages import Advice, explain_queue_failure, reply_lines
from .terms import parse_moment


@dataclass(frozen=True, slots=True)
class Submitted:
    job_id: str
    cluster: str = ""
    """set only if sbatch sent the job to another cluster"""
    notices: tuple[str, ...] = ()
    """other lines that the site's sbatch or its plugins printed"""


_NOTICES_MAX: Final = 10
_NOTICE_MAX: Final = 300


def parse_sbatch(stdout: str, stderr: str = "") -> Submitted | None:
    """Parse the job id of `sbatch --parsable` (`11`, `11;cluster`) or of the long form, between any banners."""
    lines = reply_lines(stdout)
    for line in reversed(lines):
        match = re.fullmatch(r"(\d+)(?:;(\S+))?", line, re.ASCII) or re.fullmatch(
            r"Submitted batch job (\d+)(?: on cluster (\S+))?", line, re.ASCII
        )
        if match:
            others = [other for other in (*lines, *reply_lines(stderr)) if other != line]
            return Submitted(match[1], match[2] or "", _notices(others))
    return None


def _notices(lines: Sequence[str]) -> tuple[str, ...]:
    shown = [line[:_NOTICE_MAX] for line in lines if not line.startswith("debug")]
    left_out = len(shown) - _NOTICES_MAX
    return (
        *shown[:_NOTICES_MAX],
        *([f"... and {left_out} more line{'s' * (left_out > 1)}"] if left_out > 0 else []),
    )


@dataclass(frozen=True, slots=True)
class Estimate:
    """Slurm accepts the job."""

    starts: float | None
    """epoch seconds when it would start; None if Slurm does not say"""
    where: str = ""
    """in Slurm's words: `on nodes gpu1 in partition gpu`"""


def parse_estimate(text: str) -> Estimate:
    """Parse stderr of `sbatch --test-only`: `sbatch: Job 5 to start at 1795706534 using 1 processors on ...`."""
    found = re.search(r"Job \d+ to start at (\S+)(?:.*? (on nodes .*))?", text)
    return Estimate(parse_moment(found[1]), found[2] or "") if found else Estimate(None)


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
