"""Finds the tries of a cell: its runs that failed, one after the other, up to the one that ran well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..journal.events import RunStatus
from .items import FeedCell, FeedItem


def all_tries(items: Sequence[FeedItem]) -> Iterator[range]:
    """Yield the places of each chain of tries, the one that ran well as the last."""
    first = 0
    for place, item in enumerate(items):
        if not place or not _tries_again(items[place - 1], item):
            first = place
        elif _ran_well(item):
            yield range(first, place + 1)


def tries_up_to(items: Sequence[FeedItem], place: int) -> range | None:
    """Return the places of the tries of which the item at `place` ran well; None if there is no other, or it did not."""
    first = place
    while first and _tries_again(items[first - 1], items[first]):
        first -= 1
    return range(first, place + 1) if first < place and _ran_well(items[place]) else None


def _tries_again(before: FeedItem, item: FeedItem) -> bool:
    return (
        isinstance(before, FeedCell)
        and isinstance(item, FeedCell)
        and before.has_failed
        and bool(item.cell_id)
        and (before.session, before.cell_id) == (item.session, item.cell_id)
    )


def _ran_well(item: FeedItem) -> bool:
    return isinstance(item, FeedCell) and item.status is RunStatus.OK
