"""A connection to a kernel beside its owner's: it claims nothing, and what it asks is on no record."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from ...core.kernel.link import Lease

if TYPE_CHECKING:
    from ..ports import Jupyter, Link

_CONNECT_S: Final = 10.0


async def side_link(api: Jupyter, kernel_id: str, *, is_plain: bool = False) -> Link:
    """Return a link that is not open yet. `is_plain`: Jupyter's own channels, on which also a recorded kernel runs code of
    others than its owner."""
    recorded = None if is_plain else (await api.recorded_kernels()).get(kernel_id)
    return api.link(
        kernel_id,
        session_id=uuid.uuid4().hex,
        lease=Lease("", 0, "") if recorded is not None else None,
        hold=None,
        since=recorded.last_seq if recorded is not None else 0,
    )


@asynccontextmanager
async def opened(link: Link) -> AsyncIterator[Link]:
    """Open a link and close it at the end. Raises TimeoutError if the kernel does not answer."""
    link.open(lambda message: None, lambda change: None)
    try:
        await link.ready(_CONNECT_S)
        yield link
    finally:
        await link.close()
