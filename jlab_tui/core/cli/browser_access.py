"""How a browser reaches the server: on this machine, or through ssh from a laptop."""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote, urlsplit

from ..link.forward import Forward
from ..server.record import ServerRecord
from ..settings import Mode
from ..slurm.allocation import allocation_here

JUPYTER_LAB: Final = "lab"
LIVE_PAGE: Final = "jlab-mcp/live"


@dataclass(frozen=True, slots=True)
class Access:
    """Addresses of one server, without the token. No browser warns about a certificate at any of them."""

    here: str
    """for a browser on this host"""
    ssh: str
    """the command to type on a laptop"""
    laptop: str
    """the page's address on that laptop while the command runs"""

    def link(self, token: str, *, through_ssh: bool) -> str:
        """Return the address that logs a browser in. Never print or log it."""
        return f"{self.laptop if through_ssh else self.here}?token={token}"


@dataclass(frozen=True, slots=True)
class Login:
    """How a laptop reaches this host by ssh."""

    host: str
    """a name or address"""
    user: str = ""
    own_name: str = ""
    """what this host calls itself"""
    through: str = ""
    """the login node before it, if this is a node of a job"""

    @property
    def target(self) -> str:
        return _at(self.user, self.host)

    @property
    def options(self) -> list[str]:
        return ["-J", _at(self.user, self.through)] if self.through else []


def login_of(own_name: str, env: Mapping[str, str], submit_host: str = "") -> Login:
    """Find out how a laptop reaches this host. `submit_host`: the login node, if this is a node of the job around us."""
    user = env.get("USER") or env.get("LOGNAME") or ""
    if submit_host and submit_host.partition(".")[0] != own_name.partition(".")[0]:
        return Login(own_name, user, own_name, submit_host)
    arrived = env.get("SSH_CONNECTION", "").split()
    is_known = "." not in own_name and len(arrived) == 4 and not _is_loopback(arrived[2])
    return Login(arrived[2] if is_known and _is_address(arrived[2]) else own_name, user, own_name)


def login_here(host: str, env: Mapping[str, str], called: str = "") -> Login:
    """The same from the environment alone. `called`: the name by which a laptop came, with its own user there."""
    if called:
        return Login(called, "", host)
    return login_of(host, env, env.get("SLURM_SUBMIT_HOST", "") if allocation_here(env, host) else "")


def needs_forward(record: ServerRecord, login: Login) -> bool:
    """Whether no browser of this host reaches the server without a warning, or at all: a job presents a certificate that none
    knows, or has no port, and a local server may run on a node of a job."""
    return record.mode is Mode.SLURM or (bool(record.inside_job) and record.hostname != login.own_name)


def access_of(
    record: ServerRecord, login: Login, forward: Forward | None = None, page: str = JUPYTER_LAB
) -> Access:
    """Return the addresses of a page of one server. `forward`: its way on this host, if it needs one."""
    parts = urlsplit(record.url)
    path = f"{parts.path.rstrip('/')}/{page}"
    if forward is not None:
        port, end = forward.port, forward.socket
        here = f"http://127.0.0.1:{port}{path}"
    else:
        port, host = parts.port or record.port, parts.hostname or record.hostname
        inner = "127.0.0.1" if _is_loopback(host) else host
        end = f"[{inner}]:{port}" if ":" in inner else f"{inner}:{port}"
        here = f"{record.url.rstrip('/')}/{page}"
    ssh = shlex.join(["ssh", "-N", *login.options, "-L", f"{port}:{end}", login.target])
    return Access(here, ssh, f"http://127.0.0.1:{port}{path}")


def notebook_page(root: str, notebook: str) -> str:
    """Return the page of a notebook in a JupyterLab whose root directory is `root`; JupyterLab itself for one that is not below it."""
    path, top = PurePosixPath(notebook), PurePosixPath(root)
    if not path.is_relative_to(top) or path == top or ".." in path.parts:
        return JUPYTER_LAB
    return f"{JUPYTER_LAB}/tree/{quote(str(path.relative_to(top)))}"


def _at(user: str, host: str) -> str:
    return f"{user}@{host}" if user else host


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host).is_loopback if _is_address(host) else host == "localhost"
