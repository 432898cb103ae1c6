"""The texts of a figure are printed over its image: in their colours, on what is around them, and nothing else changes."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image, ImageDraw
from rich.segment import Segment

from jlab_tui.core.feed.items import ImageOutput
from jlab_tui.core.journal.figure_texts import FigureText
from jlab_tui.tui.figure_layer import drawing_of
from jlab_tui.tui.pixels import drawn
from jlab_tui.tui.screens import ImageScreen

from . import stage
from .screen import dashboard, screen_text, until

NAVY, WHITE = (0, 0, 128), (255, 255, 255)


def encoded(ground: tuple[int, int, int]) -> str:
    image = Image.new("RGB", (400, 300), ground)
    ImageDraw.Draw(image).text((150, 10), "title", fill="red")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def title(words: str, color: str = "#000000", sign: str = "") -> FigureText:
    return FigureText(0, 3500, 200, 2500, 600, 0, "l" if sign else "c", words, color, sign)


def looks(segments: list[Segment]) -> dict[str, tuple[str, str]]:
    """Foreground and background of each text that is more than blocks."""
    return {
        s.text.strip(): (s.style.color.name, s.style.bgcolor.name)
        for s in segments
        if s.style and s.style.color and s.style.bgcolor and s.text.strip()
    }


@pytest.mark.parametrize(
    ("ground", "color", "shown"),
    [
        (WHITE, "#ff0000", ("#ff0000", "#fcfcfc")),
        (NAVY, "#ffff00", ("#ffff00", "#000080")),
        (NAVY, "#000000", ("#ffffff", "#000080")),
        (WHITE, "#ffffff", ("#000000", "#fcfcfc")),
        (WHITE, "", ("#000000", "#fcfcfc")),
    ],
)
def test_a_text_has_its_colour_unless_that_cannot_be_read(
    ground: tuple[int, int, int], color: str, shown: tuple[str, str]
) -> None:
    strips = drawn(encoded(ground), 40, 15, (title("a title", color),), ascii_only=False)
    found = looks([segment for strip in strips for segment in strip])
    assert found == {"a title": shown}, "and the letters of the image are gone"


def test_a_legend_shows_the_colour_of_its_series() -> None:
    strips = drawn(encoded(WHITE), 40, 15, (title("train", sign="#1f77b4"),), ascii_only=False)
    assert looks([segment for strip in strips for segment in strip])["━"] == ("#1f77b4", "#fcfcfc")


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("name", ["loss", "errors"])
def test_every_row_has_the_width_of_the_whole(name: str, ascii_only: bool) -> None:
    data = stage.loss_curve() if name == "loss" else stage.heat_map()
    output = ImageOutput("image/png", data, 567, 454, texts=stage.texts_of(name))
    size = drawing_of(output, (34, 13), 77, 20, ascii_only=ascii_only)
    strips = drawn(data, size.columns, size.rows, output.texts, ascii_only=ascii_only)
    assert len(strips) == size.whole_rows
    assert len({strip.cell_length for strip in strips}) == 1
    assert not ascii_only or all((strip.text.replace("━", "-")).isascii() for strip in strips)


def test_texts_of_wide_characters_and_those_outside_the_image() -> None:
    texts = (title("温度 \x1b[31mred"), FigureText(1, 12000, 200, 300, 300, 0, "c", "far", ""))
    strips = drawn(encoded(WHITE), 40, 15, texts, ascii_only=False)
    assert any("温度 red" in strip.text for strip in strips)
    assert {strip.cell_length for strip in strips} == {40}


def test_an_image_that_memory_no_longer_holds_keeps_its_shape() -> None:
    gone = ImageOutput("image/png", "", 567, 454, texts=stage.texts_of("loss"))
    assert drawing_of(gone, (34, 13), 77, 20, ascii_only=False).columns == 34


async def test_the_full_screen_counts_the_labels_that_it_leaves_out() -> None:
    output = ImageOutput("image/png", encoded(WHITE), 400, 300, texts=(title("one"), *[title("two")] * 6))
    async with dashboard(stage.StillSource(), (80, 24)) as (app, pilot):
        app.push_screen(ImageScreen([output], app.main.palette, app.main.glyphs))
        await until(pilot, lambda: " labels left out ─" in screen_text(app).splitlines()[0])
        assert "s saves · esc closes · in a browser: jlab-mcp url --live ─╯" in screen_text(app)
