"""What the terminal is given of images, in pieces: each whole, again when it may be another terminal, and taken back."""

from __future__ import annotations

import base64
import re

import pytest
from rich.segment import Segment
from textual.strip import Strip

from jlab_tui.core.display.kitty_placeholders import deletion, placeholder
from jlab_tui.tui.image_board import ImageBoard, PlacedImage
from jlab_tui.tui.pixels import png_of

from . import stage

PNG = base64.b64encode(bytes(10_000)).decode()


def nothing() -> None: ...


def add(board: ImageBoard, png: str = PNG) -> PlacedImage:
    return board.add(png, 4, 3, (255, 255, 255), nothing)


def all_of(board: ImageBoard) -> str:
    taken = ""
    while board.has_work:
        taken += board.take(1)
    return taken


def data_of(taken: str) -> list[str]:
    """The data of each image, in the order in which they came."""
    found: list[str] = []
    for first, part in re.findall(r"\x1b_G(a=T)?[^;]*;([^\x1b]*)\x1b\\", taken):
        if first:
            found.append(part)
        else:
            found[-1] += part
    return found


def test_the_cells_say_which_image_and_which_part_of_it() -> None:
    board = ImageBoard(0x010203)
    rows = add(board)
    assert board.images == (0x010204,)
    for y, strip in enumerate(rows):
        assert [segment.text for segment in strip] == [placeholder(y, x) for x in range(4)]
        assert strip.cell_length == 4
        assert {s.style.color.name for s in strip if s.style and s.style.color} == {"#010204"}


@pytest.mark.parametrize("first", range(5))
@pytest.mark.parametrize("last", range(6))
def test_a_part_of_a_row_has_whole_cells(first: int, last: int) -> None:
    rows = add(ImageBoard(1))
    strip = Strip.join([Strip([Segment("x")]), rows[1]]).crop(first, last)
    cells = ["x", *(placeholder(1, x) for x in range(4))]
    assert strip.text == "".join(cells[first:last])


@pytest.mark.parametrize("most", [1, 4200, 9000, 1 << 20])
def test_the_pieces_join_to_the_image_and_the_end_is_told(most: int) -> None:
    board, told = ImageBoard(1), []
    kept = [board.add(png, 4, 3, (0, 0, 0), lambda: told.append(1)) for png in (PNG, "QUJD")]
    taken = ""
    while board.has_work:
        piece = board.take(most)
        assert 0 < len(piece) <= max(most, 4200)
        taken += piece
    assert data_of(taken) == [PNG, "QUJD"] and told == [1, 1] and len(kept) == 2


def test_an_image_that_nobody_has_is_taken_back_after_the_pieces_under_way() -> None:
    board = ImageBoard(1)
    first, second = add(board), add(board)
    begun = board.take(1)
    del first
    rest = all_of(board)
    assert data_of(begun + rest) == [PNG, PNG] and rest.endswith(deletion(2))
    assert list(board.images) == [3]
    del second
    assert all_of(board) == deletion(3)
    assert list(board.images) == []
    assert board.cleared() == ""


def test_an_image_that_nobody_waits_for_any_more_is_not_sent() -> None:
    board = ImageBoard(1)
    row = add(board)
    del row
    assert data_of(all_of(board)) == []


def test_a_terminal_that_may_be_another_gets_all_again_and_at_the_end_forgets_all() -> None:
    board, told = ImageBoard(1), []
    kept = [add(board, png) for png in ("QUJD", PNG)]
    assert data_of(all_of(board)) == ["QUJD", PNG]
    board.send_again(lambda: told.append(1))
    board.send_again(lambda: told.append(2))
    assert data_of(all_of(board)) == [PNG, "QUJD"]
    assert told == [1]
    assert board.cleared() == deletion(2) + deletion(3)
    assert not board.has_work and len(kept) == 2


def test_numbers_go_round_and_none_is_zero() -> None:
    board = ImageBoard((1 << 24) - 2)
    kept = [add(board), add(board)]
    assert board.images == ((1 << 24) - 1, 1) and len(kept) == 2


def test_a_terminal_gets_sound_pngs_only() -> None:
    data = stage.loss_curve()
    found = png_of("\n".join(data[place : place + 76] for place in range(0, len(data), 76)))
    assert found is not None and found.png == data and found.ground == (252, 252, 252)
    cut = base64.b64encode(base64.b64decode(data)[:2000]).decode()
    for unsound in ("", "\x1b\\x", "QUJD", cut, base64.b64encode(b"\xff\xd8\xff").decode()):
        assert png_of(unsound) is None
