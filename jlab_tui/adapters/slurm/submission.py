"""Submits the job: writes its files and its script, and interprets sbatch's answer."""

from __future__ import annotations

import asyncio
import secrets
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ...core.errors import LaunchFailed, UsageError
from ...core.server.environment import PythonChoice, require_projects
from ...core.server.record import ServerRecord, ServerState, SlurmFacts
from ...core.server.slurm_job import with_facts, with_job_id
from ...core.settings import Link, Mode, Settings
from ...core.slurm.allocation import submits_another
from ...core.slurm.limits import has_own_limits, require_time
from ...core.slurm.queue import QueueRows, QueueUnknown
from ...core.slurm.rejections import Rejected, Rejection, under_lock
from ...core.slurm.script import (
    ResourceRequest,
    ScriptInputs,
    check_request,
    named_cluster,
    render_script,
    script_values,
    submission_comment,
)
from ...core.slurm.submit import Estimate
from ..files import reason_of
from ..server.environment import choose_python, own_serves
from ..server.extension_copy import extension_digest
from ..server.file_names import SLURM_LAUNCH, slurm_log
from ..server.launch_files import remove_launch_files
from ..server.preparation import prepare
from ..server.process import server_env
from .commands import Slurm

LOOK_UP_S = 15.0
ESTIMATE_S = 5.0
"""longest wait for the partitions, and for an estimated start, before submitting the job"""

PACKAGED_TEMPLATE = Path(__file__).parents[2] / "templates" / "jupyter_slurm.sh.template"
SOURCE_TEMPLATE = Path(__file__).parents[3] / "templates" / "jupyter_slurm.sh.template"


class Submission:
    """Submits the job of one project."""

    def __init__(self, settings: Settings, env: Mapping[str, str]) -> None:
        self._settings = settings
        self._env = env
        self._slurm = Slurm(server_env(env))
        """runs sbatch in the environment that the job inherits"""

    async def submit(
        self, say: Callable[[str], None], announce: Callable[[ServerRecord], None]
    ) -> ServerRecord:
        """Submit the job. Raises LaunchFailed with Slurm's reason and what to change, UsageError for what can never start.

        `announce` first gets the record without a job id: if we are killed while sbatch works, the comment in it finds
        the job.
        """
        settings = self._settings
        submission = secrets.token_hex(8)
        request = check_request(request_of(settings))
        template = read_template(settings.slurm.template)
        if told := submits_another(self._env, socket.gethostname(), settings.locked.get("RUN_MODE", "")):
            say(told)
        await self._check_time(request)
        choice = await self._choose(say)
        try:
            inputs, token, connection_file = self._write_files(submission, choice)
            script = render_script(template, script_values(request, inputs))
        except OSError as error:
            raise _cannot_write(error) from None
        expected = await self._slurm.estimate(script, ESTIMATE_S)
        cluster = named_cluster(script, self._env)
        facts = SlurmFacts(submission, cluster=cluster, estimate=_estimate(expected))
        record = self._record(facts, token, connection_file, inputs.log)
        try:
            announce(record)
        except OSError as error:
            remove_launch_files(connection_file)
            raise _cannot_write(error) from None
        answer = await self._slurm.submit(script)
        if isinstance(answer, Rejected) and answer.cause is not Rejection.UNCERTAIN:
            remove_launch_files(connection_file)
            answer = under_lock(answer, settings.locked.get("RUN_MODE", ""))
            raise LaunchFailed(answer.message, answer.advice.hint)
        if isinstance(answer, Rejected):
            job_id = await self._look_up(submission, cluster)
            return with_job_id(record, job_id) if job_id else record
        for notice in answer.notices:
            say(f"Slurm says: {notice}")
        return with_job_id(with_facts(record, cluster=answer.cluster or cluster), answer.job_id)

    async def _check_time(self, request: ResourceRequest) -> None:
        """Raise UsageError for a walltime that the partition does not allow. Slurm decides where it gives no answer now."""
        if self._settings.slurm.template or has_own_limits(request, self._env):
            return
        partitions = await Slurm(self._env, timeout_s=ESTIMATE_S).survey()
        if not isinstance(partitions, QueueUnknown):
            require_time(partitions, request)

    def _record(self, facts: SlurmFacts, token: str, connection_file: Path, log: str) -> ServerRecord:
        """Return the record of a job without an id yet."""
        return ServerRecord(
            state=ServerState.PENDING,
            mode=Mode.SLURM,
            token=token,
            started=round(time.time(), 3),
            launcher=socket.gethostname(),
            conn_file=str(connection_file),
            log=log,
            root=str(self._settings.root),
            slurm=facts,
        )

    async def _choose(self, say: Callable[[str], None]) -> PythonChoice:
        """Choose the Python as this machine sees it; the node decides in the end."""
        if self._settings.setup.strip():
            return PythonChoice("")
        choice = await choose_python(self._settings.root, self._env)
        if not choice.silent:
            fallback = self._settings.python_fallback
            require_projects(choice, sys.executable, fallback=fallback, own_serves=own_serves())
        if choice.silent and choice.passed is not None:
            say(f"{choice.passed.why}; the node tries it.")
        elif choice.note:
            say(choice.note)
        return choice

    def _pythons(self, choice: PythonChoice) -> list[str]:
        """Return the interpreters to try on the node; the empty name is the one that the set-up puts on the PATH."""
        if not choice.server:
            return [""]
        pythons = [choice.silent, choice.server, sys.executable]
        own = self._settings.root / ".venv" / "bin" / "python"
        if own.exists():
            pythons.append(str(own))  # if none has a server, install it here
        return [python for python in dict.fromkeys(pythons) if python]

    def _write_files(self, submission: str, choice: PythonChoice) -> tuple[ScriptInputs, str, Path]:
        settings = self._settings
        without_port = {"link": str(settings.link)} if settings.link in (Link.SRUN, Link.SSH) else {}
        prepared = prepare(
            settings,
            SLURM_LAUNCH,
            choice,
            over_network=True,
            in_job=True,
            idle_end_h=settings.idle_end_h,
            ip=settings.slurm.bind_ip,
            **without_port,
        )
        inputs = ScriptInputs(
            submission=submission,
            log=str(settings.log_dir / slurm_log("%j")),
            workdir=str(settings.server_root_dir),
            launcher=str(prepared.launcher),
            digest=extension_digest(),
            config=str(prepared.files.config_file),
            pythons=self._pythons(choice),
            setup=settings.setup,
            comment=self._env.get("SBATCH_COMMENT", ""),
        )
        return inputs, prepared.files.token, prepared.files.connection_file

    async def _look_up(self, submission: str, cluster: str) -> str:
        """Return the id of a job whose sbatch did not answer; empty if the queue does not show it."""
        deadline = asyncio.get_running_loop().time() + LOOK_UP_S
        while asyncio.get_running_loop().time() < deadline:
            answer = await Slurm(self._env, cluster=cluster).queue()
            job = (
                answer.with_comment(submission_comment(submission)) if isinstance(answer, QueueRows) else None
            )
            if job is not None:
                return job.job_id
            await asyncio.sleep(0.5)
        return ""


def _cannot_write(error: OSError) -> LaunchFailed:
    return LaunchFailed(
        f"The files of the job could not be written: {reason_of(error)}.",
        "Set JLAB_MCP_DIR (and JLAB_MCP_LOG_DIR, where that is set) to a directory on the shared file system "
        "where you may write.",
    )


def _estimate(expected: Estimate | Rejected) -> float:
    """Return the estimated start for the record. Ignores a refusal: the submission itself may still succeed."""
    return 0.0 if isinstance(expected, Rejected) else expected.starts or 0.0


async def test_request(settings: Settings, env: Mapping[str, str]) -> Estimate | Rejected:
    """`sbatch --test-only` of the job that `start` submits. Raises UsageError for requests that we refuse ourselves."""
    request = check_request(request_of(settings))
    inputs = ScriptInputs(
        submission="0" * 16,
        log="/dev/null",
        workdir=str(settings.server_root_dir),
        launcher=str(settings.node_dir / "launch.py"),
        config="/dev/null",
        pythons=[sys.executable],
        setup=settings.setup,
        comment=env.get("SBATCH_COMMENT", ""),
    )
    script = render_script(read_template(settings.slurm.template), script_values(request, inputs))
    answer = await Slurm(server_env(env)).estimate(script)
    return under_lock(answer, settings.locked.get("RUN_MODE", "")) if isinstance(answer, Rejected) else answer


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
    """Return the job script template, the user's own or ours. Raises UsageError if it cannot be read."""
    path = Path(own) if own else PACKAGED_TEMPLATE if PACKAGED_TEMPLATE.exists() else SOURCE_TEMPLATE
    try:
        return path.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, RuntimeError) as error:  # the last: `~name` of nobody
        raise UsageError(
            f"The job script template {path} cannot be read: {error}.",
            "Correct JLAB_MCP_SLURM_TEMPLATE, or unset it.",
        ) from None
