"""Shrinks images for a model to a byte budget. Runs in a thread; imports Pillow at first use."""

from __future__ import annotations

import base64
import binascii
import io
import threading
from dataclasses import dataclass

PIXELS_MAX = 64_000_000
"""larger images are not decoded"""
BYTES_MAX = 700_000
"""largest size of one encoded image"""
_SHOWN_AS_IT_IS = ("PNG", "JPEG")
_FORMATS = (*_SHOWN_AS_IT_IS, "GIF", "WEBP")
"""formats that kernels display; for others Pillow might run Ghostscript"""
_ONE_AT_A_TIME = threading.Lock()
"""decoding so many pixels takes 260 MB"""


@dataclass(frozen=True, slots=True)
class Shrunk:
    """An image ready to send, or the reason why there is none."""

    data: bytes
    mime: str
    note: str = ""


def shrink(encoded: str, mime: str, max_px: int) -> Shrunk:
    """Shrink a base64 image to at most `max_px` on its long edge; as PNG, or as JPEG if the PNG is too large.

    Bad data does not raise: `data` is empty and the note says why.
    """
    from PIL import Image, UnidentifiedImageError  # 10 ms and 5 MB, only for sessions with images

    try:
        raw = base64.b64decode(encoded, validate=False)
    except (binascii.Error, ValueError):
        return Shrunk(b"", mime, f"[an image ({mime}) with invalid base64]")
    try:
        Image.MAX_IMAGE_PIXELS = None  # the limit below replaces it
        with _ONE_AT_A_TIME, Image.open(io.BytesIO(raw), formats=_FORMATS) as image:
            width, height = image.size
            if width * height > PIXELS_MAX:
                return Shrunk(b"", mime, f"[an image of {width}x{height} pixels is too large to show]")
            is_small = max(width, height) <= max_px and len(raw) <= BYTES_MAX
            if is_small and image.format in _SHOWN_AS_IT_IS and image.mode != "CMYK":
                image.load()
                # The real type, not the kernel's word for it: model APIs refuse an image whose type is wrong.
                return Shrunk(raw, Image.MIME[image.format])
            image.draft("RGB", (max_px, max_px))
            image.load()
            return _encode(image, max_px, (width, height))
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        why = "unknown format" if isinstance(error, UnidentifiedImageError) else error
        return Shrunk(b"", mime, f"[an image ({mime}, {len(raw):,} bytes) that cannot be decoded: {why}]")


def _encode(image: object, max_px: int, size: tuple[int, int]) -> Shrunk:
    from PIL import Image

    assert isinstance(image, Image.Image)
    has_alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    mode = "RGBA" if has_alpha else "RGB"
    reduced = image if image.mode == mode else image.convert(mode)
    note = ""
    if max(size) > max_px:
        reduced.thumbnail((max_px, max_px), Image.Resampling.LANCZOS, reducing_gap=3.0)
        note = f"[shown at {reduced.width}x{reduced.height} of {size[0]}x{size[1]}]"
    out = io.BytesIO()
    reduced.save(out, "PNG", compress_level=6)
    if out.tell() <= BYTES_MAX:
        return Shrunk(out.getvalue(), "image/png", note)
    flat = Image.new("RGB", reduced.size, "white")
    flat.paste(reduced, mask=reduced.getchannel("A") if has_alpha else None)
    for quality in (85, 60, 35):
        out = io.BytesIO()
        flat.save(out, "JPEG", quality=quality)
        if out.tell() <= BYTES_MAX:
            break
    return Shrunk(out.getvalue(), "image/jpeg", note)
