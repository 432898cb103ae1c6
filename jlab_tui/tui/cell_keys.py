"""Keys for the current cell: copy its code or output, save its images or output as files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from ..core.display.tables import TextTable, markdown_parts
from ..core.feed.items import FeedCell, ImageOutput, Output, TextOutput
from ..services.dashboard.exports import Exports
from .ansi import plain
from .format import counted
from .outcomes import Outcomes, Say


def images_of(cell: FeedCell | None) -> list[ImageOutput]:
    """Return the images of a cell that are still in memory."""
    return [image for image in cell.images if image.data] if cell is not None else []


def tables_of(cell: FeedCell | None) -> list[TextTable]:
    """Return the tables that a cell shows, or those of a text cell."""
    if cell is None:
        return []
    if cell.is_markdown:
        return [part for part in markdown_parts(cell.source) if isinstance(part, TextTable)]
    return [table for output in cell.outputs if isinstance(output, TextOutput) for table in output.tables]


def ends_with_image(cell: FeedCell | None) -> bool:
    """Whether the last image of a cell comes after its last table."""
    outputs = cell.outputs if cell is not None else []
    return next(
        (
            isinstance(o, ImageOutput)
            for o in reversed(outputs)
            if isinstance(o, ImageOutput) or _has_table(o)
        ),
        False,
    )


def _has_table(output: Output) -> bool:
    return isinstance(output, TextOutput) and bool(output.parts)


class CellKeys:
    def __init__(
        self,
        exports: Exports,
        whole: Callable[[FeedCell], Awaitable[bool]],
        outcomes: Outcomes,
        say: Say,
        copy: Callable[[str], None],
    ) -> None:
        """`whole` reads all output of a cell from its record; returns False if the record lacks some."""
        self._exports = exports
        self._whole = whole
        self._outcomes = outcomes
        self._say = say
        self._copy = copy

    def copy_code(self, cell: FeedCell | None) -> None:
        if cell is None or not cell.source:
            self._say("No cell to copy.")
            return
        self._copy(cell.source)
        self._say(f"{counted(cell.source.count(chr(10)) + 1, 'line')} of code copied.")

    def copy_output(self, cell: FeedCell | None) -> None:
        text = plain(cell.output_text()) if cell is not None else ""
        if cell is None or not text:
            self._say("The cell has no text output.")
            return
        self._copy(text)
        rest = " Not all of it is in memory; w writes all of it to a file." if cell.has_gaps else ""
        self._say(f"{counted(text.count(chr(10)), 'line')} of output copied.{rest}")

    def save_images(self, session: str, cell: FeedCell | None, images: Sequence[ImageOutput]) -> None:
        if images:
            self._outcomes.start("Save", lambda: self._save(session, cell, images))
        else:
            self._say("The cell has no image.")

    async def _save(self, session: str, cell: FeedCell | None, images: Sequence[ImageOutput]) -> str:
        paths = await self._exports.save_images(session, cell, images)
        self._copy("\n".join(map(str, paths)))
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        return f"Saved, path copied: {paths[0]}{more}"

    def write_output(self, session: str, cell: FeedCell | None, is_expanded: Callable[[], bool]) -> None:
        """Write all output, from the record too. `is_expanded`: the feed still needs all of it afterwards."""
        if cell is None or not cell.output_text():
            self._say("The cell has no text output.")
        else:
            self._outcomes.start("Write", lambda: self._write(session, cell, is_expanded))

    async def _write(self, session: str, cell: FeedCell, is_expanded: Callable[[], bool]) -> str:
        is_whole = not cell.has_gaps or await self._whole(cell)
        text = plain(cell.output_text())
        if not is_expanded():
            cell.drop_middle()
        path = await self._exports.save_text(session, cell, text)
        self._copy(str(path))
        gap = "" if is_whole else " The record lacks some of the output."
        return f"Saved, path copied: {path}{gap}"
