"""Rewrites argparse's complaints as plain sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

_CHOICE = re.compile(r"argument (\S+): invalid choice: '(.*)' \(choose from (.*)\)\Z", re.S)


def explain_usage(message: str, commands: Sequence[str]) -> str:
    """Turn a complaint of argparse into one sentence, with the nearest valid word if there is one."""
    if match := _CHOICE.match(message):
        where, given, listed = match[1], match[2], [w.strip("' ") for w in match[3].split(",")]
        what = f"There is no command {given!r}" if where == "COMMAND" else f"{where} cannot be {given!r}"
        near = get_close_matches(given, listed, 1)
        return f"{what}; did you mean {near[0]}?" if near else f"{what}; there are: {', '.join(listed)}."
    if message.startswith("unrecognized arguments: "):
        words = message.partition(": ")[2]
        near = get_close_matches(words.split(" ")[0], commands, 1)
        return f"{words} is not understood here{f'; did you mean {near[0]}?' if near else '.'}"
    if message.startswith("the following arguments are required: "):
        return f"Something is missing: {message.partition(': ')[2]}."
    return f"{message.removeprefix('argument ')}."
