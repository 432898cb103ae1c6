"""What the model is told about a cell of the user's own, within bounds."""

from __future__ import annotations

from jlab_tui.core.journal.events import ErrorRaised, Event, RunStatus, TextPrinted
from jlab_tui.core.notebook.outputs import CellOutputs
from jlab_tui.core.reply.compose import RunFacts
from jlab_tui.core.reply.own_cell import own_cell_words


def words(source: str, *events: Event, status: RunStatus = RunStatus.OK, cause: str = "") -> str:
    outputs = CellOutputs()
    for event in events:
        outputs.feed(event)  # type: ignore[arg-type]
    return own_cell_words(RunFacts("s-1", "s", status, 0.2, 1, cause, "c1"), source, outputs)


def test_code_output_and_end_are_told() -> None:
    assert words("df.head()", TextPrinted("s-1", "stdout", "a b\n1 2\n")) == (
        "The user ran a cell of their own in this kernel meanwhile (run s-1, cell c1):\ndf.head()\n"
        "It put out:\na b\n1 2\n(ok, 0.2 s)"
    )
    assert words("x = 1").endswith("x = 1\nIt put out nothing.\n(ok, 0.2 s)")


def test_an_exception_and_a_cause_are_told_and_everything_is_cut() -> None:
    error = ErrorRaised("s-1", "ValueError", "no", ("Traceback", "ValueError: no"))
    said = words(
        "1\n" * 9999, TextPrinted("s-1", "stdout", "x\n" * 9999), error, status=RunStatus.DIED, cause="OOM"
    )
    assert "ValueError: no" in said and said.endswith("(died, 0.2 s. OOM)") and len(said) < 4500
