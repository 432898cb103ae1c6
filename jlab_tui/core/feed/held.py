"""What memory holds up to a number of bytes: the oldest is named when there is more, and what nobody has any more does not count."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar, cast
from weakref import ref

T = TypeVar("T")


class _Held(ref[T]):
    __slots__ = ("size",)
    size: int


class Held(Generic[T]):
    """Things with their sizes, which others own."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._things: OrderedDict[int, _Held[T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._things)

    def add(self, thing: T, size: int) -> None:
        held = _Held(thing, self._drop)
        held.size = size
        self._things[id(held)] = held
        self._bytes += size

    def excess(self) -> Iterator[T]:
        """Take out the oldest until the rest fits; the newest always stays."""
        while self._bytes > self._limit and len(self._things) > 1:
            _, held = self._things.popitem(last=False)
            self._bytes -= held.size
            held.size = 0
            yield from filter(None, [held()])

    def _drop(self, held: ref[T]) -> None:
        self._things.pop(id(held), None)
        self._bytes -= cast(_Held[T], held).size
