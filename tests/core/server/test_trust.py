"""Which owners and modes let somebody else put files in the place of ours."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jlab_tui.core.server.trust import Component, Weakness, Writer, repair_of, vouch_for, weakness_of

ADA, BOB, NOBODY = 1000, 1001, 65534
OWN = Component("/home/ada/.jlab-mcp", ADA, "ada", 0o700, is_end=True)
ABOVE = replace(OWN, path="/scratch", uid=0, owner="root", is_end=False)
ADAS, LAB = Writer(True, 2000, "ada"), Writer(True, 3000, "lab")


@pytest.mark.parametrize(
    ("component", "reason"),
    [
        (OWN, ""),
        (replace(OWN, mode=0o755), ""),
        (replace(OWN, uid=0, owner="root"), ""),
        (replace(OWN, uid=BOB, owner="bob"), "belongs to bob"),
        (replace(OWN, mode=0o777), "everybody (mode 777)"),
        (replace(OWN, mode=0o770, writers=(ADAS,)), ""),
        (replace(OWN, mode=0o770, writers=(replace(ADAS, id=ADA, name="staff"),)), ""),
        (replace(OWN, mode=0o770, writers=(replace(ADAS, members=("ada",)),)), ""),
        (replace(OWN, mode=0o770, writers=(replace(ADAS, members=("ada", "bob")),)), "group ada"),
        (replace(OWN, mode=0o770, writers=(LAB,)), "group lab (mode 770)"),
        (replace(OWN, mode=0o770, writers=(Writer(False, BOB, "bob"), LAB)), "user bob and group lab"),
        (replace(OWN, mode=0o770, writers=(Writer(False, ADA, "ada"), Writer(False, 0, "root"))), ""),
        (replace(OWN, mode=0o1777), "everybody"),
        (replace(ABOVE, mode=0o1777), ""),
        (replace(ABOVE, mode=0o3777, writers=(LAB,)), ""),
        (replace(ABOVE, mode=0o2775, writers=(LAB,)), "group lab (mode 775)"),
        (replace(ABOVE, mode=0o1777, uid=BOB, owner="bob"), "belongs to bob"),
        (replace(ABOVE, mode=0o777, is_link=True), ""),
        (replace(ABOVE, mode=0o777, is_link=True, uid=BOB, owner="bob"), "belongs to bob"),
        (replace(ABOVE, uid=NOBODY, owner="nobody"), "belongs to nobody"),
    ],
)
def test_a_component_that_somebody_else_can_change_is_named(component: Component, reason: str) -> None:
    weak = weakness_of(component, ADA)
    assert bool(weak) == bool(reason) and reason in str(weak or "")


def test_in_a_container_the_accounts_that_it_lacks_are_the_systems_above_but_not_at_the_end() -> None:
    above = replace(ABOVE, uid=NOBODY, owner="nobody")
    assert weakness_of(above, ADA, NOBODY) is None
    assert weakness_of(replace(above, mode=0o777), ADA, NOBODY) is not None
    assert weakness_of(replace(above, is_end=True), ADA, NOBODY) is not None
    assert weakness_of(replace(above, uid=BOB), ADA, NOBODY) is not None


def test_accounts_that_are_trusted_like_root_may_own_and_write() -> None:
    theirs = replace(OWN, uid=BOB, owner="bob", mode=0o770, writers=(Writer(False, BOB, "bob"),))
    assert weakness_of(theirs, ADA) is not None and weakness_of(theirs, ADA, others=(BOB,)) is None


def test_the_repair_is_a_command_for_its_owner_and_another_place_for_others() -> None:
    own = weakness_of(replace(OWN, path="/a b", mode=0o777), ADA)
    listed = weakness_of(replace(OWN, mode=0o770, writers=(LAB,), has_list=True), ADA)
    roots = weakness_of(replace(ABOVE, mode=0o777), ADA)
    assert own is not None and listed is not None and roots is not None
    assert repair_of([own], "V") == "chmod go-w '/a b'"
    assert repair_of([listed], "V").startswith("setfacl -b /home/ada/.jlab-mcp && chmod")
    assert repair_of([own, roots], "V") == "export V=/a/directory/of/yours"
    assert weakness_of(replace(ABOVE, mode=0o777), 0) == Weakness(
        "/scratch", roots.reason, "chmod go-w /scratch"
    )
    assert vouch_for([own, roots], "V") == "export V='/a b:/scratch'"
