"""The widgets of one session: their models from the kernel's messages, and the text that a console would show instead.

Bounded: of very many models the oldest are forgotten, and no tree of widgets is followed without end.

Models: https://github.com/jupyter-widgets/ipywidgets/blob/main/packages/schema/jupyterwidgetmodels.latest.md
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ..journal.events import WidgetsChanged
from ..json_values import items, mapping, number, text
from .charts import chart_of_widget
from .html import bar, html_text
from .mime import WIDGET, describe_data
from .printable import printable

STATE_MIME: Final = "application/vnd.jupyter.widget-state+json"
MODELS_MAX: Final = 5000
STATE_CHARS: Final = 8 << 20
"""characters of all models together"""
_NODES_MAX: Final = 60
"""widgets of one tree that are drawn, at every change of one of them"""
_HOLDERS_MAX: Final = 1000
"""models that may show a change; a layout can be shared by many"""
_TEXT_MAX: Final = 4000
_VALUE_MAX: Final = 20_000
_REFERENCE: Final = "IPY_MODEL_"
_BARS: Final = ("FloatProgressModel", "IntProgressModel")
_MEDIA: Final = ("ImageModel", "AudioModel", "VideoModel")
_IN_LINES: Final = ("VBoxModel", "BoxModel", "GridBoxModel")
_TITLED: Final = ("TabModel", "AccordionModel")
_CHOICES_MAX: Final = 20
"""chosen options that are listed"""


@dataclass(slots=True)
class Model:
    """One widget, or a part of one, such as its layout."""

    state: dict[str, Any]
    buffers: dict[str, Any] = field(default_factory=dict)
    """binary values as a notebook stores them, by path"""
    is_closed: bool = False
    size: int = 0
    """estimated characters"""


@dataclass(slots=True)
class Widgets:
    """All open models, except forgotten ones."""

    models: dict[str, Model] = field(default_factory=dict)
    version: int = 0
    """counts the changes"""
    _chars: int = 0
    _holders: dict[str, set[str]] = field(default_factory=dict)
    """models that refer to a model"""
    _views: dict[str, str | None] = field(default_factory=dict)
    """the latest text of the models in outputs"""
    _captures: dict[str, list[str]] = field(default_factory=dict)
    """Output widgets that capture what a request prints, the innermost last"""

    def apply(self, change: WidgetsChanged) -> None:
        """Apply new states; a closed model has None."""
        self.version += 1
        for comm_id, state in change.states.items():
            if not isinstance(state, Mapping):
                if (closed := self.models.get(comm_id)) is not None:
                    closed.is_closed = True
                continue
            model = self.models.setdefault(comm_id, Model({}))
            self._capture(comm_id, model.state, state)
            self._keep(model, model.state, state)
            buffers = [mapping(buffer) for buffer in items(change.buffers.get(comm_id))]
            self._keep(model, model.buffers, {repr(buffer.get("path")): buffer for buffer in buffers})
            for child in _references(dict(state)):
                self._holders.setdefault(child, set()).add(comm_id)
        self._views.update(change.views)
        self._forget()

    def show(self, model_id: str) -> str | None:
        """Note that an output shows a model, and return its text."""
        words = self._views[model_id] = self.text(model_id)
        return words

    def views(self, changed: Iterable[str]) -> dict[str, str]:
        """Return the new texts of all shown models that these are, or are part of."""
        found = {}
        for model_id in self._above(changed):
            if model_id in self._views and (words := self.text(model_id)) not in (
                self._views[model_id],
                None,
            ):
                found[model_id] = words or ""
        return found

    def capturing(self, msg_id: str) -> str:
        """Return the Output widget that captures the output of a request; empty if there is none."""
        return self._captures[msg_id][-1] if msg_id in self._captures else ""

    def text(self, model_id: str) -> str | None:
        """Return a widget's text on a console; None if only a browser can show it."""
        if model_id not in self.models:
            return None
        drawing = _Drawing(self.models)
        words = drawing.draw(model_id, ())
        if words is None:
            return None
        more = len(words) - _TEXT_MAX
        left_out = f"\n... and {more:,} more characters" if more > 0 else ""
        left_out += f"\n... and {drawing.left_out:,} more widgets" if drawing.left_out else ""
        return printable(words[:_TEXT_MAX]) + left_out

    def needed_by(self, shown: Iterable[str]) -> list[str]:
        """Return these models and their parts, in this order."""
        found: dict[str, None] = {}
        waiting = list(shown)
        while waiting:
            model_id = waiting.pop()
            if model_id not in found and model_id in self.models:
                found[model_id] = None
                waiting += _references(self.models[model_id].state)
        return list(found)

    def _above(self, changed: Iterable[str]) -> list[str]:
        found: dict[str, None] = {}
        waiting = list(changed)
        while waiting and len(found) < _HOLDERS_MAX:
            model_id = waiting.pop()
            if model_id not in found:
                found[model_id] = None
                waiting += self._holders.get(model_id, ())
        return list(found)

    def _capture(self, comm_id: str, before: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        if "msg_id" not in state:
            return
        old, new = text(before.get("msg_id")), text(state["msg_id"])
        if comm_id in (open_now := self._captures.get(old, [])):
            open_now.remove(comm_id)
            if not open_now:
                del self._captures[old]
        if new:
            self._captures.setdefault(new, []).append(comm_id)

    def _keep(self, model: Model, known: dict[str, Any], new: Mapping[str, Any]) -> None:
        grown = sum(_size(value) - (_size(known[key]) if key in known else 0) for key, value in new.items())
        model.size += grown
        self._chars += grown
        known.update(new)

    def _forget(self) -> None:
        while self.models and (self._chars > STATE_CHARS or len(self.models) > MODELS_MAX):
            model_id = next(iter(self.models))
            gone = self.models.pop(model_id)
            self._chars -= gone.size
            self._views.pop(model_id, None)
            self._holders.pop(model_id, None)


class _Drawing:
    """Draws one tree of widgets in a console line or two."""

    def __init__(self, models: Mapping[str, Model]) -> None:
        self._models = models
        self._left = _NODES_MAX
        self.left_out = 0
        """widgets beyond those that are drawn, without what is in them"""

    def draw(self, model_id: str, above: tuple[str, ...]) -> str | None:
        model = self._models.get(model_id)
        if model is None or model_id in above:
            return None
        if self._left == 0:
            self.left_out += 1
            return None
        self._left -= 1
        is_hidden = self._layout(model, "visibility") == "hidden" or self._layout(model, "display") == "none"
        if model.is_closed or is_hidden:
            return ""
        state, path = model.state, (*above, model_id)
        kind = text(state.get("_model_name"))
        if kind in _BARS:
            is_without_total = self._layout(model, "width") == "20px"  # as tqdm draws it
            return _labelled(state, "" if is_without_total else _bar(state))
        if kind == "HBoxModel":
            return _in_line(self._children(state, path))
        if kind in _IN_LINES:
            return "\n".join(part for part in self._children(state, path) if part)
        if kind in _TITLED:
            return "\n".join(self._titled(state, path))
        if kind == "StackModel":
            return self.draw(_selected(state), path) or ""
        if kind in _MEDIA:
            return f"[{kind.removesuffix('Model').lower()}: {text(state.get('format'))}]"
        if chart := chart_of_widget(state):
            return chart
        if kind == "OutputModel":
            return "\n".join(filter(None, map(_stored, items(state.get("outputs")))))
        return _labelled(state, _value(kind, state))

    def _children(self, state: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
        drawn = (self.draw(child, path) for child in _references(state.get("children")))
        return [part for part in drawn if part is not None]

    def _titled(self, state: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
        for at, child in enumerate(_references(state.get("children"))):
            if part := self.draw(child, path):
                title = _title(state, at)
                yield f"{title}:\n{part}" if title and "\n" in part else f"{title}: {part}" if title else part

    def _layout(self, model: Model, trait: str) -> Any:
        for name in _references(model.state.get("layout")):
            if (layout := self._models.get(name)) is not None:
                return layout.state.get(trait)
        return None


def view_of(data: Mapping[str, Any]) -> str:
    """Return the id of the model that a MIME bundle shows; empty if it shows none."""
    return text(mapping(data.get(WIDGET)).get("model_id"))


def stored_widgets(metadata: Mapping[str, Any]) -> Widgets:
    """Return the widgets whose state a notebook stores."""
    stored = mapping(mapping(mapping(metadata.get("widgets")).get(STATE_MIME)).get("state"))
    widgets = Widgets()
    for comm_id, model in stored.items():
        model = mapping(model)
        state = {"_model_name": model.get("model_name"), **mapping(model.get("state"))}
        widgets.apply(WidgetsChanged("", {comm_id: state}))
    return widgets


def _bar(state: Mapping[str, Any]) -> str:
    value, least, most = (number(state.get(key)) or 0.0 for key in ("value", "min", "max"))
    return bar(value - least, most - least)


def _value(kind: str, state: Mapping[str, Any]) -> str | None:
    value = state.get("value")
    if isinstance(value, str):
        value = value[:_VALUE_MAX]
        if kind == "PasswordModel":
            return "****" if value else ""
        return html_text(value) if kind in ("HTMLModel", "HTMLMathModel") else value
    if chosen := _chosen(state):
        return ", ".join(chosen)
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, list) and len(value) <= 4:
        return ", ".join(map(str, value))
    return "" if text(state.get("description")) else None


def _chosen(state: Mapping[str, Any]) -> list[str]:
    """Return the labels of the chosen options; `index` is one position or several."""
    labels, index = items(state.get("_options_labels")), state.get("index")
    positions = items(index)[:_CHOICES_MAX] or [index]
    return [str(labels[at]) for at in positions if isinstance(at, int) and 0 <= at < len(labels)]


def _title(state: Mapping[str, Any], at: int) -> str:
    """Return a page's title; ipywidgets before 8 keeps titles by the page's number."""
    titles = items(state.get("titles"))
    return text(titles[at] if at < len(titles) else mapping(state.get("_titles")).get(str(at)))


def _selected(state: Mapping[str, Any]) -> str:
    pages, index = list(_references(state.get("children"))), state.get("selected_index")
    return pages[index] if isinstance(index, int) and 0 <= index < len(pages) else ""


def _labelled(state: Mapping[str, Any], value: str | None) -> str | None:
    label = text(state.get("description")).rstrip(": ")
    if not label or value is None:
        return value
    return f"{label}: {value}" if value else f"[{label}]"


def _in_line(parts: list[str]) -> str:
    """Join widgets beside each other, a bar directly behind its label."""
    line = ""
    for part in filter(None, parts):
        line += part if not line or part.startswith("|") else f" {part.lstrip()}"
    return line.rstrip()


def _stored(output: Any) -> str:
    """Describe an output that the kernel itself stored in an Output widget."""
    raw = mapping(output)
    return text(raw.get("text")) or text(raw.get("evalue")) or describe_data(mapping(raw.get("data")))


def _references(value: Any) -> Iterator[str]:
    """Yield the ids of the models that a state refers to, in order."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str) and part.startswith(_REFERENCE):
            yield part.removeprefix(_REFERENCE)
        elif isinstance(part, list):
            waiting += reversed(part)
        elif isinstance(part, dict):
            waiting += reversed(part.values())


def _size(value: Any) -> int:
    """Estimate the characters of a value."""
    size, waiting = 0, [value]
    while waiting:
        part = waiting.pop()
        size += len(part) if isinstance(part, str) else 8
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            waiting += part.values()
            waiting += part
    return size
