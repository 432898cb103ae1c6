"""Records terminals as they change, and makes one small animated GIF of it with Pillow and numpy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import termshot
from PIL import Image

PERIOD_S = 0.25
STILL_MOST_S = 1.6
"""a screen that does not change is shown no longer"""
LAST_S = 6.0
SPEED = 2.0
"""times as fast as it was"""
COLORS = 40
SIZE = 15


@dataclass
class Reel:
    """What was on the screens, with the time at which it came."""

    look: Callable[[], list[str]]
    frames: list[tuple[float, list[str]]] = field(default_factory=list)

    async def record(self) -> None:
        """Record until cancelled."""
        while True:
            lines = await asyncio.to_thread(self.look)
            if not self.frames or self.frames[-1][1] != lines:
                self.frames.append((time.monotonic(), lines))
            await asyncio.sleep(PERIOD_S)

    def save(self, path: Path, columns: int) -> int:
        """Write the GIF. Returns its size in bytes."""
        images = [termshot.from_capture(lines, columns, size=SIZE) for _, lines in self.frames]
        times = [at for at, _ in self.frames]
        shown_s = [min(after - at, STILL_MOST_S) / SPEED for at, after in pairwise(times)]
        return save_gif(path, images, [*shown_s, LAST_S])


def save_gif(path: Path, images: list[Image.Image], shown_s: list[float]) -> int:
    """Write images with one palette; of each but the first only the pixels that differ from the one before."""
    every = images[:: max(1, len(images) // 12)]
    sample = Image.new("RGB", (images[0].width, images[0].height * len(every)))
    for number, image in enumerate(every):
        sample.paste(image, (0, number * image.height))
    palette = sample.quantize(COLORS, dither=Image.Dither.NONE)
    before: np.ndarray | None = None
    frames = []
    for image in images:
        pixels = np.asarray(image.quantize(palette=palette, dither=Image.Dither.NONE))
        drawn = pixels if before is None else np.where(pixels == before, np.uint8(COLORS), pixels)
        before = pixels
        frame = Image.fromarray(drawn.astype(np.uint8), "P")
        frame.putpalette([*(palette.getpalette() or [])[: COLORS * 3], 0, 0, 0])
        frames.append(frame)
    frames[0].save(
        path,
        save_all=True,
        append_images=frames[1:],
        duration=[round(seconds * 1000) for seconds in shown_s],
        loop=0,
        transparency=COLORS,
        disposal=1,
        optimize=False,
    )
    return path.stat().st_size
