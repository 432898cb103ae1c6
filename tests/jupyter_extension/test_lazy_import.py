"""Packages put off until they are used."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from jlab_tui.jupyter_extension.lazy_import import put_off

PACKAGE = "from . import parts\nNAME = __name__\ndef doubled(n, *, plus=0):\n    return 2 * n + plus\n"


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    package = tmp_path / "slow_grammar"
    package.mkdir()
    (package / "__init__.py").write_text(PACKAGE, encoding="utf-8")
    (package / "parts.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    put_off("slow_grammar", "doubled")
    yield
    for name in ("slow_grammar", "slow_grammar.parts"):
        sys.modules.pop(name, None)


def test_a_package_is_loaded_when_its_function_is_called_and_not_when_it_is_imported(slow: None) -> None:
    from slow_grammar import doubled  # type: ignore[import-not-found]

    assert "slow_grammar.parts" not in sys.modules
    assert doubled(20, plus=2) == 42
    assert "slow_grammar.parts" in sys.modules
    assert doubled(1) == 2


def test_any_other_name_of_it_is_found_and_a_wrong_one_is_not(slow: None) -> None:
    import slow_grammar

    assert slow_grammar.NAME == "slow_grammar"
    with pytest.raises(AttributeError, match="no_such_name"):
        print(slow_grammar.no_such_name)


def test_a_package_that_is_not_installed_stays_missing() -> None:
    put_off("no_such_module_at_all", "anything")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("no_such_module_at_all")
