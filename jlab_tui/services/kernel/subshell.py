"""A second line to a kernel, for questions while a cell runs: a kernel subshell, where the kernel has them."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ...core.kernel.wire import Request

if TYPE_CHECKING:
    from ..ports import Link

_MAKE_S: Final = 3.0


class Subshell:
    """One subshell of one kernel, made when it is first needed and again after a restart."""

    def __init__(self, link: Link, generation: Callable[[], int]) -> None:
        """`generation` counts the kernel's restarts."""
        self._link = link
        self._current = generation
        self._id = ""
        self._generation = 0

    async def get(self) -> str:
        """Id of the subshell; empty when the kernel has none or cannot answer now."""
        generation = self._current()
        if self._id and self._generation == generation:
            return self._id
        try:
            reply = await self._link.ask(
                Request("control", "create_subshell_request", uuid.uuid4().hex, {}), _MAKE_S
            )
        except TimeoutError:
            return ""
        if reply.content.get("status") != "ok":
            return ""
        self._id, self._generation = str(reply.content.get("subshell_id") or ""), generation
        return self._id

    async def close(self) -> None:
        """Delete the subshell, which is a thread of the kernel."""
        if self._id:
            content = {"subshell_id": self._id}
            with contextlib.suppress(TimeoutError):
                await self._link.ask(
                    Request("control", "delete_subshell_request", uuid.uuid4().hex, content), _MAKE_S
                )
            self._id = ""

    async def evaluate(self, expression: str, timeout: float, *, is_busy: bool) -> Mapping[str, Any] | None:
        """Content of the reply to a silent request. None where the kernel is busy and has no subshell that answers; raises
        TimeoutError when it is in a long C call."""
        if not is_busy:
            # Code of another client may have come first.
            with contextlib.suppress(TimeoutError):
                return (await self._link.ask(evaluation(expression), timeout)).content
        return await self.ask(expression, timeout)

    async def ask(self, expression: str, timeout: float) -> Mapping[str, Any] | None:
        """The same, and the main shell is never asked."""
        subshell = await self.get()
        if not subshell:
            return None
        return (await self._link.ask(evaluation(expression, subshell), timeout)).content


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
