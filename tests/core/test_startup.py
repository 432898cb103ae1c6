"""What follows from a record and one look at the world."""

from __future__ import annotations

from dataclasses import replace

from jlab_tui.core.models import Connection, ServerRecord, ServerState
from jlab_tui.core.settings import Mode
from jlab_tui.core.startup import Health, Limits, Observation, step

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
WHERE = Connection("127.0.0.1", "127.0.0.1", 18001, 7, "70", "http://127.0.0.1:18001", 101.0)
LIMITS = Limits(local_start_s=60)


def test_a_start_becomes_ready_when_jupyter_answers() -> None:
    waiting = step(STARTING, Observation(101.0, process_alive=True), LIMITS)
    assert (
        waiting.record.state is ServerState.STARTING and waiting.sentence == "JupyterLab starting (PID 7)..."
    )
    ready = step(STARTING, Observation(102.0, process_alive=True, connection=WHERE, health=Health.OK), LIMITS)
    assert ready.record.state is ServerState.READY and ready.reachable is True
    assert ready.sentence == "JupyterLab ready at http://127.0.0.1:18001 (PID 7)"


def test_a_process_that_ends_while_starting_is_an_error_with_the_telling_line_of_its_log() -> None:
    log = "[I] starting\nModuleNotFoundError: No module named 'jupyterlab'\n"
    failed = step(STARTING, Observation(102.0, process_alive=False, log_tail=log), LIMITS)
    assert failed.record.state is ServerState.ERROR
    assert "No module named 'jupyterlab'" in failed.sentence and "jlab-mcp logs" in failed.hint


def test_a_start_that_takes_too_long_is_given_up_by_its_launcher() -> None:
    late = step(STARTING, Observation(161.0, process_alive=True), LIMITS)
    assert late.record.state is ServerState.ERROR and late.give_up and "60 s" in late.sentence


def test_a_foreign_server_on_our_port_is_never_ready() -> None:
    for record in (STARTING, READY):
        seen = step(record, Observation(102.0, process_alive=True, health=Health.FOREIGN), LIMITS)
        assert seen.record.state in (ServerState.ERROR, ServerState.ENDED) and seen.reachable is False


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
