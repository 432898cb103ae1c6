from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from jlab_tui.jupyter_extension.gpu import parse_nvidia, parse_nvidia_processes, parse_rocm, visible_gpus

GIB = 1 << 30


def test_what_a_gpu_does_not_say_is_unknown() -> None:
    full = parse_nvidia("0, NVIDIA A100-SXM4-80GB, 1024, 81920, 37, 41, 99.50")
    assert full == {
        "index": 0,
        "name": "NVIDIA A100-SXM4-80GB",
        "memory_used_mb": 1024,
        "memory_total_mb": 81920,
        "utilization_percent": 37,
        "temperature_c": 41,
        "power_w": 99.5,
    }
    mig = parse_nvidia("1, NVIDIA H100, [N/A], [N/A], [N/A], 30, [Not Supported]")
    assert mig is not None and mig["utilization_percent"] is None and mig["temperature_c"] == 30
    assert parse_nvidia("No devices were found") is None


def test_what_a_real_h200_says_is_read() -> None:
    idle = parse_nvidia("0, NVIDIA H200, 0, 143771, 0, 35, 78.50")
    assert idle is not None and (idle["name"], idle["memory_used_mb"], idle["power_w"]) == (
        "NVIDIA H200",
        0,
        78.5,
    )


@pytest.mark.parametrize(
    ("seen", "environ", "ours"),
    [
        ([0, 1, 2, 3], {"CUDA_VISIBLE_DEVICES": "1,3"}, {1, 3}),
        ([0, 1], {"ROCR_VISIBLE_DEVICES": "1"}, {1}),
        ([0, 1], {}, {0, 1}),
        ([0, 1], {"CUDA_VISIBLE_DEVICES": "2,3"}, {0, 1}),
        ([0, 1], {"CUDA_VISIBLE_DEVICES": "GPU-8f6d,1"}, {0, 1}),
        ([0], {"CUDA_VISIBLE_DEVICES": "MIG-8f6d"}, {0}),
        ([0], {"CUDA_VISIBLE_DEVICES": ""}, {0}),
    ],
)
def test_only_the_gpus_of_the_allocation_are_shown(
    seen: list[int], environ: Mapping[str, str], ours: set[int]
) -> None:
    assert visible_gpus(seen, environ) == ours


def test_answers_of_all_rocm_versions_are_read() -> None:
    card = {
        "Card Series": "AMD Instinct MI250X",
        "GPU use (%)": "12",
        "VRAM Total Memory (B)": str(64 * GIB),
        "VRAM Total Used Memory (B)": str(GIB),
        "Temperature (Sensor edge) (C)": "44.0",
        "Average Graphics Package Power (W)": "90.0",
    }
    (gpu,) = parse_rocm("WARNING: something\n" + json.dumps({"card0": card, "system": {}}))
    assert (gpu["memory_total_mb"], gpu["memory_used_mb"], gpu["power_w"]) == (65536, 1024, 90)
    assert parse_rocm("not json") == []


@pytest.mark.parametrize(
    "line", ["", "x, A100, 1, 2, 3, 4, 5", "0, A100, 1, 2, 3, 4", "No devices were found, 1, 2, 3, 4, 5, 6"]
)
def test_a_line_that_describes_no_gpu_is_none(line: str) -> None:
    assert parse_nvidia(line) is None


def test_a_name_may_have_commas() -> None:
    gpu = parse_nvidia("2, Tesla, V100, SXM2, 1, 2, 3, 4, 5.5")
    assert gpu is not None and (gpu["index"], gpu["name"]) == (2, "Tesla, V100, SXM2")
    assert (gpu["memory_used_mb"], gpu["power_w"]) == (1, 5.5)


def test_memory_of_a_process_is_summed_over_its_gpus() -> None:
    text = "12, 100\n13, [N/A]\n12, 50.5\nNo running processes found\n, 7\n14\n"
    assert parse_nvidia_processes(text) == {12: 150.5}


def test_amd_cards_are_in_order_and_what_they_do_not_say_is_unknown() -> None:
    cards = {
        "card10": {"Card model": "MI300X", "GPU use (%)": "N/A", "Current Socket Power (W)": "120"},
        "card9": {"GPU memory use (%)": "5", "Temperature (Sensor junction) (C)": "51"},
        "card11": "broken",
        "mycard1": {},
    }
    ten, nine = (
        {"memory_used_mb": None, "memory_total_mb": None, "utilization_percent": None},
        {"memory_used_mb": None, "memory_total_mb": None, "utilization_percent": None},
    )
    assert parse_rocm(json.dumps(cards)) == [
        {"index": 9, "name": "AMD GPU", **nine, "temperature_c": 51, "power_w": None},
        {"index": 10, "name": "MI300X", **ten, "temperature_c": None, "power_w": 120},
    ]
    assert parse_rocm("{") == []
