"""The characters that fill any of the eight parts of a cell, two across and four down: octants of Unicode 16 and older blocks."""

from __future__ import annotations

from typing import Final

_OLDER: Final = {
    0: " ", 1: "\U0001cea8", 2: "\U0001ceab", 3: "\U0001fb82", 5: "▘", 10: "▝", 15: "▀", 20: "\U0001fbe6", 40: "\U0001fbe7",
    63: "\U0001fb85", 64: "\U0001cea3", 80: "▖", 85: "▌", 90: "▞", 95: "▛", 128: "\U0001cea0", 160: "▗", 165: "▚", 170: "▐",
    175: "▜", 192: "▂", 240: "▄", 245: "▙", 250: "▟", 252: "▆", 255: "█",
}  # fmt: skip
_FIRST: Final = 0x1CD00
"""of the 230 others, in the order of their parts"""


def _characters() -> str:
    found, code = "", _FIRST
    for parts in range(256):
        if parts in _OLDER:
            found += _OLDER[parts]
        else:
            found += chr(code)
            code += 1
    return found


OCTANTS: Final = _characters()
"""by their parts: bit 0 upper left, 1 upper right, 2 and 3 the row below, and so on"""
