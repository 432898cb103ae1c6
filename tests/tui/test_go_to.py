"""From a cell to other programs, with the reason where there is no way; and which parts of the screen are shown."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from jlab_tui.core.errors import JlabError
from jlab_tui.core.journal.events import ErrorRaised, RunStatus, TextPrinted
from jlab_tui.tui.ansi import coloured
from jlab_tui.tui.app import Dashboard
from jlab_tui.tui.presets import PRESETS

from . import stage
from .screen import dashboard, screen_text, settled, until

TOKEN = "f00dfeed" * 4


@dataclass
class Way:
    """JupyterLab at an address."""

    asked: list[str] = field(default_factory=list)
    failure: JlabError | None = None

    async def link(self, notebook: str) -> str:
        self.asked.append(notebook)
        return f"http://127.0.0.1:9/lab/tree/x.ipynb?token={TOKEN}"

    async def ssh(self) -> str:
        if self.failure is not None:
            raise self.failure
        return "ssh -N -L 9:/run/j.sock ada@login"


@dataclass
class Programs:
    """The user's editor and pager, and one file that is there."""

    there: str
    opened: list[tuple[object, ...]] = field(default_factory=list)

    def open_at(self, file: str, line: int) -> None:
        self.opened.append((file, line))

    def page(self, coloured: str, plain: str) -> None:
        self.opened.append((coloured, plain))

    def find(self, name: str, directory: str) -> str:
        self.opened.append(("looked for", name, directory))
        return self.there if name == "~/project/unet.py" else ""


def told(app: Dashboard) -> str:
    return "\n".join(f"{note.title} {note.message}" for note in app._notifications)


TRACE = (
    "Traceback",
    "File ~/project/unet.py:12, in f(x)",
    "File /x/site-packages/torch.py:3, in g()",
    "E: e",
)


def failed(*trace: str) -> stage.StillSource:
    w = stage.Writer("etl1", "etl", "k-etl", stage.NOW - 50)
    error = ErrorRaised("", "E", "e", trace)
    w.run(
        "f(1)",
        TextPrinted("", "stdout", "\x1b[31mred\x1b[0m\x1b]52;c;eA==\x07\n"),
        error,
        status=RunStatus.ERROR,
    )
    return stage.StillSource(w.entries, stage.READY, stage.samples(), stage.KERNELS)


async def test_a_cell_leads_to_its_file_in_the_editor_and_to_all_of_its_output() -> None:
    programs, way = Programs("/home/ada/project/unet.py"), Way()
    given = (programs.open_at, programs.page, programs.find)
    async with dashboard(failed(*TRACE), way=way, open_at=given[0], page=given[1], find_file=given[2]) as (
        app,
        pilot,
    ):
        await pilot.press("O")
        text = screen_text(app)
        assert (
            "e  Editor: /home/ada/project/unet.py:12" in text
            and "(" not in text[text.index("e  Editor") :][:60]
        )
        await pilot.press("e")
        await until(pilot, lambda: ("/home/ada/project/unet.py", 12) in programs.opened)
        assert ("looked for", "~/project/unet.py", "/home/ben/project/notebooks") in programs.opened
        await pilot.press("O", "end", "enter")
        await until(
            pilot, lambda: isinstance(programs.opened[-1][0], str) and "red" in programs.opened[-1][0]
        )
        shown, plain = programs.opened[-1]
        assert isinstance(shown, str) and isinstance(plain, str)
        assert shown.startswith("\x1b[31mred\x1b[0m\n") and plain.startswith("red\n") and "\x1b]" not in shown


async def test_jupyterlab_is_a_link_on_the_clipboard_and_its_token_nowhere_on_the_screen() -> None:
    way = Way()
    async with dashboard(failed(*TRACE), way=way) as (app, pilot):
        await pilot.press("O", "j")
        await until(pilot, lambda: "token" in app.clipboard)
        await until(pilot, lambda: "treat it like a password" in told(app))
        assert way.asked == ["/home/ben/project/notebooks/etl.ipynb"]
        assert TOKEN not in screen_text(app) + told(app)
        await pilot.press("O", "s")
        await until(pilot, lambda: app.clipboard.startswith("ssh"))
        way.failure = JlabError("The server does not answer.", "Try again.")
        await pilot.press("O", "s")
        await until(pilot, lambda: "The server does not answer." in told(app))


@pytest.mark.parametrize(
    ("trace", "why"),
    [
        (("Traceback", "Cell In[3], line 2"), "the traceback names no file"),
        (("File /gone.py:3, in f()",), "/gone.py is not on this host"),
    ],
)
async def test_what_leads_nowhere_is_not_offered_and_says_why(trace: tuple[str, ...], why: str) -> None:
    async with dashboard(failed(*trace)) as (app, pilot):
        await pilot.press("O")
        assert f"({why})" in screen_text(app) and "(this is a recording)" in screen_text(app)
        await pilot.press("e", "j")
        assert "Go to" in screen_text(app)
        await pilot.press("escape")
        assert "Go to" not in screen_text(app)


async def test_without_a_cell_the_menu_has_reasons_only() -> None:
    async with dashboard(stage.StillSource((), stage.NOTHING), way=Way()) as (app, pilot):
        await pilot.press("O")
        text = screen_text(app)
        assert (
            "(no server runs)" in text
            and "(the cell raised nothing)" in text
            and "(the cell has no text output)" in text
        )


def test_text_for_a_pager_keeps_its_colours_and_nothing_that_acts() -> None:
    assert (
        coloured("a\x1b[1;31mb\x1b[0m\x1b[2Jc\x1b]0;t\x07\td\x9b5n\x08\n\u202ee")
        == "a\x1b[1;31mb\x1b[0mc\td\ne"
    )
    assert coloured("\x1b") == "" == coloured("\x1b[") == coloured("\x1b\x1b[5n")


async def test_layouts_go_round_and_a_machine_without_gpu_has_one_row_of_meters() -> None:
    async with dashboard(stage.working()) as (app, pilot):
        seen = []
        for _ in PRESETS:
            text = screen_text(app)
            seen.append(("load 11.2" in text, "╭─ Sessions" in text, " 10 min ┄" in text, "loss=" in text))
            await pilot.press("z")
            await settled(app, pilot)
        assert seen == [(True, True, True, True), (False, True, False, True), (False, False, False, True),
                        (True, False, True, True)]  # fmt: skip
        assert told(app) == "Layout all", "one notification, whatever was chosen before"
        await pilot.press("Y", "Y")
        await settled(app, pilot)
        assert len(told(app).splitlines()) == 2, "the same is not told twice"
    async with dashboard(
        stage.StillSource(stage.probing(), stage.READY, stage.samples(gpus=0), stage.KERNELS)
    ) as (app, pilot):
        row = screen_text(app).splitlines()[1]
        assert row.startswith(" CPU ") and "MEM" in row and "load 11.2" not in screen_text(app)
        await pilot.press("z", "z", "z")
        await settled(app, pilot)
        assert "load 11.2" in screen_text(app)
