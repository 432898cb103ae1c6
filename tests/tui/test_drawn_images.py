"""Images are kept drawn as far as some screens of them go."""

from __future__ import annotations

from textual.strip import Strip

from jlab_tui.core.feed.items import ImageOutput
from jlab_tui.tui.drawn_images import DrawnImages


def test_the_images_that_were_asked_for_longest_ago_go_first() -> None:
    drawn, images = DrawnImages(), [ImageOutput("image/png", "A") for _ in range(5)]
    strips = [Strip([])]
    for image in images[:4]:
        drawn.put(image, 10, 5, strips, 200)
    assert (len(drawn), drawn.cells) == (4, 200) and drawn.get(images[0], 10, 5) is strips
    drawn.put(images[4], 10, 5, strips, 200)
    assert [drawn.get(image, 10, 5) is not None for image in images] == [True, False, True, True, True]
    drawn.put(images[4], 10, 5, strips, 200)
    assert drawn.cells == 200 and drawn.get(images[4], 10, 4) is None
    drawn.put(images[1], 100, 50, strips, 200)
    assert (len(drawn), drawn.cells) == (1, 5000), "the newest stays, however large it is"
    drawn.clear()
    assert (len(drawn), drawn.cells) == (0, 0)
