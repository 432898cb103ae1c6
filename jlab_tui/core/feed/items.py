"""The items of the feed: cells with their outputs, and notes between them.

Items only grow and change in place; a view redraws those whose `version` has changed.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..display.charts import chart_of
from ..display.mime import bitmaps, describe_data, parts_of, text_of
from ..display.tables import Part, TextTable
from ..display.terminal_text import render_terminal
from ..journal.events import RunStatus
from ..journal.figure_texts import FigureTexts
from ..journal.run_use import NO_USE, RunUse
from ..progress.digest import Digest
from .scrollback import KEEP_BYTES, Scrollback

_TRACEBACK_MAX = 4000
_LAST_LINES = 4
"""among which the last line with text is looked for"""
_LAST_BYTES = 400
FAILED = frozenset({RunStatus.ERROR, RunStatus.DIED, RunStatus.JOB_ENDED, RunStatus.LOST})


@dataclass(slots=True, eq=False)
class TextOutput:
    """Printed text, or the plain text of a result."""

    scrollback: Scrollback = field(default_factory=Scrollback)
    is_stream: bool = True
    into: str = ""
    """the Output widget that captured it; empty for the cell's own output"""
    parts: tuple[Part, ...] = ()
    """of a result with tables: they, and the text between them"""

    @property
    def tables(self) -> list[TextTable]:
        return [part for part in self.parts if isinstance(part, TextTable)]


@dataclass(slots=True, eq=False, weakref_slot=True)
class ImageOutput:
    mime: str
    data: str
    """base64; empty when memory no longer holds it"""
    width: int = 0
    height: int = 0
    """pixels; 0 if the header does not say"""
    is_counted: bool = False
    """position among the images in memory"""
    into: str = ""
    texts: FigureTexts = ()
    """what is to be read in it, if it shows a figure"""


@dataclass(slots=True, eq=False)
class ErrorOutput:
    ename: str
    evalue: str
    lines: tuple[str, ...]
    """traceback with ANSI colours, one screen line each"""
    into: str = ""


@dataclass(slots=True, eq=False)
class DroppedOutput:
    count: int
    unit: str
    why: str

    @property
    def text(self) -> str:
        why = f" ({self.why})" if self.why else ""
        return f"{self.count:,} {self.unit} of output were not recorded{why}"


Output = TextOutput | ImageOutput | ErrorOutput | DroppedOutput


@dataclass(slots=True, eq=False, weakref_slot=True)
class FeedCell:
    """One run of a cell, or a cell that has not run yet."""

    session: str
    at: float
    source: str
    cell_id: str = ""
    run: str = ""
    """empty if it has not run"""
    tool: str = ""
    is_markdown: bool = False
    status: RunStatus | None = None
    """None if it has not run"""
    seconds: float = 0.0
    execution_count: int | None = None
    cause: str = ""
    use: RunUse = NO_USE
    outputs: list[Output] = field(default_factory=list)
    clear_pending: set[str] = field(default_factory=set)
    """whose output the next one clears: Output widgets, the cell itself as an empty one"""
    hold: str = ""
    """id of the action that holds it, or held it"""
    before: str = ""
    """what the notebook's cell had when it ran last, or what the held code changes; empty if that is nothing or the same"""
    cut_chars: int = 0
    """characters that the last reply did not show the model"""
    cut_images: int = 0
    is_torn: bool = False
    """its beginning stands in a part of the record that has not been read"""
    cleared: set[str] = field(default_factory=set)
    """whose output was cleared since its torn beginning, as `clear_pending` names them"""
    digest: Digest | None = None
    """what its text tells, while it runs"""
    held_at: float = 0.0
    """when it began to wait for the user; 0 if it was not held"""
    begun_at: float = 0.0
    """when the kernel started it, at its first output at the latest; 0 if that is not known"""
    ended_at: float = 0.0
    """when its end was recorded; 0 before"""
    version: int = 0

    @property
    def is_running(self) -> bool:
        return self.status is RunStatus.RUNNING

    @property
    def is_held(self) -> bool:
        return self.status is RunStatus.HELD

    @property
    def has_failed(self) -> bool:
        return self.status in FAILED

    @property
    def images(self) -> list[ImageOutput]:
        return [output for output in self.outputs if isinstance(output, ImageOutput)]

    @property
    def error(self) -> ErrorOutput | None:
        return next((o for o in reversed(self.outputs) if isinstance(o, ErrorOutput)), None)

    @property
    def has_gaps(self) -> bool:
        """Whether memory holds only a part of its output; the record has the rest."""
        return self.is_torn or any(
            output.scrollback.dropped > 0 if isinstance(output, TextOutput) else not output.data
            for output in self.outputs
            if isinstance(output, TextOutput | ImageOutput)
        )

    def clear(self, into: str) -> None:
        """Remove its own output, or what a widget captured."""
        self.clear_pending.discard(into)
        if self.is_torn:
            self.cleared.add(into)
        self.outputs[:] = [output for output in self.outputs if _into(output) != into]

    def drop_middle(self, keep_bytes: int = KEEP_BYTES) -> None:
        """Keep only so much text in memory, by default as much as for any other cell."""
        for output in self.outputs:
            if isinstance(output, TextOutput):
                output.scrollback.keep(keep_bytes)
                if _table_chars(output) > keep_bytes:
                    output.parts = ()

    @property
    def text_bytes(self) -> int:
        """Bytes of its text in memory, about."""
        return sum(
            len(o.scrollback.buffer) + _table_chars(o) for o in self.outputs if isinstance(o, TextOutput)
        )

    def complete(self, older: FeedCell) -> None:
        """Put what an earlier part of the record has of this torn cell in front."""
        self.at, self.source, self.tool = older.at, older.source or self.source, older.tool or self.tool
        self.cell_id, self.before = older.cell_id or self.cell_id, self.before or older.before
        if self.status is None or not self.status.is_final:
            self.status, self.seconds, self.cause = older.status, older.seconds, older.cause
            self.use = older.use
        self.held_at = older.held_at
        self.begun_at = older.begun_at or self.begun_at
        self.ended_at = self.ended_at or older.ended_at
        if self.execution_count is None:
            self.execution_count = older.execution_count
        if not (self.cut_chars or self.cut_images):
            self.cut_chars, self.cut_images = older.cut_chars, older.cut_images
        shown = {o.into for o in self.outputs if not isinstance(o, DroppedOutput)} | self.cleared
        gone = self.cleared | (older.clear_pending & shown)
        kept = [output for output in older.outputs if _into(output) not in gone]
        self.outputs[:] = _joined(kept, self.outputs)
        self.clear_pending |= older.clear_pending - shown
        self.is_torn = older.is_torn
        self.cleared = gone | older.cleared if older.is_torn else set()
        self.version += 1

    @property
    def last_line(self) -> str:
        """The last line that it printed, with its colours and at most some hundred characters; empty if there is none."""
        text = next((o.scrollback for o in reversed(self.outputs) if isinstance(o, TextOutput)), None)
        if text is None:
            return ""
        numbers = range(len(text) - 1, max(-1, len(text) - 1 - _LAST_LINES), -1)
        raw = next((raw for number in numbers if (raw := text.raw(number)).strip()), b"")
        return raw[:_LAST_BYTES].decode("utf-8", "ignore")

    def output_text(self) -> str:
        """Return all text of the cell, with tracebacks and colours."""
        parts = []
        for output in self.outputs:
            match output:
                case TextOutput():
                    parts.append(output.scrollback.text())
                case ErrorOutput():
                    parts.append("\n".join(output.lines) + "\n")
                case _:
                    pass
        return "".join(part if part.endswith("\n") else part + "\n" for part in parts if part)


@dataclass(slots=True, eq=False)
class Note:
    """An event between the cells."""

    session: str
    at: float
    text: str
    level: str = "info"
    """info, warning, error, human or faint"""
    version: int = 0


FeedItem = FeedCell | Note


@dataclass(frozen=True, slots=True)
class Change:
    """Names the item of a session that is new or has changed."""

    session: str
    item: FeedItem | None
    is_new: bool


Shown = list[TextOutput | ImageOutput]
"""what a MIME bundle shows: text, images, or both"""


def _table_chars(output: TextOutput) -> int:
    return sum(table.chars for table in output.tables)


def _into(output: Output) -> str:
    return "" if isinstance(output, DroppedOutput) else output.into


def _joined(earlier: list[Output], later: list[Output]) -> list[Output]:
    """Return outputs of two parts of a run in one list; where the parts meet, one output may go on."""
    if earlier and later:
        match earlier[-1], later[0]:
            case TextOutput(is_stream=True) as text, TextOutput(is_stream=True) as more if (
                text.into == more.into
            ):
                text.scrollback.go_on(more.scrollback)
                more.scrollback = text.scrollback
                return [*earlier[:-1], *later]
            case DroppedOutput() as one, DroppedOutput() as two if (one.unit, one.why) == (two.unit, two.why):
                two.count += one.count
                return [*earlier[:-1], *later]
            case _:
                pass
    return [*earlier, *later]


def outputs_of(data: Mapping[str, Any], into: str = "", texts: FigureTexts = ()) -> Shown:
    """Show a MIME bundle as its images and the text that a model gets, in the kernel's colours; never empty, so that an
    update finds its place. Of a chart that comes with its image, what its specification says is shown, too."""
    images = [ImageOutput(mime, encoded, *image_size(encoded), into=into) for mime, encoded in bitmaps(data)]
    if len(images) == 1:
        images[0].texts = texts
    words = describe_data(data) or (chart_of(data) if images else "")
    if images and not words:
        return [*images]
    output = TextOutput(is_stream=False, into=into)
    plain = text_of(data.get("text/plain"))
    output.scrollback.write(plain if words == render_terminal(plain) else words)
    output.parts = parts_of(data, words)
    return [output, *images]


def traceback_lines(traceback: Sequence[str]) -> tuple[str, ...]:
    """Split into screen lines; of very many, keep the first and the last, because drawing measures each of them."""
    lines = "\n".join(traceback).split("\n") if traceback else []
    gone = len(lines) - _TRACEBACK_MAX
    if gone > 0:
        half = _TRACEBACK_MAX // 2
        lines[half:-half] = [f"... {gone:,} lines left out; the record has them ..."]
    return tuple(lines)


def image_size(data: str) -> tuple[int, int]:
    """Read width and height in pixels from the header of a base64 PNG; (0, 0) if the header does not say."""
    try:
        head = base64.b64decode(data[:64])
    except (binascii.Error, ValueError):
        return 0, 0
    if head[:8] == b"\x89PNG\r\n\x1a\n" and len(head) >= 24:
        width, height = struct.unpack(">II", head[16:24])
        return width, height
    return 0, 0
