"""What the dashboard looks like in every state, as text, at three sizes; and that colours are never all there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from jlab_tui.core.journal.events import Entry, TextPrinted

from . import stage
from .screen import check_snapshot, colours, dashboard, screen_text, settled

SIZES = {"80x24": (80, 24), "120x36": (120, 36), "200x50": (200, 50)}
STATES: dict[str, Callable[[], stage.StillSource]] = {
    "working": stage.working,
    "no-session": lambda: stage.StillSource((), stage.READY, stage.samples(gpus=0), ()),
    "no-server": lambda: stage.StillSource((), stage.NOTHING),
    "pending": lambda: stage.StillSource((), stage.PENDING),
    "starting": lambda: stage.StillSource((), stage.STARTING),
    "ended": lambda: stage.StillSource(stage.failing(), stage.ENDED, kernels=None),
    "failed": lambda: stage.StillSource((), stage.FAILED),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", STATES)
async def test_a_state_looks_as_recorded(state: str, size: str) -> None:
    async with dashboard(STATES[state](), SIZES[size]) as (app, _):
        check_snapshot(app, f"{state}-{size}")


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("help", ["question_mark"]),
        ("kill", ["x"]),
        ("error", ["1"]),
        ("images", ["3"]),
        ("all", ["a"]),
        ("errors-only", ["a", "e"]),
        ("expanded", ["o"]),
        ("search", ["slash", *"step", "enter"]),
        ("zoomed", ["enter"]),
        ("big-graphs", ["m"]),
    ],
)
async def test_a_view_looks_as_recorded(name: str, keys: list[str]) -> None:
    async with dashboard(stage.working()) as (app, pilot):
        await pilot.press(*keys)
        await settled(app, pilot)
        check_snapshot(app, f"{name}-120x36")


@pytest.mark.parametrize(
    ("name", "gpus", "size", "keys"),
    [
        ("gpus-2-120x36", 2, (120, 36), []),
        ("gpus-8-80x24", 8, (80, 24), []),
        ("gpus-4-graphs-120x36", 4, (120, 36), ["m"]),
    ],
)
async def test_several_gpus_look_as_recorded(
    name: str, gpus: int, size: tuple[int, int], keys: list[str]
) -> None:
    async with dashboard(stage.working(gpus=gpus), size) as (app, pilot):
        await pilot.press(*keys)
        await settled(app, pilot)
        check_snapshot(app, name)


async def test_nothing_breaks_at_odd_sizes_on_the_way_there_and_back() -> None:
    async with dashboard(stage.working(), (60, 20)) as (app, pilot):
        check_snapshot(app, "working-60x20")
        for size in ((60, 30), (100, 26), (20, 5), (60, 20)):
            await pilot.resize_terminal(*size)
            for keys in ("question_mark", "escape", "m", "escape", "x", "escape", "left_square_bracket"):
                await pilot.press(keys)
            assert app.is_running
        await pilot.press("G")
        await settled(app, pilot)
        check_snapshot(app, "working-60x20")


async def test_a_resize_changes_the_layout_at_once() -> None:
    async with dashboard(stage.working(), (200, 50)) as (app, pilot):
        assert "─ Detail ─" in screen_text(app)
        await pilot.resize_terminal(80, 24)
        await settled(app, pilot)
        check_snapshot(app, "working-80x24")
        await pilot.resize_terminal(120, 36)
        await settled(app, pilot)
        check_snapshot(app, "working-120x36")


async def test_themes_differ_in_colours_and_not_in_text() -> None:
    texts, seen = [], []
    async with dashboard(stage.working(), theme="day") as (app, pilot):
        for theme in ("day", "night", "ansi-dark", "dracula"):
            app.theme = theme
            await settled(app, pilot)
            texts.append(screen_text(app))
            seen.append(colours(app))
    assert len(set(texts)) == 1
    assert (246, 247, 251) in seen[0] and (17, 19, 28) in seen[1]
    assert (17, 19, 28) not in seen[0] | seen[3]


async def test_the_texts_of_a_figure_are_read_in_a_small_terminal() -> None:
    """At 80x24 nothing of a figure's texts is missing: the title, the labels, every tick, the legend."""
    writer = stage.Writer("fig1", "figures", "k-eda", stage.NOW - 60)
    writer.run(
        "plot(history)", replace(stage.image(stage.flat_image(567, 454)), texts=stage.texts_of("loss"))
    )
    source = stage.StillSource(writer.entries, stage.READY, (), stage.KERNELS)
    async with dashboard(source, (80, 24)) as (app, pilot):
        await settled(app, pilot)
        check_snapshot(app, "figure-80x24")
        text = screen_text(app)
        for words in ("Loss of unet, width 64", "━ train", "━ validation", "epoch", "2.0", "100"):
            assert words in text
        await pilot.press("v")
        await settled(app, pilot)
        text = screen_text(app)
        assert all(
            words in text for words in ("Loss of unet, width 64", "━ validation", "epoch", "2.0", "100")
        )


async def test_without_colour_only_greys_are_left_and_every_state_has_its_sign(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with dashboard(stage.working()) as (app, _):
        assert all(max(c) - min(c) <= 2 for c in colours(app))
        text = screen_text(app)
        assert all(sign in text for sign in ("▶ train-unet", "● eda", "✗ etl-2026", "◌ probe"))


async def test_ascii_is_ascii_on_every_screen() -> None:
    async with dashboard(stage.working(gpus=2), ascii=True) as (app, pilot):
        for keys in ([], ["3"], ["v"], ["escape", "m"], ["escape", "question_mark"], ["escape", "x"], ["n", "i"],
                     ["slash", *"zzz", "enter"], ["a"], ["ctrl+p"]):  # fmt: skip
            await pilot.press(*keys)
            await settled(app, pilot)
            odd = {char for char in screen_text(app) if not char.isascii()}
            assert odd <= ({"🔎"} if keys == ["ctrl+p"] else set()), keys


async def test_ascii_keeps_peoples_own_letters() -> None:
    source = stage.StillSource(stage.probing(), stage.READY, (), stage.KERNELS)
    async with dashboard(source, ascii=True) as (app, pilot):
        source.play([("probe1", Entry(stage.NOW, TextPrinted("r", "stdout", "naïve 日本語 ┌─┐ ✓\n")))])
        await settled(app, pilot)
        assert "naïve 日本語 +-+ v" in screen_text(app)


async def test_an_unknown_theme_falls_back_to_ours() -> None:
    async with dashboard(stage.working(), theme="no-such-theme") as (app, _):
        assert app.theme == "night"
