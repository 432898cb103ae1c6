"""The notebook's widgets follow those of the session, whatever another program writes meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jlab_tui.adapters.notebook import NotebookFile
from jlab_tui.core.journal.events import RunStatus, TextPrinted, WidgetsChanged
from jlab_tui.core.notebook.notebook import Notebook, NotebookCell
from jlab_tui.core.notebook.output_items import CellLimits
from jlab_tui.core.notebook.outputs import CellOutputs
from jlab_tui.core.session.run import Run
from jlab_tui.services.notebook.output_sync import OutputSync

MIME = "application/vnd.jupyter.widget-state+json"
VIEW = {"application/vnd.jupyter.widget-view+json": {"model_id": "m"}}


async def nothing() -> None: ...


def read_back(runs: Sequence[Run], limits: CellLimits) -> dict[str, CellOutputs]:
    return {}


def value(notebook: Notebook) -> Any:
    return notebook.metadata["widgets"][MIME]["state"]["m"]["state"]["value"]


def test_the_latest_state_of_widgets_is_stored_again_after_a_merge_and_goes_with_their_views(
    tmp_path: Path,
) -> None:
    cell = NotebookCell("c", "code", "", [{"output_type": "display_data", "data": VIEW}])
    notebook = Notebook([cell])
    sync = OutputSync(NotebookFile(tmp_path / "n.ipynb"), notebook, read_back, nothing)
    sync.store_running()
    assert notebook.metadata == {}
    sync.widgets.models.apply(WidgetsChanged("r", {"m": {"_model_name": "LabelModel", "value": 1}}))
    sync.store_running()
    assert value(notebook) == 1
    stored = notebook.metadata["widgets"]
    sync.store_running()
    assert notebook.metadata["widgets"] is stored
    notebook.metadata = {"widgets": {MIME: {"state": {"m": {"state": {"value": 0}}}}}}
    sync.store_running()
    assert value(notebook) == 1, "another program had an older one"
    cell.outputs = []
    sync.widgets.models.apply(WidgetsChanged("r", {"m": {"value": 2}}))
    sync.store_running()
    assert notebook.metadata == {}


async def test_late_output_that_is_being_read_back_when_the_session_closes_is_in_the_notebook(
    tmp_path: Path,
) -> None:
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def read_slowly(runs: Sequence[Run], limits: CellLimits) -> dict[str, CellOutputs]:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(30)
        outputs = CellOutputs()
        outputs.feed(TextPrinted("r", "stdout", "late\n"))
        return {"r": outputs}

    file = NotebookFile(tmp_path / "n.ipynb")
    sync = OutputSync(file, Notebook([NotebookCell("c", "code", "x")]), read_slowly, nothing)
    run = Run("r", "s", "execute_code", "c", "x", "m", 0.0, tmp_path, 0, outputs=None)
    run.status = RunStatus.OK
    sync.belongs_to(run)
    sync.came_late(run)
    await asyncio.wait_for(begun.wait(), 30)
    closing = asyncio.create_task(sync.close())
    await asyncio.sleep(0)
    go_on.set()
    await closing
    (cell,) = file.load().cells
    assert cell.outputs == [{"output_type": "stream", "name": "stdout", "text": "late\n"}]
