"""Whether a person cancelled a call: only then is its code interrupted."""

from __future__ import annotations

import pytest
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from jlab_tui.mcp_server.stdio import CancelReasons


def cancelled(
    request: object, reason: str | None = None, method: str = "notifications/cancelled"
) -> SessionMessage:
    params = {"requestId": request} | ({"reason": reason} if reason is not None else {})
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    return SessionMessage(jsonrpc_message_adapter.validate_python(message))


@pytest.mark.parametrize(
    ("reason", "by_user"),
    [
        ("User cancelled the operation", True),
        ("The user aborted a request.", True),
        ("interrupted", True),
        ("AbortError: This operation was aborted", True),
        ("Request timed out", False),
        ("user request timeout", False),
        ("deadline of the user exceeded", False),
        ("connection lost", False),
        ("", False),
        (None, False),
    ],
)
def test_a_persons_reason_is_distinguished_from_a_clients_own(reason: str | None, by_user: bool) -> None:
    reasons = CancelReasons()
    reasons.note(cancelled(7, reason))
    assert reasons.by_user("7") is by_user


def test_a_call_that_nobody_cancelled_has_no_reason() -> None:
    reasons = CancelReasons()
    reasons.note(cancelled(7, "user", method="notifications/progress"))
    reasons.note(cancelled(8, "user"))
    assert not reasons.by_user("7")


def test_a_client_that_goes_away_has_cancelled_nothing() -> None:
    reasons = CancelReasons()
    reasons.note(cancelled(7, "user"))
    reasons.input_ended = True
    assert not reasons.by_user("7")


def test_reasons_of_long_ago_are_forgotten() -> None:
    reasons = CancelReasons()
    for number in range(1000):
        reasons.note(cancelled(number, "user"))
    assert not reasons.by_user("0") and reasons.by_user("999")
