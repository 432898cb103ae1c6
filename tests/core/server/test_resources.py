"""Readings of the node, as the sampler sends them and as `check_resources` tells them."""

from __future__ import annotations

from typing import Any

import pytest

from jlab_tui.core.server.resources import parse_sample, resources_json

READING: dict[str, Any] = {
    "t": 1000.5,
    "cpu": {"count": 8, "percent": 12.5, "load_1m": 0.5, "load_5m": 0.4, "load_15m": 0.3},
    "memory": {"used_mb": 3000.4, "total_mb": 4000},
    "gpu": [
        {"index": 0, "name": "A100", "memory_used_mb": 10, "memory_total_mb": 80, "utilization_percent": 5}
    ],
    "kernels": {"k-1": {"pid": 7, "rss_mb": 120, "gpu_memory_mb": None}},
}


def test_a_reading_is_reported_with_what_is_free() -> None:
    sample = parse_sample(READING)
    assert (sample.at, sample.cpu_count) == (1000.5, 8)
    told = resources_json(sample)
    assert told["cpu"] == READING["cpu"]
    assert told["memory"] | {"total_mb": 4000, "used_mb": 3000, "available_mb": 1000} == told["memory"]
    assert told["memory"]["percent_used"] == 75.0
    assert told["gpu"][0]["name"] == "A100" and told["gpu"][0]["temperature_c"] is None
    assert told["kernels"]["k-1"]["rss_mb"] == 120


@pytest.mark.parametrize(("used", "total"), [(None, 4000), (3000, None), (True, 4000), (3000, 0)])
def test_what_nobody_measures_is_null_and_not_zero(used: Any, total: Any) -> None:
    told = resources_json(parse_sample(READING | {"memory": {"used_mb": used, "total_mb": total}}))
    assert told["memory"]["percent_used"] is None
    if used is None or used is True or total is None:
        assert told["memory"]["available_mb"] is None


def test_a_node_that_uses_more_than_its_limit_has_nothing_free() -> None:
    told = resources_json(parse_sample(READING | {"memory": {"used_mb": 4100, "total_mb": 4000}}))
    assert told["memory"]["available_mb"] == 0


def test_a_node_without_gpus_and_kernels_has_empty_lists() -> None:
    bare = {key: READING[key] for key in ("t", "cpu", "memory")}
    told = resources_json(parse_sample(bare))
    assert told["gpu"] == [] and told["kernels"] == {}


@pytest.mark.parametrize("missing", ["t", "cpu", "memory"])
def test_a_reading_without_its_main_parts_is_none(missing: str) -> None:
    with pytest.raises(ValueError, match="not a resource sample"):
        parse_sample({key: value for key, value in READING.items() if key != missing})
    with pytest.raises(ValueError, match="not a resource sample"):
        parse_sample(READING | {missing: True})


def test_a_sampler_that_has_something_to_say_is_heard() -> None:
    assert resources_json(parse_sample(READING | {"note": "no nvidia-smi"}))["note"] == "no nvidia-smi"
    assert "note" not in resources_json(parse_sample(READING))
    assert "note" not in resources_json(parse_sample(READING | {"note": None}))


def test_a_gpu_or_a_kernel_that_is_not_understood_leaves_the_others() -> None:
    gpus = ["broken", *READING["gpu"], None]
    kernels = {"k-0": "broken", **READING["kernels"], "k-2": None}
    sample = parse_sample(READING | {"gpu": gpus, "kernels": kernels})
    assert [gpu.name for gpu in sample.gpus] == ["A100"] and list(sample.kernels or ()) == ["k-1"]
