"""Images as text: the data in sequences of the protocol, and the characters for their cells."""

from __future__ import annotations

import base64
import unicodedata

import pytest

from jlab_tui.core.display.kitty_placeholders import (
    CHUNK,
    MARKS,
    MOST_CELLS,
    deletion,
    placeholder,
    transmission,
    without_placeholders,
)

OLD = unicodedata.ucd_3_2_0
FUSING = "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u0309\u030a\u030b\u030c\u030f\u0311\u0313\u0314\u0342\u0653\u0654"


def test_the_marks_are_those_that_the_protocol_takes_in_their_order() -> None:
    assert MOST_CELLS == len(set(MARKS)) == 297 and sorted(MARKS) == list(MARKS)
    assert all(unicodedata.category(mark) == "Mn" and unicodedata.combining(mark) == 230 for mark in MARKS)
    assert not any(unicodedata.decomposition(mark) for mark in MARKS)
    old = {
        chr(code)
        for code in range(0x20000)
        if OLD.combining(chr(code)) == 230 and OLD.category(chr(code)) == "Mn"
    }
    assert {mark for mark in old if not OLD.decomposition(mark)} - set(FUSING) <= set(MARKS)
    assert [ord(MARKS[place]) for place in (0, 1, 15, 30, 296)] == [0x305, 0x30D, 0x357, 0x483, 0x1D244]


@pytest.mark.parametrize(
    ("row", "column", "text"),
    [
        (0, 0, "\U0010eeee\u0305\u0305"),
        (0, 1, "\U0010eeee\u0305\u030d"),
        (296, 2, "\U0010eeee\U0001d244\u030e"),
    ],
)
def test_a_cell_says_its_row_and_its_column(row: int, column: int, text: str) -> None:
    assert placeholder(row, column) == text


def test_what_is_copied_has_no_placeholders() -> None:
    row = "▏ " + placeholder(1, 1) + placeholder(1, 2) + " e\u0301"
    assert without_placeholders(row) == "▏  e\u0301" and without_placeholders("x") == "x"


@pytest.mark.parametrize("size", [1, CHUNK // 4 * 3 - 1, CHUNK // 4 * 3, CHUNK // 4 * 3 + 1, 3 * CHUNK])
def test_the_data_goes_in_parts_of_which_all_but_the_last_say_that_more_come(size: int) -> None:
    data = bytes(n % 251 for n in range(size))
    sequences = transmission(70_000, base64.b64encode(data).decode(), 40, 15)
    keys, parts = [], []
    for sequence in sequences:
        assert sequence.startswith("\x1b_G") and sequence.endswith("\x1b\\")
        key, _, part = sequence[3:-2].partition(";")
        keys.append(key)
        parts.append(part)
    assert base64.b64decode("".join(parts)) == data
    assert all(len(part) == CHUNK for part in parts[:-1]) and 0 < len(parts[-1]) <= CHUNK
    more = "0" if len(parts) == 1 else "1"
    assert keys[0] == f"a=T,U=1,q=2,f=100,i=70000,c=40,r=15,m={more}"
    assert keys[1:] == ["q=2,m=1"] * (len(keys) - 2) + ["q=2,m=0"] * (len(keys) > 1)


def test_an_image_is_forgotten_with_its_data() -> None:
    assert deletion(7) == "\x1b_Ga=d,d=I,q=2,i=7\x1b\\"
