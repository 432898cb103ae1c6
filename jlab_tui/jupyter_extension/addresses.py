"""Where a server that listens at an IP address is reached: only addresses that it really has are published."""

from __future__ import annotations

import ipaddress
import os
import socket
from typing import Any, List, Tuple


def url_host(ip: str, hostname: str) -> str:
    """Host of the URL of a server that listens at `ip`: the machine's name where it listens at all of its addresses."""
    listening = ipaddress.ip_address(ip)
    if listening.is_unspecified:
        if listening.version == 4 or _known(hostname, socket.AF_INET6):
            return hostname
        listening = ipaddress.ip_address((own_addresses(hostname, ip) or ["::1"])[0])
    return "[%s]" % listening if listening.version == 6 else str(listening)


def own_addresses(hostname: str, ip: str) -> List[str]:
    """Where others may reach a server that listens at all addresses of this machine (`ip` is 0.0.0.0 or ::): those of
    its name, and those of the way to the login node. Empty for one address: that stands in the URL."""
    listening = ipaddress.ip_address(ip)
    if not listening.is_unspecified:
        return []
    family = socket.AF_INET if listening.version == 4 else socket.AF_INET6
    found = [str(address[0]) for address in _known(hostname, family)]
    for address in _known(os.environ.get("SLURM_SUBMIT_HOST", ""), family):
        with socket.socket(family, socket.SOCK_DGRAM) as probe:  # nothing is sent: the system only picks its route
            try:
                probe.connect(address)
                found.append(str(probe.getsockname()[0]))
            except OSError:
                continue
    return [address for address in dict.fromkeys(found) if _is_ours(address, family)]


def _known(name: str, family: int) -> List[Tuple[Any, ...]]:
    try:
        entries = socket.getaddrinfo(name, 9, family=family, type=socket.SOCK_DGRAM) if name else []
    except OSError:
        return []
    return [entry[4] for entry in entries]


def _is_ours(address: str, family: int) -> bool:
    """Whether this machine has the address, and others can reach it there: a hosts file may be wrong."""
    if "%" in address or ipaddress.ip_address(address).is_loopback:
        return False
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
