"""JSON from outside: any content is safe to walk, store and encode, and each field has its kind or is left out."""

from __future__ import annotations

import json

import pytest

from jlab_tui.core.json_values import DEEPEST, clean_text, items, mapping, number, parse_json, text, whole


@pytest.mark.parametrize("wide", [[[]] * 500, {str(n): {} for n in range(500)}, [{"a": [1]}] * 200])
def test_a_wide_value_is_not_taken_for_a_deep_one(wide: object) -> None:
    assert parse_json(json.dumps(wide)) == wide


@pytest.mark.parametrize(("levels", "is_taken"), [(DEEPEST, True), (DEEPEST + 1, False), (100_000, False)])
def test_a_value_has_at_most_a_hundred_levels(levels: int, is_taken: bool) -> None:
    for opening, closing in ("[", "]"), ('{"a":', "}"):
        raw = opening * (levels - 1) + "[]" + closing * (levels - 1)
        if is_taken:
            assert json.loads(raw) == parse_json(raw)
        else:
            with pytest.raises(ValueError, match="nested too deeply"):
                parse_json(raw)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"a": "\xc3\xa9"}', {"a": "é"}),
        (b'"\xff"', "\ufffd"),
        ("[NaN, Infinity, -Infinity, 1e999, -1E+999, 1e22]", [None, None, None, None, None, 1e22]),
        ("[" + "9" * 400 + ", -" + "9" * 299 + "]", [None, None]),
        ("[" + "9" * 299 + "]", [int("9" * 299)]),
        ("[" + "9" * 299 + ", 1e100, " + "9" * 300 + "]", [int("9" * 299), 1e100, None]),
        ("[0.5, 7]", [0.5, 7]),
        (r'"\ud800"', "\ufffd"),
        (r'{"\udfff": ["a\uDC00", 1, null]}', {"\ufffd": ["a\ufffd", 1, None]}),
        (r'"\ud83d\ude00 and \ud83d"', "\U0001f600 and \ufffd"),
    ],
)
def test_what_json_does_not_have_becomes_none_or_a_mark(raw: str | bytes, value: object) -> None:
    assert parse_json(raw) == value


@pytest.mark.parametrize("raw", ["", "{", b"[1,]", "nul"])
def test_invalid_json_is_refused(raw: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"column|Expecting|Illegal"):
        parse_json(raw)


@pytest.mark.parametrize(
    ("text", "clean"),
    [("plain", "plain"), ("é", "é"), ("a\ud800", "a\ufffd"), ("\ud83d\ude00", "\ufffd\ufffd")],
)
def test_text_that_no_encoder_accepts_is_repaired(text: str, clean: str) -> None:
    assert clean_text(text) == clean


@pytest.mark.parametrize(
    ("value", "as_whole", "as_number"),
    [
        (0, 0, 0.0), (7, 7, 7.0), (-1, 5, -1.0), (2**53, 2**53, 2.0**53), (2**53 + 1, 5, 2.0**53), (True, 5, None),
        (1.5, 5, 1.5), ("7", 5, None), (None, 5, None), (-1e300, 5, -1e300), (10**301, 5, None),
    ],
)  # fmt: skip
def test_a_number_is_a_count_a_measurement_or_neither(
    value: object, as_whole: int, as_number: float | None
) -> None:
    assert (whole(value, 5), number(value)) == (as_whole, as_number)


def test_a_field_of_another_kind_is_an_empty_one() -> None:
    assert (mapping({"a": 1}), mapping([1]), items([1]), items({"a": 1})) == ({"a": 1}, {}, [1], [])
    assert (text("a", "b"), text(1, "b"), text(None)) == ("a", "b", "")
