"""Each part of a cell has its place in the table of octants."""

from __future__ import annotations

from jlab_tui.core.display.octants import OCTANTS


def parts(*numbers: int) -> str:
    """The character that fills these eighths, as Unicode numbers them."""
    return OCTANTS[sum(1 << number - 1 for number in numbers)]


def test_every_set_of_parts_has_a_character_of_its_own() -> None:
    assert len(OCTANTS) == len(set(OCTANTS)) == 256
    new = [char for char in OCTANTS if "\U0001cd00" <= char <= "\U0001cde5"]
    assert new == [chr(code) for code in range(0x1CD00, 0x1CDE6)]


def test_characters_fill_the_parts_of_their_names() -> None:
    assert parts() == " " and parts(1, 2, 3, 4, 5, 6, 7, 8) == "█"
    assert parts(1, 2, 3, 4) == "▀" and parts(2, 4, 6, 8) == "▐" and parts(5, 6, 7, 8) == "▄"
    assert parts(1, 3) == "▘" and parts(6, 8) == "▗" and parts(2, 4, 5, 7) == "▞"
    assert parts(3) == "\U0001cd00" and parts(2, 3) == "\U0001cd01", "BLOCK OCTANT-3 and -23"
    assert parts(2, 3, 4, 5, 6, 7, 8) == "\U0001cde5", "BLOCK OCTANT-2345678"
