"""What a run used, from readings at both ends and the samples between."""

from __future__ import annotations

from typing import Any

from jlab_tui.jupyter_extension.run_meter import RunMeter

MIB = 2**20


def kernel(rss: float | None = 100.0, gpu: float | None = None, **more: Any) -> dict[str, Any]:
    return {"rss_mb": rss, "gpu_memory_mb": gpu, **more}


def sample(*gpus: tuple[float | None, float | None], processes: int = 1) -> dict[str, Any]:
    listed = [
        {"index": i, "memory_used_mb": memory, "utilization_percent": use}
        for i, (memory, use) in enumerate(gpus)
    ]
    return {"gpu": listed, "gpu_processes": processes}


def test_a_short_run_has_its_cpu_time_and_its_memory() -> None:
    meter = RunMeter()
    meter.begin("m", (10.0, 50 * MIB))
    assert meter.running == "m"
    assert meter.end("m", (12.345, 80 * MIB)) == {"cpu_s": 2.35, "peak_mb": 80.0}
    assert meter.end("m", (13.0, 0)) == {} == meter.end("", None) and meter.running == ""


def test_peaks_come_from_the_samples_and_children_count_also_when_they_have_ended() -> None:
    meter = RunMeter()
    meter.add(kernel(children_cpu_s=3.0), sample())
    meter.begin("m", (10.0, 50 * MIB))
    meter.add(kernel(900.0, children_cpu_s=8.0), sample())
    meter.add(kernel(None), sample())
    assert meter.end("m", (20.0, 60 * MIB)) == {"cpu_s": 7.0, "peak_mb": 900.0}


def test_a_process_that_is_gone_leaves_what_the_samples_say() -> None:
    meter = RunMeter()
    meter.begin("m", None)
    meter.add(kernel(700.0), sample())
    assert meter.end("m", None) == {"peak_mb": 700.0}
    meter.begin("n", None)
    assert meter.end("n", (5.0, 0)) == {}


def test_another_request_does_not_end_it_and_a_new_one_begins_anew() -> None:
    meter = RunMeter()
    meter.begin("m", (1.0, MIB))
    assert meter.end("other", (2.0, MIB)) == {} and meter.running == "m"
    meter.begin("n", (5.0, MIB))
    assert meter.end("n", (6.0, MIB)) == {"cpu_s": 1.0, "peak_mb": 1.0}


def test_the_gpu_is_that_on_which_it_holds_memory_over_the_whole_run() -> None:
    meter = RunMeter()
    meter.begin("m", None)
    meter.add(kernel(0.0), sample((0.0, 0.0), (0.0, 99.0)))
    for use in (90.0, 100.0, 90.0):
        meter.add(kernel(0.0, 60_000.0 + use, gpus=[0]), sample((70_000.0, use), (0.0, 99.0)))
    assert meter.end("m", None) == {"gpu_peak_mb": 60_100.0, "gpu_percent": 70.0}


def test_where_the_tool_does_not_say_which_gpu_all_of_the_job_count() -> None:
    meter = RunMeter()
    meter.begin("m", None)
    meter.add(kernel(0.0, 10.0), sample((10.0, 80.0), (0.0, 20.0)))
    assert meter.end("m", None) == {"gpu_peak_mb": 10.0, "gpu_percent": 50.0}
    meter.begin("n", None)
    meter.add(kernel(0.0, 10.0), sample((10.0, None)))
    assert meter.end("n", None) == {"gpu_peak_mb": 10.0}


def test_without_a_list_of_processes_gpus_that_fill_or_work_are_its_own() -> None:
    def used(before: float, during: float, percent: float | None, processes: int = 0) -> dict[str, float]:
        meter = RunMeter()
        meter.add(kernel(0.0), sample((before, 0.0), processes=processes))
        meter.begin("m", None)
        meter.add(kernel(0.0), sample((during, percent), processes=processes))
        return meter.end("m", None)

    assert used(500, 755, 4.0) == {} == used(500, 755, None)
    assert used(500, 756, 4.0) == {"gpu_peak_mb": 756.0, "gpu_percent": 4.0}
    assert used(500, 500, 5.0) == {"gpu_peak_mb": 500.0, "gpu_percent": 5.0}
    assert used(500, 900, 50.0, processes=1) == {}, "another process uses them"
    assert used(500, 756, None) == {"gpu_peak_mb": 756.0}
