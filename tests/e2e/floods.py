"""Cells that pour out output, and what must have become of it. Used by the tests and by benchmarks/floods.py."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Flood:
    """Code, and what the run's record must hold of it."""

    name: str
    code: str
    characters: int = 0
    """of text, all of it"""
    images: int = 0
    others: int = 0
    """outputs that are neither text nor images"""


NOISE = """
import os, struct, zlib, base64
from IPython.display import display, Image
def png(size):
    def chunk(kind, data): return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    rows = b''.join(b'\\0' + os.urandom(size) for _ in range(size))
    head = struct.pack('>IIBBBBB', size, size, 8, 0, 0, 0, 0)
    return b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', head) + chunk(b'IDAT', zlib.compress(rows, 0)) + chunk(b'IEND', b'')
"""

FLOODS = {
    flood.name: flood
    for flood in (
        Flood(
            "100,000 flushed prints",
            "for i in range(100_000): print(i, flush=True)",
            sum(len(str(i)) + 1 for i in range(100_000)),
        ),
        Flood("50 MB in one print", "print(('y' * 99 + '\\n') * 500_000, end='')", 50_000_000),
        Flood("200 images of 512x512", NOISE + "for i in range(200): display(Image(png(512)))", images=200),
        Flood(
            "10,000 progress updates",
            "import sys\nfor i in range(10_000): print(f'\\r{i:6d}/10000 |####|', end='', file=sys.stderr, flush=True)",
            10_000 * 20,
        ),
        Flood(
            "10,000 outputs",
            "from IPython.display import display\nfor i in range(10_000): display({'n': i})",
            others=10_000,
        ),
        Flood(
            "one display updated 100,000 times",
            "from IPython.display import display\nh = display('begin', display_id=True)\nfor i in range(100_000): h.update(i)",
            others=1,
        ),
    )
}
