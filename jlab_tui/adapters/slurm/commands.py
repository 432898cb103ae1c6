"""Runs Slurm's commands with a deadline. A controller in trouble is a result here, never an exception."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ...core.slurm.command_environment import ONE_FORM, query_environment
from ...core.slurm.messages import Advice, explain_queue_failure, reply_lines
from ...core.slurm.queue import (
    QUEUE_FORMAT,
    QueueAnswer,
    QueueUnknown,
    is_ours,
    parse_squeue,
)
from ...core.slurm.rejections import Rejected, Rejection, explain_no_answer, explain_rejection
from ...core.slurm.script import submission_environment
from ...core.slurm.show import JobDetails, parse_node_address, parse_show_job
from ...core.slurm.submit import (
    Cancel,
    Estimate,
    Submitted,
    explain_cancel,
    parse_estimate,
    parse_sbatch,
    read_scancel,
)
from ...core.slurm.survey import SURVEY_FORMAT, Partition, parse_sinfo
from ...core.slurm.terms import JobPhase
from ..programs import Ran, run

QUERY_TIMEOUT_S = 15.0
"""if the controller hangs, squeue itself gives up only after twice its MessageTimeout, 20 s or more"""
SUBMIT_TIMEOUT_S = 60.0
CANCEL_TIMEOUT_S = 60.0
"""scancel may wait for a busy controller, and a wrapper of the site for more"""
_NOT_LISTED = "squeue does not list it, and scontrol does not say that it has ended."


@dataclass(frozen=True, slots=True)
class CancelResult:
    outcome: Cancel
    advice: Advice


class Slurm:
    """One user's view of one cluster (Slurm reads its name from SLURM_CLUSTERS). `queue_cache.SharedQueue` caches answers."""

    def __init__(
        self,
        env: Mapping[str, str],
        *,
        cluster: str | None = None,
        uid: int | None = None,
        clock: Callable[[], float] = time.time,
        timeout_s: float = QUERY_TIMEOUT_S,
    ) -> None:
        """`cluster`: as `--clusters` takes it, empty for this host's; None leaves it to the environment."""
        self.uid = os.getuid() if uid is None else uid
        self._env = {
            name: value for name, value in env.items() if cluster is None or name != "SLURM_CLUSTERS"
        }
        if cluster:
            self._env["SLURM_CLUSTERS"] = cluster
        self._clock = clock
        self._timeout_s = timeout_s

    async def ask_queue(self, *, everybody: bool = False) -> Ran:
        """Run squeue for all jobs of this user, or of everybody, including those that ended minutes ago."""
        whose = [] if everybody else ["-u", str(self.uid)]
        return await self._query("squeue", "-h", *whose, "-t", "all", "-o", QUEUE_FORMAT)

    async def queue(self) -> QueueAnswer:
        asked = self._clock()
        return queue_answer(await self.ask_queue(), asked)

    async def submit(self, script: str) -> Submitted | Rejected:
        """Run sbatch with the script on stdin, in the caller's environment.

        Without an answer in time, the rejection's cause is UNCERTAIN: the job's comment finds the job.
        Cancelling this call kills sbatch with the same uncertainty, so shield it.
        """
        environment = submission_environment(self._env, script)
        ran = await run(["sbatch", "--parsable"], environment, SUBMIT_TIMEOUT_S, stdin=script)
        if ran.returncode is None:
            return explain_no_answer(ran.err)
        submitted = parse_sbatch(ran.out, ran.err)
        if ran.is_ok and submitted is not None:
            return submitted
        if ran.is_ok or submitted is not None:  # a site's wrapper may fail after sbatch succeeded
            why = "Slurm may have accepted the job, although sbatch does not say so clearly."
            reply = "; ".join(reply_lines(f"{ran.err}\n{ran.out}"))[:500]
            return Rejected(Rejection.UNCERTAIN, Advice(why, "Look for it with `squeue --me`."), reply)
        return explain_rejection(ran.err)

    async def estimate(self, script: str, timeout_s: float = SUBMIT_TIMEOUT_S) -> Estimate | Rejected:
        """`sbatch --test-only`: when the job would start, or why it would not. Uses up a job id, so call it rarely."""
        environment = {**submission_environment(self._env, script), **ONE_FORM}
        ran = await run(["sbatch", "--test-only"], environment, timeout_s, stdin=script)
        if ran.returncode is None:
            return explain_no_answer(ran.err)
        return parse_estimate(ran.err + ran.out) if ran.is_ok else explain_rejection(ran.err)

    async def cancel(self, job_id: str, *, submitted: float | None = None, comment: str = "") -> CancelResult:
        """Run scancel after squeue confirmed that the id is still our job (user, name, comment, submit time)."""
        answer = await self.queue()
        if isinstance(answer, QueueUnknown):
            return CancelResult(
                Cancel.UNREACHABLE, explain_cancel(Cancel.UNREACHABLE, job_id, answer.reply or answer.reason)
            )
        job = answer.find(job_id)
        if job is None and not await self._is_gone(job_id):
            return CancelResult(Cancel.UNREACHABLE, explain_cancel(Cancel.UNREACHABLE, job_id, _NOT_LISTED))
        if job is None or job.phase is JobPhase.ENDED:
            return CancelResult(Cancel.UNKNOWN_JOB, explain_cancel(Cancel.UNKNOWN_JOB, job_id))
        if not is_ours(job, self.uid, submitted, comment):
            return CancelResult(Cancel.NOT_OURS, explain_cancel(Cancel.NOT_OURS, job_id))
        ran = await run(["scancel", job_id], query_environment(self._env), CANCEL_TIMEOUT_S)
        outcome = Cancel.UNREACHABLE if ran.returncode is None else read_scancel(ran.returncode, ran.err)
        return CancelResult(outcome, explain_cancel(outcome, job_id, ran.err))

    async def _is_gone(self, job_id: str) -> bool:
        """Return whether Slurm has forgotten a job that squeue does not list, or says that it ended, or is another user's."""
        details = await self.details(job_id)
        match details:
            case None:
                return True
            case QueueUnknown():
                return False
            case JobDetails():
                return details.state.phase is JobPhase.ENDED or details.uid not in (None, self.uid)

    async def details(self, job_id: str) -> JobDetails | QueueUnknown | None:
        """Run `scontrol show job` for exit code, restarts and log. None if Slurm has forgotten the job."""
        ran = await self._query("scontrol", "-o", "show", "job", job_id)
        if ran.is_ok:
            return parse_show_job(ran.out) or _unknown(ran, self._clock())
        if "Invalid job id" in ran.err:
            return None
        return _unknown(ran, self._clock())

    async def ask_survey(self) -> Ran:
        return await self._query("sinfo", "-h", "-o", SURVEY_FORMAT)

    async def survey(self) -> tuple[Partition, ...] | QueueUnknown:
        """Return the partitions that this user may see."""
        ran = await self.ask_survey()
        return parse_sinfo(ran.out) if ran.is_ok else _unknown(ran, self._clock())

    async def node_address(self, node: str) -> str:
        """Return the address at which Slurm itself reaches a node; empty if unknown."""
        ran = await self._query("scontrol", "-o", "show", "node", node)
        return parse_node_address(ran.out) if ran.is_ok else ""

    async def _query(self, *argv: str) -> Ran:
        return await run(argv, query_environment(self._env), self._timeout_s)


def queue_answer(ran: Ran, asked: float) -> QueueAnswer:
    if not ran.is_ok:
        return _unknown(ran, asked)
    return parse_squeue(ran.out, asked)


def _unknown(ran: Ran, asked: float) -> QueueUnknown:
    return QueueUnknown(explain_queue_failure(ran.err), ran.err.strip()[:500], asked)
