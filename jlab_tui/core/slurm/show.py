"""Parses `scontrol show`, the only source for how a job ended, how often it restarted, and a node's address."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .terms import JobState, integer, known


@dataclass(frozen=True, slots=True)
class JobDetails:
    """A job, from `scontrol -o show job`."""

    job_id: str
    state: JobState
    reason: str
    exit_code: int
    signal: int
    restarts: int
    log: str
    """path of its output, placeholders filled in"""
    node: str
    uid: int | None = None
    """of its user"""


def parse_show_job(text: str) -> JobDetails | None:
    """Parse the first job of `scontrol -o show job ID`: `Key=Value` pairs on one line, values may contain blanks."""
    line = next((line for line in text.splitlines() if line.startswith("JobId=")), None)
    if line is None:
        return None
    marks = list(re.finditer(r"(?:^| )([A-Za-z][\w/:]*)=", line))
    values: dict[str, str] = {}
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        values.setdefault(mark[1], line[mark.end() : following.start() if following else None].strip())
    exit_code, _, signal = values.get("ExitCode", "0:0").partition(":")
    return JobDetails(
        job_id=values["JobId"],
        state=JobState.parse(values.get("JobState", "")),
        reason=values.get("Reason", ""),
        exit_code=integer(exit_code) or 0,
        signal=integer(signal) or 0,
        restarts=integer(values.get("Restarts", "")) or 0,
        log=known(values.get("StdOut", "")),
        node=known(values.get("BatchHost", "")),
        uid=integer(values.get("UserId", "").rpartition("(")[2].rstrip(")")),
    )


def parse_node_address(text: str) -> str:
    """Return `NodeAddr` of `scontrol -o show node`; empty if it only repeats the node's name."""
    address = re.search(r"(?:^| )NodeAddr=(\S+)", text)
    name = re.search(r"(?:^| )NodeName=(\S+)", text)
    return address[1] if address and not (name and address[1] == name[1]) else ""
