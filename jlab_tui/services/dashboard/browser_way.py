"""How a user of a dashboard gets to a notebook in JupyterLab: a link that logs in, and what to type on a laptop first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from ...core.cli.browser_access import JUPYTER_LAB, Access, Login, access_of, needs_forward, notebook_page
from ...core.link.forward import Forward

if TYPE_CHECKING:
    from ...core.server.record import ServerRecord
    from ..server.launcher import Launcher


class BrowserWay(Protocol):
    """Every method raises JlabError when there is no way."""

    async def link(self, notebook: str) -> str:
        """An address that logs a browser in, at a notebook if JupyterLab has it. Never show or log it."""
        ...

    async def ssh(self) -> str:
        """The command that a laptop needs first."""
        ...


class JupyterLabWay:
    """The way to this project's server."""

    def __init__(
        self,
        launcher: Callable[[], Launcher],
        open_forward: Callable[[], Awaitable[Forward]],
        login: Login,
        root_dir: str,
        *,
        through_ssh: bool,
    ) -> None:
        """`root_dir`: JupyterLab's. `through_ssh`: the user came by ssh, so that the browser is elsewhere."""
        self._launcher = launcher
        self._open_forward = open_forward
        self._login = login
        self._root_dir = root_dir
        self._through_ssh = through_ssh

    async def link(self, notebook: str) -> str:
        record, access = await self._access(notebook_page(self._root_dir, notebook))
        return access.link(record.token, through_ssh=self._through_ssh)

    async def ssh(self) -> str:
        return (await self._access(JUPYTER_LAB))[1].ssh

    async def _access(self, page: str) -> tuple[ServerRecord, Access]:
        record = await self._launcher().ready_record()
        forward = await self._open_forward() if needs_forward(record, self._login) else None
        return record, access_of(record, self._login, forward, page)
