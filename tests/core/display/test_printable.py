"""What reaches a terminal or the model as text."""

from __future__ import annotations

import io

import pytest

from jlab_tui.core.display.printable import PrintableOutput, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é\t1\n", "plain é\t1\n"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("a\x00\x07\rb\x7f", "ab"),
        ("abc\u202etxt", "abctxt"),
        ("half \ud800", "half ?"),
    ],
)
def test_text_is_shown_without_what_steers_a_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(("encoding", "written"), [("utf-8", "é red ?\n"), ("ascii", "? red ?\n")])
def test_a_stream_prints_only_what_its_encoding_can_write(encoding: str, written: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
    output = PrintableOutput(stream)
    text = "é \x1b[31mred\x1b[0m \ud800\n"
    assert output.write(text) == len(text), "the caller sees all its text written"
    output.flush()
    stream.seek(0)
    assert stream.read() == written


def test_a_stream_without_an_encoding_takes_any_text() -> None:
    stream = io.StringIO()
    PrintableOutput(stream).write("é\x1b[2J")
    assert stream.getvalue() == "é"
