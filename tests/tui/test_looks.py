"""The panel of variables: V opens it, it sorts, and reads again once the kernel has become idle."""

from __future__ import annotations

import pytest

from jlab_tui.core.errors import SessionBusy
from jlab_tui.core.journal.events import Entry, RunFinished, RunStatus, TextPrinted
from jlab_tui.core.kernel.variable_table import Column, KernelVariable, Variables
from jlab_tui.services.dashboard.actions import Target
from jlab_tui.tui.format import ASCII, UNICODE
from jlab_tui.tui.variables_screen import table_lines

from . import stage
from .screen import dashboard, screen_text, settled, until

MODEL = KernelVariable("model", "unet.UNet", value="", bytes=48)
BATCH = KernelVariable("batch", "torch.Tensor", "(64, 3, 512, 512)", "torch.float32", "cuda:0", 201_326_592)
STEP = KernelVariable("step", "int", value="1200", bytes=28)


class FakeKernel:
    """Answers with what it is given, and counts the questions."""

    def __init__(self, *rows: KernelVariable) -> None:
        self.rows = rows
        self.asked: list[str] = []
        self.refuses = False

    async def value(self, target: Target, expression: str) -> str:
        self.asked.append(f"{target.name}: {expression}")
        return "0.25"

    async def variables(self, target: Target) -> Variables:
        self.asked.append(target.name)
        if self.refuses:
            raise SessionBusy("The kernel does not answer.", "Try again.")
        return Variables(self.rows, len(self.rows) + 500)

    async def stacks(self, target: Target) -> str:
        self.asked.append(target.name)
        if self.refuses:
            raise SessionBusy("The kernel does not answer.", "Try again.")
        return f"It waits for look {len(self.asked)}.\nMain thread, outermost call first:\n  In[1], line 2: [b]x[/]\n(the end)"


def order(text: str) -> list[str]:
    return [
        name
        for line in text.splitlines()
        for name in ("model", "batch", "step")
        if line.startswith(f"│{name} ")
    ]


async def test_v_shows_the_variables_sorted_as_the_user_likes_and_a_kernel_that_does_not_answer() -> None:
    kernel = FakeKernel(MODEL, BATCH, STEP)
    async with dashboard(stage.working(), looks=kernel, readonly=True) as (app, pilot):
        await pilot.press("V")
        await until(pilot, lambda: "201.3 MB" in screen_text(app))
        text = screen_text(app)
        assert kernel.asked == ["train-unet"]
        assert order(text) == ["batch", "model", "step"] and "3 variables of 503" in text
        await pilot.press("s", "s")  # by value, then by name
        await until(pilot, lambda: order(screen_text(app)) == ["batch", "model", "step"])
        await pilot.press("r")
        await until(pilot, lambda: order(screen_text(app)) == ["step", "model", "batch"])
        kernel.refuses = True
        await pilot.press("enter")
        await until(pilot, lambda: "does not answer. Try again." in screen_text(app))
        assert "batch" in screen_text(app), "what was read stays"
        await pilot.press("escape")
        await settled(app, pilot)
        assert app.screen is app.main


async def test_the_variables_are_read_again_when_the_cell_has_ended_and_not_while_it_runs() -> None:
    source, kernel = stage.working(), FakeKernel(STEP)
    async with dashboard(source, looks=kernel) as (app, pilot):
        await pilot.press("V")
        await until(pilot, lambda: "step" in screen_text(app))
        run = source.feed.sessions["train1"].running
        assert run is not None
        source.play([("train1", Entry(stage.NOW, TextPrinted(run.run, "stdout", "more\n")))])
        await settled(app, pilot)
        assert len(kernel.asked) == 1
        source.kernels = tuple(
            k if k.kernel_id != "k-train" else type(k)("k-train", "python3", "idle", 1) for k in stage.KERNELS
        )
        kernel.rows = (MODEL,)
        source.play([("train1", Entry(stage.NOW, RunFinished(run.run, RunStatus.OK, 9.0)))])
        await until(pilot, lambda: "model" in screen_text(app))
        assert len(kernel.asked) == 2


async def test_s_shows_what_the_code_waits_for_and_looks_again() -> None:
    kernel = FakeKernel()
    async with dashboard(stage.working(), looks=kernel, readonly=True) as (app, pilot):
        await pilot.press("S")
        await until(pilot, lambda: "It waits for look 1." in screen_text(app))
        assert "  In[1], line 2: [b]x[/]" in screen_text(app)
        await pilot.press("S")
        await until(pilot, lambda: "It waits for look 2." in screen_text(app))
        kernel.refuses = True
        await pilot.press("S")
        await until(pilot, lambda: "does not answer. Try again." in screen_text(app))
        await pilot.press("escape")
        await settled(app, pilot)
        assert app.screen is app.main


async def test_a_recording_says_that_it_has_no_kernel() -> None:
    async with dashboard(stage.working()) as (app, pilot):
        await pilot.press("V")
        await until(pilot, lambda: "there is no kernel to ask" in screen_text(app))
        await pilot.press("escape", "S")
        await until(pilot, lambda: "there is no kernel to ask" in screen_text(app))


@pytest.mark.parametrize(
    ("width", "head"),
    [
        (100, "name   type          shape              dtype          device    size ▾  value"),
        (60, "name   type          shape              dtype"),
        (40, "name   type          shape"),
    ],
)
def test_columns_that_do_not_fit_are_left_out(width: int, head: str) -> None:
    lines = table_lines([BATCH, STEP], width, Column.SIZE, is_reversed=False, glyphs=UNICODE)
    assert lines[0].plain == head
    assert all(len(line.plain) <= width for line in lines)


def test_columns_without_text_are_left_out_and_escapes_do_nothing() -> None:
    evil = KernelVariable("x", "a.\x1b[2Jb" + "c" * 40, bytes=1, value="[red]1[/]")
    head, line = table_lines([evil], 80, Column.NAME, is_reversed=True, glyphs=ASCII)
    assert head.plain.split() == ["name", "-", "type", "size", "value"]
    assert "\x1b" not in line.plain and line.plain.endswith("[red]1[/]") and "..." in line.plain


async def test_a_line_typed_while_a_cell_runs_is_a_look_and_nothing_is_saved() -> None:
    kernel, actions = FakeKernel(), stage.FakeActions()
    async with dashboard(stage.working(), looks=kernel, actions=actions) as (app, pilot):
        await pilot.press("colon", *"loss")
        assert screen_text(app).splitlines()[-1].startswith(" look, not saved: loss")
        await pilot.press("enter")
        await settled(app, pilot)
        assert kernel.asked == ["train-unet: loss"] and actions.done == []
        assert [(note.title, note.message) for note in app._notifications] == [("loss (not saved)", "0.25")]
