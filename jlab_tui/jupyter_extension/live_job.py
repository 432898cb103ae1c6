"""What the page says of the server's job: from the process's environment, and from the project's status file, which clients keep up to date. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, Mapping

from .live_fragments import seconds
from .live_markup import escaped

_STATES = {"pending": "waits in the queue", "starting": "starting", "ready": "running", "stopping": "being stopped"}
"""of a server that is not over, in words for a job"""


@dataclass(frozen=True)
class LiveJob:
    """Where the server runs. Times are epoch seconds, 0 while unknown."""

    host: str
    job: str = ""
    """its number; empty outside of jobs"""
    partition: str = ""
    state: str = ""
    end: float = 0.0
    """of the walltime"""
    waited_s: float = 0.0
    """in the queue"""
    other: str = ""
    """the project's job, if that is another one by now, and its state"""
    other_start: float = 0.0
    """when Slurm expects that one to start"""


def job_here(env: Mapping[str, str], hostname: str) -> LiveJob:
    """Return what a process's environment tells of its job."""
    return LiveJob(
        env.get("SLURMD_NODENAME") or hostname,
        env.get("SLURM_JOB_ID", ""),
        env.get("SLURM_JOB_PARTITION", ""),
        "running" if env.get("SLURM_JOB_ID") else "",
        _time(env.get("SLURM_JOB_END_TIME", "")),
    )


def with_record(here: LiveJob, text: str) -> LiveJob:
    """Add what the status file (`core/server/record.py`) tells; one that is incomplete tells nothing."""
    pairs: Dict[str, str] = {}
    for line in text.split("\n"):
        key, _, value = line.partition("=")
        pairs[key] = value
    if pairs.get("END") != "1":
        return here
    state = _STATES.get(pairs.get("STATE", ""), "")
    if pairs.get("MODE") == "local":
        is_inside = bool(here.job) and pairs.get("INSIDE_JOB") == here.job
        return here if is_inside else replace(here, job="", partition="", state="", end=0.0)
    job = pairs.get("JOB_ID", "")
    if job != here.job:
        told = "job %s %s" % (job, state) if job and state else ""
        is_queued = pairs.get("STATE") == "pending"
        return replace(here, other=told, other_start=_time(pairs.get("ESTIMATE", "")) if is_queued else 0.0)
    begun, submitted = _time(pairs.get("JOB_START", "")), _time(pairs.get("SUBMITTED", ""))
    return replace(
        here,
        state=state or here.state,
        end=_time(pairs.get("ENDS", "")) or here.end,
        waited_s=max(0.0, begun - submitted) if begun and submitted else 0.0,
    )


def _time(digits: str) -> float:
    whole, _, rest = digits.partition(".")
    is_time = whole.isascii() and whole.isdecimal() and len(whole) < 12 and (not rest or rest.isdecimal())
    return float(whole) if is_time else 0.0


def job_html(job: LiveJob) -> str:
    """Return one line, whose times the page's script goes on counting."""
    shown = ["<b>%s</b>" % escaped(job.host)]
    if job.job:
        shown.insert(0, "job %s" % escaped(job.job))
        shown[1:1] = [escaped(job.state)] if job.state else []
    if job.partition:
        shown.append(escaped(job.partition))
    if job.end:
        shown.append('<span data-until="%d"></span>' % job.end)
    if job.waited_s >= 1:
        shown.append('<span class="waited">waited %s in the queue</span>' % seconds(job.waited_s))
    if job.other:
        start = ', starts about <time data-at="%d"></time>' % job.other_start if job.other_start else ""
        shown.append('<span class="other">the project\'s server is %s%s</span>' % (escaped(job.other), start))
    return '<div id="job">%s</div>' % " <i>·</i> ".join(shown)
