"""A job is forgotten once Slurm says that it is gone, and not before; its server is looked for at all of its node's addresses."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from jlab_tui.adapters.slurm.clusters import Clusters
from jlab_tui.adapters.slurm.job_server import SlurmServer
from jlab_tui.core.errors import ServerError
from jlab_tui.core.server.record import Mode, ServerRecord, ServerState, SlurmFacts
from jlab_tui.core.settings import load_settings

from .test_commands import program

ROW = "7|{state}|c1|29:59|30:00|0:01|{now}|{now}|c1|1|1G|(null)|9|cpu|{uid}|{now}|comment=jlab-mcp/ab|name=jlab-mcp|reason=None"


def job(directory: Path, state: str) -> None:
    """What squeue says from now on; empty: nothing."""
    row = ROW.format(state=state, now=int(time.time()), uid=os.getuid()) if state else ""
    (directory / "rows").write_text(row + "\n", encoding="utf-8")


def server(directory: Path, **env: str) -> SlurmServer:
    """On a cluster of stand-ins; scancel does what `scancel` says, and is left alone by the user's variables."""
    program(directory / "bin", "squeue", f"env | grep -q ^SQUEUE_ || cat {directory}/rows")
    program(
        directory / "bin",
        "scontrol",
        f"cat {directory}/shown 2>/dev/null || {{ echo 'Invalid job id' >&2; exit 1; }}",
    )
    program(directory / "bin", "scancel", f"env | grep -q ^SCANCEL_ || : > {directory}/rows")
    environ = {"PATH": f"{directory}/bin:/usr/bin:/bin", "HOME": str(directory), **env}
    settings = load_settings(environ, directory, lambda path: False)
    return SlurmServer(settings, environ, Clusters(environ, directory), end_patience_s=0.5)


RECORD = ServerRecord(ServerState.READY, Mode.SLURM, job_id="7", slurm=SlurmFacts("ab"))


async def test_the_users_variables_keep_no_job_from_being_found_and_cancelled(tmp_path: Path) -> None:
    job(tmp_path, "RUNNING")
    given = {"SQUEUE_STATES": "PENDING", "SCANCEL_INTERACTIVE": "1", "SCANCEL_STATE": "PENDING"}
    assert await server(tmp_path, **given).end(RECORD) == "Job 7 was cancelled."


@pytest.mark.parametrize("state", ["RUNNING", "PENDING", "SUSPENDED", "NEW_STATE"])
async def test_a_job_that_outlives_its_scancel_stays_on_record(tmp_path: Path, state: str) -> None:
    job(tmp_path, state)
    slurm = server(tmp_path)
    program(tmp_path / "bin", "scancel", "exit 0")  # and does nothing
    with pytest.raises(ServerError) as caught:
        await slurm.end(RECORD)
    assert "Job 7 is not gone" in caught.value.message and "still on record" in caught.value.hint


async def test_a_job_that_is_ending_is_no_longer_waited_for(tmp_path: Path) -> None:
    job(tmp_path, "RUNNING")
    slurm = server(tmp_path)
    program(tmp_path / "bin", "scancel", f"sed -i s/RUNNING/COMPLETING/ {tmp_path}/rows")
    assert await slurm.end(RECORD) == "Slurm is cancelling job 7."


@pytest.mark.parametrize(
    ("shown", "is_gone"),
    [
        (None, True),
        ("JobId=7 UserId=me({uid}) JobState=COMPLETED", True),
        ("JobId=7 UserId=her(4242) JobState=RUNNING", True),
        ("JobId=7 UserId=me({uid}) JobState=RUNNING", False),
        ("", False),
    ],
    ids=["forgotten", "ended", "of another user", "running", "no answer"],
)
async def test_a_job_that_squeue_does_not_list_is_forgotten_if_scontrol_knows_of_none(
    tmp_path: Path, shown: str | None, is_gone: bool
) -> None:
    job(tmp_path, "")
    slurm = server(tmp_path)
    if shown is not None:
        (tmp_path / "shown").write_text(shown.format(uid=os.getuid()) + "\n", encoding="utf-8")
    if is_gone:
        assert await slurm.end(RECORD) == "Job 7 had already ended."
        return
    with pytest.raises(ServerError) as caught:
        await slurm.end(RECORD)
    assert "Job 7 was not cancelled" in caught.value.message


@pytest.mark.parametrize(
    ("state", "name", "is_asked"),
    [
        (ServerState.STARTING, "localhost", True),
        (ServerState.READY, "localhost", False),
        (ServerState.READY, "c1.invalid", True),
    ],
)
async def test_the_address_by_which_slurm_reaches_the_node_is_tried_besides_its_name(
    tmp_path: Path, state: ServerState, name: str, is_asked: bool
) -> None:
    job(tmp_path, "RUNNING")
    slurm = server(tmp_path)
    (tmp_path / "shown").write_text(f"NodeName={name} NodeAddr=192.0.2.9\n", encoding="utf-8")
    facts = {"hostname": name, "port": 18000, "url": f"https://{name}:18000", "addresses": ["192.0.2.5"]}
    connection = tmp_path / "c.json"
    connection.write_text(json.dumps(facts), encoding="utf-8")
    started = replace(RECORD.slurm, job_start=time.time() + 60)
    seen = await slurm.observe(replace(RECORD, state=state, conn_file=str(connection), slurm=started))
    assert seen.connection is not None
    assert seen.connection.addresses == ("192.0.2.5", *(["192.0.2.9"] if is_asked else []))
