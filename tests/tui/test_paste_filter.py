"""A pasted text stays one text, whatever it holds and in whatever pieces it comes."""

from __future__ import annotations

import pytest

from jlab_tui.tui.paste_filter import BEGIN, END, PasteFilter


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("q\x1b[A\x1b", "q\x1b[A\x1b"),
        (f"a{BEGIN}red \x1b[31mq\x1b{END}\x1b[A", f"a{BEGIN}red [31mq{END}\x1b[A"),
        (f"{BEGIN}{BEGIN}x{END}{BEGIN}\x1b\x1b{END}", f"{BEGIN}[200~x{END}{BEGIN}{END}"),
    ],
)
def test_escapes_in_a_paste_are_left_out_and_others_are_keys(sent: str, read: str) -> None:
    assert PasteFilter().cleaned(sent) == read
    for place in range(len(sent) + 1):
        pieces = PasteFilter()
        assert pieces.cleaned(sent[:place]) + pieces.cleaned(sent[place:]) == read
    one_by_one = PasteFilter()
    assert "".join(map(one_by_one.cleaned, sent)) == read
