from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """A private directory whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="jlab-") as name:
        yield Path(name)
