"""The file of a large notebook follows later: what is written is counted, and nothing is lost or there twice."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from jlab_tui.adapters.notebook import NotebookFile
from jlab_tui.core.journal.events import NotebookSaved
from jlab_tui.core.notebook.file_text import outputs_of
from jlab_tui.core.notebook.notebook import Notebook, NotebookCell
from jlab_tui.core.notebook.pace import LARGE
from jlab_tui.services.session.run_handle import RunHandle
from jlab_tui.services.session.session import Session
from tests.jupyters import Place
from tests.project import until


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def large_notebook(place: Place) -> Path:
    path = place.notebook_dir / "large.ipynb"
    text = NotebookCell("large000", "markdown", "x" * LARGE)
    NotebookFile(path).create(Notebook([text, NotebookCell("old00000", "code", "0")]))
    return path


def sources(path: Path) -> list[str]:
    return [cell.source for cell in NotebookFile(path).load().cells[2:]]


async def ran(session: Session, *codes: str) -> list[RunHandle]:
    runs = []
    for code in codes:
        runs.append(await session.cells.execute(code))
        await runs[-1].done.wait()
    return runs


async def test_no_cell_and_no_output_rewrites_a_large_file_while_cells_run_and_its_end_does_once(
    place: Place,
) -> None:
    path = large_notebook(place)
    process = place.process()
    session, _ = await process.open_existing(str(path))
    written = path.stat().st_ino
    await ran(session, *map(str, range(20)))
    run = await session.cells.execute("hang")
    kernel = place.server.by_id[session.identity.kernel_id]
    for number in range(300):
        kernel.says("stream", {"name": "stdout", "text": f"{number}\n"}, run.msg_id)
    await session.journal.flush()
    assert path.stat().st_ino == written and sources(path) == []
    kernel.ends(run.msg_id)
    await process.release()
    cells = NotebookFile(path).load().cells[2:]
    assert [cell.source for cell in cells] == [*map(str, range(20)), "hang"]
    assert outputs_of(cells[-1])[0]["text"].endswith("299\n")


async def test_a_large_file_follows_when_the_session_is_idle(place: Place) -> None:
    path = large_notebook(place)
    process = place.process()
    session, _ = await process.open_existing(str(path))
    await ran(session, "1", "2")
    await until(lambda: sources(path) == ["1", "2"])
    assert not session._sync.take_note()
    await process.release()


async def test_the_reply_says_once_that_a_large_file_follows(place: Place) -> None:
    path = large_notebook(place)
    process = place.process()
    session, _ = await process.open_existing(str(path))
    assert not session.take_file_note()
    await ran(session, "1")
    assert "larger than 10 MB, so its file follows" in session.take_file_note()
    await ran(session, "2")
    assert not session.take_file_note()
    await process.release()


async def reads(place: Place, session: Session) -> Path:
    await session.cells.read()
    return Path(session.identity.notebook)


async def reads_the_file(place: Place, session: Session) -> Path:
    (process,) = (process for process in place.processes if process.open_sessions)
    await process.save_at(session.identity.notebook)
    return Path(session.identity.notebook)


async def continues(place: Place, session: Session) -> Path:
    (process,) = (process for process in place.processes if process.open_sessions)
    copy = await process.fork(session.identity.notebook, "")
    return Path(copy.identity.notebook)


async def shuts_down(place: Place, session: Session) -> Path:
    (process,) = (process for process in place.processes if process.open_sessions)
    await process.shut_down(session.identity.id)
    return Path(session.identity.notebook)


@pytest.mark.parametrize("asks", [reads, reads_the_file, continues, shuts_down])
async def test_whoever_asks_for_a_large_notebook_gets_all_its_cells(place: Place, asks: Any) -> None:
    path = large_notebook(place)
    process = place.process()
    session, _ = await process.open_existing(str(path))
    await ran(session, "1", "2")
    assert sources(await asks(place, session)) == ["1", "2"]
    await process.release()


def edited(path: Path, *, without: Sequence[str] = (), **texts: str) -> None:
    """What somebody else makes of the file."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    raw["cells"] = [cell for cell in raw["cells"] if cell["id"] not in without]
    for cell in raw["cells"]:
        cell["source"] = texts.get(cell["id"], cell["source"])
    path.write_text(json.dumps(raw), encoding="utf-8")


async def test_a_process_that_is_killed_before_the_file_followed_leaves_all_to_the_next_one(
    place: Place,
) -> None:
    path = large_notebook(place)
    first = place.process()
    session, _ = await first.open_existing(str(path))
    kept = [run.cell for run in await ran(session, "1", "2", "3")]
    ended = time.time()
    await until(lambda: time.time() > ended + 0.01)  # a record counts milliseconds
    await session.save()
    await ran(session, "4")
    markdown, _ = await session.cells.add_markdown("text")
    await session.cells.edit(kept[0], "one", run=False)
    await session.cells.delete(kept[1])
    run = await session.cells.execute("hang")
    await session.journal.flush()
    place.kill(first)
    assert sources(path) == ["1", "2", "3"]
    edited(path, without=[kept[2]], old00000="the user's")
    kernel = place.server.by_id[session.identity.kernel_id]
    kernel.says("stream", {"name": "stdout", "text": "printed\n"}, run.msg_id)
    kernel.ends(run.msg_id)
    second = place.process()
    taken = await second.get(session.identity.id)
    await until(lambda: taken.runs[run.id].done.is_set())
    await second.release()
    assert sources(path)[:2] == ["one", "4"], "the cell that the user deleted stays deleted"
    assert sorted(sources(path)[2:]) == ["hang", "text"], "which may be of the same millisecond"
    cells = {cell.source: cell for cell in NotebookFile(path).load().cells}
    assert "the user's" in cells and cells["text"].id == markdown.id
    assert outputs_of(cells["4"])[0]["text"] == "4" and outputs_of(cells["hang"])[0]["text"] == "printed\n"


async def test_a_notebook_whose_kernel_is_gone_too_is_repaired_before_it_is_opened(place: Place) -> None:
    path = large_notebook(place)
    first = place.process()
    session, _ = await first.open_existing(str(path))
    await ran(session, "1")
    await session.journal.flush()
    place.kill(first)
    place.server.by_id.clear()
    second = place.process()
    again, is_live = await second.open_existing(str(path))
    assert not is_live and [cell.source for cell in again.notebook.cells[2:]] == ["1"]
    await second.release()
    assert sources(path) == ["1"]


async def test_a_notebook_of_usual_size_needs_no_word_in_the_record(place: Place) -> None:
    process = place.process()
    small = await process.open_new("small")
    await ran(small, "1")
    await small.save()
    large, _ = await process.open_existing(str(large_notebook(place)))
    await ran(large, "1")
    await large.save()
    await process.release()
    told = [
        [entry.event for entry in place.record_of(s.identity.id) if isinstance(entry.event, NotebookSaved)]
        for s in (small, large)
    ]
    assert [len(events) for events in told] == [0, 2]
