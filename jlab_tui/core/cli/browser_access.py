"""How a browser reaches the server: directly, or through ssh from a laptop."""

from __future__ import annotations

import ipaddress
import shlex
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..server.record import ServerRecord
from ..settings import Mode


@dataclass(frozen=True, slots=True)
class Access:
    """Addresses of one server. No token is in any of them."""

    url: str
    ssh: str
    """the line to type on a laptop that reaches the login node only"""
    local_url: str
    """where JupyterLab is on that laptop then"""

    def link(self, token: str, *, through_ssh: bool) -> str:
        """The address that logs a browser in. It must not be printed or logged."""
        return f"{self.local_url if through_ssh else self.url}?token={token}"


def access_of(record: ServerRecord, user: str, login_host: str) -> Access:
    """`login_host`: the machine that a laptop can reach by ssh."""
    parts = urlsplit(record.url)
    port = parts.port or record.port
    host = parts.hostname or record.hostname
    target, path = _at(user, login_host), parts.path.rstrip("/") + "/lab"
    if record.mode is Mode.SLURM and record.socket:
        # Through the node's own sshd to the socket: what the port shows is a certificate that no browser knows.
        way = ["-J", target, "-L", f"{port}:{record.socket}", _at(user, host)]
    else:
        inner = "127.0.0.1" if _is_loopback(host) else host
        shown = f"[{inner}]" if ":" in inner else inner
        way = ["-L", f"{port}:{shown}:{port}", target]
    ssh = shlex.join(["ssh", "-N", *way])
    return Access(record.url.rstrip("/") + "/lab", ssh, f"http://127.0.0.1:{port}{path}")


def _at(user: str, host: str) -> str:
    return f"{user}@{host}" if user else host


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
