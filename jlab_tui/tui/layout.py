"""Lays out one item of the feed as blocks, and blocks as rows. Pure, no widgets."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import assert_never

from ..core.feed.items import DroppedOutput, ErrorOutput, FeedCell, FeedItem, ImageOutput, Note, TextOutput
from .blocks import (
    Blank,
    Block,
    CellHeader,
    CodeBlock,
    ErrorBlock,
    Frame,
    Hidden,
    ImageBlock,
    Sentence,
    note_block,
)
from .format import counted, left_out, run_mark
from .progress_block import ProgressBlock
from .text_block import TextBlock
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


def lay_out(item: FeedItem, frame: Frame, *, expanded: bool) -> Layout:
    """Return the layout of an item at the frame's width."""
    match item:
        case FeedCell():
            return _lay_out_cell(item, frame, expanded)
        case Note():
            return Layout([note_block(item, frame), Blank()])
        case _:
            assert_never(item)


def _lay_out_cell(cell: FeedCell, frame: Frame, expanded: bool) -> Layout:
    glyph_hue = run_mark(cell.status, frame.glyphs)[1] if not cell.is_markdown else "primary"
    blocks: list[Block] = [CellHeader(cell, frame)]
    folds = False
    if cell.source.strip():
        code = CodeBlock(cell, frame, glyph_hue, expanded)
        folds |= code.folds
        blocks.append(code)
    outputs = cell.outputs
    shown: list[tuple[int, int]] = [(0, len(outputs))]
    if not expanded and len(outputs) > OUTPUTS_HEAD + OUTPUTS_TAIL + 1:
        shown = [(0, OUTPUTS_HEAD), (len(outputs) - OUTPUTS_TAIL, len(outputs))]
    for part, (first, last) in enumerate(shown):
        if part:
            hidden = first - shown[0][1]
            blocks.append(Hidden(f"{counted(hidden, 'output')} hidden", frame, glyph_hue))
            folds = True
        for output in outputs[first:last]:
            block: Block
            match output:
                case TextOutput() if not output.is_stream and not len(output.scrollback):
                    continue
                case TextOutput():
                    block = TextBlock(output, frame, glyph_hue, expanded)
                    folds |= block.folds
                case ImageOutput():
                    block = ImageBlock(output, frame, glyph_hue)
                case ErrorOutput():
                    block = ErrorBlock(output, frame, glyph_hue, expanded)
                    folds |= block.folds
                case DroppedOutput():
                    block = Sentence(output.text, frame, glyph_hue, "accent")
                case _:
                    assert_never(output)
            blocks.append(block)
    if cell.digest is not None:
        blocks.append(ProgressBlock(cell.digest, frame, glyph_hue))
    if cut := left_out(cell):
        blocks.append(Sentence(cut, frame, glyph_hue, "muted"))
    if cell.cause:
        hue = "error" if cell.has_failed else "accent"
        blocks.append(Sentence(cell.cause, frame, glyph_hue, hue))
    blocks.append(Blank())
    return Layout(blocks, folds=folds)
