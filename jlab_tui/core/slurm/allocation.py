"""Finds out whether a process runs on a node of a job, and chooses where the server runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ..settings import Mode, Settings
from ..site_settings import kept_by_site
from .script import job_around

_MOST_NODES: Final = 100_000
_GPU_NUMBERS: Final = ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS")


@dataclass(frozen=True, slots=True)
class Allocation:
    """The job on whose node this process runs."""

    job_id: str
    node: str
    """as Slurm calls it"""
    gpus: int = 0
    """on this node"""
    ends: float = 0.0
    """epoch seconds of the walltime's end; 0: unknown or none"""

    def __str__(self) -> str:
        gpus = f"{self.gpus} GPU{'s' if self.gpus > 1 else ''}" if self.gpus else "no GPU"
        return f"job {self.job_id} on {self.node} ({gpus})"


def allocation_here(env: Mapping[str, str], host: str) -> Allocation | None:
    """Return the job whose node `host` is. None elsewhere, also on a login node where `salloc` left the job's variables."""
    job_id = job_around(env)
    nodes = {node.partition(".")[0] for node in node_names(env.get("SLURM_JOB_NODELIST", ""))}
    own = (host.partition(".")[0], env.get("SLURMD_NODENAME", "").partition(".")[0])
    node = next((name for name in own if name in nodes), "")
    if not job_id or not node:
        return None
    ends = env.get("SLURM_JOB_END_TIME", "")
    return Allocation(job_id, node, _gpus(env), float(ends) if re.fullmatch(r"\d{1,12}", ends) else 0.0)


def submits_another(env: Mapping[str, str], host: str, kept: str = "") -> str:
    """Say that a job is submitted although there is one already, and how to use that one; empty outside of jobs.

    `kept`: where the site keeps the mode, which then cannot be another one."""
    if (around := allocation_here(env, host)) is not None:
        other = "`jlab-mcp start --mode local` uses this node."
        return f"This is inside {around}; jlab-mcp submits another job. {kept_by_site('RUN_MODE', kept) if kept else other}"
    if outer := job_around(env):
        return (
            f"This shell holds job {outer}, but {host} is none of its nodes; jlab-mcp submits another job. "
            f"To use that one, go there first: srun --overlap --jobid {outer} --pty bash"
        )
    return ""


def offer(around: Allocation | None) -> str:
    """Say what a local start would use, if that is a node of a job."""
    return f'This process runs in {around}: mode "local" uses that node, and ends with it.' if around else ""


def choose_mode(
    settings: Settings,
    given: str | None,
    *,
    has_sbatch: bool,
    around: Allocation | None = None,
    wants_walltime: bool = False,
) -> tuple[Mode, str]:
    """Choose where the server runs, and say by what. `given`: `--mode`; `wants_walltime`: the user gave one for a new job.

    On a node of a job that has the GPU which the settings ask for, it runs there.
    """
    if given:
        return Mode(given), "--mode"
    if settings.run_mode is not None:
        return settings.run_mode, "JLAB_MCP_RUN_MODE"
    if not has_sbatch:
        return Mode.LOCAL, "no sbatch"
    if around is not None and not wants_walltime and (around.gpus or "gpu" not in settings.slurm.gres):
        return Mode.LOCAL, f"inside {around}"
    return Mode.SLURM, "sbatch is found"


def node_names(listed: str) -> Iterator[str]:
    """Expand a host list as Slurm writes it, such as `gpu[01-03,7],cpu1`; yields nothing that it does not understand."""
    for part in re.findall(r"(?:[^,\[\]]|\[[^\]]*\])+", listed):
        yield from _expanded(part, "", _MOST_NODES)


def _expanded(rest: str, done: str, most: int) -> Iterator[str]:
    head, bracket, tail = rest.partition("[")
    if not bracket:
        yield done + head
        return
    ranges, _, tail = tail.partition("]")
    for one in ranges.split(","):
        match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", one)
        if match is None:
            continue
        first, last = int(match[1]), int(match[2] or match[1])
        for number in range(first, min(last, first + most) + 1):
            yield from _expanded(tail, f"{done}{head}{number:0{len(match[1])}}", most)


def _gpus(env: Mapping[str, str]) -> int:
    count = env.get("SLURM_GPUS_ON_NODE", "")
    if count.isdecimal():
        return int(count)
    numbers = next((env[name] for name in _GPU_NUMBERS if env.get(name)), "")
    return sum(1 for _ in node_names(f"[{numbers}]")) if numbers else 0
