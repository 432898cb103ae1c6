"""Measures CPU, memory, GPUs and kernels of this process's allocation.

Without the extension, this file, cgroup.py, gpu_allocation.py, gpu.py and gpu_use.py run in a plain kernel through `one_sample()`. Samples are in MiB
(2**20 bytes) and percent, 0-100 (a kernel's CPU: 100 per core); None if unknown.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from typing import Any, Dict, List, Mapping, Optional, Tuple

from .cgroup import MIB, Memory, allocated_cpus, allocated_memory, own_cgroup
from .gpu import TOOLS, GpuWatch
from .gpu_use import HoursCount, IdleClock

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
NO_PSUTIL = "psutil is not installed for %s, so the use of CPU and memory is unknown. Install it there: %s -m pip install psutil"


def import_psutil() -> Optional[Any]:
    """Import psutil, which comes with ipykernel; None without it. At first use, because imports delay the server's start."""
    try:
        import psutil
    except ImportError:
        return None
    return psutil


def machine_memory(psutil: Optional[Any]) -> Memory:
    """Return the machine's memory in bytes; without psutil, only its size."""
    if psutil is None:
        return Memory(_physical_memory(), None, None, "machine")
    memory = psutil.virtual_memory()
    return Memory(memory.total, memory.total - memory.available, memory.available, "machine")


def machine_cpu_seconds(psutil: Any) -> float:
    """Return the CPU time that the whole machine has used so far."""
    times = psutil.cpu_times()._asdict()
    # Linux counts the time of guests as the user's too.
    return float(
        sum(times.values()) - sum(times.get(k, 0) for k in ("idle", "iowait", "guest", "guest_nice"))
    )


def process_tree(psutil: Optional[Any], pid: int, proc: str = "/proc") -> List[int]:
    """Return a process and its descendants.

    Linux lists the children of each thread. Elsewhere psutil checks every process of the machine, which takes 50 ms for
    thousands.
    """
    if psutil is not None and not os.path.exists(proc + "/thread-self/children"):
        try:
            return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
        except psutil.Error:
            return [pid]
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo.extend(_children(proc, found[-1]))
    return found


def process_use(psutil: Any, pid: int, proc: str = "/proc") -> Optional[Tuple[float, int]]:
    """Return CPU seconds, with those of children that have ended, and resident bytes of one process; None if it is gone.

    On Linux one small file says both, in a fraction of psutil's time; elsewhere ended children are not counted."""
    if os.path.exists(proc + "/self/stat"):
        return _stat(proc, pid)
    if psutil is None:
        return None
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            return times.user + times.system, process.memory_info().rss
    except psutil.Error:
        return None


def _stat(proc: str, pid: int) -> Optional[Tuple[float, int]]:
    try:
        with open("%s/%d/stat" % (proc, pid), "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
        return sum(map(int, fields[11:15])) / _TICKS, int(fields[21]) * _PAGE
    except (OSError, ValueError, IndexError):
        return None


def find_kernels(psutil: Any) -> Dict[str, int]:
    """Map kernel id to pid for this user's kernels on this machine, by the names of their connection files."""
    found = {}
    for process in psutil.process_iter():
        try:
            command = " ".join(process.cmdline()) if process.uids().real == os.getuid() else ""
        except psutil.Error:
            continue
        named = re.search(r"kernel-([0-9a-f-]{36})\.json", command)
        if named:
            found[named.group(1)] = process.pid
    return found


class Sampler:
    """Takes samples; measures CPU use from one sample to the next."""

    def __init__(self, environ: Mapping[str, str], psutil: Optional[Any], root: str = "/") -> None:
        self._environ = environ
        self._psutil = psutil
        self._cgroup = own_cgroup(root)
        self._cpus = allocated_cpus(self._cgroup, environ)
        self._idle = IdleClock()
        self._hours = HoursCount()
        self._before: Dict[str, Tuple[float, float]] = {}

    def sample(self, kernel_pids: Mapping[str, int], gpus: GpuWatch) -> Dict[str, Any]:
        """Return one sample; see the module for the units."""
        now, readings = time.monotonic(), gpus.gpus()
        kernels = {k: self._kernel(k, pid, gpus, readings, now) for k, pid in kernel_pids.items()}
        known = [use["rss_mb"] for use in kernels.values() if use["rss_mb"] is not None]
        rss = int(sum(known) * MIB) if known or not kernels else None
        self._before = {k: v for k, v in self._before.items() if k == "node" or k in kernel_pids}
        sample = {
            "t": time.time(),
            "cpu": self._cpu(),
            "memory": self._memory(rss),
            "gpu": readings,
            "kernels": kernels,
        }
        self._idle.keep(kernel_pids)
        hours = self._hours.add([gpu["utilization_percent"] for gpu in readings], now)
        if hours is not None:
            sample["gpu_hours"] = hours
        if readings:
            sample["gpu_processes"] = gpus.listed_processes
        if self._psutil is None:
            sample["note"] = NO_PSUTIL % (sys.executable, sys.executable)
        return sample

    def _cpu(self) -> Dict[str, Any]:
        used, cores = self._cgroup.cpu_seconds(), self._cpus
        if used is None and self._psutil is not None:
            used, cores = machine_cpu_seconds(self._psutil), os.cpu_count() or 1
        percent = self._rate("node", used)
        load = _load_averages()
        return {
            "count": self._cpus,
            "percent": None if percent is None else round(min(100.0, percent / cores), 1),
            "load_1m": load[0],
            "load_5m": load[1],
            "load_15m": load[2],
        }

    def _memory(self, kernels_rss: Optional[int]) -> Dict[str, Any]:
        memory = allocated_memory(self._cgroup, self._environ, machine_memory(self._psutil), kernels_rss)
        is_known = memory.total and memory.used is not None
        return {
            "total_mb": _mib(memory.total),
            "used_mb": _mib(memory.used),
            "available_mb": _mib(memory.available),
            "percent_used": round(100 * (memory.used or 0) / (memory.total or 1), 1) if is_known else None,
            "limit_source": memory.source,
        }

    def _kernel(
        self, kernel_id: str, pid: int, gpus: GpuWatch, readings: List[Dict[str, Any]], now: float
    ) -> Dict[str, Any]:
        pids = process_tree(self._psutil, pid)
        found = [process_use(self._psutil, each) for each in pids] if self._psutil is not None else []
        uses = [use for use in found if use is not None]
        memory = gpus.memory_of(pids)
        idle = self._idle.seconds(kernel_id, memory, gpus.use_of(pids, readings) if memory else None, now)
        percent = self._rate(kernel_id, sum(cpu for cpu, _ in uses) if uses else None)
        children_s = sum(cpu for cpu, _ in uses) - (found[0][0] if found and found[0] is not None else 0.0)
        used_gpus = gpus.used_by(pids) if memory else []
        return {
            **({"children_cpu_s": round(children_s, 2)} if children_s else {}),
            **({"gpus": used_gpus} if used_gpus else {}),
            "pid": pid,
            "rss_mb": _mib(sum(rss for _, rss in uses)) if uses else None,
            "cpu_percent": None if percent is None else round(max(0.0, percent), 1),
            "gpu_memory_mb": memory,
            "gpu_idle_s": None if idle is None else round(idle, 1),
            "processes": len(pids),
        }

    def _rate(self, key: str, cpu: Optional[float]) -> Optional[float]:
        """Return the percent of one core since the last call with this key."""
        if cpu is None:
            self._before.pop(key, None)
            return None
        now = time.monotonic()
        before = self._before.get(key)
        self._before[key] = (now, cpu)
        return None if before is None or now <= before[0] else 100 * (cpu - before[1]) / (now - before[0])


def one_sample(wait_s: float = 0.25) -> Dict[str, Any]:
    """Return a single sample of this machine, with CPU use over `wait_s` seconds and one look at the GPUs."""
    psutil = import_psutil()
    gpus = GpuWatch(os.environ)
    sampler = Sampler(os.environ, psutil)
    kernels = find_kernels(psutil) if psutil is not None else {}
    sampler.sample(kernels, gpus)
    gpus.start()
    deadline = time.monotonic() + (2.0 if any(map(shutil.which, TOOLS)) else 0.0)
    time.sleep(wait_s)
    while not gpus.gpus() and time.monotonic() < deadline:
        time.sleep(0.02)
    taken = sampler.sample(kernels, gpus)
    gpus.stop()
    return taken


def _children(proc: str, pid: int) -> List[int]:
    found: List[int] = []
    try:
        threads = os.listdir("%s/%d/task" % (proc, pid))
    except OSError:
        return []
    for thread in threads:
        try:
            with open("%s/%d/task/%s/children" % (proc, pid, thread), encoding="ascii") as children:
                found.extend(map(int, children.read().split()))
        except OSError:
            continue
    return found


def _load_averages() -> Tuple[Optional[float], ...]:
    """Of 1, 5 and 15 minutes."""
    try:
        return tuple(round(load, 2) for load in os.getloadavg())
    except OSError:
        return (None, None, None)


def _physical_memory() -> Optional[int]:
    try:
        return (os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) or None
    except (OSError, ValueError):
        return None


def _mib(size: Optional[float]) -> Optional[float]:
    return None if size is None else round(size / MIB, 1)
