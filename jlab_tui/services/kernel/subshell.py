"""A second line to a kernel, for questions while a cell runs: a kernel subshell, where the kernel has them."""

from __future__ import annotations

import uuid
from typing import Any, Final

from ...core.kernel.wire import Request
from ..ports import Link

_MAKE_S: Final = 3.0


class Subshell:
    """One subshell of one kernel, made when it is first needed and again after a restart."""

    def __init__(self) -> None:
        self._id = ""
        self._generation = 0

    async def get(self, link: Link, generation: int) -> str:
        """Id of the subshell; empty when the kernel has none or cannot answer now."""
        if self._id and self._generation == generation:
            return self._id
        try:
            reply = await link.ask(
                Request("control", "create_subshell_request", uuid.uuid4().hex, {}), _MAKE_S
            )
        except TimeoutError:
            return ""
        if reply.content.get("status") != "ok":
            return ""
        self._id, self._generation = str(reply.content.get("subshell_id") or ""), generation
        return self._id


def evaluation(expression: str, subshell: str = "") -> Request:
    """A request to evaluate an expression: silent, without a cell and without a count."""
    content: dict[str, Any] = {
        "code": "",
        "silent": True,
        "store_history": False,
        "user_expressions": {"v": expression.strip()},
        "allow_stdin": False,
        "stop_on_error": False,
    }
    return Request("shell", "execute_request", uuid.uuid4().hex, content, subshell)
