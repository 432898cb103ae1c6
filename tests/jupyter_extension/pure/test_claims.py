"""Who owns a kernel, and when an unowned one is shut down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.jupyter_extension.claims import (
    Claims,
    Graces,
    Granted,
    Ownerless,
    Refused,
    configured,
    owned_by,
)

GRACES = Graces(exit_s=30, unclaimed_busy_s=600, reconnect_s=20)


def owner(client: str) -> dict[str, object]:
    return {"client": client, "host": "h"}


def claims_of(client: str, on_exit: str | None = None) -> Claims:
    claims = Claims(GRACES)
    claims.claim("k", "s", owner(client), False, 0.0, on_exit)
    return claims


def test_a_claim_is_refused_only_while_its_owners_connection_lives() -> None:
    claims = claims_of("a")
    connection = object()
    assert claims.connected("k", "a", 1, "shutdown", connection)
    assert isinstance(claims.claim("k", "s", owner("b"), False, 1.0), Refused)
    claims.disconnected("k", connection, 2.0)
    assert claims.claim("k", "s", owner("b"), False, 2.0) == Granted(
        2, owner("a"), adopted=True, displaced=None
    )


def test_the_same_client_keeps_its_epoch_and_a_takeover_raises_it() -> None:
    claims = claims_of("a")
    claims.connected("k", "a", 1, "shutdown", object())
    again = claims.claim("k", None, owner("a"), False, 1.0)
    assert isinstance(again, Granted) and again.epoch == 1
    taken = claims.claim("k", "s", owner("b"), True, 1.0)
    assert isinstance(taken, Granted) and (taken.epoch, taken.displaced) == (2, "a")
    assert not claims.connected("k", "a", 1, "shutdown", object())
    assert not claims.owns("k", "a", 1)


@pytest.mark.parametrize(
    ("on_exit", "busy", "at", "expected"),
    [
        ("shutdown", False, 29.9, []),
        ("shutdown", False, 30.1, [("k", False)]),
        ("shutdown", True, 3000.0, []),
        ("keep", False, 3000.0, []),
        ("kill", True, 0.1, [("k", True)]),
    ],
)
def test_a_released_kernel_is_due_by_its_policy(
    on_exit: str, busy: bool, at: float, expected: list[tuple[str, bool]]
) -> None:
    claims = claims_of("a")
    claims.connected("k", "a", 1, "shutdown", object())
    assert claims.due({"k": busy}, 10.0) == []
    assert claims.release("a", on_exit, 100.0) == ["k"]
    assert claims.due({"k": busy}, 100.0 + at) == expected


def test_a_kernel_that_is_to_be_kept_is_kept_whoever_leaves_and_before_the_first_connection() -> None:
    claims = Claims(GRACES)
    claims.claim("k", "s", owner("a"), False, 0.0, "keep")
    assert claims.due({}, 3000.0) == [], "claimed, never connected"
    claims.claim("other", "s", owner("a"), False, 0.0, "shutdown")
    claims.release("a", None, 100.0)
    assert claims.due({}, 3000.0) == [("other", False)]


def test_a_run_that_outlives_its_owner_gets_the_long_grace_from_its_end() -> None:
    claims = claims_of("a")
    claims.release("a", "shutdown", 0.0)
    assert claims.due({"k": True}, 1.0) == []
    assert claims.due({"k": True}, 500.0) == []
    assert claims.due({"k": False}, 1099.0) == []
    assert claims.due({"k": False}, 1100.0) == [("k", False)]


def test_a_lost_connection_has_time_to_come_back_before_it_counts_as_gone() -> None:
    claims = claims_of("a")
    connection = object()
    claims.connected("k", "a", 1, "kill", connection)
    claims.disconnected("k", connection, 100.0)
    assert claims.due({"k": False}, 119.9) == []
    assert claims.due({"k": False}, 120.0) == [("k", True)]
    claims.connected("k", "a", 1, "kill", object())
    assert claims.due({"k": False}, 200.0) == []


def test_a_kernel_is_held_from_its_claim_until_its_owner_leaves_or_does_not_come_back() -> None:
    claims = claims_of("a")
    connection = object()
    assert claims.held(19.9) == {"k"} and claims.held(20.0) == set(), "claimed, never connected"
    claims.connected("k", "a", 1, "shutdown", connection)
    assert claims.held(1e6) == {"k"}
    claims.disconnected("k", connection, 100.0)
    assert claims.held(119.9) == {"k"} and claims.held(120.0) == set()
    claims.connected("k", "a", 1, "shutdown", connection)
    claims.release("a", None, 130.0)
    assert claims.held(130.0) == set()


def test_others_may_take_over_from_a_silent_owner_that_loses_nothing_while_it_is_connected() -> None:
    claims = claims_of("a")
    connection = object()
    claims.connected("k", "a", 1, "shutdown", connection)
    claims.silent("k", connection, True)
    assert claims.owner_of("k")[:2] == (owner("a"), False)
    assert claims.due({}, 1e6) == []
    claims.silent("k", connection, False)
    assert claims.owner_of("k")[1]
    assert isinstance(claims.claim("k", "s", owner("b"), False, 1e6), Refused)
    claims.silent("k", connection, True)
    assert claims.claim("k", "s", owner("b"), False, 1e6) == Granted(
        2, owner("a"), adopted=True, displaced="a"
    )
    claims.silent("k", connection, True)
    assert not claims.owner_of("k")[1]


def test_an_owners_own_grace_counts_until_another_one_claims() -> None:
    claims = claims_of("a")
    claims.claim("k", "s", owner("a"), False, 0.0, exit_s=500.0)
    claims.claim("k", "s", owner("a"), False, 0.0)
    claims.release("a", None, 0.0)
    assert claims.due({}, 499.0) == [] and claims.due({}, 501.0) == [("k", False)]
    claims.claim("k", "s", owner("b"), False, 501.0)
    claims.release("b", None, 501.0)
    assert claims.due({}, 530.0) == [] and claims.due({}, 532.0) == [("k", False)]


@pytest.mark.parametrize("on_exit", ["shutdown", "kill"])
def test_a_kernel_waits_long_for_an_owner_whose_line_broke_and_not_for_one_that_left(on_exit: str) -> None:
    claims = Claims(GRACES)
    for kernel in ("lost", "left"):
        one = {**owner(kernel), "line_grace_s": 1000.0}
        claims.claim(kernel, "s", one, False, 0.0, on_exit)
    claims.release("left", None, 1.0)
    assert claims.due({}, 40.0) == [("left", on_exit == "kill")]
    claims.forget("left")
    assert claims.due({}, 1019.9) == [] and claims.due({}, 1020.1) == [("lost", False)]
    claims.due({"lost": True}, 1030.0)
    assert claims.due({}, 2029.9) == [] and claims.due({}, 2030.1) == [("lost", False)], "from its run's end"


def test_an_unknown_kernel_has_no_owner_and_no_connection() -> None:
    claims = Claims(GRACES)
    assert claims.owner_of("k") == (None, False, 0, None)
    assert not claims.connected("k", "a", 1, "shutdown", object())
    claims.disconnected("k", object(), 0.0)
    claims.silent("k", object(), True)
    claims.forget("k")
    assert not claims.owns("k", "a", 1) and claims.release("a", None, 0.0) == []


def test_a_connection_belongs_to_its_client_and_its_epoch() -> None:
    claims = claims_of("a")
    assert not claims.connected("k", "b", 1, "shutdown", object())
    assert not claims.connected("k", "a", 2, "shutdown", object())
    assert claims.owner_of("k") == (owner("a"), False, 1, "s")
    assert claims.connected("k", "a", 1, "shutdown", object())
    assert claims.owner_of("k") == (owner("a"), True, 1, "s")
    assert [claims.owns("k", *who) for who in (("a", 1), ("a", 2), ("b", 1), (None, 1), ("a", None))] == [
        True, False, False, False, False
    ]  # fmt: skip


def test_nobody_owns_a_kernel_that_was_released() -> None:
    claims = claims_of("a")
    connection = object()
    claims.connected("k", "a", 1, "shutdown", connection)
    claims.release("a", None, 0.0)
    assert claims.owner_of("k") == (None, False, 1, "s")
    assert not claims.owns("k", "a", 1) and not claims.owns("k", None, 1)
    claims.disconnected("k", connection, 25.0)
    assert claims.due({}, 30.0) == [("k", False)], "the grace runs from the release, not from the cut"
    assert claims.claim("k", None, owner("b"), False, 31.0) == Granted(2, owner("a"), True, None)
    assert claims.owner_of("k")[3] == "s", "a claim without a session keeps the one that was"


def test_a_released_kernel_is_claimed_although_the_old_connection_is_still_open() -> None:
    claims = claims_of("a")
    claims.connected("k", "a", 1, "shutdown", object())
    claims.release("a", None, 0.0)
    assert isinstance(claims.claim("k", "t", owner("b"), False, 1.0), Granted)
    assert claims.owner_of("k") == (owner("b"), False, 2, "t")


def test_of_two_connections_one_that_speaks_holds_the_lease() -> None:
    claims = claims_of("a")
    silent, speaks = object(), object()
    for connection in (silent, speaks):
        claims.connected("k", "a", 1, "shutdown", connection)
    claims.silent("k", silent, True)
    assert claims.owner_of("k")[1]
    assert claims.claim("k", "s", owner("b"), False, 0.0) == Refused(owner("a"), 1)
    claims.disconnected("k", speaks, 10.0)
    assert not claims.owner_of("k")[1] and claims.due({}, 1e6) == [], "a silent one is there"
    claims.disconnected("k", silent, 20.0)
    claims.disconnected("k", silent, 999.0)
    assert claims.due({}, 69.9) == [] and claims.due({}, 70.0) == [("k", False)]


def test_a_connection_that_was_silent_and_comes_again_speaks() -> None:
    claims = claims_of("a")
    connection = object()
    claims.silent("k", connection, True)
    claims.connected("k", "a", 1, "shutdown", connection)
    assert claims.owner_of("k")[1], "it was not the owner's when it fell silent"
    claims.silent("k", connection, True)
    claims.disconnected("k", connection, 0.0)
    claims.connected("k", "a", 1, "shutdown", connection)
    assert claims.owner_of("k")[1]


def test_a_claim_of_the_owner_itself_begins_a_new_grace_only_while_it_has_no_connection() -> None:
    claims = claims_of("a")
    assert claims.due({}, 49.9) == [] and claims.due({}, 50.0) == [("k", False)]
    claims.claim("k", "t", owner("a"), False, 40.0)
    assert claims.owner_of("k")[3] == "t"
    assert claims.due({}, 89.9) == [] and claims.due({}, 90.0) == [("k", False)]
    connection = object()
    claims.connected("k", "a", 1, "shutdown", connection)
    claims.claim("k", None, {**owner("a"), "name": "renamed"}, False, 100.0)
    assert claims.due({}, 1e6) == []
    assert claims.owner_of("k") == ({**owner("a"), "name": "renamed"}, True, 1, "t")


def test_an_owner_that_speaks_again_is_not_succeeded() -> None:
    claims = claims_of("a")
    connection = object()
    claims.connected("k", "a", 1, "shutdown", connection)
    claims.silent("k", connection, True)
    claims.silent("k", connection, False)
    assert claims.claim("k", "s", owner("b"), False, 0.0) == Refused(owner("a"), 1)


def test_a_run_that_its_owner_did_not_stay_for_gets_the_long_grace_from_its_end() -> None:
    claims = claims_of("a")
    assert claims.due({"k": True}, 19.9) == [] and claims.due({"k": False}, 50.0) == [("k", False)]
    claims = claims_of("a")
    assert claims.due({"k": True}, 20.0) == [] and claims.due({"k": True}, 100.0) == []
    assert claims.due({"k": False}, 699.9) == [] and claims.due({}, 700.0) == [("k", False)]


def test_the_last_exit_policy_applies() -> None:
    claims = claims_of("a", "keep")
    assert claims.due({}, 1e6) == []
    claims.claim("k", None, owner("a"), False, 0.0)
    assert claims.due({}, 1e6) == []
    claims.claim("k", None, owner("a"), False, 0.0, "kill")
    assert claims.due({"k": True}, 20.0) == [("k", True)]
    claims.connected("k", "a", 1, "keep", object())
    claims.release("a", None, 0.0)
    assert claims.due({}, 1e6) == []
    claims.claim("k", None, owner("b"), False, 0.0)
    assert claims.due({}, 49.9) == [] and claims.due({}, 50.0) == [("k", False)], (
        "another owner's is not kept"
    )
    claims.claim("k", None, owner("c"), True, 0.0, "kill")
    assert claims.due({}, 20.0) == [("k", True)]


def test_a_run_seen_under_an_earlier_owner_does_not_lengthen_a_later_grace() -> None:
    for again in ("claim", "cut", "release"):
        claims = claims_of("a")
        assert claims.due({"k": True}, 20.0) == []
        connection = object()
        if again == "cut":
            claims.connected("k", "a", 1, "shutdown", connection)
            claims.disconnected("k", connection, 30.0)
        elif again == "claim":
            claims.claim("k", "s", owner("a"), False, 30.0)
        else:
            claims.release("a", "shutdown", 50.0)
        assert claims.due({"k": False}, 79.9) == [], again
        assert claims.due({"k": False}, 80.0) == [("k", False)], again


def test_an_owners_own_grace_is_kept_until_it_names_another() -> None:
    claims = claims_of("a")
    claims.claim("k", "s", owner("a"), False, 0.0, None, 100.0)
    assert claims.claim("k", "s", owner("a"), False, 0.0) == Granted(1, None, False, None)
    assert claims.due({}, 119.9) == [] and claims.due({}, 120.0) == [("k", False)]
    claims.claim("k", "s", owner("a"), False, 0.0, None, 0.0)
    assert claims.due({}, 20.0) == [("k", False)]


def test_a_kernel_that_is_not_due_keeps_no_other_one() -> None:
    claims = claims_of("a")
    claims.connected("k", "a", 1, "shutdown", object())
    claims.claim("other", "s", owner("b"), False, 0.0, "kill")
    claims.claim("third", "s", owner("b"), False, 0.0)
    assert claims.due({"other": True}, 1e6) == [("other", True), ("third", False)]


def test_a_client_that_leaves_releases_its_own_kernels_alone() -> None:
    claims = claims_of("a")
    claims.claim("other", "t", owner("b"), False, 0.0)
    assert claims.release("a", None, 0.0) == ["k"]
    assert claims.owner_of("other")[0] == owner("b")


def test_a_forgotten_kernel_is_claimed_as_a_new_one() -> None:
    claims = claims_of("a")
    claims.forget("k")
    assert claims.claim("k", "s", owner("b"), False, 0.0) == Granted(1, None, False, None)


def test_graces_are_configured_one_by_one() -> None:
    assert configured(GRACES, {}) == GRACES
    assert configured(GRACES, {"exit_grace_s": "1", "unclaimed_busy_grace_s": 2, "reconnect_grace_s": 3}) == (
        Graces(1.0, 2.0, 3.0)
    )
    assert Graces() == Graces(30.0, 600.0, 20.0)
    kept = configured(GRACES, {"exit_grace_s": 43200, "exit_grace_by": "X"})
    assert kept == Graces(43200.0, 600.0, 20.0, "X")


def test_what_keeps_a_kernel_without_an_owner_is_told() -> None:
    claims = claims_of("a")
    assert claims.left("k", False, False, 19.9) is None, "it may come back"
    assert claims.left("k", False, False, 20.0) == Ownerless(20.0, False, 30.0, "", 30.0, "")
    connection = object()
    claims.connected("k", "a", 1, "shutdown", connection)
    assert claims.left("k", False, False, 1e6) is None and claims.left("other", False, False, 0.0) is None
    claims.release("a", None, 100.0)
    assert claims.left("k", False, False, 110.0) == Ownerless(10.0, True, 20.0, "", 30.0, "")
    assert claims.left("k", False, False, 140.0) == Ownerless(40.0, True, 0.0, "", 30.0, ""), "due"
    assert claims.left("k", True, True, 110.0) == Ownerless(10.0, True, None, "busy", 30.0, "")
    assert claims.left("k", False, True, 110.0) == Ownerless(10.0, True, None, "used", 30.0, "")
    claims.claim("k", "s", owner("b"), False, 200.0, "keep", 60.0, "X")
    claims.release("b", None, 200.0)
    assert claims.left("k", True, True, 210.0) == Ownerless(10.0, True, None, "keep", 60.0, "X")
    claims.claim("k", "s", owner("c"), False, 300.0, "kill")
    claims.release("c", None, 300.0)
    assert claims.left("k", True, True, 300.0) == Ownerless(0.0, True, 0.0, "", 0.0, "JLAB_MCP_ON_EXIT")


def test_a_kernel_that_others_use_stays_until_they_have_been_gone_for_its_grace() -> None:
    claims = claims_of("a")
    claims.release("a", None, 0.0)
    assert claims.due({}, 50.0, {"k"}) == [], "JupyterLab is connected to it"
    assert claims.due({}, 79.9) == [] and claims.due({}, 80.0) == [("k", False)]
    claims.claim("k", "s", owner("b"), False, 100.0, "kill")
    claims.release("b", None, 100.0)
    assert claims.due({}, 100.0, {"k"}) == [("k", True)], "kill spares nobody's"


def test_the_longest_grace_counts_and_names_its_setting() -> None:
    for exit_s, busy, idle_s, by in (
        (1000.0, True, 1000.0, "X"),
        (50.0, True, 600.0, ""),
        (50.0, False, 50.0, "X"),
    ):
        claims = Claims(GRACES)
        claims.claim("k", "s", owner("a"), False, 0.0, None, exit_s, "X")
        claims.release("a", None, 0.0)
        claims.due({"k": busy}, 10.0)
        assert claims.left("k", False, False, 10.0) == Ownerless(
            10.0, True, idle_s - (0.0 if busy else 10.0), "", idle_s, by
        )
    lost = Claims(GRACES)
    lost.claim("k", "s", {**owner("a"), "line_grace_s": 40.0}, False, 0.0, None, 1000.0, "X")
    told = lost.left("k", False, False, 20.0)
    assert told is not None and (told.idle_s, told.by) == (1000.0, "X"), "a job keeps it longer than a line"


def test_a_new_claim_of_the_same_owner_brings_its_own_setting() -> None:
    claims = claims_of("a")
    claims.claim("k", "s", owner("a"), False, 0.0, None, 60.0, "X")
    claims.claim("k", "s", owner("a"), False, 0.0)
    claims.release("a", None, 0.0)
    told = claims.left("k", False, False, 0.0)
    assert told is not None and (told.idle_s, told.by) == (60.0, "X")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["claim", "takeover", "connect", "cut", "silent", "release", "look"]),
        st.sampled_from("ab"),
        st.integers(0, 40),
    ),
    max_size=25,
)


@given(STEPS)
def test_there_is_always_one_owner_and_one_that_answers_never_loses_its_kernel(
    steps: list[tuple[str, str, int]],
) -> None:
    claims, now, epoch = Claims(GRACES), 0.0, 0
    connections: dict[str, object] = {}
    for what, client, passed in steps:
        now += passed
        speaking = claims.owner_of("k")
        if what in ("claim", "takeover"):
            outcome = claims.claim("k", "s", owner(client), what == "takeover", now)
            if isinstance(outcome, Refused):
                assert speaking[1] and outcome.owner != owner(client)
            else:
                assert outcome.epoch - epoch == (speaking[0] != owner(client))
        elif what == "connect":
            opened = object()
            if claims.connected("k", client, claims.owner_of("k")[2], "shutdown", opened):
                assert speaking[0] == owner(client)
                connections[client] = opened
        elif what == "cut":
            claims.disconnected("k", connections.pop(client, None), now)
        elif what == "silent":
            claims.silent("k", connections.get(client), True)
        elif what == "release":
            claims.release(client, None, now)
        elif claims.due({}, now):
            assert not claims.owner_of("k")[1]
        assert claims.owner_of("k")[2] >= epoch
        epoch = claims.owner_of("k")[2]


def test_a_close_says_who_owns_the_kernel_in_the_bytes_that_it_may_have() -> None:
    assert owned_by({"client": "c", "name": "n", "pid": 7, "host": "h"}) == "owned by n (pid 7 on h)"
    assert owned_by({"client": "c"}) == "owned by c (pid None on None)"
    assert len(owned_by({"client": "ü" * 300})) == 120 and owned_by({"client": "ü"}).startswith("owned by ?")
