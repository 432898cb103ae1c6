"""Texts of a test cluster's configuration: slurm.conf, gres.conf, the nodes' hosts file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class NodeSpec:
    name: str
    address: str
    gpus: int

    @property
    def gres(self) -> str:
        return f"Gres=gpu:a100:{self.gpus}" if self.gpus else ""


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """Everything that the configuration files depend on."""

    directory: Path
    controller: str
    """short host name of this machine, which Slurm insists on"""
    address: str
    """of the controller and login node"""
    port: int
    nodes: tuple[NodeSpec, ...]
    cpus: int = 4
    mem_mb: int = 4000
    settings: tuple[str, ...] = ()
    """further lines of slurm.conf, such as EnforcePartLimits=ALL"""
    cgroups: bool = False
    """jobs are held to their memory"""


def slurm_conf(spec: ClusterSpec) -> str:
    """Small and quick: half-second scheduling, 2 s to kill, 5 s until a silent node counts as down."""
    run, log = spec.directory / "run", spec.directory / "log"
    gpu_nodes = ",".join(node.name for node in spec.nodes if node.gpus)
    cpu_nodes = ",".join(node.name for node in spec.nodes if not node.gpus)
    lines = [
        "ClusterName=lab",
        f"SlurmctldHost={spec.controller}({spec.address})",
        "SlurmUser=root",
        "SlurmdUser=root",
        "AuthType=auth/munge",
        "CredType=cred/munge",
        # A requeued job is held back for as long as its old credential is valid, 120 s by default.
        f"AuthInfo=socket={run}/munge.sock,cred_expire=5",
        f"SlurmctldPort={spec.port}",
        f"SlurmctldPidFile={run}/slurmctld-own.pid",
        f"SlurmdPidFile={run}/slurmd-%n.pid",
        f"SlurmctldLogFile={log}/slurmctld.log",
        f"SlurmdLogFile={log}/slurmd-%n.log",
        f"StateSaveLocation={spec.directory}/state",
        f"SlurmdSpoolDir={spec.directory}/spool/%n",
        "MailProg=/bin/true",
        "MpiDefault=none",
        f"ProctrackType=proctrack/{'cgroup' if spec.cgroups else 'linuxproc'}",
        f"TaskPlugin=task/{'cgroup' if spec.cgroups else 'none'}",
        f"JobAcctGatherType=jobacct_gather/{'cgroup' if spec.cgroups else 'linux'}",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_Core_Memory",
        "SlurmdParameters=config_overrides",  # the nodes may claim more than this machine has
        "SchedulerType=sched/backfill",
        "SchedulerParameters=bf_interval=1,batch_sched_delay=0,sched_interval=1",
        "PriorityType=priority/basic",
        "PreemptType=preempt/partition_prio",
        "PreemptMode=REQUEUE",
        "ReturnToService=2",
        "SlurmdTimeout=5",
        "SlurmctldTimeout=10",
        "MessageTimeout=2",
        "KillWait=2",
        "MinJobAge=3600",  # what has ended is asserted on at the end of a run
        "DefMemPerCPU=200",
        "GresTypes=gpu",
        *spec.settings,
        *(
            f"NodeName={node.name} NodeHostname={node.name} NodeAddr={node.address} Port={spec.port + 1} "
            f"CPUs={spec.cpus} RealMemory={spec.mem_mb} {node.gres}"
            for node in spec.nodes
        ),
        f"PartitionName=cpu Nodes={cpu_nodes} Default=YES MaxTime=1-00:00:00 DefaultTime=30 PriorityTier=10 PreemptMode=OFF",
        f"PartitionName=gpu Nodes={gpu_nodes} MaxTime=4:00:00 DefaultTime=30 PriorityTier=10 PreemptMode=OFF",
        f"PartitionName=scavenge Nodes={gpu_nodes} MaxTime=4:00:00 DefaultTime=30 PriorityTier=1 PreemptMode=REQUEUE",
        f"PartitionName=maint Nodes={gpu_nodes} MaxTime=4:00:00 State=DOWN",
    ]
    return "\n".join(lines) + "\n"


def gres_conf(spec: ClusterSpec) -> str:
    return "".join(
        f"NodeName={node.name} Name=gpu Type=a100 File={spec.directory}/dev/nvidia[0-{node.gpus - 1}]\n"
        for node in spec.nodes
        if node.gpus
    )


def hosts(spec: ClusterSpec) -> str:
    """The nodes' /etc/hosts: all of the cluster, as a site's name service would tell."""
    lines = ["127.0.0.1 localhost", f"{spec.address} {spec.controller} login"]
    return "\n".join([*lines, *(f"{node.address} {node.name}" for node in spec.nodes)]) + "\n"


FILES: Mapping[str, Callable[[ClusterSpec], str]] = {
    "slurm.conf": slurm_conf,
    "gres.conf": gres_conf,
    "hosts": hosts,
    # Where this is not named, slurmd starts only with a cgroup file system mounted.
    "cgroup.conf": lambda spec: (
        f"CgroupPlugin=cgroup/v1\nConstrainRAMSpace={'yes' if spec.cgroups else 'no'}\n"
    ),
}
