"""A notebook in memory: cells by id, and in pages, so that a save looks only at what has changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ..errors import NotebookError
from ..server.record import KernelSpec
from .stored import HEAVY, Outputs, ReadPart, Span, summary_of

SKIPPED: Final = "skip-execution"
"""tag of a cell that does not run when the whole notebook runs; nbclient's, like the next"""
RAISES: Final = "raises-exception"
"""tag of a cell whose exception does not stop the others"""

PAGE: Final = 64
"""cells of a page; one that has grown to twice as many is split"""


@dataclass(slots=True)
class NotebookCell:
    id: str
    cell_type: str
    """code, markdown or raw"""
    source: str
    outputs: Outputs = field(default_factory=list)
    """only a cell that the file has as it is may have them there alone"""
    execution_count: int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    attachments: dict[str, Any] | None = None
    version: int = 0
    """counts our changes"""
    saved_version: int = -1
    """version on disk; -1 for a cell that was never saved"""
    saved_source: str = ""
    page: Page | None = field(default=None, repr=False, compare=False)
    place: tuple[int, int] | None = field(default=None, repr=False, compare=False)
    """offset and size of its JSON text, from the begin of its page; None if it must be encoded again"""
    is_edited: bool = False
    """somebody else changed its source since the model saw it"""

    @property
    def tags(self) -> frozenset[str]:
        """The cell's tags; what is no list of texts has none."""
        tags = self.metadata.get("tags")
        return (
            frozenset(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else frozenset()
        )

    @property
    def is_dirty(self) -> bool:
        return self.version != self.saved_version

    @property
    def text(self) -> Span | None:
        """Its JSON text in the file; None if it must be encoded again."""
        if self.page is None or self.page.read is None or self.place is None:
            return None
        offset, size = self.place
        return Span(self.page.read, self.page.begin + offset, size, self.page.is_ours)

    def is_held(self, text: Span) -> None:
        """A file has the cell as it is; memory need not hold what is only to be read there."""
        self.page, self.place = Page([], text.read), (text.offset, text.size)
        self.outputs = summary_of(self.outputs)

    def touch(self) -> None:
        """It is another one than in the file."""
        self.version += 1
        self.place = None
        if self.page is not None:
            self.page.touch()


@dataclass(slots=True, eq=False)
class Page:
    """Some cells that follow each other. A save copies the text of a whole page from the file before."""

    cells: list[NotebookCell]
    read: ReadPart | None = None
    """of the file that has the cells with a place; None if there is none"""
    begin: int = 0
    """from where in that file their places count"""
    size: int = 0
    """bytes of the page there; 0 if it is another one by now"""
    is_ours: bool = False
    """we wrote that file"""
    version: int = 0

    def touch(self) -> None:
        self.version += 1
        self.size = 0

    def take(self, cell: NotebookCell, index: int) -> None:
        self.cells.insert(index, cell)
        cell.page = self
        self.touch()

    def index(self, cell: NotebookCell) -> int:
        return next(index for index, known in enumerate(self.cells) if known is cell)

    def split(self) -> Page:
        """Move the cells behind the first ones to a new page, and return that."""
        right = Page(self.cells[PAGE:], self.read, self.begin, is_ours=self.is_ours)
        del self.cells[PAGE:]
        for cell in right.cells:
            cell.page = right
        self.touch()
        return right

    def copied(self) -> PageCopy:
        if self.size and self.read is not None:
            return PageCopy(self, self.version, Span(self.read, self.begin, self.size, self.is_ours), ())
        return PageCopy(self, self.version, None, tuple(map(_copied, self.cells)))


@dataclass(slots=True)
class Notebook:
    cells: list[NotebookCell] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    is_shifted: bool = False
    """somebody else added, moved or removed cells since the model saw their indices"""
    removed: dict[str, str] = field(default_factory=dict)
    """sources of the cells that we removed, by id, until the next save"""
    _pages: list[Page] | None = field(default=None, repr=False, compare=False)
    """of the cells, as soon as there was a save; only `insert`, `remove` and `become` change which there are"""

    def find(self, cell: str | int) -> int:
        """Find a cell by id or by index (negative counts from the end). Raises NotebookError."""
        count = len(self.cells)
        text = str(cell).strip()
        if isinstance(cell, str) or not -count <= cell < count:  # an id may consist of digits
            for index, known in enumerate(self.cells):
                if known.id == text:
                    return index
        if isinstance(cell, str):
            if not text.lstrip("-").isdecimal():
                ids = ", ".join(c.id for c in self.cells[-12:])
                raise NotebookError(
                    f"There is no cell {cell!r} in this notebook.",
                    f"Its last cells are: {ids}." if ids else "It has no cells yet; use execute_code.",
                )
            cell = int(text)
        if not -count <= cell < count:
            raise NotebookError(
                f"There is no cell {cell}: the notebook has {count} cell{'s' * (count != 1)}.",
                f"Use an index from {-count} to {count - 1}, or a cell id."
                if count
                else "Use execute_code to add one.",
            )
        return cell % count

    def to_run(self) -> list[NotebookCell]:
        """Return the cells that run when the whole notebook runs."""
        return [cell for cell in self._code() if SKIPPED not in cell.tags]

    def skipped(self) -> list[NotebookCell]:
        """Return the cells with code that do not, because of their tag."""
        return [cell for cell in self._code() if SKIPPED in cell.tags]

    def _code(self) -> list[NotebookCell]:
        return [cell for cell in self.cells if cell.cell_type == "code" and cell.source.strip()]

    def by_id(self, cell_id: str) -> NotebookCell | None:
        return next((c for c in reversed(self.cells) if c.id == cell_id), None)

    def insert(self, cell: NotebookCell, index: int = -1) -> int:
        """Insert before `index`; -1 appends, -2 inserts before the last cell. Returns the cell's index. Raises NotebookError."""
        count = len(self.cells)
        at = index if index >= 0 else count + index + 1
        if not 0 <= at <= count:
            raise NotebookError(
                f"Position {index} is outside the notebook, which has {count} cell{'s' * (count != 1)}.",
                f"Use -1 to append, or a position from 0 to {count}.",
            )
        self.cells.insert(at, cell)
        self._insert_into_page(cell, at)
        return at

    def _insert_into_page(self, cell: NotebookCell, at: int) -> None:
        pages = self._pages
        if pages is None:
            return
        if not pages:
            pages.append(Page([]))
        before = self.cells[at - 1] if at else None
        page = before.page if before is not None and before.page is not None else pages[0]
        page.take(cell, page.index(before) + 1 if before is not None else 0)
        if len(page.cells) > 2 * PAGE:
            pages.insert(pages.index(page) + 1, page.split())

    def remove(self, cell_id: str) -> int:
        """Remove a cell. Returns the index that it had. Raises NotebookError."""
        index = self.find(cell_id)
        cell = self.cells.pop(index)
        if self._pages is not None and (page := cell.page) is not None:
            del page.cells[page.index(cell)]
            page.touch()
            if not page.cells:
                self._pages.remove(page)
        if cell.saved_version >= 0:
            self.removed[cell.id] = cell.saved_source
        return index

    def become(self, other: Notebook) -> None:
        """Take over the cells and metadata of a merge."""
        self.cells, self.metadata, self.is_shifted = other.cells, other.metadata, other.is_shifted
        self._pages = None

    def pages(self) -> list[PageCopy]:
        """Return what a save needs. Cells that changed are copied, so that the event loop can keep changing them."""
        if self._pages is None:
            self._pages = _paged(self.cells)
        return [page.copied() for page in self._pages]

    def saved(self, saved: Saved) -> None:
        """Take note that a file has what was copied for it."""
        for written in saved.pages:
            copy = written.copy
            page = copy.page
            page.read, page.begin, page.is_ours = saved.read, written.begin, True
            for one, place in zip(copy.cells, written.places, strict=True):
                cell = one.cell
                cell.saved_version, cell.saved_source = one.version, one.source
                if cell.version == one.version and cell.page is page:
                    cell.place = place
                    if place[1] > HEAVY:
                        cell.outputs = summary_of(cell.outputs)
            if page.version == copy.version:
                page.size = written.size


def cell_id(digits: str) -> str:
    """Make a cell's id from random hex digits: eight that begin with a letter, so that nobody takes them for an index."""
    return "abcdef"[int(digits[0], 16) % 6] + digits[1:8]


def new_notebook(spec: KernelSpec) -> Notebook:
    return Notebook(
        metadata={
            "kernelspec": {"name": spec.name, "display_name": spec.display_name, "language": spec.language},
            "language_info": {"name": spec.language},
        }
    )


@dataclass(frozen=True, slots=True)
class CellCopy:
    """A cell at the start of a save."""

    cell: NotebookCell
    version: int
    source: str
    text: NotebookCell | Span
    """a copy to encode, or where a file has its text"""


@dataclass(frozen=True, slots=True)
class PageCopy:
    """A page at the start of a save."""

    page: Page
    version: int
    text: Span | None
    """where a file has all of it; None if something has changed"""
    cells: tuple[CellCopy, ...]
    """in that case"""


@dataclass(frozen=True, slots=True)
class SavedPage:
    copy: PageCopy
    begin: int
    """its offset in the file"""
    size: int
    places: tuple[tuple[int, int], ...]
    """of its copied cells, from `begin`"""


@dataclass(frozen=True, slots=True)
class Saved:
    """The result of a save."""

    pages: list[SavedPage]
    read: ReadPart
    """of the new file"""
    seconds: float


def to_encode(pages: Iterable[PageCopy]) -> Iterator[NotebookCell]:
    """Yield the cells that no file has as they are."""
    texts = (copy.text for page in pages for copy in page.cells)
    return (text for text in texts if isinstance(text, NotebookCell))


def _paged(cells: Iterable[NotebookCell]) -> list[Page]:
    """Put cells into pages, each of which has the texts that it has in one file."""
    pages: list[Page] = []
    for cell in cells:
        text = cell.text
        page = pages[-1] if pages else None
        is_elsewhere = page is not None and text is not None and page.read not in (None, text.read)
        if page is None or is_elsewhere or len(page.cells) >= PAGE:
            page = Page([])
            pages.append(page)
        page.take(cell, len(page.cells))
        if text is not None:
            page.read, cell.place = text.read, (text.offset, text.size)
    return pages


def _copied(cell: NotebookCell) -> CellCopy:
    text = cell.text
    if text is not None:
        return CellCopy(cell, cell.version, cell.source, text)
    outputs = list(cell.outputs) if isinstance(cell.outputs, list) else cell.outputs
    frozen = NotebookCell(
        cell.id,
        cell.cell_type,
        cell.source,
        outputs,
        cell.execution_count,
        dict(cell.metadata),
        cell.attachments,
    )
    return CellCopy(cell, cell.version, cell.source, frozen)


class ChangedOnDisk(Exception):
    """Somebody else wrote the file since our last save; read and merge it first."""
