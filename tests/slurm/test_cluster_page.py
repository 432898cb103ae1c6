"""The ways of docs/cluster.md, typed as they stand into a terminal, on a real Slurm."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.test_documents import blocks
from tests.e2e.test_live_view import Terminal, terminal
from tests.project import COMMAND, Project, until

from .machines import Cluster
from .reaching import forwards

pytestmark = [
    pytest.mark.xdist_group("slurm-jobs"),
    pytest.mark.usefixtures("job_past_its_walltime"),
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]

PAGE = Path(__file__).parents[2] / "docs" / "cluster.md"


def lines_of(word: str) -> list[str]:
    """What is typed in the block of the page with this word behind its fence."""
    (found,) = [lines for info, lines in blocks(PAGE) if word in info.split()]
    return [line.removeprefix("$ ").partition("  #")[0].strip() for line in found]


async def typed(screen: Terminal, line: str, mark: str) -> str:
    """Type a line and wait for its end; what the screen shows then. A dashboard is left when it shows the running server."""
    screen.keys("-l", f"clear; {line}; echo {mark}=$?")
    screen.keys("Enter")
    if line == "jlab-mcp start":
        await screen.shows("● running", 100)
        screen.keys("q")
    text = await screen.shows(f"{mark}=\\d", 100)
    assert f"{mark}=0" in text, text
    return text


@pytest.mark.parametrize("place", ["login", "job"])
async def test_the_way_can_be_typed_as_it_stands(lab: Project, place: str) -> None:
    (lab.home / "my-project").symlink_to(lab.root, target_is_directory=True)
    lab.extra_env |= {
        "JLAB_MCP_RUN_MODE": "",
        "PS1": r"\h> ",
        "PATH": f"{Path(COMMAND).parent}:{lab.env['PATH']}",
    }
    lines = lines_of(place)
    said: dict[str, str] = {}
    with terminal(lab, "bash --norc", 200, 50) as screen:
        if place == "job":
            enter, *lines, leave = lines
            assert shlex.split(enter)[0] == "srun" and leave == "exit"
            screen.keys("-l", enter.replace(" bash", " bash --norc"))
            screen.keys("Enter")
            await screen.shows(r"c\d+-gpu\d>")
        for number, line in enumerate(lines):
            said[line] = await typed(screen, line, f"ended{number}")
        await until(lambda: not forwards(lab), 60)
    expected: dict[str, Callable[[str], object]] = {
        "jlab-mcp start --detach": lambda text: re.search(r"This is inside job \d+ on \S+ \(1 GPU\)", text),
        "jlab-mcp url": lambda text: "ssh -N -L " in text,
        "jlab-mcp status": lambda text: "JupyterLab ready" in text and "Walltime left" in text,
        "jlab-mcp stop": lambda text: re.search(r"was cancelled|stopped", text),
    }
    for line, holds in expected.items():
        assert line not in said or holds(said[line]), said[line]


async def test_an_agent_for_days_has_a_job_to_which_a_terminal_comes_back(
    cluster: Cluster, lab: Project
) -> None:
    submit, attach = lines_of("days")
    with terminal(lab, "bash --norc", 160, 50) as screen:
        await typed(screen, submit, "submitted")
        (job_id,) = cluster.run("squeue", "--me", "-h", "-n", "agent", "-o", "%i").split()
        cluster.wait_for_state(job_id, "RUNNING")
        for _ in range(2):
            screen.keys("-l", f"clear; {attach}")
            screen.keys("Enter")
            await screen.shows(r"c\d+-[cg]pu\d")
            screen.keys("C-b", "d")
            await screen.shows(r"detached[^\n]*\s+bash")  # until then srun reads what is typed
        screen.keys("-l", f"clear; {attach} \\; kill-server")
        screen.keys("Enter")
        await screen.shows("server exited")
