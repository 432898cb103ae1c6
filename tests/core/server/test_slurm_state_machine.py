"""The state machine of a job: what each answer of the queue does to the record, and what never changes it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jlab_tui.core.link.bridge import LinkFacts, Way
from jlab_tui.core.server.record import ConnectionFile, ServerRecord, ServerState, SlurmFacts
from jlab_tui.core.server.route import NoRoute
from jlab_tui.core.server.slurm_job import find_job, is_announced, wants_details, with_facts
from jlab_tui.core.server.state_machine import step
from jlab_tui.core.server.status import Health, JobGone, Limits, Observation, ServerStatus
from jlab_tui.core.settings import Mode
from jlab_tui.core.slurm.queue import Job, QueueRows, QueueUnknown
from jlab_tui.core.slurm.show import JobDetails
from jlab_tui.core.slurm.survey import SOON_S
from jlab_tui.core.slurm.terms import JOB_NAME, JobState

T = 1_000_000.0
LIMITS = Limits(ready_s=120)
RECORD = ServerRecord(
    ServerState.PENDING, Mode.SLURM, job_id="7", started=T, conn_file="/c.json", slurm=SlurmFacts("abc")
)
JOB = Job("7", JobState.PENDING, "Priority", uid=1, name=JOB_NAME, comment="jlab-mcp/abc", submitted=T)
RUNNING = replace(
    JOB, state=JobState.RUNNING, reason="None", batch_host="gpu1", starts=T + 50, ends=T + 3650, run_time=1.0
)
CONNECTION = ConnectionFile("gpu1", "0.0.0.0", 18000, 1, "1", "http://gpu1:18000", T + 60)


def details(state: JobState, *, restarts: int = 0, reason: str = "", exit_code: int = 0) -> JobDetails:
    return JobDetails("7", state, reason, exit_code, 0, restarts, "/log", "gpu1")


def look(record: ServerRecord, job: Job | None, at: float = 60, **more: object) -> ServerStatus:
    rows = QueueRows((job,) if job else (), T + at)
    return step(record, Observation(T + at, queue=rows, **more), LIMITS)  # type: ignore[arg-type]


def ready() -> ServerRecord:
    seen = look(RECORD, RUNNING, details=details(JobState.RUNNING), connection=CONNECTION, health=Health.OK)
    assert seen.record.state is ServerState.READY
    return seen.record


def test_a_job_whose_server_its_configuration_ended_is_told_with_the_rule() -> None:
    log = "[I 2026] No kernels for 90 seconds; shutting down."
    ended = look(ready(), None, at=500, details=details(JobState.COMPLETED), log_tail=log)
    assert "ended by itself" in ended.sentence
    assert ended.sentence.endswith("after 90 s without kernels (ServerApp.shutdown_no_activity_timeout).")


def test_a_waiting_job_tells_its_reason_and_the_estimate() -> None:
    rows = QueueRows((replace(JOB, starts=T + 660),), T + 60, ahead={"7": 3})
    seen = step(RECORD, Observation(T + 60, queue=rows), LIMITS)
    assert seen.record.state is ServerState.PENDING and seen.phase == "pending (Priority)"
    assert seen.details[-1] == "Slurm's estimate: it starts in about 10 min."
    assert seen.queue and seen.queue.position == 3 and not seen.queue.is_stuck


def test_until_slurm_estimates_the_start_the_estimate_at_submission_is_shown() -> None:
    record = with_facts(RECORD, estimate=T + 1860)
    expected = "Slurm's estimate: it starts in about 30 min."
    assert expected in step(record, Observation(T + 60, queue=QueueRows((), T)), LIMITS).details
    assert expected in look(record, JOB).details
    assert expected not in look(record, replace(JOB, starts=T + 660)).details
    assert look(record, replace(JOB, reason="JobHeldUser")).details == ()
    at_once = look(with_facts(RECORD, estimate=T + 65), JOB)
    assert at_once.details == () and at_once.queue and at_once.queue.estimated_start is None


def test_a_running_job_is_starting_then_ready() -> None:
    starting = look(RECORD, RUNNING, details=details(JobState.RUNNING))
    assert starting.record.state is ServerState.STARTING
    assert (starting.record.hostname, starting.record.ends) == ("gpu1", T + 3650)
    assert starting.sentence == "Job running on gpu1, JupyterLab starting..."
    at_last = look(starting.record, RUNNING, connection=CONNECTION, health=Health.OK)
    assert at_last.record.state is ServerState.READY and at_last.reachable
    assert at_last.sentence == "JupyterLab ready at http://gpu1:18000"


def test_the_connection_file_is_believed_before_the_queue_is_asked_again() -> None:
    seen = look(RECORD, JOB, connection=CONNECTION, health=Health.OK)
    assert seen.record.state is ServerState.READY


@pytest.mark.parametrize("record", [RECORD, ready()], ids=["pending", "ready"])
def test_a_queue_that_does_not_answer_changes_nothing_and_is_reported(record: ServerRecord) -> None:
    unknown = QueueUnknown("Slurm's controller is not answering.", "", T + 60)
    seen = step(record, Observation(T + 9e6, queue=unknown), LIMITS)
    assert seen.record == record and not seen.give_up
    assert "jlab-mcp assumes that the job keeps running." in seen.notices[0]


def test_an_old_row_does_not_take_a_ready_server_back_to_the_queue() -> None:
    record = ready()
    assert wants_details(record, QueueRows((JOB,), T + 70))
    assert look(record, JOB, details=details(JobState.RUNNING)).record == record
    assert look(record, JOB, details=QueueUnknown("?")).record == record


def test_a_requeued_job_waits_again_and_its_old_server_is_forgotten() -> None:
    again = look(ready(), JOB, at=100, details=details(JobState.PENDING, restarts=1)).record
    assert (again.state, again.url, again.hostname, again.ends) == (ServerState.PENDING, "", "", 0)
    assert again.slurm.restarts == 1 and again.started != RECORD.started
    stale = look(again, RUNNING, at=101)
    assert stale.record.state is ServerState.PENDING, "the row of the run before"
    moved = replace(RUNNING, batch_host="gpu2", starts=T + 200)
    there = look(again, moved, at=201, details=details(JobState.RUNNING, restarts=1)).record
    assert (there.state, there.hostname) == (ServerState.STARTING, "gpu2")


def test_a_job_that_was_requeued_and_started_between_two_looks_is_another_server() -> None:
    moved = replace(RUNNING, batch_host="gpu2", starts=T + 200)
    record = look(ready(), moved, at=201, details=details(JobState.RUNNING, restarts=1)).record
    assert (record.state, record.hostname, record.url) == (ServerState.STARTING, "gpu2", "")
    assert (
        record.started
        == look(ready(), moved, at=230, details=details(JobState.RUNNING, restarts=1)).record.started
    )


def test_a_run_that_serves_before_the_queue_tells_of_it_stays_the_same_server() -> None:
    again = look(ready(), JOB, at=100, details=details(JobState.PENDING, restarts=1)).record
    serves = look(again, JOB, at=201, connection=CONNECTION, health=Health.OK).record
    assert serves.state is ServerState.READY
    moved = replace(RUNNING, batch_host="gpu2", starts=T + 200)
    told = look(serves, moved, at=202, details=details(JobState.RUNNING, restarts=1), health=Health.OK).record
    assert told.state is ServerState.READY and told.started == serves.started
    assert told.slurm.job_start == T + 200


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (JobState.TIMEOUT, "reached the end of its walltime"),
        (JobState.CANCELLED, "was cancelled (by scancel"),
        (JobState.PREEMPTED, "was preempted"),
        (JobState.NODE_FAIL, "its node failed"),
        (JobState.OUT_OF_MEMORY, "used more memory"),
        (JobState.COMPLETED, "ended by itself"),
    ],
)
def test_each_end_has_its_sentence(state: JobState, said: str) -> None:
    seen = look(ready(), replace(RUNNING, state=state), details=details(state))
    assert seen.record.state is ServerState.ENDED and said in seen.sentence and seen.hint
    assert step(seen.record, Observation(T + 99), LIMITS).hint == seen.hint, "it is kept with the record"
    before = look(RECORD, replace(JOB, state=state), details=details(state))
    assert before.record.state is ServerState.ERROR


def test_a_script_that_failed_is_explained_by_its_exit_code_and_its_log() -> None:
    failed = details(JobState.FAILED, exit_code=92)
    log = "jlab-mcp: error: jupyter_server is not installed for /venv/bin/python"
    seen = look(RECORD, replace(JOB, state=JobState.FAILED), details=failed, log_tail=log)
    assert seen.record.message.startswith(
        "The Python on the node has no jupyter_server. Its log says: jupyter"
    )


def test_a_job_that_slurm_forgot_has_ended_only_when_it_says_so() -> None:
    assert look(RECORD, None, at=5).record == RECORD, "asked too soon after the submission"
    assert look(RECORD, None, at=500).record == RECORD, "not asked for details"
    assert look(RECORD, None, at=500, details=JobGone()).record.state is ServerState.ERROR
    assert look(ready(), None, at=500, details=JobGone()).record.state is ServerState.ENDED


def test_a_job_of_somebody_else_under_our_id_is_not_ours() -> None:
    stranger = replace(RUNNING, comment="jlab-mcp/other")
    assert look(ready(), stranger, at=500).record.state is ServerState.ENDED


def test_a_submission_whose_answer_was_lost_is_found_by_its_comment_or_given_up() -> None:
    lost = replace(RECORD, job_id="", log="/logs/%j.log")
    assert look(lost, JOB).record.job_id == "7" and look(lost, JOB).record.log == "/logs/7.log"
    assert look(lost, None, at=30).record.state is ServerState.PENDING
    assert look(lost, None, at=90).record.state is ServerState.ERROR


def test_a_start_that_takes_too_long_is_given_up_but_not_while_the_queue_is_unknown() -> None:
    starting = look(RECORD, RUNNING, details=details(JobState.RUNNING)).record
    late = look(starting, RUNNING, at=181, log_tail="ImportError: x")
    assert late.give_up and late.record.state is ServerState.STARTING
    assert "within 120 s. Its log ends with: ImportError: x" in late.sentence
    unreached = look(starting, RUNNING, at=60, connection=CONNECTION, health=Health.SILENT).record
    assert not look(unreached, RUNNING, at=179, connection=CONNECTION, health=Health.SILENT).is_decided
    unknown = Observation(T + 900, queue=QueueUnknown("?"), connection=CONNECTION, health=Health.SILENT)
    assert not step(unreached, unknown, LIMITS).is_decided


@pytest.mark.parametrize("health", [Health.SILENT, Health.REFUSED, Health.FOREIGN])
def test_a_server_that_came_up_and_cannot_be_reached_from_here_keeps_its_job(health: Health) -> None:
    starting = look(RECORD, RUNNING, details=details(JobState.RUNNING)).record
    seen = look(starting, RUNNING, at=60, connection=CONNECTION, health=health).record
    late = look(seen, RUNNING, at=181, connection=CONNECTION, health=health)
    assert late.is_decided and late.is_unreached and not late.give_up and not late.is_over
    assert late.record.state is ServerState.STARTING
    assert "srun --overlap --jobid 7" in late.hint and "jlab-mcp doctor" in late.hint
    assert look(seen, RUNNING, at=999, connection=CONNECTION, health=Health.OK).is_usable


@pytest.mark.parametrize("state", [JobState.SUSPENDED, JobState.COMPLETING])
def test_a_suspended_or_ending_job_says_so_and_keeps_its_record(state: JobState) -> None:
    seen = look(ready(), replace(RUNNING, state=state), health=Health.SILENT)
    assert seen.record.state is ServerState.READY and seen.reachable is False
    assert ("suspended" if state is JobState.SUSPENDED else "is ending") in seen.sentence


def test_the_last_minutes_of_the_walltime_are_announced() -> None:
    record = ready()
    assert look(record, RUNNING, at=2000, health=Health.OK).notices == ()
    assert "walltime ends in 4 min 10 s" in look(record, RUNNING, at=3400, health=Health.OK).notices[0]


def test_a_job_that_nobody_looked_at_for_hours_is_not_given_up_at_the_first_look() -> None:
    """Its connection file may not be visible here at this instant."""
    ran_long = replace(RUNNING, run_time=6 * 3600.0)
    hours_later = 50 + 6 * 3600.0
    first = look(RECORD, ran_long, at=hours_later, details=details(JobState.RUNNING))
    assert first.record.state is ServerState.STARTING and not first.give_up
    assert not look(first.record, ran_long, at=hours_later + 119).give_up
    assert look(first.record, ran_long, at=hours_later + 122).give_up


def test_a_much_too_old_answer_of_the_queue_is_reported_as_old() -> None:
    rows = QueueRows((RUNNING,), T + 60)
    assert step(ready(), Observation(T + 170, queue=rows, health=Health.OK), LIMITS).notices == ()
    old = step(ready(), Observation(T + 360, queue=rows, health=Health.OK), LIMITS)
    assert old.notices[0].startswith("Slurm's last answer is 5 min old")


def test_slurm_is_asked_for_details_only_where_the_queue_leaves_something_open() -> None:
    def asks(record: ServerRecord, job: Job | None, at: float = 60) -> bool:
        return wants_details(record, QueueRows((job,) if job else (), T + at))

    assert asks(RECORD, None) and not asks(RECORD, None, at=10), (
        "a job that is missing, once the queue can have it"
    )
    assert asks(RECORD, RUNNING) and not asks(ready(), RUNNING), "a job that was started (again)"
    assert not asks(RECORD, JOB) and asks(ready(), JOB), "a job that went back to the queue"
    assert asks(ready(), replace(RUNNING, state=JobState.FAILED))
    assert not asks(ready(), replace(RUNNING, state=JobState.SUSPENDED))
    assert not asks(replace(RECORD, job_id=""), None)
    assert not asks(replace(RECORD, state=ServerState.ENDED), None)
    assert not asks(RECORD, replace(JOB, comment="", name="theirs")), "its id belongs to another job"
    assert not wants_details(RECORD, QueueUnknown("?")) and not wants_details(RECORD, None)


def test_a_stranger_with_a_certificate_of_its_own_costs_no_job() -> None:
    pinned = replace(CONNECTION, cert="AA==")
    starting = look(RECORD, RUNNING, details=details(JobState.RUNNING)).record
    early = look(starting, RUNNING, at=60, connection=pinned, health=Health.UNTRUSTED)
    assert not early.is_decided and early.phase == "starting"
    late = look(early.record, RUNNING, at=181, connection=pinned, health=Health.UNTRUSTED)
    assert late.is_decided and not late.give_up and "another server answers at" in late.sentence


def test_a_job_that_is_being_cancelled_is_not_started_again() -> None:
    stopping = replace(ready(), state=ServerState.STOPPING)
    seen = look(stopping, RUNNING, connection=CONNECTION, health=Health.OK)
    assert (seen.phase, seen.sentence) == ("stopping", "Job 7 is being cancelled...")
    moved = replace(RUNNING, starts=T + 200)
    again = look(stopping, moved, at=201, details=details(JobState.RUNNING, restarts=1))
    assert again.record.state is ServerState.STOPPING and again.record.url == stopping.url


def test_a_node_that_proves_nothing_or_is_not_trusted_is_named() -> None:
    unproved = look(ready(), RUNNING, connection=CONNECTION, no_route=NoRoute("Nothing proves it.", "h"))
    assert unproved.sentence == "Nothing proves it." and not unproved.is_usable
    starting = look(
        RECORD, RUNNING, details=details(JobState.RUNNING), connection=CONNECTION, health=Health.UNTRUSTED
    )
    assert starting.give_up and starting.state is ServerState.STARTING
    assert not look(ready(), RUNNING, connection=CONNECTION, health=Health.UNTRUSTED).give_up


def test_which_run_counts_is_left_open_until_slurm_tells() -> None:
    moved = replace(RUNNING, batch_host="gpu2", starts=T + 200)
    assert look(ready(), moved, at=201, details=QueueUnknown("?")).record == ready()


def test_a_suspended_job_keeps_its_node() -> None:
    suspended = replace(RUNNING, state=JobState.SUSPENDED)
    starting = look(RECORD, suspended)
    assert starting.record.state is ServerState.STARTING and starting.record.hostname == "gpu1"
    assert starting.phase == "suspended" and starting.reachable is False
    assert look(ready(), suspended, health=Health.SILENT).phase == "suspended"


def test_a_submission_without_an_answer_is_looked_for_until_it_must_have_failed() -> None:
    announced = replace(RECORD, job_id="")
    assert look(announced, None, at=9).sentence == "SLURM job being submitted..."
    assert "looking for the job in the queue" in look(announced, None, at=61).sentence
    assert look(announced, None, at=89).state is ServerState.PENDING
    lost = look(announced, None, at=91)
    assert lost.state is ServerState.ERROR and "no job appeared" in lost.sentence
    assert look(announced, JOB, at=91).record.job_id == "7"


def test_a_job_that_the_queue_has_forgotten_ends_as_slurm_says() -> None:
    ended = look(ready(), None, at=200, details=details(JobState.TIMEOUT))
    assert ended.state is ServerState.ENDED and "walltime" in ended.sentence
    assert look(ready(), None, at=5).state is ServerState.READY, "the answer is older than the submission"


def test_a_plain_wait_gives_no_reason_and_a_restarted_job_says_that_it_waits_again() -> None:
    assert look(RECORD, replace(JOB, reason="None")).sentence == "SLURM job 7 submitted, waiting in queue..."
    again = look(with_facts(RECORD, restarts=1), JOB)
    assert again.sentence != look(RECORD, JOB).sentence and "7" in again.sentence


def test_a_ready_server_that_is_silent_is_reported_with_what_slurm_knows() -> None:
    silent = look(ready(), RUNNING, health=Health.SILENT)
    assert silent.sentence.endswith("Slurm says that job 7 runs on gpu1.")
    assert silent.details and silent.details[0].startswith("Walltime left:")
    unknown = step(ready(), Observation(T + 60, queue=QueueUnknown("?"), health=Health.SILENT), LIMITS)
    assert "Slurm says" not in unknown.sentence and unknown.reachable is False
    assert step(ready(), Observation(T + 60), LIMITS).reachable is None


def test_only_a_submission_that_slurm_has_not_answered_is_announced() -> None:
    announced = replace(RECORD, job_id="")
    assert is_announced(announced)
    assert not is_announced(RECORD) and not is_announced(replace(announced, state=ServerState.STARTING))
    assert not is_announced(replace(announced, slurm=SlurmFacts()))


def test_a_job_whose_owner_slurm_does_not_name_is_not_ours() -> None:
    nameless = replace(RUNNING, uid=None)
    assert find_job(RECORD, QueueRows((RUNNING,), T)) == RUNNING
    assert find_job(RECORD, QueueRows((nameless,), T)) is None
    assert look(ready(), nameless, at=500).record.state is ServerState.ENDED


def test_where_a_node_listens_is_taken_from_its_connection_file() -> None:
    several = replace(
        CONNECTION,
        hostname="gpu9",
        addresses=("10.0.0.1", "fd00::1"),
        environment="not here",
        socket="/s",
        cert="c",
        token="new",
    )
    known = replace(RECORD, hostname="gpu1", token="old")
    seen = look(known, None, connection=several).record
    assert (seen.state, seen.hostname, seen.url, seen.port) == (
        ServerState.STARTING,
        "gpu1",
        CONNECTION.url,
        18000,
    )
    assert (seen.socket, seen.cert, seen.token) == ("/s", "c", "new")
    assert seen.environment == "not here"
    assert (seen.slurm.addresses, seen.slurm.connected) == ("10.0.0.1 fd00::1", T + 60)
    again = look(seen, None, at=70.12345, connection=replace(CONNECTION, token="")).record
    assert again.slurm.addresses == "10.0.0.1 fd00::1", (
        "a connection file without any says nothing about them"
    )
    assert (again.token, again.slurm.connected) == ("new", T + 60)
    first = look(RECORD, None, at=70.12345, connection=several).record
    assert (first.hostname, first.slurm.connected) == ("gpu9", T + 70.123)


def test_a_place_in_the_queue_has_no_reason_that_slurm_does_not_give() -> None:
    given, plain = look(RECORD, JOB).queue, look(RECORD, replace(JOB, reason="None")).queue
    assert given and plain and (given.reason, plain.reason) == ("Priority", "")


def test_a_server_that_starts_is_not_reachable_and_its_walltime_is_what_is_left() -> None:
    assert look(RECORD, RUNNING, details=details(JobState.RUNNING)).reachable is False
    assert look(ready(), RUNNING, at=3590).details == ("Walltime left: 0:01:00",)
    assert look(ready(), RUNNING, at=3700).details == ("Walltime left: 0:00:00",)
    endless = replace(RUNNING, ends=0.0)
    assert look(replace(ready(), ends=0.0), endless).details == ()


def test_a_job_that_runs_is_taken_over_before_slurm_tells_more_of_it() -> None:
    seen = look(with_facts(RECORD, restarts=2), RUNNING).record
    assert (seen.state, seen.slurm.restarts, seen.slurm.job_start) == (ServerState.STARTING, 2, T + 50)
    told = look(with_facts(RECORD, restarts=2), RUNNING, details=details(JobState.RUNNING, restarts=3)).record
    assert told.slurm.restarts == 3


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, "failed with exit code 0 on gpu1"),
        ({"details": details(JobState.FAILED, exit_code=3)}, "failed with exit code 3 on gpu1"),
        ({"details": replace(details(JobState.FAILED), signal=9)}, "was killed by signal 9 on gpu1"),
        (
            {"details": details(JobState.FAILED, reason="LaunchFailedRequeued")},
            "could not be started on gpu1",
        ),
        ({"details": QueueUnknown("?")}, "failed with exit code 0 on gpu1"),
    ],
)
def test_a_failed_job_is_reported_with_what_slurm_knows(more: dict[str, object], told: str) -> None:
    assert told in look(ready(), replace(RUNNING, state=JobState.FAILED), **more).sentence  # type: ignore[arg-type]


def test_a_job_that_goes_back_to_the_queue_without_a_reason_is_not_reported_as_new() -> None:
    requeued = look(RECORD, replace(JOB, state=JobState.REQUEUED, reason="None"))
    assert requeued.sentence == "Job 7 is going back to the queue." and requeued.phase == "pending"
    held = look(RECORD, replace(JOB, state=JobState.REQUEUED))
    assert held.phase == "pending (Priority)" and held.sentence == "Job 7 is going back to the queue."


def test_a_node_that_answers_within_its_limit_is_waited_for() -> None:
    starting = look(RECORD, RUNNING, details=details(JobState.RUNNING)).record
    seen = look(starting, RUNNING, at=60, connection=CONNECTION, health=Health.SILENT).record
    assert late_of(starting).reachable is late_of(seen).reachable is False
    on_time = look(seen, RUNNING, at=180, connection=CONNECTION, health=Health.SILENT)
    late = look(seen, RUNNING, at=180.1, connection=CONNECTION, health=Health.SILENT)
    assert (on_time.is_decided, late.is_decided) == (False, True)
    assert "this machine could not reach it at http://gpu1:18000 for 120 s" in late.sentence
    foreign = look(seen, RUNNING, at=181, connection=CONNECTION, health=Health.FOREIGN)
    assert "another server answers at" in foreign.sentence
    assert not look(starting, RUNNING, at=180).give_up and look(starting, RUNNING, at=180.1).give_up


NO_WAY = LinkFacts("none", "srun: srun is refused here")


def test_where_no_way_leads_to_a_server_the_job_stays_ready_and_each_way_is_named() -> None:
    seen = look(ready(), RUNNING, health=Health.SILENT, link=NO_WAY)
    assert seen.record.state is ServerState.READY and seen.is_decided and seen.is_unreached
    assert seen.sentence.endswith("from this host: srun: srun is refused here.")
    assert "jlab-mcp doctor" in seen.hint
    suspended = replace(RUNNING, state=JobState.SUSPENDED)
    assert look(ready(), suspended, health=Health.SILENT, link=NO_WAY).phase == "suspended"
    starting = look(RECORD, RUNNING, details=details(JobState.RUNNING), connection=CONNECTION).record
    late = look(starting, RUNNING, at=300, connection=CONNECTION, health=Health.SILENT, link=NO_WAY)
    assert late.is_unreached and late.sentence.endswith("for 120 s: srun: srun is refused here.")


WITHOUT_PORT = replace(CONNECTION, url="", port=0, socket="/s", link=Way.SRUN)


def test_a_server_without_a_port_is_ready_at_its_node() -> None:
    starting = look(RECORD, RUNNING, details=details(JobState.RUNNING), connection=WITHOUT_PORT)
    assert starting.record.state is ServerState.STARTING and starting.record.is_published
    seen = look(starting.record, RUNNING, connection=WITHOUT_PORT, health=Health.OK, link=LinkFacts("srun"))
    assert seen.is_usable and seen.record.link is Way.SRUN and seen.link == LinkFacts("srun")
    assert seen.sentence == "JupyterLab ready on gpu1 (no open port; jlab-mcp url gives the browser's way)"
    assert not seen.notices
    silent = look(seen.record, RUNNING, connection=WITHOUT_PORT, health=Health.SILENT)
    assert silent.sentence.startswith("JupyterLab on gpu1 is not answering.")
    late = look(starting.record, RUNNING, at=300, connection=WITHOUT_PORT, health=Health.SILENT)
    assert late.sentence.endswith("this machine could not reach it for 120 s.")
    requeued = look(seen.record, JOB, details=details(JobState.PENDING, restarts=1))
    assert requeued.record.link is None and not requeued.record.is_published


def test_a_port_that_answers_again_is_the_way_whatever_failed_before() -> None:
    seen = look(ready(), RUNNING, health=Health.OK, link=NO_WAY)
    assert seen.is_usable and seen.link == LinkFacts("tcp") and not seen.notices


def test_a_detour_around_the_port_is_said() -> None:
    seen = look(ready(), RUNNING, health=Health.OK, link=LinkFacts("srun", "its port is closed"))
    assert "This host reaches JupyterLab on gpu1 by srun: its port is closed." in seen.notices


def test_a_job_that_is_ending_with_its_node_unknown_names_the_one_on_record() -> None:
    failed = replace(RUNNING, state=JobState.NODE_FAIL, batch_host="gpu2")
    assert "on gpu2." in look(ready(), failed).sentence
    assert "on gpu1." in look(ready(), replace(failed, batch_host="")).sentence
    assert "on gpu1." in look(ready(), None, at=500, details=details(JobState.NODE_FAIL)).sentence


def test_the_log_is_blamed_for_a_failure_only() -> None:
    log = "OSError: disk full"
    failed = replace(RUNNING, state=JobState.FAILED)
    assert look(ready(), failed, log_tail=log).sentence.endswith("Its log says: OSError: disk full")
    assert "Its log says" not in look(ready(), failed).sentence
    timeout = look(ready(), replace(RUNNING, state=JobState.TIMEOUT), log_tail=log)
    assert "Its log says" not in timeout.sentence and timeout.log_tail == (log,)


def test_when_slurm_says_that_a_job_was_submitted_is_kept_from_the_first_look() -> None:
    first = look(RECORD, JOB).record
    assert first.slurm.submitted == T
    assert look(first, replace(JOB, submitted=T + 300)).record.slurm.submitted == T, "a requeue moves it"
    assert look(RECORD, replace(JOB, submitted=None)).record.slurm.submitted == 0
    assert look(first, replace(JOB, submitted=T - 100, comment="")).is_over, "another job under its id"


def test_a_job_keeps_the_id_that_sbatch_gave_it() -> None:
    named = replace(RECORD, log="/logs/%j.log")
    assert look(named, JOB).record.log == "/logs/%j.log"
    assert look(replace(named, job_id=""), JOB).record.log == "/logs/7.log"


def test_a_job_that_waits_for_the_first_time_is_not_taken_for_a_requeued_one() -> None:
    seen = look(RECORD, JOB, at=100.12345, details=details(JobState.PENDING, restarts=1)).record
    assert (seen.started, seen.slurm.restarts) == (T, 0)
    assert look(ready(), JOB, at=100, details=details(JobState.RUNNING)).record == ready()


def test_a_requeued_job_leaves_nothing_of_the_server_that_it_was() -> None:
    served = replace(
        with_facts(ready(), estimate=5.0, addresses="10.0.0.1"), socket="/s", cert="c", message="m"
    )
    again = look(served, JOB, at=100.12345, details=details(JobState.PENDING, restarts=1)).record
    assert (again.hostname, again.port, again.url, again.socket, again.cert, again.ends) == (
        "",
        0,
        "",
        "",
        "",
        0,
    )
    assert (again.slurm.connected, again.slurm.estimate, again.slurm.addresses) == (0, 0, "")
    assert again.started == T + 100.123


def test_a_walltime_that_was_changed_while_the_job_runs_is_taken() -> None:
    longer = look(ready(), replace(RUNNING, ends=T + 9999, batch_host="")).record
    assert (longer.ends, longer.hostname, longer.state) == (T + 9999, "gpu1", ServerState.READY)
    assert look(longer, replace(RUNNING, ends=0.0)).record.ends == T + 9999


def test_an_answer_that_is_older_than_the_submission_ends_nothing() -> None:
    rows = QueueRows((), T + 10)
    for details_ in (None, JobGone()):
        seen = step(RECORD, Observation(T + 500, queue=rows, details=details_), LIMITS)
        assert seen.state is ServerState.PENDING
    announced = replace(RECORD, job_id="")
    assert step(announced, Observation(T + 500, queue=rows), LIMITS).state is ServerState.PENDING


def test_a_job_that_waits_says_why_and_a_restarted_one_what_is_lost() -> None:
    first = look(RECORD, JOB).sentence
    assert first.startswith("Job 7 waits in the queue (Priority): ")
    why = first.removeprefix("Job 7 waits in the queue (Priority): ")
    again = look(with_facts(RECORD, restarts=1), JOB).sentence
    assert again == f"Job 7 was requeued and waits to start again. {why}"


def test_a_job_that_the_queue_does_not_list_yet_is_named_as_soon_as_it_has_an_id() -> None:
    assert look(RECORD, None, at=5).sentence == "SLURM job 7 submitted, waiting in queue..."
    announced = replace(RECORD, job_id="")
    assert look(announced, None, at=59.9).sentence == "SLURM job being submitted..."
    assert look(announced, None, at=60).sentence.startswith("sbatch did not answer in time")


def test_times_that_were_seen_are_kept_to_the_millisecond() -> None:
    assert look(RECORD, RUNNING, at=60.12345).record.slurm.run_seen == T + 60.123


@pytest.mark.parametrize(
    ("position", "told"),
    [
        (0, "No jobs with a higher priority wait in partition gpu."),
        (1, "1 job with a higher priority waits in partition gpu."),
        (2, "2 jobs with a higher priority wait in partition gpu."),
    ],
)
def test_the_place_in_the_queue_is_reported_with_its_partition(position: int, told: str) -> None:
    job = replace(JOB, partition="gpu")
    rows = QueueRows((job,), T + 60, ahead={"7": position})
    seen = step(RECORD, Observation(T + 60, queue=rows), LIMITS)
    assert seen.details == (told,)
    assert look(RECORD, job).details == ()


def test_a_start_that_is_about_to_be_is_not_estimated() -> None:
    def estimate(starts: float) -> float | None:
        queue = look(RECORD, replace(JOB, starts=starts)).queue
        assert queue is not None
        return queue.estimated_start

    assert estimate(T + 60 + SOON_S) is None
    assert estimate(T + 60 + SOON_S + 1) == T + 60 + SOON_S + 1


def late_of(record: ServerRecord) -> ServerStatus:
    health = Health.SILENT if record.url else None
    return look(record, RUNNING, at=999, connection=CONNECTION if record.url else None, health=health)


def test_a_late_start_ends_its_sentence_where_the_log_is_empty() -> None:
    starting = look(RECORD, RUNNING, details=details(JobState.RUNNING)).record
    assert (
        late_of(starting).sentence == "Job 7 runs on gpu1, but JupyterLab did not start there within 120 s."
    )
    assert late_of(starting).give_up and late_of(starting).log_tail == ()
