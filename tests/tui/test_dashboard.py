"""What the dashboard does: keys act on the right thing, say what came of it, and never act when they must not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from textual.binding import Binding
from textual.events import Paste
from textual.widgets import TextArea

from jlab_tui.core.errors import JlabError
from jlab_tui.core.journal.events import (
    DataShown,
    Entry,
    HumanActed,
    KernelChanged,
    RunFinished,
    RunStarted,
    RunStatus,
    SessionClosed,
    SessionOpened,
    TextPrinted,
)
from jlab_tui.core.server.record import KernelInfo, ServerState
from jlab_tui.core.server.resources import GpuHours, KernelUse
from jlab_tui.tui.app import Dashboard
from jlab_tui.tui.keys import GROUPS, KEYS, REPLAY
from jlab_tui.tui.narrator import Narrator
from jlab_tui.tui.screen_texts import farewell
from jlab_tui.tui.widgets.footer import fitting

from . import stage
from .screen import dashboard, screen_text, settled, until


def notes(app: Dashboard) -> list[str]:
    return [f"{n.title} {n.message}".strip() for n in app._notifications]


@pytest.mark.parametrize(
    ("keys", "done"),
    [
        (["i"], ["interrupt train-unet"]),
        (["I", *"too slow", "enter"], ["interrupt train-unet because too slow"]),
        (["I", "enter"], ["interrupt train-unet"]),
        (["I", *"no", "escape"], []),
        (["c", *"stop", "ctrl+j", *"now", "enter"], ["comment train-unet: stop\nnow"]),
        (["c", *"no", "escape"], []),
        (["c", "enter"], []),
        (["c", *"kept", "escape", "c", "enter"], ["comment train-unet: kept"]),
        (["1", "colon", *"x", "enter"], ["run 'x' in etl-2026"]),
        (["1", "colon", "enter"], []),
        (["1", "colon", *"x", "escape"], []),
        (["1", "E"], ["run 'y = 1\\nz = 2' in etl-2026"]),
        (["r", "y"], ["restart train-unet"]),
        (["x", "y"], ["shutdown train-unet"]),
        (["Q", "y"], ["stop server"]),
        (["x", "n"], []),
        (["x", "enter"], []),
        (["Q", "escape"], []),
        (["1", "i"], ["interrupt etl-2026"]),
        (["ш"], ["interrupt train-unet"]),
        (["Ш", *"шаг", "enter"], ["interrupt train-unet because шаг"]),
    ],
)
async def test_keys_act_on_the_chosen_session_after_a_question_where_something_is_lost(
    keys: list[str], done: list[str]
) -> None:
    actions = stage.FakeActions()
    async with dashboard(stage.working(), actions=actions, edit=lambda text: "y = 1\nz = 2\n") as (
        app,
        pilot,
    ):
        await pilot.press(*keys)
        await settled(app, pilot)
        assert actions.done == done
        assert all(any(f"{what}: done" in note for note in notes(app)) for what in done)


async def test_a_pending_job_is_cancelled_and_not_stopped() -> None:
    actions = stage.FakeActions()
    async with dashboard(stage.StillSource((), stage.PENDING), actions=actions) as (app, pilot):
        await pilot.press("Q")
        await settled(app, pilot)
        assert "loses its place" in screen_text(app)
        await pilot.press("y")
        await settled(app, pilot)
        assert actions.done == ["cancel job"]


async def test_read_only_keys_are_inert() -> None:
    actions = stage.FakeActions()
    async with dashboard(stage.working(), actions=actions, readonly=True) as (app, pilot):
        for key in ("i", "I", "enter", "c", "enter", "r", "y", "x", "y", "Q", "y"):
            await pilot.press(key)
        await settled(app, pilot)
        assert actions.done == []
        assert "read-only" in screen_text(app)


async def test_a_failed_action_is_reported_with_what_to_do() -> None:
    actions = stage.FakeActions(failure=JlabError("The kernel does not answer.", "Restart it with r."))
    async with dashboard(stage.working(), actions=actions) as (app, pilot):
        await pilot.press("i")
        await settled(app, pilot)
        assert any("The kernel does not answer. Restart it with r." in note for note in notes(app))


async def test_an_unexpected_failure_is_reported_without_its_text_and_the_dashboard_continues() -> None:
    actions = stage.FakeActions(failure=RuntimeError("token=0123"))
    details = "Details: /logs/dashboard.log"
    async with dashboard(stage.working(), actions=actions, details=lambda: details) as (app, pilot):
        await pilot.press("i")
        await settled(app, pilot)
        assert app.is_running
        assert any("fault in jlab-mcp (RuntimeError)" in note for note in notes(app))
        assert any(note.endswith(details) for note in notes(app))
        assert "0123" not in screen_text(app)


async def test_markup_and_escape_sequences_in_output_stay_text_or_vanish() -> None:
    source = stage.StillSource(stage.probing(), stage.READY, (), stage.KERNELS)
    evil = (
        "[bold red]x[/] \x1b]0;title\x07\x1b]52;c;aGk=\x07\x1b[2J\x1b[10;10Hhere\x07\u202eoverride\x9b31m\n"
    )
    async with dashboard(source) as (app, pilot):
        source.play(
            [
                (
                    "probe1",
                    Entry(stage.NOW, RunStarted("r", "[red]tool[/]\x1b]0;t\x07", "c", "print('\x1b[2J[b]')")),
                ),
                ("probe1", Entry(stage.NOW, TextPrinted("r", "stdout", evil))),
                ("probe1", Entry(stage.NOW, HumanActed("note", reason="[bold]hi[/]\x1b[5m"))),
                (
                    "evil",
                    Entry(
                        stage.NOW,
                        SessionOpened("evil", "[red]n\x1b[2Jame[/]", "/[b]x[/].ipynb", "k9", "h", 0.0),
                    ),
                ),
            ]
        )
        await settled(app, pilot)
        await pilot.press("a")
        await settled(app, pilot)
        text = screen_text(app)
        assert "[bold red]x[/] hereoverride" in text
        assert "[red]tool[/]" in text and "[red]name[/]" in text
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(text)
        segments = [s.text for strip in app.screen._compositor.render_strips() for s in strip]
        assert not any("\x1b" in s or "\x07" in s for s in segments)


async def test_the_token_is_never_on_the_screen() -> None:
    token = stage.record(ServerState.READY).token
    async with dashboard(stage.working(), (200, 50)) as (app, pilot):
        for keys in (["b"], ["question_mark"], ["escape"], ["ctrl+p"], ["escape"], ["Q"]):
            await pilot.press(*keys)
            await settled(app, pilot)
            assert token[:12] not in screen_text(app)
        assert token[:12] not in farewell(app.source.server, app.view.sessions)


async def test_new_output_is_followed_until_somebody_scrolls_up() -> None:
    source = stage.working()
    async with dashboard(source) as (app, pilot):
        await pilot.press("o", "G")
        source.play([("train1", Entry(stage.NOW, TextPrinted("train1-14", "stdout", "newest line\n")))])
        await settled(app, pilot)
        assert "newest line" in screen_text(app)
        await pilot.press("pageup")
        source.play([("train1", Entry(stage.NOW, TextPrinted("train1-14", "stdout", "even newer\n")))])
        await settled(app, pilot)
        assert "even newer" not in screen_text(app) and "below, G follows" in screen_text(app)
        await pilot.press("G")
        await settled(app, pilot)
        assert "even newer" in screen_text(app) and "following" in screen_text(app)


async def test_a_renamed_notebook_is_shown_under_its_new_name() -> None:
    source = stage.working()
    opened = next(e.event for _, e in stage.training("") if isinstance(e.event, SessionOpened))
    renamed = replace(opened, notebook="/nb/renamed.ipynb")
    async with dashboard(source) as (app, pilot):
        source.play([("train1", Entry(stage.NOW, renamed))])
        source.play([("train1", Entry(stage.NOW, TextPrinted("train1-14", "stdout", "more\n")))])
        await until(pilot, lambda: "renamed.ipynb" in str(app.feed.border_title))


async def test_a_new_session_is_shown_until_somebody_has_chosen_one() -> None:
    source = stage.working()
    opened = [
        ("new1", Entry(stage.NOW, SessionOpened("new1", "fresh", "/nb/fresh.ipynb", "k-new", "gpu-07", 1.0)))
    ]
    async with dashboard(source) as (app, pilot):
        source.play(
            [*opened, ("new1", Entry(stage.NOW, RunStarted("new1-1", "execute_code", "c", "at_once()")))]
        )
        await settled(app, pilot)
        assert app.view.session == "new1" and "at_once()" in screen_text(app)
        source.play([("train1", Entry(stage.NOW, TextPrinted("train1-14", "stdout", "elsewhere\n")))])
        await settled(app, pilot)
        assert app.view.session == "new1"
        source.play([("new1", Entry(stage.NOW, SessionClosed("scratch")))])
        await settled(app, pilot)
        assert app.view.session == "new1", "what it printed can still be read"
        source.play([("train1", Entry(stage.NOW + 1, TextPrinted("train1-14", "stdout", "and on\n")))])
        await settled(app, pilot)
        assert app.view.session == "train1"
    source = stage.working()
    async with dashboard(source) as (app, pilot):
        await pilot.press("3")
        source.play(opened)
        await settled(app, pilot)
        assert app.view.session == "eda1"


async def test_the_selection_stays_with_its_session_when_the_list_changes() -> None:
    source = stage.working()
    async with dashboard(source) as (app, pilot):
        await pilot.press("1")
        source.kernels = (*stage.KERNELS, KernelInfo("k-user", "python3", "busy", 2, "sketch.ipynb"))
        source.play([("eda1", Entry(stage.NOW, KernelChanged("k-2", "it died (signal 9)")))])
        await settled(app, pilot)
        assert app.view.session == "etl1"
        text = screen_text(app)
        assert "sketch.ipynb" in text and "in JupyterLab" in text


async def test_a_kernel_of_nobody_can_be_interrupted_too() -> None:
    source = stage.StillSource(
        (), stage.READY, (), [KernelInfo("k-user", "python3", "busy", 2, "nb/sketch.ipynb")]
    )
    actions = stage.FakeActions()
    async with dashboard(source, actions=actions) as (app, pilot):
        await pilot.press("1")
        await settled(app, pilot)
        assert "was opened in JupyterLab" in screen_text(app)
        await pilot.press("i")
        await settled(app, pilot)
        assert actions.done == ["interrupt sketch.ipynb"]


async def test_code_output_and_paths_are_copied_without_colours() -> None:
    async with dashboard(stage.working()) as (app, pilot):
        await pilot.press("1", "y")
        assert app.clipboard.startswith("import pandas as pd\n")
        await pilot.press("Y")
        assert "\x1b" not in app.clipboard and "FileNotFoundError" in app.clipboard
        await pilot.press("b")
        assert app.clipboard == "/home/ben/project/notebooks/etl_2026.ipynb"


async def test_images_are_viewed_and_saved_next_to_earlier_ones(tmp_path: Path) -> None:
    async with dashboard(stage.working(), save_dir=tmp_path) as (app, pilot):
        await pilot.press("3", "v")
        await settled(app, pilot)
        assert "image/png 990×440" in screen_text(app)
        await pilot.press("s", "s", "escape")
        await until(pilot, lambda: len(list(tmp_path.glob("eda-*.png"))) == 2)
        assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())


async def test_a_damaged_image_is_a_sentence() -> None:
    source = stage.StillSource(stage.probing(), stage.READY, (), stage.KERNELS)
    async with dashboard(source) as (app, pilot):
        for data in ("AAAA", "not base64 !", "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptV"):
            source.play([("probe1", Entry(stage.NOW, DataShown("r", {"image/png": data})))])
            await settled(app, pilot)
        assert "The image cannot be drawn" in screen_text(app)


@pytest.mark.parametrize(
    ("key", "line"),
    [("slash", " / typed"), ("f", " sessions: typed"), ("I", " Interrupt train-unet, because: typed")],
)
async def test_the_last_line_shows_what_the_user_types(key: str, line: str) -> None:
    async with dashboard(stage.working()) as (app, pilot):
        await pilot.press(key, *"typed")
        assert screen_text(app).splitlines()[-1].startswith(line)
        await pilot.press("escape")
        await settled(app, pilot)
        assert "Help" in screen_text(app).splitlines()[-1]


async def test_search_counts_goes_round_and_is_left_with_escape() -> None:
    async with dashboard(stage.working()) as (app, pilot):
        await pilot.press("slash", *"step   7/", "enter")
        await settled(app, pilot)
        assert "13/13 matches" in screen_text(app)
        await pilot.press("n")
        assert app.feed.match == 0
        await pilot.press("N")
        assert app.feed.match == 12
        await pilot.press("escape")
        assert app.feed.needle == ""
        await pilot.press("slash", *"nowhere", "enter")
        await settled(app, pilot)
        assert any("not in this feed" in note for note in notes(app))


async def test_a_cell_that_fails_later_comes_into_the_view_of_errors() -> None:
    source = stage.working()
    async with dashboard(source) as (app, pilot):
        await pilot.press("a", "e")
        await settled(app, pilot)
        before = len(app.feed.items)
        source.play(
            [("train1", Entry(stage.NOW, RunFinished("train1-14", RunStatus.DIED, 3.0, cause="Gone.")))]
        )
        await settled(app, pilot)
        assert len(app.feed.items) == before + 1 and "Gone." in screen_text(app)


async def test_sessions_are_filtered_by_name() -> None:
    async with dashboard(stage.working()) as (app, pilot):
        await pilot.press("f", *"e", "enter")
        await settled(app, pilot)
        assert [row.name for row in app.view.listed] == ["etl-2026", "train-unet", "eda", "probe"]
        await pilot.press("f", *"tl", "enter")
        await settled(app, pilot)
        assert [row.name for row in app.view.listed] == ["etl-2026"]


async def test_the_mouse_selects_text_without_its_gutter() -> None:
    async with dashboard(stage.working()) as (app, pilot):
        await pilot.press("1")
        await settled(app, pilot)
        await pilot.mouse_down("#sessions", offset=(3, 2))
        await pilot.hover("#header", offset=(9, 0))
        await pilot.mouse_up("#header", offset=(9, 0))
        await pilot.pause()
        assert not app.screen.get_selected_text()
        await pilot.mouse_down(app.feed, offset=(3, 2))
        await pilot.hover(app.feed, offset=(9, 2))
        await pilot.mouse_up(app.feed, offset=(9, 2))
        await pilot.pause()
        assert app.screen.get_selected_text() == "import"


async def test_every_state_change_of_the_server_is_shown() -> None:
    source = stage.StillSource((), stage.PENDING, stage.samples(60), ())
    async with dashboard(source) as (app, pilot):
        for view, word in (
            (stage.STARTING, "starting"),
            (stage.READY, "running"),
            (stage.ENDED, "reached its walltime"),
            (stage.FAILED, "No module named"),
            (stage.NOTHING, "No Jupyter server is running"),
        ):
            source.become(view)
            await settled(app, pilot)
            assert word in screen_text(app)


async def test_finished_and_failed_cells_keep_their_numbers_in_the_list() -> None:
    source = stage.StillSource(stage.probing(), stage.READY, (), ())
    source.kernels = None
    async with dashboard(source) as (app, pilot):
        source.play([("probe1", Entry(stage.NOW, RunStarted("r", "execute_code", "c", "1/0")))])
        await settled(app, pilot)
        assert "▶ probe" in screen_text(app)
        source.play(
            [
                (
                    "probe1",
                    Entry(
                        stage.NOW,
                        RunFinished("r", RunStatus.DIED, 3.0, cause="The kernel was killed (out of memory)."),
                    ),
                )
            ]
        )
        await settled(app, pilot)
        assert "✗ probe" in screen_text(app) and "out of memory" in screen_text(app)


def test_every_key_has_a_label_a_sentence_and_a_group() -> None:
    assert all(key.label and key.sentence.endswith(".") and key.group in (*GROUPS, REPLAY) for key in KEYS)
    ranks = [key.footer for key in KEYS if key.footer and not key.replays]
    assert sorted(ranks) == list(range(1, len(ranks) + 1))
    bindings = [b for b in Dashboard.BINDINGS if isinstance(b, Binding)]
    assert len({b.id for b in bindings}) == len(bindings)


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (20, "? q"),
        (69, "i c r x / ? q"),
        (109, "i c h : r x / ? q S"),
        (189, "i c h : r x / ? q S V"),
        (0, ""),
    ],
)
def test_the_footer_fills_its_width_with_the_keys_that_are_worth_most(width: int, shown: str) -> None:
    keys = fitting([key for key in KEYS if key.footer and not key.sometimes and not key.replays], width)
    assert " ".join(key.shown for key in keys) == shown


@pytest.mark.parametrize(
    ("width", "shown"),
    [(69, "o i x ? q d v"), (109, "o i c ? q d v e a 0"), (189, "o i c h : r x / ? q d v S V e a 0")],
)
def test_keys_that_help_with_what_is_shown_come_before_those_that_always_stand_there(
    width: int, shown: str
) -> None:
    here = {"screen.expand", "screen.view", "screen.difference", "screen.errors", "screen.all"}
    keys = [
        key for key in KEYS if key.footer and not key.replays and (not key.sometimes or key.action in here)
    ]
    assert " ".join(key.shown for key in fitting(keys, width)) == shown


async def test_the_command_palette_offers_our_commands() -> None:
    async with dashboard(stage.working(), readonly=True) as (app, _):
        titles = [command.title for command in app.get_system_commands(app.screen)]
        assert "Errors only (e)" in titles and "Kill (x)" not in titles


async def test_pasted_lines_stay_lines_and_too_many_are_refused_with_their_number() -> None:
    actions = stage.FakeActions()
    async with dashboard(stage.working(), actions=actions) as (app, pilot):
        await pilot.press("c")
        await settled(app, pilot)
        for pasted in ("one\ntwo", "x" * (1 << 20)):
            app.post_message(Paste(pasted))
            await settled(app, pilot)
        assert "1,048,576 characters are too many: at most 4,000" in screen_text(app)
        await pilot.press("enter")
        await settled(app, pilot)
        assert actions.done == ["comment train-unet: one\ntwo"]


async def test_an_idle_gpu_is_told_once_and_stands_in_the_header_until_it_works() -> None:
    source = stage.working()
    last = source.samples[-1]
    idle = {**(last.kernels or {}), "k-train": KernelUse(101, 1.0, 1.0, 88 * 1024.0, gpu_idle_s=34 * 60.0)}
    source.samples.append(replace(last, kernels=idle))
    async with dashboard(source) as (app, pilot):
        assert "GPU idle 34 min" in screen_text(app)
        assert source.listener is not None
        source.listener.resources_changed()
        await settled(app, pilot)
        said = [note for note in notes(app) if "while the GPU was idle" in note]
        assert len(said) == 1 and "“train-unet” has held 88.0 GiB of GPU memory for 34 min" in said[0]
    async with dashboard(source, gpu_idle_warn_min=0.0) as (app, _):
        assert "GPU idle" not in screen_text(app) and not notes(app)


async def test_a_job_that_has_ended_says_how_it_used_its_gpus() -> None:
    source = stage.working()
    source.samples.append(replace(source.samples[-1], gpu_hours=GpuHours(12.0, 4.5)))
    said = "12.0 GPU hours held, 4.5 of them in use."
    async with dashboard(source) as (app, pilot):
        assert said not in screen_text(app)
        source.server = stage.ENDED
        app.on_server_changed()
        await settled(app, pilot)
        assert said in screen_text(app)


async def test_a_story_shows_captions_presses_keys_and_leaves() -> None:
    shown, asked, told = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def story(narrator: Narrator) -> None:
        await narrator.say("A first thing.", "o to see it")
        await narrator.say("Now [this].", "c to write")
        await shown.wait()
        narrator.press(("c",))
        await asked.wait()
        narrator.press(tuple("Hi!"))
        await told.wait()
        narrator.leave()

    source = stage.StillSource(stage.probing(), stage.READY, (), stage.KERNELS)
    async with dashboard(source, story=story) as (app, pilot):
        shown.set()
        await until(pilot, lambda: isinstance(app.focused, TextArea))
        asked.set()
        await until(pilot, lambda: "Hi!" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)
        text = screen_text(app)
        assert "Now [this]." in text and "c to write" in text and "first thing" not in text
        told.set()
        await until(pilot, lambda: app.return_code is not None)
