"""Finds the addresses at which others reach a listening server, only those that it really has."""

from __future__ import annotations

import ipaddress
import os
import socket
from typing import Any, List, Tuple

from .bind_address import is_here


def url_host(ip: str, hostname: str) -> str:
    """Return the URL's host for a server that listens at `ip`: the machine's name if it listens at all addresses."""
    listening = ipaddress.ip_address(ip)
    if listening.is_unspecified:
        if listening.version == 4 or _known(hostname, socket.AF_INET6):
            return hostname
        listening = ipaddress.ip_address((own_addresses(hostname, ip) or ["::1"])[0])
    return "[%s]" % listening if listening.version == 6 else str(listening)


def own_addresses(hostname: str, ip: str) -> List[str]:
    """Return the addresses of a server that listens at all of them (`ip` is 0.0.0.0 or ::): those of the machine's name and
    of its route to the login node. Empty if it listens at one address, which is in the URL."""
    listening = ipaddress.ip_address(ip)
    if not listening.is_unspecified:
        return []
    family = socket.AF_INET if listening.version == 4 else socket.AF_INET6
    found = [str(address[0]) for address in _known(hostname, family)]
    for address in _known(os.environ.get("SLURM_SUBMIT_HOST", ""), family):
        with socket.socket(
            family, socket.SOCK_DGRAM
        ) as probe:  # sends nothing: the system only picks a route
            try:
                probe.connect(address)
                found.append(str(probe.getsockname()[0]))
            except OSError:
                continue
    return [address for address in dict.fromkeys(found) if _is_ours(address)]


def _known(name: str, family: int) -> List[Tuple[Any, ...]]:
    try:
        entries = socket.getaddrinfo(name, 9, family=family, type=socket.SOCK_DGRAM) if name else []
    except OSError:
        return []
    return [entry[4] for entry in entries]


def _is_ours(address: str) -> bool:
    """Whether this machine has the address and others can reach it: a hosts file may be wrong."""
    return "%" not in address and not ipaddress.ip_address(address).is_loopback and is_here(address)
