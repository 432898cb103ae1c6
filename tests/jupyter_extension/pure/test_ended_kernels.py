"""What is told of kernels that ended, and of those that have no owner."""

from __future__ import annotations

from jlab_tui.jupyter_extension.claims import Ownerless
from jlab_tui.jupyter_extension.ended_kernels import MOST, EndedKernels, describe, rule_of
from jlab_tui.jupyter_extension.exit_cause import EndRule


def test_a_kernel_without_an_owner_is_described_with_times_of_day() -> None:
    assert describe(None, 1000.0) is None
    told = {"at": 990.0, "released": True, "ends_at": 1020.0, "stays": "", "idle_s": 30.0, "by": "X"}
    assert describe(Ownerless(10.0, True, 20.0, "", 30.0, "X"), 1000.0) == told
    busy = describe(Ownerless(10.0, False, None, "busy", 30.0, ""), 1000.0)
    assert busy is not None and (busy["ends_at"], busy["stays"], busy["released"]) == (None, "busy", False)


def test_the_rule_that_ends_a_kernel_names_its_clients_leaving_and_the_setting() -> None:
    facts = {"left_at": 970.0, "released": True, "idle_s": 30.0, "by": "X"}
    idle = "its client was gone, and it had been idle for 30 s"
    assert rule_of(Ownerless(30.0, True, 0.0, "", 30.0, "X"), 1000.0) == EndRule("left", idle, facts)
    killed = rule_of(Ownerless(0.0, False, 0.0, "", 0.0, "Y"), 1000.0)
    assert killed.detail == "its client was gone" and killed.facts["released"] is False


def test_the_last_ends_are_remembered() -> None:
    ended = EndedKernels(most=2)
    for name in ("a", "b", "a", "c"):
        ended.add(name, "s", "n.ipynb", {"cause": name})
    assert list(ended.all()) == ["a", "c"]
    assert ended.all()["c"] == {"session": "s", "path": "n.ipynb", "obituary": {"cause": "c"}}
    ended.all().clear()
    assert len(ended.all()) == 2 and MOST == 500
