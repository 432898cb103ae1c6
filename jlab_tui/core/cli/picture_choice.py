"""In what the dashboard draws images: blocks of quarters, or octants where the terminal is known to draw them itself.

Few fonts have the octants of Unicode 16, so a terminal without drawings of its own would show boxes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

NAME_QUESTION: Final = "\x1b[>q"
"""XTVERSION: what is the terminal, and of which version? https://invisible-island.net/xterm/ctlseqs/ctlseqs.html"""
ANSWER: Final = re.compile(r"\x1bP>\|([^\x1b\x07]{0,100})(?:\x1b\\|\x07)")
_NAME: Final = re.compile(r"([A-Za-z]+)[ (]v?(\d+)(?:\.(\d+))?")
_DRAWS_OCTANTS: Final = {
    "kitty": (0, 40),
    "ghostty": (1, 2),
    "foot": (1, 20),
    "vte": (7800, 0),
    "wezterm": (20250101, 0),
}
"""first versions"""


class Pictures(StrEnum):
    """What images consist of."""

    AUTO = "auto"
    BLOCKS = "blocks"
    OCTANTS = "octants"


@dataclass(frozen=True, slots=True)
class TerminalFacts:
    is_terminal: bool
    name: str = ""
    """its own answer to `NAME_QUESTION`; empty if it gave none"""
    in_tmux: bool = False


@dataclass(frozen=True, slots=True)
class PictureChoice:
    kind: Pictures
    why: str
    """a sentence"""


def choose_pictures(wanted: Pictures, terminal: TerminalFacts) -> PictureChoice:
    """Choose by what the user wants, and by what the terminal says it is."""
    if wanted is not Pictures.AUTO:
        return PictureChoice(wanted, f"You chose {wanted}.")
    if terminal.in_tmux:
        return PictureChoice(
            Pictures.BLOCKS,
            "tmux may leave out octants; `start --pictures octants` shows whether yours does.",
        )
    match = _NAME.match(terminal.name)
    if match is None:
        return PictureChoice(Pictures.BLOCKS, "This terminal does not say what it is.")
    is_known = (int(match[2]), int(match[3] or 0)) >= _DRAWS_OCTANTS.get(match[1].lower(), (1 << 62, 0))
    if is_known:
        return PictureChoice(Pictures.OCTANTS, f"{match[0].replace('(', ' ')} draws octants itself.")
    return PictureChoice(Pictures.BLOCKS, f"{match[0].replace('(', ' ')} is not known to draw octants.")
