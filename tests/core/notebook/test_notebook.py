"""Notebooks in memory: their text, their cells, and the merge with what somebody else wrote."""

from __future__ import annotations

import itertools
import json
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.errors import NotebookError
from jlab_tui.core.notebook.file_text import (
    cell_text,
    notebook_end,
    parse_notebook,
)
from jlab_tui.core.notebook.merge import merge
from jlab_tui.core.notebook.notebook import (
    Notebook,
    NotebookCell,
    cell_id,
    new_notebook,
)
from jlab_tui.core.notebook.saving import FIRST, NEXT, NOTEBOOK_BEGIN
from jlab_tui.core.notebook.stems import file_stem, stem_of_copy
from jlab_tui.core.notebook.stored import Span
from jlab_tui.core.notebook.text_forms import notebook_text, plain_source
from jlab_tui.core.server.record import KernelSpec


def ids() -> Any:
    return (f"new{n:05}" for n in itertools.count())


def saved(cell_id: str, source: str, cell_type: str = "code") -> NotebookCell:
    return NotebookCell(cell_id, cell_type, source, saved_version=0, saved_source=source)


def text_of(notebook: Notebook) -> str:
    cells = [b"".join(cell_text(cell)) for cell in notebook.cells]
    end = notebook_end(notebook.metadata, is_empty=not cells)
    return (NOTEBOOK_BEGIN + FIRST * bool(cells) + NEXT.join(cells) + end).decode()


def sources(notebook: Notebook) -> list[str]:
    return [cell.source for cell in notebook.cells]


OUTPUTS: list[dict[str, Any]] = [
    {"output_type": "stream", "name": "stdout", "text": "a\nb\r\x1b[1mc\x1b[0m\n"},
    {"output_type": "display_data", "data": {"image/png": "iVBOR=\n", "text/plain": "x\ny"}, "metadata": {}},
    {
        "output_type": "execute_result",
        "data": {"application/json": {"k": [1]}},
        "metadata": {},
        "execution_count": 3,
    },
    {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["one", "two"]},
]


def test_the_text_of_a_notebook_is_that_of_nbformat() -> None:
    notebook = Notebook(
        [
            NotebookCell("aaaaaaaa", "code", "x = 1\nx", list(OUTPUTS), 3, {"tags": ["skip"], "a": 1}),
            NotebookCell("bbbbbbbb", "markdown", "# é 🚀\n"),
            NotebookCell("cccccccc", "raw", "---"),
        ],
        {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    text = text_of(notebook)
    known = nbformat.reads(text, as_version=4)
    nbformat.validate(known)
    assert json.loads(nbformat.writes(known)) == json.loads(text)
    assert nbformat.writes(known) == text.rstrip("\n")
    again = parse_notebook(text, ids())
    assert [(c.id, c.source, c.outputs) for c in again.cells] == [
        (c.id, c.source, c.outputs) for c in notebook.cells
    ]
    assert text_of(again) == text, "what somebody else wrote is written again as it was"


def test_an_empty_notebook_is_valid() -> None:
    empty = nbformat.reads(text_of(Notebook([], {})), as_version=4)
    nbformat.validate(empty)
    assert text_of(Notebook([], {})).rstrip("\n") == nbformat.writes(empty)


def test_missing_and_repeated_ids_are_repaired() -> None:
    raw = {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [
        {"cell_type": "code", "source": ["a"], "outputs": [], "metadata": {}, "execution_count": None},
        {"cell_type": "markdown", "source": "b", "metadata": {}, "id": "same"},
        {"cell_type": "markdown", "source": "c", "metadata": {}, "id": "same"}]}  # fmt: skip
    cells = parse_notebook(json.dumps(raw), ids()).cells
    assert len({c.id for c in cells}) == 3 and cells[1].id == "same"
    assert [c.source for c in cells] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '{"nbformat": 3}', '{"nbformat": 4}', '{"nbformat": 4, "cells": [1]}']
)
def test_what_is_not_a_notebook_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(NotebookError) as caught:
        parse_notebook(text, ids())
    assert caught.value.hint


@pytest.mark.parametrize(("cell", "index"), [("a", 0), ("c", 2), (1, 1), (-1, 2), ("-3", 0), ("2", 2)])
def test_cells_are_found_by_id_and_by_index(cell: str | int, index: int) -> None:
    assert Notebook([saved(i, i) for i in "abc"]).find(cell) == index


@pytest.mark.parametrize("cell", ["12345678", 12345678])
def test_an_id_of_digits_is_found_however_it_is_given(cell: str | int) -> None:
    assert Notebook([saved("a", "a"), saved("12345678", "b")]).find(cell) == 1


@pytest.mark.parametrize("cell", [3, -4, "z", "", "99"])
def test_a_cell_that_is_not_there_is_an_error(cell: str | int) -> None:
    with pytest.raises(NotebookError):
        Notebook([saved(i, i) for i in "abc"]).find(cell)


@pytest.mark.parametrize(
    ("cells", "cell", "message", "hint"),
    [
        ("abc", 3, "There is no cell 3: the notebook has 3 cells.", "Use an index from -3 to 2, or a cell id."),
        ("abc", "-4", "There is no cell -4: the notebook has 3 cells.", "Use an index from -3 to 2, or a cell id."),
        ("a", 1, "There is no cell 1: the notebook has 1 cell.", "Use an index from -1 to 0, or a cell id."),
        ("", 0, "There is no cell 0: the notebook has 0 cells.", "Use execute_code to add one."),
        ("ab", "z", "There is no cell 'z' in this notebook.", "Its last cells are: a, b."),
        ("abcdefghijklmn", "z", "There is no cell 'z' in this notebook.", "Its last cells are: c, d, e, f, g, h, i, j, k, l, m, n."),
        ("", "z", "There is no cell 'z' in this notebook.", "It has no cells yet; use execute_code."),
    ],
)  # fmt: skip
def test_a_cell_that_is_not_there_is_answered_with_those_that_are(
    cells: str, cell: str | int, message: str, hint: str
) -> None:
    with pytest.raises(NotebookError) as caught:
        Notebook([saved(i, i) for i in cells]).find(cell)
    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize("cell", ["12345678", " 12345678 ", 12345678])
def test_digits_that_are_an_index_and_an_id_are_the_cell_of_that_id_where_written_as_one(
    cell: str | int,
) -> None:
    notebook = Notebook([saved("2", "id"), saved("x", "x"), saved("12345678", "index")])
    assert (notebook.find("2"), notebook.find(2), notebook.find(cell)) == (0, 2, 2)


@pytest.mark.parametrize(("index", "at"), [(-1, 3), (-2, 2), (-4, 0), (0, 0), (1, 1), (3, 3)])
def test_a_cell_is_inserted_where_it_was_asked_for(index: int, at: int) -> None:
    notebook = Notebook([saved(i, i) for i in "abc"])
    assert notebook.insert(saved("new", "new"), index) == at
    assert sources(notebook) == [*"abc"[:at], "new", *"abc"[at:]]
    assert Notebook().insert(saved("new", "new")) == 0


@pytest.mark.parametrize("index", [4, -5])
def test_a_place_outside_the_notebook_is_refused(index: int) -> None:
    notebook = Notebook([saved(i, i) for i in "abc"])
    with pytest.raises(NotebookError) as caught:
        notebook.insert(saved("new", "new"), index)
    assert caught.value.message == f"Position {index} is outside the notebook, which has 3 cells."
    assert sources(notebook) == ["a", "b", "c"]
    with pytest.raises(NotebookError, match=r"has 1 cell[.]"):
        Notebook([saved("a", "a")]).insert(saved("new", "new"), 2)


def test_a_removed_cell_is_remembered_when_the_file_has_it() -> None:
    notebook = Notebook([saved("a", "old"), NotebookCell("new", "code", "x"), saved("b", "b")])
    assert (notebook.remove("new"), notebook.remove("b"), sources(notebook)) == (1, 1, ["old"])
    assert notebook.removed == {"b": "b"}


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        (["skip-execution", "other"], {"skip-execution", "other"}),
        (["skip-execution", 7, None], {"skip-execution"}),
        ("skip-execution", set()),
        ({"skip-execution": True}, set()),
        (None, set()),
    ],
)
def test_cells_run_unless_a_tag_in_their_list_of_tags_skips_them(tags: object, found: set[str]) -> None:
    cell = NotebookCell("c", "code", "x = 1", metadata={"tags": tags})
    others = [NotebookCell("m", "markdown", "# x"), NotebookCell("e", "code", " \n")]
    notebook = Notebook([cell, *others])
    assert cell.tags == found
    skips = "skip-execution" in found
    assert (notebook.to_run(), notebook.skipped()) == (([], [cell]) if skips else ([cell], []))


def test_of_two_cells_with_one_id_the_last_is_meant() -> None:
    notebook = Notebook([saved("a", "1"), saved("a", "2")])
    found = notebook.by_id("a")
    assert found is not None and found.source == "2" and notebook.by_id("b") is None


def test_a_new_notebook_names_the_kernel_that_it_was_made_for() -> None:
    metadata = new_notebook(KernelSpec("ir", "R", "R")).metadata
    assert metadata == {
        "kernelspec": {"name": "ir", "display_name": "R", "language": "R"},
        "language_info": {"name": "R"},
    }


def test_a_notebook_with_odd_parts_is_read_as_far_as_they_go() -> None:
    raw = {"nbformat": 4, "metadata": [], "cells": [
        {"id": "", "cell_type": "sql", "source": ["a", 7, "b"], "metadata": 3},
        {"id": "c", "cell_type": "code", "source": 5, "execution_count": "x", "outputs": [
            "?", {"output_type": "stream", "text": ["a", "b"]}, {"data": {"text/plain": ["c", "d"], "application/json": [1]}}]},
        {"id": "d", "cell_type": "code", "outputs": 3, "execution_count": 4}]}  # fmt: skip
    notebook = parse_notebook(json.dumps(raw), ids())
    first, second, third = notebook.cells
    assert (first.id, first.cell_type, first.source, first.metadata) == ("new00000", "raw", "ab", {})
    assert (second.source, second.execution_count, notebook.metadata) == ("", None, {})
    assert second.outputs == [
        {"output_type": "stream", "text": "ab"},
        {"data": {"text/plain": "cd", "application/json": [1]}},
    ]
    assert (third.outputs, third.execution_count) == ([], 4)
    assert not any(cell.is_dirty for cell in notebook.cells)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "It is not JSON"),
        ("[]", "not a notebook"),
        ('{"nbformat": "4"}', "not a notebook"),
        ('{"nbformat": 5, "cells": []}', "format 5; format 4 is needed"),
        ('{"nbformat": 4, "cells": {}}', "without a list of cells"),
    ],
)
def test_a_broken_notebook_is_reported_with_the_fault(text: str, reason: str) -> None:
    with pytest.raises(NotebookError) as caught:
        parse_notebook(text, ids())
    assert reason in caught.value.message


def test_lone_surrogates_attachments_and_drawings_stay_in_the_file() -> None:
    svg = {
        "output_type": "display_data",
        "data": {"image/svg+xml": "<svg>\n</svg>", "image/png": "A\nB"},
        "metadata": {},
    }
    cells = [
        NotebookCell("aaaaaaaa", "code", "'\ud800'", [svg], attachments={"x": {}}),
        NotebookCell("bbbbbbbb", "markdown", "![](attachment:x)", attachments={"x": {"image/png": "AA"}}),
        NotebookCell("cccccccc", "markdown", "none"),
    ]
    text = text_of(Notebook(cells))
    raw = json.loads(text)["cells"]
    assert [cell.get("attachments") for cell in raw] == [None, {"x": {"image/png": "AA"}}, None]
    assert raw[0]["outputs"][0]["data"] == {"image/svg+xml": ["<svg>\n", "</svg>"], "image/png": "A\nB"}
    assert [cell.source for cell in parse_notebook(text, ids()).cells] == [cell.source for cell in cells]


def test_a_save_writes_the_cells_as_they_were_when_it_began() -> None:
    notebook = Notebook([saved("a", "1"), saved("b", "2")])
    text = Span(lambda offset, size: b"{}", 0, 2)
    notebook.cells[0].is_held(text)
    notebook.cells[1].touch()
    ((kept, copy),) = (page.cells for page in notebook.pages())
    assert (kept.text, kept.cell) == (text, notebook.cells[0])
    changed = copy.text
    assert isinstance(changed, NotebookCell)
    notebook.cells[1].source = "3"
    now = notebook.cells[1].outputs
    assert isinstance(now, list)
    now.append(OUTPUTS[0])
    notebook.cells[1].metadata["new"] = 1
    notebook.cells[1].touch()
    assert (copy.source, changed.source, copy.version) == ("2", "2", 1)
    assert (changed.outputs, changed.metadata) == ([], {})


def test_many_cells_that_they_removed_are_named_in_part() -> None:
    ours = Notebook([saved(i, i) for i in "abcdefghijkl"])
    assert merge(ours, Notebook())[1] == [
        "Somebody else removed 12 of the notebook's cells: a, b, c, d, e, f, g, h, i, j, ...."
    ]
    ten = Notebook([saved(i, i) for i in "abcdefghij"])
    assert merge(ten, Notebook())[1] == [
        "Somebody else removed 10 of the notebook's cells: a, b, c, d, e, f, g, h, i, j."
    ]


def test_their_edits_their_order_and_what_they_attached_hold_beside_our_outputs() -> None:
    ours = Notebook([saved("a", "old")])
    ours.cells[0].outputs = [OUTPUTS[0]]
    ours.cells[0].touch()
    their = saved("a", "old")
    their.metadata, their.attachments = {"tags": ["x"]}, {"y": {}}
    merged, troubles = merge(ours, Notebook([their]))
    (cell,) = merged.cells
    assert (cell.metadata, cell.attachments, cell.outputs) == ({"tags": ["x"]}, {"y": {}}, [OUTPUTS[0]])
    assert not cell.is_edited and not troubles and cell.is_dirty
    again, troubles = merge(merged, Notebook([saved("a", "theirs")]))
    assert (sources(again), again.cells[0].is_edited, troubles) == (["theirs"], True, [])


def test_our_edit_holds_where_they_left_the_text_alone() -> None:
    ours = Notebook([saved("a", "old")])
    ours.cells[0].source = "ours"
    ours.cells[0].touch()
    merged, troubles = merge(ours, Notebook([saved("a", "old")]))
    assert sources(merged) == ["ours"] and not troubles and not merged.cells[0].is_edited
    same, troubles = merge(merged, Notebook([saved("a", "ours")]))
    assert sources(same) == ["ours"] and not troubles


def test_indices_are_shifted_once_and_for_all() -> None:
    shifted = Notebook([saved("a", "a")], is_shifted=True)
    assert merge(shifted, Notebook([saved("a", "a")]))[0].is_shifted
    removed = Notebook([saved("a", "a"), saved("b", "b")])
    removed.remove("b")
    assert not merge(removed, Notebook([saved("a", "a"), saved("b", "b")]))[0].is_shifted


def test_a_new_cell_at_the_top_stays_there() -> None:
    ours = Notebook([NotebookCell("new", "code", "new"), saved("a", "a")])
    assert sources(merge(ours, Notebook([saved("t", "t"), saved("a", "a")]))[0]) == ["new", "t", "a"]


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("run 1", "run_1"),
        (" a/b\\c:d.ipynb ", "a_b_c_d"),
        (".hidden.", "hidden"),
        ("..", "notebook"),
        ("", "notebook"),
        ("a?*|b", "a_b"),
        ("x" * 300, "x" * 200),
        ("é" * 150, "é" * 100),
        ("a" * 199 + "é", "a" * 199),
    ],
)
def test_a_file_is_named_after_its_experiment(name: str, stem: str) -> None:
    assert file_stem(name) == stem


@pytest.mark.parametrize(
    ("stem", "copy"),
    [
        ("my - work", "my - work_continued"),
        ("x" * 200, "x" * 200 + "_continued"),
        ("é" * 124, "é" * 100 + "_continued"),
        ("\udcff", "\udcff_continued"),
        ("\udcff" * 201, "_continued"),
    ],
)
def test_a_copy_keeps_the_name_of_its_notebook_as_far_as_there_is_room(stem: str, copy: str) -> None:
    assert stem_of_copy(stem) == copy


def test_their_edits_and_our_outputs_both_survive() -> None:
    ours = Notebook([saved("a", "a"), saved("b", "b")])
    ours.cells[1].outputs = [OUTPUTS[0]]
    ours.cells[1].touch()
    theirs = Notebook([saved("a", "a edited"), saved("b", "b edited"), saved("n", "theirs")])
    merged, troubles = merge(ours, theirs)
    assert sources(merged) == ["a edited", "b edited", "theirs"] and not troubles
    assert merged.cells[1].outputs == [OUTPUTS[0]]


def test_our_new_cell_stays_behind_its_predecessor() -> None:
    ours = Notebook([saved("a", "a"), NotebookCell("new", "code", "new"), saved("b", "b")])
    merged, _ = merge(ours, Notebook([saved("b", "b"), saved("a", "a"), saved("t", "t")]))
    assert sources(merged) == ["b", "a", "new", "t"]


def test_a_cell_that_they_deleted_is_gone_unless_we_changed_it() -> None:
    ours = Notebook([saved("a", "a"), saved("b", "b"), saved("c", "c")])
    ours.cells[2].touch()
    merged, troubles = merge(ours, Notebook([saved("a", "a")]))
    assert sources(merged) == ["a", "c"]
    assert troubles[0] == "Somebody else removed 1 of the notebook's cells: b."


def test_a_cell_edited_on_both_sides_keeps_theirs_and_says_so() -> None:
    ours = Notebook([saved("a", "old")])
    ours.cells[0].source = "ours"
    ours.cells[0].touch()
    merged, troubles = merge(ours, Notebook([saved("a", "theirs")]))
    assert sources(merged) == ["theirs"] and merged.cells[0].is_edited and "cell a" in troubles[0]


def test_a_cell_that_they_deleted_while_we_changed_it_is_kept_and_reported() -> None:
    ours = Notebook([saved("a", "a"), NotebookCell("new", "code", "new")])
    ours.cells[0].touch()
    merged, troubles = merge(ours, Notebook([saved("b", "b")]))
    assert sources(merged) == ["b", "a", "new"]
    assert ["deleted cell a while it was being changed" in trouble for trouble in troubles] == [True]


def test_a_cell_that_we_deleted_stays_deleted_unless_they_edited_it() -> None:
    ours = Notebook([saved(i, i) for i in "abc"])
    ours.remove("a")
    ours.remove("b")
    merged, troubles = merge(ours, Notebook([saved("a", "a"), saved("b", "edited"), saved("c", "c")]))
    assert sources(merged) == ["edited", "c"] and "cell b" in troubles[0] and len(troubles) == 1


def test_what_they_took_out_of_the_metadata_stays_out() -> None:
    ours = Notebook([], {"kernelspec": {"name": "k"}, "theirs": 1})
    assert merge(ours, Notebook([], {"kernelspec": {"name": "k"}}))[0].metadata == {
        "kernelspec": {"name": "k"}
    }


def test_our_new_cells_come_last_in_a_notebook_of_which_nothing_is_left() -> None:
    ours = Notebook([saved("a", "a"), NotebookCell("x", "code", "x"), NotebookCell("y", "code", "y")])
    assert sources(merge(ours, Notebook([saved("b", "b")]))[0]) == ["b", "x", "y"]


def test_cells_that_lost_their_ids_are_known_by_their_text() -> None:
    ours = Notebook([saved("a", "1"), saved("b", "1"), saved("c", "2"), NotebookCell("new", "code", "3")])
    ours.cells[1].outputs = [OUTPUTS[0]]
    ours.cells[1].touch()
    merged, _ = merge(ours, Notebook([saved(f"lost{n}", source) for n, source in enumerate("1102")]))
    assert [cell.id for cell in merged.cells] == ["a", "b", "lost2", "c", "new"]
    assert merged.cells[1].outputs == [OUTPUTS[0]]


@pytest.mark.parametrize(
    ("theirs", "is_shifted"), [("abc", False), ("ab", True), ("acb", True), ("abcd", True), ("", True)]
)
def test_a_merge_tells_whether_indices_still_mean_the_same_cells(theirs: str, is_shifted: bool) -> None:
    ours = Notebook([*(saved(i, i) for i in "abc"), NotebookCell("new", "code", "new")])
    assert merge(ours, Notebook([saved(i, i) for i in theirs]))[0].is_shifted is is_shifted


def test_a_merge_marks_the_cells_whose_text_they_changed() -> None:
    ours = Notebook([saved(i, i) for i in "abc"])
    ours.cells[1].touch()
    merged, _ = merge(ours, Notebook([saved("a", "A"), saved("b", "B"), saved("c", "c"), saved("d", "d")]))
    assert [cell.is_edited for cell in merged.cells] == [True, True, False, False]
    again, _ = merge(merged, Notebook([saved("a", "A"), saved("b", "B"), saved("c", "c"), saved("d", "d")]))
    assert [cell.is_edited for cell in again.cells] == [True, True, False, False]


cell_lists = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8)


@given(cell_lists, cell_lists, st.sets(st.sampled_from("abcdefgh")), st.sets(st.sampled_from("abcdefgh")))
def test_a_merge_never_loses_a_change_of_either_side(
    base: list[str], theirs: list[str], dirty: set[str], new: set[str]
) -> None:
    ours = Notebook([saved(i, i) for i in base])
    for cell in ours.cells:
        if cell.id in new - set(theirs):
            cell.saved_version = -1
        elif cell.id in dirty:
            cell.outputs = [OUTPUTS[0]]
            cell.touch()
    merged, _ = merge(ours, Notebook([saved(i, i.upper()) for i in theirs]))
    result = [cell.id for cell in merged.cells]
    assert len(result) == len(set(result)) and set(theirs) <= set(result)
    for cell in ours.cells:
        if cell.is_dirty:
            assert cell.id in result
    kept = [i for i in result if i in theirs]
    assert kept == theirs


@given(st.text(max_size=400))
def test_every_experiment_name_gives_a_safe_file_name(name: str) -> None:
    stem = file_stem(name)
    assert stem and not stem.startswith(".") and len(stem.encode()) <= 200
    assert not set(stem) & set("/\\\0\n:") and stem not in (".", "..")


def test_an_empty_cell_of_theirs_is_not_taken_for_a_new_one_of_ours() -> None:
    ours = Notebook([saved("aaaa", "a"), NotebookCell("new1", "code", "ours")], {})
    merged, troubles = merge(ours, Notebook([saved("aaaa", "a"), saved("bbbb", "")], {}))
    assert sorted(sources(merged)) == ["", "a", "ours"] and troubles == []


@given(st.text("0123456789abcdef", min_size=8, max_size=32))
def test_a_new_cells_id_has_eight_characters_and_no_index_looks_like_it(digits: str) -> None:
    assert cell_id(digits)[0] in "abcdef" and cell_id(digits)[1:] == digits[1:8]


def test_new_cells_have_different_ids_for_any_first_digit() -> None:
    assert {cell_id(f"{digit}0000000")[0] for digit in "0123456789abcdef"} == set("abcdef")


CAFE = '{"nbformat": 4, "cells": [{"cell_type": "code", "source": ["a = \'café\'\\r\\n", "b\\rc"]}]}'


@pytest.mark.parametrize(
    ("encoding", "assumed"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("utf-16", ""),
        ("utf-16-be", ""),
        ("utf-32", ""),
        ("cp1252", "Windows-1252"),
    ],
)
def test_a_whole_notebook_is_read_in_whatever_encoding_it_comes(encoding: str, assumed: str) -> None:
    text, said = notebook_text(CAFE.encode(encoding))
    assert said == assumed
    assert parse_notebook(text, iter("abc")).cells[0].source == "a = 'café'\nb\nc"


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("a\r\nb\r\n", "a\nb\n"),
        ("a\rb", "a\nb"),
        ("\ufeff!ls", "!ls"),
        ("a\n\r\nb", "a\n\nb"),
        ("a\\r\\n", "a\\r\\n"),
        ("a\u2028b", "a\u2028b"),
    ],
)
def test_a_cell_is_sent_as_jupyterlab_would_send_it(given: str, sent: str) -> None:
    assert plain_source(given) == sent


def test_a_cell_with_outputs_is_written_as_nbformat_writes_it_whatever_its_metadata() -> None:
    outputs: list[dict[str, Any]] = [
        {"output_type": "stream", "name": "stdout", "text": 'a\n"outputs": []\nb'},
        {"output_type": "display_data", "data": {"image/png": "AAAA"}, "metadata": {"outputs": []}},
    ]
    for shown in (outputs, outputs[:1], []):
        cell = NotebookCell("c", "code", "x", shown, 1, {"outputs": [], "a": {"outputs": []}})
        text = text_of(Notebook([cell], {"outputs": []}))
        raw = json.loads(text)
        assert text == json.dumps(raw, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
        assert parse_notebook(text, iter(())).cells[0].outputs == shown
