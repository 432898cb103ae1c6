"""The texts of a figure stand where the saved image, cropped as Jupyter crops it, has them."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image, ImageChops

from jlab_tui.jupyter_extension.kernel_figures import PARTS, TEXTS_MAX, with_texts

pytest.importorskip("matplotlib")

from IPython.core.pylabtools import print_figure
from matplotlib.figure import Figure
from matplotlib.text import Text


def _printed(figure: Figure, **how: Any) -> bytes:
    printed: bytes = print_figure(figure, **how)  # type: ignore[no-untyped-call]
    return printed


def shown(figure: Figure, **how: Any) -> tuple[Image.Image, list[list[Any]]]:
    before = Text.draw
    data, texts = with_texts(figure, lambda: _printed(figure, **how))
    assert Text.draw is before
    assert data == _printed(figure, **how), "the image is the one that it is without us"
    return Image.open(io.BytesIO(data)).convert("L"), texts


def a_figure() -> tuple[Figure, Any]:
    figure = Figure()
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], label="train")
    axes.set(title="Above", xlabel="below", ylabel="left", xlim=(0, 1))
    return figure, axes


@pytest.mark.parametrize("how", [{}, {"bbox_inches": None}, {"fmt": "retina"}])
def test_a_text_stands_where_the_image_has_it(how: dict[str, Any]) -> None:
    figure, axes = a_figure()
    axes.spines[:].set_visible(False)
    axes.set(xticks=[], yticks=[])
    image, texts = shown(figure, **how)
    for words in ("Above", "below", "left"):
        (text,) = [each for each in texts if each[7] == words]
        _, x, y, width, height, angle, *_ = text
        assert angle == (90 if words == "left" else 0) and text[0] == 0
        box = (
            x * image.width // PARTS - 3, y * image.height // PARTS - 3,
            (x + width) * image.width // PARTS + 4, (y + height) * image.height // PARTS + 4,
        )  # fmt: skip
        ink = ImageChops.invert(image.crop(box)).getbbox()
        assert ink is not None
        left, top, right, bottom = ink
        assert left <= 9 and top <= 14 and box[2] - box[0] - right <= 9 and box[3] - box[1] - bottom <= 14
        image.paste(255, box)
    edge = image.crop((0, 0, image.width, image.height // 20))
    assert ImageChops.invert(edge).getbbox() is None, "nothing of the title is left"


def test_legends_titles_ticks_and_notes_are_told_apart() -> None:
    figure, axes = a_figure()
    axes.plot([1, 0], "o", color="red", markerfacecolor="lime", label="points")
    axes.fill_between([0, 1], [0, 1], color="navy", label="area")
    axes.scatter([0, 1], [0, 1], c="purple", label="cloud")
    axes.legend(title="Legend", loc="upper left", bbox_to_anchor=(1, 1))
    axes.annotate("note", (0.5, 0.5), (0.2, 0.8), color="orange", arrowprops={"arrowstyle": "->"})
    axes.text(5, 5, "far away", clip_on=True)
    axes.text(0.5, 0.5, "hidden", visible=False)
    axes.text(0.5, 0.5, "transparent", alpha=0)
    axes.text(0.5, 0.5, " ")
    figure.suptitle("Over all")
    _, texts = shown(figure)
    ranks = {text[7]: text[0] for text in texts}
    assert [ranks[words] for words in ("Over all", "Above", "Legend", "train", "0.2", "note")] == [
        0,
        0,
        0,
        0,
        1,
        2,
    ]
    assert not ranks.keys() & {"far away", "hidden", "transparent", " ", "1.2"}
    assert [text[0] for text in texts] == sorted(ranks[text[7]] for text in texts)
    signs = {text[7]: (text[6], text[9]) for text in texts if text[9]}
    assert signs == {
        "train": ("o", "#1f77b4"), "points": ("o", "#00ff00"), "area": ("o", "#000080"), "cloud": ("o", "#800080")
    }  # fmt: skip
    assert {text[7]: text[8] for text in texts}["note"] == "#ffa500"


def test_a_legend_inside_its_axes_and_one_of_the_figure() -> None:
    figure, axes = a_figure()
    axes.legend(loc="upper right")
    figure.legend(loc="outside right upper")
    _, texts = shown(figure)
    assert sorted(text[6] for text in texts if text[9]) == ["l", "o"]


def test_many_texts_are_cut_and_an_error_of_the_figure_is_its_own() -> None:
    figure, axes = a_figure()
    for n in range(TEXTS_MAX + 20):
        axes.text(0.5, 0.5, f"{n}")
    _, texts = shown(figure)
    assert len(texts) == TEXTS_MAX
    before = Text.draw
    with pytest.raises(ZeroDivisionError):
        with_texts(figure, lambda: 1 // 0)
    assert Text.draw is before


def test_a_figure_of_another_format_has_no_texts() -> None:
    figure, _ = a_figure()
    _, texts = with_texts(figure, lambda: _printed(figure, fmt="svg"))
    assert texts == []
