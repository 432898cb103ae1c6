"""The relay between an MCP client and the worker that serves it: which line goes where, and what a worker's death changes.

Lines in, effects out. No dataclasses: their import takes a tenth of the relay's memory. Each request of the client is
answered once: after a worker's death, what was in flight goes to the next worker, marked as sent before. A request that
the client cancelled is never sent again as work. One file, because every method changes the state of the one connection.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from enum import Enum, auto
from math import inf
from typing import Any, Final, NamedTuple

from .relay_flights import (
    CALL,
    CANCELLED,
    INTERNAL_ERROR,
    RESENT,
    SUBSCRIPTION,
    Flight,
    progress,
    tools_changed,
    unserved,
)
from .relay_lines import as_line, cancel_line, error_line, id_in, id_key, is_id, parsed, replied_to

FAILURES: Final = 3
"""workers that end before they have answered anything or lived a while; then the relay waits for the next request"""
SILENT_S: Final = 30.0
"""how long a worker may leave a ping unanswered before a cancelled call ends it"""
PING_AFTER_S: Final = 10.0
"""how long a worker may be silent while a request waits before it is asked whether it lives"""
_RETRY_S: Final = 0.5
_A_WHILE_S: Final = 10.0
_TOLD_EVERY_S: Final = 10.0
_HELLO: Final = "jlab-mcp/hello"
_PING: Final = "jlab-mcp/ping"
_ASKED_BEFORE: Final = "the MCP server process that asked has ended"
_ODD_ID: Final = "The request was refused, nothing was done: its id is neither a string nor an integer."
_INVALID_REQUEST: Final = -32600
_PARSE_ERROR: Final = -32700


class ToClient(NamedTuple):
    line: bytes


class ToWorker(NamedTuple):
    line: bytes


class StartWorker(NamedTuple):
    generation: int
    after_s: float = 0.0


class KillWorker(NamedTuple):
    pass


class Tell(NamedTuple):
    """A line for the MCP server's log."""

    text: str


Effect = ToClient | ToWorker | StartWorker | KillWorker | Tell


class _Worker(Enum):
    AWAY = auto()
    GREETING = auto()
    """it was sent the handshake of the client, and has not answered it"""
    READY = auto()


class Relay:
    """The state of one client's connection. `now` is given with every call, in epoch seconds."""

    def __init__(
        self,
        new_id: Callable[[], str],
        *,
        ping_after_s: float = PING_AFTER_S,
        silent_s: float = SILENT_S,
        keep_alive_s: float = inf,
    ) -> None:
        """`new_id` gives an id that no other call has. `keep_alive_s`: after this silence a worker hears that we are there."""
        self._keep_alive_s = keep_alive_s
        self._ping_after_s = ping_after_s
        self._silent_s = silent_s
        self.generation = 1
        self._new_id = new_id
        self._worker = _Worker.AWAY
        self._flights: dict[str, Flight] = {}
        """by request id, as JSON"""
        self._cancelled: list[tuple[Flight, str]] = []
        """calls that a dead worker may have started and the client cancelled since, with the reasons"""
        self._dropped: set[str] = set()
        """ids of cancelled requests, whose answers the client does not want"""
        self._greeting: list[dict[str, Any]] = []
        """`initialize` and `notifications/initialized`, in the protocol with a handshake"""
        self._notifications: list[bytes] = []
        self._questions: set[str] = set()
        """ids of the present worker's requests that the client has not answered"""
        self._has_answered = False
        """the present worker, anything; or it has lived a while"""
        self._failures = 0
        self._gave_up = False
        self._version = ""
        """of the program that the last worker ran"""
        self._has_other_tools = False
        """the client does not know yet that the present worker is of another version"""
        self._heard_at = 0.0
        self._pinged_at = 0.0
        """0: no ping is unanswered"""
        self._trouble = ""
        """why there is no line to the worker"""
        self._trouble_since = self._told_at = 0.0
        self._stands_in = False
        """the present worker, for one that there is no line to"""

    @property
    def has_waiting_calls(self) -> bool:
        """Whether calls wait for a worker that there is no line to."""
        return any(self._waits_for_line(flight) for flight in self._flights.values())

    def greeted_since(self, then: float) -> bool:
        """Whether a question other than a call has waited since then for an answer: the client's first ones."""
        return any(
            not flight.is_call and not flight.is_subscription and flight.first_at <= then
            for flight in self._flights.values()
        )

    def begin(self) -> list[Effect]:
        return [StartWorker(self.generation)]

    # -- the client ----------------------------------------------------------------------------------------------

    def from_client(self, line: bytes, now: float) -> list[Effect]:
        """Handle one line of the client."""
        message, is_sound = parsed(line)
        if message is None:
            # The worker refuses what it cannot read.
            return [ToWorker(line)] if self._worker is _Worker.READY else [_unreadable()]
        method, has_id = message.get("method"), "id" in message
        if method is not None and has_id and not is_id(message["id"]):
            return [ToClient(error_line(None, _INVALID_REQUEST, _ODD_ID))]
        if method is not None and has_id:
            return self._request(message, line, now, may_change=is_sound)
        if method is not None:
            return self._notification(method, message, line, now)
        return self._answer_to_worker(message, line)

    def too_long(self) -> list[Effect]:
        """Handle a line of the client that is too long to be read."""
        return [_unreadable()]

    def _request(self, message: dict[str, Any], line: bytes, now: float, *, may_change: bool) -> list[Effect]:
        params = message.get("params")
        if may_change and message["method"] == "tools/call" and isinstance(params, dict):
            given = params.get("_meta")
            meta = {**(given if isinstance(given, dict) else {}), CALL: self._new_id()}
            message = {**message, "params": {**params, "_meta": meta}}
            line = as_line(message, instead=line)
        if message["method"] == "initialize":
            self._greeting = [message]
        flight = self._flights[id_key(message["id"])] = Flight(message, line, now)
        if self._worker is _Worker.READY:
            flight.is_sent = not self._stands_in
            return [ToWorker(line)]
        return self._revived()

    def _revived(self) -> list[Effect]:
        """Try once more to start a worker, after the relay had given up."""
        if not self._gave_up:
            return []
        self._gave_up = False
        return [StartWorker(self.generation)]

    def _notification(self, method: object, message: dict[str, Any], line: bytes, now: float) -> list[Effect]:
        is_ready = self._worker is _Worker.READY
        if method == "notifications/initialized" and self._greeting:
            self._greeting = [self._greeting[0], message]
        if method == "notifications/cancelled":
            return self._cancel(message, line, now)
        if is_ready:
            return [ToWorker(line)]
        if method != "notifications/initialized":
            self._notifications.append(line)
        return []

    def _cancel(self, message: dict[str, Any], line: bytes, now: float) -> list[Effect]:
        params = message.get("params")
        given: dict[str, Any] = params if isinstance(params, dict) else {}
        key = id_key(given.get("requestId"))
        flight = self._flights.pop(key, None)
        if flight is not None and flight.is_sent:
            self._dropped.add(key)
        is_silent = bool(self._pinged_at) and now - self._pinged_at > self._silent_s
        is_there = self._worker is _Worker.READY and not (flight and self._waits_for_line(flight))
        if is_there and not is_silent:
            return [ToWorker(line)]
        if flight is not None and flight.is_sent and flight.is_call:
            self._cancelled.append((flight, str(given.get("reason") or "")))
        if not is_silent:
            return []
        return [Tell("the MCP server process does not answer; it is replaced"), KillWorker()]

    def _answer_to_worker(self, message: dict[str, Any], line: bytes) -> list[Effect]:
        """An answer to a request of a worker: of this one, or of one that is gone."""
        self._questions.discard(str(message.get("id")))
        generation, _, text = str(message.get("id")).partition(":")
        its_id = id_in(text.encode("utf-8", "replace"))
        if its_id is None or generation != str(self.generation) or self._worker is not _Worker.READY:
            return []
        return [ToWorker(as_line({**message, "id": its_id}))]

    # -- the worker ----------------------------------------------------------------------------------------------

    def from_worker(self, line: bytes, now: float) -> list[Effect]:
        """Handle one line of the worker."""
        self._heard_at, self._pinged_at = now, 0.0
        if (replied := replied_to(line)) is not None:  # a reply may be large: nothing else of it is read
            return self._reply(id_key(replied), line)
        message, _ = parsed(line)
        if message is None:
            return [Tell(f"the MCP server process wrote a line that is no JSON object: {line[:200]!r}")]
        if "method" not in message:
            return self._reply(id_key(message.get("id")), line)
        if "id" in message:
            self._questions.add(own := self._own(message["id"]))
            return [ToClient(as_line({**message, "id": own}))]
        params = message.get("params")
        if message["method"] == "notifications/subscriptions/acknowledged" and self._is_known(params):
            return []
        if message["method"] == "notifications/cancelled" and isinstance(params, dict):
            params = {**params, "requestId": self._own(params.get("requestId"))}
            self._questions.discard(params["requestId"])
            return [ToClient(as_line({**message, "params": params}))]
        return [ToClient(line)]

    def too_long_from_worker(self, head: bytes, now: float) -> list[Effect]:
        """Handle a line of the worker that is too long to be passed on, by its beginning."""
        replied = replied_to(head)
        if replied is None:
            return [Tell("the MCP server process wrote a line longer than 16 MB, which was dropped")]
        text = "The request was served, but its reply is longer than 16 MB and was dropped. Ask for less at once."
        return self.from_worker(error_line(replied, INTERNAL_ERROR, text), now)

    def _is_known(self, params: object) -> bool:
        """Whether the client was told by an earlier worker that this subscription is there."""
        meta = params.get("_meta") if isinstance(params, dict) else None
        flight = self._flights.get(id_key(meta.get(SUBSCRIPTION))) if isinstance(meta, dict) else None
        if flight is None:
            return False
        was_known, flight.is_acknowledged = flight.is_acknowledged, True
        return was_known

    def _own(self, request_id: object) -> str:
        """The id of a worker's request, as the client sees it: an answer that comes after its death is told apart."""
        return f"{self.generation}:{json.dumps(request_id)}"

    def _reply(self, key: str, line: bytes) -> list[Effect]:
        self._has_answered = True
        if key == json.dumps(_HELLO) and self._worker is _Worker.GREETING:
            return self._ready()
        if key == json.dumps(_PING) and key not in self._flights:
            return []
        if key in self._dropped:
            self._dropped.discard(key)
            return []
        flight = self._flights.pop(key, None)
        if flight is not None and flight.message["method"] == "initialize":
            answer, _ = parsed(line)
            if answer is not None and "error" in answer:
                self._greeting = []  # a client that tries both protocols goes on in the one without a handshake
        return [ToClient(line)]

    def worker_started(self, now: float, version: str = "", *, stands_in: bool = False) -> list[Effect]:
        """The worker of `generation` runs, of this version of the program. It is greeted as the client greeted the first one.

        `stands_in`: for one behind a line that cannot be made. It answers what is new; calls that were sent before wait."""
        self._stands_in = stands_in
        if not stands_in:
            self._trouble = ""
        if version and version != self._version:
            self._has_other_tools = bool(self._version)
            self._version = version
        self._heard_at, self._pinged_at, self._has_answered = now, 0.0, False
        if not self._greeting or id_key(self._greeting[0]["id"]) in self._flights:
            return self._ready()
        self._worker = _Worker.GREETING
        self._pinged_at = now  # the handshake asks as a ping does
        return [ToWorker(as_line({**self._greeting[0], "id": _HELLO}))]

    def _ready(self) -> list[Effect]:
        """Send what waits: first what the client cancelled meanwhile, so that it is stopped before anything new begins."""
        effects: list[Effect] = []
        if self._worker is _Worker.GREETING:
            effects += [ToWorker(as_line(message)) for message in self._greeting[1:]]
        self._worker = _Worker.READY
        if not self._stands_in:
            for cancelled, reason in self._cancelled:
                self._dropped.add(id_key(cancelled.message["id"]))
                effects.append(ToWorker(cancelled.again(CANCELLED, reason)))
            self._cancelled = []
        for flight in self._flights.values():
            if not self._waits_for_line(flight):
                effects.append(
                    ToWorker(flight.again(RESENT, flight.first_at) if flight.is_sent else flight.line)
                )
                flight.is_sent = flight.is_sent or not self._stands_in
        effects += map(ToWorker, self._notifications)
        self._notifications = []
        if self._has_other_tools:
            self._has_other_tools = False
            known = [flight.message["id"] for flight in self._flights.values() if flight.is_acknowledged]
            effects += [
                ToClient(tools_changed(each)) for each in (known or ([None] if self._greeting else []))
            ]
        return effects

    def _waits_for_line(self, flight: Flight) -> bool:
        """Whether it is a call that only the worker which had it, or one after that, may answer."""
        return self._stands_in and flight.is_sent and flight.is_call

    def worker_ended(self, how: str) -> list[Effect]:
        """The worker is gone, for instance `by signal 9`. What was in flight goes to the next one."""
        self._failures = 0 if self._has_answered else self._failures + 1
        effects: list[Effect] = [Tell(f"the MCP server process ended {how}"), *self._lose_worker()]
        if self._failures >= FAILURES:
            self._failures, self._gave_up = FAILURES - 1, True  # one more try with the next request
            effects += self._refused(lambda flight: True, how)
        else:
            effects += self._refused(lambda flight: flight.has_died_often, how)
        if not self._gave_up:
            effects.append(StartWorker(self.generation, _RETRY_S * self._failures))
        return effects

    def _lose_worker(self) -> list[Effect]:
        self._worker, self._pinged_at = _Worker.AWAY, 0.0
        self._dropped.clear()
        self.generation += 1
        effects: list[Effect] = [
            ToClient(cancel_line(each, _ASKED_BEFORE)) for each in sorted(self._questions)
        ]
        self._questions.clear()
        return effects

    def _refused(self, is_due: Callable[[Flight], bool], how: str) -> Iterator[Effect]:
        for key, flight in list(self._flights.items()):
            flight.deaths += flight.is_sent
            if is_due(flight) and not flight.is_subscription:
                del self._flights[key]
                yield ToClient(unserved(flight, how))

    def line_ended(self, why: str, pause_s: float, now: float) -> list[Effect]:
        """The line to the worker broke, or could not be made, or a stand-in makes room for another try. That is nobody's
        failure: what is in flight waits."""
        is_news = bool(why) and why != self._trouble
        if not self._trouble:
            self._trouble_since = now
        self._trouble = why or self._trouble
        told = [Tell(f"no line: {why}")] if is_news else []
        return [*told, *self._lose_worker(), StartWorker(self.generation, pause_s)]

    def tick(self, now: float) -> list[Effect]:
        """Look after a silent worker, every few seconds."""
        if self._trouble:
            return self._wait_for_line(now)
        if self._worker is _Worker.READY and now - self._heard_at >= _A_WHILE_S:
            self._has_answered = True  # there may be nothing to answer
        is_asked = not all(flight.is_subscription for flight in self._flights.values())
        patience = self._ping_after_s if is_asked else self._keep_alive_s
        if self._worker is _Worker.AWAY or now - self._heard_at < patience:
            return []
        if not self._pinged_at:
            self._pinged_at = now
            return [ToWorker(as_line({"jsonrpc": "2.0", "id": _PING, "method": "ping"}))]
        silent = now - self._pinged_at
        if silent <= self._silent_s:
            return []
        text = f"The MCP server process has not answered for {silent:.0f} s. Cancel the call to replace the process."
        return self._tell_all(text, now)

    def _wait_for_line(self, now: float) -> list[Effect]:
        """Tell every ten seconds what calls wait for."""
        if now - self._told_at < _TOLD_EVERY_S:
            return []
        self._told_at = now
        text = f"{self._trouble} (for {now - self._trouble_since:.0f} s). What runs goes on; this call waits for the line."
        return self._tell_all(text, now)

    def _tell_all(self, text: str, now: float) -> list[Effect]:
        told = [progress(flight, text, now) for flight in self._flights.values()]
        return [ToClient(line) for line in told if line is not None]


def _unreadable() -> ToClient:
    text = "The request was refused, nothing was done: it is not JSON, or longer than 16 MB."
    return ToClient(error_line(None, _PARSE_ERROR, text))
