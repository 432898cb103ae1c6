"""The requests of a client that have no answer yet, and how they are sent again."""

from __future__ import annotations

from typing import Any, Final

from .relay_lines import as_line, error_line

CALL: Final = "jlab-mcp/call"
"""key in a call's `_meta`: its id, the same in every attempt"""
RESENT: Final = "jlab-mcp/resent"
"""key in a call's `_meta`: when it was sent first, epoch seconds; only where it is sent again"""
CANCELLED: Final = "jlab-mcp/cancelled"
"""key in a call's `_meta`: the client cancelled it while no worker was there, for this reason"""
DEATHS: Final = 3
"""deaths in which a request may be in flight before it is answered with an error"""
INTERNAL_ERROR: Final = -32603
SUBSCRIPTION: Final = "io.modelcontextprotocol/subscriptionId"
"""key in the `_meta` of what a subscription sends: the id of its request"""


class Flight:
    """A request of the client without an answer."""

    def __init__(self, message: dict[str, Any], line: bytes, first_at: float) -> None:
        """`first_at`: epoch seconds."""
        self.message = message
        self.line = line
        self.first_at = first_at
        self.is_sent = False
        """to any worker"""
        self.is_acknowledged = False
        """a subscription that the client knows to be there"""
        self.deaths = 0

    @property
    def has_died_often(self) -> bool:
        return self.deaths >= DEATHS

    @property
    def is_call(self) -> bool:
        return self.message["method"] == "tools/call"  # type: ignore[no-any-return]

    @property
    def is_subscription(self) -> bool:
        """It has no answer as long as the client is there: nobody waits for one."""
        return self.message["method"] == "subscriptions/listen"  # type: ignore[no-any-return]

    def again(self, key: str, value: object) -> bytes:
        """The call once more, marked."""
        params = self.message.get("params")
        meta = params.get("_meta") if isinstance(params, dict) else None
        if not self.is_call or not isinstance(params, dict) or not isinstance(meta, dict) or CALL not in meta:
            return self.line
        meta = {**meta, key: value}
        return as_line({**self.message, "params": {**params, "_meta": meta}}, instead=self.line)


def unserved(flight: Flight, how: str) -> bytes:
    text = (
        f"The MCP server process ended {how} and could not answer this request. Its log says why; sessions and kernels "
        "keep running. Call ping to see what is there."
    )
    if not flight.is_call:
        return error_line(flight.message["id"], INTERNAL_ERROR, text)
    result = {"resultType": "complete", "content": [{"type": "text", "text": text}], "isError": True}
    return as_line({"jsonrpc": "2.0", "id": flight.message["id"], "result": result})


def tools_changed(subscription: object = None) -> bytes:
    """Tell the client that the list of tools has changed: by a subscription, or in the protocol with a handshake."""
    params = {} if subscription is None else {"params": {"_meta": {SUBSCRIPTION: subscription}}}
    return as_line({"jsonrpc": "2.0", "method": "notifications/tools/list_changed", **params})


def progress(flight: Flight, text: str, now: float) -> bytes | None:
    """Tell the client why its request waits, if it asked to be told."""
    params = flight.message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    if not isinstance(meta, dict) or "progressToken" not in meta:
        return None
    # Seconds since the call, so that it grows whoever tells it.
    told = {
        "progressToken": meta["progressToken"],
        "message": text,
        "progress": round(now - flight.first_at, 1),
    }
    return as_line({"jsonrpc": "2.0", "method": "notifications/progress", "params": told})
