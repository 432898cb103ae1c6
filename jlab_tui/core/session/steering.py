"""What users tell a session from their dashboards: what its next reply begins with. Pure; actions come from files and over the link.

An action may arrive twice, in either way; its id says so. What a reply has told is on record under the reply's call, so a
process that continues the session tells nothing again, and a call that is sent again gets what it got before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from ..display.printable import printable
from ..journal.acts import COMMENT, COMMENT_MAX
from ..journal.events import HumanActed, ReplyHeaded

HEAD_MAX: Final = 8000
"""characters with which a reply begins at most, unless one thing alone is longer; what has no room waits for the next reply"""


@dataclass(frozen=True, slots=True)
class Words:
    """Something to tell the model."""

    id: str
    """of the action that it tells of"""
    text: str


@dataclass(frozen=True, slots=True)
class Steering:
    """What users have asked of one session."""

    session: str
    seen: frozenset[str] = frozenset()
    """ids of the actions that need nothing more"""
    waiting: tuple[Words, ...] = ()
    """for the next reply, oldest first"""
    told: tuple[ReplyHeaded, ...] = ()

    def has_told(self, call: str) -> bool:
        return any(headed.call == call for headed in self.told)


def cleaned(text: str) -> str:
    """Return a user's text as the model gets it: without control characters, and not longer than a comment may be."""
    return printable(text.replace("\r\n", "\n").replace("\r", "\n")).strip()[:COMMENT_MAX]


def took(state: Steering, act: HumanActed) -> Steering:
    """Take in an action, unless it was taken in before or is about another session."""
    if not act.id or act.id in state.seen or act.session != state.session:
        return state
    state = replace(state, seen=state.seen | {act.id})
    if act.action == COMMENT and (text := cleaned(act.reason)):
        return replace(state, waiting=(*state.waiting, Words(act.id, _comment(text))))
    return state


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


def _comment(text: str) -> str:
    return f"Comment from the user:{chr(10) if chr(10) in text else ' '}{text}"
