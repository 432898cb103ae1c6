"""Shows the demo that the player plays: in the dashboard, or as lines."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ..adapters.files import is_there
from ..core.settings import Mode, load_settings
from .cues import Caption, Keys, Leave, Problem, Told, decode_cue
from .player import BY_ITSELF, IN_LINES, WATCHED, clear_up
from .story import NEXT

if TYPE_CHECKING:
    from ..tui.narrator import Narrator

END_S = 60
"""seconds for the player to stop the server and to remove the files"""
_ELSEWHERE = {
    "IPYTHONDIR": "ipython",
    "JUPYTER_CONFIG_DIR": "jupyter",
    "JUPYTER_DATA_DIR": "jupyter-data",
    "JUPYTER_RUNTIME_DIR": "jupyter-runtime",
    "MPLCONFIGDIR": "matplotlib",
    "npm_config_cache": "npm",  # JupyterLab asks npm where it is
}
"""what others would write into the home directory lies in the demo's own"""
_NOT_OURS = ("CLAUDE_PROJECT_DIR", "VIRTUAL_ENV", "CONDA_PREFIX")


def run_demo(env: Mapping[str, str], *, tui: bool, ascii: bool = False, by_itself: bool = False) -> int:
    """Run the demo. Returns the exit code: 0 if every step succeeded."""
    directory = Path(tempfile.mkdtemp(prefix="jlab-mcp-demo-"))
    (directory / "project").mkdir()
    own = {k: v for k, v in env.items() if not k.startswith("JLAB_MCP_") and k not in _NOT_OURS}
    own |= {name: str(directory / folder) for name, folder in _ELSEWHERE.items()}
    own |= {
        "JLAB_MCP_DIR": str(directory / "state"),
        "JLAB_MCP_RUN_MODE": "local",
        "JLAB_MCP_SITE_CONFIG": "none",
    }
    (directory / "matplotlib").mkdir()
    for fonts in (Path.home() / ".cache" / "matplotlib").glob("fontlist-*.json"):  # costs seconds to make
        shutil.copyfile(fonts, directory / "matplotlib" / fonts.name)
    how = IN_LINES if not tui else BY_ITSELF if by_itself else WATCHED
    problems: list[str] = []
    with _player(directory, how, own, problems) as player:
        code = 0
        if tui:
            code = _in_dashboard(player, directory, own, problems, ascii=ascii)
        else:
            _in_lines(player)
    for problem in problems:
        print(f"PROBLEM: {problem}", file=sys.stderr)
    print("\nThis was the demo; nothing of it is left here. Next, in your project:")
    print(*(f"  {command}" for command in NEXT), sep="\n")
    return code or int(bool(problems)) or player.returncode


@contextmanager
def _player(
    directory: Path, how: str, env: Mapping[str, str], problems: list[str]
) -> Iterator[subprocess.Popen[bytes]]:
    """The process that plays; at the end it has ended, and the directory is gone. What it tells last goes into `problems`."""
    player = subprocess.Popen(
        [sys.executable, "-P", "-m", "jlab_tui.demo", str(directory), how],
        env=dict(env),
        cwd=directory / "project",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a signal to the terminal's processes does not reach it
    )
    assert player.stdin is not None and player.stdout is not None
    try:
        yield player
    finally:
        player.stdin.close()
        os.set_blocking(player.stdout.fileno(), True)  # the dashboard's loop has read it
        for sent in player.stdout:  # until it has ended
            with suppress(ValueError):  # of a line that the dashboard has read in part
                match decode_cue(sent):
                    case Problem(text):
                        problems.append(text)
        player.wait(END_S)
        player.stdout.close()
        asyncio.run(clear_up(directory, env))  # if it was killed
        shutil.rmtree(directory, ignore_errors=True)


def _in_lines(player: subprocess.Popen[bytes]) -> None:
    assert player.stdout is not None
    begin = time.monotonic()
    for sent in player.stdout:
        match decode_cue(sent):
            case Told(text) | Caption(text):
                print(f"[{time.monotonic() - begin:5.1f} s] {text}", flush=True)
            case Problem(text):
                print(f"[{time.monotonic() - begin:5.1f} s] PROBLEM: {text}", flush=True)


def _in_dashboard(
    player: subprocess.Popen[bytes],
    directory: Path,
    env: Mapping[str, str],
    problems: list[str],
    *,
    ascii: bool,
) -> int:
    from ..wiring.dashboard import Looks, run_dashboard

    async def story(narrator: Narrator) -> None:
        assert player.stdout is not None
        await _narrate(player.stdout, narrator, problems)

    settings = load_settings(env, directory / "project", is_there)
    looks = Looks(ascii=ascii, says_farewell=False, story=story)
    return run_dashboard(settings, env, Mode.LOCAL, looks)


async def _narrate(cues: IO[bytes], narrator: Narrator, problems: list[str]) -> None:
    reader = asyncio.StreamReader()
    own = os.fdopen(os.dup(cues.fileno()), "rb", 0)  # the loop closes what it has read
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), own
    )
    try:
        while sent := await reader.readline():
            match decode_cue(sent):
                case Caption(text, keys):
                    await narrator.say(text, keys)
                case Problem(text):
                    problems.append(text)
                    await narrator.say(f"PROBLEM: {text}", "q leaves")
                case Keys(keys=keys):
                    narrator.press(keys)
                case Leave():
                    narrator.leave()
    finally:
        transport.close()
