"""SLURM mode: JupyterLab as a job, described by files on the shared file system and followed through squeue."""

from __future__ import annotations

import asyncio
import secrets
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from ..core.errors import LaunchFailed, ServerError, UsageError
from ..core.models import Connection, ServerRecord, ServerState
from ..core.settings import Mode, Settings
from ..core.situation import JobGone, Observation
from ..core.slurm import JobPhase
from ..core.slurm_queue import QueueAnswer, QueueRows, QueueUnknown, poll_interval
from ..core.slurm_record import JOB_START, SUBMISSION, SUBMITTED, find_job, restarts_of, wants_details
from ..core.slurm_script import (
    ResourceRequest,
    ScriptInputs,
    check_request,
    render_script,
    restarted_name,
    script_values,
    submission_comment,
)
from ..core.slurm_show import JobDetails
from ..core.slurm_submit import Cancel, Rejected, Rejection, Submitted
from ..core.slurm_survey import survey_lines
from .files import private_dir, tail_text
from .local import PROJECT_KERNEL, choose_python, server_env, write_kernelspec
from .node_files import install_node_files, read_connection, remove_launch_files, write_launch_files
from .slurm import Slurm
from .squeue_cache import SharedQueue, SharedSurvey

URGENT_S = 2.0
"""age of a queue answer that may still explain why a server stopped answering"""
END_PATIENCE_S = 45.0
"""Slurm lets a job's processes live for KillWait (30 s by default) after the first signal"""
LOOK_UP_S = 15.0
CROWD_AFTER_S = 5.0
"""a job that waits longer than that is told how long the queue is and what is free elsewhere"""

PACKAGED_TEMPLATE = Path(__file__).parents[1] / "templates" / "jupyter_slurm.sh.template"
SOURCE_TEMPLATE = Path(__file__).parents[2] / "templates" / "jupyter_slurm.sh.template"


class SlurmServer:
    """Submits, watches and cancels the job of one project."""

    def __init__(
        self,
        settings: Settings,
        env: Mapping[str, str],
        slurm: Slurm,
        queue: SharedQueue,
        survey: SharedSurvey,
    ) -> None:
        self._settings = settings
        self._env = env
        self._slurm = slurm
        self._queue = queue
        self._survey = survey
        self._addresses: dict[str, str] = {}

    # -- launch ------------------------------------------------------------------------------------------------------

    async def launch(self, say: Callable[[str], None]) -> ServerRecord:
        """Submit the job. Raises LaunchFailed with Slurm's reason and what to change."""
        settings = self._settings
        submission = secrets.token_hex(8)
        request = check_request(request_of(settings))
        template = read_template(settings.slurm.template)
        pythons, kernel = await self._pythons(say)
        started = round(time.time(), 3)
        try:
            inputs, token, connection_file = self._write_files(submission, pythons, kernel)
            script = render_script(template, script_values(request, inputs))
        except OSError as error:
            raise LaunchFailed(
                f"The files of the job could not be written: {error}.",
                "Set JLAB_MCP_DIR to a directory on the shared file system where you may write.",
            ) from None
        answer = await Slurm(server_env(self._env)).submit(script)
        if isinstance(answer, Rejected) and answer.cause is not Rejection.UNCERTAIN:
            remove_launch_files(connection_file)
            raise LaunchFailed(f"{answer.advice.message} Slurm says: {answer.said}", answer.advice.hint)
        job_id = answer.job_id if isinstance(answer, Submitted) else await self._look_up(submission)
        if isinstance(answer, Submitted):
            for notice in answer.notices:
                say(notice)
        return ServerRecord(
            state=ServerState.PENDING,
            mode=Mode.SLURM,
            job_id=job_id,
            token=token,
            started=started,
            launcher=socket.gethostname(),
            conn_file=str(connection_file),
            log=inputs.log.replace("%j", job_id) if job_id else inputs.log,
            extra={"ROOT": str(settings.root), SUBMISSION: submission},
        )

    async def _pythons(self, say: Callable[[str], None]) -> tuple[list[str], str]:
        """Interpreters to try on the node, and the kernels' own where it has no server."""
        settings = self._settings
        if settings.setup.strip():
            return ["", sys.executable], ""
        choice = await choose_python(settings.root, self._env)
        if choice.note:
            say(choice.note)
        pythons = [choice.server, sys.executable]
        own = settings.root / ".venv" / "bin" / "python"
        if own.exists():
            pythons.append(str(own))  # where none has a server, this is the one to install it for
        return list(dict.fromkeys(pythons)), choice.kernel

    def _write_files(
        self, submission: str, pythons: list[str], kernel: str
    ) -> tuple[ScriptInputs, str, Path]:
        settings = self._settings
        for directory in (settings.home, settings.status_dir, settings.log_dir, settings.spool_dir):
            private_dir(directory)
        node = install_node_files(settings.node_dir)
        kernelspecs = []
        if kernel:
            specs = write_kernelspec(settings.status_dir / "kernelspecs", kernel, settings.root.name)
            kernelspecs.append(str(specs))
        files = write_launch_files(
            settings.connection_dir,
            "slurm",
            {
                "ip": settings.slurm.bind_ip,
                "port_min": settings.port_min,
                "port_max": settings.port_max,
                "root_dir": str(settings.server_root_dir),
                "spool_dir": str(settings.spool_dir),
                "kernelspec_dirs": kernelspecs,
                "default_kernel": PROJECT_KERNEL if kernelspecs else None,
                "exit_grace_s": settings.exit_grace_s,
            },
        )
        inputs = ScriptInputs(
            submission=submission,
            log=str(settings.log_dir / "jupyter-slurm-%j.log"),
            workdir=str(settings.server_root_dir),
            launcher=str(node / "launch.py"),
            config=str(files.config_file),
            pythons=pythons,
            setup=settings.setup,
        )
        return inputs, files.token, files.connection_file

    async def _look_up(self, submission: str) -> str:
        """Id of a job whose sbatch gave no answer, empty while the queue does not show it."""
        deadline = asyncio.get_running_loop().time() + LOOK_UP_S
        while asyncio.get_running_loop().time() < deadline:
            answer = await self._slurm.queue()
            job = (
                answer.with_comment(submission_comment(submission)) if isinstance(answer, QueueRows) else None
            )
            if job is not None:
                return job.job_id
            await asyncio.sleep(0.5)
        return ""

    # -- observe -----------------------------------------------------------------------------------------------------

    async def observe(self, record: ServerRecord, *, urgent: bool = False) -> Observation:
        """Look at queue, connection file and log. `urgent`: the server does not answer, so an old answer will not do."""
        if not record.state.is_live:
            return Observation(time.time())
        answer = await self._queue.latest(lambda known: self._max_age(record, known, urgent=urgent))
        details: JobDetails | QueueUnknown | JobGone | None = None
        if wants_details(record, answer):
            details = await self._slurm.details(record.job_id) or JobGone()
        connection = await self._connection(record, answer, details)
        tail = ""
        if self._wants_log(record, answer, details):
            tail = await asyncio.to_thread(tail_text, Path(record.log))
        seen = Observation(time.time(), connection=connection, log_tail=tail, queue=answer, details=details)
        job = find_job(record, answer)
        if job is None or job.phase is not JobPhase.WAITING or record.state is not ServerState.PENDING:
            return seen
        if job.submitted is None or seen.now - job.submitted < CROWD_AFTER_S:
            return seen
        load = tuple(survey_lines(await self._survey.partitions()))
        competes = job.reason in ("Priority", "Resources")
        return replace(seen, load=load, position=await self._survey.position(job) if competes else None)

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
        started = float(record.extra.get(JOB_START) or 0)
        late = time.time() - started > self._settings.ready_timeout_s
        return record.state is ServerState.STARTING and bool(started) and late

    async def _connection(
        self,
        record: ServerRecord,
        answer: QueueAnswer,
        details: JobDetails | QueueUnknown | JobGone | None,
    ) -> Connection | None:
        """What the job's present run wrote, with a URL that this host can reach."""
        job = find_job(record, answer)
        if isinstance(details, JobDetails) and details.state.phase is JobPhase.WAITING:
            return None
        if not record.conn_file or (job is not None and job.phase in (JobPhase.ENDING, JobPhase.ENDED)):
            return None
        path = Path(restarted_name(record.conn_file, restarts_of(record, details)))
        connection = await asyncio.to_thread(read_connection, path)
        return replace(connection, url=await self._reachable(record, connection)) if connection else None

    async def _reachable(self, record: ServerRecord, connection: Connection) -> str:
        """The server's URL by the node's name, else by the address under which Slurm knows the node."""
        parts = urlsplit(connection.url)
        host = parts.hostname or ""
        if (known := self._addresses.get(host)) is None:
            known = host
            if not await _resolves(host):
                known = await self._slurm.node_address(record.hostname or host) or host
            self._addresses[host] = known
        if known == host:
            return connection.url
        shown = f"[{known}]" if ":" in known else known
        return parts._replace(netloc=f"{shown}:{parts.port}").geturl()

    # -- end ---------------------------------------------------------------------------------------------------------

    async def end(self, record: ServerRecord) -> str:
        """Cancel the job, verified to be ours, and wait until it is gone. Raises ServerError; then it is still there."""
        job_id = record.job_id
        if not job_id:
            found = find_job(record, await self._slurm.queue())
            if found is None:
                raise ServerError(
                    "sbatch did not answer when the job was submitted, and the queue does not show it now.",
                    "Look for it with `squeue --me`, then run `jlab-mcp stop` again.",
                )
            job_id = found.job_id
        submitted = float(record.extra.get(SUBMITTED) or 0) or None
        comment = submission_comment(record.extra.get(SUBMISSION, ""))
        result = await self._slurm.cancel(job_id, submitted=submitted, comment=comment)
        match result.outcome:
            case Cancel.UNKNOWN_JOB | Cancel.NOT_OURS:
                remove_launch_files(Path(record.conn_file))
                return f"Job {job_id} had already ended."
            case Cancel.DENIED | Cancel.UNREACHABLE | Cancel.FAILED:
                raise ServerError(result.advice.message, result.advice.hint)
            case Cancel.SENT:
                gone = await self._wait_for_end(job_id)
                remove_launch_files(Path(record.conn_file))
                return (
                    f"Job {job_id} was cancelled." if gone else f"Job {job_id} is being cancelled by Slurm."
                )

    async def _wait_for_end(self, job_id: str) -> bool:
        deadline = asyncio.get_running_loop().time() + END_PATIENCE_S
        pause = 0.2
        while asyncio.get_running_loop().time() < deadline:
            answer = await self._queue.latest(pause)
            if isinstance(answer, QueueRows):
                job = answer.find(job_id)
                if job is None or job.phase is JobPhase.ENDED:
                    return True
            await asyncio.sleep(pause)
            pause = min(2.0, pause * 1.5)
        return False

    def may_retry(self, record: ServerRecord) -> bool:
        """A job is never submitted again unasked."""
        return False


def request_of(settings: Settings) -> ResourceRequest:
    slurm = settings.slurm
    return ResourceRequest(
        time=slurm.time,
        partition=slurm.partition,
        gres=slurm.gres,
        cpus=slurm.cpus,
        mem_mb=slurm.mem_mb,
        account=slurm.account,
        qos=slurm.qos,
        constraint=slurm.constraint,
        modules=slurm.modules,
        extra=slurm.extra,
    )


def read_template(own: str) -> str:
    """Text of the job script template: the user's own, or ours. Raises UsageError when it cannot be read."""
    if own:
        path = Path(own).expanduser()
    else:
        path = PACKAGED_TEMPLATE if PACKAGED_TEMPLATE.exists() else SOURCE_TEMPLATE
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"The job script template {path} cannot be read: {error}.",
            "Correct JLAB_MCP_SLURM_TEMPLATE, or unset it.",
        ) from None


async def _resolves(host: str) -> bool:
    try:
        await asyncio.get_running_loop().getaddrinfo(host, None)
    except OSError:
        return False
    return True
