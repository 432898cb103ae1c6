"""What a notebook stores of widgets."""

from __future__ import annotations

from typing import Any

from jlab_tui.core.journal.events import DataShown, TextPrinted, WidgetsChanged
from jlab_tui.core.notebook.notebook import NotebookCell
from jlab_tui.core.notebook.widget_state import SessionWidgets

MIME = "application/vnd.jupyter.widget-state+json"


def view(model_id: str) -> dict[str, Any]:
    return {"application/vnd.jupyter.widget-view+json": {"model_id": model_id}}


def cell(*shown: str) -> NotebookCell:
    return NotebookCell(
        "c", "code", "", [{"output_type": "display_data", "data": view(name)} for name in shown]
    )


def widgets(**states: dict[str, Any]) -> SessionWidgets:
    found = SessionWidgets()
    found.models.apply(WidgetsChanged("r", states))
    return found


LABEL = {
    "_model_name": "LabelModel",
    "_model_module": "@jupyter-widgets/controls",
    "_model_module_version": "2.0.0",
}


def test_the_state_is_stored_as_jupyter_stores_it() -> None:
    found = widgets(a=LABEL | {"value": "x"}, hidden=LABEL)
    found.models.apply(
        WidgetsChanged("r", {}, {"a": [{"path": ["v"], "encoding": "base64", "data": "AA=="}]})
    )
    found.models.apply(
        WidgetsChanged("r", {"a": {}}, {"a": [{"path": ["v"], "encoding": "base64", "data": "AA=="}]})
    )
    stored = found.metadata([cell("a"), NotebookCell("t", "markdown", "")], {})
    assert stored == {
        MIME: {
            "version_major": 2,
            "version_minor": 0,
            "state": {
                "a": {
                    "model_name": "LabelModel",
                    "model_module": "@jupyter-widgets/controls",
                    "model_module_version": "2.0.0",
                    "state": LABEL | {"value": "x"},
                    "buffers": [{"path": ["v"], "encoding": "base64", "data": "AA=="}],
                }
            },
        }
    }


def test_only_what_cells_show_is_stored_beside_the_widgets_of_others() -> None:
    theirs = {"widgets": {MIME: {"state": {"old": {"model_name": "X"}, "a": {"model_name": "X"}, "b": {}}}}}
    found = widgets(a=LABEL | {"layout": "IPY_MODEL_l"}, l={"_model_name": "LayoutModel"}, b=LABEL)
    stored = found.metadata([cell("a", "unknown")], theirs)
    assert stored is not None and sorted(stored[MIME]["state"]) == ["a", "l", "old"]
    assert found.metadata([], {"widgets": 7}) is None and SessionWidgets().metadata([cell("a")], {}) is None


def test_an_output_widget_has_what_it_captured_and_the_widgets_in_it() -> None:
    found = widgets(o={"_model_name": "OutputModel", "outputs": []}, a=LABEL)
    before = found.models.version
    found.feed(TextPrinted("r", "stdout", "own"))
    assert (found.captured, found.models.version) == ({}, before)
    found.feed(TextPrinted("r", "stdout", "x", "o"))
    found.feed(DataShown("r", view("a"), into="o"))
    assert found.models.version > before
    stored = found.metadata([cell("o")], {})
    assert stored is not None and sorted(stored[MIME]["state"]) == ["a", "o"]
    outputs = stored[MIME]["state"]["o"]["state"]["outputs"]
    assert [output["output_type"] for output in outputs] == ["stream", "display_data"]


def test_of_very_many_output_widgets_the_latest_are_kept() -> None:
    found = SessionWidgets()
    for number in range(120):
        found.feed(TextPrinted("r", "stdout", "x", f"o{number}"))
    assert len(found.captured) == 100 and "o119" in found.captured
