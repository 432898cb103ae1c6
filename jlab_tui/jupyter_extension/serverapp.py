"""Runs Jupyter's server application with our settings merged into the user's, and publishes its address.

A subclass, because other ways lose the user's settings: arguments replace dictionaries, and `--config` replaces the
user's configuration files.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from typing import Any, List, Mapping, Optional

from jupyter_core.paths import jupyter_data_dir, jupyter_runtime_dir
from jupyter_server.serverapp import ServerApp
from traitlets import default
from traitlets.config import Config

from . import __version__, server_log
from .addresses import own_addresses, url_host
from .descriptors import Limits, raise_limit
from .runtime_directory import private_runtime_dir
from .unix_socket import UnixSocket, open_socket

EXTENSION = __package__ or "jlab_mcp_extension"
MESSAGE_BYTES = 256 << 20
BODY_BYTES = 1 << 30
EXIT_PORT_TAKEN = 98

log = logging.getLogger("jlab_mcp_extension")


def settings(config: Mapping[str, Any], ip: str, port: int) -> Config:
    """Return settings that override the user's: address, token, no limits on output, early notice of a dead kernel."""
    ours = Config()
    ours.ServerApp.ip = ip
    ours.ServerApp.port = port
    ours.ServerApp.port_retries = 0
    ours.ServerApp.sock = ""
    if config.get("link"):
        ours.ServerApp.base_url = "/"  # no proxy of the user's leads here
    ours.ServerApp.open_browser = False
    if "no_browser_open_file" in ServerApp.class_trait_names():
        ours.ServerApp.no_browser_open_file = True
    ours.ServerApp.max_body_size = BODY_BYTES
    ours.ServerApp.max_buffer_size = BODY_BYTES
    if config.get("root_dir"):
        ours.ServerApp.root_dir = config["root_dir"]
    if os.name == "posix" and os.geteuid() == 0:
        ours.ServerApp.allow_root = True
    if config.get("certfile"):  # this run's key and certificate
        ours.ServerApp.certfile = config["certfile"]
        ours.ServerApp.keyfile = ""
        ours.ServerApp.client_ca = ""
        ours.ServerApp.ssl_options = {}
    ours.IdentityProvider.token = config["token"]
    ours.ZMQChannelsWebsocketConnection.limit_rate = False
    ours.KernelRestarter.time_to_dead = 0.5
    if config.get("default_kernel"):
        ours.MultiKernelManager.default_kernel_name = config["default_kernel"]
        ours.MappingKernelManager.default_kernel_name = config["default_kernel"]
    kept = (
        "spool_dir",
        "sessions_dir",
        "exit_grace_s",
        "exit_grace_by",
        "idle_end_h",
        "unclaimed_busy_grace_s",
        "reconnect_grace_s",
        "silence_s",
        "end_s",
        "hostname",
        "limits",
    )
    ours.JlabMcpExtension = Config({key: config[key] for key in kept if config.get(key) is not None})
    return ours


def merge(user: Config, ours: Config) -> None:
    """Override the user's settings with ours, but keep the user's entries in the two shared dictionaries."""
    server = user.ServerApp
    # Deprecated names of our settings would override them, or warn.
    for name in ("token", "password_required", "iopub_data_rate_limit", "iopub_msg_rate_limit"):
        server.pop(name, None)
    extensions = dict(server.get("jpserver_extensions", {}))
    tornado = dict(server.get("tornado_settings", {}))
    user.merge(ours)
    user.ServerApp.jpserver_extensions = {**extensions, EXTENSION: True}
    user.ServerApp.tornado_settings = {
        "ws_ping_interval": 10_000,
        "ws_ping_timeout": 30_000,
        "websocket_max_message_size": MESSAGE_BYTES,
        **tornado,
    }


class ExtensionServerApp(ServerApp):  # type: ignore[misc]
    """Merges our settings after it read the user's files."""

    name = "jupyter-server"
    ours = Config()
    kernelspec_dirs: List[str] = []
    kernels_limits: Optional[Limits] = None
    """Of open files, for kernels; None if they have the server's."""
    has_port = True

    @default("runtime_dir")
    def _private_runtime_dir(self) -> str:
        usual = os.path.join(jupyter_data_dir(), "runtime")
        return private_runtime_dir(jupyter_runtime_dir(), usual, is_job="certfile" in self.ours.ServerApp)

    async def cleanup_kernels(self) -> None:
        """End the kernels. Jupyter keeps one that could not start among the pending ones, does not find it here, and then
        never ends itself."""
        manager = self.kernel_manager
        pending = getattr(manager, "_pending_kernels", {})
        for kernel_id in set(pending) - set(manager.list_kernel_ids()):
            pending.pop(kernel_id).cancel()
        await super().cleanup_kernels()

    def load_config_file(self, *args: Any, **kwargs: Any) -> None:
        super().load_config_file(*args, **kwargs)
        merged = Config(self.config)
        merge(merged, self.ours)
        self.update_config(merged)

    def init_resources(self) -> None:
        super().init_resources()
        self.kernels_limits = raise_limit()

    def write_browser_open_files(self) -> None:
        """Write none: they contain the token, and anybody may read them. Older servers have no setting for this."""

    def _bind_http_server_tcp(self) -> bool:
        """Listen at the port, unless the server is reached at its socket only."""
        return bool(super()._bind_http_server_tcp()) if self.has_port else True

    def _find_http_port(self) -> None:
        """End as Jupyter does when the port was taken meanwhile. Its own method looks at IPv4 only in early versions (2.0)."""
        if not _bindable(self.ip, self.port):
            self.exit(1)

    def init_configurables(self) -> None:
        super().init_configurables()
        extra = [os.path.join(folder, "kernels") for folder in self.kernelspec_dirs]
        self.kernel_spec_manager.kernel_dirs = [*extra, *self.kernel_spec_manager.kernel_dirs]
        _log_in_through_forwards(self.identity_provider)


def _log_in_through_forwards(provider: Any) -> None:
    """Let a browser keep its login that speaks plain HTTP to a forward on its own machine, and the forward TLS to our port: a
    cookie marked `Secure` would be dropped."""
    usual = provider.set_login_cookie

    def set_login_cookie(handler: Any, user: Any) -> None:
        if handler.request.host_name in ("127.0.0.1", "localhost"):
            handler.request.protocol = "http"
        usual(handler, user)

    provider.set_login_cookie = set_login_cookie


def run(config: Mapping[str, Any], ip: str, port: int) -> int:
    """Serve until the server is stopped; returns the exit code."""
    ExtensionServerApp.ours = settings(config, ip, port)
    ExtensionServerApp.has_port = not config.get("link")
    ExtensionServerApp.kernelspec_dirs = list(config.get("kernelspec_dirs") or [])
    published: List[str] = []
    sockets: List[UnixSocket] = []
    try:
        application, package = _application()
        # JupyterLab's own start-up uses the existing instance.
        app = ExtensionServerApp.instance(**({"jpserver_extensions": {package: True}} if package else {}))
        if application is None:
            app.initialize(argv=[])
        else:
            application.initialize_server(argv=[])
        app.io_loop.add_callback(server_log.bound)
        app.io_loop.add_callback(lambda: _publish(app, config, ip, published, sockets))
        app.start()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
        if code and not published and not _bindable(ip, port):
            return EXIT_PORT_TAKEN
        return code
    finally:
        _withdraw(published, sockets)
    return 0


def _application() -> tuple[Optional[Any], Optional[str]]:
    try:
        from jupyterlab.labapp import LabApp
    except ImportError:
        return None, None
    return LabApp, LabApp.get_extension_package()


def _publish(
    app: Any, config: Mapping[str, Any], ip: str, published: List[str], sockets: List[UnixSocket]
) -> None:
    """Open the socket and write the connection file. Called on the event loop once the server listens."""
    opened = open_socket(app)
    if opened is not None:
        sockets.append(opened)
    elif config.get("link"):
        log.error(
            "jlab-mcp: error: without a place for a Unix socket, JLAB_MCP_LINK=%s cannot work here",
            config["link"],
        )
        raise SystemExit(1)
    path = config.get("connection_file")
    if not path:
        return
    hostname = config.get("hostname") or socket.gethostname()
    facts = {
        "hostname": hostname,
        "ip": ip,
        "port": app.port,
        "pid": os.getpid(),
        "pid_start": process_start(),
        "url": _url(app, ip, hostname),
        "version": __version__,
        "started": time.time(),
        "socket": opened.path if opened is not None else "",
    }
    if config.get("environment"):
        facts["environment"] = config["environment"]
    if config.get("link"):
        facts.update(url="", port=0, link=config["link"], token_file=config["token_file"])
    elif config.get("certfile"):
        facts.update(
            certfile=config["certfile"],
            token_file=config["token_file"],
            addresses=own_addresses(hostname, ip),
        )
    temporary = "%s.%d.tmp" % (path, os.getpid())
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(facts, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    published.append(path)


def _url(app: Any, ip: str, hostname: str) -> str:
    scheme = "https" if getattr(app, "certfile", "") else "http"
    return "%s://%s:%d%s" % (scheme, url_host(ip, hostname), app.port, app.base_url)


def _withdraw(published: List[str], sockets: List[UnixSocket]) -> None:
    for opened in sockets:
        opened.close()
    for path in published:
        try:
            os.unlink(path)
        except OSError:
            pass


def _bindable(ip: str, port: int) -> bool:
    from .launch import port_is_free

    return port_is_free(ip, port)


def process_start() -> Optional[int]:
    """Return this process's start time in clock ticks (field 22 of /proc/self/stat), which a later process with its PID lacks."""
    try:
        with open("/proc/self/stat", encoding="utf-8") as file:
            return int(file.read().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None
