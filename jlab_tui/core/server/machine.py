"""Identifies the machine of a process. A host name is not enough: laptops and containers change theirs while they run."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Machine:
    """One boot of one machine, as its processes see it."""

    name: str
    """host name"""
    boot: str = ""
    """id of the boot; empty if the system has none"""
    processes: str = ""
    """namespace of its process ids; each container and each sandbox has its own"""
    network: str = ""
    """namespace of its network; each container has its own loopback address, and a sandbox may share one"""

    @property
    def text(self) -> str:
        return f"{self.boot} {self.processes} {self.network}".strip()

    def shares_loopback(self, launcher: str, machine: str) -> bool:
        """Return whether a loopback address recorded on `machine` reaches the same server from here."""
        boot, _, network = _parts(machine)
        return network == self.network if boot and boot == self.boot else launcher == self.name

    def has(self, launcher: str, machine: str) -> bool:
        """Return whether a process id recorded by host `launcher` on `machine` (`Machine.text`, or empty) is one of this machine.

        The boot id decides. After a reboot the host name decides: the machine itself knows that its old processes are gone.
        """
        boot, processes, _ = _parts(machine)
        if boot and boot == self.boot:
            return processes == self.processes
        return launcher == self.name


def _parts(machine: str) -> tuple[str, str, str]:
    boot, processes, network = (*machine.split(" "), "", "", "")[:3]
    return boot, processes, network


def is_loopback(url: str) -> bool:
    """Return whether an address refers to a different server on every machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def address_there(url: str) -> str:
    """Return `ADDRESS:PORT` at which a server that listens at `url` is reached on its own machine; empty without a port."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if port is None:
        return ""
    try:
        own = ipaddress.ip_address(parts.hostname or "")
    except ValueError:
        return f"127.0.0.1:{port}"  # a name stands for all addresses
    return f"[{own}]:{port}" if own.version == 6 else f"{own}:{port}"
