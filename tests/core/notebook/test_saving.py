"""What a save writes: as little of it is looked at, copied and encoded as has changed."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.notebook.file_text import parse_notebook
from jlab_tui.core.notebook.notebook import PAGE, Notebook, NotebookCell, PageCopy, Saved, to_encode
from jlab_tui.core.notebook.saving import NEXT, NotebookText, joined
from jlab_tui.core.notebook.stored import HEAVY, Span, StoredOutputs

LARGE = "x" * HEAVY


class File:
    """A file that is written whole; earlier ones can be read as long as somebody knows of them."""

    def __init__(self) -> None:
        self.text = b""
        self.encoded: list[str] = []
        self.looked_at = 0
        self.copied = 0
        """parts of the file before"""

    def write(self, pages: list[PageCopy]) -> Saved:
        """Write a notebook, as a thread does."""
        self.encoded = [cell.id for cell in to_encode(pages)]
        self.looked_at = sum(len(page.cells) for page in pages)
        made = NotebookText(pages, {})
        parts = list(made.parts())
        self.copied = sum(isinstance(part, Span) for part in parts)
        self.text = b"".join(part.text() if isinstance(part, Span) else part for part in parts)
        text = self.text
        return Saved(made.saved, lambda offset, size: text[offset : offset + size], 0.0)

    def save(self, notebook: Notebook) -> None:
        notebook.saved(self.write(notebook.pages()))

    def load(self) -> Notebook:
        """Read it as `adapters.notebook` does: what is large stays there."""
        raw = self.text

        def hold(cell: NotebookCell, begin: int, end: int) -> None:
            if end - begin > HEAVY:
                cell.is_held(Span(lambda offset, size: raw[offset : offset + size], begin, end - begin))

        return parse_notebook(raw.decode(), (), hold)

    def cells(self) -> list[tuple[str, str, str]]:
        return [
            (cell["id"], "".join(cell["source"]), "".join(o["text"][0] for o in cell["outputs"]))
            for cell in json.loads(self.text)["cells"]
        ]


def stream(text: str) -> list[dict[str, Any]]:
    return [{"output_type": "stream", "name": "stdout", "text": text}]


def saved_notebook(count: int, text: str = "a") -> tuple[File, Notebook]:
    notebook = Notebook([NotebookCell(f"c{n}", "code", str(n), stream(text)) for n in range(count)])
    file = File()
    file.save(notebook)
    assert len(file.encoded) == count
    return file, notebook


def change(cell: NotebookCell, text: str) -> None:
    cell.source, cell.outputs = text[:9], stream(text)
    cell.touch()


def test_one_of_5000_cells_that_changes_is_encoded_alone_and_few_others_are_looked_at() -> None:
    file, notebook = saved_notebook(5000)
    change(notebook.cells[2500], "other")
    assert len(notebook.pages()) <= 5000 // PAGE + 1
    file.save(notebook)
    assert file.encoded == ["c2500"] and file.looked_at <= 2 * PAGE and file.copied == 2
    notebook.insert(NotebookCell("new", "code", "new"))
    file.save(notebook)
    assert file.encoded == ["new"] and file.looked_at <= 2 * PAGE and file.copied == 1
    notebook.remove("c100")
    file.save(notebook)
    assert file.encoded == [] and file.looked_at < 2 * PAGE and file.copied == 2
    file.save(notebook)
    assert (file.encoded, file.looked_at, file.copied) == ([], 0, 1)
    assert len(file.cells()) == 5000 and file.cells()[-1] == ("new", "new", "")


def test_a_page_that_grows_is_split() -> None:
    file, notebook = saved_notebook(10)
    for number in range(5 * PAGE):
        notebook.insert(NotebookCell(f"new{number}", "code", ""), 5)
        file.save(notebook)
        assert file.encoded == [f"new{number}"] and file.looked_at <= 2 * PAGE + 1
    assert [cell[0] for cell in file.cells()] == [cell.id for cell in notebook.cells]
    assert len(notebook.cells) == 5 * PAGE + 10


def test_cells_of_several_files_are_written_into_one() -> None:
    first, second = (saved_notebook(2, LARGE)[0].load() for _ in range(2))
    (one, _), (_, two) = first.cells, second.cells
    file = File()
    file.save(Notebook([one, two]))
    assert file.cells() == [("c0", "0", LARGE), ("c1", "1", LARGE)] and file.encoded == []


def test_a_large_cell_stays_in_the_file_and_a_small_one_in_memory_too() -> None:
    file, notebook = saved_notebook(1)
    notebook.insert(NotebookCell("large", "code", "", stream(LARGE)))
    file.save(notebook)
    small, large = notebook.cells
    assert isinstance(large.outputs, StoredOutputs) and small.outputs == stream("a")
    assert not small.is_dirty and not large.is_dirty


ACTS = st.sampled_from(["begin", "end", "insert", "append", "remove", "change", "enlarge", "reload"])


@given(
    count=st.sampled_from([0, 1, 2, PAGE, 2 * PAGE]),
    acts=st.lists(st.tuples(ACTS, st.integers(0, 999)), max_size=40),
)
def test_whatever_changes_while_a_save_is_on_its_way_the_next_one_has_it(
    count: int, acts: list[tuple[str, int]]
) -> None:
    file, notebook = saved_notebook(count)
    model = file.cells()
    on_its_way: Saved | None = None
    for number, (act, at) in enumerate(acts):
        size = len(model)
        if act == "begin" and on_its_way is None:
            on_its_way = file.write(notebook.pages())
            assert file.cells() == model
        elif act == "end" and on_its_way is not None:
            notebook.saved(on_its_way)
            on_its_way = None
        elif act in ("insert", "append"):
            position = at % (size + 1) if act == "insert" else size
            notebook.insert(NotebookCell(f"n{number}", "code", "n", stream("n")), position)
            model.insert(position, (f"n{number}", "n", "n"))
        elif act == "remove" and size:
            notebook.remove(model.pop(at % size)[0])
        elif act in ("change", "enlarge") and size:
            text = f"{number} {LARGE if act == 'enlarge' else ''}"
            change(notebook.cells[at % size], text)
            model[at % size] = (model[at % size][0], text[:9], text)
        elif act == "reload" and on_its_way is None:
            file.save(notebook)
            notebook.become(file.load())
    if on_its_way is not None:
        notebook.saved(on_its_way)
    file.save(notebook)
    assert file.cells() == model and not any(cell.is_dirty for cell in notebook.cells)
    file.save(notebook)
    assert file.cells() == model and file.encoded == []


def test_only_texts_that_follow_each_other_in_a_file_of_ours_are_joined() -> None:
    def read(offset: int, size: int) -> bytes:
        return b""

    def ours(offset: int, size: int) -> Span:
        return Span(read, offset, size, is_ours=True)

    assert list(joined([ours(10, 20), NEXT, ours(34, 5), NEXT])) == [ours(10, 29), NEXT]
    apart: list[list[bytes | Span]] = [
        [ours(10, 20), NEXT, ours(35, 5), NEXT],
        [ours(10, 20), NEXT, Span(lambda offset, size: b"", 34, 5, is_ours=True), b"end"],
        [Span(read, 10, 20), NEXT, Span(read, 34, 5)],
        [ours(10, 20), b"other", ours(34, 5)],
        [ours(10, 20), ours(34, 5)],
        [NEXT, ours(10, 20), NEXT, b"new", NEXT, NEXT],
    ]
    for pieces in apart:
        assert list(joined(pieces)) == pieces
