"""What follows from a record and one look at the world."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jlab_tui.core.server.machine import Machine, is_loopback
from jlab_tui.core.server.record import ConnectionFile, ServerRecord, ServerState
from jlab_tui.core.server.route import NoRoute
from jlab_tui.core.server.state_machine import Health, Limits, Observation, asks_for_health, step
from jlab_tui.core.server.status import failed, telling_line
from jlab_tui.core.settings import Mode

STARTING = ServerRecord(
    ServerState.STARTING,
    Mode.LOCAL,
    hostname="here",
    pid=7,
    pid_start="70",
    port=18001,
    token="t",
    started=100.0,
)
READY = replace(STARTING, state=ServerState.READY, url="http://127.0.0.1:18001")
WHERE = ConnectionFile("127.0.0.1", "127.0.0.1", 18001, 7, "70", "http://127.0.0.1:18001", 101.0)
LIMITS = Limits(local_start_s=60)


def test_a_start_becomes_ready_when_jupyter_answers() -> None:
    waiting = step(STARTING, Observation(101.0, process_alive=True), LIMITS)
    assert (
        waiting.record.state is ServerState.STARTING and waiting.sentence == "JupyterLab starting (PID 7)..."
    )
    assert waiting.reachable is False
    ready = step(STARTING, Observation(102.0, process_alive=True, connection=WHERE, health=Health.OK), LIMITS)
    ended = step(READY, Observation(103.0, process_alive=False), LIMITS)
    assert ended.record.state is ServerState.ENDED and ended.reachable is False
    assert ready.record.state is ServerState.READY and ready.reachable is True
    assert ready.sentence == "JupyterLab ready at http://127.0.0.1:18001 (PID 7)"


def test_a_process_that_ends_while_starting_is_an_error_with_the_telling_line_of_its_log() -> None:
    log = "[I] starting\nModuleNotFoundError: No module named 'jupyterlab'\n"
    failed = step(STARTING, Observation(102.0, process_alive=False, log_tail=log), LIMITS)
    assert failed.record.state is ServerState.ERROR and failed.reachable is False
    assert "No module named 'jupyterlab'" in failed.sentence and "jlab-mcp logs" in failed.hint


def test_a_start_that_takes_too_long_is_given_up_by_its_launcher() -> None:
    late = step(STARTING, Observation(161.0, process_alive=True), LIMITS)
    assert late.record == STARTING, "its process lives until it is ended"
    assert late.give_up and "60 s" in late.sentence and "jlab-mcp stop" in late.hint


def test_a_stranger_at_our_address_is_never_ready_and_ends_nothing() -> None:
    """Only its process tells that ours has ended: a proxy in between may answer for it."""
    for record in (STARTING, READY):
        seen = step(record, Observation(102.0, process_alive=True, health=Health.FOREIGN), LIMITS)
        assert seen.record == record and seen.reachable is False
    assert (
        seen.sentence
        == "JupyterLab at http://127.0.0.1:18001 is not answering. Another server answers there."
    )
    silent = step(READY, Observation(102.0, process_alive=True, health=Health.SILENT), LIMITS)
    assert silent.sentence == "JupyterLab at http://127.0.0.1:18001 is not answering."
    late = step(STARTING, Observation(161.0, process_alive=True, health=Health.FOREIGN), LIMITS)
    assert late.record == STARTING and late.give_up


def test_a_certificate_that_is_not_trusted_is_reported_at_once_and_ends_nothing() -> None:
    seen = Observation(102.0, process_alive=True, connection=WHERE, health=Health.UNTRUSTED)
    for record, gives_up in ((STARTING, True), (READY, False)):
        status = step(record, seen, LIMITS)
        assert status.state is record.state and status.reachable is False
        assert status.give_up is gives_up
        assert "does not trust" in status.sentence and "certfile" in status.hint


def test_a_start_on_another_machine_is_not_given_up_from_here() -> None:
    soon, late = (step(STARTING, Observation(at, is_elsewhere=True), LIMITS) for at in (120.0, 5000.0))
    assert soon.record == late.record == STARTING and not late.give_up
    assert not soon.is_elsewhere and late.is_elsewhere and "stop --forget" in late.hint


def test_a_machine_is_known_by_its_boot_and_a_container_by_its_processes() -> None:
    here = Machine("laptop", "boot-1", "pid:[1]", "net:[1]")
    assert here.has("laptop", here.text) and here.has("renamed", here.text)
    assert not here.has("laptop", "boot-1 pid:[2]"), "a container on this machine"
    assert not here.has("login7", "boot-9 pid:[1]")
    assert here.has("laptop", "boot-0 pid:[1]"), "before it was started anew: its processes are gone"
    assert here.has("laptop", "") and not here.has("login7", "")
    assert here.shares_loopback("laptop", "boot-1 pid:[2] net:[1]"), "a sandbox that shares the network"
    assert not here.shares_loopback("laptop", "boot-1 pid:[2] net:[2]")
    assert not here.shares_loopback("laptop", "boot-1 pid:[1] net:[2]"), "a container of the same name"
    assert here.shares_loopback("laptop", "boot-0 pid:[1] net:[2]"), "before it was started anew"
    assert not Machine("laptop").shares_loopback("login7", "") and Machine("laptop").shares_loopback(
        "laptop", ""
    )
    assert here.shares_loopback("laptop", "") and not here.shares_loopback("login7", "boot-9")


def test_a_loopback_address_is_recognised() -> None:
    assert all(is_loopback(f"http://{host}:1") for host in ("127.0.0.1", "127.9.9.9", "localhost", "[::1]"))
    assert not any(is_loopback(f"http://{host}:1") for host in ("gpu1", "10.0.0.1", "[fe80::1]"))


def test_a_silent_server_stays_ready_while_its_process_lives() -> None:
    for health in (Health.SILENT, Health.REFUSED):
        seen = step(READY, Observation(200.0, process_alive=True, health=health), LIMITS)
        assert (
            seen.record.state is ServerState.READY
            and seen.reachable is False
            and "not answering" in seen.sentence
        )


def test_a_dead_process_ends_a_ready_server() -> None:
    seen = step(READY, Observation(200.0, process_alive=False), LIMITS)
    assert seen.record.state is ServerState.ENDED and seen.hint == "Start it again with: jlab-mcp start"


def test_what_cannot_be_known_changes_nothing() -> None:
    for record in (STARTING, READY):
        assert step(record, Observation(120.0), LIMITS).record == record


def test_a_stop_is_over_when_the_process_is_gone() -> None:
    stopping = replace(READY, state=ServerState.STOPPING)
    assert step(stopping, Observation(1.0, process_alive=True), LIMITS).record.state is ServerState.STOPPING
    assert step(stopping, Observation(1.0, process_alive=False), LIMITS).record.state is ServerState.ENDED


def test_an_end_stays_an_end() -> None:
    for state in (ServerState.ENDED, ServerState.ERROR):
        record = replace(READY, state=state, message="It was so.")
        seen = step(record, Observation(1.0, process_alive=True, connection=WHERE, health=Health.OK), LIMITS)
        assert seen.record == record and seen.sentence == "It was so."


@pytest.mark.parametrize("state", list(ServerState))
@pytest.mark.parametrize(
    ("url", "is_elsewhere", "is_ours"),
    [
        ("http://127.0.0.1:18001", False, True),
        ("http://127.0.0.1:18001", True, False),
        ("http://localhost:18001", True, False),
        ("http://[::1]:18001", True, False),
        ("http://node7:18001", True, True),
        ("http://node7:18001", False, True),
        ("", False, False),
        ("", True, False),
    ],
)
def test_a_token_goes_to_no_loopback_address_of_another_machine(
    state: ServerState, url: str, is_elsewhere: bool, is_ours: bool
) -> None:
    asked = asks_for_health(
        replace(READY, state=state, url=url), Observation(200.0, is_elsewhere=is_elsewhere)
    )
    assert asked is (is_ours and state in (ServerState.STARTING, ServerState.READY))


def test_a_ready_server_of_another_machine_is_used_only_where_its_address_means_it() -> None:
    seen = Observation(200.0, is_elsewhere=True, health=Health.OK)
    local = step(READY, seen, LIMITS)
    assert local.is_elsewhere and local.reachable is False and "can only be reached there" in local.sentence
    there = step(replace(READY, url="http://node7:18001"), seen, LIMITS)
    assert there.is_usable and there.reachable is True and not there.is_elsewhere
    here = step(READY, replace(seen, is_elsewhere=False), LIMITS)
    assert here.is_usable and not here.is_elsewhere


INSIDE = replace(READY, hostname="gpu1", inside_job="42", ends=1000.0)


def test_a_server_on_a_node_of_a_job_ends_with_it_and_is_used_from_other_hosts() -> None:
    here = step(INSIDE, Observation(200.0, process_alive=True, health=Health.OK), LIMITS)
    assert here.sentence == "JupyterLab ready at http://127.0.0.1:18001 (PID 7, in job 42)"
    assert here.details == ("Walltime left: 0:13:20",)
    assert here.notices[0].startswith("The job's walltime ends in 13 min 20 s")
    away = Observation(200.0, is_elsewhere=True)
    assert asks_for_health(INSIDE, away) and not asks_for_health(INSIDE, replace(away, process_alive=False))
    reached = step(INSIDE, replace(away, health=Health.OK), LIMITS)
    assert reached.is_usable and reached.sentence == "JupyterLab ready on gpu1 (PID 7, in job 42)"
    unreached = step(INSIDE, replace(away, health=Health.SILENT), LIMITS)
    assert unreached.is_elsewhere and "can only be reached there" in unreached.sentence
    over = step(INSIDE, replace(away, process_alive=False), LIMITS)
    assert over.state is ServerState.ENDED
    assert over.sentence == "Job 42, in which JupyterLab ran on gpu1, is over."


def test_a_server_that_proves_nothing_is_named_while_it_may_be_used() -> None:
    seen = Observation(
        200.0, process_alive=True, no_route=NoRoute("Nothing proves it.", "Start another one.")
    )
    for record in (STARTING, READY):
        status = step(record, seen, LIMITS)
        assert (status.sentence, status.hint) == ("Nothing proves it.", "Start another one.")
        assert status.record == record and status.is_decided and not status.is_usable
    stopping = step(replace(READY, state=ServerState.STOPPING), seen, LIMITS)
    assert stopping.phase == "stopping"


def test_where_it_listens_is_taken_from_the_connection_file_and_its_host_only_where_it_is_unknown() -> None:
    where = replace(WHERE, hostname="node7", socket="/s")
    seen = step(STARTING, Observation(101.0, process_alive=True, connection=where), LIMITS).record
    assert (seen.url, seen.port, seen.socket, seen.hostname) == (WHERE.url, 18001, "/s", "here")
    nameless = replace(STARTING, hostname="")
    assert step(nameless, Observation(101.0, connection=where), LIMITS).record.hostname == "node7"


def test_a_start_is_late_only_after_its_limit() -> None:
    assert not step(STARTING, Observation(160.0, process_alive=True), LIMITS).give_up
    assert step(STARTING, Observation(160.1, process_alive=True), LIMITS).give_up


def test_an_end_of_unknown_cause_is_described_in_general() -> None:
    ended = step(replace(READY, state=ServerState.ENDED), Observation(1.0), LIMITS)
    failed = step(replace(READY, state=ServerState.ERROR), Observation(1.0), LIMITS)
    assert (ended.sentence, failed.sentence) == ("JupyterLab has ended.", "JupyterLab did not start.")
    assert "jlab-mcp start" in ended.hint and "jlab-mcp doctor" in failed.hint
    assert ended.is_over and failed.is_over and ended.is_decided
    told = step(replace(READY, state=ServerState.ERROR, hint="Type this."), Observation(1.0), LIMITS)
    assert told.hint == "Type this."


def test_each_kind_of_server_has_its_own_time_to_come_up() -> None:
    limits = Limits(local_start_s=5, ready_s=7)
    assert (limits.of(Mode.LOCAL), limits.of(Mode.SLURM)) == (5, 7)
    assert not step(STARTING, Observation(101.0), LIMITS).is_over


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("", ""),
        ("  \n\n", ""),
        ("one\n two \n", "two"),
        ("OSError: disk full\nbye\n", "OSError: disk full"),
        ("ImportError: a\nOSError: b\nbye", "OSError: b"),
        ("x" * 400, "x" * 300),
        ("Error" + "x" * 400 + "\nbye", "Error" + "x" * 295),
        ("[I 10:00 ServerApp] a", "[I 10:00 ServerApp] a"),
        (
            "[W 10:00 ServerApp] no browser\n[I 10:00 ServerApp] Skipped non-installed server(s): julia-language-server",
            "[W 10:00 ServerApp] no browser",
        ),
        (
            "jlab-mcp: starting\n[I 10:00 ServerApp] 404 not found\n[D 10:00 ServerApp] Error: none",
            "jlab-mcp: starting",
        ),
        (
            "ImportError: no\nbash: conda: command not found\n"
            "jlab-mcp: error: a line of JLAB_MCP_SETUP failed: conda activate ml (it returned 127)\nError: bye",
            "jlab-mcp: error: a line of JLAB_MCP_SETUP failed: conda activate ml (it returned 127): bash: conda: command not found",
        ),
        (
            "jlab-mcp: job 7\njlab-mcp: error: a line of JLAB_MCP_SETUP failed: false (it returned 1)",
            "jlab-mcp: error: a line of JLAB_MCP_SETUP failed: false (it returned 1)",
        ),
        (
            "jlab-mcp: error: a line of JLAB_MCP_SETUP failed: false (it returned 1)",
            "jlab-mcp: error: a line of JLAB_MCP_SETUP failed: false (it returned 1)",
        ),
    ],
)
def test_a_failure_is_described_by_the_logs_last_line_with_an_error_or_else_by_the_last(
    log: str, told: str
) -> None:
    assert telling_line(log) == told
    sentence = failed(STARTING, "It failed.", log).sentence
    assert sentence == f"It failed. {told.removeprefix('jlab-mcp: error: ')}".strip()


def test_kernels_outside_the_projects_environment_are_named_as_long_as_they_run() -> None:
    told = replace(WHERE, environment="/p/.venv has no ipykernel")
    ready = step(STARTING, Observation(102.0, process_alive=True, connection=told, health=Health.OK), LIMITS)
    assert ready.notices == ("/p/.venv has no ipykernel",) and ready.record.environment == ready.notices[0]
    assert step(ready.record, Observation(103.0, process_alive=False), LIMITS).notices == ()


@pytest.mark.parametrize("what", ["kernels", "kernels or terminals"])
def test_a_server_that_its_configuration_ended_is_told_with_the_rule(what: str) -> None:
    log = f"[I 2026] No {what} for 61 seconds; shutting down.\n[I 2026] Shutting down 0 kernels\n"
    ended = step(READY, Observation(200.0, process_alive=False, log_tail=log), LIMITS)
    assert ended.sentence == (
        "JupyterLab (PID 7) has ended. Your Jupyter configuration ended it after 61 s without kernels "
        "(ServerApp.shutdown_no_activity_timeout)."
    )
    silent = step(READY, Observation(200.0, process_alive=False, log_tail="[I] bye"), LIMITS)
    assert silent.sentence == "JupyterLab (PID 7) has ended."


def test_a_server_that_was_not_asked_is_not_reported_as_answering() -> None:
    seen = step(READY, Observation(200.0, process_alive=True), LIMITS)
    assert seen.reachable is None and seen.is_usable and seen.phase == "running"
    assert step(READY, Observation(200.0, process_alive=True, health=Health.OK), LIMITS).reachable is True


@pytest.mark.parametrize("health", [Health.OK, Health.SILENT])
def test_a_server_that_is_used_unproved_is_named_as_long_as_it_is_used(health: Health) -> None:
    job = ServerRecord(ServerState.READY, Mode.SLURM, url="http://gpu1:18001", job_id="42")
    for record in (READY, job):
        used = step(record, Observation(102.0, health=health, is_unproved=True), LIMITS)
        named = [notice for notice in used.notices if "JLAB_MCP_ALLOW_UNPROVED=1" in notice]
        assert len(named) == (health is Health.OK)
        assert not named or f"Nothing proves that the server at {record.url} is yours." in named[0]
        assert step(record, Observation(102.0, health=health), LIMITS).notices == ()
