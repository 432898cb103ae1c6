"""Composes the reply for a notebook that ran again: one row per cell with a short output, within a budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..journal.events import RunStatus
from ..notebook.notebook import RAISES
from ..notebook.outputs import CellOutputs
from .compose import brief

_ROW: Final = 120
"""characters of a row without its output"""
_OUTPUT_MOST: Final = 1000
_OUTPUT_LEAST: Final = 80
_ERROR_MOST: Final = 300


@dataclass(frozen=True, slots=True)
class RanCell:
    """One cell of a notebook that ran again."""

    cell: str
    run_id: str
    status: RunStatus
    outputs: CellOutputs
    may_raise: bool = False
    """its tag says that an exception in it is meant"""


def rerun_rows(ran: Sequence[RanCell], budget: int) -> tuple[list[dict[str, Any]], int]:
    """Return rows of about `budget` characters in all, and the number of successful cells that got no row for lack of room."""
    listed = [one for one in ran if one.status is not RunStatus.OK] if len(ran) * _ROW > budget else ran
    listed = listed[-max(1, budget // _ROW) :]
    each = min(_OUTPUT_MOST, budget // len(listed) - _ROW) if listed else 0
    return [_row(one, each if each >= _OUTPUT_LEAST else 0) for one in listed], len(ran) - len(listed)


def _row(one: RanCell, room: int) -> dict[str, Any]:
    row: dict[str, Any] = {"cell": one.cell, "run_id": one.run_id, "state": str(one.status)}
    if room and (output := brief(one.outputs, one.run_id, room)):
        row["output"] = output
    if one.outputs.error is not None:
        if one.may_raise and one.status is RunStatus.ERROR:
            row["tag"] = f"{RAISES}: the cells after it run"
        row["error"] = f"{one.outputs.error.ename}: {one.outputs.error.evalue}"[:_ERROR_MOST]
    return row
