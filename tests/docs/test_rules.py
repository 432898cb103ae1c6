"""The table of ARCHITECTURE.md that names, for each rule, the tests that hold it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def rules() -> dict[str, list[str]]:
    """What stands in backticks beside each rule."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    table = text.partition("## Which test holds which rule")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {rule: re.findall("`([^`]+)`", tests) for rule, tests in rows if rule != "rule"}


def is_there(test: str) -> bool:
    if not test.startswith("tests/"):
        return test in (ROOT / "scripts" / "test").read_text(encoding="utf-8")
    pattern, _, name = test.partition("::")
    files = [path for path in ROOT.glob(pattern) if path.is_dir() or path.name.startswith("test_")]
    return bool(files) and all(not name or f"def {name}(" in f.read_text(encoding="utf-8") for f in files)


def test_every_rule_names_a_test() -> None:
    found = rules()
    assert len(found) > 20
    assert [rule for rule, tests in found.items() if not tests] == []


def test_every_test_that_holds_a_rule_is_there() -> None:
    named = [test for tests in rules().values() for test in tests]
    assert [test for test in named if not is_there(test)] == []


def test_every_test_that_a_page_names_is_there() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    for page in (ROOT / "docs").glob("*.md"):
        for name in re.findall(r"`(test_\w+)`", page.read_text(encoding="utf-8")):
            assert f"def {name}(" in tests, f"{page.name}: {name}"
