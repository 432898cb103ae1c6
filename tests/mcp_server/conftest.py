from __future__ import annotations

from pathlib import Path

import pytest

from .apps import Front


@pytest.fixture
def front(tmp_path: Path) -> Front:
    """The tools in this process, on a Jupyter server without processes."""
    return Front(tmp_path)
