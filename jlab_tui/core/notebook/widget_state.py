"""The widgets that a notebook stores, so that JupyterLab and nbconvert show them without a kernel.

Format: https://ipywidgets.readthedocs.io/en/stable/embedding.html (`application/vnd.jupyter.widget-state+json`)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ..display.widgets import STATE_MIME, Widgets, view_of
from ..journal.events import DataShown, ErrorRaised, OutputCleared, TextPrinted
from ..json_values import mapping
from .notebook import NotebookCell
from .output_format import to_nbformat
from .output_items import CellLimits
from .outputs import CellOutputs
from .stored import summary_of

_CAPTURED: Final = CellLimits(64 * 1024, 4 << 20, 1 << 20, 100)
_CAPTURES_MAX: Final = 100
"""most Output widgets; beyond that, the oldest captures are forgotten"""


@dataclass(slots=True)
class SessionWidgets:
    """The widgets of a session, and what its Output widgets captured."""

    models: Widgets = field(default_factory=Widgets)
    captured: dict[str, CellOutputs] = field(default_factory=dict)

    def feed(self, event: TextPrinted | DataShown | OutputCleared | ErrorRaised) -> None:
        """Note a shown widget, and keep an output that a widget captured; the cell keeps the others."""
        if isinstance(event, DataShown) and (model_id := view_of(event.data)):
            self.models.show(model_id)
        if event.into:
            self.models.version += 1
            outputs = self.captured.setdefault(event.into, CellOutputs(_CAPTURED))
            outputs.feed(replace(event, into=""))
            if len(self.captured) > _CAPTURES_MAX:
                del self.captured[next(iter(self.captured))]

    def metadata(self, cells: Iterable[NotebookCell], stored: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return a notebook's `widgets` metadata: what is stored of widgets that are not ours, and the state of ours that
        its cells show. None if there is none."""
        shown = [model_id for cell in cells for model_id in summary_of(cell.outputs).views]
        theirs = mapping(mapping(mapping(stored.get("widgets")).get(STATE_MIME)).get("state"))
        states = {name: state for name, state in theirs.items() if name not in self.models.models}
        for captured in self.captured.values():
            shown += [
                model_id for item in captured.items() if (model_id := view_of(getattr(item, "data", {})))
            ]
        states |= {model_id: self._state(model_id) for model_id in self.models.needed_by(shown)}
        return {STATE_MIME: {"state": states, "version_major": 2, "version_minor": 0}} if states else None

    def _state(self, model_id: str) -> dict[str, Any]:
        model = self.models.models[model_id]
        state = dict(model.state)
        if (captured := self.captured.get(model_id)) is not None:
            state["outputs"] = to_nbformat(captured, "read_output")
        stored: dict[str, Any] = {
            "model_name": state.get("_model_name"),
            "model_module": state.get("_model_module"),
            "model_module_version": state.get("_model_module_version"),
            "state": state,
        }
        return {**stored, "buffers": [*model.buffers.values()]} if model.buffers else stored
