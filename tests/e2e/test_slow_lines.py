"""A connection so slow that one image takes longer than the answer to a ping may take."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.floods import NOISE
from tests.e2e.proxy import proxied
from tests.project import Project


async def test_a_large_image_comes_through_a_slow_line_at_once(
    shared_server: Project, tmp_path: Path
) -> None:
    async with proxied(shared_server, tmp_path) as (project, proxy), project.client() as agent:
        session = await agent.session("slow")
        await agent.text("execute_code", session_id=session, code=NOISE)
        before = proxy.accepted
        proxy.bytes_per_s = 60_000
        code = "display({'image/png': base64.b64encode(png(480)).decode()}, raw=True)"
        reply = await agent.call("execute_code", session_id=session, code=code, wait_s=60)
        assert [block.type for block in reply.content].count("image") == 1, reply
        assert proxy.accepted - before <= 2, "the connection to the kernel broke"
        proxy.bytes_per_s = 0
        await agent.text("shutdown_session", session_id=session)
