"""Reads the messages of Jupyter's widgets, which make, change and close models.

Protocol: https://github.com/jupyter-widgets/ipywidgets/blob/main/packages/schema/messages.md
"""

from __future__ import annotations

import base64
from typing import Any, Final

from ..display.widgets import Widgets
from ..journal.events import WidgetsChanged
from ..json_values import items, mapping, text
from .wire import KernelMessage

_TARGET: Final = "jupyter.widget"
_CHANGES: Final = ("update", "echo_update")


def widget_change(message: KernelMessage, run: str, widgets: Widgets) -> WidgetsChanged | None:
    """Return what a message changes, and apply it to the widgets; None for other comms and custom messages."""
    content = message.content
    comm_id, data = text(content.get("comm_id")), mapping(content.get("data"))
    state: dict[str, Any] | None = dict(mapping(data.get("state")))
    match message.msg_type:
        case "comm_open" if content.get("target_name") == _TARGET and state and "_model_name" in state:
            pass
        case "comm_msg" if comm_id in widgets.models and data.get("method") in _CHANGES:
            pass
        case "comm_close" if comm_id in widgets.models:
            state = None
        case _:
            return None
    buffers = _buffers(items(data.get("buffer_paths")), message.buffers)
    if state == {} and not buffers:
        return None
    change = WidgetsChanged(run, {comm_id: state}, {comm_id: buffers} if buffers else {})
    widgets.apply(change)
    views = widgets.views([comm_id])
    if not views:
        return change
    widgets.apply(WidgetsChanged(run, {}, views=views))
    return WidgetsChanged(run, change.states, change.buffers, views)


def _buffers(paths: list[Any], values: tuple[bytes, ...]) -> list[dict[str, Any]]:
    return [
        {"path": path, "encoding": "base64", "data": base64.b64encode(value).decode()}
        for path, value in zip(paths, values, strict=False)
    ]
