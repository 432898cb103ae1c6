"""No clock destroys records: old ones go in two steps a day apart, by the file server's clock, and never the newest."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jlab_tui.adapters.files import is_there
from jlab_tui.adapters.journal.journal_file import JournalWriter
from jlab_tui.adapters.journal.places import CLOSED, all_journals, journal_path
from jlab_tui.adapters.journal.store import JournalStore
from jlab_tui.adapters.server.cleanup import prune
from jlab_tui.adapters.server.file_names import slurm_log
from jlab_tui.core.journal.events import Entry, SessionClosed, SessionOpened
from jlab_tui.core.settings import load_settings
from jlab_tui.jupyter_extension.spool import SpoolThread
from tests.project import drain

DAY_S = 86400.0
NOW = time.time()
AHEAD = """
import sys, time
true_time = time.time
time.time = lambda: true_time() + 40 * 86400
from pathlib import Path
from jlab_tui.adapters.files import is_there
from jlab_tui.adapters.journal.store import JournalStore
from jlab_tui.adapters.server.cleanup import prune
from jlab_tui.core.settings import load_settings
from jlab_tui.jupyter_extension.spool import SpoolThread
base = Path(sys.argv[1])
for look in range(3):
    store = JournalStore(base / "sessions", base / "actions", lambda: base, "here")
    list(store.clear_old(30))
settings = load_settings({"HOME": str(base)}, base / "project", is_there)
prune(settings, settings.node_dir)
"""
"""a host whose clock is 40 days ahead of its file server's"""


def store_in(base: Path) -> JournalStore:
    return JournalStore(base / "sessions", base / "actions", lambda: base, "here")


def session(base: Path, name: str, age_days: float = 0, *, closed: bool = True) -> Path:
    path = journal_path(base / "sessions", name, 1)
    writer = JournalWriter(path)
    writer.append(Entry(1.0, SessionOpened(name, "n", "/n.ipynb", "kernel", "host", 1.0)))
    if closed:
        writer.append(Entry(2.0, SessionClosed("done")))
    writer.close().result(30)
    return aged(path, age_days)


def actions(base: Path, pid: int, age_days: float = 0) -> Path:
    path = base / "actions" / f"here-{pid}.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text("{}\n", encoding="utf-8")
    return aged(path, age_days)


def aged(path: Path, age_days: float) -> Path:
    os.utime(path, (NOW - age_days * DAY_S,) * 2)
    return path


def records(base: Path) -> set[str]:
    """Sessions and dashboards of which the records are where they belong."""
    there = {
        *(base / "sessions").glob("*.jsonl*"),
        *(base / "sessions" / CLOSED).glob("*"),
        *(base / "actions").glob("*.jsonl"),
    }
    return {path.name.split(".")[0] for path in there}


def all_bytes(base: Path) -> int:
    return sum(path.stat().st_size for path in base.rglob("*.jsonl*"))


@pytest.fixture
def month(tmp_path: Path) -> Path:
    """30 closed sessions, one a day, the oldest 41 days old; an open one, and two dashboards."""
    for day in range(30):
        session(tmp_path, f"day{day}", 12 + day)
    session(tmp_path, "open", 90, closed=False)
    actions(tmp_path, 1, 31)
    actions(tmp_path, 2, 20)
    return tmp_path


def test_a_host_whose_clock_is_40_days_ahead_destroys_nothing(tmp_path: Path) -> None:
    for number in range(25):
        session(tmp_path, f"s{number}")
    actions(tmp_path, 1)
    settings = load_settings({"HOME": str(tmp_path)}, tmp_path / "project", is_there)
    settings.log_dir.mkdir(parents=True)
    log = settings.log_dir / slurm_log("7")
    log.write_text("minutes old", encoding="utf-8")
    before = records(tmp_path)
    subprocess.run([sys.executable, "-c", AHEAD, str(tmp_path)], check=True, timeout=60)
    assert records(tmp_path) == before and log.exists()


def test_a_file_server_whose_clock_was_once_40_days_ahead_gives_everything_back(tmp_path: Path) -> None:
    for number in range(25):
        session(tmp_path, f"s{number}")
    actions(tmp_path, 1)
    before, size = records(tmp_path), all_bytes(tmp_path)
    for hours in (0, 1, 23):
        drain(store_in(tmp_path).clear_old(30, NOW + 40 * DAY_S + hours * 3600))
    drain(store_in(tmp_path).clear_old(30, NOW + 100))
    assert records(tmp_path) == before
    assert 0 < all_bytes(tmp_path) <= size + 25 * 60  # compressed at most


def test_old_records_are_set_aside_and_removed_a_day_later_but_for_the_newest(month: Path) -> None:
    store = store_in(month)
    drain(store.clear_old(30, NOW))
    gone = {f"day{day}" for day in range(20, 30)}  # day19 is old too, and one of the newest
    assert records(month) == {f"day{day}" for day in range(20)} | {"open", "here-2"}
    aside = sorted((month / "sessions" / "trash").iterdir())
    assert len(aside) == len(gone)
    drain(store.clear_old(30, NOW + DAY_S - 60))
    assert set(aside) <= set((month / "sessions" / "trash").iterdir())
    drain(store.clear_old(30, NOW + DAY_S + 60))
    assert not any(path.exists() for path in aside)
    assert list((month / "actions" / "trash").iterdir()) == []
    for day in range(400):
        drain(store.clear_old(30, NOW + day * DAY_S))
    assert len(records(month) - {"open"}) == 20 and "open" in records(month)


def test_files_of_the_user_beside_the_records_stay(tmp_path: Path) -> None:
    session(tmp_path, "old", 99)
    names = ("notes.jsonl", "data.1.jsonl", "data.2.jsonl.gz", "old.1.jsonl.bak", "trash.txt", "old.1.json")
    mine = [tmp_path / "sessions" / name for name in names] + [tmp_path / "actions" / "notes.jsonl"]
    (tmp_path / "actions").mkdir()
    for path in mine:
        path.write_text("the user's\n", encoding="utf-8")
        aged(path, 99)
    aside = tmp_path / "sessions" / "trash" / "notes.txt"
    aside.parent.mkdir()
    aged(session(tmp_path, "x", 99).rename(aside), 99)
    for day in range(3):
        drain(store_in(tmp_path).clear_old(30, NOW + day * DAY_S, keep_newest=0))
    assert [path for path in [*mine, aside] if not path.exists()] == []
    assert all_journals(tmp_path / "sessions").keys() == {"data"}, "the record of the old session is gone"


def recording(spool: Path, kernel: str, age_days: float, at: float | None = None) -> Path:
    folder = spool / kernel if at is None else spool / "trash" / f"{at:.0f}.{kernel}"
    folder.mkdir(parents=True)
    (folder / "00000000000000000001.seg").write_bytes(b"jlabseg1")
    return aged(folder, age_days)


def test_recordings_that_nobody_fetched_go_in_two_steps_and_others_stay(tmp_path: Path) -> None:
    old, new = recording(tmp_path, "k-old", 31), recording(tmp_path, "k-new", 29)
    wrong, waiting = recording(tmp_path, "k-wrong", 1, NOW), recording(tmp_path, "k-waits", 40, NOW - 3600)
    gone = recording(tmp_path, "k-gone", 40, NOW - DAY_S - 60)
    mine = tmp_path / "results"
    mine.mkdir()
    (mine / "table.csv").write_text("1", encoding="utf-8")
    aged(mine, 99)
    spool = SpoolThread(str(tmp_path), 1 << 20, lambda *_: None)
    spool.start()
    spool.stop(30)
    assert new.exists() and waiting.exists() and (tmp_path / "k-wrong").exists() and not wrong.exists()
    assert (mine / "table.csv").exists()
    assert not old.exists() and not gone.exists()
    aside = sorted(path.name.partition(".")[2] for path in (tmp_path / "trash").iterdir())
    assert aside == ["k-old", "k-waits"]


def test_old_logs_go_by_the_clock_of_their_own_file_system(tmp_path: Path) -> None:
    settings = load_settings({"HOME": str(tmp_path)}, tmp_path / "project", is_there)
    settings.log_dir.mkdir(parents=True)
    old, new = settings.log_dir / slurm_log("1"), settings.log_dir / slurm_log("2")
    for path, age in ((old, 31), (new, 29)):
        path.write_text("x", encoding="utf-8")
        aged(path, age)
    prune(settings, settings.node_dir)
    assert not old.exists() and new.exists()


def test_what_a_killed_compression_left_goes_and_nothing_else(tmp_path: Path) -> None:
    """At once when its process is known to be dead, else after a day."""
    journal = session(tmp_path, "a", 10, closed=False)
    half = aged(_touched(tmp_path / "sessions" / ".a.1.jsonl.node-1.cluster-4711.gz"), 1.1)
    at_work = aged(_touched(tmp_path / "sessions" / ".a.1.jsonl.node-1.cluster-4712.gz"), 0.9)
    here = f"{socket.gethostname()}-"
    dead = aged(_touched(tmp_path / "sessions" / "closed" / f".a.1.jsonl.{here}{2**22 + 1}.gz"), 0)
    living = aged(_touched(tmp_path / "sessions" / "closed" / f".a.1.jsonl.{here}{os.getpid()}.gz"), 0)
    of_the_user = aged(_touched(tmp_path / "sessions" / ".notes.gz"), 100)
    drain(store_in(tmp_path).clear_old(30, NOW))
    assert not half.exists() and not dead.exists() and living.exists()
    assert at_work.exists() and of_the_user.exists() and journal.exists()


def _touched(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.touch()
    return path


def test_beyond_the_limit_the_oldest_closed_sessions_go_and_never_the_newest_or_an_open_one(
    month: Path,
) -> None:
    session(month, "newer", 1)
    (month / "notebook.ipynb").write_text("{}", encoding="utf-8")
    drain(store_in(month).clear_old(10_000, NOW))
    one = next((month / "sessions" / CLOSED).glob("day0.*")).stat().st_size
    drain(store_in(month).clear_old(10_000, NOW, keep_newest=3, most_bytes=one * 8))
    left = {name for name in records(month) if name.startswith("day")} | {"newer"}
    assert {"day0", "day1", "newer"} <= left and "day29" not in left and len(left) < 12
    assert all_journals(month / "sessions")["open"], "however old"
    drain(store_in(month).clear_old(10_000, NOW, keep_newest=3, most_bytes=1))
    assert set(all_journals(month / "sessions")) == {"open", "newer", "day0", "day1"}, "the newest three stay"
    assert (month / "notebook.ipynb").exists()


def test_what_was_set_aside_for_its_age_counts_and_goes_first(month: Path) -> None:
    drain(store_in(month).clear_old(30, NOW, keep_newest=3))
    trash = month / "sessions" / "trash"
    assert len(list(trash.iterdir())) > 3
    drain(store_in(month).clear_old(30, NOW, keep_newest=3, most_bytes=all_bytes(month) - 10))
    assert len(list(trash.iterdir())) > 1, "as many as it takes"
    drain(store_in(month).clear_old(30, NOW, keep_newest=3, most_bytes=1))
    assert not list(trash.iterdir())
