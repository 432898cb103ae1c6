"""JSON from outside: what nests too deeply is refused, however much of it there is."""

from __future__ import annotations

import json

import pytest

from jlab_tui.core.json_values import DEEPEST, parse_json


@pytest.mark.parametrize("wide", [[[]] * 500, {str(n): {} for n in range(500)}, [{"a": [1]}] * 200])
def test_a_wide_value_is_not_taken_for_a_deep_one(wide: object) -> None:
    assert parse_json(json.dumps(wide)) == wide


@pytest.mark.parametrize(("levels", "is_taken"), [(DEEPEST, True), (DEEPEST + 1, False), (100_000, False)])
def test_a_value_has_at_most_a_hundred_levels(levels: int, is_taken: bool) -> None:
    raw = "[" * levels + "]" * levels
    if is_taken:
        assert isinstance(parse_json(raw), list)
    else:
        with pytest.raises(ValueError, match="nested too deeply"):
            parse_json(raw)
