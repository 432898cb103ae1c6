"""The doctor on a real cluster: what it prints leads from the defaults to a job that Slurm takes."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from jlab_tui.adapters.checkup import look_from_node
from jlab_tui.adapters.slurm.commands import Slurm
from tests.project import Project, until
from tests.slurm.jobs import GPU_JOB, submit
from tests.slurm.machines import Cluster, read_only

pytestmark = pytest.mark.xdist_group("slurm")


@pytest.fixture
def project(cluster: Cluster, tmp_path: Path) -> Project:
    """A project with nothing set, on the login node."""
    (tmp_path / "project").mkdir()
    (tmp_path / "home").mkdir()
    path = cluster.env["PATH"]
    return Project(
        tmp_path / "project",
        tmp_path / "home",
        {"SLURM_CONF": cluster.env["SLURM_CONF"], "PATH": path, "JLAB_MCP_RUN_MODE": ""},
    )


def failures(project: Project) -> dict[str, dict[str, str]]:
    found = json.loads(project.run("doctor", "--json").stdout)
    return {f["check"]: f for f in found if f["level"] == "fail"}


def test_typing_what_it_prints_leads_to_a_job_that_slurm_takes(project: Project) -> None:
    typed: list[str] = []
    while found := failures(project):
        assert set(found) == {"partition"} and len(typed) < 5, found
        words = shlex.split(found["partition"]["fix"])
        assert words[0] == "export"
        name, _, value = words[1].partition("=")
        project.extra_env[name] = value
        typed.append(name)
    assert typed == ["JLAB_MCP_SLURM_PARTITION", "JLAB_MCP_SLURM_MEM"]
    found = {f["check"]: f for f in json.loads(project.run("doctor", "--json").stdout)}
    assert found["request"]["level"] == "ok" and "partition gpu" in found["request"]["text"]


def test_a_controller_that_is_down_is_named_and_nothing_else_is_asked(
    project: Project, cluster: Cluster
) -> None:
    elsewhere = project.home / "elsewhere.conf"
    text = (cluster.directory / "slurm.conf").read_text(encoding="utf-8")
    elsewhere.write_text(
        text.replace(f"SlurmctldPort={cluster.spec.port}", "SlurmctldPort=1"), encoding="utf-8"
    )
    project.extra_env["SLURM_CONF"] = str(elsewhere)
    found = failures(project)
    assert set(found) == {"slurm"} and found["slurm"]["fix"].startswith("scontrol ping ")


async def test_a_running_job_shows_whether_it_sees_files_written_here(slurm: Slurm, cluster: Cluster) -> None:
    job_id = await submit(slurm, cluster, "doctor", replace(GPU_JOB, cpus=1))
    await until((cluster.shared / "doctor.json").exists, 40)  # the job has written what it has to
    facts = await look_from_node(job_id, cluster.shared, "a-node", cluster.env)
    assert facts.sees_files is True and facts.can_write
    node = next(
        n for n in cluster.nodes if n.name == cluster.run("squeue", "-h", "-j", job_id, "-o", "%N").strip()
    )
    with read_only(node, cluster.shared):
        facts = await look_from_node(job_id, cluster.shared, "a-node", cluster.env)
        assert facts.sees_files is True and not facts.can_write
    assert not list(cluster.shared.glob(".jlab-mcp-doctor*"))
