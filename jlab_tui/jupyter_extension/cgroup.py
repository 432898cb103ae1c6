"""The limits of this process: its cgroups (v1 and v2) up to the tightest limit, and Slurm's numbers.

One of the five files that also run in a plain kernel (see usage.py). Sizes are bytes; None if unknown.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Dict, List, Mapping, NamedTuple, Optional, Tuple

NO_LIMIT = 1 << 60
"""cgroup v1 writes a number of this size if there is no limit."""
MIB = 1 << 20
_CONTROLLERS = ("memory", "cpu", "cpuacct")


class Memory(NamedTuple):
    """Memory of the machine or of the allocation."""

    total: Optional[int]
    used: Optional[int]
    available: Optional[int]
    source: str
    """what sets the total: machine, slurm or cgroup"""


@dataclass(frozen=True)
class Cgroup:
    """This process's place in the cgroup tree."""

    mount: str
    """Root of the tree, usually /sys/fs/cgroup."""
    is_v2: bool
    memory_folder: str
    """Folder of the controller; the root of the tree if the process has none."""
    cpu_folder: str
    cpuacct_folder: str

    def memory(self) -> Tuple[Optional[int], Optional[int]]:
        """Return (the tightest limit on the way up, the use of its cgroup without droppable cache)."""
        limit, folder = self._tightest_memory_limit()
        if limit is None:
            return None, None
        used = number(_read(folder, "memory.current" if self.is_v2 else "memory.usage_in_bytes"))
        cache = re.search(r"^(?:total_)?inactive_file (\d+)", _read(folder, "memory.stat"), re.MULTILINE)
        return limit, None if used is None else max(0, int(used) - (int(cache.group(1)) if cache else 0))

    def cpu_limit(self) -> Optional[float]:
        """Return the tightest quota on the way up, in cores."""
        quotas = [self._cpu_limit_of(folder) for folder in self._upwards(self.cpu_folder)]
        return min((quota for quota in quotas if quota is not None), default=None)

    def cpu_seconds(self) -> Optional[float]:
        """Return the CPU time used so far; None without a limit, because then the machine's counts."""
        if self.cpu_limit() is None and self._tightest_memory_limit()[0] is None:
            return None
        if self.is_v2:
            used = re.search(r"usage_usec (\d+)", _read(self.cpu_folder, "cpu.stat"))
            return int(used.group(1)) / 1e6 if used else None
        nanoseconds = number(_read(self.cpuacct_folder, "cpuacct.usage"))
        return None if nanoseconds is None else nanoseconds / 1e9

    def oom_counters(self) -> List[str]:
        """Return the files with an `oom_kill N` line of the cgroups on the way up."""
        name = "memory.events" if self.is_v2 else "memory.oom_control"
        paths = [os.path.join(folder, name) for folder in self._upwards(self.memory_folder)]
        return [path for path in paths if "oom_kill " in _read(path)]

    def _tightest_memory_limit(self) -> Tuple[Optional[int], str]:
        limits = [(self._memory_limit_of(folder), folder) for folder in self._upwards(self.memory_folder)]
        real = [(limit, folder) for limit, folder in limits if limit is not None]
        return min(real, key=lambda found: found[0], default=(None, ""))

    def _memory_limit_of(self, folder: str) -> Optional[int]:
        limit = number(_read(folder, "memory.max" if self.is_v2 else "memory.limit_in_bytes"))
        return int(limit) if limit is not None and 0 < limit < NO_LIMIT else None

    def _cpu_limit_of(self, folder: str) -> Optional[float]:
        if self.is_v2:
            quota, period = (_read(folder, "cpu.max").split() + ["", ""])[:2]
        else:
            quota, period = _read(folder, "cpu.cfs_quota_us"), _read(folder, "cpu.cfs_period_us")
        used, of = number(quota), number(period)
        return used / of if used is not None and of and used > 0 else None

    def _upwards(self, folder: str) -> List[str]:
        found = []
        while folder.startswith(self.mount) and folder != self.mount:
            found.append(folder)
            folder = os.path.dirname(folder)
        return [*found, self.mount]


def own_cgroup(root: str = "/") -> Cgroup:
    """Return the cgroup of this process; `root` is the file system to read."""
    mount = os.path.join(root, "sys/fs/cgroup")
    is_v2 = os.path.exists(os.path.join(mount, "cgroup.controllers"))
    folders: Dict[str, str] = {}
    for line in _read(root, "proc/self/cgroup").splitlines():
        hierarchy, controllers, path = (line.split(":", 2) + ["", ""])[:3]
        if is_v2 and hierarchy == "0" and not controllers:
            folders = dict.fromkeys(_CONTROLLERS, _existing(mount, path))
        elif not is_v2:
            for name in set(controllers.split(",")) & set(_CONTROLLERS):
                folders[name] = _existing(os.path.join(mount, name), path)
    return Cgroup(mount, is_v2, *(folders.get(name, mount) for name in _CONTROLLERS))


def allocated_cpus(cgroup: Cgroup, environ: Mapping[str, str], affinity: Optional[int] = None) -> int:
    """Return the cores this job may use: the least of affinity (by default the process's own), cgroup quota and Slurm's number."""
    counts: List[float] = [_own_affinity() if affinity is None else affinity]
    quota = cgroup.cpu_limit()
    if quota is not None:
        counts.append(quota)
    # Slurm sets CPUS_PER_TASK only if the user asked for it: what one task may use.
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        slurm = number(environ.get(name, ""))
        if slurm:
            counts.append(slurm)
            break
    return max(1, int(min(counts)))


def allocated_memory(
    cgroup: Cgroup, environ: Mapping[str, str], machine: Memory, kernels_rss: Optional[int]
) -> Memory:
    """Return the memory of the allocation; `kernels_rss` is its use if no cgroup counts it."""
    total, used, _, source = machine
    slurm_mib = number(environ.get("SLURM_MEM_PER_NODE", ""))
    if slurm_mib and (total is None or slurm_mib * MIB < total):
        total, used, source = int(slurm_mib * MIB), kernels_rss, "slurm"
    limit, counted = cgroup.memory()
    if limit is not None and (total is None or limit <= total):
        total, used, source = limit, used if counted is None else counted, "cgroup"
    if total is None or used is None:
        return Memory(total, used, None, source)
    return Memory(total, used, max(0, min(total - used, machine.available or total)), source)


def oom_counter_paths(root: str = "/") -> List[str]:
    """Return the files with an `oom_kill N` line of this process's cgroups, or of the machine."""
    machine = os.path.join(root, "proc/vmstat")
    return [*own_cgroup(root).oom_counters(), *([machine] if "oom_kill " in _read(machine) else [])]


def number(text: str) -> Optional[float]:
    """Parse a number; None for other text, such as "max" and "[N/A]"."""
    try:
        return float(text)
    except ValueError:
        return None


def _read(*path: str) -> str:
    """Return a small file's text; empty if it cannot be read."""
    try:
        with open(os.path.join(*path), encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _existing(base: str, path: str) -> str:
    """Return the folder; in a container without the host's path, its mount point."""
    folder = os.path.normpath(os.path.join(base, path.lstrip("/")))
    return folder if os.path.isdir(folder) and ".." not in path else base


def _own_affinity() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
