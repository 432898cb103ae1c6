"""What the demo's player tells, and the figure that it draws without matplotlib."""

from __future__ import annotations

import math

import pytest

from jlab_tui.core.journal.figure_texts import PARTS, TRANSIENT, figure_texts
from jlab_tui.demo import chart
from jlab_tui.demo import demo_cells as cells
from jlab_tui.demo.chart import HEIGHT, LEFT, WIDTH, ticks
from jlab_tui.demo.cues import Caption, Cue, Keys, Leave, Problem, Told, decode_cue, encode_cue


@pytest.mark.parametrize(
    "cue", [Caption("a\nb", "c"), Told("é"), Problem("x"), Keys(("c", "enter")), Leave()]
)
def test_a_cue_crosses_the_pipe_as_one_line(cue: Cue) -> None:
    line = encode_cue(cue)
    assert line.count("\n") == 1 and decode_cue(line.encode()) == cue


@pytest.mark.parametrize("line", ["", "{}", '["dance", {}]', '["line", {"tune": 1}]'])
def test_a_line_that_is_no_cue_is_refused(line: str) -> None:
    with pytest.raises(ValueError):
        decode_cue(line)


def test_the_figure_without_matplotlib_has_axes_and_what_was_measured() -> None:
    told: dict[str, object] = {}
    exec(cells.DATA, told)
    exec(cells.FIT.replace("time.sleep(0.22)", "pass"), told)
    assert isinstance(told["room"], float) and math.isclose(told["room"], 21, abs_tol=1)
    exec(
        cells.PLOT_ALONE.replace("chart import chart", "chart import draw as chart")
        .replace("from chart", "from jlab_tui.demo.chart")
        .replace("chart({", "image, texts = chart({"),
        told,
    )
    image = told["image"]
    assert image.size == (WIDTH, HEIGHT)  # type: ignore[attr-defined]
    names = image.crop((0, 0, LEFT - 4, HEIGHT))  # type: ignore[attr-defined]
    assert len(names.getcolors(100_000)) > 2, "the axis has numbers and a name"
    read = figure_texts(told["texts"])
    words = [text.text for text in read]
    assert {"A cup of tea", "time (min)", "temperature (°C)", "measured", "60"} <= set(words)
    assert len(read) == len(told["texts"])  # type: ignore[arg-type]
    assert (chart.TEXTS, chart.PARTS) == (TRANSIENT, PARTS)


def test_the_cell_with_the_mistake_is_mended() -> None:
    for code in (cells.LOOK, cells.LOOK_ALONE):
        with pytest.raises(NameError, match="heta"):
            exec(code, {"minutes": [0.0, 1.0], "room": 1.0, "rate": 1.0, "math": math, "heat": 1.0})
        assert "heta" not in cells.mended(code)


@pytest.mark.parametrize(("low", "high"), [(0.0, 60.0), (21.2, 88.7), (-3e-3, 2e-3), (5.0, 5.0), (1e6, 9e6)])
def test_ticks_are_few_and_enclose_the_values(low: float, high: float) -> None:
    found = ticks([high, low])
    assert 2 <= len(found) <= 9 and found[0] <= low and high <= found[-1]
