"""Rich data in words, for a reader without a browser: tables, formulas, figures that are not bitmaps."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any, Final

from .text import render_terminal, strip_ansi

_TAG = re.compile(r"<[^<>]*>")
_BARE_REPR = re.compile(r"<[\w.]+(?: object)?(?: at 0x[0-9a-fA-F]+)?>")
_PLOTLY: Final = "application/vnd.plotly.v1+json"
_VEGA: Final = "application/vnd.vega"


def describe_data(data: Mapping[str, Any]) -> str:
    """Words for rich data that is not a bitmap: the most telling representation as plain text.

    Whatever a kernel has sent gives some words: one odd output must not withhold a whole reply."""
    try:
        return _describe(data)
    except (TypeError, ValueError, AttributeError, LookupError, RecursionError):
        return f"[output of type {', '.join(map(str, data))} that is not as this type should be]"


def _describe(data: Mapping[str, Any]) -> str:
    for mime in ("text/markdown", "text/latex"):
        if text := text_of(data.get(mime)):
            return strip_ansi(text)
    if figure := _figure(data):
        return figure
    plain = render_terminal(text_of(data.get("text/plain")))
    if plain and not _BARE_REPR.fullmatch(plain.strip()):
        return plain
    if html := text_of(data.get("text/html")):
        return html_text(html) or plain or f"[HTML without text, {len(html):,} characters]"
    for mime, value in data.items():
        if mime.endswith("json"):
            return json.dumps(value, ensure_ascii=False, default=str)
        if mime == "application/javascript":
            return f"[JavaScript, {len(text_of(value)):,} characters, which only a browser runs]"
        if mime.startswith("text/") and mime != "text/plain":
            return f"[{mime}] {strip_ansi(text_of(value))}"
    return plain or f"[output of type {', '.join(data) or 'unknown'}]"


def _figure(data: Mapping[str, Any]) -> str:
    """A drawing that is no bitmap."""
    if _PLOTLY in data:
        return _plotly(data[_PLOTLY])
    for mime, value in data.items():
        if mime.startswith(_VEGA):
            return _vega(value)
    if "image/svg+xml" in data:
        return _svg(text_of(data["image/svg+xml"]))
    if "application/pdf" in data:
        return f"[PDF picture, {len(text_of(data['application/pdf'])) * 3 // 4:,} bytes]"
    return ""


def text_of(value: Any) -> str:
    """Text as kernels and notebook files give it, in one string or in lines."""
    return value if isinstance(value, str) else "".join(map(str, value)) if isinstance(value, list) else ""


def html_text(html: str) -> str:
    """Text of an HTML fragment: one line a block or table row, cells separated by ` | `; scripts and styles left out."""
    reader = _HtmlText()
    try:
        reader.feed(html)
        reader.close()
    except AssertionError:
        # html.parser asserts that a marked section such as <![if ...]> is one that it knows.
        return " ".join(_TAG.sub(" ", html).split())
    return reader.result()


class _HtmlText(HTMLParser):
    _BLOCKS: Final = frozenset(
        ("p", "div", "tr", "br", "li", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "table", "caption")
    )
    _SILENT: Final = frozenset(("script", "style", "head"))
    _EMBEDDED: Final = frozenset(("img", "iframe", "video", "audio", "embed", "object"))
    _KEPT_SPACE: Final = "\0"

    def __init__(self) -> None:
        super().__init__()
        self._out: list[str] = []
        self._silent = 0
        self._as_it_is = 0
        self._cells = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._SILENT:
            self._silent += 1
        if tag in self._BLOCKS:
            self._out.append("\n")
            self._cells = 0
        if tag == "pre":
            self._as_it_is += 1
        if tag in ("td", "th"):
            if self._cells:
                self._out.append(" | ")
            self._cells += 1
        if tag in self._EMBEDDED:
            self.handle_data(f" [{tag}{_named(dict(attrs))}]")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in self._BLOCKS:
            self._out.append("\n")
        if tag == "pre":
            self._as_it_is = max(0, self._as_it_is - 1)

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        data = data.replace(self._KEPT_SPACE, "")
        if self._as_it_is:
            self._out.append(data.expandtabs().replace(" ", self._KEPT_SPACE))
        else:
            self._out.append(re.sub(r"\s+", " ", data))

    def result(self) -> str:
        lines = (line.strip() for line in "".join(self._out).split("\n"))
        return "\n".join(line for line in lines if line).replace(self._KEPT_SPACE, " ")


def _named(attributes: Mapping[str, str | None]) -> str:
    """What an embedded thing is: its description, or where it is from."""
    source = attributes.get("src") or attributes.get("data") or ""
    if source.startswith("data:"):
        source = f"{source[5:].partition(';')[0]}, {len(source):,} characters"
    words = attributes.get("alt") or attributes.get("title") or source[:200]
    return f": {words}" if words else ""


def _svg(svg: str) -> str:
    words = [strip_ansi(w).strip() for w in re.findall(r"<(?:text|title|desc)\b[^>]*>([^<]*)", svg)]
    listed = "; ".join(w for w in words if w)[:2000]
    return f"[SVG picture, {len(svg):,} characters{': ' + listed if listed else ''}]"


def _vega(chart: Any) -> str:
    mark = chart.get("mark")
    kind = mark.get("type") if isinstance(mark, Mapping) else mark
    axes = [f"{axis}={how.get('field')}" for axis, how in (chart.get("encoding") or {}).items()]
    title = chart.get("title")
    return f"[Vega chart{f' {title!r}' if title else ''}: {' '.join([str(kind or 'layers'), *axes])}]"


def _plotly(figure: Any) -> str:
    if not isinstance(figure, Mapping):
        return "[plotly figure]"
    traces = []
    for trace in figure.get("data") or ():
        if isinstance(trace, Mapping):
            counts = [_count(trace[axis]) for axis in ("y", "x", "z", "values") if axis in trace]
            points = next((f" of {count:,} points" for count in counts if count), "")
            name = f" {trace['name']!r}" if trace.get("name") else ""
            traces.append(f"{trace.get('type', 'trace')}{name}{points}")
    layout = figure.get("layout")
    title = layout.get("title") if isinstance(layout, Mapping) else None
    if isinstance(title, Mapping):
        title = title.get("text")
    return f"[plotly figure{f' {title!r}' if title else ''}: {'; '.join(traces) or 'no traces'}]"


def _count(values: Any) -> int:
    """How many; plotly sends a numpy array as base64 with its type, such as `f8`."""
    if isinstance(values, Mapping):
        size = int(re.sub(r"\D", "", str(values.get("dtype"))) or 1)
        return len(text_of(values.get("bdata"))) * 3 // 4 // size
    return len(values) if isinstance(values, list) else 0
