"""Images for a model: decoded, made smaller, within a byte budget. Works in a thread; Pillow is imported at first use."""

from __future__ import annotations

import base64
import binascii
import io
import threading
from dataclasses import dataclass

PIXELS_MAX = 64_000_000
"""an image with more pixels is not decoded"""
BYTES_MAX = 700_000
"""of one encoded image"""
_SHOWN_AS_IT_IS = ("PNG", "JPEG")
_FORMATS = (*_SHOWN_AS_IT_IS, "GIF", "WEBP")
"""that a kernel shows; Pillow would run Ghostscript for what poses as one of them"""
_ONE_AT_A_TIME = threading.Lock()
"""an image of so many pixels takes 260 MB while it is decoded"""


@dataclass(frozen=True, slots=True)
class Shrunk:
    """An image ready to send, or the reason why there is none."""

    data: bytes
    mime: str
    note: str = ""


def shrink(encoded: str, mime: str, max_px: int) -> Shrunk:
    """A base64 image with at most `max_px` on its long edge, as PNG, or as JPEG when the PNG is too large.

    Never raises for bad data: the note says what is wrong and `data` is empty.
    """
    from PIL import Image, UnidentifiedImageError  # 10 ms and 5 MB that no session without images needs

    try:
        raw = base64.b64decode(encoded, validate=False)
    except (binascii.Error, ValueError):
        return Shrunk(b"", mime, f"[an image ({mime}) that is not valid base64]")
    try:
        Image.MAX_IMAGE_PIXELS = None  # our own limit below, without a warning
        with _ONE_AT_A_TIME, Image.open(io.BytesIO(raw), formats=_FORMATS) as image:
            width, height = image.size
            if width * height > PIXELS_MAX:
                return Shrunk(b"", mime, f"[an image of {width}x{height} pixels is too large to show]")
            is_small = max(width, height) <= max_px and len(raw) <= BYTES_MAX
            if is_small and image.format in _SHOWN_AS_IT_IS and image.mode != "CMYK":
                image.load()
                # Not what the kernel called it: a model's API refuses an image that is not of the type it names.
                return Shrunk(raw, Image.MIME[image.format])
            image.draft("RGB", (max_px, max_px))
            image.load()
            return _encode(image, max_px, (width, height))
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        why = "no known format" if isinstance(error, UnidentifiedImageError) else error
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
