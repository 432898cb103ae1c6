"""How a browser reaches the server: directly, or through ssh from a laptop."""

from __future__ import annotations

import ipaddress
import re
import shlex
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..server.record import ServerRecord
from ..settings import Mode


@dataclass(frozen=True, slots=True)
class Access:
    """Addresses of one server. None of them contains the token."""

    url: str
    """empty for a server without a port"""
    ssh: str
    """the command to type on a laptop that reaches only the login node"""
    local_url: str
    """JupyterLab's address on that laptop while the command runs"""

    def link(self, token: str, *, through_ssh: bool) -> str:
        """Return the address that logs a browser in. Never print or log it."""
        return f"{self.local_url if through_ssh or not self.url else self.url}?token={token}"


def access_of(record: ServerRecord, user: str, login_host: str, bridge: str = "") -> Access:
    """Return the addresses of one server; `login_host` is the machine that a laptop reaches by ssh.

    `bridge`: path of a socket on the login host that leads to the server; empty if there is none.
    """
    parts = urlsplit(record.url)
    port = parts.port or record.port or _own_port(record.job_id)
    host = parts.hostname or record.hostname
    target, path = _at(user, login_host), parts.path.rstrip("/") + "/lab"
    if bridge:
        way = ["-L", f"{port}:{bridge}", target]
    elif record.mode is Mode.SLURM and record.socket:
        # Tunnel to the socket through the node's own sshd: no browser knows the certificate that the port presents.
        way = ["-J", target, "-L", f"{port}:{record.socket}", _at(user, host)]
    else:
        inner = "127.0.0.1" if _is_loopback(host) else host
        shown = f"[{inner}]" if ":" in inner else inner
        way = ["-L", f"{port}:{shown}:{port}", target]
    ssh = shlex.join(["ssh", "-N", *way])
    return Access(record.url and record.url.rstrip("/") + "/lab", ssh, f"http://127.0.0.1:{port}{path}")


def _own_port(job_id: str) -> int:
    """A port for a laptop that is probably free there, the same each time."""
    return 18000 + int(re.sub(r"\D", "", job_id) or 0) % 1000


def _at(user: str, host: str) -> str:
    return f"{user}@{host}" if user else host


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
