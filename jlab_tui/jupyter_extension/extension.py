"""Loads the extension into a running jupyter_server: its routes, its state, limits for strangers, and TCP_NODELAY."""

from __future__ import annotations

import atexit
import logging
import os
import socket
import tempfile
from typing import Any, Dict

from .claims import Graces, configured
from .descriptors import give_back, refuse_last
from .handlers import routes
from .idle_watch import IdleWatch
from .kernel_command import add_to_kernels
from .kernel_environment import run_in_own_environment
from .kernel_transport import use_sockets
from .live_handlers import live_routes
from .live_service import LiveService, around_of
from .service import ExtensionService
from .strangers import guard
from .stream_spooler import StreamLimits
from .unix_socket import folder_of_sockets

log = logging.getLogger("jlab_mcp_extension")

CONFIG_SECTION = "JlabMcpExtension"


def _load_jupyter_server_extension(app: Any) -> None:
    """Called by jupyter_server once, before it listens."""
    config: Dict[str, Any] = dict(app.config.get(CONFIG_SECTION, {}))
    spool_dir = config.get("spool_dir") or os.path.join(tempfile.mkdtemp(prefix="jlab-mcp-"), "spool")
    hostname = config.get("hostname") or socket.gethostname()
    service = ExtensionService(app, str(spool_dir), configured(Graces(), config), limits_of(config), hostname)
    service.silence_s = float(config.get("silence_s", service.silence_s))
    service.endings.end_s = float(config.get("end_s", service.endings.end_s))
    base_url = app.web_app.settings["base_url"]
    live = LiveService(str(config.get("sessions_dir") or ""), around_of(service))
    app.web_app.add_handlers(".*$", routes(base_url, service) + live_routes(base_url, live))
    if config.get("idle_end_h"):
        service.idle_watch = IdleWatch(float(config["idle_end_h"]), app.web_app.settings, app.kernel_manager)
    guard(app)
    service.start()
    folder = folder_of_sockets()
    if folder is None:
        log.warning(
            "jlab-mcp: no place for Unix sockets: other accounts on this machine can read what kernels print"
        )

    kernels_limits = getattr(app, "kernels_limits", None)

    def prepare(manager: Any) -> None:
        refuse_last()
        if folder is not None:
            use_sockets(manager, folder)
        run_in_own_environment(manager)
        service.endings.watch(manager)
        if kernels_limits is not None:
            give_back(manager, kernels_limits)

    add_to_kernels(app.kernel_manager, prepare)
    atexit.register(service.stop)
    _send_without_delay(app.log)


load_jupyter_server_extension = _load_jupyter_server_extension


def limits_of(config: Dict[str, Any]) -> StreamLimits:
    """Return the limits in bytes, overridden by the configuration: `limits: {cache, pause, memory, disk}`."""
    known = {key: int(value) for key, value in dict(config.get("limits") or {}).items()}
    return StreamLimits(**known)


def _send_without_delay(app_log: Any) -> None:
    """Switch Nagle's algorithm off on Jupyter's own kernel websockets, which saves 40 ms for each cell.

    Wraps an undocumented method; a server without it keeps the delay.
    """
    try:
        from jupyter_server.services.kernels import websocket as stock

        handler = stock.KernelWebsocketHandler
        original = handler.open
    except (ImportError, AttributeError) as error:
        app_log.info("jlab-mcp: kernel websockets keep Nagle's delay (%s)", error)
        return

    async def open_without_delay(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.set_nodelay(True)
        return await original(self, *args, **kwargs)

    handler.open = open_without_delay
