"""What takes something away does it once, although its call is sent again while the first attempt is still at work."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from jlab_tui.core.errors import ServerUnreachable
from jlab_tui.core.session.call import NO_CALL, Call
from jlab_tui.services.sessions.once import Once
from tests.jupyters import Place
from tests.project import until


async def test_a_restart_that_is_under_way_is_joined_by_the_call_that_is_sent_again(tmp_path: Path) -> None:
    place = Place(tmp_path)
    process = place.process()
    session = await process.open_new("n")
    once, server = Once(process, place.journals), place.server
    server.may_answer.clear()
    earlier = asyncio.create_task(server.restart(session.identity.kernel_id))
    await server.is_restarting.wait()
    with pytest.raises(ServerUnreachable, match="restarting"):
        await once.restart(session.identity.id, "you", NO_CALL)
    again = asyncio.create_task(once.restart(session.identity.id, "you", Call("c", time.time())))
    await until(lambda: server.refused_restarts == 2, what="it was refused, and waits")
    server.may_answer.set()
    await earlier
    assert "was restarted" in await asyncio.wait_for(again, 40)
    assert session.state.kernel.generation == 2
    await process.release()
