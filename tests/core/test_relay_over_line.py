"""The relay whose worker is on another machine: a broken line is nobody's failure, and calls wait for it."""

from __future__ import annotations

import pytest

from jlab_tui.core.relay import FAILURES, SILENT_S, Relay, StartWorker, Tell, ToClient
from jlab_tui.core.relay_flights import CALL, CANCELLED, RESENT
from jlab_tui.core.relay_lines import is_call

from .test_relay import (
    INITIALIZE,
    INITIALIZED,
    call,
    cancel,
    line,
    meta_of,
    new_relay,
    reply,
    to_client,
    to_worker,
)


def broken(relay: Relay, why: str = "No route to host", now: float = 100.0) -> None:
    effects = relay.line_ended(why, 2.0, now)
    assert effects[-1] == StartWorker(relay.generation, 2.0)
    assert not any(isinstance(effect, Tell) for effect in relay.line_ended(why, 2.0, now)), "said once"


def test_a_line_that_breaks_again_and_again_is_tried_without_end_and_its_calls_wait() -> None:
    relay = new_relay()
    relay.from_client(call(1, progressToken="p"), 5.0)
    for number in range(3 * FAILURES):
        broken(relay)
        assert relay.generation == 2 * number + 3
    (again,) = to_worker(relay.worker_started(200.0, "1.0"))
    assert meta_of(again) == {"progressToken": "p", CALL: "call1", RESENT: 5.0}
    assert to_client(relay.from_worker(reply(1), 201.0))[0]["id"] == 1


def test_a_broken_line_counts_no_death_of_the_worker() -> None:
    relay = new_relay()
    relay.from_client(call(1), 5.0)
    for _ in range(2 * FAILURES):
        broken(relay)
        relay.worker_started(100.0)
    assert relay.worker_ended("by signal 9")[-1] == StartWorker(relay.generation, 0.5), "the first failure"


def test_calls_that_wait_are_told_why_every_ten_seconds() -> None:
    relay = new_relay()
    relay.from_client(call(1, progressToken="p"), 5.0)
    relay.from_client(call(2), 5.0)
    broken(relay, now=100.0)
    (told,) = to_client(relay.tick(103.0))
    assert told["params"] == {
        "progressToken": "p",
        "progress": 98.0,
        "message": "No route to host (for 3 s). What runs goes on; this call waits for the line.",
    }
    broken(relay, "Connection refused", now=104.0)
    assert relay.tick(105.0) == []
    assert "Connection refused (for 14 s)" in to_client(relay.tick(114.0))[0]["params"]["message"]
    relay.worker_started(115.0)
    assert relay.tick(125.0) != [] and to_client(relay.tick(126.0)) == [], "the worker is asked as any other"


def test_what_a_worker_asked_the_client_is_withdrawn_with_its_line() -> None:
    relay = new_relay()
    (asked,) = to_client(relay.from_worker(line({"id": 7, "method": "elicitation/create"}), 1.0))
    effects = relay.line_ended("it broke", 0.5, 2.0)
    assert effects[0] == Tell("no line: it broke")
    assert to_client(effects)[0]["params"]["requestId"] == asked["id"]


def test_a_stand_in_answers_what_is_new_and_leaves_what_was_sent_before_to_the_line() -> None:
    relay = new_relay()
    relay.from_client(call(1), 5.0)
    broken(relay, "log in")
    relay.from_client(call(2), 6.0)
    (new,) = to_worker(relay.worker_started(7.0, "1.0", stands_in=True))
    assert new["id"] == 2 and relay.has_waiting_calls
    (newer,) = to_worker(relay.from_client(call(3), 8.0))
    relay.from_worker(reply(2), 9.0)
    broken(relay, "")
    first, third = to_worker(relay.worker_started(10.0, "1.0"))
    assert (first["id"], third["id"], newer["id"]) == (1, 3, 3)
    assert RESENT in meta_of(first) and RESENT not in meta_of(third), "no worker has seen the third"
    assert not relay.has_waiting_calls


def test_a_call_that_is_cancelled_while_a_stand_in_is_there_is_stopped_by_the_next_worker() -> None:
    relay = new_relay()
    relay.from_client(call(1), 5.0)
    broken(relay)
    relay.worker_started(7.0, "1.0", stands_in=True)
    assert relay.from_client(cancel(1), 8.0) == []
    assert to_worker(relay.from_client(cancel(9), 8.0)), "what it has, it is told"
    broken(relay)
    assert to_worker(relay.worker_started(8.0, "1.0", stands_in=True)) == []
    broken(relay)
    (stopped,) = to_worker(relay.worker_started(9.0, "1.0"))
    assert meta_of(stopped) == {CALL: "call1", CANCELLED: "the user"}


def test_a_handshake_that_waits_is_seen_and_a_stand_in_gives_it() -> None:
    relay = new_relay(running=False)
    relay.from_client(line(INITIALIZE), 5.0)
    assert relay.greeted_since(5.0) and not relay.greeted_since(4.0)
    relay.from_client(call(1), 1.0)
    broken(relay)
    sent = to_worker(relay.worker_started(16.0, "1.0", stands_in=True))
    assert [each["method"] for each in sent] == ["initialize", "tools/call"]
    relay.from_worker(reply(0), 17.0)
    relay.from_client(line(INITIALIZED), 17.0)
    assert not relay.greeted_since(20.0)
    relay.from_client(line({"id": 8, "method": "subscriptions/listen"}), 18.0)
    assert not relay.greeted_since(20.0), "nobody waits for its answer"
    broken(relay)
    hello, *_ = to_worker(relay.worker_started(18.0, "2.0"))
    assert hello["id"] == "jlab-mcp/hello"


def test_an_idle_line_is_kept_alive() -> None:
    relay = Relay(lambda: "id", keep_alive_s=60.0)
    relay.begin()
    relay.worker_started(0.0)
    assert relay.tick(59.0) == []
    (ping,) = to_worker(relay.tick(60.0))
    assert ping["method"] == "ping" and relay.from_worker(reply(ping["id"]), 61.0) == []
    assert relay.tick(120.0) == [] and to_worker(relay.tick(121.0)) == [ping]
    assert not any(isinstance(effect, ToClient) for effect in relay.tick(122.0 + SILENT_S)), "nobody waits"


@pytest.mark.parametrize(("text", "expected"), [(call(1), True), (line(INITIALIZE), False), (b"x\n", False)])
def test_a_call_is_known_from_other_lines(text: bytes, expected: bool) -> None:
    assert is_call(text) is expected
