"""In what the dashboard draws images: pixels, octants where the terminal is known to draw them itself, or blocks of quarters.

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
_NEVER: Final = (1 << 62, 0)
_HAS_PLACEHOLDERS: Final = {"kitty": (0, 28), "ghostty": (1, 0)}
"""first versions with the Unicode placeholders of kitty's graphics protocol"""


class Pictures(StrEnum):
    """What images consist of."""

    AUTO = "auto"
    BLOCKS = "blocks"
    OCTANTS = "octants"
    KITTY = "kitty"
    """pixels, by kitty's graphics protocol"""


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
    in_cells: Pictures = Pictures.BLOCKS
    """what an image consists of that cannot have the pixels of `kitty`"""


def choose_pictures(wanted: Pictures, terminal: TerminalFacts) -> PictureChoice:
    """Choose by what the user wants, and by what the terminal says it is."""
    if wanted is Pictures.KITTY and terminal.in_tmux:
        return PictureChoice(Pictures.BLOCKS, "tmux may lose parts of an image's data on their way.")
    if wanted is not Pictures.AUTO:
        cells = Pictures.BLOCKS if wanted is Pictures.KITTY else wanted
        return PictureChoice(wanted, f"You chose {wanted}.", cells)
    if terminal.in_tmux:
        return PictureChoice(
            Pictures.BLOCKS,
            "tmux may leave out octants; `start --pictures octants` shows whether yours does.",
        )
    match = _NAME.match(terminal.name)
    if match is None:
        return PictureChoice(Pictures.BLOCKS, "This terminal does not say what it is.")
    version, name = (int(match[2]), int(match[3] or 0)), match[1].lower()
    shown = match[0].replace("(", " ")
    draws = version >= _DRAWS_OCTANTS.get(name, _NEVER)
    cells = Pictures.OCTANTS if draws else Pictures.BLOCKS
    if version >= _HAS_PLACEHOLDERS.get(name, _NEVER):
        return PictureChoice(Pictures.KITTY, f"{shown} shows pixels as text.", cells)
    if draws:
        return PictureChoice(cells, f"{shown} draws octants itself.", cells)
    return PictureChoice(cells, f"{shown} is not known to draw octants.", cells)
