"""A published address is one that the server listens at."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

import pytest

from jlab_tui.jupyter_extension.addresses import own_addresses
from tests.jupyter_extension.servers import serving

NAME = socket.gethostname()


def interface() -> str:
    """An address of this machine that is not its loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent: the system only picks its route
        except OSError:
            pytest.skip("this machine has no network")
        return str(probe.getsockname()[0])


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("ip", ["0.0.0.0", "127.0.0.1", "::", "::1", "an interface"])
def test_the_server_answers_at_the_url_that_it_publishes(tmp_path: Path, ip: str) -> None:
    if ":" in ip and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    with serving(tmp_path / "s", lab=False, ip=interface() if ip == "an interface" else ip) as server:
        assert server.http.get("api/status").status_code == 200


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1", "10.0.0.5"])
def test_a_server_at_one_address_publishes_no_other(ip: str) -> None:
    assert own_addresses(interface(), ip) == []


@pytest.mark.parametrize(("ip", "version"), [("0.0.0.0", 4), ("::", 6)])
def test_only_addresses_of_this_machine_that_it_listens_at_are_published(ip: str, version: int) -> None:
    for name in (NAME, interface(), "localhost"):
        for address in own_addresses(name, ip):
            found = ipaddress.ip_address(address)
            assert found.version == version and not found.is_loopback
            family = socket.AF_INET if version == 4 else socket.AF_INET6
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.bind((address, 0))


def test_an_address_that_a_wrong_hosts_file_gives_this_machine_is_not_published() -> None:
    assert own_addresses("192.0.2.77", "0.0.0.0") == []
    assert own_addresses(interface(), "0.0.0.0") == [interface()]
