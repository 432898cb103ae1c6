"""How long idle kernels outlive their client, by the settings of the start and of the client."""

from __future__ import annotations

from pathlib import Path

import pytest

from jlab_tui.core.server.exit_grace import ExitGrace, client_grace, launch_grace
from jlab_tui.core.server.record import ServerRecord, ServerState
from jlab_tui.core.settings import Mode, Settings, load_settings


def settings(**variables: str) -> Settings:
    env = {"HOME": "/home/u", **{f"JLAB_MCP_{name}": value for name, value in variables.items()}}
    return load_settings(env, Path("/p"), lambda path: False)


KEPT = ExitGrace(12 * 3600.0, "JLAB_MCP_KEEP_H")


@pytest.mark.parametrize(
    ("variables", "launched", "asked"),
    [
        ({}, KEPT, None),
        ({"KEEP_H": "2.5"}, ExitGrace(9000.0, "JLAB_MCP_KEEP_H"), ExitGrace(9000.0, "JLAB_MCP_KEEP_H")),
        ({"KEEP_H": "0"}, None, ExitGrace(30.0, "JLAB_MCP_KEEP_H")),
        ({"ON_EXIT": "shutdown"}, None, ExitGrace(30.0, "JLAB_MCP_ON_EXIT")),
        ({"ON_EXIT": "shutdown", "KEEP_H": "2"}, None, ExitGrace(30.0, "JLAB_MCP_ON_EXIT")),
        ({"ON_EXIT": "keep", "KEEP_H": "2"}, None, None),
        (
            {"EXIT_GRACE_S": "5", "KEEP_H": "2"},
            ExitGrace(5.0, "JLAB_MCP_EXIT_GRACE_S"),
            ExitGrace(5.0, "JLAB_MCP_EXIT_GRACE_S"),
        ),
    ],
)
def test_a_job_keeps_idle_kernels_for_hours_unless_the_user_says_otherwise(
    variables: dict[str, str], launched: ExitGrace | None, asked: ExitGrace | None
) -> None:
    assert launch_grace(settings(**variables), in_job=True) == launched
    assert client_grace(settings(**variables), in_job=True) == asked


def test_outside_of_a_job_only_the_setting_in_seconds_counts() -> None:
    for variables in ({}, {"KEEP_H": "2"}, {"ON_EXIT": "shutdown"}):
        assert launch_grace(settings(**variables), in_job=False) is None
        assert client_grace(settings(**variables), in_job=False) is None
    own = ExitGrace(5.0, "JLAB_MCP_EXIT_GRACE_S")
    assert client_grace(settings(EXIT_GRACE_S="5"), in_job=False) == own


def test_a_server_is_in_a_job_that_we_or_others_submitted() -> None:
    for mode, job_id, inside_job, expected in (
        (Mode.LOCAL, "", "", False),
        (Mode.SLURM, "7", "", True),
        (Mode.LOCAL, "", "8", True),
    ):
        record = ServerRecord(ServerState.READY, mode, job_id=job_id, inside_job=inside_job)
        assert record.is_in_job is expected
