"""Slurm's answers as values: recorded outputs of Slurm 22.05, and generated ones."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.slurm.queue import (
    QUEUE_FORMAT,
    Job,
    QueueRows,
    QueueUnknown,
    is_ours,
    parse_squeue,
    poll_interval,
    split_queue,
    wants_count,
)
from jlab_tui.core.slurm.show import parse_node_address, parse_show_job
from jlab_tui.core.slurm.submit import Estimate, Submitted, parse_estimate, parse_sbatch
from jlab_tui.core.slurm.survey import Gres, about, format_span, parse_gres, parse_sinfo, survey_lines
from jlab_tui.core.slurm.terms import JobPhase, JobState, parse_moment, parse_span

RUNNING = "1|RUNNING|gpu1|29:59|30:00|0:01|1795421052|1795422852|gpu1|1|500M|gres:gpu:1|4294901759|gpu|0|1795421051|comment=jlab-mcp/ab12|name=jlab-mcp|reason=None"
DOWN = "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions"
PENDING = f"3|PENDING||5:00|5:00|0:00|N/A|N/A|n/a|1|500M|N/A|17|gpu|1001|1795421051|comment=(null)|name=wrap|reason={DOWN}"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("9:17", 557),
        ("8:02", 482),
        ("10:00:00", 36000),
        ("1-00:00:00", 86400),
        ("2-12", 216000),
        ("2-12:30", 217800),
        ("30", 1800),
        ("0:00", 0),
        ("UNLIMITED", math.inf),
        ("infinite", math.inf),
        ("INVALID", None),
        ("N/A", None),
        ("", None),
        ("NOT_SET", None),
        ("٣", None),
    ],
)
def test_spans_are_read_as_seconds(text: str, seconds: float | None) -> None:
    assert parse_span(text) == seconds


@given(st.integers(min_value=0, max_value=10**8))
def test_a_written_span_reads_back(seconds: int) -> None:
    assert parse_span(format_span(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "epoch"),
    [("1795421051", 1795421051.0), ("2026-11-23T08:04:11", 1795421051.0), ("N/A", None), ("Unknown", None)],
)
def test_moments_are_read_as_epoch_seconds(text: str, epoch: float | None) -> None:
    assert parse_moment(text) == epoch


def test_rows_of_squeue_become_jobs() -> None:
    rows = parse_squeue(f"CLUSTER: lab\n{RUNNING}\n{PENDING}\n", asked=5.0)
    assert rows.asked == 5.0
    running, pending = rows.jobs
    assert running == Job(
        job_id="1",
        state=JobState.RUNNING,
        reason="None",
        nodes="gpu1",
        batch_host="gpu1",
        time_limit=1800.0,
        run_time=1.0,
        starts=1795421052.0,
        ends=1795422852.0,
        submitted=1795421051.0,
        cpus=1,
        memory="500M",
        gres="gres:gpu:1",
        priority=4294901759,
        partition="gpu",
        uid=0,
        comment="jlab-mcp/ab12",
        name="jlab-mcp",
    )
    assert pending.reason == DOWN
    assert (pending.host, pending.gres, pending.comment, pending.starts) == ("", "", "", None)


@given(
    comment=st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])),
    name=st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), min_size=1),
    reason=st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])),
)
def test_free_text_with_bars_and_commas_stays_in_its_column(comment: str, name: str, reason: str) -> None:
    if any("|name=" in text or "|reason=" in text for text in (comment, name)):
        return
    text = f"{RUNNING.partition('comment=')[0]}comment=x{comment}|name={name}|reason={reason}"
    (job,) = parse_squeue(text).jobs
    assert (job.comment, job.name, job.reason) == (f"x{comment}", name, reason)


@given(st.text())
def test_no_text_makes_the_parser_fail(text: str) -> None:
    assert isinstance(parse_squeue(text), QueueRows)
    assert all(job.job_id for job in parse_squeue(f"{RUNNING}\n{text}").jobs)
    parse_sinfo(text)
    parse_sbatch(text)
    parse_show_job(text)
    parse_gres(text)


def test_the_format_asked_for_has_the_columns_that_are_read() -> None:
    assert QUEUE_FORMAT.count("|") == RUNNING.count("|")


@pytest.mark.parametrize(
    ("word", "state", "phase"),
    [
        ("PENDING", JobState.PENDING, JobPhase.WAITING),
        ("CONFIGURING", JobState.CONFIGURING, JobPhase.WAITING),
        ("REQUEUE_HOLD", JobState.REQUEUE_HOLD, JobPhase.WAITING),
        ("RUNNING", JobState.RUNNING, JobPhase.RUNNING),
        ("COMPLETING", JobState.COMPLETING, JobPhase.ENDING),
        ("CANCELLED by 1001", JobState.CANCELLED, JobPhase.ENDED),
        ("CANCELLED+", JobState.CANCELLED, JobPhase.ENDED),
        ("OUT_OF_MEMORY", JobState.OUT_OF_MEMORY, JobPhase.ENDED),
        ("NOVEL_STATE", JobState.UNKNOWN, JobPhase.UNKNOWN),
        ("", JobState.UNKNOWN, JobPhase.UNKNOWN),
    ],
)
def test_states_are_known_by_their_words(word: str, state: JobState, phase: JobPhase) -> None:
    assert JobState.parse(word) is state
    assert state.phase is phase


def test_a_job_is_found_by_its_id_also_as_part_of_an_array() -> None:
    rows = parse_squeue("\n".join(RUNNING.replace("1|", f"{job_id}|", 1) for job_id in ("11_3", "12+0", "1")))
    assert [rows.find(job_id) is not None for job_id in ("11", "12", "1", "2")] == [True, True, True, False]


def test_the_row_with_the_very_id_counts_more_than_a_part_above_it_and_else_the_first_part() -> None:
    rows = parse_squeue(
        "\n".join(RUNNING.replace("1|", f"{job_id}|", 1) for job_id in ("11_3", "11", "12+0", "12+1"))
    )
    assert [job and job.job_id for job in map(rows.find, ("11", "12"))] == ["11", "12+0"]


@pytest.mark.parametrize(
    ("state", "nodes", "batch_host", "host"),
    [
        ("RUNNING", "gpu[1-2]", "gpu1", "gpu1"),
        ("RUNNING", "gpu1", "n/a", "gpu1"),
        ("PENDING", "", "gpu1", ""),
        ("CONFIGURING", "gpu2", "gpu1", "gpu2"),
    ],
)
def test_a_server_is_looked_for_on_the_node_that_runs_the_script(
    state: str, nodes: str, batch_host: str, host: str
) -> None:
    row = RUNNING.replace("RUNNING|gpu1|", f"{state}|{nodes}|").replace("|gpu1|1|", f"|{batch_host}|1|")
    (job,) = parse_squeue(row).jobs
    assert job.host == host


def test_the_latest_job_with_a_comment_is_found() -> None:
    rows = parse_squeue(RUNNING + "\n" + RUNNING.replace("1|", "2|", 1))
    found = rows.with_comment("jlab-mcp/ab12")
    assert found and found.job_id == "2"
    assert rows.with_comment("") is None


@pytest.mark.parametrize(
    ("uid", "submitted", "comment", "ours"),
    [
        (0, 1795421051.0, "jlab-mcp/ab12", True),
        (0, None, "", True),
        (0, 1795420000.0, "", True),  # requeued: submit time moved on
        (0, 1795421052.0, "", True),  # a rounded second
        (0, 1795421053.0, "", False),
        (0, 1795429999.0, "", False),  # recycled id of an older job
        (0, 1795421051.0, "jlab-mcp/other", False),
        (7, 1795421051.0, "jlab-mcp/ab12", False),
    ],
)
def test_a_job_is_ours_by_user_name_comment_and_submit_time(
    uid: int, submitted: float | None, comment: str, ours: bool
) -> None:
    (job,) = parse_squeue(RUNNING).jobs
    assert is_ours(job, uid, submitted, comment) is ours
    (renamed,) = parse_squeue(RUNNING.replace("name=jlab-mcp", "name=train")).jobs
    assert is_ours(renamed, uid, submitted, comment) is (uid == 0 and comment == "jlab-mcp/ab12")


@pytest.mark.parametrize("rewritten", ["project=7;jlab-mcp/ab12", "ab12 (site note)", "site note", "(null)"])
def test_a_job_whose_comment_a_site_or_its_user_rewrote_is_still_ours(rewritten: str) -> None:
    (job,) = parse_squeue(RUNNING.replace("comment=jlab-mcp/ab12", f"comment={rewritten}")).jobs
    assert is_ours(job, 0, 1795421051.0, "jlab-mcp/ab12")
    assert not is_ours(job, 1, 1795421051.0, "jlab-mcp/ab12")
    is_named = "ab12" in rewritten
    assert is_ours(job, 0, 1795421060.0, "jlab-mcp/ab12") is is_named, "submitted before ours: a recycled id"
    assert (QueueRows((job,)).with_comment("jlab-mcp/ab12") is not None) is is_named


def test_a_job_with_the_comment_of_another_submission_is_not_ours() -> None:
    (job,) = parse_squeue(RUNNING).jobs
    assert not is_ours(job, 0, 1795421051.0, "jlab-mcp/ab1")
    assert not is_ours(job, 0, None, "jlab-mcp/ffff")


def test_the_estimate_is_what_test_only_says() -> None:
    said = "sbatch: Job 5 to start at 1795706534 using 1 processors on nodes gpu1 in partition gpu\n"
    assert parse_estimate(f"a banner\n{said}") == Estimate(1795706534.0, "on nodes gpu1 in partition gpu")
    assert parse_estimate("a banner") == Estimate(None)


def row(job_id: str, state: str, priority: int, partition: str, uid: int) -> str:
    return (
        f"{job_id}|{state}||5:00|5:00|0:00|N/A|N/A|n/a|1|500M|N/A|{priority}|{partition}|{uid}|1795421051"
        "|comment=a|b|name=x|reason=Priority"
    )


def test_of_everybodys_jobs_ours_are_kept_and_those_of_higher_priority_in_a_partition_of_ours_counted() -> (
    None
):
    ours = [
        row("3", "PENDING", 17, "gpu", 1001),
        row("5", "RUNNING", 17, "gpu", 1001),
        row("6", "PENDING", 19, "a,gpu", 1001),
    ]
    others = [
        row("1", "PENDING", 20, "gpu", 0),
        row("2", "PENDING", 17, "gpu", 0),
        row("4_[1-9]", "PENDING", 18, "gpu,b", 10010),
        row("7", "PENDING", 99, "cpu", 0),
        row("8", "RUNNING", 99, "gpu", 0),
    ]
    own, ahead = split_queue("\n".join([*others[:2], "CLUSTER: x", *ours, *others[2:], ""]), 1001)
    assert own.splitlines() == ours
    assert ahead == {"3": 3, "6": 1}
    hidden = row("9", "PENDING", 1, "gpu", 1001).replace("|1|gpu", "|N/A|gpu")
    assert split_queue("\n".join([hidden, row("1", "PENDING", 1, "gpu", 0)]), 1001)[1] == {"9": 1}
    (job,) = parse_squeue(hidden).jobs
    assert job.priority is None


def test_everybodys_jobs_are_asked_for_once_a_minute_while_one_of_ours_competes() -> None:
    line = row("3", "PENDING", 17, "gpu", 1001).replace("name=x", "name=jlab-mcp")
    competes, now = parse_squeue(line), 1795421051 + 5.0
    assert wants_count(competes, 0.0, now)
    assert not wants_count(competes, 0.0, now - 1), "it has only just been submitted"
    assert not wants_count(competes, now - 59, now) and wants_count(competes, now - 60, now)
    for other in ("name=x", "reason=BeginTime"):
        key = other.partition("=")[0]
        assert not wants_count(parse_squeue(re.sub(rf"{key}=[\w-]*", other, line)), 0.0, now)
    assert not wants_count(QueueUnknown("no answer"), 0.0, now)


@pytest.mark.parametrize(
    ("state", "run_time", "interval"),
    [("RUNNING", "0:59", 2), ("RUNNING", "1:00", 30), ("RUNNING", "N/A", 2), ("COMPLETING", "9:00", 2), ("SUSPENDED", "9:00", 30), ("FAILED", "0:01", 30)],
)  # fmt: skip
def test_a_job_that_may_soon_change_is_asked_for_often(state: str, run_time: str, interval: float) -> None:
    (job,) = parse_squeue(RUNNING.replace("RUNNING", state, 1).replace("|0:01|", f"|{run_time}|")).jobs
    assert poll_interval(job, 1795421051) == interval
    assert poll_interval(None, 0) == 2
    (unknown,) = parse_squeue(PENDING.replace("|1795421051|", "|N/A|")).jobs
    assert poll_interval(unknown, 1795421051) == 2


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("NodeName=gpu1 Arch=x86_64 NodeAddr=10.0.0.7 Version=22", "10.0.0.7"),
        ("NodeName=gpu1 NodeAddr=gpu1", ""),
        ("NodeAddr=gpu1", "gpu1"),
        ("NodeName=gpu1", ""),
    ],
)
def test_a_node_has_an_address_where_it_is_not_its_name(text: str, address: str) -> None:
    assert parse_node_address(text) == address


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "1 min"), (89, "1 min"), (91, "2 min"), (7149, "119 min"), (7200, "2 h"), (9100, "3 h")],
)
def test_a_wait_is_given_in_round_numbers(seconds: float, words: str) -> None:
    assert about(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "unknown"),
        (math.inf, "no limit"),
        (59.9, "0:00:59"),
        (86399, "23:59:59"),
        (86400, "1-00:00:00"),
    ],
)
def test_a_span_is_written_as_slurm_writes_it(seconds: float | None, text: str) -> None:
    assert format_span(seconds) == text


@pytest.mark.parametrize(("waited", "interval"), [(0, 2), (20, 2), (100, 10), (299, 29.9), (9999, 30)])
def test_a_waiting_job_is_asked_for_less_and_less_often(waited: float, interval: float) -> None:
    (job,) = parse_squeue(PENDING).jobs
    assert poll_interval(job, 1795421051 + waited) == pytest.approx(interval)


def test_a_failing_queue_is_asked_less_and_less_often() -> None:
    assert [poll_interval(None, 0, failures) for failures in (1, 2, 3, 4, 5, 500)] == [2, 4, 8, 16, 30, 30]


SHOWN = "JobId=9 JobName=my job UserId=root(0) GroupId=root(0) QOS=(null) JobState=FAILED Reason=NonZeroExitCode Dependency=(null) Requeue=0 Restarts=2 ExitCode=3:0 NodeList=gpu1 BatchHost=gpu1 CPUs/Task=1 ReqB:S:C:T=0:0:*:* TRES=cpu=1,mem=4000M Comment=JobState=RUNNING x StdOut=/a b=c/log-9.txt Power= "


def test_the_details_of_a_job_are_read_from_one_line() -> None:
    details = parse_show_job(SHOWN)
    assert details
    assert (details.job_id, details.state, details.reason) == ("9", JobState.FAILED, "NonZeroExitCode")
    assert (details.exit_code, details.signal, details.restarts, details.node) == (3, 0, 2, "gpu1")
    assert details.uid == 0


@pytest.mark.parametrize(
    ("line", "numbers"),
    [
        ("JobId=9 ExitCode=0:9 Restarts=1", (0, 9, 1)),
        ("JobId=9 JobState=RUNNING", (0, 0, 0)),
        ("JobId=9 ExitCode=?:? Restarts=", (0, 0, 0)),
    ],
)
def test_a_job_with_unknown_numbers_has_not_failed(line: str, numbers: tuple[int, int, int]) -> None:
    details = parse_show_job(line)
    assert details and (details.exit_code, details.signal, details.restarts) == numbers
    assert details.uid is None


@pytest.mark.parametrize(
    ("stdout", "answer"),
    [
        ("11\n", Submitted("11")),
        ("11;tier2\n", Submitted("11", "tier2")),
        ("Submitted batch job 5 on cluster X\n", Submitted("5", "X")),
        (
            "Welcome to HPC 2000!\n*** budget: 17\n123\n",
            Submitted("123", "", ("Welcome to HPC 2000!", "*** budget: 17")),
        ),
        ("12\n\nsite: job accepted\n  \n", Submitted("12", "", ("site: job accepted",))),
        ("", None),
        ("no number", None),
    ],
)
def test_the_job_id_is_found_among_banners(stdout: str, answer: Submitted | None) -> None:
    assert parse_sbatch(stdout) == answer


def test_what_plugins_print_about_an_accepted_job_is_kept_within_bounds() -> None:
    stderr = "sbatch: Welcome\nsbatch: debug:  verbose\nsbatch: error: " + "x" * 999
    answer = parse_sbatch("job accepted\n12\n", stderr)
    assert answer and answer.notices == ("job accepted", "Welcome", "x" * 300)
    many = parse_sbatch("12\n", "".join(f"line {number}\n" for number in range(30)))
    assert many and len(many.notices) == 11 and many.notices[-1] == "... and 20 more lines"
    eleven = parse_sbatch("12\n", "line\n" * 11)
    assert eleven and len(eleven.notices) == 11 and eleven.notices[-1] == "... and 1 more line"
    ten = parse_sbatch("12\n", "line\n" * 10)
    assert ten and ten.notices == ("line",) * 10


SINFO = """\
cpu*|up|1-00:00:00|30:00|1|idle|4|4000|(null)
gpu|up|4:00:00|30:00|1|mixed|4|4000|gpu:a100:2
gpu|up|4:00:00|30:00|2|idle~|8+|8000+|gpu:a100:2(S:0-1),shard:8
gpu|up|4:00:00|30:00|1|idle*|4|4000|gpu:a100:2
maint|down|infinite|n/a|2|down*|4|4000|gpu:1
"""


def test_partitions_are_gathered_from_the_survey() -> None:
    cpu, gpu, maint = parse_sinfo(SINFO)
    assert cpu.is_default and not gpu.is_default and not cpu.has_gpus
    assert gpu.nodes == {"mixed": 1, "idle": 2, "unresponsive": 1}
    assert gpu.gres == (Gres("gpu", "a100", 2), Gres("shard", "", 8))
    assert (gpu.cpus, gpu.mem_mb, gpu.time_limit) == (8, 8000, 14400)
    assert not maint.is_up and maint.nodes == {"down": 2} and maint.gres == (Gres("gpu", "", 1),)


def test_numbers_that_sinfo_does_not_tell_are_left_out() -> None:
    (odd,) = parse_sinfo("odd|up|1:00:00|n/a|n/a|idle|n/a|n/a|tape|robot\n")
    assert (odd.nodes, odd.cpus, odd.mem_mb, odd.has_gpus) == ({}, 0, 0, False)
    assert survey_lines((odd,)) == ["odd: up to 1:00:00, 0 nodes (), no GPUs"]
    (one,) = parse_sinfo("one|up|1:00:00|n/a|1|idle|4|4000|gpu\n")
    assert one.gres == (Gres("gpu", "", 1),) and one.has_gpus


def test_the_survey_reads_as_one_line_a_partition() -> None:
    assert survey_lines(parse_sinfo(SINFO)) == [
        "cpu (default): up to 1-00:00:00, 1 node (1 idle), 4 CPUs and 4 GB each, no GPUs",
        "gpu: up to 4:00:00, 4 nodes (1 mixed, 2 idle, 1 unresponsive), 8 CPUs and 8 GB each, gpu a100 x2, shard x8 per node",
        "maint: closed, up to no limit, 2 nodes (2 down), 4 CPUs and 4 GB each, gpu x1 per node",
    ]
