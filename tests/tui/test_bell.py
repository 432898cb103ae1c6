"""The bell rings for runs that a person stopped looking at, and never in bursts."""

from __future__ import annotations

import ast
import inspect
from dataclasses import fields
from types import ModuleType

import pytest

from jlab_tui import cli
from jlab_tui.core.feed.items import Change, FeedCell
from jlab_tui.core.journal.events import RunStatus
from jlab_tui.tui.options import DashboardOptions
from jlab_tui.tui.run_end_bell import QUIET_S, RunEndBell
from jlab_tui.wiring import dashboard


def started(name: str) -> FeedCell:
    return FeedCell("s1", 0.0, name, run=name, status=RunStatus.RUNNING)


def change(cell: FeedCell) -> Change:
    return Change("s1", cell, False)


def end(cell: FeedCell, seconds: float, status: RunStatus = RunStatus.OK) -> Change:
    cell.status, cell.seconds = status, seconds
    return change(cell)


def test_a_run_of_a_minute_rings_when_it_ends_well_or_badly() -> None:
    for status in (RunStatus.OK, RunStatus.ERROR, RunStatus.DIED):
        bell, cell = RunEndBell(), started("train")
        assert not bell.rings([change(cell)], 0.0)
        assert bell.rings([end(cell, 60.0, status)], 60.0)
        assert not bell.rings([change(cell)], 600.0)


def test_a_short_run_stays_silent_even_when_it_fails() -> None:
    bell, cell = RunEndBell(), started("typo")
    bell.rings([change(cell)], 0.0)
    assert not bell.rings([end(cell, 59.9, RunStatus.ERROR)], 60.0)


def test_a_run_that_had_ended_before_stays_silent() -> None:
    assert not RunEndBell().rings([end(started("yesterday"), 3600.0)], 1.0)


def test_runs_that_end_together_or_shortly_after_ring_once() -> None:
    bell, cells = RunEndBell(), [started(str(n)) for n in range(4)]
    bell.rings([change(cell) for cell in cells], 0.0)
    assert bell.rings([end(cells[0], 90.0), end(cells[1], 90.0)], 100.0)
    assert not bell.rings([end(cells[2], 95.0)], 100.0 + QUIET_S / 2)
    assert bell.rings([end(cells[3], 110.0)], 100.0 + QUIET_S)


@pytest.mark.parametrize(
    ("made", "module", "not_the_users"),
    [
        (dashboard.Looks, cli, {"says_farewell", "story"}),
        (DashboardOptions, dashboard, {"local", "is_live"}),
    ],
)
def test_no_option_of_the_dashboard_is_set_by_nothing(
    made: type[dashboard.Looks] | type[DashboardOptions], module: ModuleType, not_the_users: set[str]
) -> None:
    calls = [node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Call)]
    given = {
        word.arg
        for call in calls
        if ast.unparse(call.func) in (made.__name__, "replace")
        for word in call.keywords
    }
    assert {option.name for option in fields(made)} - given == not_the_users
