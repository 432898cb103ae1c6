"""One other machine with a running server for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project import Project, project_in

from .machines import There, install, machine


@pytest.fixture(scope="session")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    """A machine with a project whose server runs."""
    directory = tmp_path_factory.mktemp("there")
    with (
        project_in(directory, JLAB_MCP_EXIT_GRACE_S="1") as project,
        machine(directory / "ssh", project, "AllowTcpForwarding no") as made,
    ):
        install(project)
        project.start()
        yield made


@pytest.fixture
def here(there: There, tmp_path: Path) -> Iterator[Project]:
    """A project on the laptop, without anything in it."""
    with there.here(tmp_path / "here") as project:
        yield project
