from __future__ import annotations

from pathlib import Path

from jlab_tui.jupyter_extension.oom_counter import OOM_WINDOW_S, OomCounter


def counter(path: Path, kills: int) -> Path:
    path.write_text(f"oom 9\noom_kill {kills}\noom_group_kill 5\n", encoding="utf-8")
    return path


def test_kills_of_the_last_seconds_are_counted_over_all_files(tmp_path: Path) -> None:
    one, two = counter(tmp_path / "one", 3), counter(tmp_path / "two", 10)
    kills = OomCounter([str(one), str(two), str(tmp_path / "gone")])
    assert kills.recent() == 0, "nothing was noted yet"
    kills.tick(100.0)
    assert kills.recent() == 0
    counter(one, 4)
    counter(two, 12)
    assert kills.recent() == 3
    kills.tick(100.0 + OOM_WINDOW_S)
    assert kills.recent() == 3
    kills.tick(100.0 + 2 * OOM_WINDOW_S)
    assert kills.recent() == 3, "the note from before the window still is the last one that old"
    kills.tick(100.1 + 2 * OOM_WINDOW_S)
    assert kills.recent() == 0
    counter(one, 0)
    assert kills.recent() == 0, "a cgroup that is gone took its counter along"


def test_a_file_without_the_counter_counts_nothing(tmp_path: Path) -> None:
    (tmp_path / "events").write_text("oom 1\nnot_oom_kill 7\n", encoding="utf-8")
    kills = OomCounter([str(tmp_path / "events")])
    kills.tick(0.0)
    assert kills.recent() == 0
