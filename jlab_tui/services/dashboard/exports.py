"""Saves what a cell shows as files: its images, or all of its text."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ...core.errors import JlabError
from ...core.feed.items import FeedCell, ImageOutput

NAME_MAX = 40
"""characters of a session's name that a file's name begins with"""


class NewFiles(Protocol):
    """The directory that a user wants files in."""

    async def write(self, name: str, data: bytes) -> Path:
        """Write a file that does not exist yet, with a number in its name where it does. Raises JlabError."""
        ...


class Exports:
    """Names the files after session and cell. Every method raises JlabError when a file cannot be written."""

    def __init__(self, files: NewFiles) -> None:
        self._files = files

    async def save_images(
        self, session: str, cell: FeedCell | None, images: Sequence[ImageOutput]
    ) -> list[Path]:
        """One file an image. `session` is the name that a user knows."""
        decoded = [_decoded(image) for image in images]
        paths = []
        for number, (image, data) in enumerate(zip(images, decoded, strict=True), 1):
            suffix = re.sub(r"\W", "", image.mime.partition("/")[2])[:8] or "png"
            part = f"-{number}" if len(images) > 1 else ""
            paths.append(await self._files.write(f"{_stem(session, cell)}{part}.{suffix}", data))
        return paths

    async def save_text(self, session: str, cell: FeedCell, text: str) -> Path:
        return await self._files.write(f"{_stem(session, cell)}.txt", text.encode("utf-8", "replace"))


def _decoded(image: ImageOutput) -> bytes:
    try:
        return base64.b64decode(image.data)
    except (binascii.Error, ValueError):
        raise JlabError("The image is damaged.", "Run its cell again.") from None


def _stem(session: str, cell: FeedCell | None) -> str:
    count = f"-{cell.execution_count}" if cell is not None and cell.execution_count is not None else ""
    return re.sub(r"[^\w.-]", "_", session or "cell")[:NAME_MAX] + count
