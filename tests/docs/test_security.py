"""The table of docs/security.md: what is written where, with which rights."""

from __future__ import annotations

import stat
from pathlib import Path

from tests.project import Project


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_files_have_the_permissions_that_the_page_names(shared_server: Project) -> None:
    async with shared_server.client() as agent:
        session = await agent.session("rights")
        await agent.text("execute_code", session_id=session, code="print('written')")
    state = shared_server.home / ".jlab-mcp"
    for directory in (state, state / "servers", state / "logs", shared_server.status_dir):
        assert mode(directory) == 0o700, directory
    for name in ("connections", "sessions", "spool", "fifos"):
        assert mode(shared_server.status_dir / name) == 0o700, name
    private = [
        shared_server.status_dir / "server-status",
        *(shared_server.status_dir / "connections").iterdir(),
        *(path for path in (shared_server.status_dir / "spool").rglob("*") if path.is_file()),
        *(state / "logs").iterdir(),
    ]
    journals = [path for path in (shared_server.status_dir / "sessions").iterdir() if path.is_file()]
    assert journals and {mode(path) for path in journals} <= {0o600, 0o400}
    assert len(private) > 4
    assert {path.name: oct(mode(path)) for path in private if path.is_file() and mode(path) != 0o600} == {}
