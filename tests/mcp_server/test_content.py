"""Parts of a reply as a client gets them: small images, no more than one message may carry, text that can travel."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

from mcp_types import CallToolResult, ImageContent, TextContent
from PIL import Image

from jlab_tui.adapters.images import Shrunk, shrink
from jlab_tui.core.reply.compose import IMAGES_MAX, Part, ReplyImage
from jlab_tui.mcp_server.content import REPLY_BYTES_MAX, as_content, as_json, as_text
from jlab_tui.mcp_server.context import App


def app(shrinking: object = shrink) -> App:
    settings = SimpleNamespace(output_chars=1000, image_max_px=64)
    return cast(App, SimpleNamespace(settings=settings, shrink=shrinking))


def red(number: int, width: int = 8) -> ReplyImage:
    file = io.BytesIO()
    Image.new("RGB", (width, 8), "red").save(file, "PNG")
    return ReplyImage(number, "image/png", base64.b64encode(file.getvalue()).decode())


def shown(result: CallToolResult) -> list[str]:
    """Text blocks as they are, of an image its size."""
    return [_shown(block) for block in result.content]


def _shown(block: object) -> str:
    if isinstance(block, ImageContent):
        with Image.open(io.BytesIO(base64.b64decode(block.data))) as image:
            return f"{block.mime_type} {image.width}x{image.height}"
    assert isinstance(block, TextContent)
    return block.text


async def content(parts: Sequence[Part], **options: int) -> list[str]:
    return shown(await as_content(app(), parts, **options))


async def test_text_and_images_keep_their_order() -> None:
    assert await content(["before", red(1), "after"]) == ["before", "image/png 8x8", "after"]


async def test_a_wide_image_is_made_smaller_and_says_so() -> None:
    assert await content([red(1, width=640)]) == ["image/png 64x1", "[shown at 64x1 of 640x8]"]


async def test_an_image_that_is_asked_for_comes_at_full_size() -> None:
    assert await content([red(1, width=640)], max_px=2000) == ["image/png 640x8"]


async def test_an_image_that_is_none_leaves_a_sentence() -> None:
    (said,) = await content([ReplyImage(1, "image/png", base64.b64encode(b"no image").decode())])
    assert "cannot be decoded" in said


async def test_more_images_than_a_reply_may_hold_are_counted() -> None:
    *images, said = await content([red(n) for n in range(IMAGES_MAX + 2)])
    assert images == ["image/png 8x8"] * IMAGES_MAX and "2 more images left out" in said


async def test_images_beyond_the_bytes_of_one_reply_are_named_and_smaller_ones_still_come() -> None:
    def large_and_small(data: str, mime: str, max_px: int) -> Shrunk:
        return Shrunk(b"x" * int(data), mime)

    half = REPLY_BYTES_MAX * 3 // 4 // 2  # base64 adds a third
    sizes = [half, half, 3, 9]
    parts = [ReplyImage(number, "image/png", str(size)) for number, size in enumerate(sizes, 1)]
    result = await as_content(app(large_and_small), [parts[0], parts[3], parts[1], parts[2]])
    first, second, said, third = result.content
    assert [type(b) for b in (first, second, third)] == [ImageContent] * 3
    assert isinstance(said, TextContent) and said.text == "[image 2 left out: the reply would be too large]"


async def test_a_text_beyond_the_budget_is_cut_in_the_middle() -> None:
    (text,) = await content(["begin " + "x" * 10_000 + " end"])
    assert text.startswith("begin") and text.endswith("end") and len(text) < 1200


async def test_half_a_surrogate_pair_does_not_keep_a_reply_from_its_client() -> None:
    assert await content(["a\ud800b"]) == ["a?b"]
    assert shown(as_text("a\ud800b", "", "c")) == ["a?b\nc"]
    assert shown(as_json({"é": "\ud800"})) == ['{\n "é": "?"\n}']
