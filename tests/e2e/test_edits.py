"""What the user does to a notebook in JupyterLab, between two calls and during a run, as JupyterLab does it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.project import Agent, Project, outputs_text, read_notebook, until

LINES = """\
import os, time
for i in range(20):
    print('line', i, flush=True)
    while i == 9 and not os.path.exists('edited'): time.sleep(0.02)"""


class Lab:
    """JupyterLab's side of one notebook: its contents API."""

    def __init__(self, project: Project, path: Path) -> None:
        facts = project.status_file()
        self._server = facts["URL"]
        self._headers = {"Authorization": f"token {facts['TOKEN']}"}
        self._path = str(path.relative_to(project.root))

    def _ask(self, method: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        url = f"{self._server}/api/contents/{self._path}"
        answer = httpx.request(method, url, headers=self._headers, json=body, timeout=30).raise_for_status()
        found = answer.json()
        assert isinstance(found, dict)
        return found

    def edit(self, change: Callable[[dict[str, Any]], object]) -> None:
        content = self._ask("GET")["content"]
        change(content)
        self._ask("PUT", {"type": "notebook", "format": "json", "content": content})

    def rename(self, name: str) -> None:
        self._path = self._ask("PATCH", {"path": f"{self._path.rpartition('/')[0]}/{name}"})["path"]


async def opened(agent: Agent, name: str) -> tuple[str, Path, Lab]:
    answer = await agent.record("start_new_session", experiment_name=name)
    path = Path(answer["notebook_path"])
    await agent.text("execute_code", session_id=answer["session_id"], code="a = 1; a")
    await until(lambda: [cell["execution_count"] for cell in read_notebook(path)["cells"]] == [1])
    return answer["session_id"], path, Lab(agent.project, path)


def cell(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": f"user-{source}", "metadata": {}, "source": source}


def sources(path: Path) -> list[str]:
    return ["".join(cell["source"]) for cell in read_notebook(path)["cells"]]


async def test_what_the_user_changed_between_two_calls_holds(shared_server: Project) -> None:
    async with shared_server.client() as agent:
        session, path, lab = await opened(agent, "between")
        lab.edit(lambda notebook: notebook["cells"].insert(0, cell("inserted")))
        refused = await agent.error("edit_cell", session_id=session, cell=0, source="replaced")
        assert "index 0 is now cell user-inserted" in refused
        lab.edit(lambda notebook: notebook["cells"][1].update(source="a = 'the user'"))
        refused = await agent.error("edit_cell", session_id=session, cell=1, source="a = 2")
        assert "a = 'the user'" in refused
        assert " stale " in await agent.text("read_notebook", session_id=session)
        assert "ok" in await agent.text("run_cell", session_id=session, cell=1)
        await until(lambda: sources(path) == ["inserted", "a = 'the user'"])


async def test_what_the_user_changed_during_a_run_holds_and_no_output_is_lost(shared_server: Project) -> None:
    async with shared_server.client() as agent:
        session, path, lab = await opened(agent, "during")
        await agent.text("execute_code", session_id=session, code=LINES, wait_s=0)
        await until(
            lambda: len(cells := read_notebook(path)["cells"]) == 2 and "line 9" in outputs_text(cells[1])
        )
        lab.edit(lambda notebook: notebook["cells"].insert(0, cell("inserted")))
        lab.edit(lambda notebook: notebook["cells"].pop())
        lab.rename("renamed.ipynb")
        path.with_name("edited").touch()
        said = await agent.text("wait_for_run", run_id=f"{session}-2")
        renamed = path.with_name("renamed.ipynb")
        await until(lambda: outputs_text(read_notebook(renamed)["cells"][-1]).count("line") == 20)
        assert sources(renamed) == ["inserted", "a = 1; a", LINES] and not path.exists()
        said += await agent.text("read_notebook", session_id=session)
        assert "was renamed to" in said and "the cell is kept" in said
        kernels = (await agent.record("ping"))["kernels"]
        assert [k["notebook"] for k in kernels if k["session_id"] == session] == ["notebooks/renamed.ipynb"]
