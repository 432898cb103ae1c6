"""Lays out one item of the feed as blocks, and blocks as rows. Pure, no widgets."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import assert_never

from ..core.display.tables import Part, TextTable, markdown_parts
from ..core.feed.items import (
    DroppedOutput,
    ErrorOutput,
    FeedCell,
    FeedItem,
    ImageOutput,
    Note,
    Output,
    TextOutput,
)
from .blocks import (
    CODE_ENDS,
    Blank,
    Block,
    CellHeader,
    CodeBlock,
    Ends,
    ErrorBlock,
    Frame,
    Hidden,
    ImageBlock,
    Sentence,
    note_block,
)
from .format import counted, left_out, run_mark
from .progress_block import ProgressBlock
from .table_block import TableBlock
from .text_block import TEXT_HEAD, TEXT_TAIL, TextBlock
from .tries_line import TriesLine
from .wrapping import Row

OUTPUTS_HEAD, OUTPUTS_TAIL = 2, 4


class Layout:
    """The blocks of one item from top to bottom."""

    __slots__ = ("_starts", "blocks", "folds", "height")

    def __init__(self, blocks: Sequence[Block], *, folds: bool = False) -> None:
        self.blocks = blocks
        self.folds = folds
        """whether it hides lines that can be expanded"""
        self._starts: list[int] = []
        height = 0
        for block in blocks:
            self._starts.append(height)
            height += block.height
        self.height = height

    def row(self, index: int) -> Row:
        number = bisect_right(self._starts, index) - 1
        while self.blocks[number].height == 0:
            number -= 1
        return self.blocks[number].row(index - self._starts[number])

    def start_of(self, wanted: object) -> int:
        """Return the first row of the block that shows `wanted` (an output); 0 if there is none."""
        for block, start in zip(self.blocks, self._starts, strict=True):
            if getattr(block, "shows", None) is wanted:
                return start
        return 0


def lay_out(item: FeedItem, frame: Frame, *, expanded: bool, is_last: bool = False) -> Layout:
    """Return the layout of an item at the frame's width. The last cell shows as much of its end as the view has room for."""
    match item:
        case FeedCell():
            return _lay_out_cell(item, frame, expanded, is_last)
        case Note():
            return Layout([note_block(item, frame), Blank()])
        case _:
            assert_never(item)


def lay_out_tries(item: FeedItem, count: int, frame: Frame) -> Layout:
    """Return the layout of the first of the earlier tries of a cell, which stands for all `count`; that of the others if that is 0."""
    return Layout([TriesLine(item, count, frame)] if count and isinstance(item, FeedCell) else [], folds=True)


def _lay_out_cell(cell: FeedCell, frame: Frame, expanded: bool, is_last: bool) -> Layout:
    hue = run_mark(cell.status, frame.glyphs)[1] if not cell.is_markdown else "primary"
    above: list[Block] = [CellHeader(cell, frame)]
    if cell.is_markdown and (parts := markdown_parts(cell.source)):
        above += [_note_part(cell, part, frame, hue, expanded) for part in parts]
    elif cell.source.strip():
        above.append(CodeBlock(cell, frame, hue, expanded, ends=_code_ends(cell, frame, is_last=is_last)))
    below = _below(cell, frame, hue)
    tail = TEXT_TAIL
    if is_last:
        around = (
            sum(block.height for block in (*above, *below)) + TEXT_HEAD + 1
        )  # and the line that tells of hidden ones
        tail = max(TEXT_TAIL, frame.room - around)
    outputs, hides = _outputs(cell, frame, hue, expanded, tail)
    blocks = [*above, *outputs, *below]
    folds = hides or any(getattr(block, "folds", False) for block in blocks)
    return Layout(blocks, folds=folds)


def _code_ends(cell: FeedCell, frame: Frame, *, is_last: bool) -> Ends:
    """Return how many lines at the two ends of its code are shown while it is folded: the last cell has room for what it prints."""
    if not (is_last and cell.outputs and frame.room):
        return CODE_ENDS
    return min(CODE_ENDS[0], max(3, frame.room // 3 - 3)), 2


def _note_part(cell: FeedCell, part: Part, frame: Frame, hue: str, expanded: bool) -> Block:
    if isinstance(part, TextTable):
        return TableBlock([part], frame, hue, expanded, tail=TEXT_TAIL, shows=cell)
    return CodeBlock(cell, frame, hue, expanded, part)


def _below(cell: FeedCell, frame: Frame, hue: str) -> list[Block]:
    """Return what is said of a cell below its outputs."""
    found: list[Block] = []
    if cell.digest is not None:
        found.append(ProgressBlock(cell.digest, frame, hue))
    if cut := left_out(cell):
        found.append(Sentence(cut, frame, hue, "muted"))
    if cell.cause:
        found.append(Sentence(cell.cause, frame, hue, "error" if cell.has_failed else "accent"))
    return [*found, Blank()]


def _outputs(cell: FeedCell, frame: Frame, hue: str, expanded: bool, tail: int) -> tuple[list[Block], bool]:
    """Return the blocks of the outputs, and whether some have none. `tail`: lines at the end of the last one, if it is text."""
    outputs, found = cell.outputs, list[Block]()
    shown: list[tuple[int, int]] = [(0, len(outputs))]
    if not expanded and len(outputs) > OUTPUTS_HEAD + OUTPUTS_TAIL + 1:
        shown = [(0, OUTPUTS_HEAD), (len(outputs) - OUTPUTS_TAIL, len(outputs))]
    for part, (first, last) in enumerate(shown):
        if part:
            hidden = first - shown[0][1]
            found.append(Hidden(f"{counted(hidden, 'output')} hidden", frame, hue))
        for output in outputs[first:last]:
            own_tail = tail if output is outputs[-1] else TEXT_TAIL
            if (block := _output(output, frame, hue, expanded, own_tail)) is not None:
                found.append(block)
    return found, len(shown) > 1


def _output(output: Output, frame: Frame, hue: str, expanded: bool, tail: int) -> Block | None:
    match output:
        case TextOutput() if not output.is_stream and not len(output.scrollback):
            return None
        case TextOutput() if output.parts:
            return TableBlock(output.parts, frame, hue, expanded, tail=tail, shows=output)
        case TextOutput():
            return TextBlock(output, frame, hue, expanded, tail=tail)
        case ImageOutput():
            return ImageBlock(output, frame, hue)
        case ErrorOutput():
            return ErrorBlock(output, frame, hue, expanded)
        case DroppedOutput():
            return Sentence(output.text, frame, hue, "accent")
        case _:
            assert_never(output)
