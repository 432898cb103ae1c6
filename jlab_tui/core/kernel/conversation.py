"""Turns the messages of one kernel into facts about our runs, without I/O.

One file, because every message is read against the same runs in progress.

Message semantics: https://jupyter-client.readthedocs.io/en/stable/messaging.html
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ..display.widgets import Widgets, view_of
from ..journal.events import (
    DataShown,
    DataUpdated,
    ErrorRaised,
    ExecutionStarted,
    OutputCleared,
    RunStatus,
    TextPrinted,
    WidgetsChanged,
)
from ..journal.figure_texts import TRANSIENT, FigureTexts, figure_texts
from ..journal.run_use import NO_USE, USE, RunUse, run_use
from ..json_values import mapping
from .comms import widget_change
from .interrupt_ladder import ANNOUNCEMENT
from .wire import COMMS, KernelMessage, shell_exit_code

OBITUARY: Final = "jlab_mcp_obituary"
"""message type with which the Jupyter extension reports a kernel's death"""
NO_REPLY: Final = (
    "The kernel went idle without a reply: the code may not have run to its end, and outputs may be missing."
)
_COMMAND_INTERRUPTED: Final = (-2, 130)
"""exit codes of a shell command, or of the shell, at SIGINT"""
OWN_EXIT: Final = "the code itself ended it with exit() or quit()"
_REMEMBERED_RUNS: Final = 200


@dataclass(frozen=True, slots=True)
class Replied:
    """The kernel has replied and is not idle yet; output may follow."""

    run: str
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunEnded:
    run: str
    status: RunStatus
    execution_count: int | None
    cause: str = ""
    is_command_interrupted: bool = False
    """an interrupt signal ended its last shell command; IPython takes that for the end of the command alone"""
    use: RunUse = NO_USE


@dataclass(frozen=True, slots=True)
class KernelDeath:
    """The kernel process is gone, and every run on it has ended."""

    cause: str
    """such as `exit code 3` or `signal SIGSEGV`; empty when the server does not say"""
    restarting: bool
    asked: bool = False
    """somebody restarted it or shut it down"""
    is_by_rule: bool = False
    """the server shut it down; `cause` says by which rule"""
    lost: frozenset[str] | None = None
    """requests that the process received; later ones go to its successor. None when the server does not say"""
    uses: Mapping[str, Any] = field(default_factory=dict)
    """what the run that it ended used, by request"""


@dataclass(frozen=True, slots=True)
class OtherActivity:
    """Another client's code started or ended on this kernel."""

    busy: bool
    code: str = ""
    """what started"""


@dataclass(frozen=True, slots=True)
class InterruptAnnounced:
    """Another process of ours interrupts what runs."""


Output = TextPrinted | DataShown | DataUpdated | OutputCleared | ErrorRaised
Fact = (
    Output
    | WidgetsChanged
    | ExecutionStarted
    | Replied
    | RunEnded
    | KernelDeath
    | OtherActivity
    | InterruptAnnounced
)


@dataclass(slots=True)
class _Pending:
    run: str
    has_started: bool = False
    count: int | None = None
    reply: Mapping[str, Any] | None = None
    idle: bool = False
    error: str = ""
    """name of the exception on iopub"""
    use: RunUse = NO_USE
    exiting: bool = False
    """the code asked the kernel to exit, so the kernel's death ends the run"""
    ended: bool = False
    shown: Sequence[Mapping[str, Any]] = ()
    """data that an earlier process recorded"""

    @property
    def reached_kernel(self) -> bool:
        return self.has_started or self.idle or self.reply is not None


@dataclass(slots=True)
class Conversation:
    """The requests to one kernel, and the progress of each."""

    widgets: Widgets = field(default_factory=Widgets)
    _requests: OrderedDict[str, _Pending] = field(default_factory=OrderedDict)
    _others: set[str] = field(default_factory=set)

    def asked(
        self,
        msg_id: str,
        run: str,
        *,
        has_started: bool = False,
        error: str = "",
        reply: Mapping[str, Any] | None = None,
        shown: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Add our execute_request, just before it is sent; or one that an earlier process sent, with the recorded part of its
        answer: the name of an exception, the reply, the data of displays."""
        pending = self._requests[msg_id] = _Pending(run, has_started=has_started, error=error, shown=shown)
        if reply is not None:
            self._note_reply(pending, reply)
        while len(self._requests) > _REMEMBERED_RUNS:
            self._requests.popitem(last=False)

    def ended(self, msg_id: str, run: str) -> None:
        """Add a request of an earlier process, whose run has ended; late output may still come."""
        self._requests[msg_id] = _Pending(run, ended=True)

    def forget(self, msg_id: str) -> None:
        """Ignore the messages of this request from now on."""
        self._requests.pop(msg_id, None)

    @property
    def others_busy(self) -> bool:
        return bool(self._others)

    def feed(self, message: KernelMessage) -> list[Fact]:
        """Return the facts in one message; messages of other requests have none."""
        if message.msg_type == OBITUARY:
            return self._died(_obituary(message.content))
        if message.msg_type == "status" and not message.parent_id:
            state = message.content.get("execution_state")
            if state in ("restarting", "dead"):
                return self._died(KernelDeath("", restarting=state == "restarting"))
            return []
        pending = self._requests.get(message.parent_id)
        if message.msg_type in COMMS and message.channel == "iopub":
            change = widget_change(message, pending.run if pending is not None else "", self.widgets)
            return [change] if change is not None else []
        if pending is None:
            return self._other(message)
        if message.channel == "shell":
            return self._reply(pending, message)
        return self._iopub(pending, message)

    def settle(self, run: str) -> list[Fact]:
        """End a run whose reply or idle arrived while the other one is missing.

        A kernel that goes idle without a reply was interrupted outside of the code, or the reply was lost."""
        for pending in self._requests.values():
            if pending.run == run and not pending.ended and (pending.reply is not None or pending.idle):
                pending.idle, pending.exiting = True, False
                if pending.reply is None and not pending.error:
                    pending.ended = True
                    return [RunEnded(run, RunStatus.LOST, pending.count, NO_REPLY)]
                if pending.reply is None:
                    pending.reply = {"status": "error"}
                return self._end(pending)
        return []

    def _other(self, message: KernelMessage) -> list[Fact]:
        if message.parent_id.startswith(ANNOUNCEMENT):
            return [InterruptAnnounced()]
        if message.msg_type == "execute_input":
            self._others.add(message.parent_id)
            return [OtherActivity(True, str(message.content.get("code", "")))]
        is_idle = message.msg_type == "status" and message.content.get("execution_state") == "idle"
        if is_idle and message.parent_id in self._others:
            self._others.discard(message.parent_id)
            return [] if self._others else [OtherActivity(False)]
        return []

    def _iopub(self, pending: _Pending, message: KernelMessage) -> list[Fact]:
        content, run = message.content, pending.run
        into = self.widgets.capturing(message.parent_id)
        match message.msg_type:
            case "status":
                if content.get("execution_state") == "idle":
                    pending.idle, pending.use = True, run_use(content.get(USE))
                    return self._end(pending)
                return []
            case "execute_input":
                pending.has_started = True
                pending.count = _count(content)
                return [ExecutionStarted(run, pending.count)]
            case "stream":
                text = content.get("text")
                stream = "stderr" if content.get("name") == "stderr" else "stdout"
                return [TextPrinted(run, stream, text, into)] if isinstance(text, str) and text else []
            case "display_data":
                return self._shown(run, content, None, into)
            case "execute_result":
                pending.count = _count(content) or pending.count
                return self._shown(run, content, pending.count or 0, into)
            case "update_display_data":
                if display_id := _display_id(content):
                    data, metadata = _bundle(content, "data"), _bundle(content, "metadata")
                    return [DataUpdated(run, display_id, data, metadata, _texts(content))]
                return []
            case "clear_output":
                return [OutputCleared(run, bool(content.get("wait")), into)]
            case "error" if into:  # the widget has swallowed the exception
                return [_error(run, content, into)]
            case "error":
                pending.error = str(content.get("ename") or "Error")
                return [_error(run, content)]
            case _:
                return []

    def _shown(self, run: str, content: Mapping[str, Any], count: int | None, into: str) -> list[Fact]:
        data, metadata = _bundle(content, "data"), _bundle(content, "metadata")
        view = self.widgets.show(model_id) if (model_id := view_of(data)) else None
        return [DataShown(run, data, metadata, _display_id(content), count, view, into, _texts(content))]

    def _reply(self, pending: _Pending, message: KernelMessage) -> list[Fact]:
        if message.msg_type != "execute_reply":
            return []
        self._note_reply(pending, message.content)
        ending = self._end(pending)
        return ending or [Replied(pending.run, message.content)]

    @staticmethod
    def _note_reply(pending: _Pending, content: Mapping[str, Any]) -> None:
        pending.reply = content
        pending.count = _count(content) or pending.count
        pending.exiting = any(
            payload.get("source") == "ask_exit" and not payload.get("keepkernel")
            for payload in _payloads(content)
        )

    def _end(self, pending: _Pending) -> list[Fact]:
        if pending.ended or pending.exiting or not pending.idle or pending.reply is None:
            return []
        pending.ended = True
        facts = _only_in_reply(pending, pending.reply)
        return [*facts, replace(_end_of(pending, pending.reply), use=pending.use)]

    def _died(self, death: KernelDeath) -> list[Fact]:
        if not death.asked and any(p.exiting and not p.ended for p in self._requests.values()):
            death = replace(death, cause=OWN_EXIT)
        facts: list[Fact] = [death]
        for msg_id, pending in self._requests.items():
            if not pending.ended and (death.lost is None or pending.reached_kernel or msg_id in death.lost):
                pending.ended = True
                use = run_use(death.uses.get(msg_id))
                facts.append(RunEnded(pending.run, RunStatus.DIED, pending.count, death.cause, use=use))
        self._others.clear()
        return facts


def _only_in_reply(pending: _Pending, reply: Mapping[str, Any]) -> list[Fact]:
    """Pages, code for the next cell (`%load`), and an error that was not shown on iopub. The reply may overtake what
    iopub shows, hence at the end."""
    pages = (_page(payload) for payload in _payloads(reply))
    facts: list[Fact] = [
        DataShown(pending.run, page) for page in pages if page is not None and page not in pending.shown
    ]
    if reply.get("status") == "error" and not pending.error and reply.get("ename"):
        pending.error = str(reply["ename"])
        facts.append(_error(pending.run, reply))
    return facts


def _page(payload: Mapping[str, Any]) -> dict[str, Any] | None:
    match payload:
        case {"source": "page", "data": Mapping() as data}:
            return dict(data)
        case {"source": "set_next_input", "text": str(text)}:
            return {"text/plain": text}
        case _:
            return None


def _end_of(pending: _Pending, reply: Mapping[str, Any]) -> RunEnded:
    status = str(reply.get("status"))
    if status == "ok":
        code = shell_exit_code(reply)
        cause = f"Its last shell command failed with exit code {code}." if code else ""
        return RunEnded(pending.run, RunStatus.OK, pending.count, cause, code in _COMMAND_INTERRUPTED)
    if status in ("aborted", "abort"):
        return RunEnded(pending.run, RunStatus.ABORTED, None, "The kernel skipped it after an earlier error.")
    if pending.error == "KeyboardInterrupt":
        return RunEnded(pending.run, RunStatus.INTERRUPTED, pending.count)
    return RunEnded(pending.run, RunStatus.ERROR, pending.count)


def _payloads(reply: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [payload for payload in reply.get("payload") or () if isinstance(payload, Mapping)]


def ends_request(message: KernelMessage) -> bool:
    """Return whether a message is one of the two that end a request: the reply, and idle."""
    idle = message.msg_type == "status" and message.content.get("execution_state") == "idle"
    return idle or message.msg_type == "execute_reply"


def _obituary(content: Mapping[str, Any]) -> KernelDeath:
    kind = str(content.get("cause") or "")
    signal, code = content.get("signal"), content.get("exit_code")
    detail = str(content.get("detail") or "")
    if kind in _ASKED:
        cause = _ASKED[kind]
    elif kind in _RULES:
        cause = detail or _RULES[kind]
    elif kind == "oom":
        cause = "out of memory: the kernel was killed by the out-of-memory killer"
    elif signal:
        cause = f"signal {_signal_name(signal)}"
    elif code is not None:
        cause = f"exit code {code}"
    else:
        cause = detail
    if kind == "keeps dying":
        cause = f"{cause}, on every start; its last output is in the log: jlab-mcp logs"
    lost = content.get("lost")
    return KernelDeath(
        cause,
        bool(content.get("restarting")),
        asked=kind in _ASKED or kind in _RULES,
        is_by_rule=kind in _RULES,
        lost=frozenset(map(str, lost)) if isinstance(lost, list) else None,
        uses=mapping(content.get(USE)),
    )


_ASKED: Final = {"restart": "the kernel was restarted", "shutdown": "the kernel was shut down"}
_RULES: Final = {"culled": "Jupyter culled it", "left": "its client was gone"}
_SIGNALS: Final = {
    1: "SIGHUP",
    2: "SIGINT",
    4: "SIGILL",
    6: "SIGABRT",
    7: "SIGBUS",
    8: "SIGFPE",
    9: "SIGKILL",
    11: "SIGSEGV",
    15: "SIGTERM",
}


def _signal_name(signal: Any) -> str:
    name = _SIGNALS.get(signal, str(signal)) if isinstance(signal, int) else str(signal)
    return name + (", often sent by the out-of-memory killer" if name == "SIGKILL" else "")


def _error(run: str, content: Mapping[str, Any], into: str = "") -> ErrorRaised:
    lines = content.get("traceback") or ()
    return ErrorRaised(
        run,
        str(content.get("ename") or "Error"),
        str(content.get("evalue") or ""),
        tuple(str(line) for line in lines) if isinstance(lines, list | tuple) else (),
        into,
    )


def _bundle(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = content.get(key)
    return dict(value) if isinstance(value, Mapping) else {}


def _display_id(content: Mapping[str, Any]) -> str:
    return str(mapping(content.get("transient")).get("display_id") or "")


def _texts(content: Mapping[str, Any]) -> FigureTexts:
    return figure_texts(mapping(content.get("transient")).get(TRANSIENT))


def _count(content: Mapping[str, Any]) -> int | None:
    count = content.get("execution_count")
    return count if isinstance(count, int) and not isinstance(count, bool) else None
