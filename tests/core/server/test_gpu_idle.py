"""A kernel that holds an idle GPU is told of once a stretch."""

from __future__ import annotations

import pytest

from jlab_tui.core.server.gpu_idle import GpuIdleWarnings, idle_minutes, idle_sentence, longest_idle
from jlab_tui.core.server.resources import GpuHours, KernelUse, Sample, parse_sample, resources_json


def use(idle_s: float | None) -> KernelUse:
    return KernelUse(1, gpu_memory_mb=2048.0, gpu_idle_s=idle_s)


@pytest.mark.parametrize(
    ("idle_s", "warn_min", "minutes"),
    [(None, 30, 0), (1799, 30, 0), (1800, 30, 30), (1859, 30, 30), (30, 0.5, 1), (9999, 0, 0)],
)
def test_minutes_count_from_the_limit_on(idle_s: float | None, warn_min: float, minutes: int) -> None:
    assert idle_minutes(use(idle_s), warn_min) == minutes


def test_each_kernel_is_due_once_until_its_gpu_has_worked() -> None:
    warnings = GpuIdleWarnings(30)
    rounds: list[dict[str, float | None]] = [
        {"a": 60.0, "b": None},
        {"a": 1800.0, "b": 2000.0},
        {"a": 1860.0, "b": 2060.0},
        {"a": None, "b": 2120.0},  # one reading is missing
        {"a": 1980.0, "b": None},
        {"a": 2040.0, "b": 20.0},  # it has worked
        {"a": 2100.0, "b": 1800.0},
        {"b": 1860.0},
        {"a": 1900.0, "b": 1920.0},  # another kernel of that id
    ]
    due = [warnings.due({kernel: use(idle) for kernel, idle in seen.items()}) for seen in rounds]
    assert due == [[], ["a", "b"], [], [], [], [], ["b"], [], ["a"]]
    assert GpuIdleWarnings(0).due({"a": use(9e9)}) == []


def test_the_sentence_says_who_holds_how_much_for_how_long() -> None:
    said = idle_sentence("The kernel of x", use(2070.0))
    assert said.startswith(
        "The kernel of x has held 2.0 GiB of GPU memory for 34 min while the GPU was idle."
    )
    assert "0.0 GiB of GPU memory for 0 min" in idle_sentence("x", KernelUse(1))


def test_the_longest_of_a_sample_counts() -> None:
    sample = Sample(1.0, 1, None, None, None, None, kernels={"a": use(1900.0), "b": use(4000.0)})
    assert longest_idle(sample, 30) == 66
    assert longest_idle(None, 30) == 0
    assert longest_idle(Sample(1.0, 1, None, None, None, None), 30) == 0


def test_a_reading_has_the_hours_of_the_jobs_gpus_and_the_idle_minutes_of_kernels() -> None:
    raw = {"t": 1.0, "cpu": {}, "memory": {}, "gpu_hours": {"held": 3.256, "used": 1.1}}
    sample = parse_sample({**raw, "kernels": {"k": {"pid": 1, "gpu_idle_s": 90.0}, "l": {"pid": 2}}})
    assert sample.gpu_hours == GpuHours(3.256, 1.1)
    assert str(sample.gpu_hours) == "3.3 GPU hours held, 1.1 of them in use"
    told = resources_json(sample)
    assert told["gpu_hours"] == {"held": 3.26, "used": 1.1}
    assert told["kernels"]["k"]["gpu_idle_min"] == 2 and "gpu_idle_min" not in told["kernels"]["l"]
    assert parse_sample({**raw, "gpu_hours": {"held": 1}}).gpu_hours == GpuHours(1.0, 0.0)
    bare = parse_sample({**raw, "gpu_hours": None})
    assert bare.gpu_hours is None and "gpu_hours" not in resources_json(bare)
