"""Sessions are opened, taken over and closed on a server that other people use too."""

from __future__ import annotations

from pathlib import Path

import pytest

from jlab_tui.adapters.notebook import NotebookFile
from jlab_tui.core.notebook import Cell, Notebook
from tests.jupyters import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def notebook_in(place: Place, name: str, *sources: str) -> Path:
    path = place.notebook_dir / name
    NotebookFile(path).create(Notebook([Cell(f"cell-{n}", "code", s) for n, s in enumerate(sources)]))
    return path


async def test_the_users_own_kernel_is_used_as_it_is_and_outlives_every_session_on_it(place: Place) -> None:
    path = notebook_in(place, "n.ipynb", "x = 1")
    kernel = place.server.opened_by_the_user("notebooks/n.ipynb")
    first = place.process()
    session, is_live = await first.open_existing(str(path))
    assert (session.info.kernel_id, is_live) == (kernel.id, True)
    assert "the user" in session.info.warnings[0] and kernel.codes == []
    place.kill(first)
    place.server.reaps()
    second = place.process()
    again, is_live = await second.open_existing(str(path))
    assert (again.info.id, again.info.kernel_id, is_live) == (session.info.id, kernel.id, True)
    assert "goes on" in await second.shut_down(again.info.id)
    third = place.process()
    _, is_live = await third.open_existing(str(path))
    assert is_live and kernel.codes == []
    await third.release()
    place.server.reaps()
    assert kernel.id in place.server.by_id


async def test_a_new_notebook_gets_no_kernel_that_somebody_left_under_its_name(place: Place) -> None:
    left = place.server.opened_by_the_user("notebooks/n.ipynb")
    process = place.process()
    session = await process.open_new("n")
    assert session.info.kernel_id != left.id and left.path in session.info.warnings[0]
    await process.release()
    place.server.reaps()
    assert list(place.server.by_id) == [left.id]
