"""What stands in the feed's frame."""

from __future__ import annotations

import pytest

from jlab_tui.tui.feed_frame import feed_frame


@pytest.mark.parametrize(
    ("notes", "is_narrow", "title", "subtitle"),
    [
        (["following v"], False, "train · nb/a.ipynb", "following v"),
        (
            ["errors only", "3 lines below, G follows"],
            False,
            "train · nb/a.ipynb",
            "errors only · 3 lines below, G follows",
        ),
        (["following v"], True, "train · nb/a.ipynb", "following v"),
        (["errors only", "following v"], True, "train · errors only", ""),
        (
            ["1/2 matches", "3 lines below, G follows"],
            True,
            "train · 1/2 matches · 3 lines below, G follows",
            "",
        ),
    ],
)
def test_a_narrow_frame_has_its_notes_above(
    notes: list[str], is_narrow: bool, title: str, subtitle: str
) -> None:
    found = feed_frame("train", "nb/a.ipynb", notes, separator="·", is_narrow=is_narrow)
    assert [content.plain for content in found] == [title, subtitle]
