"""Names of what users ask of sessions from dashboards, as actions files and the frames that hand them on have them."""

from __future__ import annotations

from typing import Final

COMMENT: Final = "comment"
COMMENT_MAX: Final = 4000
"""characters of a comment"""
