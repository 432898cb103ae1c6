"""What is said of kernels whose client has left, and of kernels that have ended."""

from __future__ import annotations

import pytest

from jlab_tui.core.kernel.leaving import (
    EndedKernel,
    LeftKernel,
    ended_sentence,
    ended_words,
    left_sentence,
    left_words,
)


def clock(at: float) -> str:
    return f"{at:.0f}h"


@pytest.mark.parametrize(
    ("left", "sentence", "words"),
    [
        (
            LeftKernel(8, True, 20, "", 43200, "JLAB_MCP_KEEP_H"),
            "Its client left at 8h; it ends 20h unless a client takes it up (JLAB_MCP_KEEP_H sets how long).",
            "ends 20h",
        ),
        (
            LeftKernel(8, False, None, "", 30, ""),
            "Its client was lost at 8h; it ends once it is idle unless a client takes it up (JLAB_MCP_ON_EXIT=keep keeps it).",
            "kept",
        ),
        (
            LeftKernel(8, True, None, "busy", 30, ""),
            "Its client left at 8h; its code runs on.",
            "client gone",
        ),
        (
            LeftKernel(8, True, None, "used", 30, ""),
            "Its client left at 8h; it stays while others are connected to it, such as JupyterLab.",
            "kept",
        ),
        (
            LeftKernel(8, True, None, "keep", 30, ""),
            "Its client left at 8h; it stays until the server stops (JLAB_MCP_ON_EXIT=keep).",
            "kept",
        ),
    ],
)
def test_how_long_a_kernel_stays_without_a_client(left: LeftKernel, sentence: str, words: str) -> None:
    assert left_sentence(left, clock) == sentence
    assert left_words(left, clock) == words


def ended(cause: str, detail: str = "", **facts: float | bool | str) -> EndedKernel:
    return EndedKernel("s", "n.ipynb", cause, detail, at=1000.0, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("how", "sentence", "words", "is_calm"),
    [
        (
            ended("left", left_at=965.0, idle_s=30.0),
            "Its client left at 965h, and its idle kernel ended 30 s later (JLAB_MCP_ON_EXIT=keep keeps it).",
            "client left 965h",
            True,
        ),
        (
            ended("left", left_at=100.0, idle_s=600.0, released=False),
            "Its client was lost at 100h, and its idle kernel ended after 10 min without use (JLAB_MCP_ON_EXIT=keep keeps it).",
            "client lost 100h",
            True,
        ),
        (
            ended("left", left_at=-42200.0, idle_s=43200.0, by="JLAB_MCP_KEEP_H"),
            "Its client left at -42200h, and its idle kernel ended 12 h later (JLAB_MCP_KEEP_H sets how long).",
            "client left -42200h",
            True,
        ),
        (
            ended("left", left_at=999.0, by="JLAB_MCP_ON_EXIT"),
            "Its client left at 999h, and its kernel ended (JLAB_MCP_ON_EXIT=kill).",
            "client left 999h",
            True,
        ),
        (
            ended("culled", "idle for 4 s"),
            "The kernel was shut down: idle for 4 s.",
            "idle for too long",
            True,
        ),
        (ended("shutdown"), "The kernel was shut down.", "shut down", True),
        (ended("oom", "Out of memory."), "The kernel ended: Out of memory.", "Out of memory.", False),
        (ended(""), "The kernel ended: why is not known.", "", False),
    ],
)
def test_why_a_kernel_has_ended(how: EndedKernel, sentence: str, words: str, is_calm: bool) -> None:
    assert ended_sentence(how, clock) == sentence
    assert ended_words(how, clock) == words
    assert how.is_calm is is_calm and how.is_by_rule is (how.cause in ("left", "culled"))


def test_hours_are_rounded_to_a_tenth_and_short_times_are_in_seconds() -> None:
    said = {
        s: ended_sentence(ended("left", left_at=1000.0 - s, idle_s=s), clock)
        for s in (99.0, 100.0, 5999.0, 6000.0)
    }
    spans = [said[s].partition("ended ")[2].partition(" later")[0] for s in said]
    assert spans == ["99 s", "2 min", "100 min", "1.7 h"]
    edge = ended("left", left_at=940.0, idle_s=30.0)
    assert "without use" in ended_sentence(edge, clock), "a minute later is not at once"
