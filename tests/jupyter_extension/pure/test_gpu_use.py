"""Minutes of an idle GPU and hours of a job's GPUs, from readings."""

from __future__ import annotations

from jlab_tui.jupyter_extension.gpu_use import HoursCount, IdleClock


def idle(readings: list[tuple[float, float | None, float | None]]) -> list[float | None]:
    clock = IdleClock()
    return [clock.seconds("k", memory, percent, now) for now, memory, percent in readings]


def test_idleness_counts_from_the_first_idle_reading_and_use_resets_it() -> None:
    assert idle([(0, 900, 0), (60, 900, 0), (61, 900, 35), (62, 900, 0), (72, 900, 0.5)]) == [
        0,
        60,
        None,
        0,
        10,
    ]


def test_a_kernel_that_holds_no_memory_is_not_idle() -> None:
    assert idle([(0, None, 0), (10, 0.0, 0), (20, 5, 0)]) == [None, None, 0]


def test_a_missing_reading_is_passed_over_and_a_long_silence_starts_again() -> None:
    assert idle([(0, 5, 0), (30, 5, None), (59, None, 0), (60, 5, 0)]) == [0, None, None, 60]
    assert idle([(0, 5, 0), (61, 5, 0), (62, 5, 0)]) == [0, 0, 1]


def test_a_kernel_that_is_gone_is_forgotten() -> None:
    clock = IdleClock()
    clock.seconds("k", 5, 0, 0.0)
    clock.keep({})
    assert clock.seconds("k", 5, 0, 10.0) == 0


def test_hours_are_those_of_all_gpus_and_unknown_use_counts_as_none() -> None:
    hours = HoursCount()
    assert hours.add([50.0, None], 0.0) is None
    assert hours.add([50.0, None], 3600.0) == {"held": 2.0, "used": 0.5}
    assert hours.add([100.0, 100.0], 5400.0) == {"held": 3.0, "used": 1.5}
    assert HoursCount().add([], 5.0) is None
