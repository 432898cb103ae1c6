"""Encodes the server's status as JSON, with the same keys in `status --json`, `ping`, `start_server` and `wait_for_server`."""

from __future__ import annotations

from typing import Any

from ..errors import JlabError
from .record import KernelInfo
from .status import QueueFacts, ServerStatus


def status_json(status: ServerStatus, root: str, now: float) -> dict[str, Any]:
    """Encode every key, null or empty when there is no value; never the token. `now`: epoch seconds."""
    record = status.record
    has_end = record.ends and status.state.is_live
    return {
        "state": str(status.state),
        "phase": status.phase,
        "healthy": status.reachable is True,
        "message": status.sentence,
        "hint": status.hint,
        "details": list(status.details),
        "notices": list(status.notices),
        "mode": str(record.mode),
        "root": root,
        "hostname": record.hostname,
        "url": record.url,
        "link": str(status.link or ""),
        "job_id": record.job_id or record.inside_job,
        "pid": record.pid or None,
        "started": record.started,
        "walltime_left_s": max(0, round(record.ends - now)) if has_end else None,
        "log": record.log,
        **_queue_json(status.queue, now),
    }


def _queue_json(queue: QueueFacts | None, now: float) -> dict[str, Any]:
    """Encode a job's place in the queue; empty when it does not wait."""
    if queue is None:
        return {}
    start = queue.estimated_start
    return {
        "reason": queue.reason,
        "position": queue.position,
        "partition": queue.partition,
        "estimated_start_in_s": max(0, round(start - now)) if start else None,
        "stuck": "It needs a change before it can start." if queue.is_stuck else "",
    }


def trouble_json(state: str, trouble: JlabError, root: str) -> dict[str, Any]:
    """Encode a missing status: `none` (nothing was started) or `unknown` (the record cannot be read)."""
    facts = {"state": state, "healthy": False, "root": root}
    return {**facts, "message": trouble.message, "hint": trouble.hint}


def not_understood(count: int) -> str:
    """A sentence on what a server sent; empty when all of it was understood."""
    if not count:
        return ""
    what = "answer or message" if count == 1 else "answers or messages"
    return f"The server sent {count} {what} that jlab-mcp did not understand and left out."


def kernel_json(kernel: KernelInfo) -> dict[str, Any]:
    return {"kernel_id": kernel.kernel_id, "state": kernel.execution_state, "notebook": kernel.path}


def without_blanks(facts: dict[str, Any]) -> dict[str, Any]:
    """Drop empty values, for a reader who pays for every word."""
    return {key: value for key, value in facts.items() if value not in ("", None, [])}
