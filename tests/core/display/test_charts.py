"""Charts in words, from their specifications."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jlab_tui.core.display.charts import chart_of, chart_of_widget, charts_in
from jlab_tui.core.display.html import bar, without_images

VEGA, PLOTLY = "application/vnd.vegalite.v5+json", "application/vnd.plotly.v1+json"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"text/plain": "x"}, ""),
        ({VEGA: {"mark": "bar", "encoding": {"x": {"field": "a"}, "y": {"aggregate": "count"}, "color": {"value": "red"}}}},
         "[Vega chart: bar x=a y=count() color=value]"),
        ({VEGA: {"title": {"text": "T"}, "mark": {"type": "line"}, "data": {"values": [1, 2]}}}, "[Vega chart 'T': line, 2 rows]"),
        ({VEGA: {"marks": [{"type": "rect"}, 7]}}, "[Vega chart: rect; mark]"),
        ({VEGA: {"spec": {"mark": "point"}}}, "[Vega chart: point]"),
        ({VEGA: {"concat": [{"mark": "m"}] * 25}}, f"[Vega chart: {'m; ' * 20}5 more]"),
        ({PLOTLY: {"data": [{"type": "pie", "values": [1]}], "layout": {"xaxis": {"title": {"text": "epoch"}}, "yaxis": {"title": "loss"}}}},
         "[plotly figure: pie of 1 points, x=epoch, y=loss]"),
        ({VEGA: {"title": ["Loss", "of five runs"], "mark": "line", "encoding": {
            "x": {"field": "t", "timeUnit": "month", "title": "month"}, "y": {"aggregate": "mean", "field": "loss", "axis": {"title": ["Loss", "(nats)"]}},
            "color": {"field": "run", "legend": {"title": "Run"}}, "size": {"bin": True, "field": "n", "title": "n"}, "tooltip": [{"field": "run"}], "row": 5}}},
         "[Vega chart 'Loss of five runs': line x=month(t) 'month' y=mean(loss) 'Loss (nats)' color=run 'Run' size=bin(n)]"),
        ({VEGA: {"hconcat": [{"title": "left", "mark": "bar"}, {"mark": "line"}]}}, "[Vega chart: 'left'; bar; line]"),
        ({VEGA: {"marks": [{"type": "rect"}], "axes": [{"title": "step"}, {"title": "loss"}, {"title": "step"}, {}]}}, "[Vega chart: rect, axis=step, axis=loss]"),
        ({PLOTLY: {"data": [{"type": "scatter", "name": "<b>a</b> &amp; b"}], "layout": {
            "title": {"text": "<b>Loss</b><br><sup>five runs</sup>"}, "xaxis": {"title": {"text": "step"}}, "xaxis2": {"title": {"text": "step"}},
            "yaxis": {}, "legend": {"title": {"text": "run"}}, "coloraxis": {"colorbar": {"title": {"text": "°C"}}}, "scene": {"zaxis": {"title": "height"}}}}},
         "[plotly figure 'Loss five runs': scatter 'a & b', x=step, colour=°C, z=height, legend=run]"),
        ({PLOTLY: {"data": [{"type": "scatter", "y": {"bdata": "AAAA", "dtype": "f0"}}]}}, "[plotly figure: scatter of 3 points]"),
    ],
)  # fmt: skip
def test_a_chart_is_described_by_kind_axes_and_series(data: dict[str, Any], words: str) -> None:
    assert chart_of(data) == words


def test_a_chart_within_charts_without_end_is_reported_as_far_as_it_goes() -> None:
    chart: dict[str, Any] = {"mark": "bar"}
    for _ in range(50):
        chart = {"hconcat": [chart]}
    assert chart_of({VEGA: chart}) == "[Vega chart: layers]"


BOKEH = '{"1": {"roots": [{"name": "Figure", "attributes": {"renderers": [{}, {"attributes": {"glyph": {"name": "Line"}}}]}}]}}'


def of_bokeh(name: str, **attributes: object) -> dict[str, Any]:
    return {"name": name, "id": name, "attributes": attributes}


def figure(*glyphs: str, **attributes: object) -> dict[str, Any]:
    renderers = [{"id": glyph, "attributes": {"glyph": of_bokeh(glyph)}} for glyph in glyphs]
    return of_bokeh("Figure", renderers=renderers, **attributes)


LEGEND = of_bokeh(
    "Legend", items=[of_bokeh("LegendItem", label={"value": "loss"}, renderers=[{"id": "Line"}])]
)
FIRST = figure(
    "Line", "Scatter", title=of_bokeh("Title", text="T"), center=[of_bokeh("Grid"), LEGEND],
    below=[of_bokeh("Axis", axis_label="step")], left=[of_bokeh("Axis", axis_label="loss"), of_bokeh("Axis")],
)  # fmt: skip
LAID_OUT = {
    "1": {
        "roots": [
            of_bokeh(
                "Row",
                children=[[FIRST, 0, 0], of_bokeh("Tabs", tabs=[of_bokeh("Tab", child=figure("VBar"))])],
            )
        ]
    }
}


@pytest.mark.parametrize(
    ("script", "charts"),
    [
        ("nothing", []),
        ("Plotly.newPlot('id', [{\"type\": \"bar\"}], {\"title\": \"T\"}, {})", ["[plotly figure 'T': bar]"]),
        ('Plotly.react("id",[{"type": "bar"}])', ["[plotly figure: bar]"]),
        ('Plotly.newPlot("id",[{"type": "bar"}],', ["[plotly figure: bar]"]),
        ('Plotly.newPlot("a", [broken; Plotly.newPlot("b", [])', ["[plotly figure: no traces]"]),
        ('var spec = {"mark": "bar"}; vegaEmbed("#v", spec)', ["[Vega chart: bar]"]),
        ('vegaEmbed("#v", {"$schema": "vega"})', ["[Vega chart: layers]"]),
        ('vegaEmbed; spec = {"a": 1}', []),
        (f"const docs_json = {BOKEH};", ["[Bokeh chart: glyph; Line]"]),
        (f'<script type="application/json" id="p">{BOKEH}</script>', ["[Bokeh chart: glyph; Line]"]),
        ('docs_json = {"1": {"roots": {"references": [{"name": "Row"}]}}}', ["[Bokeh chart: Row]"]),
        (f"docs_json = {json.dumps(LAID_OUT)}", ["[Bokeh chart 'T': Line 'loss'; Scatter, x=step, y=loss]", "[Bokeh chart: VBar]"]),
        ("L.map('m', {})", ["[Leaflet map: no markers]"]),
        ("var L.map('m', { center: [ 1.5, -2 ], zoom: 3}); L.circle([1, 2]); L.geoJson(x); L.circle([3, 4])",
         ["[Leaflet map: 2 × circle; 1 × geoJson, centre 1.5, -2, zoom 3]"]),
        ('<script type="application/json">{"a": 1}</script>', []),
    ],
)  # fmt: skip
def test_charts_are_found_in_what_a_page_runs(script: str, charts: list[str]) -> None:
    assert charts_in(script) == charts


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"_widget_data": [{"type": "scatter", "y": [1, 2], "name": "loss"}], "_widget_layout": {"title": {"text": "T"}}}, "[plotly figure 'T': scatter 'loss' of 2 points]"),
        ({"_widget_data": None}, "[plotly figure: no traces]"),
        ({"spec": {"$schema": "s", "mark": {"type": "bar"}, "encoding": {"x": {"field": "a"}}}}, "[Vega chart: bar x=a]"),
        ({"spec": {"other": 1}}, ""),
        ({"spec": "x"}, ""),
        ({"render_bundle": {"docs_json": LAID_OUT}}, "[Bokeh chart 'T': Line 'loss'; Scatter, x=step, y=loss]\n[Bokeh chart: VBar]"),
        ({"render_bundle": json.dumps({"docs_json": LAID_OUT})}, "[Bokeh chart 'T': Line 'loss'; Scatter, x=step, y=loss]\n[Bokeh chart: VBar]"),
        ({"render_bundle": "{broken"}, ""),
        ({"_model_name": "LeafletMapModel", "center": [52, 13], "zoom": 8.0, "layers": ["a", "b"]}, "[Leaflet map: 2 layers, centre 52, 13, zoom 8.0]"),
        ({"_model_name": "LabelModel"}, ""),
    ],
)  # fmt: skip
def test_a_chart_that_is_a_widget_is_described_like_others(state: dict[str, Any], words: str) -> None:
    assert chart_of_widget(state) == words


@pytest.mark.parametrize(
    ("value", "most", "drawn"),
    [(0, 1, "|          |"), (0.35, 1, "|███▌      |"), (1, 1, "|██████████|"), (9, 1, "|██████████|"), (1, 0, "|          |"), (-1, 5, "|          |")],
)  # fmt: skip
def test_a_bar_is_drawn_as_in_a_console(value: float, most: float, drawn: str) -> None:
    assert bar(value, most) == drawn


def test_markdown_without_images_is_what_it_was() -> None:
    assert without_images("# T ![x](x.png)") == "# T ![x](x.png)"
