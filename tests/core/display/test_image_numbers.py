"""An image keeps the number that it got when it came first."""

from __future__ import annotations

import pytest

from jlab_tui.core.display.image_numbers import ImageCount
from jlab_tui.core.journal.events import DataShown, DataUpdated, ErrorRaised, OutputCleared, TextPrinted

PNG = {"image/png": "AAAA"}
WORDS = {"text/plain": "50 %"}
Output = TextPrinted | DataShown | DataUpdated | OutputCleared | ErrorRaised


def image(display: str = "") -> DataShown:
    return DataShown("r", PNG, display_id=display)


def words(display: str) -> DataShown:
    return DataShown("r", WORDS, display_id=display)


def update(display: str) -> DataUpdated:
    return DataUpdated("r", display, PNG)


def clear(*, wait: bool = False) -> OutputCleared:
    return OutputCleared("r", wait=wait)


def printed() -> TextPrinted:
    return TextPrinted("r", "stdout", "x")


@pytest.mark.parametrize(
    ("events", "numbers"),
    [
        ([image(), image()], [[1], [2]]),
        ([words("d")], [[0]]),
        ([image("d"), image(), update("d")], [[1], [2], [1]]),
        ([words("d"), image(), update("d")], [[0], [1], [2]]),
        ([image("d"), image("d"), update("d")], [[1], [2], [1, 2]]),
        ([update("earlier"), update("earlier"), image()], [[1], [1], [2]]),
        ([image(), update("")], [[1], [2]]),
        ([image("d"), clear(), update("d")], [[1], [], [2]]),
        ([image("d"), clear(wait=True), update("d"), printed(), update("d")], [[1], [], [1], [], [2]]),
    ],
)
def test_images_are_numbered_in_the_order_in_which_they_came(
    events: list[Output], numbers: list[list[int]]
) -> None:
    count = ImageCount()
    assert [[place.number for place in count.feed(event)] for event in events] == numbers
    assert count.total == max((number for row in numbers for number in row), default=0)


@pytest.mark.parametrize(
    ("events", "cleared"),
    [
        ([image(), image()], 0),
        ([image(), clear(), image()], 1),
        ([image(), clear(wait=True)], 0),
        ([image(), clear(wait=True), printed()], 1),
        ([image(), clear(wait=True), ErrorRaised("r", "E", "", ()), image(), printed()], 1),
        ([image(), clear(wait=True), image(), image()], 1),
    ],
)
def test_cleared_images_are_gone_when_the_output_is(events: list[Output], cleared: int) -> None:
    count = ImageCount()
    for event in events:
        count.feed(event)
    assert count.cleared == cleared


def test_an_image_that_another_run_puts_in_place_of_words_is_counted() -> None:
    count = ImageCount()
    (place,) = count.feed(words("d"))
    count.update(update("unknown"))
    assert place.number == 0
    count.update(update("d"))
    assert (place.number, count.total) == (1, 1)


def test_every_image_of_a_page_has_a_number_and_keeps_it() -> None:
    def page(images: int) -> dict[str, str]:
        return {"text/html": "<img src='data:image/png;base64,AAAA'>" * images}

    count = ImageCount()
    (place,) = count.feed(DataShown("r", page(2), display_id="d"))
    count.feed(image())
    assert (place.numbers, place.number, count.total) == ([1, 2], 1, 3)
    count.feed(DataUpdated("r", "d", page(3)))
    assert (place.numbers, count.total) == ([1, 2, 4], 4)
    count.feed(DataUpdated("r", "d", page(1)))
    assert (place.numbers, count.total) == ([1, 2, 4], 4)
