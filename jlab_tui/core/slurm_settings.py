"""The settings of what a job asks Slurm for."""

from __future__ import annotations

from dataclasses import dataclass

from . import setting_values as read
from .setting_fields import set_by


@dataclass(frozen=True, slots=True)
class SlurmSettings:
    """The request to Slurm; an empty text drops the option."""

    partition: str = set_by("SLURM_PARTITION", "", read.word, "partition; unset: Slurm's default")
    gres: str = set_by(
        "SLURM_GRES", "gpu:1", read.gres, "generic resources, such as gpu:a100:2; `none` asks for none"
    )
    cpus: int = set_by("SLURM_CPUS", 4, read.integer(1, 100_000), "CPUs per task")
    mem_mb: int = set_by("SLURM_MEM", 32000, read.memory, "memory in MB; `none` leaves it to Slurm")
    time: str = set_by("SLURM_TIME", "4:00:00", read.slurm_time, "walltime, in Slurm's form")
    modules: str = set_by("SLURM_MODULES", "", read.line, "modules to load, separated by spaces")
    account: str = set_by("SLURM_ACCOUNT", "", read.word, "account to charge")
    qos: str = set_by("SLURM_QOS", "", read.word, "quality of service")
    constraint: str = set_by("SLURM_CONSTRAINT", "", read.word, "node features")
    extra: str = set_by("SLURM_EXTRA", "", str, "more sbatch options, separated by `;`")
    """or by new lines, such as `--nodelist=gpu07`"""
    bind_ip: str = set_by(
        "SLURM_BIND_IP",
        "0.0.0.0",
        read.address_on_node,
        "address that JupyterLab listens on, on the node: an address, a network such as 10.1.0.0/16, or an interface such as ib0",
    )
    template: str = set_by("SLURM_TEMPLATE", "", read.line, "own job script template")
    """its path; empty: the package's own"""
