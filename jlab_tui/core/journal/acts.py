"""Names of what users ask of sessions from dashboards, as actions files and the frames that hand them on have them."""

from __future__ import annotations

from typing import Final

COMMENT: Final = "comment"
COMMENT_MAX: Final = 4000
"""characters of a comment"""

HOLD: Final = "hold"
"""of the next code of one session, once; without a session, of all code until `FREE`"""
FREE: Final = "free"
"""ends a hold, whose id is the reason"""
HERE: Final = "here"
"""the dashboard that asked for a hold, whose id it has, is still there, and will be for as many seconds as the reason says"""
RUN: Final = "run"
"""a held run, with the reason as its code if there is one"""
DECLINE: Final = "decline"
"""a held run, for the reason given"""
CELL: Final = "cell"
"""code of the user's own, which is the reason"""
OWN_CELL: Final = "own_cell"
"""the tool's name in runs of such code"""
OWN_CELL_MAX: Final = 200_000
"""characters of such code"""
QUIET: Final = frozenset({HERE, RUN, DECLINE, CELL})
"""what the feed shows in another way"""
HERE_EVERY_S: Final = 10.0
LAPSE_S: Final = 45.0
"""a hold lapses when its dashboard has not been heard of for so long; on another host its file may be seen late"""


def dashboard_of(ident: str) -> str:
    """Return the dashboard of an action's id."""
    return ident.rpartition(":")[0]
