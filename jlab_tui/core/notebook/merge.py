"""Merges a notebook that two sides changed: the user's edits win, our outputs are added, and every loss is reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .notebook import Notebook, NotebookCell


def merge(ours: Notebook, theirs: Notebook) -> tuple[Notebook, list[str]]:
    """Merge our notebook with the one that somebody else wrote since our last write. Cells match by id.

    Theirs is the base: its order, its new cells, its deletions and every text that they changed hold. A cell that we
    changed since keeps our outputs. Returns the notebook and what could not be merged, as sentences.
    """
    mine = {cell.id: cell for cell in ours.cells}
    _recognise(mine, theirs.cells)
    known_to_them = {cell.id for cell in theirs.cells}
    troubles: list[str] = []
    merged: list[NotebookCell] = []
    for their in theirs.cells:
        our = mine.get(their.id)
        if our is None:
            removed = ours.removed.get(their.id)
            if removed is not None and removed != their.source:
                del ours.removed[their.id]
                troubles.append(
                    f"Somebody else edited cell {their.id} before it was deleted, so the cell is kept."
                )
            if removed != their.source:
                merged.append(their)
            continue
        if our.is_dirty:
            troubles += _join(our, their)
            merged.append(our)
        else:
            their.is_edited = our.is_edited or their.source != our.source
            merged.append(their)
    gone = [c.id for c in ours.cells if c.id not in known_to_them and not c.is_dirty]
    if gone:
        named = ", ".join(gone[:10]) + ", ..." * (len(gone) > 10)
        troubles.append(f"Somebody else removed {len(gone)} of the notebook's cells: {named}.")
    troubles += _put_back(merged, ours.cells, known_to_them)
    known_to_us = [cell.id for cell in ours.cells if cell.saved_version >= 0]
    is_shifted = [cell.id for cell in theirs.cells if cell.id not in ours.removed] != known_to_us
    return Notebook(merged, theirs.metadata, ours.is_shifted or is_shifted, ours.removed), troubles


def _recognise(mine: Mapping[str, NotebookCell], theirs: Sequence[NotebookCell]) -> None:
    """Give their cells without an id, which programs older than format 4.5 write, the id of our cell with the same text."""
    kept = {cell.id for cell in theirs}
    lost: dict[tuple[str, str], list[str]] = {}
    for our in mine.values():
        if our.id not in kept and our.saved_version >= 0:
            lost.setdefault((our.cell_type, our.saved_source), []).append(our.id)
    for their in theirs:
        if their.id not in mine and (ids := lost.get((their.cell_type, their.source))):
            their.id = ids.pop(0)


def _join(our: NotebookCell, their: NotebookCell) -> list[str]:
    """Apply their changes to a cell that we changed. Returns a sentence when both sides changed its text."""
    is_edited = their.source not in (our.source, our.saved_source)
    is_ours_lost = is_edited and our.source != our.saved_source
    if is_edited:
        our.source, our.is_edited = their.source, True
    our.metadata, our.attachments = their.metadata, their.attachments
    our.saved_source = their.source
    our.touch()
    if not is_ours_lost:
        return []
    kept = "their text is kept; read_notebook shows it."
    return [f"Somebody else edited cell {our.id} at the same time; {kept}"]


def _put_back(merged: list[NotebookCell], ours: Sequence[NotebookCell], known_to_them: set[str]) -> list[str]:
    """Add our cells that they do not have, each behind the one before it; those that they deleted only with changes of
    ours. Returns sentences about these."""
    troubles = []
    previous = ""
    top = 0 if any(our.id in known_to_them for our in ours) else len(merged)
    for our in ours:
        is_known = our.id in known_to_them
        if not is_known and our.is_dirty:
            position = {cell.id: index for index, cell in enumerate(merged)}
            merged.insert(position[previous] + 1 if previous else top, our)
            if our.saved_version >= 0:
                troubles.append(
                    f"Somebody else deleted cell {our.id} while it was being changed, so the cell is kept."
                )
        if is_known or our.is_dirty:
            previous = our.id
    return troubles
