"""SLURM mode: JupyterLab as a job, described by files on the shared file system and followed through squeue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from ...core.errors import ServerError
from ...core.server.record import ConnectionFile, ServerRecord, ServerState
from ...core.server.slurm_job import (
    find_job,
    restarts_of,
    seen_running,
    wants_details,
)
from ...core.server.status import JobGone, Observation
from ...core.settings import Settings
from ...core.slurm.queue import COUNT_AFTER_S, QueueAnswer, QueueRows, QueueUnknown, poll_interval
from ...core.slurm.script import (
    restarted_name,
    submission_comment,
)
from ...core.slurm.show import JobDetails
from ...core.slurm.submit import Cancel
from ...core.slurm.survey import survey_lines
from ...core.slurm.terms import JobPhase
from ..files import tail_text
from ..server.launch_files import read_connection, remove_launch_files
from .clusters import Cluster, Clusters
from .submission import Submission

URGENT_S = 2.0
"""largest age of a queue answer that may explain why a server stopped answering"""
END_PATIENCE_S = 45.0
"""Slurm lets a job's processes live for KillWait (30 s by default) after the first signal"""


class SlurmServer:
    """Submits, watches and cancels the job of one project."""

    def __init__(
        self,
        settings: Settings,
        env: Mapping[str, str],
        clusters: Clusters,
        end_patience_s: float = END_PATIENCE_S,
    ) -> None:
        self._settings = settings
        self._env = env
        self._clusters = clusters
        self._end_patience_s = end_patience_s
        self._addresses: dict[str, str] = {}

    async def launch(
        self, say: Callable[[str], None], announce: Callable[[ServerRecord], None]
    ) -> ServerRecord:
        """Submit the job. Raises LaunchFailed with Slurm's reason and what to change."""
        return await Submission(self._settings, self._env).submit(say, announce)

    # -- observe -----------------------------------------------------------------------------------------------------

    async def observe(self, record: ServerRecord, *, urgent: bool = False) -> Observation:
        """Check queue, connection file and log. `urgent`: the server does not answer, so ask for a fresh queue, and also about a
        job that should have ended."""
        if not record.state.is_live:
            return Observation(time.time(), process_alive=await self._is_left(record) if urgent else None)
        cluster = self._cluster_of(record)
        answer = await cluster.queue.latest(lambda known: self._max_age(record, known, urgent=urgent))
        details: JobDetails | QueueUnknown | JobGone | None = None
        if wants_details(record, answer):
            details = await cluster.slurm.details(record.job_id) or JobGone()
        connection = await self._connection(record, answer, details)
        tail = ""
        if self._wants_log(record, answer, details):
            tail = await asyncio.to_thread(tail_text, Path(record.log))
        seen = Observation(time.time(), connection=connection, log_tail=tail, queue=answer, details=details)
        job = find_job(record, answer)
        if job is None or job.phase is not JobPhase.WAITING or record.state is not ServerState.PENDING:
            return seen
        if job.submitted is None or seen.now - job.submitted < COUNT_AFTER_S:
            return seen
        return replace(seen, load=tuple(survey_lines(await cluster.survey.partitions())))

    async def _is_left(self, record: ServerRecord) -> bool:
        """Return whether the queue lists the job as waiting or running after all, such as one that it listed too late."""
        if not record.slurm.submission:
            return False
        job = find_job(record, await self._cluster_of(record).slurm.queue())
        return job is not None and job.phase not in (JobPhase.ENDED, JobPhase.ENDING)

    def _cluster_of(self, record: ServerRecord) -> Cluster:
        return self._clusters.named(record.slurm.cluster)

    def _max_age(self, record: ServerRecord, known: QueueAnswer, *, urgent: bool) -> float:
        if isinstance(known, QueueUnknown):
            return URGENT_S
        interval = poll_interval(find_job(record, known), time.time())
        return min(interval, URGENT_S) if urgent or wants_details(record, known) else interval

    def _wants_log(
        self, record: ServerRecord, answer: QueueAnswer, details: JobDetails | QueueUnknown | JobGone | None
    ) -> bool:
        job = find_job(record, answer)
        if job is None or job.phase is JobPhase.ENDED:
            return isinstance(details, JobDetails | JobGone)
        started = seen_running(record)
        late = time.time() - started > self._settings.ready_timeout_s
        return record.state is ServerState.STARTING and bool(started) and late

    async def _connection(
        self,
        record: ServerRecord,
        answer: QueueAnswer,
        details: JobDetails | QueueUnknown | JobGone | None,
    ) -> ConnectionFile | None:
        """Return what the job's current run wrote, with a URL that this host can reach."""
        job = find_job(record, answer)
        if isinstance(details, JobDetails) and details.state.phase is JobPhase.WAITING:
            return None
        if not record.conn_file or (job is not None and job.phase in (JobPhase.ENDING, JobPhase.ENDED)):
            return None
        path = Path(restarted_name(record.conn_file, restarts_of(record, details)))
        connection = await asyncio.to_thread(read_connection, path)
        return await self._with_node_address(record, connection) if connection else None

    async def _with_node_address(self, record: ServerRecord, connection: ConnectionFile) -> ConnectionFile:
        """Add the address at which Slurm reaches the node: its name may mean nothing here, or lead to another network.

        The record keeps the addresses, so Slurm is asked while the server starts, and later if the name is unknown here."""
        if connection.link is not None:
            return connection
        host = urlsplit(connection.url).hostname or ""
        if (known := self._addresses.get(host)) is None:
            known = ""
            if record.state is ServerState.STARTING or not await _resolves(host):
                known = await self._cluster_of(record).slurm.node_address(record.hostname or host)
            self._addresses[host] = known
        addresses = dict.fromkeys((*record.slurm.addresses.split(), *connection.addresses, known))
        return replace(connection, addresses=tuple(filter(None, addresses)))

    # -- end ---------------------------------------------------------------------------------------------------------

    async def end(self, record: ServerRecord) -> str:
        """Cancel the job after checking that it is ours, and wait until it is gone. Raises ServerError if it remains."""
        job_id, slurm = record.job_id, self._cluster_of(record).slurm
        if not job_id:
            found = find_job(record, await slurm.queue())
            if found is None:
                raise ServerError(
                    "sbatch did not answer when the job was submitted, and the queue does not show it now.",
                    "Look for it with `squeue --me`, then run `jlab-mcp stop` again.",
                )
            job_id = found.job_id
        comment = submission_comment(record.slurm.submission)
        result = await slurm.cancel(job_id, submitted=record.slurm.submitted or None, comment=comment)
        match result.outcome:
            case Cancel.UNKNOWN_JOB | Cancel.NOT_OURS:
                remove_launch_files(Path(record.conn_file))
                return f"Job {job_id} had already ended."
            case Cancel.DENIED | Cancel.UNREACHABLE | Cancel.FAILED:
                raise ServerError(result.advice.message, result.advice.hint)
            case Cancel.SENT:
                phase = await self._wait_for_end(record, job_id)
                if phase not in (JobPhase.ENDED, JobPhase.ENDING):
                    raise _still_there(job_id, phase, self._end_patience_s)
                remove_launch_files(Path(record.conn_file))
                is_gone = phase is JobPhase.ENDED
                return f"Job {job_id} was cancelled." if is_gone else f"Slurm is cancelling job {job_id}."

    async def _wait_for_end(self, record: ServerRecord, job_id: str) -> JobPhase:
        """Wait until the job is gone; return what squeue says of it in the end."""
        deadline = asyncio.get_running_loop().time() + self._end_patience_s
        pause, phase = 0.2, JobPhase.UNKNOWN
        while asyncio.get_running_loop().time() < deadline:
            answer = await self._cluster_of(record).queue.latest(pause)
            phase = JobPhase.UNKNOWN
            if isinstance(answer, QueueRows):
                job = answer.find(job_id)
                phase = job.phase if job is not None else JobPhase.ENDED
            if phase is JobPhase.ENDED:
                break
            await asyncio.sleep(pause)
            pause = min(2.0, pause * 1.5)
        return phase

    def is_elsewhere(self, record: ServerRecord) -> bool:
        return False

    def clear_up(self, record: ServerRecord) -> None:
        remove_launch_files(Path(record.conn_file))

    def may_retry(self, record: ServerRecord) -> bool:
        """Only the user resubmits a job."""
        return False


def _still_there(job_id: str, phase: JobPhase, waited_s: float) -> ServerError:
    how = "Slurm does not answer" if phase is JobPhase.UNKNOWN else f"squeue calls it {phase.value}"
    return ServerError(
        f"Job {job_id} is not gone {waited_s:.0f} s after scancel, which reported no error: {how}.",
        f"It is still on record: run `jlab-mcp stop` again, or `scancel {job_id}` to see what it says.",
    )


async def _resolves(host: str) -> bool:
    try:
        await asyncio.get_running_loop().getaddrinfo(host, None)
    except OSError:
        return False
    return True
