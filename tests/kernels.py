"""Recorded kernels: what a real one sent for typical cells (tests/data/transcripts, made by scripts/record_transcripts.py)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jlab_tui.core.kernel.wire import KernelMessage

_FOLDER = Path(__file__).parent / "data" / "transcripts"
NAMES = sorted(path.stem for path in _FOLDER.glob("*.json"))


@dataclass(frozen=True, slots=True)
class Transcript:
    """A conversation with one kernel. Messages are numbered from 1, as the Jupyter extension numbers them."""

    cells: dict[str, str]
    """code by msg_id, in the order in which it was sent"""
    messages: tuple[KernelMessage, ...]


@cache
def transcript(name: str) -> Transcript:
    raw = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    messages = tuple(
        KernelMessage(m["channel"], m["msg_type"], m["msg_id"], m["parent_id"], m["content"], seq)
        for seq, m in enumerate(raw["messages"], 1)
    )
    return Transcript({cell["msg_id"]: cell["code"] for cell in raw["asked"]}, messages)
