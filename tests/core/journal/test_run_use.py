"""What a run used: read from what the server says, kept in the journal, said where it is worth it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jlab_tui.core.journal.events import Entry, RunFinished, RunStatus, decode, encode
from jlab_tui.core.journal.run_use import NO_USE, RunUse, run_use, use_json, use_words

ALL = RunUse(1240.5, 12_800.0, 62_464.0, 93.4)


@pytest.mark.parametrize(
    ("raw", "use"),
    [
        ({"cpu_s": 1, "peak_mb": 2.5}, RunUse(1.0, 2.5)),
        ({"gpu_percent": "93", "gpu_peak_mb": None, "cpu_s": True, "later": 1}, NO_USE),
        (None, NO_USE),
        ([1], NO_USE),
    ],
)
def test_what_is_no_number_is_unknown(raw: Any, use: RunUse) -> None:
    assert run_use(raw) == use and run_use(use_json(use)) == use


def test_the_journal_keeps_it_and_reads_lines_that_lack_it() -> None:
    finished = Entry(1.0, RunFinished("s-1", RunStatus.OK, 340.0, 3, use=ALL))
    assert decode(encode(finished)) == finished
    bare = encode(Entry(1.0, RunFinished("s-1", RunStatus.OK, 340.0)))
    assert "use" not in json.loads(bare) and decode(bare).event == RunFinished("s-1", RunStatus.OK, 340.0)


@pytest.mark.parametrize(
    ("use", "seconds", "words"),
    [
        (ALL, 340.0, "peak 61 GiB GPU, GPU 93%, peak 12 GiB memory, 3.6 CPU cores"),
        (ALL, 4.9, ""),
        (NO_USE, 340.0, ""),
        (RunUse(7.4, 1023.0, 99.0), 5.0, ""),
        (
            RunUse(7.5, 1024.0, 100.0, 0.0),
            5.0,
            "peak 100 MiB GPU, GPU 0%, peak 1.0 GiB memory, 1.5 CPU cores",
        ),
    ],
)
def test_only_what_is_worth_it_is_said(use: RunUse, seconds: float, words: str) -> None:
    assert use_words(use, seconds) == words
