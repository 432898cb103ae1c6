from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from jlab_tui.jupyter_extension.gpu import parse_nvidia, parse_rocm, visible_gpus

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


def test_rocm_answers_are_read_whatever_their_version_calls_things() -> None:
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
