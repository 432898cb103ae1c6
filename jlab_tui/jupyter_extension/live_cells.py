"""Folds the lines of a session's journal into the cells that the page shows, and notes which parts changed where in the journal. Pure.

`core/journal/events.py` defines the lines. A place is (epoch, offset): which file of the session, and where in it. What changed since
a place is all that a page which has the record up to there needs, so a place is the whole state of a connection.
"""

from __future__ import annotations

import json
import math
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from .live_acts import Act
from .live_items import NOWHERE, PARTS_MAX, LiveCell, LiveItem, LiveNote
from .live_outputs import ErrorPart, LossPart, Part, Place, PrintedPart, shown_data

ITEMS_MAX = 200
SOURCE_MAX = 20_000
"""characters of a cell, and of a note"""
NAME_MAX = 1000
"""characters of what outputs and widgets are named; nothing that has a longer name is brought up to date"""
WEIGHT_MAX = 8_000_000
"""characters of all outputs that are kept; the oldest cells go"""
TOLD_MAX = 500
"""comments that the agent has read which are remembered"""
UNREAD = " (not read yet)"
ENDED_BADLY = frozenset(("error", "died", "job_ended", "lost"))


class LiveFeed:
    """The last items of one session's record."""

    def __init__(self, keep: int = ITEMS_MAX) -> None:
        self.items: List[LiveItem] = []
        self.opened: Dict[str, Any] = {}
        self.closed = ""
        self.place = NOWHERE
        """the record up to here is in it"""
        self.since = NOWHERE
        """what has changed since an earlier place is not known"""
        self._keep = keep
        self._runs: Dict[str, LiveCell] = {}
        self._unrun: Dict[str, LiveCell] = {}
        self.displays: Dict[str, Dict[str, LiveCell]] = {}
        """where each display and widget is shown: keys of outputs, and their cells"""
        self.acts = 0
        """so many of the session's acts are in it"""
        self._about: Dict[Tuple[str, str], LiveNote] = {}
        """acts of which nothing has come yet"""
        self._comments: Dict[str, LiveNote] = {}
        self._told: Dict[str, Place] = {}
        """which comments the agent has read, and where the record says so"""

    def apply(self, line: bytes, epoch: int, offset: int) -> None:
        """Take in one line that begins at an offset. Never raises: what is not understood changes nothing."""
        self.place = (epoch, offset + len(line))
        try:
            event = json.loads(line)
            handle = _HANDLERS.get(event["k"])
            if handle is not None:
                handle(self, event, float(event["t"]), (epoch, offset))
        except (ValueError, OverflowError, TypeError, KeyError, AttributeError, RecursionError):
            return
        while len(self.items) > self._keep:
            self._forget(self.items.pop(0))

    def _forget(self, item: LiveItem) -> None:
        self.since = max(self.since, item.made)
        if isinstance(item, LiveCell):
            self._runs.pop(item.run, None)
            if self._unrun.get(item.cell_id) is item:
                del self._unrun[item.cell_id]
            self._let_go(item.parts)
        else:
            self._comments.pop(item.comment, None)
            self._about = {thing: note for thing, note in self._about.items() if note is not item}

    def take_acts(self, acts: Sequence[Act], count: int, since: float = 0.0, until: float = math.inf) -> bool:
        """Take in acts, which are the last of so many, where their times put them. Returns whether they show."""
        changed = False
        for number, act in enumerate(acts, count - len(acts) + 1):
            if number > self.acts and since <= act.at < until:
                self._act(act, number)
                changed = True
        self.acts = max(self.acts, count)
        return changed

    def _act(self, act: Act, number: int) -> None:
        note = self._about.pop(act.thing, None) if act.is_outcome else None
        if note is not None:
            note.text, note.outcome = act.text, number
            return
        note = LiveNote(act.key, NOWHERE, act.at, act.text, "human", number)
        if act.is_comment:
            note.comment = act.id
            self._comments[act.id] = note
            note.text += "" if act.id in self._told else UNREAD
            note.changed = self._told.get(act.id, NOWHERE)
        elif not act.is_outcome:
            self._about[act.thing] = note
        place = len(self.items)
        while place and self.items[place - 1].at > act.at:
            place -= 1
        self.items.insert(place, note)
        while len(self.items) > self._keep:
            self._forget(self.items.pop(0))

    def _tell(self, event: Dict[str, Any], at: float, start: Place) -> None:
        """The agent has read something: a comment comes from another file, before this or after."""
        told = str(event["id"])
        self._told[told] = self.place
        if len(self._told) > TOLD_MAX:
            del self._told[next(iter(self._told))]
        note = self._comments.get(told)
        if note is not None and note.text.endswith(UNREAD):
            note.text, note.changed = note.text[: -len(UNREAD)], self.place

    def _let_go(self, parts: Iterable[Part]) -> None:
        """Forget where the displays were that these outputs showed."""
        for part in parts:
            for name in part.names:
                self.displays[name].pop(part.key, None)
                if not self.displays[name]:
                    del self.displays[name]

    def _open(self, event: Dict[str, Any], at: float, start: Place) -> None:
        again = bool(self.opened)
        self.opened, self.closed = event, ""
        if again:
            self._note(at, "Taken over by another process of the client.", "faint", start)

    def _start(self, event: Dict[str, Any], at: float, start: Place) -> None:
        run, cell_id = str(event["run"]), str(event["cell"])
        unrun = self._unrun.pop(cell_id, None)
        cell = self._runs.get(run) or unrun or self._new(at, start)
        self._runs[run] = cell
        cell.at, cell.run, cell.cell_id, cell.tool = at, run, cell_id, str(event["tool"])
        cell.source = str(event["source"])[:SOURCE_MAX]
        if not cell.status or cell.status == "held":
            cell.status = "held" if event["k"] == "held" else "running"
        cell.reshaped = self.place

    def _begin(self, event: Dict[str, Any], at: float, start: Place) -> None:
        cell = self._runs.get(str(event["run"]))
        if cell is not None:
            cell.count, cell.head_changed = _count(event), self.place

    def _print(self, event: Dict[str, Any], at: float, start: Place) -> None:
        into, is_error = _into(event), event["stream"] == "stderr"
        text, cell = str(event["text"]), self._output(event, at, start, into)
        last = cell.parts[-1] if cell.parts else None
        if not isinstance(last, PrintedPart) or (last.into, last.is_error) != (into, is_error):
            last = PrintedPart(into=into, is_error=is_error)
            self._let_go(cell.add(last, self.place))
        last.write(text)
        last.changed = self.place

    def _show(self, event: Dict[str, Any], at: float, start: Place) -> None:
        into = _into(event)
        data, view = dict(event["data"]), event.get("view")
        cell = self._output(event, at, start, into)
        if event.get("execution_count") is not None:
            cell.count, cell.head_changed = _count(event), self.place
        part = shown_data(data if view is None else {"text/plain": str(view)}, start)
        part.into = into
        widget = data.get("application/vnd.jupyter.widget-view+json")
        model = widget.get("model_id") if isinstance(widget, dict) else ""
        names = {str(event.get("display_id") or ""), str(model or "")}
        part.names = tuple(name for name in names if 0 < len(name) <= NAME_MAX)
        self._let_go(cell.add(part, self.place))
        for name in part.names:
            self.displays.setdefault(name, {})[part.key] = cell

    def _update(self, event: Dict[str, Any], at: float, start: Place) -> None:
        self._replace(str(event["display_id"]), dict(event["data"]), start)

    def _widgets(self, event: Dict[str, Any], at: float, start: Place) -> None:
        for model, words in dict(event.get("views", {})).items():
            self._replace(str(model), {"text/plain": str(words)}, start)

    def _replace(self, name: str, data: Dict[str, Any], start: Place) -> None:
        """Show new data wherever a display, or a widget, is shown."""
        for key, cell in self.displays.get(name, {}).items():
            position = next(n for n, part in enumerate(cell.parts) if part.key == key)
            old, new = cell.parts[position], shown_data(data, start)
            new.key, new.into, new.names, new.changed = key, old.into, old.names, self.place
            cell.parts[position] = new

    def _clear(self, event: Dict[str, Any], at: float, start: Place) -> None:
        cell, into = self._cell(event, at, start), _into(event)
        if event["wait"]:
            cell.clears[into] = True
            if len(cell.clears) > PARTS_MAX:
                del cell.clears[next(iter(cell.clears))]
        else:
            self._let_go(cell.clear(into, self.place))

    def _raise(self, event: Dict[str, Any], at: float, start: Place) -> None:
        into = _into(event)
        cell = self._output(event, at, start, into)
        part = ErrorPart(into=into, name=str(event["ename"])[:1000], value=str(event["evalue"])[:SOURCE_MAX])
        part.write("\n".join(map(str, event["traceback"])))
        self._let_go(cell.add(part, self.place))

    def _drop(self, event: Dict[str, Any], at: float, start: Place) -> None:
        cell = self._cell(event, at, start)
        last = cell.parts[-1] if cell.parts else None
        if not isinstance(last, LossPart) or last.unit != event["unit"]:
            last = LossPart(unit=str(event["unit"]), why=str(event["why"]))
            self._let_go(cell.add(last, self.place))
        last.count += int(event["count"])
        last.changed = self.place

    def _finish(self, event: Dict[str, Any], at: float, start: Place) -> None:
        cell = self._cell(event, at, start)
        cell.status, cell.seconds = str(event["status"]), float(event["seconds"])
        cell.cause, cell.head_changed = str(event.get("cause", ""))[:NAME_MAX], self.place
        cell.count = _count(event) or cell.count
        weight = sum(part.weight for item in self.items if isinstance(item, LiveCell) for part in item.parts)
        while weight > WEIGHT_MAX and self.items[0] is not cell:
            oldest = self.items.pop(0)
            self._forget(oldest)
            weight -= sum(part.weight for part in oldest.parts) if isinstance(oldest, LiveCell) else 0

    def _edit(self, event: Dict[str, Any], at: float, start: Place) -> None:
        cell_id = str(event["cell"])
        if event["action"] == "delete":
            self._unrun.pop(cell_id, None)
            self._note(at, "Cell deleted", "faint", start)
            return
        cell = self._unrun.get(cell_id) or self._new(at, start)
        cell.source, cell.cell_id, cell.at = str(event.get("source", ""))[:SOURCE_MAX], cell_id, at
        cell.tool, cell.reshaped = str(event["action"]), self.place
        cell.is_markdown = "markdown" in (event["action"], event.get("cell_type"))
        if not cell.is_markdown:
            self._unrun[cell_id] = cell

    def _kernel(self, event: Dict[str, Any], at: float, start: Place) -> None:
        why = str(event.get("cause") or "another kernel")
        self._note(at, "Kernel: %s. All variables are lost." % why, "warning", start)

    def _notice(self, event: Dict[str, Any], at: float, start: Place) -> None:
        self._note(at, str(event["text"]), str(event.get("level", "info")), start)

    def _close(self, event: Dict[str, Any], at: float, start: Place) -> None:
        self.closed = str(event["reason"]) or "closed"
        self._note(at, "Session closed: %s" % self.closed, "faint", start)

    def _note(self, at: float, text: str, level: str, start: Place) -> None:
        level = level if level in ("warning", "error", "faint") else "info"
        self.items.append(LiveNote(_key(start), self.place, at, text[:SOURCE_MAX], level))

    def _new(self, at: float, start: Place) -> LiveCell:
        cell = LiveCell(_key(start), self.place, at)
        self.items.append(cell)
        return cell

    def _cell(self, event: Dict[str, Any], at: float, start: Place) -> LiveCell:
        """Return the cell of a run, or a stand-in where its beginning was not read."""
        run = str(event["run"])
        cell = self._runs.get(run)
        if cell is None:
            cell = self._runs[run] = self._new(at, start)
            cell.run, cell.status = run, "running"
        return cell

    def _output(self, event: Dict[str, Any], at: float, start: Place, into: str) -> LiveCell:
        cell = self._cell(event, at, start)
        if into in cell.clears:
            self._let_go(cell.clear(into, self.place))
        return cell


def _into(event: Dict[str, Any]) -> str:
    return str(event.get("into", ""))[:NAME_MAX]


def _key(start: Place) -> str:
    return "c%d-%d" % start


def _count(event: Dict[str, Any]) -> Optional[int]:
    count = event.get("execution_count")
    return count if isinstance(count, int) else None


_HANDLERS = {
    "opened": LiveFeed._open,
    "run": LiveFeed._start,
    "held": LiveFeed._start,
    "begun": LiveFeed._begin,
    "text": LiveFeed._print,
    "data": LiveFeed._show,
    "update": LiveFeed._update,
    "widgets": LiveFeed._widgets,
    "clear": LiveFeed._clear,
    "error": LiveFeed._raise,
    "dropped": LiveFeed._drop,
    "finished": LiveFeed._finish,
    "edit": LiveFeed._edit,
    "kernel": LiveFeed._kernel,
    "notice": LiveFeed._notice,
    "headed": LiveFeed._tell,
    "closed": LiveFeed._close,
}
