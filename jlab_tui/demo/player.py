"""The process that plays the demo. It ends with the one that shows it: it reads its stdin until the end, and then leaves nothing
behind, neither a server nor a file, however the other one ended."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import shutil
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..adapters.files import is_there
from ..core.errors import JlabError, LaunchFailed, ServerNotReady
from ..core.settings import Mode, load_settings
from ..services.progress import patiently
from . import chart
from . import demo_cells as cells
from .cues import Cue, Leave, Problem, Told, encode_cue
from .scripted_agent import ScriptedAgent
from .story import COMMENT, END, ENDED_BY_HAND, OPENING, Staging, tell

if TYPE_CHECKING:
    from ..services.server.launcher import Launcher

READY_S = 90
STOP_S = 30
"""seconds to stop a server that another process may be starting at this moment"""
LAST_S = 6
"""seconds to look at the end, where nobody leaves"""
SAVED_S = 5
"""seconds for the notebook to be written"""
WATCHED, BY_ITSELF, IN_LINES = "watched", "by-itself", "in-lines"
"""a person has the dashboard, or nobody has; or there is none"""


def run_player(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Play in a directory until stdin ends. Returns 0 if the story went as it should."""
    directory, how = argv
    return asyncio.run(_play_and_clear(Path(directory), how, env))


async def _play_and_clear(directory: Path, how: str, env: Mapping[str, str]) -> int:
    playing = asyncio.create_task(_play(directory / "project", how, env))
    alone = asyncio.create_task(_until_alone())
    code = 0
    try:
        await asyncio.wait([playing, alone], return_when=asyncio.FIRST_COMPLETED)
        playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            code = await playing
    except JlabError as error:
        _show(Problem(f"{error.message} {error.hint}"))
        code = 1
    finally:
        alone.cancel()
        await clear_up(directory, env)
    return code


async def _until_alone() -> None:
    """Return when the process that shows the demo has left or died."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while await reader.read(4096):
        pass


def _show(cue: Cue) -> None:
    with contextlib.suppress(OSError):  # nobody is left to see it
        sys.stdout.write(encode_cue(cue))
        sys.stdout.flush()


async def _play(project: Path, how: str, env: Mapping[str, str]) -> int:
    from ..wiring.server import make_launcher

    staging = Staging(
        look_s=0.0 if how == IN_LINES else 1.0,
        plays_person=how == BY_ITSELF,
        has_matplotlib=importlib.util.find_spec("matplotlib") is not None,
    )
    settings = load_settings(env, project, is_there)
    if not staging.has_matplotlib:
        settings.notebook_dir.mkdir()
        shutil.copyfile(chart.__file__, settings.notebook_dir / "chart.py")  # kernels work there
    _show(OPENING)
    launcher = make_launcher(settings, env)
    try:
        await (_start(launcher) if how == IN_LINES else _until_ready(launcher, project))
    finally:
        await launcher.close()
    async with _agent(project, env) as agent:

        def has_acted() -> bool:
            """Whether a person has done anything but look, after which the story may take another course."""
            return how == WATCHED and any(settings.actions_dir.glob("*.jsonl"))

        is_whole = await tell(agent, _show, staging)
        troubles = [] if has_acted() else await _troubles(agent)
        for sentence in troubles:
            _show(Problem(sentence))
        if not troubles:
            _show(END if is_whole else ENDED_BY_HAND)
        if how == BY_ITSELF:
            await asyncio.sleep(LAST_S)
            _show(Leave())
        if how != IN_LINES:
            await asyncio.Event().wait()  # the kernels live as long as their client
    return 1 if troubles else 0


async def _troubles(agent: ScriptedAgent) -> list[str]:
    """Return what was otherwise than the story, or else what is wrong with its notebook, which follows the cells."""
    if agent.troubles:
        return agent.troubles
    deadline = time.monotonic() + SAVED_S
    while True:
        faults = check_notebook(Path(agent.notebooks["tea"]), agent.comments)
        if not faults or time.monotonic() > deadline:
            return faults
        await asyncio.sleep(0.2)


async def _start(launcher: Launcher) -> None:
    from ..headless import Lines

    lines = Lines(lambda text: _show(Told(text)))
    await patiently(
        launcher.start_and_wait(Mode.LOCAL, lines.say, lines.show, READY_S), lambda _: None, READY_S
    )


async def _until_ready(launcher: Launcher, project: Path) -> None:
    """Wait for the server that the dashboard starts."""
    deadline = time.monotonic() + READY_S
    while True:
        with contextlib.suppress(JlabError):
            await launcher.until_ready(lambda status: None, READY_S)
            return
        if time.monotonic() > deadline:
            raise LaunchFailed("The demo's server did not start.", f"Look at the logs in {project.parent}.")
        await asyncio.sleep(0.2)


@asynccontextmanager
async def _agent(project: Path, env: Mapping[str, str]) -> AsyncIterator[ScriptedAgent]:
    """A real MCP client that launches `jlab-mcp` over stdio, as Claude Code does."""
    from mcp import Client
    from mcp.client.stdio import StdioServerParameters, stdio_client

    parameters = StdioServerParameters(
        command=sys.executable, args=["-P", "-m", "jlab_tui"], cwd=str(project), env=dict(env)
    )
    _show(Told("An MCP client starts `jlab-mcp` over stdio, as Claude Code would..."))
    async with Client(stdio_client(parameters)) as client:
        _show(Told(f"MCP client connected: {len((await client.list_tools()).tools)} tools"))
        yield ScriptedAgent(client, _show)


async def clear_up(directory: Path, env: Mapping[str, str]) -> None:
    """Stop the demo's server and remove its files; nothing happens where there is neither."""
    from ..wiring.server import make_launcher

    if not directory.exists():
        return
    launcher = make_launcher(load_settings(env, directory / "project", is_there), env)
    deadline = time.monotonic() + STOP_S
    try:
        while True:
            try:
                _show(Told(await launcher.stop()))
                break
            except ServerNotReady:  # it is being started
                if time.monotonic() > deadline:
                    break
                await asyncio.sleep(0.2)
            except JlabError as error:
                _show(Problem(error.message))
                break
    finally:
        await launcher.close()
    shutil.rmtree(directory, ignore_errors=True)


def check_notebook(path: Path, comments: Sequence[str] = ()) -> list[str]:
    """Return the faults of the demo's notebook; none if it is valid and complete. `comments`: what was written to the agent."""
    import nbformat

    try:
        notebook = nbformat.read(str(path), as_version=4)
        nbformat.validate(notebook)
    except (OSError, ValueError, nbformat.ValidationError) as error:
        return [f"{path}: {error}"]
    troubles = []
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    answers = int(COMMENT in comments)
    of_code, of_all = cells.CODE_CELLS + answers, cells.CELLS + answers + bool(comments)
    if (len(code), len(notebook.cells)) != (of_code, of_all):
        troubles.append(f"{path} has {len(notebook.cells)} cells instead of {of_all}.")
    outputs = [output for cell in code for output in cell.outputs]
    images = sum("image/png" in output.get("data", {}) for output in outputs)
    if images != 2:
        troubles.append(f"{path} has {images} images instead of 2.")
    if any(output.output_type == "error" for output in outputs):
        troubles.append(f"{path} still has the mistake.")
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    if printed.count("epoch") != cells.EPOCHS:
        troubles.append(f"{path} has {printed.count('epoch')} of {cells.EPOCHS} lines of the fit.")
    return troubles
