"""A controller that is down, hanging or foreign: nothing is raised, nothing is concluded about the job."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from jlab_tui.adapters.programs import Ran, run
from jlab_tui.adapters.slurm.commands import Slurm
from jlab_tui.core.slurm.command_environment import query_environment
from jlab_tui.core.slurm.queue import QueueRows, QueueUnknown
from jlab_tui.core.slurm.rejections import Rejected, Rejection
from jlab_tui.core.slurm.script import submission_comment
from jlab_tui.core.slurm.submit import Cancel, read_scancel
from jlab_tui.core.slurm.terms import JobState

from .jobs import CPU_JOB, inputs, is_running, job_when, script, submit
from .machines import Cluster

pytestmark = [pytest.mark.xdist_group("slurm"), pytest.mark.usefixtures("job_past_its_walltime")]


async def test_while_the_controller_is_down_every_question_is_answered_with_unknown(
    cluster: Cluster, slurm: Slurm
) -> None:
    job_id = await submit(slurm, cluster, "survivor", CPU_JOB)
    before = await job_when(slurm, job_id, is_running)
    cluster.stop()
    try:
        queue, survey, details, cancelled, submitted = await asyncio.gather(
            slurm.queue(),
            slurm.survey(),
            slurm.details(job_id),
            slurm.cancel(job_id, comment=submission_comment("survivor")),
            slurm.submit(script(CPU_JOB, inputs(cluster, "lost"))),
        )
    finally:
        cluster.start()
    for answer in (queue, survey, details):
        assert isinstance(answer, QueueUnknown)
        assert answer.reason == "Slurm's controller is not answering."
        assert "Unable to contact slurm controller" in answer.reply
    assert cancelled.outcome is Cancel.UNREACHABLE
    assert "still on record" in cancelled.advice.hint
    assert isinstance(submitted, Rejected) and submitted.cause is Rejection.UNREACHABLE
    after = await job_when(slurm, job_id, is_running)
    assert (after.host, after.starts, after.ends) == (before.host, before.starts, before.ends)


async def test_a_hanging_controller_is_unknown_and_a_submission_lost_in_it_is_found_by_its_comment(
    cluster: Cluster,
) -> None:
    impatient = Slurm(cluster.env, timeout_s=1.5)
    text = script(replace(CPU_JOB, extra="--hold"), inputs(cluster, "uncertain"))
    cluster.pause()
    try:
        queue, submitted = await asyncio.gather(impatient.queue(), impatient.submit(text))
    finally:
        cluster.cont()
    assert isinstance(queue, QueueUnknown)
    assert queue.reason == "Slurm's controller is hanging: no answer in time."
    assert isinstance(submitted, Rejected) and submitted.cause is Rejection.UNCERTAIN
    deadline = asyncio.get_running_loop().time() + 40
    found = None
    while found is None and asyncio.get_running_loop().time() < deadline:
        answer = await impatient.queue()
        found = (
            answer.with_comment(submission_comment("uncertain")) if isinstance(answer, QueueRows) else None
        )
    assert found and found.state is JobState.PENDING


async def test_a_host_without_slurm_is_unknown(cluster: Cluster) -> None:
    nowhere = Slurm({"PATH": "/nonexistent"})
    answer = await nowhere.queue()
    assert isinstance(answer, QueueUnknown) and "squeue cannot be run" in answer.reason
    refused = await nowhere.submit("#!/bin/bash\n")
    assert isinstance(refused, Rejected)


async def test_without_munge_slurm_cannot_be_asked(cluster: Cluster, slurm: Slurm) -> None:
    text = (cluster.directory / "slurm.conf").read_text(encoding="utf-8")
    foreign = cluster.shared / "foreign.conf"
    foreign.write_text(text.replace("munge.sock", "nosuch.sock"), encoding="utf-8")
    answer = await Slurm({**cluster.env, "SLURM_CONF": str(foreign)}).queue()
    assert isinstance(answer, QueueUnknown)
    assert "munge does not work" in answer.reason


async def test_somebody_elses_job_is_not_cancelled(cluster: Cluster) -> None:
    job_id = cluster.run("sbatch", "--parsable", "--hold", "--wrap=sleep 600").strip()
    nobody = 65534
    switch = ("setpriv", f"--reuid={nobody}", f"--regid={nobody}", "--clear-groups", "scancel", job_id)
    ran = await run(switch, query_environment(cluster.env), 20)
    assert isinstance(ran, Ran) and ran.returncode is not None
    assert read_scancel(ran.returncode, ran.err) is Cancel.DENIED


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        (["-p", "nosuch"], Rejection.PARTITION),
        (["-p", "gpu", "--gres=gpu:h100:1"], Rejection.NO_SUCH_NODES),
        (["-p", "gpu", "--gres=gpu:3"], Rejection.NO_SUCH_NODES),
        (["--gres=gpu:1"], Rejection.NO_SUCH_NODES),
        (["--gres=quantum:1"], Rejection.GRES),
        (["--mem=1T"], Rejection.MEMORY),
        (["-t", "bogus"], Rejection.TIME_FORMAT),
        (["--bogus-option"], Rejection.OPTION),
        (["-w", "nosuch"], Rejection.NODE_NAME),
        (["-C", "nosuch"], Rejection.CONSTRAINT),
        (["--reservation=nosuch"], Rejection.RESERVATION),
        (["nosuchfile.sh"], Rejection.SCRIPT),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value.value),
)
async def test_a_rejected_submission_names_its_cause(
    cluster: Cluster, slurm: Slurm, options: list[str], cause: Rejection
) -> None:
    text = "#!/bin/bash\n#SBATCH " + " ".join(options) + "\ntrue\n"
    if cause is Rejection.SCRIPT:
        text = "#!/bin/bash\r\ntrue\r\n"
    answer = await slurm.submit(text)
    assert isinstance(answer, Rejected), answer
    assert answer.cause is cause, answer.reply
    assert answer.advice.hint and answer.reply


async def test_limits_that_the_site_enforces_are_named(cluster: Cluster, slurm: Slurm) -> None:
    cluster.configure("EnforcePartLimits=ALL")
    try:
        long = await slurm.submit("#!/bin/bash\n#SBATCH -p gpu -t 9:00:00\ntrue\n")
        wide = await slurm.submit("#!/bin/bash\n#SBATCH -c 64\ntrue\n")
    finally:
        cluster.configure()
    assert isinstance(long, Rejected) and long.cause is Rejection.TIME_LIMIT
    assert isinstance(wide, Rejected) and wide.cause is Rejection.CPUS


async def test_a_partition_that_takes_no_jobs_from_this_host_is_named(cluster: Cluster, slurm: Slurm) -> None:
    cluster.run("scontrol", "update", "PartitionName=scavenge", f"AllocNodes={cluster.nodes[0].name}")
    try:
        refused = await slurm.submit("#!/bin/bash\n#SBATCH -p scavenge\ntrue\n")
    finally:
        cluster.run("scontrol", "update", "PartitionName=scavenge", "AllocNodes=ALL")
    assert isinstance(refused, Rejected) and refused.cause is Rejection.HOST
    assert "AllocNodes" in refused.advice.hint
