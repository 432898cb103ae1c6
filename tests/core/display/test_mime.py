"""Rich output in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.display.html import html_text
from jlab_tui.core.display.mime import RULES, bitmaps, describe_data
from jlab_tui.core.feed.items import TextOutput, outputs_of

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


FRAME = "<table><thead><tr><th></th><th>a</th></tr></thead><tbody><tr><th>i</th><td>x&lt;y</td></tr></tbody></table>"


FRAMES = (
    "<script>"
    + "".join(f'frames[{n}] = "data:image/png;base64,AAA{n}\\\nBB==\\\n"\n' for n in range(3))
    + "</script>"
)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"text/html": FRAME}, "| a\ni | x<y"),
        ({"text/html": FRAME, "text/plain": "   a\ni  x<y"}, "   a\ni  x<y"),
        ({"text/html": FRAME, "text/plain": "<pandas.Styler at 0x7ff827>"}, "| a\ni | x<y"),
        ({"text/html": "<style>p{}</style><p>a&nbsp;b</p><script>f()</script>"}, "a b"),
        ({"text/html": "<pre>if x:\n    y</pre>"}, "if x:\n    y"),
        ({"text/html": '<img src="http://x/y.png"/>', "text/plain": "<I object>"}, "[img: http://x/y.png]"),
        ({"text/html": '<img src="data:image/png;base64,AAAA">'}, ""),
        ({"text/html": '<h1>T</h1><img src="data:image/png;base64,AAAA">', "text/plain": "<T object>"}, "T"),
        ({"text/html": '<img src="data:image/svg+xml;base64,AAAA">'}, "[img: image/svg+xml, 3 bytes]"),
        ({"text/html": '<img src="data:image/svg+xml,AAAA">'}, "[img: image/svg+xml, 4 bytes]"),
        ({"text/markdown": "# T\n\n![x](data:image/png;base64,AAAA)\n"}, "# T"),
        ({"image/png": "AAAA", "text/plain": "<Figure>"}, ""),
        ({"text/html": "<iframe srcdoc='&lt;p&gt;'></iframe>"}, "[iframe: a page of 3 characters]"),
        ({"text/html": "<script>draw()</script>"}, "[HTML with a script, 23 characters; only a browser can run it]"),
        ({"text/html": "<table><tr><td>1</td></tr></table>", "text/plain": "Thing(rows=1)"}, "1"),
        ({"text/html": "<b>1</b>", "text/plain": "Thing(rows=1)"}, "Thing(rows=1)"),
        ({"text/html": '<div id="sk-container-id-1"><table><tr><td>penalty</td></tr></table></div>', "text/plain": "Model()"}, "Model()"),
        ({"text/html": "<progress value='1' max='2'></progress> 1/2", "text/markdown": "```html\n```"}, "|█████     | 1/2"),
        ({"text/html": "<p>epoch 1</p>", "text/markdown": "```html\n<p>epoch 1</p>\n```", "text/plain": "<p>epoch 1</p>"}, "epoch 1"),
        ({"text/markdown": "```html\n<p>\n```"}, "```html\n<p>\n```"),
        ({"image/png": "AAAA", "text/latex": "$x^{2}$", "text/plain": " 2\nx"}, "$x^{2}$"),
        ({"text/latex": "\\begin{Verbatim}[commandchars=\\\\\\{\\}]\n\\PY{k}{def}", "text/html": "<pre>def</pre>", "text/plain": "def"}, "def"),
        ({"text/html": "<span>Trust it</span><iframe srcdoc='&lt;script&gt;var m = L.map(&quot;m&quot;, {center: [45.5, -122.6], &quot;zoom&quot;: 9}); L.marker([1, 2]); L.marker([2, 2])&lt;/script&gt;'></iframe>"},
         "[Leaflet map: 2 × marker, centre 45.5, -122.6, zoom 9]"),
        ({"text/html": "Report <iframe srcdoc='&lt;p&gt;Rows&lt;/p&gt;&lt;p&gt;12&lt;/p&gt;&lt;iframe srcdoc=&quot;&amp;lt;p&amp;gt;x&quot;&gt;'></iframe>end"},
         "Report\n[iframe: a page of 48 characters]\nRows\n12\n[iframe: a page of 4 characters]\nend"),
        ({"text/html": f"<img id='a'><div>Once</div>{FRAMES}"}, "[animation, 3 frames: the first and the last one are shown]"),
        ({"text/plain": "", "text/html": "<pre></pre>"}, ""),
        ({"text/plain": "", "application/x-own": "x"}, "[output of type application/x-own]"),
        ({"application/javascript": "load()", "application/vnd.holoviews_load.v0+json": "load()"}, ""),
        ({"text/html": '<img alt="a plot" src="data:x"><iframe src="map.html">'}, "[img: a plot] [iframe: map.html]"),
        ({"text/html": "<div></div>"}, ""),
        ({"application/json": {"a": [1]}, "text/plain": "<IPython.JSON object>"}, '{"a": [1]}'),
        ({"text/latex": "$x$", "text/plain": "<IPython.Latex object>"}, "$x$"),
        ({"text/markdown": "# T", "text/plain": "<IPython.Markdown object>"}, "# T"),
        ({"application/javascript": "f();"}, "[JavaScript, 4 characters; only a browser can run it]"),
        ({"application/pdf": "AAAA", "text/plain": "<Figure size 640x480>"}, "[PDF image, 3 bytes]"),
        ({"image/svg+xml": "<svg><title>T</title><text>a</text></svg>"}, "[SVG image, 41 characters: T; a]"),
        ({"image/svg+xml": "<g><!-- loss --><path/></g><!--a&#45;&gt;b--><text>loss</text>"}, "[SVG image, 62 characters: loss; a->b]"),
        (
            {
                "application/vnd.vegalite.v5+json": {"mark": {"type": "bar"}, "encoding": {"x": {"field": "day"}}},
                "text/plain": "<VegaLite 5 object>\n\nIf you see this message ...",
            },
            "[Vega chart: bar x=day]",
        ),
        (
            {
                "application/vnd.plotly.v1+json": {
                    "data": [
                        {"type": "bar", "y": [1, 2], "name": "loss"},
                        {"type": "scatter", "y": {"dtype": "f8", "bdata": "A" * 64}},
                    ],
                    "layout": {"title": {"text": "Run"}},
                }
            },
            "[plotly figure 'Run': bar 'loss' of 2 points; scatter of 6 points]",
        ),
        (
            {"text/html": "<HEAD><title>no</title></HEAD>1 < 2 > 0<!-- no --><b title='a>b'>it's</b><br/>end<!-- no <p>no"},
            "1 < 2 > 0it's\nend",
        ),
        (
            {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "  0%|  | 0/50"},
            "  0%|  | 0/50",
        ),
        ({"application/x-own": 1}, "[output of type application/x-own]"),
        ({}, ""),
        ({"text/plain": "<Thing at 0x7f>"}, "<Thing at 0x7f>"),
        ({"text/plain": "<Thing>", "text/html": "<div></div>"}, "<Thing>"),
        ({"text/plain": "<IPython.core.display.HTML object>", "text/html": "<style>p{}</style>"}, ""),
        ({"text/plain": "<Thing>", "text/csv": "a,é"}, "[text/csv] a,é"),
        ({"text/plain": "<Thing>", "application/json": {"a": "é"}}, '{"a": "é"}'),
        ({"text/markdown": ["# T\n", "x"]}, "# T\nx"),
        ({"text/markdown": "", "text/plain": "x"}, "x"),
        ({"application/vnd.jupyter.widget-view+json": {}}, ""),
        ({"image/svg+xml": "<svg/>"}, "[SVG image, 6 characters]"),
        ({"image/svg+xml": "<text> </text><text>a</text>"}, "[SVG image, 28 characters: a]"),
        ({"application/vnd.vega.v5+json": {"mark": "line", "title": "T", "encoding": {"y": {"field": "n"}}}}, "[Vega chart 'T': line y=n]"),
        ({"application/vnd.vega.v5+json": {"layer": []}}, "[Vega chart: layers]"),
        ({"application/vnd.vega.v5+json": None}, "[Vega chart: layers]"),
        ({"application/vnd.plotly.v1+json": "?"}, "[plotly figure: no traces]"),
        ({"application/vnd.plotly.v1+json": {"layout": "?"}}, "[plotly figure: no traces]"),
        ({"application/vnd.plotly.v1+json": {"data": [{"values": [1]}, 7, {"y": [], "x": [1, 2]}], "layout": {"title": "T"}}},
         "[plotly figure 'T': trace of 1 points; trace of 2 points]"),
        ({"application/vnd.plotly.v1+json": {"data": [{"type": "bar", "y": "abc"}, {"type": "pie", "y": {"bdata": "A" * 8, "dtype": "?"}}]}},
         "[plotly figure: bar; pie of 6 points]"),
    ],
)  # fmt: skip
def test_rich_data_is_described_by_what_it_shows(data: dict[str, Any], words: str) -> None:
    assert describe_data(data) == words


def test_a_person_sees_the_words_that_the_model_gets_in_the_colours_of_the_kernel() -> None:
    (table,) = outputs_of({"text/html": FRAME})
    (coloured,) = outputs_of({"text/plain": "\x1b[31mred\x1b[0m", "text/html": "<b>red</b>"})
    assert isinstance(table, TextOutput) and table.scrollback.text() == "| a\ni | x<y"
    assert isinstance(coloured, TextOutput) and coloured.scrollback.text() == "\x1b[31mred\x1b[0m"


BOMBS = {
    "tags without an end": ("text/html", "<b"),
    "attributes without an end": ("text/html", "<a b='"),
    "comments without an end": ("text/html", "<!--"),
    "scripts without an end": ("text/html", "<script"),
    "SVG texts without an end": ("image/svg+xml", "<text "),
    "SVG comments without an end": ("image/svg+xml", "<!-- - "),
    "videos without an end": ("text/html", "<video><source "),
    "images without an end": ("text/html", "<img src='data:image/png;base64,"),
    "charts without an end": ("text/html", "<script>Plotly.newPlot('',["),
    "calls without an end": ("text/html", "<script>vegaEmbed("),
    "specifications without an end": ("text/html", '<script>vega spec = {"a": '),
    "documents without an end": ("text/html", 'docs_json = {"a": ['),
    "frames without an end": ("text/html", 'frames[0] = "data:image/png;base64,'),
    "pages without an end": ("text/html", "<iframe srcdoc='"),
    "maps without an end": ("text/html", "L.map(center: ["),
}


@pytest.mark.parametrize("name", BOMBS)
def test_markup_without_an_end_is_read_in_one_go(name: str) -> None:
    mime, piece = BOMBS[name]
    # Many minutes where the time grows with the square of the length.
    data = {mime: piece * 300_000}
    assert isinstance(describe_data(data), str) and isinstance(bitmaps(data), list)


BUNDLES = json.loads((Path(__file__).parents[2] / "data/rich/bundles.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("library", "words"),
    [
        ("altair", "[Vega chart 'sales': bar x=a y=b, 3 rows]"),
        ("altair-composed", "[Vega chart: line color=a x=a y=mean(b); point color=a x=a y=mean(b); line color=a x=a y=mean(b), 3 rows]"),
        ("plotly-loader", ""),
        ("plotly-notebook", "[plotly figure 'loss': scatter of 2 points, x=x, y=y]"),
        ("plotly-to-html", "[plotly figure 'loss': scatter of 2 points, x=x, y=y]"),
        ("great-tables", "Head\na  | b\nx  | 3\ny  | 1\nz  | 2"),
        ("bokeh-logo", ""),
        ("bokeh-loader", ""),
        ("bokeh-place", ""),
        ("bokeh", "[Bokeh chart 'T': Line]"),
        ("audio", "[audio: audio/wav, 45 bytes]"),
        ("video", "[video: video/mp4, 46 bytes]"),
        ("rich-empty", ""),
        ("rich-table", "┏━━━┳━━━┓\n┃ a ┃ b ┃\n┡━━━╇━━━┩\n│ 1 │ 2 │\n└───┴───┘\n"),
        ("pandas-style", "| a\n0  | 1"),
        ("fastprogress", "|          | 0.00% [0/2 00:00<?]\n|██████████| 100.00% [3/3 00:00<00:00]"),
    ],
)  # fmt: skip
def test_html_of_libraries_is_described_briefly(library: str, words: str) -> None:
    assert describe_data(BUNDLES[library]) == words and bitmaps(BUNDLES[library]) == []


PNG, JPEG = ("image/png", "AAAA"), ("image/jpeg", "BB+/")


@pytest.mark.parametrize(
    ("data", "images"),
    [
        ({"image/jpeg": "BB+/", "text/html": "<img src='data:image/png;base64,AAAA'>"}, [JPEG]),
        ({"image/png": ["AA", "AA"]}, [PNG]),
        ({"image/png": "", "text/html": "<img src='data:image/png;base64,AAAA'>"}, [PNG]),
        ({"text/html": "<b>x</b><IMG class='a' src = data:image/jpg;base64,BB+/ alt=x><img src='data:image/png;base64,AAAA'>"}, [JPEG, PNG]),
        ({"text/html": "<img src='x.png'><p style='background: url(data:image/png;base64,AAAA)'>"}, []),
        ({"text/html": "<img src='data:image/svg+xml;base64,AAAA'><img src='data:image/tiff;base64,AAAA'>"}, []),
        ({"text/markdown": "![x](data:image/png;base64,AAAA) and <img src=\"data:image/jpeg;base64,BB+/\">"}, [PNG, JPEG]),
        ({"text/html": "<img src='data:image/png;base64,AAAA'>" * 12}, [PNG] * 10),
        ({"text/plain": "data:image/png;base64,AAAA"}, []),
        ({"image/png": "AAAA", "text/latex": "$x$"}, []),
        ({"image/png": "AAAA", "text/latex": "\\begin{Verbatim}[commandchars="}, [PNG]),
        ({"text/html": FRAMES}, [("image/png", "AAA0\nBB==\n"), ("image/png", "AAA2\nBB==\n")]),
        ({"text/html": 'frames[0] = "data:image/png;base64,AAAA"'}, [PNG]),
    ],
)  # fmt: skip
def test_images_that_html_or_markdown_embeds_are_images(
    data: dict[str, Any], images: list[tuple[str, str]]
) -> None:
    assert bitmaps(data) == images


def test_data_without_a_description_is_named() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert describe_data({"application/json": deep}) == "[malformed output of type application/json]"


def test_the_rules_of_rich_output_are_those_of_the_document() -> None:
    page = (Path(__file__).parents[3] / "docs/how-it-works.md").read_text(encoding="utf-8")
    assert [rule.types for rule in RULES if f"| {rule.types} | {rule.shown} |" not in page] == []
