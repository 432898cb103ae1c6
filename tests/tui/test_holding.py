"""Held code on the dashboard: the question about it, its keys, and who decides first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from textual.pilot import Pilot

from jlab_tui.core.errors import UsageError
from jlab_tui.core.journal.events import Entry, Event, RunFinished, RunHeld, RunStarted, RunStatus
from jlab_tui.tui.app import Dashboard
from jlab_tui.tui.held_screen import HeldScreen
from jlab_tui.tui.terminal import TerminalApp

from . import stage
from .screen import dashboard, screen_text, settled, until

SESSION = "probe1"
HELD = RunHeld("probe1-1", "execute_code", "c", "import torch\ntorch.zeros(3)", hold="h-1:a")


async def play(app: Dashboard, pilot: Pilot[int], *events: Event) -> None:
    source = app.source
    assert isinstance(source, stage.StillSource)
    source.play([(SESSION, Entry(stage.NOW, event)) for event in events])
    await settled(app, pilot)
    if isinstance(app.screen, HeldScreen):
        screen = app.screen
        await until(pilot, lambda: not screen.is_deaf)


def waiting() -> stage.StillSource:
    return stage.StillSource(stage.probing(), stage.READY, (), stage.KERNELS)


@pytest.mark.parametrize(
    ("keys", "done"),
    [
        (["enter"], ["run probe1-1"]),
        (["d", *"slow", "enter"], ["decline probe1-1 with slow"]),
        (["d", "enter"], ["decline probe1-1"]),
        (["e"], ["run probe1-1 with import jax"]),
        (["escape", "h", "enter"], ["run probe1-1"]),
        (["escape", "d", "enter"], []),
    ],
)
async def test_a_question_about_held_code_takes_the_keys(keys: list[str], done: list[str]) -> None:
    actions = stage.FakeActions()
    async with dashboard(waiting(), actions=actions, edit=lambda text: "import jax\n") as (app, pilot):
        await play(app, pilot, HELD)
        text = screen_text(app)
        assert "execute_code waits, 2 lines" in text and "torch.zeros(3)" in text
        for key in keys:
            await pilot.press(key)
            await settled(app, pilot)
            if isinstance(app.screen, HeldScreen):
                screen = app.screen
                await until(pilot, lambda screen=screen: not screen.is_deaf)  # type: ignore[misc]
        assert actions.done == done


async def test_keys_that_were_meant_for_the_screen_before_decide_nothing() -> None:
    actions = stage.FakeActions()
    async with dashboard(waiting(), actions=actions) as (app, pilot):
        app.source.play([(SESSION, Entry(stage.NOW, HELD))])  # type: ignore[attr-defined]
        await until(pilot, lambda: isinstance(app.screen, HeldScreen))
        assert isinstance(app.screen, HeldScreen)
        app.screen.action_answer("run")
        assert isinstance(app.screen, HeldScreen) and actions.done == []


@pytest.mark.parametrize(
    "event",
    [
        RunStarted("probe1-1", "execute_code", "c", "import torch"),
        RunFinished("probe1-1", RunStatus.DECLINED, 3.0, cause="The user declined it."),
    ],
)
async def test_what_another_dashboard_has_decided_closes_the_question(event: Event) -> None:
    actions = stage.FakeActions()
    async with dashboard(waiting(), actions=actions) as (app, pilot):
        await play(app, pilot, HELD)
        await play(app, pilot, event)
        assert not isinstance(app.screen, HeldScreen)
        assert any(note.message.startswith("Somebody else has decided") for note in app._notifications)
        assert actions.done == ["h-1:a is decided"]


STARTED = RunStarted("probe1-1", "execute_code", "c", "import torch")
GIVEN_UP = RunFinished("probe1-1", RunStatus.DECLINED, 3.0, cause="The call was cancelled.")


@pytest.mark.parametrize(
    ("key", "became", "is_too_late"),
    [
        ("enter", STARTED, False),
        ("enter", GIVEN_UP, True),
        ("e", replace(STARTED, source="import jax"), False),
        ("e", STARTED, True),
        ("e", GIVEN_UP, True),
        ("d", GIVEN_UP, False),
        ("d", STARTED, True),
    ],
)
async def test_a_decision_that_came_too_late_is_told(key: str, became: Event, is_too_late: bool) -> None:
    async with dashboard(waiting(), edit=lambda text: "import jax") as (app, pilot):
        await play(app, pilot, HELD)
        await pilot.press(key)
        await settled(app, pilot)
        if key == "d":
            await pilot.press("enter")
            await settled(app, pilot)
        await play(app, pilot, became)
        told = [n for n in app._notifications if n.message.startswith("Your decision came too late")]
        assert len(told) == is_too_late


async def test_a_changed_cell_is_shown_as_a_difference() -> None:
    async with dashboard(waiting()) as (app, pilot):
        before, source = "lr = 1\nfit()", "lr = 2\nfit()"
        await play(app, pilot, RunHeld("probe1-1", "edit_cell", "c", source, before=before))
        text = screen_text(app)
        assert 0 < text.index("-lr = 1") < text.index("+lr = 2") < text.rindex("fit()")


async def test_an_unchanged_or_failed_edit_leaves_the_code_held() -> None:
    def fails(text: str) -> str:
        raise UsageError("The editor 'vim' ended with exit code 1.", "Set EDITOR.")

    for edit, said in ((lambda text: text, "The code was not changed"), (fails, "exit code 1")):
        actions = stage.FakeActions()
        async with dashboard(waiting(), actions=actions, edit=edit) as (app, pilot):
            await play(app, pilot, HELD)
            await pilot.press("e")
            await settled(app, pilot)
            assert actions.done == [] and any(said in note.message for note in app._notifications)


async def test_nothing_is_asked_while_the_user_types_or_may_not_act() -> None:
    async with dashboard(waiting(), readonly=True) as (app, pilot):
        await play(app, pilot, HELD)
        assert not isinstance(app.screen, HeldScreen) and "held: it waits for you" in screen_text(app)
    async with dashboard(waiting()) as (app, pilot):
        await pilot.press("slash")
        await play(app, pilot, HELD)
        assert not isinstance(app.screen, HeldScreen)


@pytest.mark.parametrize(("hold", "keys"), [("h-1:a", ["escape", "q", "y"]), ("h-2:a", ["escape", "q"])])
async def test_quitting_asks_first_where_that_lets_held_code_run(hold: str, keys: list[str]) -> None:
    async with dashboard(waiting()) as (app, pilot):
        await play(app, pilot, replace(HELD, hold=hold))
        for key in keys:
            assert app.return_code is None
            if key == "y":
                assert "Code in probe waits for you; it runs when you quit." in screen_text(app)
            await pilot.press(key)
            await settled(app, pilot)
        assert app.return_code == 0


async def test_the_holding_keys_say_what_they_hold() -> None:
    actions = stage.FakeActions()
    async with dashboard(stage.working(), actions=actions) as (app, pilot):
        await pilot.press("h", "H", "H")
        await settled(app, pilot)
        assert actions.done == ["hold train-unet", "hold all of 4", "hold no more"]


async def test_code_stays_held_while_an_editor_has_the_terminal() -> None:
    for shown, key in ((stage.working(), "E"), (waiting(), "e")):
        actions = stage.FakeActions()
        async with dashboard(shown, actions=actions, edit=lambda text: text) as (app, pilot):
            if key == "e":
                await play(app, pilot, HELD)
            await pilot.press(key)
            await settled(app, pilot)
            assert actions.away_s >= 600


async def test_all_code_is_held_from_the_start_on_request() -> None:
    actions = stage.FakeActions()
    async with dashboard(waiting(), actions=actions, hold=True) as (app, pilot):
        await settled(app, pilot)
        assert actions.done == ["hold all of 0"]


class Lent(TerminalApp):
    """Notes who has the terminal."""

    def __init__(self) -> None:
        super().__init__()
        self.has_terminal: list[bool] = []

    @contextmanager
    def suspend(self) -> Iterator[None]:
        self.has_terminal.append(False)
        yield
        self.has_terminal.append(True)


def test_the_terminal_comes_back_from_an_editor_also_when_that_fails() -> None:
    app = Lent()
    assert app.lend(lambda: "edited") == "edited"

    def fail() -> str:
        raise UsageError("no editor", "")

    with pytest.raises(UsageError, match="no editor"):
        app.lend(fail)
    assert app.has_terminal == [False, True] * 2
