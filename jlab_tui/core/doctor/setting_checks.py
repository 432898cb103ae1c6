"""Lists the settings in force, each with who has set it, and names those that have no effect."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from ..settings import PREFIX, VARIABLES
from ..site_settings import NO_SITE, Site, Source, source_of
from .checks import Finding, Level

_KNOWN = {PREFIX + variable.name for variable in VARIABLES}
_OF_THE_SCRIPTS = (PREFIX + "VENV",)
"""the scripts of a checkout read these"""
_SHOWN_MAX = 60
_NOT_SHOWN = (PREFIX + "SETUP",)
"""shell lines, in which a key may be set"""
_NONE: Mapping[str, str] = {}


def check_settings(
    env: Mapping[str, str], choices: Mapping[str, str] = _NONE, site: Site = NO_SITE
) -> list[Finding]:
    """Check what `env`, the project's choices (names without prefix) and the site set; a name that is none is usually a typo."""
    effective = site.environment({**{PREFIX + name: value for name, value in choices.items()}, **env})
    found = [*_unknown(env), *_unknown_to_site(site), *_without_effect(env, site)]
    in_force = [
        Finding("settings", Level.OK, f"{name}{_shown(name, effective[name])} ({_whose(source, name, site)})")
        for name in sorted(_KNOWN & effective.keys())
        if (source := source_of(name, env, choices, site)) is not None
    ]
    if not found and not in_force:
        in_force = [Finding("settings", Level.OK, "none set, so the defaults apply")]
    return [*found, *in_force]


def _unknown(env: Mapping[str, str]) -> Iterator[Finding]:
    for name in sorted(env):
        if not name.startswith(PREFIX) or not env[name].strip() or name in (*_KNOWN, *_OF_THE_SCRIPTS):
            continue
        near = get_close_matches(name, _KNOWN, 1, 0.8)
        meant = f"; did you mean {near[0]}?" if near else "."
        fix = f"export {near[0]}={shlex.quote(env[name])}; unset {name}" if near else f"unset {name}"
        yield Finding("settings", Level.WARN, f"{name} is not a setting and has no effect{meant}", fix)


def _unknown_to_site(site: Site) -> Iterator[Finding]:
    for one in site.settings:
        if one.name not in _KNOWN:
            near = get_close_matches(one.name, _KNOWN, 1, 0.8)
            meant = f"; {near[0]} may be meant." if near else "."
            text = f"{one.name} in {site.place(one)}, is not a setting and has no effect{meant}"
            yield Finding("settings", Level.WARN, text, "Tell whoever looks after that file.")


def _without_effect(env: Mapping[str, str], site: Site) -> Iterator[Finding]:
    for one in site.overridden(env):
        locked = f"{one.name}{_shown(one.name, one.value)}" if one.value else f"{one.name} unset"
        text = f"your {one.name} has no effect: the site keeps {locked} ({site.place(one)})."
        yield Finding("settings", Level.WARN, text, f"unset {one.name}")


def _shown(name: str, value: str) -> str:
    if name in _NOT_SHOWN:
        return ""
    line = " ".join(value.split())
    return f"={line if len(line) <= _SHOWN_MAX else line[: _SHOWN_MAX - 3] + '...'}"


def _whose(source: Source, name: str, site: Site) -> str:
    if source is Source.ENVIRONMENT:
        return "environment"
    if source is Source.CHOICE:
        return "chosen at this project's first start"
    one = site.find(name)
    place = site.place(one) if one is not None else site.path
    return f"locked by {place}" if source is Source.LOCK else place
