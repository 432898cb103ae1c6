"""Makes the README's images: the real app with recorded data at a fixed time, as PNG and SVG.

python scripts/screenshots.py [NAME ...]        into screenshots/
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import termshot  # noqa: E402

from jlab_tui.services.dashboard.looks import NoLooks  # noqa: E402
from jlab_tui.tui.app import Dashboard  # noqa: E402
from tests.tui import stage  # noqa: E402
from tests.tui.screen import settled  # noqa: E402


@dataclass(frozen=True)
class Shot:
    """One image: terminal size, keys to press first, theme, state of the server."""

    columns: int
    rows: int
    keys: tuple[str, ...] = ()
    theme: str = "night"
    view: str = ""
    svg: bool = False


SHOTS = {
    "dashboard": Shot(120, 36, svg=True),
    "dashboard-day": Shot(120, 36, theme="day"),
    "wide": Shot(200, 50, ("left_square_bracket",)),
    "narrow": Shot(80, 24),
    "smallest": Shot(60, 20),
    "images": Shot(120, 36, ("3",)),
    "traceback": Shot(120, 36, ("1",)),
    "search": Shot(120, 36, ("slash", *"12 step", "enter")),
    "graphs": Shot(120, 36, ("m",)),
    "queue": Shot(120, 36, view="PENDING"),
    "starting": Shot(120, 36, view="STARTING"),
    "failed": Shot(120, 36, view="FAILED"),
    "help": Shot(120, 36, ("question_mark",)),
    "confirm": Shot(120, 36, ("x",)),
    "palette": Shot(120, 36, ("ctrl+p",)),
}


async def take(name: str, shot: Shot, directory: Path) -> None:
    if shot.view:
        source = stage.StillSource((), getattr(stage, shot.view))
    else:
        source = stage.working(stage.loss_curve(), stage.heat_map())
    app = Dashboard(source, stage.FakeActions(), NoLooks(), stage.exports(), stage.options(theme=shot.theme))
    async with app.run_test(size=(shot.columns, shot.rows)) as pilot:
        await settled(app, pilot)
        for key in shot.keys:
            await pilot.press(key)
        await settled(app, pilot)
        termshot.from_app(app).save(directory / f"{name}.png", optimize=True)
        if shot.svg:
            svg = app.export_screenshot(title="jlab-mcp start", simplify=True)
            (directory / f"{name}.svg").write_text(svg, encoding="utf-8")


def main(names: list[str]) -> None:
    directory = ROOT / "screenshots"
    directory.mkdir(exist_ok=True)
    for name in names or list(SHOTS):
        asyncio.run(take(name, SHOTS[name], directory))
        print(name)


if __name__ == "__main__":
    main(sys.argv[1:])
