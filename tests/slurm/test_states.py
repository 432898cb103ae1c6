"""What the adapter sees of a job in every state that a real controller can be brought to."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from jlab_tui.adapters.slurm.commands import Slurm
from jlab_tui.core.slurm.job_end import explain_end
from jlab_tui.core.slurm.messages import explain_pending
from jlab_tui.core.slurm.queue import QueueRows, is_ours, split_queue
from jlab_tui.core.slurm.script import submission_comment
from jlab_tui.core.slurm.show import JobDetails
from jlab_tui.core.slurm.submit import Cancel
from jlab_tui.core.slurm.terms import JobPhase, JobState

from .jobs import CPU_JOB, GPU_JOB, has_ended, in_state, is_running, job_when, submit
from .machines import Cluster

pytestmark = [pytest.mark.xdist_group("slurm"), pytest.mark.usefixtures("job_past_its_walltime")]


async def test_a_running_job_names_its_node_its_walltime_end_and_its_submission(
    cluster: Cluster, slurm: Slurm
) -> None:
    job_id = await submit(slurm, cluster, "running", replace(GPU_JOB, time="1:00:00"))
    job = await job_when(slurm, job_id, is_running)
    assert job.host in (cluster.gpu1.name, cluster.gpu2.name)
    assert job.starts and job.ends == job.starts + 3600
    assert job.time_limit == 3600
    assert job.gres == "gres:gpu:1" and job.partition == "gpu"
    assert is_ours(job, os.getuid(), job.submitted, submission_comment("running"))
    assert not is_ours(job, os.getuid(), job.submitted, submission_comment("another"))
    assert not is_ours(job, os.getuid() + 1, job.submitted)


async def test_every_pending_reason_is_distinguished_and_explained(cluster: Cluster, slurm: Slurm) -> None:
    def sbatch(*options: str) -> str:
        options = ("--mem=10", "--parsable", *options, "--wrap=sleep 600")
        return cluster.run("sbatch", *options).strip()

    held, failing = sbatch("--begin=now+1hour"), cluster.run("sbatch", "--parsable", "--wrap=exit 3").strip()
    cluster.wait_for_state(failing, "FAILED")
    cluster.run("scontrol", "uhold", held)
    fillers = [sbatch("-p", "gpu", "--gres=gpu:2", "-w", node.name) for node in (cluster.gpu1, cluster.gpu2)]
    for filler in fillers:
        cluster.wait_for_state(filler, "RUNNING")
    cluster.run("scontrol", "update", f"NodeName={cluster.cpu1.name}", "State=DRAIN", "Reason=test")
    wanted = {
        sbatch("-p", "gpu", "--gres=gpu:1"): "Resources",
        sbatch("-p", "gpu", "--gres=gpu:1", "--nice=5000"): "Priority",
        sbatch("--begin=now+1hour"): "BeginTime",
        held: "JobHeldUser",
        sbatch("-d", f"afterok:{fillers[0]}"): "Dependency",
        sbatch("-d", f"afterok:{failing}"): "DependencyNeverSatisfied",
        sbatch("-p", "gpu", "-t", "9:00:00"): "PartitionTimeLimit",
        sbatch("-p", "gpu", "-N", "3"): "PartitionNodeLimit",
        sbatch("-c", "64"): "PartitionConfig",
        sbatch("-p", "maint"): "PartitionDown",
        sbatch("-w", cluster.cpu1.name): "ReqNodeNotAvail",
        sbatch(): "Nodes required for job are DOWN",
    }
    for job_id, reason in wanted.items():
        job = await job_when(slurm, job_id, lambda job, reason=reason: job.reason.startswith(reason))  # type: ignore[misc]
        assert job.state is JobState.PENDING and not job.host
        assert job.reason not in explain_pending(job.reason).advice.message, "it is explained, not quoted"
    everybodys = await slurm.ask_queue(everybody=True)
    _, ahead = split_queue(everybodys.out, slurm.uid)
    first, second = list(wanted)[:2]
    assert ahead[first] < ahead[second]


@pytest.mark.parametrize("mode", ["pending", "running"])
async def test_a_cancelled_job_ends_as_cancelled(cluster: Cluster, slurm: Slurm, mode: str) -> None:
    request = replace(GPU_JOB, extra="--hold" if mode == "pending" else "")
    job_id = await submit(slurm, cluster, f"cancel-{mode}", request)
    await job_when(slurm, job_id, in_state(JobState.PENDING if mode == "pending" else JobState.RUNNING))
    result = await slurm.cancel(job_id, comment=submission_comment(f"cancel-{mode}"))
    assert result.outcome is Cancel.SENT
    job = await job_when(slurm, job_id, has_ended)
    assert job.state is JobState.CANCELLED
    assert (await slurm.cancel(job_id)).outcome is Cancel.UNKNOWN_JOB


async def test_a_job_that_ignores_the_end_is_seen_completing(cluster: Cluster, slurm: Slurm) -> None:
    job_id = cluster.run("sbatch", "--parsable", "--wrap=trap '' TERM; sleep 600").strip()
    await job_when(slurm, job_id, lambda job: is_running(job) and (job.run_time or 0) >= 1)
    cluster.run("scancel", job_id)
    job = await job_when(slurm, job_id, in_state(JobState.COMPLETING))
    assert job.phase is JobPhase.ENDING
    await job_when(slurm, job_id, has_ended)


async def test_only_our_own_job_is_cancelled(cluster: Cluster, slurm: Slurm) -> None:
    job_id = cluster.run("sbatch", "--parsable", "--hold", "--wrap=sleep 600").strip()
    assert (await slurm.cancel(job_id)).outcome is Cancel.NOT_OURS, "another name"
    ours = await submit(slurm, cluster, "mine", replace(CPU_JOB, extra="--hold"))
    assert (await slurm.cancel(ours, comment=submission_comment("old"))).outcome is Cancel.NOT_OURS
    assert (await slurm.cancel(ours, submitted=9e9)).outcome is Cancel.NOT_OURS
    assert (await slurm.cancel("999999")).outcome is Cancel.UNKNOWN_JOB
    answer = await slurm.queue()
    assert isinstance(answer, QueueRows)
    assert {job.state for job in answer.jobs if job.job_id in (job_id, ours)} == {JobState.PENDING}


async def test_a_preempted_job_ends_as_preempted_unless_it_may_be_requeued(
    cluster: Cluster, slurm: Slurm
) -> None:
    scavenge = replace(GPU_JOB, partition="scavenge", gres="gpu:2")
    ending = await submit(slurm, cluster, "ending", scavenge)
    requeued = await submit(slurm, cluster, "requeued", replace(scavenge, extra="--requeue"))
    for job_id in (ending, requeued):
        await job_when(slurm, job_id, is_running)
    for node in (cluster.gpu1, cluster.gpu2):
        cluster.run("sbatch", "-p", "gpu", "--gres=gpu:2", "-w", node.name, "--wrap=exec sleep 600")
    assert (await job_when(slurm, ending, has_ended)).state is JobState.PREEMPTED
    waiting = await job_when(slurm, requeued, in_state(JobState.PENDING))
    assert waiting.phase is JobPhase.WAITING
    details = await slurm.details(requeued)
    assert isinstance(details, JobDetails) and details.restarts == 1


async def test_a_failed_script_tells_its_exit_code(cluster: Cluster, slurm: Slurm) -> None:
    job_id = cluster.run("sbatch", "--parsable", "--wrap=exit 3").strip()
    job = await job_when(slurm, job_id, has_ended)
    details = await slurm.details(job_id)
    assert job.state is JobState.FAILED
    assert isinstance(details, JobDetails) and details.exit_code == 3
    assert "exit code 3" in explain_end(details.state, job_id, exit_code=details.exit_code).message


async def test_a_missing_log_directory_is_named_as_the_cause(cluster: Cluster, slurm: Slurm) -> None:
    log = str(cluster.shared / "missing" / "x.log")
    job_id = cluster.run("sbatch", "--parsable", "-o", log, "--wrap=true").strip()
    await job_when(slurm, job_id, has_ended)
    details = await slurm.details(job_id)
    assert isinstance(details, JobDetails)
    advice = explain_end(
        details.state,
        job_id,
        reason=details.reason,
        exit_code=details.exit_code,
        signal=details.signal,
    )
    assert "directory of its log" in advice.message


async def test_a_job_unknown_to_slurm_has_no_details(slurm: Slurm) -> None:
    assert await slurm.details("999999") is None


async def test_the_survey_lists_partitions_with_their_gpus(cluster: Cluster, slurm: Slurm) -> None:
    survey = await slurm.survey()
    assert isinstance(survey, tuple)
    partitions = {partition.name: partition for partition in survey}
    assert partitions["cpu"].is_default and not partitions["cpu"].has_gpus
    assert partitions["gpu"].has_gpus and partitions["gpu"].time_limit == 4 * 3600
    assert sum(partitions["gpu"].nodes.values()) == 2
    assert not partitions["maint"].is_up
