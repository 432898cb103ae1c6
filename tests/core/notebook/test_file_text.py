"""A notebook's text: read cell by cell, with what of it may stay in the file."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.errors import NotebookError
from jlab_tui.core.notebook.file_text import (
    cell_text,
    outputs_of,
    overwritten,
    parse_notebook,
    span_parts,
)
from jlab_tui.core.notebook.notebook import NotebookCell
from jlab_tui.core.notebook.stored import HEAVY, RecordedData, Span, StoredOutputs, has_recorded, summary_of

IMAGE = {"output_type": "display_data", "data": {"text/plain": "x", "image/png": "AAAA"}, "metadata": {}}
VIEW = {
    "output_type": "display_data",
    "data": {"application/vnd.jupyter.widget-view+json": {"model_id": "m"}},
}
TEXT = {"output_type": "stream", "name": "stdout", "text": "a\n"}
ERROR = {"output_type": "error", "ename": "E", "evalue": "v", "traceback": []}


def ids() -> Iterator[str]:
    return (f"new{n:05}" for n in itertools.count())


def raw_cell(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "cell_type": "code", "id": f"c{number}", "source": [f"{number}"], "outputs": [TEXT],
        "metadata": {}, "execution_count": number, **fields,
    }  # fmt: skip


def raw_notebook(*cells: object, **fields: Any) -> dict[str, Any]:
    return {"cells": list(cells), "metadata": {"a": [1]}, "nbformat": 4, "nbformat_minor": 5, **fields}


def taken(text: str) -> list[tuple[str, Any]]:
    """The cells whose text may stay in the file, and what is there."""
    found = []
    notebook = parse_notebook(
        text, ids(), lambda cell, begin, end: found.append((cell.id, json.loads(text[begin:end])))
    )
    assert {name for name, _ in found} <= {cell.id for cell in notebook.cells}
    return found


@given(
    order=st.permutations(["cells", "metadata", "nbformat", "more"]),
    indent=st.sampled_from([None, 0, 1, 4]),
    texts=st.lists(st.text(max_size=9), max_size=4),
    is_ascii=st.booleans(),
)
def test_each_cell_of_any_notebook_is_found_where_its_text_is(
    order: list[str], indent: int | None, texts: list[str], is_ascii: bool
) -> None:
    cells = [raw_cell(number, source=text) for number, text in enumerate(texts)]
    raw = raw_notebook(*cells, more={"cells": [1]})
    text = json.dumps({key: raw[key] for key in order}, indent=indent, ensure_ascii=is_ascii)
    text = f" {text}\n"
    assert taken(text) == [(cell["id"], cell) for cell in cells]
    notebook = parse_notebook(text, ids())
    assert [cell.outputs for cell in notebook.cells] == [[TEXT]] * len(cells)
    assert notebook.metadata == {"a": [1]}


def test_a_cell_that_would_be_written_otherwise_does_not_stay_in_the_file() -> None:
    other = [raw_cell(1), raw_cell(1), raw_cell(2, id=None), raw_cell(3, cell_type="heading"), raw_cell(4)]
    assert [name for name, _ in taken(json.dumps(raw_notebook(*other)))] == ["c1", "c4"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('{"cells": [], "nbformat": 4}', 0),
        ('{"nbformat": 4, "cells": [{"id": "a"}], "cells": [{"id": "b"}, {"id": "c"}]}', 2),
    ],
)
def test_whatever_json_takes_is_read(text: str, count: int) -> None:
    assert len(parse_notebook(text, ids()).cells) == count


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"cells": [{},], "nbformat": 4}', "not JSON"),
        ('{"cells": [{} {}], "nbformat": 4}', "not JSON"),
        ('{"cells": [{}], "nbformat": 4} x', "not JSON"),
        ('{"cells": [{}] "nbformat": 4}', "not JSON"),
        ('{"cells": [{}', "not JSON"),
        ('{1: 2, "nbformat": 4}', "not JSON"),
        ('{"nbformat": 4, "cells": [{}, 3]}', "without a list of cells"),
        ('{"nbformat": 4, "cells": {}}', "without a list of cells"),
        ('{"nbformat": 4, "cells": [1], "cells": 3}', "without a list of cells"),
        ('{"nbformat": "4", "cells": []}', "not a notebook"),
        ("[]", "not a notebook"),
        ("{}", "not a notebook"),
    ],
)
def test_what_is_no_notebook_is_refused_as_before(text: str, why: str) -> None:
    with pytest.raises(NotebookError, match=why):
        parse_notebook(text, ids())


def in_file(text: bytes, *outputs: dict[str, Any]) -> NotebookCell:
    cell = NotebookCell("c0", "code", "0", list(outputs))
    cell.is_held(Span(lambda offset, size: text[offset : offset + size], 2, len(text) - 2))
    return cell


def test_outputs_that_only_the_file_has_are_read_there() -> None:
    text = json.dumps(raw_cell(0, outputs=[TEXT, IMAGE])).encode()
    cell = in_file(b"  " + text, TEXT, IMAGE)
    assert isinstance(cell.outputs, StoredOutputs)
    assert outputs_of(cell) == [TEXT, IMAGE]
    assert cell.text is not None and b"".join(span_parts(cell.text)) == text


@pytest.mark.parametrize("text", [b"", b"  {", b'  {"id": "other"}', b"  {}", b"  []"])
def test_outputs_are_not_taken_from_a_file_that_changed(text: bytes) -> None:
    with pytest.raises(NotebookError, match="while cell c0 was read"):
        outputs_of(in_file(text))


def test_a_long_text_is_copied_piece_by_piece() -> None:
    text = bytes(range(256)) * 10_000
    span = Span(lambda offset, size: text[offset : offset + size], 256, len(text) - 256)
    parts = list(span_parts(span))
    assert b"".join(parts) == text[256:] and len(parts) == 3


def test_a_file_that_was_written_over_has_lost_its_cells() -> None:
    def fails(offset: int, size: int) -> bytes:
        raise OSError

    lost, kept, new = in_file(b"  {}"), in_file(b"  {}"), NotebookCell("s", "code", "")
    lost.is_held(Span(fails, 0, 1))
    assert overwritten([lost, kept, new]) == [lost]


def test_a_map_says_the_same_of_outputs_wherever_they_are() -> None:
    empty = {"output_type": "execute_result", "data": {}}
    recorded = {"output_type": "display_data", "data": RecordedData(dict, ("text/html", "image/png"))}
    found = summary_of([TEXT, IMAGE, ERROR, TEXT, VIEW, empty, {"output_type": "stream"}, recorded])
    view = "application/vnd.jupyter.widget-view+json"
    kinds = ("stdout", "image/png", "error", view, "execute_result", "stream")
    assert found == StoredOutputs(kinds, has_error=True, views=("m",))
    assert summary_of(found) is found
    assert summary_of([]) == StoredOutputs((), has_error=False, views=())


def test_data_that_only_the_record_has_is_read_when_it_is_written() -> None:
    data = RecordedData(lambda: {"image/png": "A" * HEAVY}, ("image/png",))
    gone = RecordedData(dict, ("image/png",))
    outputs = [{"output_type": "display_data", "metadata": {}, "data": found} for found in (data, gone)]
    cell = NotebookCell("c", "code", "", outputs)
    whole, lost = json.loads(b"".join(cell_text(cell)))["outputs"]
    assert whole["data"] == {"image/png": "A" * HEAVY}
    assert "not on record" in lost["data"]["text/plain"][0]
    assert has_recorded(outputs) and not has_recorded([TEXT]) and not has_recorded(summary_of(outputs))
    assert [output["data"] for output in outputs_of(cell)] == [
        whole["data"],
        {"text/plain": "".join(lost["data"]["text/plain"])},
    ]
