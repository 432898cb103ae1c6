"""What the model is told about a cell that the user ran between its own."""

from __future__ import annotations

from typing import Final

from ..display.terminal_text import plain_traceback
from ..notebook.outputs import CellOutputs
from .compose import RunFacts, brief, cut_to

_CODE_CHARS: Final = 1500
_OUTPUT_CHARS: Final = 1500
_ERROR_CHARS: Final = 800


def own_cell_words(run: RunFacts, source: str, outputs: CellOutputs) -> str:
    """Return code, output in short and end of such a cell."""
    error = outputs.error
    trace = plain_traceback(error.traceback, error.ename, error.evalue) if error is not None else ""
    said = [brief(outputs, run.run_id, _OUTPUT_CHARS), cut_to(trace, _ERROR_CHARS)]
    end = f"({run.status}, {run.seconds:.1f} s{f'. {run.cause}' if run.cause else ''})"
    return "\n".join(
        [
            f"The user ran a cell of their own in this kernel meanwhile (run {run.run_id}, cell {run.cell}):",
            cut_to(source, _CODE_CHARS),
            "It put out:" if any(said) else "It put out nothing.",
            *(text for text in said if text),
            end,
        ]
    )
