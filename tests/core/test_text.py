"""Rich output in words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.text import describe_data, html_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["data", "layout", "title", "y", "type", "x"]), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip
MIMES = ("text/plain", "text/html", "text/markdown", "text/latex", "image/svg+xml", "application/json")
TYPES = st.sampled_from(
    (*MIMES, "application/vnd.plotly.v1+json", "application/javascript", "application/x-own")
)


@given(st.dictionaries(TYPES, JSON, max_size=3))
def test_any_data_gives_words(data: dict[str, Any]) -> None:
    assert isinstance(describe_data(data), str)


@given(st.text(alphabet="<>![]-/ap&#x;\"'=?D\n", max_size=40))
def test_any_html_gives_text(html: str) -> None:
    assert isinstance(html_text(html), str)


@pytest.mark.parametrize("html", ["<p>x</p><![foo]]>", "<p>x<![foo[y", "<!-<![x]>x"])
def test_html_with_a_marked_section_of_no_known_kind_is_read(html: str) -> None:
    assert "x" in html_text(html)
    assert "x" in describe_data({"text/html": html, "text/plain": "<Thing>"})
