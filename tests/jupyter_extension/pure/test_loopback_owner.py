from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.jupyter_extension.loopback_owner import NotAccepted, owner, owner_of, tables

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
NEAR, FAR = ("127.0.0.1", 40_000), ("127.0.0.1", 18_000)


def row(local: str, remote: str, uid: int, state: str = "01", inode: int = 815) -> str:
    return f"   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000  {uid}        0 {inode} 1 0 20 4 30 10 -1\n"


def hexed(address: str, port: int) -> str:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    raw = socket.inet_pton(family, address)
    return "".join(raw[at : at + 4][::-1].hex() for at in range(0, len(raw), 4)).upper() + f":{port:04X}"


def ends(near: tuple[str, int], far: tuple[str, int], uid: int, state: str = "01") -> str:
    """Both ends of a connection: ours, and the far one, which belongs to `uid`."""
    return row(hexed(*near), hexed(*far), 1000) + row(hexed(*far), hexed(*near), uid, state)


def test_the_far_ends_owner_counts_not_the_near_ones() -> None:
    assert owner_of(HEAD + ends(NEAR, FAR, 4711), NEAR, FAR) == 4711


@pytest.mark.parametrize("state", ["06", "0A", "03"], ids=["time-wait", "listening", "half-open"])
def test_only_an_established_connection_counts(state: str) -> None:
    assert owner_of(HEAD + ends(NEAR, FAR, 4711, state), NEAR, FAR) is None


def test_another_connection_to_the_same_port_tells_nothing() -> None:
    assert owner_of(HEAD + ends(("127.0.0.1", 40_001), FAR, 4711), NEAR, FAR) is None
    assert owner_of(HEAD + ends(("127.0.0.2", 40_000), FAR, 4711), NEAR, FAR) is None


def test_a_server_on_both_families_is_found_in_the_table_of_ipv6() -> None:
    mapped = row(hexed("::ffff:127.0.0.1", 18_000), hexed("::ffff:127.0.0.1", 40_000), 4711)
    assert owner_of(HEAD + mapped, NEAR, FAR) == 4711


@given(
    st.ip_addresses(),
    st.ip_addresses(),
    st.integers(1, 65_535),
    st.integers(1, 65_535),
    st.integers(0, 2**32 - 2),
)
def test_any_pair_of_addresses_is_read_as_the_kernel_writes_it(
    near: object, far: object, near_port: int, far_port: int, uid: int
) -> None:
    here, there = (str(near), near_port), (str(far), far_port)
    assert owner_of(row(hexed(*there), hexed(*here), uid), here, there) == uid


@pytest.mark.parametrize("damaged", ["0100007F:XYZ", "0100007G:4650", "01:4650", "0100007F", ":"])
def test_a_line_with_a_damaged_address_is_passed_over(damaged: str) -> None:
    table = row(damaged, hexed(*NEAR), 1) + row(hexed(*FAR), damaged, 2)
    assert owner_of(table, NEAR, FAR) is None
    assert owner_of(table + ends(NEAR, FAR, 4711), NEAR, FAR) == 4711


def test_a_line_that_ends_before_the_owner_is_passed_over() -> None:
    cut = " ".join(ends(NEAR, FAR, 4711).splitlines()[1].split()[:9])
    assert owner_of(cut, NEAR, FAR) is None
    assert owner_of(f"{cut} 815", NEAR, FAR) == 4711


@given(st.text(st.characters(codec="ascii")))
def test_a_table_that_is_not_understood_names_nobody(text: str) -> None:
    assert owner_of(text, NEAR, FAR) is None


@pytest.mark.parametrize("uid", [0, 4711])
def test_an_end_that_nobody_has_accepted_has_no_owner_yet(uid: int) -> None:
    """Linux before 6.17 shows root there, whoever listens: root would take a stranger for itself."""
    table = HEAD + row(hexed(*NEAR), hexed(*FAR), 1000) + row(hexed(*FAR), hexed(*NEAR), uid, inode=0)
    with pytest.raises(NotAccepted):
        owner_of(table, NEAR, FAR)


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="only Linux has these tables")
async def test_the_running_kernel_tells_the_owner_once_the_connection_is_accepted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        far = listener.getsockname()
        with socket.create_connection(far) as client:
            near = client.getsockname()
            with pytest.raises(NotAccepted):
                owner_of(tables(), near, far)
            waiting = asyncio.create_task(owner(near, far))
            await asyncio.wait({waiting}, timeout=0.1)
            assert not waiting.done()
            with listener.accept()[0]:
                assert await waiting == Path("/proc/self").stat().st_uid
    assert tables(["/nonexistent"]) == ""
