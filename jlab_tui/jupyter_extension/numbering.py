"""Turns kernel messages into a stream's frames: joins small prints, cuts huge ones, follows their requests. Pure."""

from __future__ import annotations

from collections import deque
from typing import Callable, Deque, Iterable, Iterator, Optional

from .framing import Message, json_object, pack
from .kernel_state import KernelState, Parent
from .stream import Stream
from .stream_chunks import cut, joined


class MessageNumbering:
    """Holds messages until the stream has room for them; a huge print enters in parts."""

    def __init__(self, stream: Stream, kernel_state: KernelState, has_room: Callable[[], bool]) -> None:
        self._stream = stream
        self._kernel_state = kernel_state
        self._has_room = has_room
        self._waiting: Deque[Message] = deque()
        self._message: Optional[Message] = None
        """The message whose parts are being numbered."""
        self._parts: Iterator[Message] = iter(())
        self._parent_bytes = b""
        self._parent = Parent("", "", None)

    @property
    def waiting(self) -> bool:
        return self._message is not None or bool(self._waiting)

    def add(self, messages: Iterable[Message]) -> None:
        """Add messages of the kernel, in order."""
        self._waiting.extend(joined(messages))

    def number(self, at_any_size: bool = False) -> bool:
        """Number what the stream has room for, or everything. Returns whether the stream has grown."""
        before = self._stream.last
        while self.waiting and (at_any_size or self._has_room()):
            if self._message is None:
                self._message = self._waiting.popleft()
                self._parts = cut(self._message)
            part = next(self._parts, None)
            if part is not None:
                self._stream.append(pack(part))
            else:
                self._fold(self._message)
                self._message = None
        return self._stream.last != before

    def parent_of(self, message: Message) -> Parent:
        """Return the parent, cached by its bytes: all messages of a cell have the same."""
        if message.parent != self._parent_bytes:
            raw = json_object(message.parent)
            subshell = raw.get("subshell_id")
            self._parent_bytes = message.parent
            self._parent = Parent(
                str(raw.get("msg_id", "")),
                str(raw.get("msg_type", "")),
                subshell if isinstance(subshell, str) else None,
            )
        return self._parent

    def _fold(self, message: Message) -> None:
        if message.channel != "iopub":
            self._kernel_state.replied(self.parent_of(message), self._stream.last)
        elif message.msg_type == "status":
            execution_state = json_object(bytes(message.content)).get("execution_state")
            if isinstance(execution_state, str):
                self._kernel_state.status(self.parent_of(message), execution_state)
