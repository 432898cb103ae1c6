"""Bad input gets a clear sentence, and nothing is lost."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from mcp.shared.exceptions import MCPError

from tests.project import Project, outputs_text, read_notebook, until
from tests.shared import SharedProject


async def test_tools_without_a_server_say_what_the_user_types(project: Project) -> None:
    async with project.client() as agent:
        ping = await agent.record("ping")
        assert ping["status"] == "no_server" and ping["healthy"] is False and "jlab-mcp start" in ping["hint"]
        for tool, arguments in (
            ("start_new_session", {"experiment_name": "x"}),
            ("execute_code", {"session_id": "00000000", "code": "1"}),
            ("check_resources", {}),
            ("execute_scratch", {"code": "1"}),
        ):
            text = await agent.error(tool, **arguments)
            assert "No Jupyter server is running" in text and "jlab-mcp start" in text, tool
    assert not (project.home / ".jlab-mcp").exists()


async def test_unknown_ids_are_answered_with_the_known_ones(shared_server: SharedProject) -> None:
    async with shared_server.shared_client() as agent:
        session = await agent.session("ids")
        await agent.text("execute_code", session_id=session, code="1")
        for wrong in ("ffffffff", "", "../../etc", "x" * 100_000):
            text = await agent.error("execute_code", session_id=wrong, code="1")
            assert "There is no session" in text and session in text and len(text) < 10_000
        with pytest.raises(MCPError, match=f"no session 'ffffffff'. Open sessions: {session}"):
            await agent.ask(agent.client.read_resource, "jlab-mcp://session/ffffffff/notebook")
        text = await agent.error("wait_for_run", run_id="ffffffff-1")
        assert "There is no run 'ffffffff-1'" in text and f"{session}-1" in text
        assert "There is no run" in await agent.error("read_output", run_id=f"{session}-99")


async def test_notebook_paths_are_checked(shared_server: SharedProject, tmp_path: Path) -> None:
    root = shared_server.root
    outside = tmp_path / "outside.ipynb"
    outside.write_text(
        json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), encoding="utf-8"
    )
    (root / "link.ipynb").symlink_to(outside)
    sibling = Path(str(root) + "-sibling")
    sibling.mkdir()
    (sibling / "n.ipynb").write_text(outside.read_text(encoding="utf-8"), encoding="utf-8")
    (root / "broken.ipynb").write_text("{not json", encoding="utf-8")
    (root / "list.ipynb").write_text("[1, 2]", encoding="utf-8")
    (root / "old.ipynb").write_text(
        '{"nbformat": 3, "nbformat_minor": 0, "worksheets": []}', encoding="utf-8"
    )
    (root / "latin.ipynb").write_bytes(b"\xff\xfe\x00caf\xe9")
    (root / "folder.ipynb").mkdir()
    (root / "circle.ipynb").symlink_to("circle.ipynb")
    os.mkfifo(root / "pipe.ipynb")
    (root / "text.txt").write_text("x", encoding="utf-8")
    async with shared_server.shared_client() as agent:
        for path, sentence in (
            ("missing.ipynb", "There is no notebook"),
            (str(outside), "outside the directories"),
            ("../../../etc/passwd", "outside the directories"),
            ("link.ipynb", "outside the directories"),
            (str(sibling / "n.ipynb"), "outside the directories"),
            ("broken.ipynb", "not JSON"),
            ("list.ipynb", "not a notebook"),
            ("old.ipynb", "format 3"),
            ("latin.ipynb", "not JSON"),
            ("folder.ipynb", "is a directory"),
            ("text.txt", "not an .ipynb file"),
            ("x" * 5000 + ".ipynb", "File name too long"),
            ("~nobody-of-this-name/n.ipynb", "cannot be found"),
            ("circle.ipynb", "cannot be found"),
            ("pipe.ipynb", "not a plain file"),
            ("", "path is empty"),
        ):
            for tool in ("start_session_resume_notebook", "start_session_continue_notebook"):
                assert sentence in await agent.error(tool, notebook_path=path), (tool, path)
    assert (root / "broken.ipynb").read_text(encoding="utf-8") == "{not json"


async def test_no_way_around_the_directories_opens_a_notebook_outside(
    shared_server: SharedProject, tmp_path: Path
) -> None:
    root = shared_server.root
    outside = tmp_path / "outside"
    outside.mkdir()
    secret: dict[str, object] = {
        "cell_type": "code",
        "id": "a",
        "metadata": {},
        "source": "5e1ec7ed",
        "outputs": [],
        "execution_count": None,
    }
    notebook = {"cells": [secret], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (outside / "n.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    (root / "away").symlink_to(outside)
    (root / "twice.ipynb").symlink_to(root / "away" / "n.ipynb")
    (root / "zero.ipynb").symlink_to("/dev/zero")
    (root / "root").symlink_to("/")
    up = "/".join([".."] * 20)
    ways = [
        f"{where}{outside}/n.ipynb"
        for where in ("", "/", "/.", up, f"{root}/{up}", "notebooks/../" + up, "/proc/self/root", "/proc/self/cwd/" + up, "/proc/1/root", "root", "file://", "root/proc/self/root")
    ]  # fmt: skip
    ways += [
        "away/n.ipynb",
        "away/../away/n.ipynb",
        "./away//n.ipynb",
        "twice.ipynb",
        "zero.ipynb",
        "/dev/zero",
        "/dev/stdin",
    ]
    ways += [
        "n\0.ipynb",
        "%2e%2e/n.ipynb",
        "..\\n.ipynb",
        "/proc/self/fd/0",
        "~root/n.ipynb",
        "\u202en.ipynb",
    ]
    async with shared_server.shared_client() as agent:
        for way in ways:
            for tool in ("start_session_resume_notebook", "start_session_continue_notebook"):
                assert "5e1ec7ed" not in await agent.error(tool, notebook_path=way), (tool, way)
    assert len(ways) == 25 and [path.name for path in outside.iterdir()] == ["n.ipynb"]


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a/b/../c", "a_b_.._c"),
        ("..", "notebook"),
        ("", "notebook"),
        (".hidden", "hidden"),
        ("🚀 launch", "🚀_launch"),
        ("x" * 300, "x" * 200),
        ("trailing.ipynb", "trailing"),
        ("tab\tnew\nline", "tab_new_line"),
    ],
)
async def test_experiment_names_become_safe_file_names(
    shared_server: SharedProject, name: str, stem: str
) -> None:
    async with shared_server.shared_client() as agent:
        opened = await agent.record("start_new_session", experiment_name=name)
        path = Path(opened["notebook_path"])
        assert path.parent == shared_server.root / "notebooks" and path.stem.startswith(stem)
        assert path.exists()
        await agent.text("shutdown_session", session_id=opened["session_id"])


async def test_cells_that_do_not_exist_or_cannot_run_are_named(shared_server: SharedProject) -> None:
    async with shared_server.shared_client() as agent:
        session = await agent.session("cells")
        assert "has 0 cells" in await agent.error("edit_cell", session_id=session, cell=0, source="1")
        await agent.text("execute_code", session_id=session, code="1")
        await agent.text("add_markdown", session_id=session, markdown="text")
        assert "has 2 cells" in await agent.error("edit_cell", session_id=session, cell=2, source="1")
        assert "Use an index from -2 to 1" in await agent.error("delete_cell", session_id=session, cell=-3)
        assert "cell" in await agent.error("delete_cell", session_id=session, cell=True)
        assert "There is no cell 'ghost'" in await agent.error("run_cell", session_id=session, cell="ghost")
        assert "is a markdown cell" in await agent.error("run_cell", session_id=session, cell=1)
        assert "Position 7" in await agent.error("add_markdown", session_id=session, markdown="x", position=7)
        assert "Position 9" in await agent.error("execute_code", session_id=session, code="1", cell_index=9)
        await agent.cells(session, 2)


async def test_arguments_are_checked_before_anything_is_done(shared_server: SharedProject) -> None:
    async with shared_server.shared_client() as agent:
        session = await agent.session("arguments")
        text = await agent.error("execute_code", session_id=session, code="1", tiemout=5)
        assert "has no argument 'tiemout'" in text and "Nothing was done" in text
        assert "Did you mean 'code'" in await agent.error("execute_code", session_id=session, cod="1")
        text = await agent.error("start_session_resume_notebook", path="x.ipynb")
        assert "Did you mean 'notebook_path'?" in text
        assert "argument 'code' is missing" in await agent.error("execute_code", session_id=session)
        for wrong in (-1, 1e9, "soon"):
            assert "wait_s" in await agent.error("execute_code", session_id=session, code="1", wait_s=wrong)
        started = await agent.text(
            "execute_code", session_id=session, code="import time; time.sleep(0.5)", wait_s=0
        )
        assert f'it continues. Call wait_for_run(run_id="{session}-1")' in started
        assert "There is no tool 'pong'. Did you mean 'ping'?" in await agent.error("pong")
        await agent.text("wait_for_run", run_id=f"{session}-1")
        assert "not a regular expression" in await agent.error("read_output", run_id=f"{session}-1", grep="(")


async def test_code_that_cannot_work_is_a_result_or_a_refusal(shared_server: SharedProject) -> None:
    async with shared_server.shared_client() as agent:
        session = await agent.session("code")
        assert "code is empty" in await agent.error("execute_code", session_id=session, code="  \n ")
        assert "SyntaxError" in await agent.text("execute_code", session_id=session, code="def f(:")
        text = await agent.text("execute_code", session_id=session, code="input('name? ')")
        assert "StdinNotImplementedError" in text
        text = await agent.text(
            "execute_code",
            session_id=session,
            code=r"print('a\udcffb'); import os; _ = os.write(1, b'\xff\xfe raw')",
        )
        assert "run " in text
        broken = "from IPython.display import display; display({'image/png': 'bm90IGEgcG5n', 'text/plain': 'fallback'}, raw=True)"
        assert "cannot be decoded" in await agent.text("execute_code", session_id=session, code=broken)
        assert (await agent.text("execute_code", session_id=session, code="6 * 7")).startswith("42\n")


async def test_a_huge_print_is_cut_for_the_model_and_kept_in_the_record(shared_server: SharedProject) -> None:
    async with shared_server.shared_client() as agent:
        session = await agent.session("huge")
        reply = await agent.text(
            "execute_code",
            session_id=session,
            code="print('x' * 79 + '\\n' + ('y' * 79 + '\\n') * 250_000 + 'the end')",
        )
        assert len(reply) < 25_000 and reply.startswith("x" * 79) and "the end" in reply
        assert f'read_output(run_id="{session}-1"' in reply
        page = await agent.text("read_output", run_id=f"{session}-1", tail=1)
        (told,) = [line for line in shared_server.journal(session) if line["k"] == "cut"]  # for the dashboard
        assert told["run"] == f"{session}-1" and told["chars"] > 19_900_000
        assert "the end" in page and "250,002 lines" in page
        (cell,) = await agent.cells(session, 1, lambda cells: " left out; " in outputs_text(cells[0]))
        assert len(outputs_text(cell)) < 9_000_000


async def test_outputs_come_back_when_the_notebook_cannot_be_written(shared_server: SharedProject) -> None:
    async with shared_server.shared_client() as agent:
        opened = await agent.record("start_new_session", experiment_name="unwritable")
        session, path = opened["session_id"], Path(opened["notebook_path"])
        directory = path.parent
        moved = directory.with_name("moved-away")
        directory.rename(moved)
        directory.write_text("a file where the directory was", encoding="utf-8")
        try:
            assert (await agent.text("execute_code", session_id=session, code="1 + 1")).startswith("2\n")
            reply = await agent.text("execute_code", session_id=session, code="2 + 2")
            assert reply.startswith("4\n") and "Warning: The notebook could not be saved" in reply
        finally:
            directory.unlink()
            moved.rename(directory)
        await agent.text("execute_code", session_id=session, code="3 + 3")
        await until(lambda: [c["execution_count"] for c in read_notebook(path)["cells"]] == [1, 2, 3])


async def test_a_new_session_works_where_no_notebook_can_be_made(project: Project) -> None:
    blocked = project.root / "notebooks"
    blocked.write_text("not a directory", encoding="utf-8")
    project.start()
    async with project.client() as agent:
        opened = await agent.record("start_new_session", experiment_name="nowhere")
        assert "cannot be written" in opened["warnings"][0]
        assert (await agent.text("execute_code", session_id=opened["session_id"], code="1 + 1")).startswith(
            "2\n"
        )


async def test_a_damaged_status_file_is_a_sentence_for_the_model(project: Project) -> None:
    from jlab_tui.core.settings import status_dir_name

    directory = project.home / ".jlab-mcp" / "servers" / status_dir_name(project.root)
    directory.mkdir(parents=True)
    (directory / "server-status").write_text("STATE=rea", encoding="utf-8")
    async with project.client() as agent:
        ping = await agent.record("ping")
        assert (
            ping["healthy"] is False and "incomplete" in ping["message"] and "jlab-mcp stop" in ping["hint"]
        )
        assert "jlab-mcp stop" in await agent.error("start_new_session")


def test_a_bad_setting_keeps_the_mcp_server_from_starting_with_one_sentence(project: Project) -> None:
    done = project.run(JLAB_MCP_OUTPUT_CHARS="lots")
    assert done.returncode == 2 and done.stdout == ""
    assert (
        done.stderr.startswith("jlab-mcp: JLAB_MCP_OUTPUT_CHARS='lots' is not a whole number")
        and os.linesep in done.stderr
    )
