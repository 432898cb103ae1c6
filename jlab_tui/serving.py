"""`jlab-mcp` without a command: the relay that an MCP client starts, the worker behind it, a stand-in for that, or what runs a user's own cells."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import socket
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from . import far_end
from .core.errors import ServerUnreachable, SessionOwned
from .core.settings import Settings
from .core.ssh.place import parse_place

if TYPE_CHECKING:
    from .mcp_server.context import App
    from .mcp_server.context_source import AppSource
    from .mcp_server.stdio import CancelReasons


def serve(arguments: argparse.Namespace) -> int:
    if arguments.own_cells:
        return asyncio.run(_own_cells(arguments.own_cells))
    if not arguments.worker:
        from .relay_process import run_relay

        place = arguments.ssh and parse_place(arguments.ssh, program=arguments.program, pin=arguments.pin)
        return run_relay(place or None)
    if arguments.stand_in:
        from .mcp_server import tool_server

        tool_server.serve(lambda reasons: _refusing_source(arguments.stand_in, reasons))
        return 0
    gc.disable()  # while modules load: collecting among permanent objects takes a tenth of the time to the first reply
    from .wiring.settings import settings_of

    settings = settings_of(os.environ, for_client=True)
    from .mcp_server import tool_server

    gc.freeze()
    gc.enable()
    if arguments.at is not None:
        far_end.begin()
    # A client that names no conversation keeps its sessions by the relay, which lives as long as the client does.
    env = {"CLAUDE_CODE_SESSION_ID": arguments.relay and f"relay-{arguments.relay}", **os.environ}
    key = far_end.read_key(arguments.key_fd) if arguments.key_fd is not None else None
    machine = f"{arguments.at.host} ({socket.gethostname()})" if arguments.at is not None else ""
    relay, generation = arguments.relay, arguments.generation
    tool_server.serve(
        lambda reasons: _app_source(settings, env, reasons, relay, generation),
        key,
        machine,
    )
    gc.freeze()  # nothing is looked through for garbage at the end, for which a client leaves 0.6 s in all
    return 0


async def _own_cells(session_id: str) -> int:
    """Run the cells that users have asked for in a session that no client has; any client may take it away."""
    from .core.server.record import FOR_OWN_CELLS
    from .core.settings import OnExit
    from .mcp_server.stdio import CancelReasons
    from .wiring.mcp import make_app
    from .wiring.settings import settings_of

    env = {name: value for name, value in os.environ.items() if name != "CLAUDE_CODE_SESSION_ID"}
    settings = replace(settings_of(env), on_exit=OnExit.KEEP)
    app = await make_app(settings, env, CancelReasons(), FOR_OWN_CELLS)
    try:
        with contextlib.suppress(SessionOwned):  # whoever has it runs them
            session = await app.sessions.get(session_id)
            await session.own_cells.over()
    finally:
        await app.close()
    return 0


def _refusing_source(sentence: str, reasons: CancelReasons) -> AppSource:
    """What answers while there is no line to the machine where everything is."""
    from .mcp_server.context_source import AppSource

    async def refuse() -> App:
        raise ServerUnreachable(sentence, "Nothing was done. Call this tool again after that.")

    return AppSource(refuse, lambda: None, reasons)


def _app_source(
    settings: Settings, env: Mapping[str, str], reasons: CancelReasons, relay: str, generation: int
) -> AppSource:
    """Load the tools' application after the first reply: in a thread, or with the first call."""
    from .mcp_server.context_source import AppSource

    def preload() -> None:
        from .wiring import mcp  # noqa: F401

    async def make() -> App:
        from .wiring.mcp import make_app

        return await make_app(settings, env, reasons, relay, generation)

    return AppSource(make, preload, reasons, is_successor=generation > 1)
