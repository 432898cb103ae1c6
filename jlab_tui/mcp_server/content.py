"""Turns the parts of a reply into MCP content, with images shrunk to fit one reply."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from mcp_types import CallToolResult, ImageContent, TextContent

from ..core.display.printable import printable
from ..core.reply.compose import Part, ReplyImage, fit
from .context import App
from .tool_arguments import Ctx

REPLY_BYTES_MAX: Final = 6 << 20
"""base64 bytes in one reply; clients drop the connection at about 16 MB"""
_OVER_BUDGET: Final = 1.15
"""characters that a reply may add to its output's budget, for notes"""


async def as_content(app: App, parts: Sequence[Part], *, max_px: int | None = None) -> CallToolResult:
    """Return content blocks in the order of `parts`, at most what fits one reply."""
    blocks: list[TextContent | ImageContent] = []
    left = REPLY_BYTES_MAX
    for part in fit(parts, int(app.settings.output_chars * _OVER_BUDGET)):
        if isinstance(part, ReplyImage):
            shrunk = await asyncio.to_thread(
                app.shrink, part.base64, part.mime, max_px or app.settings.image_max_px
            )
            encoded = base64.b64encode(shrunk.data).decode()
            if len(encoded) > left:
                blocks.append(_text(f"[image {part.number} left out: the reply would be too large]"))
                continue
            left -= len(encoded)
            if encoded:
                blocks.append(ImageContent(type="image", data=encoded, mime_type=shrunk.mime))
            if shrunk.note:
                blocks.append(_text(shrunk.note))
        else:
            blocks.append(_text(part))
    return CallToolResult(content=list(blocks))


def without_images(parts: Sequence[Part], run_id: str) -> list[str]:
    """The text of `parts`. Images become the call that shows them, for clients that hand a model no image here."""
    texts = [part for part in parts if not isinstance(part, ReplyImage)]
    if images := [part.number for part in parts if isinstance(part, ReplyImage)]:
        texts.append(f'[images {images}: read_output(run_id="{run_id}", images={images}) shows them]')
    return texts


def as_json(value: Any) -> CallToolResult:
    """Return a value as JSON text."""
    return CallToolResult(content=[_text(json.dumps(value, ensure_ascii=False, indent=1, default=str))])


def as_text(*sentences: str) -> CallToolResult:
    return CallToolResult(content=[_text("\n".join(s for s in sentences if s))])


def beat_of(ctx: Ctx) -> Callable[[float, str], Awaitable[None]]:
    """Report progress: seconds so far and a sentence, such as the last line of output."""

    async def beat(elapsed: float, sentence: str) -> None:
        message = printable(sentence) or f"running for {elapsed:.0f} s"
        await ctx.report_progress(round(elapsed, 1), None, message)

    return beat


def _text(text: str) -> TextContent:
    return TextContent(type="text", text=printable(text))
