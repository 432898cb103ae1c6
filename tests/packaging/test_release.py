"""What a release says about itself: one version, one address, actions that cannot be exchanged under it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from jlab_tui import __version__

ROOT = Path(__file__).parents[2]
with (ROOT / "pyproject.toml").open("rb") as file:
    PROJECT = tomllib.load(file)["project"]
REPOSITORY = PROJECT["urls"]["Repository"]


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def test_the_citation_and_the_changelog_have_the_version_of_the_package() -> None:
    cited = dict(re.findall(r"^([\w-]+): (.+)$", read("CITATION.cff"), re.M))
    assert cited["version"] == __version__
    assert cited["repository-code"] == REPOSITORY
    assert cited["license"] == PROJECT["license"]
    released = re.search(r"^## \[(\d[^\]]*)\] - (\d{4}-\d\d-\d\d)$", read("CHANGELOG.md"), re.M)
    if released is not None:  # the newest one stands first, below what is not released yet
        assert released.groups() == (__version__, cited["date-released"])


def test_the_project_has_one_address() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("plugin/.claude-plugin/*.json")]
    text = (
        "\n".join(page.read_text(encoding="utf-8") for page in pages)
        + read("pyproject.toml")
        + read("CITATION.cff")
    )
    theirs = re.findall(r"https://(?:github|raw\.githubusercontent)\.com/[\w.-]+/jlab-mcp\b", text)
    there = {REPOSITORY, REPOSITORY.replace("github.com", "raw.githubusercontent.com")}
    assert set(theirs) == there
    assert f"marketplace add {REPOSITORY.removeprefix('https://github.com/')} " in read("docs/laptop.md")


def test_each_python_that_is_claimed_is_one_that_the_workflow_tries() -> None:
    claimed = {name.rpartition(" ")[2] for name in PROJECT["classifiers"] if ":: Python :: 3." in name}
    (tried,) = re.findall(r"python: \[(.*)\]", read(".github/workflows/test.yml"))
    assert claimed <= set(re.findall(r"[\d.]+", tried)) and len(claimed) > 2


@pytest.mark.parametrize("name", ["test.yml", "release.yml"])
def test_a_workflow_pins_every_action_to_a_commit_and_may_write_nothing(name: str) -> None:
    text = read(f".github/workflows/{name}")
    used = re.findall(r"uses: (\S+)", text)
    assert used and all(re.search(r"@[0-9a-f]{40}$", one) or one.startswith("./") for one in used)
    permissions = re.findall(r"^ *(contents|id-token|packages|actions): (\w+)$", text, re.M)
    assert ("contents", "read") in permissions
    assert [one for one in permissions if one[1] == "write"] == [("id-token", "write")] * (
        name == "release.yml"
    )
