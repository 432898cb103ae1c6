"""The table of variables, from any answer of a kernel."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jlab_tui.core.kernel.variable_table import (
    NO_PYTHON,
    Column,
    KernelVariable,
    Variables,
    cells_of,
    parse_variables,
    size_text,
    sorted_by,
    value_of,
    variables_table,
)


def answer(plain: str, status: str = "ok") -> dict[str, Any]:
    return {"user_expressions": {"v": {"status": status, "data": {"text/plain": plain}}}}


def row(name: str, size: int = 0, **texts: str) -> dict[str, Any]:
    return {"name": name, "bytes": size, **texts}


def test_an_answer_becomes_rows_and_what_is_missing_is_empty() -> None:
    plain = repr(json.dumps({"rows": [row("x", 48, dtype="float32"), row("n", 28, value="1")], "total": 5}))
    found = parse_variables(answer(plain))
    assert found == Variables(
        (KernelVariable("x", dtype="float32", bytes=48), KernelVariable("n", bytes=28, value="1")), 5
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({}, NO_PYTHON),
        ({"user_expressions": {"v": {"status": "error", "ename": "E", "evalue": "v"}}}, "read: E: v"),
        ({"user_expressions": {"v": {"status": "error"}}}, "read: no answer: "),
        (answer("'{'"), "is not understood"),
        (answer("1"), "is not understood"),
        (answer("("), "is not understood"),
    ],
)
def test_an_answer_without_variables_is_a_sentence(content: dict[str, Any], sentence: str) -> None:
    found = parse_variables(content)
    assert isinstance(found, str) and sentence in found
    assert variables_table(found, None) == found


A = KernelVariable("a", "int", value="3", bytes=28)
B = KernelVariable("B", "torch.Tensor", "(2, 3)", "float32", "cuda:0", 4_000)
C = KernelVariable("c", "list", "7", bytes=120)


@pytest.mark.parametrize(
    ("column", "is_reversed", "names"),
    [
        (Column.NAME, False, "aBc"),
        (Column.NAME, True, "cBa"),
        (Column.SIZE, False, "Bca"),
        (Column.SIZE, True, "acB"),
        (Column.TYPE, False, "acB"),
        (Column.DEVICE, False, "Bac"),
        (Column.DEVICE, True, "Bac"),
        (Column.SHAPE, True, "cBa"),
    ],
)
def test_rows_are_sorted_by_any_column_with_empty_ones_last(
    column: Column, is_reversed: bool, names: str
) -> None:
    assert "".join(one.name for one in sorted_by([C, A, B], column, is_reversed=is_reversed)) == names


def test_a_row_has_a_text_for_each_column() -> None:
    assert list(cells_of(B).values()) == ["B", "torch.Tensor", "(2, 3)", "float32", "cuda:0", "4.0 kB", ""]


def test_the_models_table_says_what_it_leaves_out() -> None:
    table = variables_table(Variables((B, A), 1_300), ["B", "a", "ghost"])
    assert table.splitlines() == [
        "name | type | shape | dtype | device | size | value",
        "B | torch.Tensor | (2, 3) | float32 | cuda:0 | 4.0 kB | ",
        "a | int |  |  |  | 28 B | 3",
        "... the 2 largest of 1,300; ask for others by name.",
        "Not found: ghost.",
    ]
    assert variables_table(Variables((A,), 1), ["a"]).splitlines()[1:] == ["a | int |  |  |  | 28 B | 3"]
    assert variables_table(Variables((), 0), None) == "No variables yet."
    assert variables_table(Variables((), 0), ["x", "y"]) == "None of x, y exists."


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_960, "1.0 MB"),
        (3.2e6, "3.2 MB"),
        (1.61e9, "1.6 GB"),
        (2.5e12, "2,500.0 GB"),
    ],
)
def test_a_size_has_few_digits(count: float, shown: str) -> None:
    assert size_text(count) == shown


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ({"status": "ok", "data": {"text/plain": "0.25"}}, "0.25"),
        ({"status": "ok", "data": {"text/plain": "x" * 601}}, "x" * 600 + " ..."),
        ({"status": "ok", "data": {"text/plain": "1\n" * 10 + "1"}}, "1\n" * 9 + "1 ..."),
        ({"status": "ok", "data": {}}, "no text"),
        ({"status": "error", "ename": "NameError", "evalue": "no x"}, "NameError: no x"),
        (None, "no answer: "),
    ],
)
def test_the_value_of_an_expression_is_a_bounded_text(answer: object, value: str) -> None:
    assert value_of({"user_expressions": {"v": answer}}) == value
