"""Every command and tool describes the server in the same shape."""

from __future__ import annotations

import json

from jlab_tui.core.errors import NoServer
from jlab_tui.core.server.record import KernelInfo, ServerRecord, ServerState
from jlab_tui.core.server.status import QueueFacts, ServerStatus
from jlab_tui.core.server.status_json import (
    kernel_json,
    not_understood,
    status_json,
    trouble_json,
    without_blanks,
)
from jlab_tui.core.settings import Mode

NOW = 1_790_000_000.0
READY = ServerRecord(
    ServerState.READY,
    Mode.SLURM,
    "gpu-07",
    job_id="7",
    token="s3cret",
    url="http://gpu-07:1",
    ends=NOW + 60.4,
)


def test_a_server_in_use_is_reported_with_its_walltime_and_without_its_token() -> None:
    status = ServerStatus(READY, "running", "JupyterLab ready", reachable=True, details=("Walltime left",))
    told = status_json(status, "/data/project", NOW)
    assert (told["state"], told["phase"], told["healthy"]) == ("ready", "running", True)
    assert (told["mode"], told["root"], told["hostname"], told["job_id"]) == (
        "slurm",
        "/data/project",
        "gpu-07",
        "7",
    )
    assert told["walltime_left_s"] == 60 and told["pid"] is None and told["details"] == ["Walltime left"]
    assert "s3cret" not in json.dumps(told)
    assert "reason" not in told


def test_health_is_claimed_only_after_an_answer() -> None:
    for reachable in (None, False):
        assert status_json(ServerStatus(READY, "", "", reachable=reachable), "/", NOW)["healthy"] is False


def test_a_walltime_that_is_over_leaves_nothing_and_an_ended_job_has_none() -> None:
    late = status_json(ServerStatus(READY, "", ""), "/", NOW + 99)
    assert late["walltime_left_s"] == 0
    ended = ServerStatus(READY.with_state(ServerState.ENDED), "ended", "It has ended.")
    assert status_json(ended, "/", NOW)["walltime_left_s"] is None


def test_a_job_in_the_queue_is_reported_with_its_place() -> None:
    record = ServerRecord(ServerState.PENDING, Mode.SLURM, job_id="7")
    queue = QueueFacts("Priority", 3, NOW + 90.2, partition="gpu", is_stuck=True)
    told = status_json(ServerStatus(record, "pending (Priority)", "It waits.", queue=queue), "/", NOW)
    assert (told["reason"], told["position"], told["partition"]) == ("Priority", 3, "gpu")
    assert told["estimated_start_in_s"] == 90 and told["stuck"]
    late = status_json(ServerStatus(record, "", "", queue=queue), "/", NOW + 100)
    assert late["estimated_start_in_s"] == 0


def test_a_place_that_slurm_does_not_tell_is_left_open() -> None:
    record = ServerRecord(ServerState.PENDING, Mode.SLURM, job_id="7")
    told = status_json(ServerStatus(record, "", "", queue=QueueFacts()), "/", NOW)
    assert told["estimated_start_in_s"] is told["position"] is None and told["stuck"] == ""


def test_without_a_server_the_trouble_has_the_same_keys() -> None:
    told = trouble_json("none", NoServer("/data/project"), "/data/project")
    assert told.keys() < status_json(ServerStatus(READY, "", ""), "/", NOW).keys()
    assert told["healthy"] is False and "jlab-mcp start" in told["hint"]


def test_a_short_form_leaves_out_what_says_nothing() -> None:
    facts: dict[str, object] = {"a": "", "b": None, "c": [], "zero": 0, "no": False, "text": "x"}
    assert without_blanks(facts) == {"zero": 0, "no": False, "text": "x"}


def test_what_was_not_understood_is_counted() -> None:
    assert not_understood(0) == ""
    for count, what in ((1, "1 answer or message"), (2, "2 answers or messages")):
        assert (
            not_understood(count) == f"The server sent {what} that jlab-mcp did not understand and left out."
        )


def test_a_kernel_is_described_by_id_state_and_notebook() -> None:
    kernel = KernelInfo("k-1", "python3", "busy", 1, "notebooks/a.ipynb")
    assert kernel_json(kernel) == {"kernel_id": "k-1", "state": "busy", "notebook": "notebooks/a.ipynb"}
