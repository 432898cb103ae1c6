from __future__ import annotations

import json

import pytest

from jlab_tui.jupyter_extension.gpu import (
    parse_amd_smi,
    parse_nvidia,
    parse_nvidia_holders,
    parse_nvidia_processes,
    parse_rocm,
)

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


def test_a_gpus_uuid_is_no_part_of_its_name() -> None:
    gpu = parse_nvidia("3, NVIDIA A100, GPU-5d5ba0d6, 1, 2, 3, 4, 5")
    assert gpu is not None and (gpu["name"], gpu["uuid"], gpu["power_w"]) == (
        "NVIDIA A100",
        "GPU-5d5ba0d6",
        5,
    )


AMD_METRIC = """\
[{"gpu": 1, "usage": {"gfx_activity": {"value": 37, "unit": "%"}, "umc_activity": {"value": 3, "unit": "%"}},
  "power": {"socket_power": {"value": 141, "unit": "W"}}, "temperature": {"edge": "N/A", "hotspot": {"value": 45, "unit": "C"}},
  "mem_usage": {"total_vram": {"value": 196592, "unit": "MB"}, "used_vram": {"value": 2, "unit": "GB"}}},
 {"gpu": 0, "usage": "N/A", "mem_usage": {"total_vram": 65520, "used_vram": "N/A"}}]
"""
AMD_STATIC = """\
{"gpu_data": [{"gpu": 1, "asic": {"market_name": "AMD Instinct MI300X", "asic_serial": "0x9F4C0A1B2C3D4E5F"}}, {"gpu": "x"}, 7]}
"""


def test_amd_smi_is_read_in_both_its_forms() -> None:
    zero, one = parse_amd_smi("[WARNING] missing group: render\n" + AMD_METRIC, AMD_STATIC)
    assert one == {
        "index": 1, "name": "AMD Instinct MI300X", "memory_used_mb": 2048, "memory_total_mb": 196592,
        "utilization_percent": 37, "temperature_c": 45, "power_w": 141, "uuid": "GPU-9f4c0a1b2c3d4e5f",
    }  # fmt: skip
    assert (
        zero["name"] == "AMD GPU" and zero["memory_total_mb"] == 65520 and zero["utilization_percent"] is None
    )
    assert parse_amd_smi("no permission") == parse_amd_smi("5") == parse_amd_smi('{"gpu_data": {}}') == []


def test_a_rocm_card_has_the_id_that_rocm_is_told() -> None:
    (card,) = parse_rocm(json.dumps({"card0": {"Unique ID": "0x1F2E", "GPU use (%)": "1"}}))
    assert card["uuid"] == "GPU-1f2e"


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


def test_the_gpus_of_a_process_are_known_where_the_driver_names_them() -> None:
    text = "12, 100, GPU-a\n12, 50, GPU-b\n13, 5\n14, 5, [N/A]\nx, 5, GPU-a\n"
    assert parse_nvidia_holders(text) == {12: {"GPU-a", "GPU-b"}}
    assert parse_nvidia_processes(text) == {12: 150.0, 13: 5.0, 14: 5.0}


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
