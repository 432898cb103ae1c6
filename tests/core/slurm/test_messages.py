"""Slurm's words in sentences. The left sides are literal outputs of a real controller or of Slurm's sources."""

from __future__ import annotations

import pytest

from jlab_tui.core.slurm.job_end import SCRIPT_EXITS, explain_end, explain_gone, explain_live
from jlab_tui.core.slurm.messages import Advice, explain_pending, explain_queue_failure
from jlab_tui.core.slurm.rejections import (
    Rejected,
    Rejection,
    explain_no_answer,
    explain_rejection,
    under_lock,
)
from jlab_tui.core.slurm.submit import Cancel, explain_cancel, read_scancel
from jlab_tui.core.slurm.terms import JobPhase, JobState

FAILED = "sbatch: error: Batch job submission failed: "


@pytest.mark.parametrize(
    ("stderr", "cause"),
    [
        (
            f"sbatch: error: invalid partition specified: x\n{FAILED}Invalid partition name specified",
            "partition",
        ),
        (f"{FAILED}Requested node configuration is not available", "no such nodes"),
        ("sbatch: error: Invalid generic resource (gres) specification", "gres"),
        (
            f"sbatch: error: Memory specification can not be satisfied\n{FAILED}Requested node configuration is not available",
            "memory",
        ),
        (f"{FAILED}Requested time limit is invalid (missing or exceeds some limit)", "time limit"),
        (f"{FAILED}More processors requested than permitted", "cpus"),
        ("sbatch: error: Invalid --time specification", "time format"),
        ("sbatch: unrecognized option '--bogus'\nTry \"sbatch --help\" for more information", "option"),
        (f"{FAILED}Invalid node name specified", "node name"),
        (f"{FAILED}Invalid feature specification", "constraint"),
        ("sbatch: error: Unable to open file nosuchfile.sh", "script"),
        ("sbatch: error: Batch script contains DOS line breaks (\\r\\n)", "script"),
        ("sbatch: error: Batch script is empty!", "script"),
        (f"{FAILED}Invalid account or account/partition combination specified", "account"),
        (f"{FAILED}Invalid qos specification", "qos"),
        (
            f"sbatch: error: QOSMaxSubmitJobPerUserLimit\n{FAILED}Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
            "limit",
        ),
        (f"{FAILED}User's group not permitted to use this partition", "access"),
        (f"{FAILED}Requested reservation is invalid", "reservation"),
        (f"{FAILED}Unable to contact slurm controller (connect failure)", "unreachable"),
        (f"{FAILED}Socket timed out on send/recv operation", "uncertain"),
        (f"{FAILED}Zero Bytes were transmitted or received", "uncertain"),
        (f"{FAILED}Access/permission denied", "host"),
        (f"{FAILED}Job violates accounting/QOS policy (job submit limit)", "limit"),
        (f"{FAILED}Reservation is busy", "reservation"),
        (f"{FAILED}Pathname of a file, directory or other parameter too long", "script"),
        ("sbatch: error: Invalid --mem specification", "option"),
        ("sbatch: option '--x' requires an argument", "option"),
        (
            f'sbatch: error: Munge encode failed: Failed to access "/run/munge.sock"\n{FAILED}Protocol authentication error',
            "unreachable",
        ),
        ("sbatch: fatal: Could not establish a configuration source", "unreachable"),
        ("sbatch: error: Your project has used up its hours, see https://example.org", "other"),
        # Words of plugins, whatever they sound like.
        (f"sbatch: error: Your jobs timed out 3 times\n{FAILED}Unspecified error", "other"),
        (f"sbatch: error: authentication needs your second factor\n{FAILED}Unspecified error", "other"),
        (f"sbatch: error: Invalid account: give one with -A\n{FAILED}Unspecified error", "other"),
        (f"sbatch: error: Limit of the reservation\n{FAILED}Invalid qos specification", "qos"),
        (
            f"sbatch: error: Memory specification can not be satisfied here\n{FAILED}Unspecified error",
            "other",
        ),
        (
            "sbatch: error: Invalid partition for you\nsbatch: error: cli_filter plugin terminated with error",
            "other",
        ),
        (f"{FAILED}Socket timed out on send/recv operation\n{FAILED}Invalid qos specification", "qos"),
        ("", "other"),
    ],
)
def test_a_rejection_names_its_cause_and_what_to_change(stderr: str, cause: str) -> None:
    rejected = explain_rejection(stderr)
    assert rejected.cause is Rejection(cause)
    assert rejected.advice.message and rejected.advice.hint
    assert "sbatch: " not in rejected.reply and rejected.reply


@pytest.mark.parametrize(
    ("why", "cause"),
    [
        ("sbatch timed out: no answer in 60 s", "uncertain"),
        ("sbatch cannot be run: No such file or directory", "unreachable"),
    ],
)
def test_an_sbatch_that_did_not_end_differs_from_one_that_did_not_start(why: str, cause: str) -> None:
    rejected = explain_no_answer(why)
    assert rejected.cause is Rejection(cause) and rejected.reply == why and rejected.advice.hint


@pytest.mark.parametrize(
    "rejected",
    [
        explain_no_answer("sbatch cannot be run: No such file or directory"),
        explain_rejection("sbatch: error: Could not establish a configuration source"),
    ],
)
def test_where_the_site_keeps_the_mode_no_other_one_is_offered(rejected: Rejected) -> None:
    assert "--mode local" in rejected.advice.hint and under_lock(rejected, "") == rejected
    kept = under_lock(rejected, "/etc/x, line 3")
    assert kept.message == rejected.message
    assert kept.advice.hint == (
        "Use a login node of the cluster. The site keeps JLAB_MCP_RUN_MODE as it is (/etc/x, line 3)."
    )
    timed_out = explain_no_answer("sbatch timed out: no answer in 60 s")
    assert under_lock(timed_out, "/etc/x, line 3") == timed_out


def test_the_words_of_the_site_come_first_and_then_what_they_mean() -> None:
    said = explain_rejection(
        f"sbatch: error: Read https://hpc.example.org.\n{FAILED}Invalid qos specification"
    )
    assert said.message == (
        "Slurm says: Read https://hpc.example.org; Batch job submission failed: Invalid qos specification. "
        "The quality of service (QOS) does not exist, or you may not use it in this partition."
    )


def test_a_site_that_says_a_hundred_thousand_characters_does_not_hide_slurms_reason() -> None:
    rejected = explain_rejection(
        f"sbatch: error: {'x' * 100_000}\n{FAILED}Invalid qos specification{'y' * 999}"
    )
    assert rejected.cause is Rejection.QOS and len(rejected.reply) < 900
    assert "xxx...; Batch job submission failed: Invalid qos" in rejected.reply


def test_of_several_failures_the_last_one_is_slurms_reason() -> None:
    stderr = f"{FAILED}Socket timed out on send/recv operation\n{FAILED}Invalid qos specification"
    assert explain_rejection(stderr).reply == "Batch job submission failed: Invalid qos specification"
    memory = "sbatch: error: Memory specification can not be satisfied"
    assert explain_rejection(f"{memory}\n{FAILED}Invalid qos specification").cause is Rejection.QOS


@pytest.mark.parametrize(("words", "is_hinted"), [("--mem may not be given here", True), ("Use -A", False)])
def test_a_site_that_takes_no_memory_request_is_answered_with_how_to_leave_it_out(
    words: str, is_hinted: bool
) -> None:
    hint = explain_rejection(f"sbatch: error: {words}\n{FAILED}Unspecified error").advice.hint
    assert ("JLAB_MCP_SLURM_MEM=none" in hint) is is_hinted


def test_sbatchs_reasons_are_shown_without_its_offer_of_help() -> None:
    stderr = (
        'sbatch: unrecognized option --x\n\nTry "sbatch --help" for more information\nsbatch: error: more\n'
    )
    assert explain_rejection(stderr).reply == "unrecognized option --x; more"


@pytest.mark.parametrize(
    ("stderr", "sentence"),
    [
        (
            "slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
            "Slurm's controller is not answering.",
        ),
        (
            "slurm_load_jobs error: Socket timed out on send/recv operation",
            "Slurm's controller is hanging: no answer in time.",
        ),
        ("squeue timed out: no answer in 15 s", "Slurm's controller is hanging: no answer in time."),
        (
            "slurm_load_jobs error: Protocol authentication error",
            "Slurm cannot authenticate this host (munge does not work here).",
        ),
        (
            "squeue: fatal: Could not establish a configuration source",
            "This host has no working Slurm configuration.",
        ),
        (
            "squeue: error: Invalid user: 17\n",
            "The query to Slurm failed: squeue: error: Invalid user: 17",
        ),
        ("\n  \n novel\nmore", "The query to Slurm failed: novel"),
        ("", "The query to Slurm failed: it gave no reason."),
        (
            "Your authentication timed out last week, ask munge",
            "The query to Slurm failed: Your authentication timed out last week, ask munge",
        ),
    ],
)
def test_a_failed_squeue_is_one_sentence_about_slurm(stderr: str, sentence: str) -> None:
    assert explain_queue_failure(stderr) == sentence


@pytest.mark.parametrize(
    ("returncode", "stderr", "outcome"),
    [
        (0, "", Cancel.SENT),
        (0, "scancel: error: Kill job error on job id 1: Invalid job id specified", Cancel.UNKNOWN_JOB),
        (1, "scancel: error: Invalid job id abc", Cancel.UNKNOWN_JOB),
        (210, "scancel: error: Kill job error on job id 28: Access/permission denied", Cancel.DENIED),
        (
            8,
            "scancel: error: Kill job error on job id 41: Unable to contact slurm controller (connect failure)",
            Cancel.UNREACHABLE,
        ),
        (1, "scancel: error: something new", Cancel.FAILED),
    ],
)
def test_the_outcome_of_scancel_is_read_from_its_words(returncode: int, stderr: str, outcome: Cancel) -> None:
    assert read_scancel(returncode, stderr) is outcome
    assert "28" in explain_cancel(outcome, "28", stderr).message


@pytest.mark.parametrize("outcome", Cancel)
def test_every_outcome_of_a_cancel_has_a_sentence(outcome: Cancel) -> None:
    assert explain_cancel(outcome, "7").message.endswith((".", "given"))


REASONS = {
    "Resources": (False, "First in line"),
    "Priority": (False, "higher priority are ahead"),
    "None": (False, "not looked at it yet"),
    "BeginTime": (False, "start time"),
    "Dependency": (False, "another job to end"),
    "DependencyNeverSatisfied": (True, "never start"),
    "JobHeldUser": (True, "You put it on hold"),
    "JobHeldAdmin": (True, "The administrators put it on hold"),
    "launch failed requeued held": (True, "failed to start before"),
    "PartitionTimeLimit": (True, "longer than the partition allows"),
    "PartitionConfig": (True, "more than the partition can give"),
    "PartitionNodeLimit": (True, "more than the partition can give"),
    "BadConstraints": (True, "more than the partition can give"),
    "PartitionDown": (True, "closed"),
    "PartitionInactive": (True, "closed"),
    "ReqNodeNotAvail, UnavailableNodes:cpu1": (False, "down, drained or reserved"),
    "ReqNodeNotAvail, May be reserved for other job": (False, "down, drained or reserved"),
    "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions": (
        False,
        "down, drained or reserved",
    ),
    "Reservation": (False, "reservation"),
    "Licenses": (False, "licence"),
    "QOSMaxJobsPerUserLimit": (False, "You are at a limit"),
    "AssocMaxJobsLimit": (False, "You are at a limit"),
    "QOSMaxWallDurationPerJobLimit": (True, "alone is over a limit"),
    "AssocMaxCpuPerJobLimit": (True, "alone is over a limit"),
    "QOSGrpGRES": (False, "Your group is at a limit"),
    "AssocGrpCPUMinutesLimit": (False, "Your group is at a limit"),
    "QOSMinCpuNotSatisfied": (False, "A rule of its QOS"),
    "QOSNotAllowed": (True, "does not allow its QOS"),
    "InvalidAccount": (True, "does not allow its account"),
    "Cleaning": (False, "cleaning up"),
    "(Resources)": (False, "First in line"),
    "SomethingNew": (False, "'SomethingNew'"),
    "PriorityBoosted": (False, "'PriorityBoosted'"),
    "": (False, "no reason"),
}


@pytest.mark.parametrize("reason", REASONS)
def test_a_pending_reason_says_what_it_means_and_whether_it_passes(reason: str) -> None:
    stuck, words = REASONS[reason]
    waiting = explain_pending(reason)
    assert words in waiting.advice.message
    assert waiting.is_stuck is stuck
    assert waiting.advice.hint or not stuck, "who is stuck is told what to do"


@pytest.mark.parametrize(
    ("state", "options", "words"),
    [
        (JobState.TIMEOUT, {}, "end of its walltime"),
        (JobState.CANCELLED, {}, "by scancel, not by jlab-mcp"),
        (JobState.CANCELLED, {"by_us": True}, "cancelled by jlab-mcp"),
        (JobState.PREEMPTED, {"node": "gpu7"}, "took its node on gpu7"),
        (JobState.NODE_FAIL, {"reason": "NodeDown"}, "node failed"),
        (JobState.OUT_OF_MEMORY, {"signal": 125}, "more memory"),
        (JobState.FAILED, {"exit_code": 3}, "exit code 3"),
        (JobState.FAILED, {"signal": 9}, "signal 9"),
        (JobState.FAILED, {"reason": "JobLaunchFailure", "signal": 53}, "directory of its log"),
        (JobState.FAILED, {"exit_code": 91}, "No Python"),
        (JobState.COMPLETED, {}, "ended by itself"),
    ],
)
def test_each_end_has_its_own_sentence(state: JobState, options: dict[str, object], words: str) -> None:
    assert words in explain_end(state, "7", **options).message  # type: ignore[arg-type]


@pytest.mark.parametrize("state", JobState)
def test_every_state_has_a_sentence_that_fits_its_phase(state: JobState) -> None:
    if state.phase is JobPhase.ENDED:
        advice = explain_end(state, "7")
        assert advice.hint
    else:
        advice = explain_live(state, "7", node="gpu1")
    assert "7" in advice.message
    assert "is in state" not in advice.message


@pytest.mark.parametrize(
    ("state", "options", "words"),
    [
        (JobState.FAILED, {"exit_code": 0, "signal": 53}, "directory of its log"),
        (JobState.FAILED, {"exit_code": 1, "signal": 53}, "killed by signal 53"),
        (JobState.FAILED, {"exit_code": 0, "signal": 52}, "killed by signal 52"),
        (JobState.FAILED, {"exit_code": 91, "signal": 9}, "No Python"),
        (JobState.FAILED, {"node": "gpu1"}, "exit code 0 on gpu1."),
        (JobState.FAILED, {"exit_code": 3}, "Job 7 failed with exit code 3."),
        (JobState.RUNNING, {}, "is in state RUNNING"),
    ],
)
def test_the_most_informative_end_is_shown(state: JobState, options: dict[str, object], words: str) -> None:
    assert words in explain_end(state, "7", **options).message  # type: ignore[arg-type]


def test_a_job_that_slurm_forgot_is_looked_up_in_its_accounts() -> None:
    gone = explain_gone("7")
    assert "no longer knows" in gone.message and "sacct -j 7" in gone.hint
    assert str(gone) == f"{gone.message} {gone.hint}" and str(Advice("A.", "")) == "A."


@pytest.mark.parametrize(
    ("state", "restarts", "message", "hint"),
    [
        (JobState.PENDING, 0, "Job 7 waits in the queue.", ""),
        (JobState.PENDING, 1, "Job 7 was requeued and waits to start again.", "Variables of its kernels are lost. `jlab-mcp stop` cancels it."),
        (JobState.REQUEUED, 0, "Job 7 is going back to the queue.", ""),
        (JobState.RUNNING, 2, "Job 7 runs on gpu1.", ""),
        (JobState.FAILED, 0, "Job 7 is in state FAILED.", ""),
    ],
)  # fmt: skip
def test_a_live_job_is_described_by_its_state(
    state: JobState, restarts: int, message: str, hint: str
) -> None:
    advice = explain_live(state, "7", node="gpu1", restarts=restarts)
    assert (advice.message, advice.hint) == (message, hint)


def test_a_job_whose_node_is_not_known_runs_nowhere_in_particular() -> None:
    assert explain_live(JobState.RUNNING, "7").message == "Job 7 runs."


def test_the_first_line_of_scancel_is_shown() -> None:
    told = explain_cancel(Cancel.FAILED, "7", "\n  scancel: error: novel\nmore\n")
    assert told.message == "Job 7 was not cancelled: scancel: error: novel"


def test_a_requeued_job_says_that_variables_are_lost() -> None:
    assert "Variables" in explain_live(JobState.PENDING, "7", restarts=1).hint


def test_every_exit_of_the_job_script_says_what_to_do() -> None:
    assert all(advice.message and advice.hint for advice in SCRIPT_EXITS.values())
