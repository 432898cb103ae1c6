"""Every package that the scripts and a start install is an exact version, compared with its hash."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from jlab_tui.adapters.bootstrap import PACKAGES, PINNED

ROOT = Path(__file__).parents[2]
LOCKS = (ROOT / "requirements.lock", ROOT / "requirements-dev.lock", PINNED)


def entries(lock: Path) -> list[str]:
    """Each requirement with its hashes, on one line."""
    return lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()


def pins(lock: Path) -> dict[str, list[Requirement]]:
    found: dict[str, list[Requirement]] = {}
    for entry in entries(lock):
        one = Requirement(entry.partition("--hash")[0].strip())
        found.setdefault(canonicalize_name(one.name), []).append(one)
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_pin_has_a_version_and_hashes_and_names_no_registry(lock: Path) -> None:
    assert len(entries(lock)) > 50
    exact = re.compile(r"[A-Za-z0-9._-]+==[^ ;]+ *(;[^-]*(-?[^-]+)*)?( +--hash=sha256:[0-9a-f]{64})+ *")
    assert [entry for entry in entries(lock) if not exact.fullmatch(entry)] == []
    assert "//" not in lock.read_text(encoding="utf-8")


@pytest.mark.parametrize("lock", LOCKS[:2], ids=lambda lock: lock.name)
def test_what_the_project_requires_is_pinned_within_its_bounds(lock: Path) -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        whole = tomllib.load(file)
    project = whole["project"]
    wanted = [*project["dependencies"], *whole["build-system"]["requires"]]
    wanted += project["optional-dependencies"]["dev"] if "dev" in lock.name else []
    pinned = pins(lock)
    for one in map(Requirement, wanted):
        versions = [str(pin.specifier).removeprefix("==") for pin in pinned[canonicalize_name(one.name)]]
        assert versions and all(one.specifier.contains(version) for version in versions), one


def test_what_the_program_needs_has_a_bound_above() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        whole = tomllib.load(file)
    for one in map(Requirement, [*whole["project"]["dependencies"], *whole["build-system"]["requires"]]):
        assert any(part.operator == "<" for part in one.specifier), one


def test_a_new_environment_of_a_project_gets_pinned_packages() -> None:
    assert set(PACKAGES) <= set(pins(PINNED))
