"""The key that leads from a cell to other programs: JupyterLab, the user's editor, a pager."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ..core.display.traceback_place import FilePlace, file_places
from ..core.feed.items import FeedCell
from .ansi import coloured, one_line, plain
from .options import DashboardOptions
from .outcomes import Outcomes

if TYPE_CHECKING:
    from ..services.dashboard.browser_way import BrowserWay

LINK, SSH, FILE, OUTPUT = "link", "ssh", "file", "output"


class GoToKeys:
    def __init__(
        self,
        options: DashboardOptions,
        lend: Callable[[Callable[[], None]], None],
        whole: Callable[[FeedCell], Awaitable[bool]],
        outcomes: Outcomes,
        push_screen: Callable[..., Any],
        copy: Callable[[str], None],
    ) -> None:
        """`lend` lets another program have the terminal. `whole` reads all output of a cell from its record."""
        self._options = options
        self._lend = lend
        self._whole = whole
        self._outcomes = outcomes
        self._push_screen = push_screen
        self._copy = copy

    def open(self, cell: FeedCell | None, notebook: str, directory: str, is_live: bool) -> None:
        """Ask where to go. `directory`: the kernel's working directory."""
        from .go_to_screen import GoToScreen, WayOut  # its list loads slowly, and not before the first frame

        place, why = self._file(cell, directory)
        way = self._options.way
        no_server = "this is a recording" if way is None else "" if is_live else "no server runs"
        no_text = "" if cell is not None and cell.output_text() else "the cell has no text output"
        where = f"{one_line(place.file)}:{place.line}" if place is not None else ""
        ways = [
            WayOut(LINK, "j", "JupyterLab: copy a link that logs you in", no_server),
            WayOut(SSH, "s", "JupyterLab from a laptop: copy the ssh line", no_server),
            WayOut(FILE, "e", f"Editor: {where}" if where else "Editor at the line of the traceback", why),
            WayOut(OUTPUT, "p", "Pager: all of the output", no_text),
        ]

        def chosen(ident: str | None) -> None:
            match ident:
                case "link" if way is not None:
                    self._outcomes.start("JupyterLab", lambda: self._copy_link(way, notebook))
                case "ssh" if way is not None:
                    self._outcomes.start("JupyterLab", lambda: self._copy_ssh(way))
                case "file" if place is not None:
                    self._outcomes.start("Editor", lambda: self._edit(place))
                case "output" if cell is not None:
                    self._outcomes.start("Pager", lambda: self._page(cell))
                case _:
                    pass

        self._push_screen(GoToScreen(ways), chosen)

    def _file(self, cell: FeedCell | None, directory: str) -> tuple[FilePlace | None, str]:
        """Return the place that the cell's traceback leads to, or why there is none."""
        error = cell.error if cell is not None else None
        if error is None:
            return None, "the cell raised nothing"
        places = file_places(error.lines)
        if not places:
            return None, "the traceback names no file"
        for place in places:
            if path := self._options.find_file(place.file, directory):
                return FilePlace(path, place.line), ""
        return None, f"{one_line(places[0].file)} is not on this host"

    async def _copy_link(self, way: BrowserWay, notebook: str) -> str:
        self._copy(await way.link(notebook))
        return (
            "Copied a link that logs you in; treat it like a password. From a laptop, run the ssh line first."
        )

    async def _copy_ssh(self, way: BrowserWay) -> str:
        line = await way.ssh()
        self._copy(line)
        return f"Copied: {line}"

    async def _edit(self, place: FilePlace) -> str:
        self._lend(lambda: self._options.open_at(place.file, place.line))
        return ""

    async def _page(self, cell: FeedCell) -> str:
        is_whole = not cell.has_gaps or await self._whole(cell)
        text = cell.output_text()
        cell.drop_middle()
        self._lend(lambda: self._options.page(coloured(text), plain(text)))
        return "" if is_whole else "The record lacks some of the output."
