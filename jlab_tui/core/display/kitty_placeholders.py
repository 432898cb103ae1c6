"""Images as text, for terminals with kitty's graphics protocol: the data once, and characters that stand for its parts.

The protocol: https://sw.kovidgoyal.net/kitty/graphics-protocol/#unicode-placeholders
"""

from __future__ import annotations

from typing import Final

PLACEHOLDER: Final = "\U0010eeee"
CHUNK: Final = 4096
"""longest part of the data in one sequence"""
IDS: Final = 1 << 24
"""an image's number is the colour of its characters; 0 is none"""

_MARKS: Final = (
    "0305 030D-030E 0310 0312 033D-033F 0346 034A-034C 0350-0352 0357 035B 0363-036F 0483-0487 0592-0595 0597-0599 "
    "059C-05A1 05A8-05A9 05AB-05AC 05AF 05C4 0610-0617 0657-065B 065D-065E 06D6-06DC 06DF-06E2 06E4 06E7-06E8 06EB-06EC "
    "0730 0732-0733 0735-0736 073A 073D 073F-0741 0743 0745 0747 0749-074A 07EB-07F1 07F3 0816-0819 081B-0823 0825-0827 "
    "0829-082D 0951 0953-0954 0F82-0F83 0F86-0F87 135D-135F 17DD 193A 1A17 1A75-1A7C 1B6B 1B6D-1B73 1CD0-1CD2 1CDA-1CDB "
    "1CE0 1DC0-1DC1 1DC3-1DC9 1DCB-1DCC 1DD1-1DE6 1DFE 20D0-20D1 20D4-20D7 20DB-20DC 20E1 20E7 20E9 20F0 2CEF-2CF1 "
    "2DE0-2DFF A66F A67C-A67D A6F0-A6F1 A8E0-A8F1 AAB0 AAB2-AAB3 AAB7-AAB8 AABE-AABF AAC1 FE20-FE26 10A0F 10A38 "
    "1D185-1D189 1D1AA-1D1AD 1D242-1D244"
)
"""Unicode 6.0's marks above a character that no normalization joins to one"""


def _marks() -> str:
    found = ""
    for span in _MARKS.split():
        first, _, last = span.partition("-")
        found += "".join(map(chr, range(int(first, 16), int(last or first, 16) + 1)))
    return found


MARKS: Final = _marks()
"""what a placeholder is combined with, by number: its row, then its column"""
MOST_CELLS: Final = len(MARKS)
"""rows, or columns, of the largest image"""


def placeholder(row: int, column: int) -> str:
    """Return the character for one cell of an image."""
    return PLACEHOLDER + MARKS[row] + MARKS[column]


def without_placeholders(text: str) -> str:
    """Return what a person can read or copy of a row."""
    if PLACEHOLDER not in text:
        return text
    kept, marks = "", 0
    for char in text:
        if char == PLACEHOLDER:
            marks = 2
        elif marks:
            marks -= 1
        else:
            kept += char
    return kept


def transmission(image: int, png: str, columns: int, rows: int) -> list[str]:
    """Return the sequences that give a PNG, in base64, to the terminal, to be shown on `columns` x `rows` placeholders.

    No other sequence of the protocol may come between them. The terminal answers none.
    """
    parts = [png[place : place + CHUNK] for place in range(0, len(png), CHUNK)]
    found = []
    for number, part in enumerate(parts):
        keys = f"a=T,U=1,q=2,f=100,i={image},c={columns},r={rows}," if number == 0 else "q=2,"
        found.append(f"\x1b_G{keys}m={int(number + 1 < len(parts))};{part}\x1b\\")
    return found


def deletion(image: int) -> str:
    """Return the sequence that makes the terminal forget an image."""
    return f"\x1b_Ga=d,d=I,q=2,i={image}\x1b\\"
