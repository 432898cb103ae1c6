"""Describes rich data for a reader without a browser: tables, formulas, figures that are not bitmaps.

`RULES` is the whole policy, one rule after the other; docs/how-it-works.md shows it as a table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import unescape
from typing import Any, Final

from .charts import chart_of, charts_in
from .html import BITMAPS, animation, embedded_images, framed_pages, html_text, without_images
from .printable import printable
from .tables import Part, html_parts, markdown_parts
from .terminal_text import render_terminal

WIDGET: Final = "application/vnd.jupyter.widget-view+json"
_BARE_REPR = re.compile(r"<[\w.]+(?: object)?(?: at 0x[0-9a-fA-F]+)?>")
_OBJECT_REPR = re.compile(r"[A-Za-z_][\w.]*+[(\[]")
_NO_WORDS: Final = "<IPython.core.display.HTML object>"
_SKLEARN: Final = 'id="sk-container-id'
_COLOURED_CODE: Final = "\\begin{Verbatim}[commandchars"
_SAME_HTML: Final = "```html"
"""begins the Markdown of fastcore's elements, which quotes their HTML"""
_SCRIPT = re.compile(r"<script\b", re.IGNORECASE)
_SVG_WORDS = re.compile(r"<(?:text|title|desc)\b[^<>]*>([^<]*)|<!--((?:[^<>-]|-(?!->))*+)-->")
"""Matplotlib draws letters as curves and leaves the text in a comment"""
_LOADERS: Final = ("window.PlotlyConfig", "_bokeh_onload_callbacks", "bk-notebook-logo", "bk-loading")
_LOADED: Final = ("application/vnd.bokehjs_load.v0+json", "application/vnd.holoviews_load.v0+json")
_EMBEDDED_MAX: Final = 10
"""images of one output"""


def describe_data(data: Mapping[str, Any]) -> str:
    """Describe rich data as plain text, from its most informative representation; empty when `bitmaps` gives all that it
    shows, or when it shows nothing.

    Anything that a kernel sends gives some text, so that one malformed output never withholds a whole reply."""
    try:
        for rule in RULES:
            if (words := rule.describe(data)) is not None:
                return words
    except (TypeError, ValueError, AttributeError, LookupError, RecursionError, OverflowError):
        return f"[malformed output of type {', '.join(map(str, data))}]"
    return ""


def bitmaps(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return MIME type and base64 of the bitmaps among some data: one that the data is, or those that its HTML or Markdown
    embeds. A formula's source says more than its image."""
    if _formula(data):
        return []
    for mime in BITMAPS:
        if encoded := text_of(data.get(mime)):
            return [(mime, encoded)]
    for mime in ("text/html", "text/markdown"):
        if found := embedded_images(text_of(data.get(mime))):
            return found[:_EMBEDDED_MAX]
    return animation(text_of(data.get("text/html")))[1]


def parts_of(data: Mapping[str, Any], words: str) -> tuple[Part, ...]:
    """Return the tables of some data and the text between them, where its description `words` stands for a table; else nothing."""
    if words and words == _formatted(data):
        return markdown_parts(words)
    html = text_of(data.get("text/html"))
    if "<table" not in html or _SKLEARN in html or bitmaps(data):
        return ()
    return html_parts(html) if words == _plain(data) or words == html_text(html) else ()


def text_of(value: Any) -> str:
    """Join text that kernels and notebook files store as one string or as lines."""
    return value if isinstance(value, str) else "".join(map(str, value)) if isinstance(value, list) else ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. The first that gives a description, or an empty one, decides."""

    types: str
    """the MIME types, in words"""
    shown: str
    """what a model and the dashboard get, one phrase"""
    describe: Callable[[Mapping[str, Any]], str | None]


def _bitmap(data: Mapping[str, Any]) -> str | None:
    return "" if any(text_of(data.get(mime)) for mime in BITMAPS) and not _formula(data) else None


def _widget(data: Mapping[str, Any]) -> str | None:
    return _plain(data) if WIDGET in data else None


def _chart(data: Mapping[str, Any]) -> str | None:
    html = text_of(data.get("text/html"))
    found = [chart for page in framed_pages(html) for chart in charts_in(page)] or charts_in(html)
    return chart_of(data) or "\n".join(found) or None


def _animation(data: Mapping[str, Any]) -> str | None:
    count, _ = animation(text_of(data.get("text/html")))
    return f"[animation, {count:,} frames: the first and the last one are shown]" if count else None


def _formatted(data: Mapping[str, Any]) -> str | None:
    markdown = text_of(data.get("text/markdown"))
    if markdown and not ("text/html" in data and markdown.startswith(_SAME_HTML)):
        return printable(without_images(markdown)).strip("\n")
    formula = _formula(data)
    return printable(formula).strip("\n") if formula else None


def _formula(data: Mapping[str, Any]) -> str:
    """Return the LaTeX source of some data, unless it is code with its colours."""
    source = text_of(data.get("text/latex"))
    return "" if _COLOURED_CODE in source else source


def _svg(data: Mapping[str, Any]) -> str | None:
    svg = text_of(data.get("image/svg+xml"))
    if not svg:
        return None
    words = (printable(unescape(text or comment)).strip() for text, comment in _SVG_WORDS.findall(svg))
    listed = "; ".join(dict.fromkeys(word for word in words if word))[:2000]
    return f"[SVG image, {len(svg):,} characters{': ' + listed if listed else ''}]"


def _pdf(data: Mapping[str, Any]) -> str | None:
    pdf = text_of(data.get("application/pdf"))
    return f"[PDF image, {len(pdf) * 3 // 4:,} bytes]" if pdf else None


def _html_first(data: Mapping[str, Any]) -> str | None:
    """HTML that says more than the text beside it: that of an object without a useful repr, a table, a progress bar."""
    html, plain = text_of(data.get("text/html")), _plain(data).strip()
    if not html or _SKLEARN in html:
        return None
    is_object = _BARE_REPR.fullmatch(plain) or plain == html.strip()
    is_table = "<table" in html and _OBJECT_REPR.match(plain) and plain.endswith((")", "]"))
    return html_text(html) or None if is_object or is_table else None


def _plain_text(data: Mapping[str, Any]) -> str | None:
    plain = _plain(data)
    return plain if plain and not _BARE_REPR.fullmatch(plain.strip()) else None


def _html(data: Mapping[str, Any]) -> str | None:
    html = text_of(data.get("text/html"))
    if any(loader in html for loader in _LOADERS):
        return ""
    if words := html_text(html):
        return words
    if not _SCRIPT.search(html):
        return None
    return f"[HTML with a script, {len(html):,} characters; only a browser can run it]"


def _javascript(data: Mapping[str, Any]) -> str | None:
    if any(mime in data for mime in _LOADED):
        return ""
    script = text_of(data.get("application/javascript"))
    if not script:
        return None
    charts = "\n".join(charts_in(script))
    return charts or f"[JavaScript, {len(script):,} characters; only a browser can run it]"


def _json(data: Mapping[str, Any]) -> str | None:
    for mime, value in data.items():
        if mime.endswith("json"):
            return json.dumps(value, ensure_ascii=False, default=str)
    return None


def _other_text(data: Mapping[str, Any]) -> str | None:
    for mime, value in data.items():
        if mime.startswith("text/") and mime not in ("text/plain", "text/html") and text_of(value):
            return f"[{mime}] {printable(text_of(value))}"
    return None


def _last(data: Mapping[str, Any]) -> str | None:
    if bitmaps(data) or _plain(data) == _NO_WORDS:
        return ""
    others = [
        mime for mime, value in data.items() if not mime.startswith("text/") and value not in (None, "")
    ]
    return _plain(data) or (f"[output of type {', '.join(others)}]" if others else None)


def _plain(data: Mapping[str, Any]) -> str:
    return render_terminal(text_of(data.get("text/plain")))


RULES: Final = (
    Rule("`image/png`, `jpeg`, `gif`, `webp`, `bmp`", "the image, made smaller; of a formula, its LaTeX", _bitmap),
    Rule("widget views", "the widgets' text, such as a progress bar, as it is now", _widget),
    Rule("Plotly, Vega (Altair), Bokeh, Leaflet (folium), as JSON or in HTML", "a line: kind, title, axes, series", _chart),
    Rule("animations of Matplotlib", "the number of frames; the first and the last as images", _animation),
    Rule("`text/markdown`, `text/latex`", "the source; embedded images as images", _formatted),
    Rule("`image/svg+xml`", "a line with its size and the words in it", _svg),
    Rule("`application/pdf`", "a line with its size", _pdf),
    Rule("`text/html` beside an object's repr", "the text of its tables and bars; embedded images as images", _html_first),
    Rule("`text/plain`", "the text as a terminal shows it", _plain_text),
    Rule("`text/html` alone", "its text; a line for audio, video, a frame or a script", _html),
    Rule("`application/javascript`", "the charts that it draws, or a line with its size", _javascript),
    Rule("other JSON", "the JSON", _json),
    Rule("other text", "the text with its type", _other_text),
    Rule("anything else", "its type; an output that is empty in every form is dropped", _last),
)  # fmt: skip
