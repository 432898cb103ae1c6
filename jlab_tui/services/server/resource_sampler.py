"""CPU, memory and GPUs of the node: the Jupyter extension's newest sample, or on a stock server one from a throwaway kernel."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from ...core.errors import JlabError, ServerUnreachable
from ...core.server.resources import Sample, parse_sample
from ..kernel.subshell import evaluation
from ..ports import Jupyter

_READY_S: Final = 30.0
_ASK_S: Final = 20.0

# The source runs in a namespace of its own.
_EXPRESSION: Final = "(lambda probe: __import__('json').dumps((exec(%r, probe), probe['one_sample']())[1]))({'__name__': 'probe'})"


class ResourceSampler:
    """Takes readings of a server's node."""

    def __init__(self, probe_source: Callable[[], str]) -> None:
        """`probe_source`: Python whose `one_sample()` gives what `parse_sample` reads; blocking."""
        self._probe_source = probe_source

    async def sample(self, api: Jupyter) -> Sample:
        """The newest reading. Raises ServerUnreachable when none can be had now."""
        samples = await api.resources()
        if samples:
            return samples[-1]
        if await api.features():
            raise ServerUnreachable(
                "The node gives no reading of its resources now.", "Call check_resources again in a moment."
            )
        # The probe sees all of the user's kernels on the node, those of other servers included.
        ours = {kernel.kernel_id for kernel in await api.kernels()}
        kernel_id = await api.start_kernel(None)
        try:
            sample = await self._ask(api, kernel_id)
        finally:
            ending = asyncio.ensure_future(_end(api, kernel_id))
            await asyncio.shield(ending)
        uses = (sample.kernels or {}).items()
        return replace(sample, kernels={name: use for name, use in uses if name in ours})

    async def _ask(self, api: Jupyter, kernel_id: str) -> Sample:
        source = await asyncio.to_thread(self._probe_source)
        link = api.link(kernel_id, session_id=kernel_id, lease=None, hold=None, since=0)
        link.open(lambda message: None, lambda change: None)
        try:
            await link.ready(_READY_S)
            reply = await link.ask(evaluation(_EXPRESSION % source), _ASK_S)
            answer = reply.content["user_expressions"]["v"]
            return parse_sample(json.loads(ast.literal_eval(answer["data"]["text/plain"])))
        except (TimeoutError, KeyError, ValueError, SyntaxError) as error:
            raise ServerUnreachable(
                f"A kernel that was started to measure the node gave no reading ({type(error).__name__}).",
                "Look for yourself with execute_scratch, or call check_resources again.",
            ) from None
        finally:
            await link.close()


async def _end(api: Jupyter, kernel_id: str) -> None:
    with contextlib.suppress(JlabError):
        await api.delete_kernel(kernel_id)
