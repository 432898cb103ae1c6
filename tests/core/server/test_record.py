"""The status file's text is the record, whole or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.server.record import (
    FOR_OWN_CELLS,
    Owner,
    ServerRecord,
    ServerState,
    SlurmFacts,
    format_record,
    named_in,
    parse_record,
)
from jlab_tui.core.settings import Mode

text = st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=30)
"""paths too: with double blanks, U+00A0 and U+3000, and what other programs take for an end of line"""
times = st.integers(0, 1 << 40).map(lambda n: n / 1000)
"""epoch seconds, to the millisecond that the file keeps"""
slurm_facts = st.builds(
    SlurmFacts,
    submission=text,
    submitted=times,
    cluster=text,
    estimate=times,
    restarts=st.integers(0, 99),
    job_start=times,
    run_seen=times,
    connected=times,
)
records = st.builds(
    ServerRecord,
    state=st.sampled_from(ServerState),
    mode=st.sampled_from(Mode),
    hostname=text,
    job_id=text,
    pid=st.integers(2, 1 << 22),
    launcher=text.map(lambda name: f"login{name}"),
    pid_start=text,
    port=st.integers(0, 65535),
    token=text,
    url=text.map(lambda rest: f"http://{rest}"),
    started=times,
    ends=times,
    conn_file=text,
    log=text,
    hint=text,
    root=text,
    machine=text,
    inside_job=text,
    slurm=slurm_facts,
    message=text,
    extra=st.dictionaries(st.from_regex(r"X_[A-Z]{1,8}", fullmatch=True), text.filter(bool), max_size=3),
)


@given(records)
def test_what_is_written_is_read_back(record: ServerRecord) -> None:
    assert parse_record(format_record(record)) == record


@given(records, st.data())
def test_a_text_cut_anywhere_is_never_taken_for_a_record(record: ServerRecord, data: st.DataObject) -> None:
    whole = format_record(record)
    cut = data.draw(st.integers(0, len(whole) - 2))
    with pytest.raises(ValueError, match="incomplete"):
        parse_record(whole[:cut])


@pytest.mark.parametrize("line", ["STATE=flying", "MODE=cloud", "PID=many", "PORT=x", "RESTARTS=twice"])
def test_a_value_that_makes_no_sense_is_named(line: str) -> None:
    good = format_record(
        ServerRecord(ServerState.READY, Mode.LOCAL, pid=1, port=2, slurm=SlurmFacts(restarts=1))
    )
    key = line.partition("=")[0]
    bad = "\n".join(line if row.startswith(key + "=") else row for row in good.splitlines())
    with pytest.raises(ValueError, match=key):
        parse_record(bad)


def test_a_record_that_an_earlier_version_wrote_is_understood() -> None:
    """Keys and values as they have always stood in the file."""
    lines = [
        "STATE=ready", "MODE=slurm", "JOB_ID=24215408", "HOSTNAME=ravg1011", "PORT=18001", "URL=http://ravg1011:18001",
        "STARTED=1790000000.250", "LAUNCHER=login1", "CONN_FILE=/s/slurm-ab.connection.json", "LOG=/l/jupyter-slurm-24215408.log",
        "ENDS=1790014400.000", "ROOT=/data/project", "SUBMISSION=0123abcd", "ESTIMATE=1790000060", "CLUSTER=big",
        "SUBMITTED=1790000001", "JOB_START=1790000030", "RESTARTS=1", "RUN_SEEN=1790000031", "CONNECTED=1790000042.125",
        "FROM_TOMORROW=kept", "END=1",
    ]  # fmt: skip
    record = parse_record("\n".join(lines) + "\n")
    assert record.root == "/data/project" and record.job_id == "24215408"
    assert record.slurm == SlurmFacts(
        submission="0123abcd",
        submitted=1790000001,
        cluster="big",
        estimate=1790000060,
        restarts=1,
        job_start=1790000030,
        run_seen=1790000031,
        connected=1790000042.125,
    )
    assert record.extra == {"FROM_TOMORROW": "kept"}
    keys = {line.partition("=")[0] for line in lines}
    assert {line.partition("=")[0] for line in format_record(record).splitlines()} == keys


def test_how_a_local_server_ended_stays_on_record() -> None:
    record = parse_record("STATE=error\nMODE=local\nMESSAGE=m\nHINT=h\nMACHINE=b p n\nEND=1\n")
    assert (record.message, record.hint, record.machine, record.extra) == ("m", "h", "b p n", {})


@pytest.mark.parametrize(
    ("url", "written"), [("", "127.0.0.1"), ("http://127.0.0.1:1", "127.0.0.1"), ("http://desk:1", "desk")]
)
def test_a_local_servers_host_is_written_as_others_reach_it_and_read_as_the_machines_name(
    url: str, written: str
) -> None:
    record = ServerRecord(ServerState.READY, Mode.LOCAL, hostname="desk", launcher="desk", pid=7, url=url)
    text = format_record(record)
    assert f"\nHOSTNAME={written}\n" in text
    assert parse_record(text) == record


def test_the_token_is_not_in_the_repr_and_lines_cannot_be_injected() -> None:
    record = ServerRecord(ServerState.ERROR, Mode.LOCAL, token="s3cret", message="two\nSTATE=ready")
    assert "s3cret" not in repr(record)
    assert parse_record(format_record(record)).state is ServerState.ERROR


@pytest.mark.parametrize("lines", ["PID=1\nLAUNCHER=here", "PID=0\nLAUNCHER=here", "PID=7", "LAUNCHER=here"])
def test_a_live_local_server_has_a_process_on_a_host(lines: str) -> None:
    for state in ("starting", "ready", "stopping"):
        with pytest.raises(ValueError, match="names no process"):
            parse_record(f"STATE={state}\nMODE=local\n{lines}\nEND=1\n")
    assert parse_record(f"STATE=ended\nMODE=local\n{lines}\nEND=1\n").state is ServerState.ENDED
    assert parse_record("STATE=ready\nMODE=local\nPID=2\nLAUNCHER=here\nEND=1\n").pid == 2
    assert parse_record("STATE=pending\nMODE=slurm\nEND=1\n").pid == 0


def test_an_address_of_another_protocol_is_not_understood() -> None:
    with pytest.raises(ValueError, match="URL="):
        parse_record("STATE=ended\nMODE=local\nURL=ftp://x\nEND=1\n")
    assert parse_record("STATE=ended\nMODE=local\nURL=https://x\nEND=1\n").url == "https://x"


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ("STATE=ready\nJOB_ID=7\nPID=9", "job 7 (`scancel 7`)"),
        ("STATE=ready\nPID=9\nLAUNCHER=login1", "PID 9 on login1 (`kill 9`)"),
        ("STATE=ready\nPID=9", "PID 9 on some host (`kill 9`)"),
        ("STATE=ready\nPID=2", "PID 2 on some host (`kill 2`)"),
        ("STATE=ready\nPID=1", ""),
        ("STATE=ready\nJOB_ID=x; rm\nPID=many", ""),
        ("STATE=ended\nPID=9", ""),
        ("STATE=error\nJOB_ID=7", ""),
        ("", ""),
    ],
)
def test_a_damaged_file_names_what_may_still_run(lines: str, named: str) -> None:
    assert named_in(lines) == named


@pytest.mark.parametrize(("state", "is_live"), [(ServerState.PENDING, True), (ServerState.STARTING, True),
                         (ServerState.READY, True), (ServerState.STOPPING, True), (ServerState.ENDED, False), (ServerState.ERROR, False)])  # fmt: skip
def test_a_server_is_live_until_it_has_ended(state: ServerState, is_live: bool) -> None:
    assert state.is_live is is_live


def test_an_owner_is_shown_by_its_host_and_process() -> None:
    assert Owner("client", "login1", 7).label == "login1:7"


def test_times_are_written_to_the_millisecond() -> None:
    record = ServerRecord(ServerState.ENDED, Mode.LOCAL, started=1_790_000_000.12345)
    assert "STARTED=1790000000.123\n" in format_record(record)


@pytest.mark.parametrize(
    ("relay", "generation", "other", "later", "expected"),
    [("r", 1, "r", 2, True), ("r", 2, "r", 2, False), ("r", 3, "r", 2, False), ("r", 1, "q", 2, False), ("", 0, "", 1, False)],
)  # fmt: skip
def test_a_process_gives_way_only_to_one_that_its_relay_started_later(
    relay: str, generation: int, other: str, later: int, expected: bool
) -> None:
    earlier = Owner("a", "h", 1, relay=relay, generation=generation)
    assert earlier.gives_way_to(Owner("b", "h", 2, relay=other, generation=later)) is expected


def test_what_runs_a_users_own_cell_gives_way_to_any_client_and_to_none_of_its_kind() -> None:
    own = Owner("a", "h", 1, relay=FOR_OWN_CELLS)
    assert own.gives_way_to(Owner("b", "h", 2)) and own.gives_way_to(Owner("b", "h", 2, relay="r"))
    assert not own.gives_way_to(Owner("b", "h", 2, relay=FOR_OWN_CELLS))
