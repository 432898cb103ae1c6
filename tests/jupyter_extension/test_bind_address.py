"""Where a server listens: each node resolves the setting to an address of its own."""

from __future__ import annotations

import socket

import pytest

from jlab_tui.jupyter_extension.bind_address import interface_addresses, is_here, parse_if_inet6, resolve

FOUND = [
    ("lo", "127.0.0.1"),
    ("eth0", "192.0.2.7"),
    ("ib0", "10.1.4.9"),
    ("ib0", "10.1.4.10"),
    ("ib0", "2001:db8::9"),
]


@pytest.mark.parametrize(
    ("wanted", "address"),
    [
        ("0.0.0.0", "0.0.0.0"),
        ("10.1.4.10", "10.1.4.10"),
        ("10.9.9.9", "10.9.9.9"),
        ("ib0", "10.1.4.9"),
        ("ib1", None),
        ("10.1.0.0/16", "10.1.4.9"),
        ("10.1.4.10/32", "10.1.4.10"),
        ("2001:db8::/32", "2001:db8::9"),
        ("172.16.0.0/12", None),
    ],
)  # fmt: skip
def test_an_address_a_network_or_an_interface_is_resolved_on_the_node(
    wanted: str, address: str | None
) -> None:
    assert resolve(wanted, FOUND) == address


def test_the_loopback_interface_is_found_and_another_machines_address_is_none_of_ours() -> None:
    name = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    assert (name, "127.0.0.1") in interface_addresses()
    assert all(is_here(address) for _, address in interface_addresses())
    assert not is_here("192.0.2.1") and is_here("0.0.0.0")


def test_link_local_addresses_are_left_out() -> None:
    text = (
        "00000000000000000000000000000001 01 80 10 80       lo\n"
        "fe800000000000000000000000000001 02 40 20 80     eth0\n"
        "20010db8000000000000000000000009 03 40 00 80      ib0\n"
        "broken\n"
    )
    assert parse_if_inet6(text) == [("lo", "::1"), ("ib0", "2001:db8::9")]
