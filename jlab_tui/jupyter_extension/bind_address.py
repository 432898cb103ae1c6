"""Finds the address to listen at: the setting names an address, or a network or interface, whose address differs by node."""

from __future__ import annotations

import ipaddress
import socket
import struct
from typing import List, Optional, Tuple

_SIOCGIFCONF = 0x8912
_ENTRY = 40
"""size of Linux's `struct ifreq` on 64-bit machines: 16 bytes of name, then a socket address"""

Found = List[Tuple[str, str]]
"""interfaces and their addresses, in the system's order"""


def resolve(wanted: str, found: Found) -> Optional[str]:
    """Return the address that `wanted` means: itself, or the first in its network or on its interface. None if there is none."""
    if "/" in wanted:
        network = ipaddress.ip_network(wanted, strict=False)
        return next((address for _, address in found if ipaddress.ip_address(address) in network), None)
    try:
        return str(ipaddress.ip_address(wanted))
    except ValueError:
        return next((address for name, address in found if name == wanted), None)


def is_here(ip: str) -> bool:
    """Whether this machine can listen at the address."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((ip, 0))
    except OSError:
        return False
    return True


def interface_addresses() -> Found:
    """Return this machine's addresses; empty except on Linux."""
    return [*_ipv4(), *_ipv6()]


def _ipv4() -> Found:
    try:
        import array
        import fcntl

        names = array.array("B", b"\0" * _ENTRY * 512)
        place, size = names.buffer_info()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            answer = fcntl.ioctl(probe.fileno(), _SIOCGIFCONF, struct.pack("iL", size, place))
    except (ImportError, OSError):
        return []
    raw = names.tobytes()[: struct.unpack("iL", answer)[0]]
    entries = [raw[at : at + _ENTRY] for at in range(0, len(raw), _ENTRY)]
    return [
        (entry[:16].split(b"\0", 1)[0].decode().partition(":")[0], socket.inet_ntoa(entry[20:24]))
        for entry in entries
    ]


def _ipv6() -> Found:
    try:
        with open("/proc/net/if_inet6", encoding="ascii") as file:
            return parse_if_inet6(file.read())
    except OSError:
        return []


def parse_if_inet6(text: str) -> Found:
    """Parse Linux's /proc/net/if_inet6; link-local addresses, which need a zone, are left out."""
    found = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) == 6 and fields[3] != "20":
            found.append((fields[5], str(ipaddress.IPv6Address(bytes.fromhex(fields[0])))))
    return found
