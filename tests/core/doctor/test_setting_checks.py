"""Each setting in force is listed with who has set it; what has no effect is named."""

from __future__ import annotations

from jlab_tui.core.doctor.checks import Level
from jlab_tui.core.doctor.setting_checks import check_settings
from jlab_tui.core.site_settings import parse_site

SITE = parse_site(
    "/etc/s",
    "JLAB_MCP_SLURM_PARTITION=gpu\nlock JLAB_MCP_LINK=srun\nlock JLAB_MCP_SLURM_EXTRA=\n"
    "JLAB_MCP_SLURM_CPUS=8\nJLAB_MCP_SLURM_QOS=\n",
    "ada",
)


def test_every_setting_in_force_has_its_source() -> None:
    env = {"JLAB_MCP_SLURM_CPUS": "2", "JLAB_MCP_SETUP": "export KEY=secret\nmodule load x", "HOME": "/h"}
    found = check_settings(env, {"SLURM_TIME": "8:00:00"}, SITE)
    assert [(finding.level, finding.text) for finding in found] == [
        (Level.OK, "JLAB_MCP_LINK=srun (locked by /etc/s, line 2)"),
        (Level.OK, "JLAB_MCP_SETUP (environment)"),
        (Level.OK, "JLAB_MCP_SLURM_CPUS=2 (environment)"),
        (Level.OK, "JLAB_MCP_SLURM_PARTITION=gpu (/etc/s, line 1)"),
        (Level.OK, "JLAB_MCP_SLURM_TIME=8:00:00 (chosen at this project's first start)"),
    ]


def test_what_the_site_keeps_is_named_where_somebody_sets_it() -> None:
    env = {"JLAB_MCP_LINK": "tcp", "JLAB_MCP_SLURM_EXTRA": "--nice"}
    found = [finding for finding in check_settings(env, site=SITE) if finding.level is Level.WARN]
    assert [(finding.text, finding.fix) for finding in found] == [
        ("your JLAB_MCP_LINK has no effect: the site keeps JLAB_MCP_LINK=srun (/etc/s, line 2).", "unset JLAB_MCP_LINK"),
        ("your JLAB_MCP_SLURM_EXTRA has no effect: the site keeps JLAB_MCP_SLURM_EXTRA unset (/etc/s, line 3).", "unset JLAB_MCP_SLURM_EXTRA"),
    ]  # fmt: skip


def test_a_misspelt_name_of_the_site_is_told_as_one_of_the_environment_is() -> None:
    site = parse_site("/etc/s", "JLAB_MCP_SLURM_PARTION=gpu\nJLAB_MCP_TOKEN=x", "ada")
    found = check_settings({}, site=site)
    assert [(finding.level, finding.text) for finding in found] == [
        (Level.WARN, "JLAB_MCP_SLURM_PARTION in /etc/s, line 1, is not a setting and has no effect; JLAB_MCP_SLURM_PARTITION may be meant."),
        (Level.WARN, "JLAB_MCP_TOKEN in /etc/s, line 2, is not a setting and has no effect."),
    ]  # fmt: skip
    assert all(finding.fix for finding in found)


def test_a_long_value_is_cut() -> None:
    (found,) = check_settings({"JLAB_MCP_SLURM_EXTRA": "x" * 61})
    assert found.text == f"JLAB_MCP_SLURM_EXTRA={'x' * 57}... (environment)"
    (whole,) = check_settings({"JLAB_MCP_SLURM_EXTRA": "x" * 60})
    assert whole.text == f"JLAB_MCP_SLURM_EXTRA={'x' * 60} (environment)"
