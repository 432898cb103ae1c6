"""Describes rich data for a reader without a browser: tables, formulas, figures that are not bitmaps."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from .html import html_text
from .printable import printable
from .terminal_text import render_terminal

_BARE_REPR = re.compile(r"<[\w.]+(?: object)?(?: at 0x[0-9a-fA-F]+)?>")
_PLOTLY: Final = "application/vnd.plotly.v1+json"
_VEGA: Final = "application/vnd.vega"
_WIDGET: Final = "application/vnd.jupyter.widget-view+json"


def describe_data(data: Mapping[str, Any]) -> str:
    """Describe rich data that is not a bitmap, from its most informative representation, as plain text.

    Anything that a kernel sends gives some text, so that one malformed output never withholds a whole reply."""
    try:
        return _describe(data)
    except (TypeError, ValueError, AttributeError, LookupError, RecursionError):
        return f"[malformed output of type {', '.join(map(str, data))}]"


def _describe(data: Mapping[str, Any]) -> str:
    for mime in ("text/markdown", "text/latex"):
        if text := text_of(data.get(mime)):
            return printable(text)
    if figure := _figure(data):
        return figure
    plain = render_terminal(text_of(data.get("text/plain")))
    if _WIDGET in data:
        return (
            f"{plain}\n[a widget as it was first shown; only a browser can display widget updates]".lstrip()
        )
    if plain and not _BARE_REPR.fullmatch(plain.strip()):
        return plain
    if html := text_of(data.get("text/html")):
        return html_text(html) or plain or f"[HTML without text, {len(html):,} characters]"
    for mime, value in data.items():
        if mime.endswith("json"):
            return json.dumps(value, ensure_ascii=False, default=str)
        if mime == "application/javascript":
            return f"[JavaScript, {len(text_of(value)):,} characters; only a browser can run it]"
        if mime.startswith("text/") and mime != "text/plain":
            return f"[{mime}] {printable(text_of(value))}"
    return plain or f"[output of type {', '.join(data) or 'unknown'}]"


def _figure(data: Mapping[str, Any]) -> str:
    """Describe a drawing that is not a bitmap."""
    if _PLOTLY in data:
        return _plotly(data[_PLOTLY])
    for mime, value in data.items():
        if mime.startswith(_VEGA):
            return _vega(value)
    if "image/svg+xml" in data:
        return _svg(text_of(data["image/svg+xml"]))
    if "application/pdf" in data:
        return f"[PDF image, {len(text_of(data['application/pdf'])) * 3 // 4:,} bytes]"
    return ""


def text_of(value: Any) -> str:
    """Join text that kernels and notebook files store as one string or as lines."""
    return value if isinstance(value, str) else "".join(map(str, value)) if isinstance(value, list) else ""


def _svg(svg: str) -> str:
    words = [printable(w).strip() for w in re.findall(r"<(?:text|title|desc)\b[^<>]*>([^<]*)", svg)]
    listed = "; ".join(w for w in words if w)[:2000]
    return f"[SVG image, {len(svg):,} characters{': ' + listed if listed else ''}]"


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
    """Count the points; plotly sends a numpy array as base64 with its type, such as `f8`."""
    if isinstance(values, Mapping):
        size = int(re.sub(r"\D", "", str(values.get("dtype"))) or 1)
        return len(text_of(values.get("bdata"))) * 3 // 4 // size
    return len(values) if isinstance(values, list) else 0
