"""Images as a model gets them."""

from __future__ import annotations

import base64
import io
import struct
import zlib

import pytest
from PIL import Image

from jlab_tui.adapters.images import BYTES_MAX, Shrunk, shrink


def encoded(image: Image.Image, kind: str) -> str:
    out = io.BytesIO()
    image.save(out, kind)
    return base64.b64encode(out.getvalue()).decode()


def opened(shrunk: Shrunk) -> Image.Image:
    image = Image.open(io.BytesIO(shrunk.data))
    image.load()
    assert Image.MIME[str(image.format)] == shrunk.mime
    return image


@pytest.mark.parametrize("size", [(40, 30), (1600, 900)])
@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        *((mode, "PNG") for mode in ("RGB", "RGBA", "P", "1", "L", "LA", "I;16")),
        *((mode, "JPEG") for mode in ("RGB", "L", "CMYK")),
        ("RGB", "GIF"),
        ("RGBA", "WEBP"),
    ],
)
@pytest.mark.parametrize("called", ["image/png", "image/jpeg"])
def test_a_image_of_any_kind_comes_as_what_it_is_called(
    mode: str, kind: str, size: tuple[int, int], called: str
) -> None:
    image = opened(shrink(encoded(Image.new(mode, size), kind), called, 512))
    assert image.format in ("PNG", "JPEG") and image.mode != "CMYK"
    assert image.size == (size if size[0] < 512 else (512, 288))


def test_noise_with_transparency_keeps_to_the_bytes() -> None:
    noise = Image.effect_noise((1200, 900), 200).convert("RGBA")
    shrunk = shrink(encoded(noise, "PNG"), "image/png", 1200)
    assert opened(shrunk).size == (1200, 900) and len(shrunk.data) <= BYTES_MAX


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb() -> bytes:
    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "unknown format"),
        (b"not an image", "unknown format"),
        (base64.b64decode(encoded(Image.new("RGB", (60, 60)), "PNG"))[:60], "truncated"),
        (bomb(), "100000x100000 pixels is too large"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n", "unknown format"),
    ],
)
def test_data_that_is_no_image_is_described_in_words(raw: bytes, words: str) -> None:
    shrunk = shrink(base64.b64encode(raw).decode(), "image/png", 512)
    assert not shrunk.data and words in shrunk.note and "object at" not in shrunk.note
