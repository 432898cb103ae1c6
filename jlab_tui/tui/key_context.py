"""Which keys help with what is on the screen, and the order of the palette. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from ..core.feed.items import FeedCell
from ..services.dashboard.overview import SessionState
from .cell_keys import images_of, tables_of
from .keys import KEYS, NEEDY, OF_SELECTION, Key
from .view_state import ViewState


def helpful(view: ViewState, cell: FeedCell | None, *, folds: bool) -> set[str]:
    """Return the actions that lead somewhere now, of those that do so only sometimes. `folds`: the cell hides something, or is
    expanded."""
    has_failed = any(row.state is SessionState.FAILED for row in view.sessions)
    found = {
        NEEDY: view.needs_user is not None,
        "screen.expand": folds,
        "screen.view": bool(images_of(cell) or tables_of(cell)),
        "screen.difference": cell is not None and bool(cell.before) and cell.before != cell.source,
        "screen.errors": has_failed or view.errors_only,
        "screen.all": len(view.sessions) > 1,
        "screen.history": view.past.count > 0,
        "copy_code": cell is not None and bool(cell.source),
    }
    return {action for action, helps in found.items() if helps}


def is_possible(key: Key, *, is_live: bool, has_kernel: bool, may_act: bool, replays: bool) -> bool:
    """Whether a key can do what it is for. `is_live`: a server or a job; `has_kernel`: the chosen session has one; `replays`: a
    recording is shown."""
    if replays:
        return not (key.acts or key.looks)
    if key.replays or (key.acts and not may_act):
        return False
    if key.action == "stop":
        return is_live
    return key.action == "hold_all" or not (key.acts or key.looks) or (is_live and has_kernel)


def palette_keys(
    used: Mapping[str, int],
    context: Container[str],
    *,
    is_selection_shown: bool,
    is_live: bool,
    has_kernel: bool,
    may_act: bool,
    replays: bool,
) -> list[Key]:
    """Return the keys that the palette offers: those that can do something on the screen below it. `context`: actions in the footer."""
    return [
        key
        for key in by_use(KEYS, used, context)
        if is_possible(key, is_live=is_live, has_kernel=has_kernel, may_act=may_act, replays=replays)
        and (is_selection_shown or not (key.action in OF_SELECTION or key.action.startswith("screen.")))
    ]


def by_use(keys: Iterable[Key], used: Mapping[str, int], context: Container[str]) -> list[Key]:
    """Return keys in the palette's order: those that the user called most, then those of the footer, then the others."""
    return sorted(keys, key=lambda key: (-used.get(key.action, 0), key.action not in context))
