"""Lists the variables of a kernel, even while a cell runs if the kernel has subshells."""

from __future__ import annotations

from ...core.errors import SessionBusy
from ...core.kernel.variable_table import parse_variables, variables_table
from ..kernel.variables_probe import ASK_S, probe
from .run_handle import RunHandle
from .runner import Runner


async def list_variables(runner: Runner, names: list[str] | None) -> str:
    """Return a table of a kernel's variables. Raises SessionBusy if a cell runs and the kernel has no subshells."""
    try:
        content = await runner.evaluate(probe(names), ASK_S)
    except TimeoutError:
        return "The kernel does not answer: it is in a long C call. Try again later."
    if content is None:
        raise _busy(runner.current)
    return variables_table(parse_variables(content), names)


def _busy(run: RunHandle | None) -> SessionBusy:
    without = "the kernel cannot list its variables meanwhile: it has no subshells (they need ipykernel 7), or is in a long C call."
    if run is not None and not run.waits_for_other:
        return SessionBusy(
            f"A cell runs ({run.id}) and {without}", f'Wait for it with wait_for_run(run_id="{run.id}").'
        )
    return SessionBusy(
        f"The user's own code runs on this kernel and {without}", "Try again when it has ended."
    )
