"""What a person reads of HTML without a browser."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.display.html import html_text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>", "a | b\nc | d"),
        ("<table><tr><td>a<br></td><td>b</td></tr></table>", "a\nb"),
        ("<ul><li>one</li><li>two  words</li></ul>", "one\ntwo words"),
        ("<pre>if x:\n    y</pre>p  q", "if x:\n    y\np q"),
        ("</pre>p  q<pre>a  b</pre>", "p q\na  b"),
        ("a</script>b</style>c", "abc"),
        ("a<script>1 < 2</script>b", "ab"),
        ("<td>a</td><td>b</td>", "a | b"),
        ("<img>", "[img]"),
        ("<img title='T' src='x'>", "[img: T]"),
        ("<object data='movie'></object>", "[object: movie]"),
        ("<b>x</b><b/>y", "xy"),
        ("<progress value='7' max='20'></progress> 7/20", "|███▌      | 7/20"),
        ("<progress value='x'>a", "|          |a"),
        ("<progress value='1e999' max='0'>", "|          |"),
        ("<progress value='5'>", "|██████████|"),
        ("<video controls><source src='a.mp4'>Your browser ...</video>b", "[video: a.mp4]b"),
        ("<audio src='data:audio/wav;base64,AAAA'>Your browser ...", "[audio: audio/wav, 3 bytes]"),
        ("<video>no source</video>", "[video]"),
        ("a\0b", "ab"),
        ("&lt;b&gt; &#65;", "<b> A"),
        (f"&#{'9' * 5000};", f"&#{'9' * 5000};"),
    ],
)
def test_html_is_read_as_a_browser_shows_its_text(source: str, text: str) -> None:
    assert html_text(source) == text


WORDS = st.text(alphabet="abc ", min_size=1).filter(str.strip)


@given(st.lists(st.lists(WORDS, min_size=1, max_size=4), min_size=1, max_size=4))
def test_a_table_has_a_line_a_row_with_bars_between_its_cells(rows: list[list[str]]) -> None:
    source = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    shown = [[cell.strip() for cell in line.split("|")] for line in html_text(f"<table>{source}").split("\n")]
    assert shown == [[re.sub(" +", " ", cell.strip()) for cell in row] for row in rows]
