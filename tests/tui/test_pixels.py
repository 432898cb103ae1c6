"""Images as cells: thin lines keep their colour, heat maps their bands, and a damaged image is a sentence."""

from __future__ import annotations

import base64

import pytest
from PIL import Image, ImageDraw
from rich.segment import Segment

from jlab_tui.core.display.octants import OCTANTS
from jlab_tui.tui.pixels import fit, load, strips

from . import stage

ORANGE = (255, 127, 14)


def drawn_colours(image: Image.Image, columns: int, rows: int) -> set[tuple[int, int, int]]:
    found = set()
    for strip in strips(image, columns, rows):
        for segment in strip:
            for color in (segment.style.color, segment.style.bgcolor) if segment.style else ():
                if color is not None and color.triplet is not None:
                    found.add((color.triplet.red, color.triplet.green, color.triplet.blue))
    return found


def colours_of(segment: Segment) -> tuple[str, str]:
    assert segment.style is not None and segment.style.color is not None and segment.style.bgcolor is not None
    return segment.style.color.name, segment.style.bgcolor.name


@pytest.mark.parametrize("columns", [30, 43, 76])
@pytest.mark.parametrize(
    ("ground", "line"), [("white", ORANGE), ("black", (255, 237, 160)), ("#eaeaf2", ORANGE)]
)
def test_a_thin_line_on_an_even_ground_keeps_its_colour(
    columns: int, ground: str, line: tuple[int, int, int]
) -> None:
    image = Image.new("RGB", (640, 480), ground)
    ImageDraw.Draw(image).line([(40, 440), (200, 100), (600, 93)], fill=line, width=2)
    seen = drawn_colours(image, columns, columns * 3 // 8)
    assert min(max(abs(a - b) for a, b in zip(color, line, strict=True)) for color in seen) <= 24


def test_an_image_without_an_even_background_is_reduced_as_usual() -> None:
    image = Image.linear_gradient("L").convert("RGB").resize((640, 480))
    image.putpixel((320, 240), (255, 0, 0))
    assert all(
        abs(red - green) <= 8 and abs(green - blue) <= 8 for red, green, blue in drawn_colours(image, 40, 15)
    )


def test_images_of_matplotlib_show_both_curves_and_the_whole_scale() -> None:
    curves = drawn_colours(load(stage.loss_curve()), 43, 16)
    assert any(red > 230 and 100 < green < 160 and blue < 60 for red, green, blue in curves)
    assert any(red < 70 and 100 < green < 150 and blue > 150 for red, green, blue in curves)
    heat = drawn_colours(load(stage.heat_map()), 76, 17)
    assert any(red > 200 and green > 190 and blue < 90 for red, green, blue in heat)


def test_octants_show_each_of_the_eight_parts_of_a_cell() -> None:
    image = Image.new("RGB", (4, 4), "white")
    image.putpixel((3, 2), (0, 0, 0))
    (row,) = strips(image, 2, 1, octants=True)
    (blank, cell) = row
    assert blank.text == " " and cell.text == OCTANTS[0b11011111]
    assert colours_of(cell) == ("#fcfcfc", "#000000")


def test_an_edge_of_a_image_does_not_grow_into_the_opposite_one() -> None:
    image = Image.new("RGB", (640, 480), "white")
    ImageDraw.Draw(image).rectangle([0, 0, 639, 60], fill="black")
    bottom = strips(image, 40, 15)[-1]
    colors = {
        s.style.bgcolor.triplet.red for s in bottom if s.style and s.style.bgcolor and s.style.bgcolor.triplet
    }
    assert colors == {252}


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (2000, 3), (0, 0), (640, 480)])
def test_every_shape_fits(size: tuple[int, int]) -> None:
    columns, rows = fit(*size, 40, 12)
    assert 1 <= columns <= 40 and 1 <= rows <= 12
    if all(size):
        image = Image.new("RGB", size, "white")
        assert len(strips(image, columns, rows)) == rows
        assert all(strip.cell_length == columns for strip in strips(image, columns, rows, ascii_only=True))


@pytest.mark.parametrize("data", ["", "AAAA", base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(40)).decode()])
def test_data_that_is_no_image_is_reported(data: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        load(data)


def test_a_heat_map_in_ascii_is_blank_around_and_dense_where_it_is_dark() -> None:
    image = Image.new("RGB", (400, 400), "white")
    for row in range(8):
        for column in range(8):
            left, top, grey = 60 + column * 40, 40 + row * 40, 20 + (row * 8 + column) * 3
            image.paste((grey, grey, grey), (left, top, left + 40, top + 40))
    rows = [strip.text for strip in strips(image, 40, 20, ascii_only=True)]
    assert rows[0].strip() == rows[-1].strip() == "" and all(row[:5].strip() == "" for row in rows)
    assert set(rows[4].strip()[2:-2]) <= set("#%@") and set(rows[15].strip()[2:-2]) <= set(":-=")
