"""The notebook's widgets follow those of the session, whatever another program writes meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jlab_tui.adapters.notebook import NotebookFile
from jlab_tui.core.journal.events import WidgetsChanged
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
