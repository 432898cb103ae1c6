"""The tools as a client lists them, from a server that has no application behind it."""

from __future__ import annotations

from typing import NoReturn

from mcp_types import Tool

from jlab_tui.mcp_server.context_source import AppSource
from jlab_tui.mcp_server.stdio import CancelReasons
from jlab_tui.mcp_server.tool_server import JlabServer, make_server


def server_without_app() -> JlabServer:
    async def no_app() -> NoReturn:
        raise AssertionError("no tool is called here")

    return make_server(AppSource(no_app, lambda: None, CancelReasons()))


async def listed_tools() -> dict[str, Tool]:
    return {tool.name: tool for tool in await server_without_app().list_tools()}
