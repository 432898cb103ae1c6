"""What users tell a session from their dashboards: what its next reply begins with, and whether its code waits for them.

Pure: actions come from files and over the link, so that each may arrive twice; its id says so. What a reply has told is on
record under the reply's call, so a process that continues the session tells nothing again, and a call that is sent again gets
what it got before.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from ..display.printable import printable
from ..journal import acts
from ..journal.acts import COMMENT_MAX, DECLINE, HERE, LAPSE_S, dashboard_of
from ..journal.events import HumanActed, ReplyHeaded

HEAD_MAX: Final = 8000
"""characters with which a reply begins at most, unless one thing alone is longer; what has no room waits for the next reply"""
_DIFF_MAX: Final = 4000
"""characters of a difference that the model is told"""


@dataclass(frozen=True, slots=True)
class Words:
    """Something to tell the model."""

    id: str
    """of the action that it tells of"""
    text: str


@dataclass(frozen=True, slots=True)
class Hold:
    """A user wants to see code before it runs."""

    id: str
    is_once: bool
    """only the next code"""
    until: float
    """when it lapses if nothing more is heard of its dashboard; epoch seconds"""


@dataclass(frozen=True, slots=True)
class OwnCode:
    """A cell of the user's own, to be run once."""

    id: str
    text: str
    by: str
    """user@host"""


@dataclass(frozen=True, slots=True)
class Released:
    """Held code runs."""

    source: str
    note: str = ""
    """for the model, if the user has changed the code"""


@dataclass(frozen=True, slots=True)
class Declined:
    """Held code does not run."""

    cause: str
    """one sentence"""


@dataclass(frozen=True, slots=True)
class Steering:
    """What users have asked of one session."""

    session: str
    seen: frozenset[str] = frozenset()
    """ids of the actions that need nothing more"""
    waiting: tuple[Words, ...] = ()
    """for the next reply, oldest first"""
    told: tuple[ReplyHeaded, ...] = ()
    holds: tuple[Hold, ...] = ()
    codes: tuple[OwnCode, ...] = ()
    """cells of the users' own that have not been run, oldest first"""
    decisions: tuple[HumanActed, ...] = ()
    """about held runs; of several about one run the first counts"""

    @property
    def hold(self) -> Hold | None:
        """What holds the next code: first of all what asked for that alone."""
        return next(iter(sorted(self.holds, key=lambda hold: not hold.is_once)), None)

    def has_told(self, call: str) -> bool:
        return any(headed.call == call for headed in self.told)


def cleaned(text: str) -> str:
    """Return a user's text as the model gets it: without control characters, and not longer than a comment may be."""
    return printable(text.replace("\r\n", "\n").replace("\r", "\n")).strip()[:COMMENT_MAX]


def took(state: Steering, act: HumanActed, at: float) -> Steering:
    """Take in an action, unless it was taken in before or is about another session. `at`: when it was heard of, epoch seconds."""
    if not act.id or act.session not in ("", state.session):
        return state
    if act.action == HERE:
        until = at + (float(act.reason) if act.reason.isdecimal() else LAPSE_S)
        return _with_holds(
            state,
            (
                replace(hold, until=max(hold.until, until)) if hold.id == act.id else hold
                for hold in state.holds
            ),
        )
    if act.id in state.seen:
        return state
    state = replace(state, seen=state.seen | {act.id})
    match act.action:
        case acts.COMMENT if act.session and (text := cleaned(act.reason)):
            return replace(state, waiting=(*state.waiting, Words(act.id, _comment(text))))
        case acts.HOLD:
            return _with_holds(state, (*state.holds, Hold(act.id, bool(act.session), at + LAPSE_S)))
        case acts.FREE:
            return without_hold(state, act.reason)
        case acts.CELL if act.session and act.reason.strip():
            code = OwnCode(act.id, act.reason[: acts.OWN_CELL_MAX], act.by)
            return replace(state, codes=(*state.codes, code))
        case acts.RUN | acts.DECLINE if act.session:
            return replace(state, decisions=(*state.decisions, act))
        case _:
            return state


def without_code(state: Steering, ident: str) -> Steering:
    """Note that a cell of the user's own runs, also one that has not been heard of yet."""
    codes = tuple(code for code in state.codes if code.id != ident)
    return replace(state, seen=state.seen | {ident}, codes=codes)


def saying(state: Steering, words: Words) -> Steering:
    """Have the next reply say something, unless one has."""
    if any(headed.id == words.id for headed in state.told):
        return state
    return replace(state, waiting=(*state.waiting, words))


def without_hold(state: Steering, ident: str) -> Steering:
    """End a hold, also one that has not been heard of yet."""
    state = replace(state, seen=state.seen | {ident})
    return _with_holds(state, (hold for hold in state.holds if hold.id != ident))


def without_lapsed(state: Steering, now: float, has_ended: Callable[[str], bool | None]) -> Steering:
    """End the holds whose dashboard is gone. `has_ended` says so by its name; None where that is not known here."""
    kept = []
    for hold in state.holds:
        ended = has_ended(dashboard_of(hold.id))
        if ended is False or (ended is None and now < hold.until):
            kept.append(hold)
    return state if len(kept) == len(state.holds) else _with_holds(state, kept)


def verdict(state: Steering, run: str, hold: str, source: str) -> Released | Declined | None:
    """Return what becomes of a held run; None while that is open."""
    act = next((act for act in state.decisions if act.run == run), None)
    if act is None:
        return None if any(known.id == hold for known in state.holds) else Released(source)
    if act.action == DECLINE:
        reason = cleaned(act.reason)
        return Declined(f'The user declined it: "{reason}"' if reason else "The user declined it.")
    return released(source, act.reason)


def released(source: str, changed: str) -> Released:
    """Return held code as it runs after the user had it in the editor; an empty text: it was not changed."""
    if not changed.strip() or changed == source:
        return Released(source)
    lines = difflib.unified_diff(
        source.splitlines(), changed.splitlines(), "yours", "as it ran", lineterm="", n=2
    )
    diff = "\n".join(lines)
    cut = f"{diff[:_DIFF_MAX]}\n... the cell has it all" if len(diff) > _DIFF_MAX else diff
    return Released(changed, f"The user changed this code before it ran; the cell has what ran:\n{cut}")


def told(state: Steering, headed: ReplyHeaded) -> Steering:
    """Note what a reply has told, of this process or of an earlier one."""
    return replace(
        state,
        seen=state.seen | {headed.id},
        waiting=tuple(words for words in state.waiting if words.id != headed.id),
        told=(*state.told, headed),
    )


def due(state: Steering, call: str) -> tuple[ReplyHeaded, ...]:
    """Return what the reply to a call tells, to be put on record first; nothing where it has told something before."""
    if state.has_told(call):
        return ()
    found: list[ReplyHeaded] = []
    room = HEAD_MAX
    for words in state.waiting:
        room -= len(words.text)
        if found and room < 0:
            break
        found.append(ReplyHeaded(words.id, words.text, call))
    return tuple(found)


def head(state: Steering, call: str) -> str:
    """Return how the reply to a call begins; an empty text if it told nothing."""
    texts = [headed.text for headed in state.told if headed.call == call]
    if texts and state.waiting:
        texts.append(f"({len(state.waiting)} more from the user: with the next reply)")
    return "\n\n".join(texts)


def _with_holds(state: Steering, holds: Iterable[Hold]) -> Steering:
    return replace(state, holds=tuple(holds))


def _comment(text: str) -> str:
    return f"Comment from the user:{chr(10) if chr(10) in text else ' '}{text}"
