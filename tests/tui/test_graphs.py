"""Graphs: ten minutes in every width, a lane for each GPU, an idle GPU described in words."""

from __future__ import annotations

import pytest

from jlab_tui.core.server.resources import GpuSample, Sample
from jlab_tui.tui.curves import graphs_of
from jlab_tui.tui.format import ASCII, UNICODE, span
from jlab_tui.tui.gauges import readings
from jlab_tui.tui.plots import binned, shown_span
from jlab_tui.tui.themes import Palette
from jlab_tui.tui.widgets.graphs import graph, lanes, meter_rows

from . import stage

PALETTE = Palette({}, dark=True)


@pytest.mark.parametrize("count", [24, 48, 88, 176])
def test_every_graph_shows_ten_minutes_and_holds_still(count: int) -> None:
    times = [1000.0 + n for n in range(600)]
    values: list[float | None] = [float(n % 100) for n in range(600)]
    shown = binned(values, times, count)
    assert count - 2 <= len(shown) <= count and shown_span(599.0, count) == 600
    width = 600 / count
    later = binned([*values[1:], 0.0], [*times[1:], times[-1] + 1], count)
    if (times[-1] + 1) // width == times[-1] // width:  # no new bin has begun
        assert later[1:-1] == shown[1:-1]


def test_a_short_history_has_one_bin_a_second() -> None:
    assert binned([1.0, None, 3.0], [1.0, 2.0, 3.0], 50) == [1.0, None, 3.0]
    assert binned([], [], 50) == []


def idle(*seconds: float) -> str:
    samples = stage.samples(10, gpus=len(seconds))
    since = {n: samples[-1].at - s if s else None for n, s in enumerate(seconds)}
    return readings(samples, since.get, {}, "·")[2].note


def test_an_idle_gpu_is_shown_with_how_long() -> None:
    assert idle(2280) == "0% for 38 min"
    assert idle(0) == "H200 · 64°C · 512 W"
    assert idle(30) == "H200 · 64°C · 512 W"  # a moment's rest
    assert idle(2280, 0) == "1 of 2 at 0% for 38 min"
    assert idle(7500, 2280) == "all at 0% for 38 min"
    assert [span(s) for s in (45, 3600, 7500, 200_000)] == ["45 s", "1 h", "2 h 5 min", "2 d"]


def test_several_gpus_have_a_lane_each_at_any_height() -> None:
    shown = readings(stage.samples(600, gpus=8), lambda index: None, {}, "·")
    for height in (3, 6, 11):
        text = "\n".join(strip.text for strip in lanes(shown[2], 28, height, PALETTE, UNICODE))
        assert len(text.split("\n")) == height
        assert all(f"{use}%" in text for use in (94, 84, 74, 64, 54, 44, 34, 24))
    assert meter_rows(shown) == 5 and meter_rows(shown[:2]) == 1


def test_a_node_whose_gpus_come_and_go_or_say_nothing_is_drawn() -> None:
    silent = GpuSample(0, "NVIDIA A100-SXM4-40GB")
    samples = [
        Sample(1.0, 4, 10.0, None, 10.0, 100.0),
        Sample(2.0, 4, None, None, 10.0, 0.0, (silent, GpuSample(1, "AMD MI300X", 10.0, 100.0, 50.0))),
        Sample(3.0, 4, None, None, 10.0, 0.0, (silent,)),
    ]
    for count in (1, 2, 3):
        shown = readings(samples[:count], lambda index: None, {}, "·")
        for reading in shown:
            assert graph(reading, 40, 12, PALETTE, UNICODE) and graph(reading, 10, 2, PALETTE, ASCII)
        assert graphs_of(samples[:count])
    assert [r.now for r in readings(samples, lambda index: None, {}, "·")[2:]] == ["?", "?"]


def test_a_graph_has_labels_where_there_is_room() -> None:
    cpu = readings(stage.samples(), lambda index: None, {}, "·")[0]
    tall = [strip.text for strip in graph(cpu, 48, 11, PALETTE, UNICODE)]
    assert tall[0].startswith("100 ") and tall[-2].startswith("  0 ")
    assert tall[-1].split() == ["10", "min", "ago", "now"]
    assert all(
        not strip.text[:4].strip() or strip.text[0] > "~" for strip in graph(cpu, 28, 3, PALETTE, UNICODE)
    )
    assert all(strip.text.isascii() for strip in graph(cpu, 48, 11, PALETTE, ASCII))
