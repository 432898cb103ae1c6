"""Checks Slurm: its commands, the partition, the request, and what a node sees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..server.exit_grace import client_grace
from ..settings import PREFIX, Settings, SlurmSettings
from ..site_settings import kept_by_site
from ..slurm.queue import QueueAnswer, QueueUnknown
from ..slurm.rejections import Rejected
from ..slurm.submit import Estimate
from ..slurm.survey import SOON_S, Partition, about, format_span, survey_lines
from ..slurm.terms import parse_span
from .checks import Finding, Level
from .python_checks import DriverFacts

_LOCAL = "export JLAB_MCP_RUN_MODE=local"


def check_slurm_commands(missing: Sequence[str], answer: QueueAnswer | None, kept: str = "") -> list[Finding]:
    """Check that Slurm can be asked. `kept`: where the site keeps the mode, which then cannot be another one."""
    why = f" {kept_by_site('RUN_MODE', kept)}" if kept else ""
    if missing:
        text = f"not on the PATH: {', '.join(missing)}.{why}"
        other = "" if kept else f"   (or: {_LOCAL})"
        return [Finding("slurm", Level.FAIL, text, f"module load slurm{other}")]
    if isinstance(answer, QueueUnknown):
        other = "" if kept else f"   (or, if this machine belongs to no cluster: {_LOCAL})"
        return [Finding("slurm", Level.FAIL, f"{answer.reason}{why}", f"scontrol ping{other}")]
    return [Finding("slurm", Level.OK, "sbatch, squeue and sinfo are on the PATH and the controller answers")]


def check_idle_end(hours: float, *, submits: bool) -> list[Finding]:
    """Offer that a job which nobody uses ends itself; only the user decides that. `submits`: whether a start submits a job."""
    variable = f"{PREFIX}IDLE_END_H"
    if not submits:
        text = f"{variable} has no effect here: only a job that jlab-mcp submits ends itself."
        return [Finding("idle end", Level.WARN, text, f"unset {variable}")] if hours else []
    if hours:
        return [Finding("idle end", Level.OK, f"a job ends itself after {hours:g} idle hours")]
    text = "a job keeps its node until its walltime, used or not; if it should end after 2 idle hours:"
    return [Finding("idle end", Level.SKIP, text, f"export {variable}=2")]


def check_kept_kernels(settings: Settings, *, in_job: bool) -> list[Finding]:
    """Say if a JLAB_MCP_KEEP_H that is set does nothing. `in_job`: whether kernels run, or would run, in a job."""
    if settings.keep_h is None:
        return []
    variable = f"{PREFIX}KEEP_H"
    if not in_job:
        text = f"{variable} has no effect here: it is for kernels in a job. To keep them here, too:"
        return [Finding("kept kernels", Level.SKIP, text, f"export {PREFIX}ON_EXIT=keep")]
    grace = client_grace(settings, in_job=True)
    if grace is not None and grace.by == variable:
        return []
    other = f"{PREFIX}{'EXIT_GRACE_S' if settings.exit_grace_s is not None else 'ON_EXIT'}"
    text = f"{variable} has no effect, because {other} is set."
    return [Finding("kept kernels", Level.WARN, text, f"unset {other}   (or {variable})")]


def check_partition(partitions: Sequence[Partition], options: SlurmSettings) -> list[Finding]:
    """Check that the partition exists, is open, and has a node large enough for the request."""
    wanted, gres = options.partition, options.gres
    needs_gpu = gres.startswith("gpu")
    chosen = next((p for p in partitions if (p.name == wanted if wanted else p.is_default)), None)
    better = next((p.name for p in partitions if p.is_up and (p.has_gpus or not needs_gpu)), "")
    choose = f"export {PREFIX}SLURM_PARTITION={better}" if better else "sinfo -s"
    if chosen is None:
        names = ", ".join(p.name for p in partitions) or "none"
        what = f"there is no partition {wanted}" if wanted else "this cluster has no default partition"
        return [Finding("partition", Level.FAIL, f"{what} (there are: {names}).", choose)]
    line = survey_lines((chosen,))[0]
    if not chosen.is_up:
        return [Finding("partition", Level.FAIL, f"{line}.", choose)]
    if needs_gpu and not chosen.has_gpus:
        fix = choose if better else f"export {PREFIX}SLURM_GRES=none"
        return [Finding("partition", Level.FAIL, f"{line}, but you ask for {gres}.", fix)]
    found = [
        Finding(
            "partition",
            Level.FAIL,
            f"{line}, but you ask for {asked}.",
            f"export {PREFIX}SLURM_{name}={most}",
        )
        for name, asked, most in _too_much(chosen, options)
    ]
    return found or [Finding("partition", Level.OK, line)]


def _too_much(partition: Partition, options: SlurmSettings) -> Iterator[tuple[str, str, str]]:
    """Yield `(setting, requested, largest available)`."""
    if 0 < partition.mem_mb < options.mem_mb:
        yield "MEM", f"{options.mem_mb} MB", str(partition.mem_mb)
    if 0 < partition.cpus < options.cpus:
        yield "CPUS", f"{options.cpus} CPUs", str(partition.cpus)
    asked, limit = parse_span(options.time), partition.time_limit
    if asked is not None and limit is not None and asked > limit:
        yield "TIME", options.time, format_span(limit)


def check_request(answer: Estimate | Rejected, request: str, now: float) -> list[Finding]:
    """Report what `sbatch --test-only` says about the job that `start` would submit: account, limits and resources at once."""
    if isinstance(answer, Rejected):
        return [Finding("request", Level.FAIL, answer.message, answer.advice.hint)]
    when = ""
    if answer.starts is not None:
        wait = answer.starts - now
        when = (
            f", to start {f'in about {about(wait)}' if wait > SOON_S else 'at once'} {answer.where}".rstrip()
        )
    return [Finding("request", Level.OK, f"Slurm accepts {request}{when}")]


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What a step inside our running job finds."""

    sees_files: bool | None = None
    """whether it sees a file written here a moment ago; None: no step could run"""
    can_write: bool = True
    """whether what it writes beside that file is seen here"""
    error: str = ""
    driver: DriverFacts | None = None
    """its GPU driver; None if unknown"""


_IN_MEMORY = ("tmpfs", "ramfs", "devtmpfs")


def check_shared_files(
    directory: str, node: str, facts: NodeFacts | None, filesystem: str = ""
) -> list[Finding]:
    """Check that nodes see the directory; `filesystem` is the type of its file system, such as nfs4 or ext4."""
    if facts is None and filesystem in _IN_MEMORY:
        text = f"{directory} is in this machine's memory ({filesystem}), so no node sees it."
        return [
            Finding("shared files", Level.FAIL, text, "export JLAB_MCP_DIR=/a/directory/that/nodes/share")
        ]
    if facts is None:
        on = f" on {filesystem}" if filesystem else ""
        text = f"start a job to check whether a node sees {directory}{on} (jlab-mcp start)"
        return [Finding("shared files", Level.SKIP, text)]
    if facts.sees_files is None:
        text = f"no step could run on {node}: {facts.error}"
        return [Finding("shared files", Level.SKIP, text)]
    if not facts.sees_files:
        text = f"{node} does not see a file that was just written to {directory}."
        return [
            Finding("shared files", Level.FAIL, text, "export JLAB_MCP_DIR=/a/directory/that/nodes/share")
        ]
    if not facts.can_write:
        text = f"{node} sees {directory}, but cannot write to it."
        fix = "export JLAB_MCP_DIR=/a/directory/that/nodes/can/write/to"
        return [Finding("shared files", Level.FAIL, text, fix)]
    return [Finding("shared files", Level.OK, f"{node} sees what is written to {directory}")]
