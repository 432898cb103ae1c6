"""Describes charts from their specifications: kind, axes, series. Scripts in HTML contain specifications too."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..json_values import items, mapping, text
from .html import plain_text

PLOTLY: Final = "application/vnd.plotly.v1+json"
VEGA: Final = "application/vnd.vega"
_SERIES_MAX: Final = 20
_DEEPEST: Final = 8
_CALLS_MAX: Final = 50
"""most calls to read in one script: an invalid specification costs the length of the script"""
_DECODER: Final = json.JSONDecoder()
_PLOTLY_CALL: Final = re.compile(
    r"Plotly\.(?:newPlot|react|plot)\(\s*+(?:\"[^\"]*+\"|'[^']*+')\s*+,\s*+(?=\[)"
)
_VEGA_SPEC: Final = re.compile(r"(?:\}\)\(|spec\s*+=\s*+|vegaEmbed\([^,{]{0,200}+,\s*+)(?=\{)")
_BOKEH_DOCUMENT: Final = re.compile(r"docs_json\s*+=\s*+(?:'|JSON\.parse\(')?(?=\{)|<script type=\"application/json\"[^<>]*+>\s*+(?=\{)")  # fmt: skip
_MAP: Final = re.compile(r"\bL\.map\(")
_CENTRE: Final = re.compile(r"\bcenter\"?\s*+:\s*+\[\s*+(-?[\d.]++)\s*+,\s*+(-?[\d.]++)\s*+\]")
_ZOOM: Final = re.compile(r"\bzoom\"?\s*+:\s*+(\d++)")
_ON_MAP: Final = re.compile(
    r"\bL\.(marker|circleMarker|circle|polyline|polygon|rectangle|geoJson|heatLayer|imageOverlay)\("
)
_AXES: Final = ("below", "above", "left", "right")
_PLOTLY_AXIS: Final = re.compile(r"(?:([xyz])axis|coloraxis)\d*")
_TAG: Final = re.compile(r"</?(?:a|b|br|em|i|s|span|strong|sub|sup|u)\b[^<>]*+>")
"""what Plotly takes as a tag in a text"""
_UNSEEN: Final = frozenset({"tooltip", "href", "url", "key", "order", "detail", "description"})
"""channels of Vega that draw nothing of their own"""
_COMPOSED: Final = ("layer", "hconcat", "vconcat", "concat", "spec")


def chart_of(data: Mapping[str, Any]) -> str:
    """Describe the chart in a MIME bundle's JSON; empty if there is none."""
    if PLOTLY in data:
        return _plotly(data[PLOTLY])
    for mime, value in data.items():
        if mime.startswith(VEGA):
            return _vega(value)
    return ""


def chart_of_widget(state: Mapping[str, Any]) -> str:
    """Describe the chart or map that a widget draws: plotly's FigureWidget, Altair's JupyterChart, jupyter_bokeh or ipyleaflet."""
    if "_widget_data" in state:
        return _plotly({"data": state["_widget_data"], "layout": state.get("_widget_layout")})
    if _is_vega(spec := state.get("spec")):
        return _vega(spec)
    if "render_bundle" in state:
        bundle = state["render_bundle"]
        documents = mapping(_value_at(bundle, 0) if isinstance(bundle, str) else bundle).get("docs_json")
        return "\n".join(_bokeh(documents)[:_SERIES_MAX])
    if state.get("_model_name") != "LeafletMapModel":
        return ""
    places = [f"centre {', '.join(map(str, items(state.get('center'))[:2]))}", f"zoom {state.get('zoom')}"]
    return _sentence("Leaflet map", "", f"{len(items(state.get('layers')))} layers", places)


def charts_in(script: str) -> list[str]:
    """Describe the charts and maps that an HTML page or a script draws with Plotly, Vega (Altair), Bokeh or Leaflet (folium)."""
    found: list[str] = []
    if "Plotly." in script:
        for traces, end in _values(script, _PLOTLY_CALL):
            layout = _value_at(script, _skip_comma(script, end))
            found.append(_plotly({"data": traces, "layout": layout}))
    if "vega" in script:
        found += [_vega(spec) for spec, _ in _values(script, _VEGA_SPEC) if _is_vega(spec)]
    if "docs_json" in script or "application/json" in script:
        for documents, _ in _values(script, _BOKEH_DOCUMENT):
            found += _bokeh(documents)
    if _MAP.search(script):
        found.append(_leaflet(script))
    return found[:_SERIES_MAX]


def _values(script: str, before: re.Pattern[str]) -> Iterator[tuple[Any, int]]:
    """Yield the JSON values that follow a pattern, with the positions behind them."""
    at = 0
    for _ in range(_CALLS_MAX):
        match = before.search(script, at)
        if match is None:
            return
        try:
            value, at = _DECODER.raw_decode(script, match.end())
        except (ValueError, RecursionError):
            at = match.end()
            continue
        yield value, at


def _value_at(script: str, at: int) -> Any:
    try:
        return _DECODER.raw_decode(script, at)[0]
    except (ValueError, RecursionError):
        return None


def _skip_comma(script: str, at: int) -> int:
    while at < len(script) and script[at] in ", \n\r\t":
        at += 1
    return at


def _plotly(figure: Any) -> str:
    figure = mapping(figure)
    layout = mapping(figure.get("layout"))
    traces = [_trace(mapping(trace)) for trace in items(figure.get("data")) if isinstance(trace, Mapping)]
    scenes = [part for name, part in layout.items() if name.startswith("scene")]
    axes = _plotly_axes(layout, *map(mapping, scenes))
    legend = [f"legend={title}" for title in (_title(layout.get("legend")),) if title]
    return _sentence("plotly figure", _title(layout), _listed(traces, "; ") or "no traces", axes + legend)


def _plotly_axes(*layouts: Mapping[str, Any]) -> list[str]:
    """Return the titles of axes, each once: parts of a figure often share them."""
    found: dict[str, None] = {}
    for layout in layouts:
        for name, axis in layout.items():
            if (match := _PLOTLY_AXIS.fullmatch(name)) and (title := _title(axis)):
                found[f"{match[1] or 'colour'}={title}"] = None
    return [*found][:_SERIES_MAX]


def _trace(trace: Mapping[str, Any]) -> str:
    counts = [_count(trace[axis]) for axis in ("y", "x", "z", "values", "lat", "r") if axis in trace]
    points = next((f" of {count:,} points" for count in counts if count), "")
    name = f" {_words(trace.get('name'))!r}" if trace.get("name") else ""
    return f"{trace.get('type', 'trace')}{name}{points}"


def _title(part: Any) -> str:
    """Read the title of a chart, an axis or a legend: a text, its lines, or an object with one of them."""
    part = mapping(part)
    title = part.get("title")
    if title is None and "colorbar" in part:
        return _title(part["colorbar"])
    return _words(mapping(title).get("text")) or _words(title)


def _words(value: Any) -> str:
    """Return a text, or lines, without tags and on one line."""
    lines = [value] if isinstance(value, str) else [text(line) for line in items(value)]
    return " ".join(plain_text(_TAG.sub(" ", " ".join(lines)), as_it_is=False).split())


def _count(values: Any) -> int:
    """Count the points; plotly sends a numpy array as base64 with its type, such as `f8`."""
    if isinstance(values, Mapping):
        size = int(re.sub(r"\D", "", str(values.get("dtype")))[:2] or 1) or 1
        return len(text(values.get("bdata")).rstrip("=")) * 3 // 4 // size
    return len(values) if isinstance(values, list) else 0


def _is_vega(spec: Any) -> bool:
    known = ("$schema", "mark", "marks", *_COMPOSED)
    return isinstance(spec, Mapping) and any(key in spec for key in known)


def _vega(chart: Any) -> str:
    chart = mapping(chart)
    views = [*_vega_views(chart, _DEEPEST)]
    rows = [len(items(rows)) for rows in mapping(chart.get("datasets")).values()]
    rows = rows or [len(items(mapping(chart.get("data")).get("values")))]
    points = [f"{sum(rows):,} rows"] if any(rows) else []
    axes = {_words(axis.get("title")): None for axis in map(mapping, items(chart.get("axes")))}
    titles = [f"axis={title}" for title in axes if title]
    return _sentence("Vega chart", _title(chart), _listed(views, "; ") or "layers", points + titles)


def _vega_views(chart: Mapping[str, Any], depth: int) -> Iterator[str]:
    """Describe the marks of a chart, its layers and parts, with their encodings."""
    if depth < _DEEPEST and (title := _title(chart)):
        yield repr(title)
    mark = chart.get("mark")
    kind = text(mapping(mark).get("type")) or text(mark)
    if kind:
        yield " ".join(
            [kind, *filter(None, (_encoding(*each) for each in mapping(chart.get("encoding")).items()))]
        )
    yield from (text(mapping(mark).get("type"), "mark") for mark in items(chart.get("marks")))
    for key in _COMPOSED if depth else ():
        parts = chart.get(key)
        for part in items(parts) or [parts]:
            if isinstance(part, Mapping):
                yield from _vega_views(part, depth - 1)


def _encoding(axis: str, how: Any) -> str:
    """Return what a channel shows, and under which title; nothing of channels that a picture does not have."""
    if axis in _UNSEEN or not isinstance(how, Mapping):
        return ""
    field = text(how.get("field"))
    made = text(how.get("aggregate")) or text(how.get("timeUnit")) or ("bin" if how.get("bin") else "")
    shown = f"{made}({field})" if made else field or "value"
    titles = (
        how,
        {"title": mapping(how.get("axis")).get("title")},
        {"title": mapping(how.get("legend")).get("title")},
    )
    title = next(filter(None, map(_title, titles)), "")
    return f"{axis}={shown}" + (f" {title!r}" if title and title != field else "")


def _bokeh(documents: Any) -> list[str]:
    """Describe the figures of Bokeh documents, however they are laid out; of a layout without any, its kind."""
    roots = [*_bokeh_roots(documents)]
    figures = [_bokeh_figure(mapping(figure.get("attributes"))) for figure in _bokeh_figures(roots)]
    names = (text(root.get("name"), "figure") for root in roots)
    return figures or [_sentence("Bokeh chart", "", name, []) for name in names]


def _bokeh_roots(documents: Any) -> Iterator[Mapping[str, Any]]:
    for document in mapping(documents).values():
        roots = mapping(document).get("roots")
        yield from map(mapping, items(roots) or items(mapping(roots).get("references")))


def _bokeh_figures(roots: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the models with renderers in rows, columns, grids and tabs, in their order."""
    waiting: list[Any] = [*reversed(roots)]
    while waiting:
        part = waiting.pop()
        if mapping(mapping(part).get("attributes")).get("renderers"):
            yield part
        elif isinstance(part, dict):
            waiting += reversed(part.values())
        elif isinstance(part, list):
            waiting += reversed(part)


def _bokeh_figure(attributes: Mapping[str, Any]) -> str:
    names = {}
    for legend in _models(attributes.get("center")):
        for item in _models(legend.get("items")):
            for renderer in items(item.get("renderers")):
                names[text(mapping(renderer).get("id"))] = text(mapping(item.get("label")).get("value"))
    series = []
    for renderer in map(mapping, items(attributes.get("renderers"))):
        glyph = text(mapping(mapping(renderer.get("attributes")).get("glyph")).get("name"), "glyph")
        name = names.get(text(renderer.get("id")))
        series.append(f"{glyph} {name!r}" if name else glyph)
    axes = [
        f"{'x' if side in _AXES[:2] else 'y'}={label}"
        for side in _AXES
        for axis in _models(attributes.get(side))
        if (label := text(axis.get("axis_label")))
    ]
    title = text(mapping(mapping(attributes.get("title")).get("attributes")).get("text"))
    return _sentence("Bokeh chart", title, _listed(series, "; "), axes)


def _models(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the attributes of a list of Bokeh's models."""
    yield from (mapping(mapping(model).get("attributes")) for model in items(value))


def _leaflet(script: str) -> str:
    """Describe a map: where it is, and how many things of each kind are on it."""
    places = [f"centre {centre[1]}, {centre[2]}"] if (centre := _CENTRE.search(script)) else []
    places += [f"zoom {zoom[1]}"] if (zoom := _ZOOM.search(script)) else []
    kinds = Counter(match[1] for match in _ON_MAP.finditer(script))
    layers = "; ".join(f"{count:,} × {kind}" for kind, count in kinds.items())
    return _sentence("Leaflet map", "", layers or "no markers", places)


def _listed(parts: list[str], between: str) -> str:
    more = len(parts) - _SERIES_MAX
    shown = parts[:_SERIES_MAX] + ([f"{more:,} more"] if more > 0 else [])
    return between.join(shown)


def _sentence(kind: str, title: str, series: str, more: list[str]) -> str:
    named = f" {title!r}" if title else ""
    return f"[{kind}{named}: {', '.join([series, *more])}]"
