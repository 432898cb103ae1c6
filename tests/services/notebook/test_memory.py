"""The images of a notebook are in its file and in the record: memory holds few of them, and none is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jlab_tui.adapters.notebook import NotebookFile
from jlab_tui.core.notebook.file_text import outputs_of
from jlab_tui.core.notebook.notebook import Notebook, NotebookCell
from jlab_tui.core.notebook.stored import StoredOutputs
from jlab_tui.services.session.reader import Reader
from tests.jupyters import EchoKernel, Place
from tests.project import until

SIZE = 600_000


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def image(number: int) -> dict[str, Any]:
    return {"image/png": f"{number:06}" + "A" * SIZE, "text/plain": "<Figure>"}


def shows(kernel: EchoKernel, msg_id: str, *numbers: int) -> None:
    for number in numbers:
        kernel.says("display_data", {"data": image(number), "metadata": {}, "transient": {}}, msg_id)


def numbers_in(cell: NotebookCell) -> list[int]:
    return [int(output["data"]["image/png"][:6]) for output in outputs_of(cell)]


async def test_every_image_of_a_cell_is_in_the_notebook_and_few_are_in_memory(place: Place) -> None:
    process = place.process()
    session = await process.open_new("n")
    path = Path(session.identity.notebook)
    kernel = place.server.by_id[session.identity.kernel_id]
    run = await session.cells.execute("hang")
    shows(kernel, run.msg_id, *range(40))
    assert run.outputs is not None and run.outputs.images.total == 40
    assert run.outputs.size < 20 * SIZE
    (seen,) = await Reader(place.journals, place.notebooks).seen_cells(session, "", [0])
    assert numbers_in(seen[1]) == [*range(40)], "also while it runs"
    kernel.ends(run.msg_id)
    await session.save()
    (cell,) = session.notebook.cells
    assert isinstance(cell.outputs, StoredOutputs) and cell.outputs.kinds == ("image/png",)
    assert numbers_in(cell) == numbers_in(NotebookFile(path).load().cells[0]) == [*range(40)]
    later = await session.cells.execute("hang")
    shows(kernel, later.msg_id, 100)
    kernel.ends(later.msg_id)
    await process.release()
    first, second = NotebookFile(path).load().cells
    assert numbers_in(first) == [*range(40)] and numbers_in(second) == [100]


async def test_an_image_that_changes_later_changes_in_its_cell_wherever_that_is(place: Place) -> None:
    process = place.process()
    session = await process.open_new("n")
    kernel = place.server.by_id[session.identity.kernel_id]
    first = await session.cells.execute("hang")
    display = {"data": image(1), "metadata": {}, "transient": {"display_id": "d"}}
    kernel.says("display_data", display, first.msg_id)
    kernel.ends(first.msg_id)
    await session.save()
    second = await session.cells.execute("hang")
    kernel.says("update_display_data", {**display, "data": image(2)}, second.msg_id)
    kernel.ends(second.msg_id)
    await until(lambda: numbers_in(session.notebook.cells[0]) == [2])
    await process.release()
    assert numbers_in(NotebookFile(Path(session.identity.notebook)).load().cells[0]) == [2]


async def test_the_users_edits_are_merged_with_cells_that_only_the_file_has(place: Place) -> None:
    path = place.notebook_dir / "n.ipynb"
    output = {"output_type": "display_data", "data": image(7), "metadata": {}}
    NotebookFile(path).create(
        Notebook(
            [NotebookCell("image000", "code", "plot()", [output]), NotebookCell("text0000", "markdown", "x")]
        )
    )
    process = place.process()
    session, _ = await process.open_existing(str(path))
    assert isinstance(session.notebook.cells[0].outputs, StoredOutputs)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("plot()", "plot(1)").replace('"x"', '"y"'), encoding="utf-8")
    run = await session.cells.execute("1")
    await run.done.wait()
    await process.release()
    cells = NotebookFile(path).load().cells
    assert [cell.source for cell in cells] == ["plot(1)", "y", "1"]
    assert numbers_in(cells[0]) == [7]


async def test_outputs_in_a_file_that_was_written_over_and_removed_are_missed_with_a_word(
    place: Place,
) -> None:
    path = place.notebook_dir / "n.ipynb"
    output = {"output_type": "display_data", "data": image(7), "metadata": {}}
    NotebookFile(path).create(Notebook([NotebookCell("image000", "code", "plot()", [output])]))
    process = place.process()
    session, _ = await process.open_existing(str(path))
    path.write_text("{half an edit", encoding="utf-8")
    path.unlink()
    await (await session.cells.execute("1")).done.wait()
    await session.save()
    (removed, lost) = session.warnings()
    assert "writes a new one" in removed and "image000" in lost
    await process.release()
    assert [cell.source for cell in NotebookFile(path).load().cells] == ["plot()", "1"]


async def test_a_file_that_was_only_removed_is_written_with_everything(place: Place) -> None:
    path = place.notebook_dir / "n.ipynb"
    output = {"output_type": "display_data", "data": image(7), "metadata": {}}
    NotebookFile(path).create(Notebook([NotebookCell("image000", "code", "plot()", [output])]))
    process = place.process()
    session, _ = await process.open_existing(str(path))
    path.unlink()
    await (await session.cells.execute("1")).done.wait()
    await process.release()
    assert numbers_in(NotebookFile(path).load().cells[0]) == [7]


async def test_a_run_that_is_taken_over_has_all_its_images_in_the_notebook_too(place: Place) -> None:
    first = place.process()
    session = await first.open_new("n")
    kernel = place.server.by_id[session.identity.kernel_id]
    run = await session.cells.execute("hang")
    shows(kernel, run.msg_id, *range(20))
    await session.journal.flush()
    place.kill(first)
    second = place.process()
    taken = await second.get(session.identity.id)
    shows(kernel, run.msg_id, *range(20, 30))
    kernel.ends(run.msg_id)
    await taken.runs[run.id].done.wait()
    await second.release()
    (cell,) = NotebookFile(Path(session.identity.notebook)).load().cells
    assert numbers_in(cell) == [*range(30)]
