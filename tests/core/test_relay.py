"""The relay: whatever dies when, each request of the client is answered once, and what it cancelled is never begun again."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.relay import (
    FAILURES,
    SILENT_S,
    Effect,
    KillWorker,
    Relay,
    StartWorker,
    Tell,
    ToClient,
    ToWorker,
)
from jlab_tui.core.relay_flights import CALL, CANCELLED, DEATHS, RESENT, SUBSCRIPTION

INITIALIZE = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def line(message: dict[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"


def call(number: object, **meta: Any) -> bytes:
    params: dict[str, Any] = {"name": "execute_code", "arguments": {"code": "1"}}
    return line(
        {"id": number, "method": "tools/call", "params": {**params, **({"_meta": meta} if meta else {})}}
    )


def cancel(number: object, reason: str = "the user") -> bytes:
    return line({"method": "notifications/cancelled", "params": {"requestId": number, "reason": reason}})


def reply(number: object, result: Any = None) -> bytes:
    return line({"id": number, "result": result or {}})


def new_relay(*, running: bool = True) -> Relay:
    numbers = itertools.count(1)
    relay = Relay(lambda: f"call{next(numbers)}")
    assert relay.begin() == [StartWorker(1)]
    if running:
        assert relay.worker_started(0.0) == []
    return relay


def sent(effects: list[Effect], kind: type[ToClient] | type[ToWorker]) -> list[dict[str, Any]]:
    return [json.loads(effect.line) for effect in effects if isinstance(effect, kind)]


def to_worker(effects: list[Effect]) -> list[dict[str, Any]]:
    return sent(effects, ToWorker)


def to_client(effects: list[Effect]) -> list[dict[str, Any]]:
    return sent(effects, ToClient)


def meta_of(message: dict[str, Any]) -> dict[str, Any]:
    meta = message["params"]["_meta"]
    assert isinstance(meta, dict)
    return meta


def restarted(relay: Relay, how: str = "by signal 9", at: float = 100.0) -> list[Effect]:
    """What the next worker is sent."""
    ended = relay.worker_ended(how)
    assert isinstance(ended[-1], StartWorker)
    return relay.worker_started(at)


def ascii_id(value: object) -> str:
    return ascii(value)[:30]


def test_a_call_is_stamped_and_its_answer_handed_on() -> None:
    relay = new_relay()
    (asked,) = to_worker(relay.from_client(call(1, progressToken="p"), 5.0))
    assert meta_of(asked) == {"progressToken": "p", CALL: "call1"}
    answer = reply(1, {"content": []})
    assert relay.from_worker(answer, 6.0) == [ToClient(answer)]


@pytest.mark.parametrize(
    "message",
    [
        {"id": 1, "method": "tools/list"},
        {"id": "x", "method": "tools/call"},
        {"id": 2, "method": "tools/call", "params": [1]},
        {"method": "notifications/progress"},
    ],
)
def test_other_lines_pass_as_they_are(message: dict[str, Any]) -> None:
    text = line(message)
    assert new_relay().from_client(text, 0.0) == [ToWorker(text)]


@pytest.mark.parametrize("text", [b"[1]\n", b"{\n", b"[" * 100_000, b"\xff\n"])
def test_what_cannot_be_read_is_refused_by_whoever_is_there(text: bytes) -> None:
    assert new_relay().from_client(text, 0.0) == [ToWorker(text)]
    (refused,) = to_client(new_relay(running=False).from_client(text, 0.0))
    assert refused["error"]["code"] == -32700 and refused["id"] is None


def test_a_line_that_is_too_long_is_refused() -> None:
    (refused,) = to_client(new_relay().too_long())
    assert "longer than 16 MB" in refused["error"]["message"]


def test_a_request_that_is_no_utf_8_is_handed_on_as_it_came_and_its_refusal_comes_back() -> None:
    relay = new_relay()
    text = b'{"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"x": "\xff"}}\n'
    assert relay.from_client(text, 0.0) == [ToWorker(text)]
    assert restarted(relay) == [ToWorker(text)]
    assert len(relay.from_worker(reply(3), 0.0)) == 1


def test_what_was_in_flight_goes_to_the_next_worker_marked() -> None:
    relay = new_relay()
    relay.from_client(call(1), 5.0)
    relay.from_client(line({"id": 2, "method": "tools/list"}), 6.0)
    (again, listing) = to_worker(restarted(relay))
    assert meta_of(again) == {CALL: "call1", RESENT: 5.0} and listing["method"] == "tools/list"
    assert relay.generation == 2
    assert to_client(relay.from_worker(reply(1), 0.0))[0]["id"] == 1


def test_a_request_that_comes_while_no_worker_is_there_is_sent_once_one_is() -> None:
    relay = new_relay()
    relay.worker_ended("by signal 9")
    assert relay.from_client(call(1), 5.0) == []
    note = line({"method": "notifications/roots/list_changed"})
    assert relay.from_client(note, 5.0) == []
    first, second = relay.worker_started(6.0)
    assert isinstance(first, ToWorker) and RESENT not in meta_of(json.loads(first.line))
    assert second == ToWorker(note)
    assert relay.from_client(note, 7.0) == [ToWorker(note)]


def test_the_handshake_is_played_to_the_next_worker_before_anything_else() -> None:
    relay = new_relay()
    relay.from_client(line(INITIALIZE), 0.0)
    assert to_client(relay.from_worker(reply(0), 0.0))
    relay.from_client(line(INITIALIZED), 0.0)
    relay.from_client(call(1), 1.0)
    (hello,) = to_worker(restarted(relay))
    assert hello["method"] == "initialize" and hello["id"] not in (0, 1)
    initialized, again = to_worker(relay.from_worker(reply(hello["id"]), 2.0))
    assert initialized == INITIALIZED and meta_of(again)[RESENT] == 1.0


def test_a_handshake_that_was_not_answered_is_sent_again_as_it_was() -> None:
    relay = new_relay()
    relay.from_client(line(INITIALIZE), 0.0)
    assert to_worker(restarted(relay)) == [INITIALIZE]
    relay.from_worker(reply(0), 0.0)
    (hello,) = to_worker(restarted(relay))
    assert relay.from_client(line(INITIALIZED), 0.0) == []
    assert to_worker(relay.from_worker(reply(hello["id"]), 2.0)) == [INITIALIZED]


def test_a_handshake_that_the_worker_refused_is_not_played_again() -> None:
    """A client that had no answer to `server/discover` in time tries the other protocol, and goes on in the first one."""
    relay = new_relay()
    relay.from_client(line({"id": "d", "method": "server/discover"}), 0.0)
    relay.from_client(line(INITIALIZE), 0.0)
    relay.from_worker(reply("d"), 0.0)
    refusal = line({"id": 0, "error": {"code": -32004, "message": "the handshake is not accepted"}})
    assert relay.from_worker(refusal, 0.0) == [ToClient(refusal)]
    relay.from_client(call(1), 1.0)
    (again,) = to_worker(restarted(relay))
    assert again["method"] == "tools/call"


LISTEN = {"id": "l", "method": "subscriptions/listen"}
KNOWN = {"method": "notifications/subscriptions/acknowledged", "params": {"_meta": {SUBSCRIPTION: "l"}}}


def test_a_subscription_is_made_again_and_acknowledged_once() -> None:
    relay = new_relay()
    relay.from_client(line(LISTEN), 0.0)
    assert to_worker(restarted(relay))[0]["id"] == "l"
    assert len(to_client(relay.from_worker(line(KNOWN), 0.0))) == 1, "the first worker said nothing"
    for _ in range(DEATHS):
        assert to_worker(restarted(relay))[0]["id"] == "l"
        assert relay.from_worker(line(KNOWN), 0.0) == []
        relay.tick(200.0)  # it lives: its death is no failure
    odd: dict[str, Any]
    for odd in ({}, {"params": 1}, {"params": {"_meta": 1}}, {"params": {"_meta": {SUBSCRIPTION: "x"}}}):
        assert len(to_client(relay.from_worker(line({"method": KNOWN["method"], **odd}), 0.0))) == 1


def test_a_subscription_outlives_workers_that_cannot_start_and_nobody_asks_for_its_answer() -> None:
    relay = new_relay()
    relay.from_client(line(LISTEN), 0.0)
    assert relay.tick(1000.0) == [], "it waits for nothing"
    for _ in range(FAILURES - 1):
        restarted(relay)
    assert not to_client(relay.worker_ended("with exit code 1"))
    relay.from_client(call(1), 1.0)
    assert [message["id"] for message in to_worker(relay.worker_started(2.0))] == ["l", 1]


@pytest.mark.parametrize("era", ["handshake", "subscription", "neither"])
def test_the_client_learns_that_a_worker_of_another_version_has_other_tools(era: str) -> None:
    relay = new_relay(running=False)
    relay.worker_started(0.0, "1")
    if era == "handshake":
        relay.from_client(line(INITIALIZE), 0.0)
        relay.from_worker(reply(0), 0.0)
    elif era == "subscription":
        relay.from_client(line(LISTEN), 0.0)
        relay.from_worker(line(KNOWN), 0.0)
    told = []
    for version in ("1", "2", "2", "", "2", "3"):
        relay.worker_ended("by signal 15")
        effects = relay.worker_started(1.0, version)
        if era == "handshake":
            effects = relay.from_worker(reply("jlab-mcp/hello"), 1.0)
        told.append([message.get("params", {}) for message in to_client(effects)])
    by_era: dict[str, list[Any]] = {"handshake": [{}], "subscription": [{"_meta": {SUBSCRIPTION: "l"}}]}
    news = by_era.get(era, [])
    assert told == [[], news, [], [], [], news]


def test_a_cancelled_call_gets_no_answer_and_is_never_sent_again() -> None:
    relay = new_relay()
    relay.from_client(call(1), 0.0)
    assert to_worker(relay.from_client(cancel(1), 1.0))[0]["method"] == "notifications/cancelled"
    assert relay.from_worker(reply(1), 2.0) == []
    assert restarted(relay) == []


def test_a_call_cancelled_while_no_worker_is_there_is_handed_over_as_cancelled() -> None:
    relay = new_relay()
    relay.from_client(call(1), 0.0)
    relay.from_client(call(2), 0.0)
    relay.worker_ended("by signal 9")
    relay.from_client(call(3), 0.0)
    assert relay.from_client(cancel(1, "the user"), 1.0) == []
    assert relay.from_client(cancel(3), 1.0) == []
    assert relay.from_client(cancel("unknown"), 1.0) == []
    assert relay.from_client(line({"method": "notifications/cancelled", "params": []}), 1.0) == []
    stopped, again = to_worker(relay.worker_started(2.0))
    assert stopped["id"] == 1 and meta_of(stopped)[CANCELLED] == "the user"
    assert again["id"] == 2 and RESENT in meta_of(again)
    assert relay.from_worker(reply(1), 3.0) == []


def test_a_cancelled_request_that_is_no_call_is_forgotten() -> None:
    relay = new_relay()
    relay.from_client(line({"id": 1, "method": "tools/list"}), 0.0)
    relay.worker_ended("by signal 9")
    relay.from_client(cancel(1), 1.0)
    assert relay.worker_started(2.0) == []


def test_a_question_of_a_worker_is_answered_to_that_worker_only() -> None:
    relay = new_relay()
    (question,) = to_client(relay.from_worker(line({"id": 7, "method": "elicitation/create"}), 0.0))
    (withdrawn,) = to_client(
        relay.from_worker(line({"method": "notifications/cancelled", "params": {"requestId": 7}}), 0.0)
    )
    assert withdrawn["params"]["requestId"] == question["id"]
    (answer,) = to_worker(relay.from_client(reply(question["id"]), 1.0))
    assert answer["id"] == 7
    assert not to_client(relay.worker_ended("by signal 9"))
    assert relay.from_client(reply(question["id"]), 2.0) == []
    relay.worker_started(3.0)
    assert relay.from_client(reply(question["id"]), 2.0) == []
    assert relay.from_client(reply("odd"), 2.0) == []


def test_a_question_that_a_dead_worker_asked_is_withdrawn() -> None:
    relay = new_relay()
    for number in (7, 8, 9):
        relay.from_worker(line({"id": number, "method": "elicitation/create"}), 0.0)
    relay.from_worker(line({"method": "notifications/cancelled", "params": {"requestId": 8}}), 0.0)
    relay.from_client(reply("1:9"), 1.0)
    (withdrawn,) = to_client(relay.worker_ended("by signal 9"))
    assert withdrawn["method"] == "notifications/cancelled" and withdrawn["params"]["requestId"] == "1:7"
    relay.worker_started(2.0)
    assert not to_client(relay.worker_ended("by signal 9"))


@pytest.mark.parametrize(
    "number", ["1:", "1:abc", "1:[7]", "1:null", "1:\ud800", "1:" + "1" * 5000, None, 7], ids=ascii_id
)
def test_an_answer_with_an_id_that_no_question_has_is_ignored(number: object) -> None:
    assert new_relay().from_client(reply(number), 1.0) == []


@pytest.mark.parametrize("number", [1.5, True, None, [1], {"a": 1}])
@pytest.mark.parametrize("running", [True, False])
def test_a_request_with_an_id_of_another_kind_is_refused(number: object, *, running: bool) -> None:
    relay = new_relay(running=running)
    (refused,) = to_client(relay.from_client(call(number), 0.0))
    assert refused["error"]["code"] == -32600 and refused["id"] is None
    relay.from_client(cancel(number), 0.0)
    assert restarted(relay) == [], "nothing waits for its answer"


@pytest.mark.parametrize(
    "number",
    [
        -1,
        10**30,
        "",
        "a:b",
        "jlab-mcp/hello",
        "jlab-mcp/ping",
        "\u00e9\u4e16\U0001f600",
        "\ud800",
        "x" * 100_000,
    ],
    ids=ascii_id,
)
def test_a_request_of_any_id_is_sent_again_and_answered_once(number: object) -> None:
    relay = new_relay()
    relay.from_client(call(number), 0.0)
    (again,) = to_worker(restarted(relay))
    assert again["id"] == number
    assert [answer["id"] for answer in to_client(relay.from_worker(reply(number), 0.0))] == [number]
    relay.from_client(call(number), 0.0)
    relay.from_client(cancel(number), 0.0)
    assert relay.from_worker(reply(number), 0.0) == [], "it was cancelled"


@pytest.mark.parametrize("part", ["call", "id", "cancelled id", "answer"])
def test_no_depth_of_nesting_ends_the_relay(part: str) -> None:
    for depth in range(900, 1010):
        deep = b"[" * depth + b"]" * depth
        place = {
            "call": b'"id":1,"method":"tools/call","params":{"a":%b}',
            "id": b'"id":%b,"method":"ping"',
            "cancelled id": b'"method":"notifications/cancelled","params":{"requestId":%b}',
            "answer": b'"id":"1:1","result":%b',
        }[part]
        relay = new_relay()
        relay.from_client(b'{"jsonrpc":"2.0",' + place % deep + b"}\n", 0.0)
        restarted(relay)


def test_text_of_any_language_stays_as_short_as_the_client_wrote_it() -> None:
    text = "\u4e16\u754c" * 1000
    (asked,) = new_relay().from_client(
        json.dumps(
            {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"a": text}}, ensure_ascii=False
        ).encode(),
        0.0,
    )
    assert isinstance(asked, ToWorker) and len(asked.line) < len(text.encode()) + 200


def test_a_reply_that_is_too_long_is_answered_with_the_reason_by_its_beginning() -> None:
    relay = new_relay()
    relay.from_client(call(1), 0.0)
    (answer,) = to_client(relay.too_long_from_worker(b'{"jsonrpc":"2.0","id":1,"result":{"x":"yyy', 1.0))
    assert answer["id"] == 1 and "longer than 16 MB" in answer["error"]["message"]
    assert restarted(relay) == []
    for head in (b'{"method":"notifications/message', b'{"jsonrpc":"2.0","id":' + b"1" * 5000 + b',"result"'):
        (told,) = relay.too_long_from_worker(head, 1.0)
        assert isinstance(told, Tell) and "longer than 16 MB" in told.text


def test_notices_of_a_worker_pass_and_what_is_no_json_is_told_to_the_log() -> None:
    relay = new_relay()
    note = line({"method": "notifications/progress", "params": {}})
    assert relay.from_worker(note, 0.0) == [ToClient(note)]
    (told,) = relay.from_worker(b"a print of a library\n", 0.0)
    assert isinstance(told, Tell) and "no JSON object" in told.text


def test_replies_are_known_in_every_spelling() -> None:
    for text in (
        b'{"id": 1, "jsonrpc": "2.0", "result": {}}',
        b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}',
        b' { "jsonrpc" : "2.0" , "id" : 1 , "result" : {}}',
    ):
        relay = new_relay()
        relay.from_client(call(1), 0.0)
        relay.from_client(cancel(1), 0.0)
        assert relay.from_worker(text, 0.0) == [], text


def test_a_request_in_flight_at_three_deaths_is_answered_with_the_reason() -> None:
    relay = new_relay()
    relay.from_client(call(1), 0.0)
    relay.from_client(line({"id": "l", "method": "tools/list"}), 0.0)
    for _ in range(DEATHS - 1):
        relay.from_client(line({"id": "p", "method": "ping"}), 0.0)
        relay.from_worker(reply("p"), 0.0)  # it works: its death is no failure
        assert not to_client(relay.worker_ended("by signal 9"))
        relay.worker_started(0.0)
    relay.from_client(line({"id": "p", "method": "ping"}), 0.0)
    relay.from_worker(reply("p"), 0.0)
    first, second = to_client(relay.worker_ended("by signal 9"))
    assert (
        first["id"] == 1
        and first["result"]["isError"]
        and "by signal 9" in first["result"]["content"][0]["text"]
    )
    assert second["id"] == "l" and second["error"]["code"] == -32603
    assert relay.worker_started(0.0) == []


def test_workers_that_only_fail_are_started_three_times_and_once_with_each_later_request() -> None:
    relay = new_relay()
    pauses = []
    for _ in range(2):
        start = relay.worker_ended("with exit code 1")[-1]
        assert isinstance(start, StartWorker)
        pauses.append(start.after_s)
        relay.worker_started(0.0)
    assert pauses == sorted(pauses) and pauses[0] > 0
    relay.from_client(call(1), 0.0)
    told, answer = relay.worker_ended("with exit code 1")
    assert isinstance(told, Tell) and isinstance(answer, ToClient), "nothing starts any more"
    (start,) = relay.from_client(call(2), 1.0)
    assert isinstance(start, StartWorker)
    assert relay.from_client(call(3), 1.0) == []
    relay.worker_started(2.0)
    assert len(to_client(relay.worker_ended("with exit code 1"))) == 2
    (start,) = relay.from_client(call(4), 1.0)
    relay.worker_started(2.0)
    relay.from_worker(reply(4), 2.0)
    again = relay.worker_ended("by signal 9")[-1]
    assert isinstance(again, StartWorker) and again.after_s == 0


@pytest.mark.parametrize("has_handshake", [True, False])
def test_idle_workers_may_die_as_often_as_they_like(has_handshake: bool) -> None:
    relay = new_relay()
    if has_handshake:
        relay.from_client(line(INITIALIZE), 0.0)
        relay.from_worker(reply(0), 0.0)
    for number in range(10):
        at = 100.0 * number
        if hello := to_worker(restarted(relay, at=at)):
            relay.from_worker(reply(hello[0]["id"]), at)
        else:
            relay.tick(at + 20)


def test_a_silent_worker_is_named_in_the_progress_and_replaced_by_a_cancel() -> None:
    relay = new_relay()
    assert relay.tick(1000.0) == []
    relay.from_client(call(1, progressToken="p"), 0.0)
    relay.from_client(call(2), 0.0)
    relay.from_client(line({"id": 3, "method": "tools/list", "params": []}), 0.0)
    assert relay.tick(5.0) == []
    (ping,) = to_worker(relay.tick(20.0))
    assert ping["method"] == "ping"
    assert relay.tick(25.0) == []
    (progress,) = to_client(relay.tick(21.0 + SILENT_S))
    assert progress["params"]["progressToken"] == "p" and progress["params"]["progress"] > 0
    assert "Cancel the call" in progress["params"]["message"]
    told, kill = relay.from_client(cancel(2), 22.0 + SILENT_S)
    assert isinstance(told, Tell) and isinstance(kill, KillWorker)
    assert relay.from_client(cancel("unknown"), 22.0 + SILENT_S)[-1] == KillWorker()
    stopped, *others = to_worker(restarted(relay))
    assert meta_of(stopped)[CANCELLED] == "the user" and [other["id"] for other in others] == [1, 3]


def test_a_worker_that_is_silent_in_the_handshake_is_named_and_replaced_too() -> None:
    relay = new_relay()
    relay.from_client(line(INITIALIZE), 0.0)
    relay.from_worker(reply(0), 0.0)
    restarted(relay, at=100.0)
    relay.from_client(call(1, progressToken="p"), 101.0)
    assert relay.from_client(cancel(9), 102.0) == [], "it has just started"
    assert relay.tick(103.0) == []
    (progress,) = to_client(relay.tick(101.0 + SILENT_S))
    assert progress["params"]["progressToken"] == "p"
    assert relay.from_client(cancel(1), 101.0 + SILENT_S)[-1] == KillWorker()
    relay.worker_ended("by signal 9")
    assert relay.from_client(cancel(9), 300.0) == [], "no worker is there to be replaced"
    (hello,) = to_worker(relay.worker_started(301.0))
    assert relay.from_worker(reply(hello["id"]), 302.0) == []


def test_what_the_client_cancelled_is_not_asked_again_after_a_silent_worker() -> None:
    relay = new_relay()
    relay.from_client(line({"id": 1, "method": "tools/list"}), 0.0)
    relay.tick(20.0)
    assert relay.from_client(cancel(1), 21.0 + SILENT_S)[-1] == KillWorker()
    assert restarted(relay) == []


def test_a_worker_that_answers_the_ping_lives() -> None:
    relay = new_relay()
    relay.from_client(call(1), 0.0)
    (ping,) = to_worker(relay.tick(20.0))
    assert relay.from_worker(reply(ping["id"]), 49.0) == []
    assert to_worker(relay.from_client(cancel(1), 60.0))[0]["method"] == "notifications/cancelled"


@dataclass
class World:
    """A client, workers that execute each stamp once, and their deaths, in any order."""

    relay: Relay = field(default_factory=lambda: new_relay(running=False))
    inbox: list[bytes] = field(default_factory=list)
    """what the present worker was sent and has not handled"""
    is_wanted: bool = True
    """the relay waits for a worker to start"""
    is_running: bool = False
    answers: dict[int, int] = field(default_factory=dict)
    cancelled: set[int] = field(default_factory=set)
    begun: dict[str, int] = field(default_factory=dict)
    """the request of each stamp"""
    asked: int = 0

    def perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, ToWorker) and self.is_running:
                self.inbox.append(effect.line)
                message = json.loads(effect.line)
                if message["method"] == "tools/call" and CANCELLED not in meta_of(message):
                    assert message["id"] not in self.cancelled, "what was cancelled is not sent as work"
            elif isinstance(effect, StartWorker):
                self.is_wanted = True
            elif isinstance(effect, ToClient):
                message = json.loads(effect.line)
                self.answers[message["id"]] = self.answers.get(message["id"], 0) + 1

    def start(self) -> None:
        if self.is_wanted:
            self.is_running, self.is_wanted, self.inbox = True, False, []
            self.perform(self.relay.worker_started(0.0))

    def die(self) -> None:
        if self.is_running:
            self.is_running, self.inbox = False, []
            self.perform(self.relay.worker_ended("by signal 9"))

    def ask(self) -> None:
        self.asked += 1
        self.perform(self.relay.from_client(call(self.asked), 1.0))

    def cancel(self, number: int) -> None:
        if number in range(1, self.asked + 1) and number not in self.answers:
            self.cancelled.add(number)
            self.perform(self.relay.from_client(cancel(number), 1.0))

    def work(self, *, answer: bool) -> None:
        """The worker handles one line, and dies before it answers if `answer` is False."""
        if not self.inbox:
            return
        message = json.loads(self.inbox.pop(0))
        if message["method"] == "tools/call":
            meta = meta_of(message)
            if CANCELLED not in meta:
                self.begun.setdefault(meta[CALL], message["id"])
            if not answer:
                self.die()
                return
            self.perform(self.relay.from_worker(reply(message["id"]), 1.0))


STEPS = st.lists(
    st.one_of(
        st.just(("ask", 0)),
        st.just(("start", 0)),
        st.just(("die", 0)),
        st.tuples(st.just("cancel"), st.integers(1, 6)),
        st.tuples(st.just("work"), st.integers(0, 1)),
    ),
    max_size=40,
)


@given(STEPS)
def test_in_any_order_of_events_each_request_is_answered_once(steps: list[tuple[str, int]]) -> None:
    world = World()
    for what, number in steps:
        match what:
            case "cancel":
                world.cancel(number)
            case "work":
                world.work(answer=bool(number))
            case _:
                getattr(world, what)()
    world.start()
    while world.inbox:
        world.work(answer=True)
    assert all(count == 1 for count in world.answers.values()), "no request is answered twice"
    assert not world.cancelled & set(world.answers), "what was cancelled has no answer"
    assert set(range(1, world.asked + 1)) == world.cancelled | set(world.answers), "all others have one"
    assert len(set(world.begun.values())) == len(world.begun), "each request has one stamp"
