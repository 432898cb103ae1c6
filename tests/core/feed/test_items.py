"""What a cell on the screen tells about its outputs."""

from __future__ import annotations

import base64
import struct

import pytest

from jlab_tui.core.feed.items import (
    DroppedOutput,
    ErrorOutput,
    FeedCell,
    ImageOutput,
    Output,
    TextOutput,
    image_size,
    outputs_of,
    traceback_lines,
)
from jlab_tui.core.feed.scrollback import KEEP_BYTES
from jlab_tui.core.journal.events import RunStatus


def text(words: str) -> TextOutput:
    output = TextOutput()
    output.scrollback.write(words)
    return output


def png(width: int, height: int) -> str:
    return base64.b64encode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height)).decode()


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (png(640, 480), (640, 480)),
        (png(640, 480)[:24], (0, 0)),
        (base64.b64encode(b"GIF89a" + b"\0" * 40).decode(), (0, 0)),
        ("A", (0, 0)),
        ("é", (0, 0)),
        ("", (0, 0)),
    ],
)
def test_the_size_of_an_image_is_read_from_its_header(data: str, size: tuple[int, int]) -> None:
    assert image_size(data) == size


def test_an_image_is_shown_before_the_words_beside_it() -> None:
    (image,) = outputs_of({"text/plain": "<Figure>", "image/png": png(2, 3)})
    assert isinstance(image, ImageOutput)
    assert (image.mime, image.width, image.height) == ("image/png", 2, 3)
    (page,) = outputs_of({"text/plain": "<Page object>", "text/html": "<p>Hello</p>"})
    assert isinstance(page, TextOutput) and page.scrollback.text() == "Hello"
    (words,) = outputs_of({"text/plain": "7"})
    assert isinstance(words, TextOutput) and not words.is_stream


def test_a_page_with_an_image_is_its_words_and_the_image_and_nothing_keeps_its_place() -> None:
    words, image = outputs_of({"text/html": f"<p>Loss</p><img src='data:image/png;base64,{png(2, 3)}'>"})
    assert isinstance(words, TextOutput) and words.scrollback.text() == "Loss"
    assert isinstance(image, ImageOutput) and (image.width, image.height) == (2, 3)
    (nothing,) = outputs_of({"text/html": "<div></div>"})
    assert isinstance(nothing, TextOutput) and len(nothing.scrollback) == 0


@pytest.mark.parametrize(
    ("outputs", "has_gaps"),
    [
        ([], False),
        ([text("a\n"), ImageOutput("image/png", "AA")], False),
        ([ImageOutput("image/png", "")], True),
        ([ErrorOutput("E", "", ()), DroppedOutput(1, "characters", "")], False),
    ],
)
def test_a_cell_tells_whether_memory_has_all_of_its_output(outputs: list[Output], has_gaps: bool) -> None:
    assert FeedCell("s", 0.0, "", outputs=outputs).has_gaps is has_gaps


def test_a_cell_without_one_of_its_lines_has_a_gap() -> None:
    output = text("first\nlong, long, long\nlast\nend\n")
    output.scrollback.keep(20)
    assert output.scrollback.dropped == 1
    assert FeedCell("s", 0.0, "", outputs=[output]).has_gaps


def test_words_keep_the_colours_of_the_kernel() -> None:
    (coloured,) = outputs_of({"text/plain": "\x1b[31mred\x1b[0m"})
    assert isinstance(coloured, TextOutput) and coloured.scrollback.text() == "\x1b[31mred\x1b[0m"


def test_a_cell_whose_text_was_read_in_full_goes_back_to_the_usual_memory() -> None:
    long = FeedCell("s", 0.0, "", outputs=[ImageOutput("image/png", "A"), TextOutput()])
    output = long.outputs[1]
    assert isinstance(output, TextOutput)
    output.scrollback.keep(1 << 31)
    for _ in range(12):
        output.scrollback.write("x" * 1023 + "\n" + ("y" * 1023 + "\n") * 1023)
    assert (long.has_gaps, len(output.scrollback.buffer)) == (False, 12 << 20)
    long.drop_middle()
    assert (long.has_gaps, len(output.scrollback.buffer) <= KEEP_BYTES) == (True, True)


def test_all_text_of_a_cell_is_on_lines_of_its_own() -> None:
    outputs: list[Output] = [
        text("printed"),
        ImageOutput("image/png", "A"),
        text(""),
        ErrorOutput("E", "v", ("Traceback", "E: v")),
    ]
    cell = FeedCell("s", 0.0, "", outputs=outputs, status=RunStatus.ERROR)
    assert cell.output_text() == "printed\nTraceback\nE: v\n"
    assert cell.has_failed and not cell.is_running and cell.images == [outputs[1]]


def test_the_error_of_a_cell_is_its_last() -> None:
    first, last = ErrorOutput("A", "", ()), ErrorOutput("B", "", ())
    assert FeedCell("s", 0.0, "", outputs=[first, last, text("after")]).error is last
    assert FeedCell("s", 0.0, "").error is None


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        (DroppedOutput(1234, "bytes", ""), "1,234 bytes of output were not recorded"),
        (DroppedOutput(2, "images", "full disk"), "2 images of output were not recorded (full disk)"),
    ],
)
def test_output_that_was_dropped_is_counted_with_its_reason(output: DroppedOutput, sentence: str) -> None:
    assert output.text == sentence


@pytest.mark.parametrize("count", [3999, 4000, 4001])
def test_only_a_traceback_of_more_than_4000_lines_is_cut(count: int) -> None:
    lines = [f"line {number}" for number in range(count)]
    shown = traceback_lines(["\n".join(lines)])
    assert shown[:2000] == tuple(lines[:2000]) and shown[-1999:] == tuple(lines[-1999:])
    assert (len(shown), any("left out" in line for line in shown)) == (min(count, 4001), count > 4000)
    assert traceback_lines([]) == ()
