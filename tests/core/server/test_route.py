from __future__ import annotations

from dataclasses import replace

import pytest

from jlab_tui.core.link.bridge import BridgeTarget, Phase, Way, Word
from jlab_tui.core.server.record import ServerRecord, ServerState
from jlab_tui.core.server.route import (
    BridgeRoute,
    LoopbackRoute,
    NoRoute,
    PlainRoute,
    Route,
    SocketRoute,
    Surroundings,
    TlsRoute,
    choose,
    describe,
    ways_of,
)
from jlab_tui.core.settings import Link, Mode

LOCAL = ServerRecord(
    ServerState.READY,
    Mode.LOCAL,
    hostname="desk",
    launcher="desk",
    pid=7,
    url="http://127.0.0.1:18001",
    socket="/s",
)
JOB = ServerRecord(
    ServerState.READY,
    Mode.SLURM,
    hostname="gpu1",
    job_id="42",
    url="https://gpu1:18001",
    socket="/s",
    cert="Q",
)
OLD_JOB = replace(JOB, url="http://gpu1:18001", socket="", cert="")
LOOPBACK_JOB = replace(JOB, url="https://127.0.0.1:18001")
HERE = Surroundings(sees_socket=True, shares_machine=True, knows_owners=True)
AWAY = Surroundings()


@pytest.mark.parametrize(
    ("record", "here", "route"),
    [
        (LOCAL, HERE, SocketRoute("/s")),
        (LOCAL, replace(HERE, sees_socket=False), LoopbackRoute("http://127.0.0.1:18001")),
        (replace(LOCAL, socket=""), HERE, LoopbackRoute("http://127.0.0.1:18001")),
        (replace(LOCAL, url="http://127.0.0.1:18001/user/ada/"), HERE, SocketRoute("/s", "/user/ada")),
        (JOB, AWAY, TlsRoute("https://gpu1:18001", "Q")),
        (JOB, HERE, SocketRoute("/s")),
        (OLD_JOB, Surroundings(shares_machine=True, knows_owners=True), LoopbackRoute("http://gpu1:18001")),
    ],
)
def test_the_route_that_proves_most_is_taken(record: ServerRecord, here: Surroundings, route: Route) -> None:
    assert choose(record, here) == route


UP = Word(Phase.UP, Way.SRUN, 0.0, instead="no port")
FAILED = Word(Phase.FAILED, Way.SRUN, 0.0, "srun: refused", "no port")
TARGET = BridgeTarget("gpu1", "/s", "42")
NO_PORT = replace(JOB, url="", cert="", link=Way.SSH)
SRUN, SSH = (Way.SRUN,), (Way.SSH,)


@pytest.mark.parametrize(
    ("record", "here", "route"),
    [
        (JOB, Surroundings(bridge=UP), BridgeRoute(TARGET, (Way.SRUN, Way.SSH))),
        (JOB, Surroundings(link=Link.SRUN), BridgeRoute(TARGET, SRUN)),
        (JOB, Surroundings(link=Link.SSH), BridgeRoute(TARGET, SSH)),
        (JOB, Surroundings(link=Link.TCP, bridge=UP), TlsRoute("https://gpu1:18001", "Q")),
        (JOB, replace(HERE, link=Link.SRUN), SocketRoute("/s")),
        (LOOPBACK_JOB, AWAY, BridgeRoute(TARGET, (Way.SRUN, Way.SSH))),
        (NO_PORT, AWAY, BridgeRoute(TARGET, SSH)),
        (NO_PORT, Surroundings(link=Link.TCP), BridgeRoute(TARGET, SSH)),
        (NO_PORT, Surroundings(link=Link.SRUN), BridgeRoute(TARGET, SRUN)),
        (NO_PORT, HERE, SocketRoute("/s")),
        (
            replace(JOB, url="https://gpu1:18001/base/"),
            Surroundings(link=Link.SRUN),
            BridgeRoute(TARGET, SRUN, "/base"),
        ),
    ],
)
def test_a_bridge_is_taken_where_there_is_no_port_or_it_did_not_answer(
    record: ServerRecord, here: Surroundings, route: Route
) -> None:
    assert choose(record, here) == route


@pytest.mark.parametrize(
    "record", [LOCAL, replace(JOB, socket=""), replace(JOB, job_id=""), replace(JOB, hostname="")]
)
def test_only_a_jobs_socket_is_reached_by_a_bridge(record: ServerRecord) -> None:
    assert ways_of(record, Link.SRUN) == ()


@pytest.mark.parametrize(
    ("route", "word", "said"),
    [
        (SocketRoute("/s"), None, "socket"),
        (LoopbackRoute("http://localhost:1"), None, "loopback"),
        (TlsRoute("https://gpu1:1", "Q"), None, "tcp"),
        (TlsRoute("https://gpu1:1", "Q"), UP, "tcp"),
        (PlainRoute("http://gpu1:1"), FAILED, "none (tcp: no port; srun: refused)"),
        (BridgeRoute(TARGET, (Way.SRUN, Way.SSH)), None, "srun or ssh"),
        (BridgeRoute(TARGET, SRUN), UP, "srun (no port)"),
        (BridgeRoute(TARGET, SRUN), FAILED, "none (srun: refused)"),
        (NoRoute("", ""), None, "none"),
    ],
)
def test_the_way_and_why_no_other_are_said(route: Route | NoRoute, word: Word | None, said: str) -> None:
    assert str(describe(route, word)) == said


OLD_TARGET = BridgeTarget("gpu1", "127.0.0.1:18001", "42")


@pytest.mark.parametrize(
    ("here", "route"),
    [
        (AWAY, BridgeRoute(OLD_TARGET, (Way.SRUN, Way.SSH))),
        (Surroundings(bridge=UP, allows_unproved=True), BridgeRoute(OLD_TARGET, (Way.SRUN, Way.SSH))),
        (Surroundings(allows_unproved=True), BridgeRoute(OLD_TARGET, (Way.SRUN, Way.SSH))),
        (Surroundings(bridge=FAILED), BridgeRoute(OLD_TARGET, (Way.SRUN, Way.SSH))),
        (Surroundings(bridge=FAILED, allows_unproved=True), PlainRoute("http://gpu1:18001")),
        (Surroundings(link=Link.TCP, allows_unproved=True), PlainRoute("http://gpu1:18001")),
    ],
)
def test_a_job_of_an_earlier_version_is_proved_on_its_node_and_used_unproved_only_if_that_fails(
    here: Surroundings, route: Route
) -> None:
    assert choose(OLD_JOB, here) == route


@pytest.mark.parametrize(
    ("url", "there"),
    [
        ("http://gpu1:18001", "127.0.0.1:18001"),
        ("http://10.0.0.5:18001/base", "10.0.0.5:18001"),
        ("http://[fd00::7]:18001", "[fd00::7]:18001"),
        ("https://gpu1:18001", ""),
        ("http://gpu1", ""),
        ("http://gpu1:99999", ""),
        ("", ""),
    ],
)
def test_a_server_without_a_socket_is_looked_for_where_it_listens_on_its_node(url: str, there: str) -> None:
    assert replace(OLD_JOB, url=url).target.socket == there


@pytest.mark.parametrize("record", [OLD_JOB, replace(LOCAL, socket="", url="http://desk:18001")])
def test_a_server_that_proves_nothing_is_refused_with_the_way_out(record: ServerRecord) -> None:
    refused = choose(record, Surroundings(link=Link.TCP))
    assert isinstance(refused, NoRoute)
    assert record.url in refused.message
    assert "JLAB_MCP_ALLOW_UNPROVED=1" in refused.hint


@pytest.mark.parametrize("allows", [False, True])
@pytest.mark.parametrize("record", [LOCAL, LOOPBACK_JOB])
def test_a_loopback_address_of_another_machine_is_never_contacted(record: ServerRecord, allows: bool) -> None:
    refused = choose(record, Surroundings(knows_owners=True, allows_unproved=allows, link=Link.TCP))
    assert isinstance(refused, NoRoute)
    assert record.hostname in refused.message
    assert "JLAB_MCP_ALLOW_UNPROVED" not in refused.hint


def test_where_the_system_names_no_owners_a_port_proves_nothing() -> None:
    assert isinstance(choose(replace(LOCAL, socket=""), Surroundings(shares_machine=True)), NoRoute)


@pytest.mark.parametrize("record", [LOCAL, LOOPBACK_JOB])
@pytest.mark.parametrize(
    ("hostname", "launcher", "named"),
    [("desk", "other", "desk"), ("", "other", "other"), ("desk", "", "desk")],
)
def test_a_machine_is_named_by_its_host_or_by_who_started_the_server_there(
    record: ServerRecord, hostname: str, launcher: str, named: str
) -> None:
    refused = choose(replace(record, hostname=hostname, launcher=launcher), Surroundings(link=Link.TCP))
    assert isinstance(refused, NoRoute)
    assert f"address of {named}, which" in refused.message and refused.hint.startswith(f"Work on {named}, or")


def test_a_server_that_proves_nothing_is_named_by_its_job_or_process() -> None:
    job, process = (
        choose(OLD_JOB, Surroundings(link=Link.TCP)),
        choose(replace(LOCAL, socket="", url="http://desk:1"), AWAY),
    )
    assert isinstance(job, NoRoute) and "(job 42)" in job.message
    assert isinstance(process, NoRoute) and "(PID 7)" in process.message
