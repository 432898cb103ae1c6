"""What the player tells the process that shows the demo: one JSON line each, through a pipe."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Caption:
    """What happens now, and what a person may do meanwhile."""

    text: str
    keys: str = ""
    """keys to try, with their meaning"""


@dataclass(frozen=True, slots=True)
class Told:
    """A line of what the agent does, for a demo without a dashboard."""

    text: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What went otherwise than the story."""

    text: str


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys to press in a person's place, as Textual names them."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Leave:
    """The dashboard is to be left, in a person's place."""


Cue = Caption | Told | Problem | Keys | Leave
_KINDS: dict[str, type[Cue]] = {
    "caption": Caption,
    "line": Told,
    "problem": Problem,
    "keys": Keys,
    "leave": Leave,
}


def encode_cue(cue: Cue) -> str:
    """Return the cue as one line."""
    kind = next(kind for kind, of in _KINDS.items() if of is type(cue))
    return json.dumps([kind, asdict(cue)]) + "\n"


def decode_cue(line: str | bytes) -> Cue:
    """Raises ValueError if the line is none of `encode_cue`."""
    try:
        kind, fields = json.loads(line)
        if kind == "keys":
            return Keys(tuple(fields["keys"]))
        return _KINDS[kind](**fields)
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"not a cue: {line!r}") from error
