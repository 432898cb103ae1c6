"""The texts in the feed's frame: what it shows, and how it is filtered, searched and scrolled."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

FOLLOWING = "following"


def feed_frame(
    name: str, path: str, notes: Sequence[str], *, separator: str, is_narrow: bool
) -> tuple[Content, Content]:
    """Return title and subtitle. A narrow feed has no border below, so its notes stand in the title, where the path would be; that
    it follows the end needs no word there."""
    dot = f" {separator} "
    shown = [note for note in notes if not note.startswith(FOLLOWING)] if is_narrow else []
    head = Content.styled(name, "bold")
    if shown:
        return Content.assemble(head, Content.styled(dot + dot.join(shown), "$accent")), Content("")
    title = Content.assemble(head, Content.styled(f"{dot}{path}" if path else "", "$foreground 60%"))
    return title, Content(dot.join(notes))
