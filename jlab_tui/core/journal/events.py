"""Defines the journal: the events of one session, as one JSON line each.

The journal is the truth about a session. The notebook's outputs, the replies to the model and the dashboard's feed are
folds over these events; a later process rebuilds a session from them.

One file: the events and their codec, which reads their fields, change together.
"""

from __future__ import annotations

import json
import math
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from enum import StrEnum
from typing import Any, Final

from .figure_texts import FigureText, FigureTexts, figure_texts, texts_json
from .run_use import NO_USE, RunUse, run_use, use_json

VERSION: Final = 1
UNREADABLE: Final = "unreadable"
"""kind of a damaged line"""


class RunStatus(StrEnum):
    """The state of a run, or how it ended."""

    HELD = "held"
    """it waits, unsent, for what the user decides about it"""
    RUNNING = "running"
    OK = "ok"
    ERROR = "error"
    """the code raised"""
    INTERRUPTED = "interrupted"
    DIED = "died"
    """the kernel died while it ran"""
    ABORTED = "aborted"
    """it never started: the kernel refused it after an earlier error"""
    DECLINED = "declined"
    """it was held, and the user did not let it run"""
    JOB_ENDED = "job_ended"
    LOST = "lost"
    """the link broke for good, or outputs are missing, so its end is unknown"""

    @property
    def is_final(self) -> bool:
        return self not in (RunStatus.HELD, RunStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class SessionOpened:
    session: str
    name: str
    notebook: str
    """absolute path"""
    kernel_id: str
    hostname: str
    server_started: float
    """identifies one life of the server"""
    python: str = ""
    cwd: str = ""
    client: str = ""
    """owner: id, host and pid of the MCP process, and its client's conversation"""
    client_host: str = ""
    client_pid: int = 0
    conversation: str = ""
    epoch: int = 1
    users_kernel: bool = False
    """the user started the kernel, so jlab-mcp never shuts it down"""
    client_started: str = ""
    """when the owner's process started, in its host's own form"""


@dataclass(frozen=True, slots=True)
class RunStarted:
    run: str
    """`<session>-<n>`"""
    tool: str
    """which call started it: execute_code, edit_cell, run_cell, resume, scratch"""
    cell: str
    """id of the notebook cell; empty for a scratch run"""
    source: str
    msg_id: str = ""
    """of the execute_request; the parent of every message that belongs to the run"""
    note: str = ""
    """for the model: how the code was changed while it was held"""


@dataclass(frozen=True, slots=True)
class RunHeld:
    """A run waits, unsent, for what the user decides. `RunStarted` follows when it runs, else `RunFinished`."""

    run: str
    tool: str
    cell: str
    source: str
    msg_id: str = ""
    index: int = -1
    """where its cell is put if the notebook does not have it; -1 for the end"""
    before: str = ""
    """text of the cell that it changes"""
    hold: str = ""
    """id of the action that holds it"""


@dataclass(frozen=True, slots=True)
class ExecutionStarted:
    """The kernel has started to execute the run's code."""

    run: str
    execution_count: int | None = None


@dataclass(frozen=True, slots=True)
class RunReplied:
    """The kernel's reply, when output follows it, so that a process that continues from the next line has it."""

    run: str
    content: Mapping[str, Any]
    """of the execute_reply"""


@dataclass(frozen=True, slots=True)
class TextPrinted:
    run: str
    stream: str
    """stdout or stderr"""
    text: str
    into: str = ""
    """id of the Output widget that captured it; the cell's own output has none"""


@dataclass(frozen=True, slots=True)
class DataShown:
    """A display, or the result of the cell's last expression."""

    run: str
    data: Mapping[str, Any]
    """MIME type -> text, base64 (images) or JSON"""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    display_id: str = ""
    execution_count: int | None = None
    """set for a result (`execute_result`), None for a display"""
    view: str | None = None
    """text of the widget that it shows, if that is known"""
    into: str = ""
    """id of the Output widget that captured it; the cell's own output has none"""
    texts: FigureTexts = ()
    """what is to be read in the image of a figure"""


@dataclass(frozen=True, slots=True)
class DataUpdated:
    """Every output with `display_id`, in any cell, now has this data."""

    run: str
    """the run that sent the update"""
    display_id: str
    data: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    texts: FigureTexts = ()
    """what is to be read in the image of a figure"""


@dataclass(frozen=True, slots=True)
class WidgetsChanged:
    """Widgets were made, changed or closed."""

    run: str
    """the run that did it; empty for another client's code"""
    states: Mapping[str, Any]
    """what is new of each model's state, by its id; None for one that was closed"""
    buffers: Mapping[str, Any] = field(default_factory=dict)
    """new binary values by model, as a notebook stores them"""
    views: Mapping[str, str] = field(default_factory=dict)
    """new text of the models that outputs show, by model"""


@dataclass(frozen=True, slots=True)
class OutputCleared:
    run: str
    wait: bool
    """the next output clears it"""
    into: str = ""
    """id of the Output widget that it clears; empty for the cell's own output"""


@dataclass(frozen=True, slots=True)
class ErrorRaised:
    run: str
    ename: str
    evalue: str
    traceback: tuple[str, ...]
    """lines with ANSI colours"""
    into: str = ""
    """id of the Output widget that captured it; the cell's own output has none"""


@dataclass(frozen=True, slots=True)
class OutputDropped:
    """The amount of output that is not in the record."""

    run: str
    count: int
    unit: str
    """characters, bytes, messages or images"""
    why: str


@dataclass(frozen=True, slots=True)
class RunFinished:
    run: str
    status: RunStatus
    seconds: float
    execution_count: int | None = None
    cause: str = ""
    """why it ended other than with ok or error, one sentence"""
    use: RunUse = NO_USE


@dataclass(frozen=True, slots=True)
class ReplyCut:
    """The amount of output that the last reply about a run left out; the record and the notebook have it."""

    run: str
    chars: int
    """characters of text"""
    pictures: int = 0
    """images; the word is the key in every journal so far"""


@dataclass(frozen=True, slots=True)
class RunTold:
    """The client has been told how a run ended that was long, or died. `core.news_desk` tells it of the others."""

    run: str


@dataclass(frozen=True, slots=True)
class NotebookEdited:
    action: str
    """add, edit, delete, markdown"""
    cell: str
    source: str = ""
    index: int = -1
    cell_type: str = "code"
    call: str = ""  # its id


@dataclass(frozen=True, slots=True)
class NotebookSaved:
    """The file of a large notebook, which follows later, holds every change up to a time."""

    until: float
    """epoch seconds"""


@dataclass(frozen=True, slots=True)
class KernelChanged:
    """The session continues with another or a restarted kernel, whose memory is empty."""

    kernel_id: str
    cause: str
    awaited_by: str = ""
    """who asked for a restart whose exit notice is still on its way; else empty"""


@dataclass(frozen=True, slots=True)
class KernelExited:
    """The exit notice has come that the oldest `KernelChanged` with `awaited_by` waited for."""

    kernel_id: str


@dataclass(frozen=True, slots=True)
class Notice:
    text: str
    level: str = "info"
    """info, warning or error"""
    stuck_on: str = ""
    """what the run in progress waits for, if it may wait for ever"""


@dataclass(frozen=True, slots=True)
class HumanActed:
    """A user's action in a dashboard, written to that dashboard's actions file before it happens."""

    action: str
    """interrupt, restart, kill, stop, cancel, note, and what `core.session.steering` takes in"""
    session: str = ""
    run: str = ""
    reason: str = ""
    by: str = ""
    """user@host"""
    outcome: str = ""
    """empty before the action, then its outcome"""
    id: str = ""
    """of what is handed on to the session's owner, which may get it twice: `<dashboard>:<hex>`"""


@dataclass(frozen=True, slots=True)
class ReplyHeaded:
    """A reply began with something about the user. It is on record before the reply is sent, so that it is told once."""

    id: str
    """of the action that it tells of, or of the user's run"""
    text: str
    call: str
    """id of the call; it gets the same again when it is sent again"""


@dataclass(frozen=True, slots=True)
class SessionClosed:
    reason: str


@dataclass(frozen=True, slots=True)
class Landmarks:
    """The lines of a long journal that are needed without the others (`core.session.landmarks`), since the last such line."""

    lines: tuple[int, ...]
    """their offsets, ascending"""
    late: tuple[int, ...] = ()
    """those of them that tell of runs that had ended"""
    before: int = -1
    """offset of the last such line; -1 if there is none"""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A line of a newer version, or one that does not parse; the dashboard dims it, and others skip it."""

    kind: str
    """`UNREADABLE` for the latter"""
    text: str


Event = (
    SessionOpened
    | RunStarted
    | RunHeld
    | ExecutionStarted
    | RunReplied
    | TextPrinted
    | DataShown
    | DataUpdated
    | WidgetsChanged
    | OutputCleared
    | ErrorRaised
    | OutputDropped
    | RunFinished
    | ReplyCut
    | RunTold
    | NotebookEdited
    | NotebookSaved
    | KernelChanged
    | KernelExited
    | Notice
    | HumanActed
    | ReplyHeaded
    | SessionClosed
    | Landmarks
    | Unknown
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a journal."""

    at: float
    """epoch seconds"""
    event: Event
    seq: int = 0
    """number of the last message of the kernel's recorded stream that this line covers; 0 if there is none"""


_KINDS: dict[str, type[Any]] = {
    "opened": SessionOpened,
    "run": RunStarted,
    "held": RunHeld,
    "begun": ExecutionStarted,
    "reply": RunReplied,
    "text": TextPrinted,
    "data": DataShown,
    "update": DataUpdated,
    "widgets": WidgetsChanged,
    "clear": OutputCleared,
    "error": ErrorRaised,
    "dropped": OutputDropped,
    "finished": RunFinished,
    "cut": ReplyCut,
    "told": RunTold,
    "edit": NotebookEdited,
    "saved": NotebookSaved,
    "kernel": KernelChanged,
    "exited": KernelExited,
    "notice": Notice,
    "human": HumanActed,
    "headed": ReplyHeaded,
    "closed": SessionClosed,
    "marks": Landmarks,
}
_KIND_OF: dict[type[Any], str] = {cls: kind for kind, cls in _KINDS.items()}
_HINTS: dict[type[Any], dict[str, Any]] = {cls: typing.get_type_hints(cls) for cls in _KINDS.values()}


def encode(entry: Entry) -> bytes:
    """Encode one line, with its newline. It escapes lone surrogates, so that any text can be written."""
    event = entry.event
    if isinstance(event, Unknown):
        raise ValueError("an unknown event cannot be written")
    line: dict[str, Any] = {"v": VERSION, "t": round(entry.at, 3), "k": _KIND_OF[type(event)]}
    if entry.seq:
        line["seq"] = entry.seq
    for f in fields(event):
        value = getattr(event, f.name)
        if f.default is MISSING or value != f.default:
            line[f.name] = _plain(value)
    try:
        return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Entry:
    """Decode one complete line. Never raises: a line that does not parse becomes `Unknown`."""
    try:
        raw = json.loads(line)
        if not isinstance(raw, dict):
            raise TypeError("not an object")
        kind = str(raw.pop("k"))
        at = _finite(raw.pop("t"))
        seq = int(raw.pop("seq", 0))
        version = raw.pop("v")
        cls = _KINDS.get(kind)
        if cls is None or version != VERSION:
            return Entry(at, Unknown(kind, line[:2000].decode("utf-8", "replace").strip()), seq)
        hints = _HINTS[cls]
        known = {name: _typed(hints[name], value) for name, value in raw.items() if name in hints}
        return Entry(at, cls(**known), seq)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return Entry(0.0, Unknown(UNREADABLE, line[:2000].decode("utf-8", "replace").strip()))


def _plain(value: Any) -> Any:
    if isinstance(value, RunUse):
        return use_json(value)
    if isinstance(value, tuple) and value and isinstance(value[0], FigureText):
        return texts_json(value)
    return dict(value) if isinstance(value, Mapping) else value


def _typed(hint: Any, value: Any) -> Any:
    """Check `value` against a field's type and return it. Raises TypeError or ValueError."""
    if hint is RunStatus:
        return RunStatus(value)
    if hint is RunUse:
        return run_use(value)
    if hint == FigureTexts:
        return figure_texts(value)
    if hint == tuple[str, ...]:
        return tuple(str(item) for item in value)
    if hint == tuple[int, ...]:
        return tuple(int(item) for item in value)
    if hint is float:
        return _finite(value)
    origin = typing.get_origin(hint)
    wanted = Mapping if origin is not None and issubclass(origin, Mapping) else hint
    if not isinstance(value, wanted):
        raise TypeError(f"{value!r:.40} is not {hint}")
    return value


def _finite(value: Any) -> float:
    """Return a time or a span. Raises ValueError for NaN and infinities, which no later arithmetic has to expect."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number
