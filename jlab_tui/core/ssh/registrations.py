"""Which projects of this machine `jlab-mcp init --ssh` has registered, and where each is: the form of our own record of it.

A repository's `.mcp.json` may name any host. Commands that act go by this record alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Final

from ..errors import UsageError
from ..json_values import mapping, parse_json, text
from .place import RemotePlace, parse_place

_OWN: Final = re.compile(r"--(?:ssh?|program|pin)(=.*)?", re.DOTALL)


def parse_registrations(given: str) -> dict[str, RemotePlace]:
    """Places by directory of this machine; what cannot be read counts as not registered."""
    found = {}
    try:
        listed = mapping(mapping(parse_json(given)).get("projects"))
    except ValueError:
        return {}
    for directory, raw in listed.items():
        entry = mapping(raw)
        try:
            place = parse_place(
                text(entry.get("host")), program=text(entry.get("program")), pin=text(entry.get("pin"))
            )
            found[directory] = parse_place(
                f"{place.host}:{text(entry.get('directory'))}", program=place.program, pin=place.pin
            )
        except UsageError:
            continue
    return found


def format_registrations(places: Mapping[str, RemotePlace]) -> str:
    listed = {directory: place._asdict() for directory, place in sorted(places.items())}
    return json.dumps({"version": 1, "projects": listed}, indent=1, ensure_ascii=False) + "\n"


def find_registered(places: Mapping[str, RemotePlace], cwd: PurePath) -> RemotePlace | None:
    """The place of the nearest registered directory above `cwd`, or of itself."""
    return next((places[str(path)] for path in (cwd, *cwd.parents) if str(path) in places), None)


def complete(given: RemotePlace, places: Mapping[str, RemotePlace], cwd: PurePath) -> RemotePlace:
    """What the user typed, with what `init` has found out about that host. Raises UsageError where the directory is not known."""
    here = find_registered(places, cwd)
    of_host = [place for place in places.values() if place.host == given.host]
    known = here if here is not None and here.host == given.host else next(iter(of_host), given)
    if given.directory:
        return known._replace(directory=given.directory)
    directories = sorted({place.directory for place in of_host})
    if known is not here and len(directories) != 1:
        listed = f" Registered there: {', '.join(directories)}." if directories else ""
        raise UsageError(
            f"Which directory of {given.host} is the project?{listed}", f"Name it: --ssh {given.host}:DIR"
        )
    return known


def words_there(argv: Sequence[str]) -> list[str]:
    """The words of a command without those that say where it runs."""
    kept, skips = [], False
    for word in argv:
        own = None if skips else _OWN.fullmatch(word)
        if not skips and own is None:
            kept.append(word)
        skips = own is not None and own[1] is None
    return kept
