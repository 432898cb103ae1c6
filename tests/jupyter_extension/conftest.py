from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jupyter_extension.servers import Server, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that need nothing special of it; each test takes kernels of its own."""
    folder: Path = tmp_path_factory.mktemp("server")
    with serving(folder, lab=False) as running:
        yield running
