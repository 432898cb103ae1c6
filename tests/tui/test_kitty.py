"""Images as pixels of kitty's protocol: what reaches the terminal of the program."""

from __future__ import annotations

import base64
import re
import sys
from pathlib import Path

import pytest

from jlab_tui.core.display.kitty_placeholders import PLACEHOLDER, placeholder
from jlab_tui.core.journal.events import DataShown, RunStarted, SessionOpened

from . import stage
from .emulator import Emulator
from .test_lines import Line, dashboard
from .test_tmux import Project

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="as the tests of lines")

PNG = stage.loss_curve()
GIVEN = re.compile(r"a=T,U=1,q=2,f=100,i=(\d+),c=(\d+),r=(\d+),m=[01]\Z")


def images(graphics: list[str]) -> list[tuple[int, int, int, str]]:
    """Number, columns, rows and data of each image that was sent whole."""
    found, data, given = [], "", (0, 0, 0)
    for sequence in graphics:
        keys, _, part = sequence.partition(";")
        if (match := GIVEN.match(keys)) is not None:
            data, given = "", (int(match[1]), int(match[2]), int(match[3]))
        data += part
        if keys.endswith("m=0"):
            found.append((*given, data))
    return found


def deleted(graphics: list[str]) -> set[int]:
    return {int(match[1]) for g in graphics if (match := re.match(r"a=d,d=I,q=2,i=(\d+)\Z", g)) is not None}


def color_of(number: int) -> str:
    return f"38;2;{number >> 16};{number >> 8 & 255};{number & 255}"


def drawn(screen: Emulator, number: int) -> list[list[str]]:
    """The cells of an image, by rows."""
    rows = [
        [
            c
            for c, look in zip(row, looks, strict=True)
            if c.startswith(PLACEHOLDER) and look == color_of(number)
        ]
        for row, looks in zip(screen.cells, screen.colors, strict=True)
    ]
    return [row for row in rows if row]


def whole(line: Line) -> int:
    """Wait until an image of the feed is on the screen, whole; return its number."""

    def shown() -> list[int]:
        return [
            number
            for number, columns, rows, _ in images(line.screen.graphics)
            if drawn(line.screen, number)
            == [[placeholder(y, x) for x in range(columns)] for y in range(rows)]
        ]

    line.read(lambda: bool(shown()))
    return shown()[0]


def show_image(project: Project) -> None:
    project.write("s1", SessionOpened("s1", "train", "/nb/a.ipynb", "k-1", "node-01", 0.0))
    project.write("s1", RunStarted("r1", "execute_code", "c1", "train()"))
    project.write("s1", DataShown("r1", {"image/png": PNG}))


def test_kitty_gets_the_png_once_and_cells_for_it_and_forgets_it_at_the_end(tmp_path: Path) -> None:
    project = Project(tmp_path / "status")
    with dashboard(project, COLORTERM="truecolor") as line:
        line.name = b"\x1bP>|kitty(0.42.1)\x1b\\"
        show_image(project)
        number = whole(line)
        sent = images(line.screen.graphics)
        assert [data for i, _, _, data in sent if i == number] == [PNG], "as it is, and once"
        assert base64.b64decode(PNG).startswith(b"\x89PNG")
        line.press(b"\x0c")  # Ctrl+L
        line.read(lambda: len(images(line.screen.graphics)) > len(sent))
        line.press(b"q")
        line.read(lambda: number in deleted(line.screen.graphics))
        assert deleted(line.screen.graphics) == {i for i, _, _, _ in images(line.screen.graphics)}
        assert line.process.wait(20) == 0


def test_a_user_without_colours_gets_none_of_it(tmp_path: Path) -> None:
    project = Project(tmp_path / "status")
    with dashboard(project, COLORTERM="truecolor", NO_COLOR="1") as line:
        line.name = b"\x1bP>|kitty(0.42.1)\x1b\\"
        show_image(project)
        line.read(lambda: any("\U0001cd00" <= char <= "\U0001cde5" for char in line.screen.text))
        assert not line.screen.graphics and PLACEHOLDER not in line.screen.text
