"""What a site sets for everybody holds for every command, below what users set and above it where it is locked."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.project import Project, text_of

FILE = """JLAB_MCP_DIR={scratch}/$USER
JLAB_MCP_SLURM_PARTITION=gpu
JLAB_MCP_WAIT_S=60
lock JLAB_MCP_SLURM_TIME=2:00:00
lock JLAB_MCP_RUN_MODE=local
JLAB_MCP_SLURM_PARTION=x
"""


@pytest.fixture
def site(project: Project, tmp_path: Path) -> Path:
    path = tmp_path / "config"
    path.write_text(FILE.format(scratch=tmp_path / "scratch"), encoding="utf-8")
    path.chmod(0o644)
    project.extra_env["JLAB_MCP_SITE_CONFIG"] = str(path)
    return path


async def test_the_sites_settings_hold_for_commands_and_tools_and_are_shown_with_their_place(
    project: Project, site: Path
) -> None:
    done = project.run("doctor", "--json", JLAB_MCP_WAIT_S="5", JLAB_MCP_SLURM_TIME="9:00:00")
    found = [one for one in json.loads(done.stdout) if one["check"] in ("settings", "state dir")]
    told = [(one["level"], one["text"]) for one in found]
    assert ("ok", f"JLAB_MCP_SLURM_PARTITION=gpu ({site}, line 2)") in told
    assert ("ok", "JLAB_MCP_WAIT_S=5 (environment)") in told
    assert ("ok", f"JLAB_MCP_SLURM_TIME=2:00:00 (locked by {site}, line 4)") in told
    assert any(level == "warn" and "your JLAB_MCP_SLURM_TIME has no effect" in text for level, text in told)
    assert any(level == "warn" and "JLAB_MCP_SLURM_PARTION in" in text for level, text in told)
    assert any(str(site.parent / "scratch") in text for _, text in told[-1:]), "where records go"

    for arguments, name in ((["9:00:00"], "SLURM_TIME"), (["--mode", "slurm"], "RUN_MODE")):
        refused = project.run("start", "--detach", *arguments)
        assert refused.returncode == 2 and f"The site keeps JLAB_MCP_{name} as it is" in refused.stderr
        assert "no effect; JLAB_MCP_SLURM_PARTITION may be meant" in refused.stderr, "as any misspelt name"
    async with project.client() as agent:
        refusal = await agent.call("start_server", time_limit="9:00:00")
        assert refusal.is_error and "The site keeps JLAB_MCP_SLURM_TIME" in text_of(refusal)

    site.write_text("JLAB_MCP_WAIT_S=soon\nexport X=1\n", encoding="utf-8")
    broken = project.run("status")
    assert broken.returncode == 2 and "line 1: JLAB_MCP_WAIT_S='soon'" in broken.stderr
    assert "; line 2: 'export X=1' is not" in broken.stderr
    assert project.run("status", JLAB_MCP_SITE_CONFIG="none").returncode == 1, "goes on without it"


def test_what_the_site_keeps_is_not_offered_to_be_changed_and_what_it_runs_can_be_typed(
    project: Project, site: Path
) -> None:
    bin_ = site.parent / "bin"
    bin_.mkdir()
    lines = "echo from the site >&2; PATH=/none"
    site.write_text(f"JLAB_MCP_SETUP={lines}\nlock JLAB_MCP_RUN_MODE=slurm\n", encoding="utf-8")
    kept = f"The site keeps JLAB_MCP_RUN_MODE as it is ({site}, line 2)."
    refused = project.run("start", "--detach", PATH=str(bin_))
    assert refused.returncode == 1 and kept in refused.stderr and "--mode local" not in refused.stderr
    found = {f["check"]: f for f in json.loads(project.run("doctor", "--json", PATH=str(bin_)).stdout)}
    assert kept in found["slurm"]["text"] and found["slurm"]["fix"] == "module load slurm"

    site.write_text(f"JLAB_MCP_SETUP={lines}\nlock JLAB_MCP_RUN_MODE=local\n", encoding="utf-8")
    found = {f["check"]: f for f in json.loads(project.run("doctor", "--json").stdout)}
    typed = found["environment"]["fix"]
    done = subprocess.run(
        ["sh", "-c", typed], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )
    assert "from the site" in done.stderr and "python: command not found" in done.stderr, typed
