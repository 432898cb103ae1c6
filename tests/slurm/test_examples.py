"""The worked examples of docs/cluster.md, typed as they stand, with stand-ins for conda and apptainer, on a real Slurm."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import COMMAND
from tests.slurm.machines import Cluster

pytestmark = pytest.mark.xdist_group("slurm")

PAGE = Path(__file__).parents[2] / "docs" / "cluster.md"

CONDA = """\
conda() {{ [ "$1 $2" = "activate torch" ] && PATH={bin}:$PATH; }}
"""
APPTAINER = """\
#!/bin/sh
echo "apptainer $*" >> {told}
[ "$1 $2" = "exec --nv" ] && [ "$4" = python3 ] || exit 1
shift 4
exec {python} "$@"
"""


MISSING = {
    "conda activate": "a line of JLAB_MCP_SETUP failed: source ~/miniforge3/etc/profile.d/conda.sh (it returned 1)",
    "apptainer exec": "apptainer: not found",
}
"""what the start says where the program is not there"""


def example(word: str) -> str:
    """The block of the page that has a word in it."""
    blocks: list[str] = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    (found,) = [block for block in blocks if word in block]
    return found


@pytest.mark.parametrize("word", ["conda activate", "apptainer exec"])
def test_the_example_brings_up_a_server_on_a_node_or_says_what_is_not_there(
    cluster: Cluster, word: str
) -> None:
    home = cluster.shared / f"home-{word.split()[0]}"
    project, tools, told = home / "project", home / "tools", home / "told"
    for directory in (project, tools):
        directory.mkdir(parents=True)
    profile = home / "miniforge3" / "etc" / "profile.d" / "conda.sh"

    def bring(program: str) -> None:
        if program == "conda":
            profile.parent.mkdir(parents=True)
            profile.write_text(CONDA.format(bin=Path(sys.executable).parent), encoding="utf-8")
        else:
            apptainer = tools / "apptainer"
            apptainer.write_text(APPTAINER.format(told=told, python=sys.executable), encoding="utf-8")
            apptainer.chmod(0o755)

    env = {
        **cluster.env,
        "HOME": str(home),
        "PATH": f"{tools}{os.pathsep}{cluster.env['PATH']}",
        "JLAB_MCP_SLURM_PARTITION": "gpu",
        "JLAB_MCP_SLURM_MEM": "1000",
        "JLAB_MCP_SLURM_CPUS": "1",
    }

    def shell(script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", script],
            cwd=project,
            env=env,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )

    command = f"{COMMAND} start --detach && {COMMAND} status --json"
    refused = shell(f"set -e\n{example(word)}\n{command}")
    assert refused.returncode == 1 and "ready" not in refused.stdout, refused.stdout
    assert MISSING[word] in refused.stderr, refused.stderr
    bring(word.split()[0])
    try:
        done = shell(f"set -e\n{example(word)}\n{command}")
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        shell(f"{COMMAND} stop")
    status = json.loads(done.stdout[done.stdout.index("{") :])
    assert status["state"] == "ready" and status["healthy"] is True
    if word == "apptainer exec":
        assert "launch.py" in told.read_text(encoding="utf-8")
