"""The dashboard shows what its source says and asks before it destroys."""

from __future__ import annotations

from jlab_tui.tui.app import Dashboard

from . import stage


async def test_a_killed_session_is_asked_for_first_and_the_safe_answer_has_the_focus() -> None:
    actions = stage.FakeActions()
    app = Dashboard(stage.working(), actions, stage.options())
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        await pilot.press("x", "enter")
        assert actions.done == []
        await pilot.press("x", "y")
        await pilot.pause()
        assert actions.done == ["shutdown train-unet"]
