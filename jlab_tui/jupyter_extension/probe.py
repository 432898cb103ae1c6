"""CPU, memory, GPUs and kernels of the allocation this process lives in; the standard library alone.

One file on purpose: where there is no extension, its source runs in a plain kernel, and `one_sample()` answers there.
Sizes are MiB (2**20 bytes), percentages 0-100 (a kernel's CPU: 100 per core); None where nobody says.
"""

from __future__ import annotations

import glob
import json
import logging
import os
import re
import shutil
import subprocess
import threading
import time
from collections import deque
from typing import Any, Callable, Deque, Dict, Iterable, List, Mapping, Optional, Set, Tuple

HISTORY_S = 600
GPU_STALE_S = 10.0
STALE_S = 15.0
"""A sample that is older tells nothing of now."""
TOOL_TIMEOUT_S = 20.0
NO_LIMIT = 1 << 60
MIB = 1 << 20
log = logging.getLogger("jlab_mcp_extension")

_NVIDIA_FIELDS = "index,name,memory.used,memory.total,utilization.gpu,temperature.gpu,power.draw"


def own_pid() -> int:
    return os.getpid()


def read(path: str) -> str:
    """A small file's text, empty when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


# The allocation: cgroups (v1 and v2) up to the tightest limit, SLURM's numbers, the machine.


def cgroup_folders(root: str = "/") -> Dict[str, str]:
    """Folder of this process's cgroup by controller (memory, cpu, cpuacct), and "version": "1" or "2"."""
    base = os.path.join(root, "sys/fs/cgroup")
    unified = os.path.exists(os.path.join(base, "cgroup.controllers"))
    found = {"version": "2" if unified else "1"}
    for line in read(os.path.join(root, "proc/self/cgroup")).splitlines():
        number, controllers, path = (line.split(":", 2) + ["", ""])[:3]
        path = path.lstrip("/")
        if unified and number == "0" and not controllers:
            for name in ("memory", "cpu", "cpuacct"):
                found[name] = _existing(base, path)
        elif not unified:
            for name in controllers.split(","):
                if name in ("memory", "cpu", "cpuacct"):
                    found[name] = _existing(os.path.join(base, name), path)
    return found


def _existing(base: str, path: str) -> str:
    """The folder itself; in a container, where the host's path does not exist, its mount point."""
    folder = os.path.normpath(os.path.join(base, path))
    return folder if os.path.isdir(folder) and ".." not in path else base


def _upwards(folder: str, root: str) -> List[str]:
    stop = os.path.join(root, "sys/fs/cgroup")
    found = []
    while folder.startswith(stop) and folder != stop:
        found.append(folder)
        folder = os.path.dirname(folder)
    return [*found, stop]


def _number(text: str) -> Optional[float]:
    try:
        return float(text)
    except ValueError:
        return None


def cgroup_memory_limit(folders: Mapping[str, str], root: str = "/") -> Optional[int]:
    """Bytes: the tightest limit on the way up, None without one."""
    name = "memory.max" if folders["version"] == "2" else "memory.limit_in_bytes"
    limits = [_number(read(os.path.join(f, name)).strip()) for f in _upwards(folders.get("memory", ""), root)]
    real = [int(limit) for limit in limits if limit is not None and 0 < limit < NO_LIMIT]
    return min(real) if real else None


def cgroup_cpu_limit(folders: Mapping[str, str], root: str = "/") -> Optional[float]:
    """Cores: the tightest quota on the way up, None without one."""
    found = []
    for folder in _upwards(folders.get("cpu", ""), root):
        if folders["version"] == "2":
            quota, period = (read(os.path.join(folder, "cpu.max")).split() + ["", ""])[:2]
        else:
            quota = read(os.path.join(folder, "cpu.cfs_quota_us")).strip()
            period = read(os.path.join(folder, "cpu.cfs_period_us")).strip()
        used, of = _number(quota), _number(period)
        if used is not None and of and used > 0:
            found.append(used / of)
    return min(found) if found else None


def allocated_cpus(folders: Mapping[str, str], environ: Mapping[str, str], root: str = "/") -> int:
    """Cores this job may use: the least of affinity, cgroup quota and SLURM's number."""
    affinity = getattr(os, "sched_getaffinity", None)
    counts: List[float] = [len(affinity(0)) if affinity else os.cpu_count() or 1]
    quota = cgroup_cpu_limit(folders, root)
    if quota is not None:
        counts.append(max(1.0, quota))
    # CPUS_PER_TASK is set only when it was asked for; then it is what one task may use.
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        slurm = _number(environ.get(name, ""))
        if slurm:
            counts.append(slurm)
            break
    return max(1, int(min(counts)))


def meminfo(root: str = "/") -> Dict[str, int]:
    """/proc/meminfo in bytes."""
    return {
        k: int(v) * 1024
        for k, v in re.findall(r"(\w+):\s+(\d+) kB", read(os.path.join(root, "proc/meminfo")))
    }


def memory_sample(
    folders: Mapping[str, str], environ: Mapping[str, str], kernels_rss: Optional[int], root: str = "/"
) -> Dict[str, Any]:
    """Memory of the allocation; `kernels_rss` (bytes) stands in for its use where no cgroup counts it."""
    machine = meminfo(root)
    total: Optional[int] = machine.get("MemTotal") or physical_memory()
    free = machine.get("MemAvailable", machine.get("MemFree"))
    used = None if total is None or free is None else total - free
    source = "machine"
    slurm = _number(environ.get("SLURM_MEM_PER_NODE", ""))
    if slurm and (total is None or slurm * MIB < total):
        total, source, used = int(slurm * MIB), "slurm", kernels_rss
    limit = cgroup_memory_limit(folders, root)
    if limit is not None and (total is None or limit <= total):
        total, source = limit, "cgroup"
        counted = _cgroup_memory_used(folders, limit, root)
        used = used if counted is None else counted
    available = percent = None
    if total is not None and used is not None:
        available = max(0, min(total - used, free if free else total))
        percent = round(100 * used / total, 1)
    return {
        "total_mb": _mib(total),
        "used_mb": _mib(used),
        "available_mb": _mib(available),
        "percent_used": percent,
        "limit_source": source,
    }


def physical_memory() -> Optional[int]:
    """Bytes, where there is no /proc to ask (macOS); None where nobody says."""
    try:
        return (os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) or None
    except (OSError, ValueError):
        return None


def _mib(size: Optional[float]) -> Optional[float]:
    return None if size is None else round(size / MIB, 1)


def _cgroup_memory_used(folders: Mapping[str, str], limit: int, root: str) -> Optional[int]:
    """Bytes in use in the cgroup that sets the limit, without the cache that the system would drop."""
    second = folders["version"] == "2"
    for folder in _upwards(folders.get("memory", ""), root):
        bound = _number(
            read(os.path.join(folder, "memory.max" if second else "memory.limit_in_bytes")).strip()
        )
        if bound != limit:
            continue
        used = _number(
            read(os.path.join(folder, "memory.current" if second else "memory.usage_in_bytes")).strip()
        )
        if used is None:
            return None
        cache = re.search(
            r"^(?:total_)?inactive_file (\d+)", read(os.path.join(folder, "memory.stat")), re.MULTILINE
        )
        return max(0, int(used) - (int(cache.group(1)) if cache else 0))
    return None


def oom_counter_paths(root: str = "/") -> List[str]:
    """Files with an `oom_kill N` line that this process's cgroups, or the machine, keep."""
    folders = cgroup_folders(root)
    name = "memory.events" if folders["version"] == "2" else "memory.oom_control"
    paths = [os.path.join(folder, name) for folder in _upwards(folders.get("memory", ""), root)]
    return [path for path in [*paths, os.path.join(root, "proc/vmstat")] if "oom_kill " in read(path)]


def cpu_seconds(folders: Mapping[str, str], root: str = "/") -> Tuple[Optional[float], str]:
    """CPU time used so far, and by what: the allocation's cgroup when it has a limit of its own, else the machine."""
    if cgroup_cpu_limit(folders, root) is not None or cgroup_memory_limit(folders, root) is not None:
        if folders["version"] == "2":
            found = re.search(r"usage_usec (\d+)", read(os.path.join(folders.get("cpu", ""), "cpu.stat")))
            if found:
                return int(found.group(1)) / 1e6, "cgroup"
        used = _number(read(os.path.join(folders.get("cpuacct", ""), "cpuacct.usage")).strip())
        if used is not None:
            return used / 1e9, "cgroup"
    fields = [int(x) for x in read(os.path.join(root, "proc/stat")).split("\n", 1)[0].split()[1:]]
    ticks = sum(fields[:8]) - sum(fields[3:5]) if fields else None
    return None if ticks is None else ticks / os.sysconf("SC_CLK_TCK"), "machine"


def load_averages() -> Tuple[Optional[float], ...]:
    """Of 1, 5 and 15 minutes."""
    try:
        return tuple(round(load, 2) for load in os.getloadavg())
    except OSError:
        return (None, None, None)


# Processes of the kernels.


def find_kernels() -> Dict[str, int]:
    """Kernel id to pid for this user's kernels on this machine, from their connection file's name."""
    found = {}
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            if os.stat(folder).st_uid != os.getuid():
                continue
        except OSError:
            continue
        named = re.search(r"kernel-([0-9a-f-]{36})\.json", read(folder + "/cmdline"))
        if named:
            found[named.group(1)] = int(os.path.basename(folder))
    return found


def process_tree(pid: int) -> List[int]:
    """A process and its descendants."""
    found, todo = [], [pid]
    while todo:
        current = todo.pop()
        found.append(current)
        for path in glob.glob("/proc/%d/task/*/children" % current):
            todo.extend(int(child) for child in read(path).split())
    return found


def process_use(pid: int) -> Optional[Tuple[float, int]]:
    """CPU seconds and resident bytes of one process; None when it is gone, or where there is no /proc."""
    fields = read("/proc/%d/stat" % pid).rpartition(")")[2].split()
    if len(fields) < 22:
        return None
    ticks = int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK"), int(fields[21]) * os.sysconf("SC_PAGE_SIZE")


# GPUs, through the vendors' tools. Each runs outside of the sampling loop: a tool that hangs blocks nothing.


def parse_nvidia(line: str) -> Optional[Dict[str, Any]]:
    """One line of `nvidia-smi --query-gpu --format=csv,noheader,nounits`; "[N/A]" and the like become None."""
    fields = [field.strip() for field in line.split(",")]
    if len(fields) < 7 or _number(fields[0]) is None:
        return None
    index, tail = fields[0], [_number(field) for field in fields[-5:]]
    return _gpu(int(index), ", ".join(fields[1:-5]), *tail)


def _gpu(index: int, name: str, *values: Optional[float]) -> Dict[str, Any]:
    keys = ("memory_used_mb", "memory_total_mb", "utilization_percent", "temperature_c", "power_w")
    return {"index": index, "name": name, **dict(zip(keys, values))}


def visible_gpus(seen: Iterable[int], environ: Mapping[str, str]) -> Set[int]:
    """Those of the GPUs that the tools see which this job may use: clusters that do not hide the others only name ours."""
    everything = set(seen)
    for name in ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"):
        named = [part.strip() for part in environ.get(name, "").split(",")]
        ours = {int(part) for part in named if part.isdigit()}
        # Other spellings (UUIDs, MIG) and numbers that the tools do not know say nothing about what the tools call ours.
        if ours and len(ours) == len(named) and ours <= everything:
            return ours
    return everything


def parse_rocm(text: str) -> List[Dict[str, Any]]:
    """The answer of `rocm-smi --json`, whose keys differ between versions."""
    try:
        cards = json.loads(text[text.index("{") :])
    except ValueError:
        return []
    found = []
    for card, values in cards.items():
        number = re.fullmatch(r"card(\d+)", card)
        if number is None or not isinstance(values, dict):
            continue

        def value(pattern: str, values: Dict[str, Any] = values) -> Optional[float]:
            return next(
                (_number(str(v)) for k, v in values.items() if re.search(pattern, k, re.IGNORECASE)), None
            )

        used, total = value(r"VRAM Total Used Memory"), value(r"VRAM Total Memory")
        names = [
            values[k]
            for k in ("Card Series", "Card series", "Device Name", "Card Model", "Card model")
            if k in values
        ]
        found.append(
            _gpu(
                int(number.group(1)),
                str(names[0]) if names else "AMD GPU",
                None if used is None else round(used / MIB, 1),
                None if total is None else round(total / MIB, 1),
                value(r"^GPU use"),
                value(r"Temperature.*(edge|junction)"),
                value(r"(Average|Current).*Power"),
            )
        )
    return sorted(found, key=lambda gpu: int(gpu["index"]))


class GpuWatch:
    """The latest readings of all GPUs, kept by a thread that may block as long as it likes."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._gpus: Dict[int, Tuple[float, Dict[str, Any]]] = {}
        self._process_mb: Dict[int, float] = {}
        self._child: Optional[subprocess.Popen[str]] = None
        self._stopped = threading.Event()

    def start(self) -> None:
        for tool, work in (
            ("nvidia-smi", self._nvidia),
            ("nvidia-smi", self._nvidia_processes),
            ("rocm-smi", self._rocm),
        ):
            if shutil.which(tool):
                threading.Thread(target=work, name="jlab-mcp-gpu", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        child = self._child
        if child is not None and child.poll() is None:
            child.terminate()

    def gpus(self) -> List[Dict[str, Any]]:
        """Ours by index; a reading that is old keeps only its name and size."""
        now = time.monotonic()
        readings = self._gpus.copy()
        fresh = []
        for index in sorted(visible_gpus(readings, self._environ)):
            at, gpu = readings[index]
            if now - at > GPU_STALE_S:
                gpu = {**_gpu(gpu["index"], gpu["name"], None, gpu["memory_total_mb"], None, None, None)}
            fresh.append(gpu)
        return fresh

    def memory_of(self, pids: List[int]) -> Optional[float]:
        """MiB of GPU memory of these processes, None when no tool says."""
        known = [self._process_mb[pid] for pid in pids if pid in self._process_mb]
        return sum(known) if known else None

    def _keep(self, gpu: Optional[Dict[str, Any]]) -> None:
        if gpu is not None:
            self._gpus[gpu["index"]] = (time.monotonic(), gpu)

    def _nvidia(self) -> None:
        command = [
            "nvidia-smi",
            "--query-gpu=" + _NVIDIA_FIELDS,
            "--format=csv,noheader,nounits",
            "--loop-ms=1000",
        ]
        while not self._stopped.is_set():
            try:
                with subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                ) as child:
                    self._child = child
                    assert child.stdout is not None
                    for line in child.stdout:
                        self._keep(parse_nvidia(line))
            except OSError:
                return
            # It ended although it should not: an old driver, a lost GPU. Try again, not eagerly.
            self._stopped.wait(30.0)

    def _nvidia_processes(self) -> None:
        command = ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
        while not self._stopped.is_set():
            text = _output(command)
            rows = [line.split(",") for line in text.splitlines() if line.count(",") == 1]
            sums: Dict[int, float] = {}
            for pid, used in rows:
                number, mb = _number(pid.strip()), _number(used.strip())
                if number is not None and mb is not None:
                    sums[int(number)] = sums.get(int(number), 0.0) + mb
            self._process_mb = sums
            self._stopped.wait(5.0)

    def _rocm(self) -> None:
        command = [
            "rocm-smi",
            "--showuse",
            "--showmeminfo",
            "vram",
            "--showtemp",
            "--showpower",
            "--showproductname",
            "--json",
        ]
        while not self._stopped.is_set():
            for gpu in parse_rocm(_output(command)):
                self._keep(gpu)
            self._stopped.wait(2.0)


def _output(command: List[str]) -> str:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            timeout=TOOL_TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace")


# Samples.


class Sampler:
    """Takes samples; differences (CPU use) are against the one before."""

    def __init__(self, environ: Mapping[str, str], root: str = "/") -> None:
        self._environ = environ
        self._root = root
        self._folders = cgroup_folders(root)
        self._cpus = allocated_cpus(self._folders, environ, root)
        self._before: Dict[str, Tuple[float, float]] = {}

    def sample(self, kernel_pids: Mapping[str, int], gpus: GpuWatch) -> Dict[str, Any]:
        """One sample; see the module's docstring for units."""
        kernels = {kernel_id: self._kernel(kernel_id, pid, gpus) for kernel_id, pid in kernel_pids.items()}
        load = load_averages()
        used, source = cpu_seconds(self._folders, self._root)
        cores = self._cpus if source == "cgroup" else os.cpu_count() or 1
        percent = self._rate("node", used)
        known = [use["rss_mb"] for use in kernels.values() if use["rss_mb"] is not None]
        rss = int(sum(known) * MIB) if known or not kernels else None
        self._before = {k: v for k, v in self._before.items() if k == "node" or k in kernel_pids}
        return {
            "t": time.time(),
            "cpu": {
                "count": self._cpus,
                "percent": None if percent is None else round(min(100.0, percent / cores), 1),
                "load_1m": load[0],
                "load_5m": load[1],
                "load_15m": load[2],
            },
            "memory": memory_sample(self._folders, self._environ, rss, self._root),
            "gpu": gpus.gpus(),
            "kernels": kernels,
        }

    def _kernel(self, kernel_id: str, pid: int, gpus: GpuWatch) -> Dict[str, Any]:
        pids = process_tree(pid)
        uses = [use for use in map(process_use, pids) if use is not None]
        percent = self._rate(kernel_id, sum(cpu for cpu, _ in uses) if uses else None)
        return {
            "pid": pid,
            "rss_mb": _mib(sum(rss for _, rss in uses)) if uses else None,
            "cpu_percent": None if percent is None else round(max(0.0, percent), 1),
            "gpu_memory_mb": gpus.memory_of(pids),
            "processes": len(pids),
        }

    def _rate(self, key: str, cpu: Optional[float]) -> Optional[float]:
        """Percent of one core since the last call with this key."""
        if cpu is None:
            self._before.pop(key, None)
            return None
        now = time.monotonic()
        before = self._before.get(key)
        self._before[key] = (now, cpu)
        return None if before is None or now <= before[0] else 100 * (cpu - before[1]) / (now - before[0])


class SamplerThread:
    """A sample a second, the last ten minutes of them."""

    def __init__(
        self,
        period: float = 1.0,
        take: Optional[Callable[..., Dict[str, Any]]] = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`take`: what gives one sample, as `Sampler.sample` does."""
        self.kernel_pids: Mapping[str, int] = {}
        """Set by the event loop, read by the thread."""
        self._period = period
        self._samples: Deque[Dict[str, Any]] = deque(maxlen=int(HISTORY_S / period))
        self._gpus = GpuWatch(os.environ)
        self._take = take or Sampler(os.environ).sample
        self._clock = clock
        self._taken_at = 0.0
        self._complained = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jlab-mcp-sampler", daemon=True)

    def start(self) -> None:
        self._gpus.start()
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._gpus.stop()

    def read(self, seconds: float) -> Tuple[Optional[Dict[str, Any]], List[Dict[str, Any]]]:
        """The newest sample and those of the last `seconds`, oldest first."""
        samples = list(self._samples)
        since = time.time() - seconds
        is_fresh = bool(samples) and self._clock() - self._taken_at < STALE_S
        return (samples[-1] if is_fresh else None), [sample for sample in samples if sample["t"] >= since]

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stopped.is_set():
            try:
                self._samples.append(self._take(self.kernel_pids, self._gpus))
                self._taken_at = self._clock()
            except Exception:
                # A sample that cannot be taken is one that is missing; the next one may succeed.
                if not self._complained:
                    log.exception("jlab-mcp: the use of CPU, memory and GPUs could not be measured")
                self._complained = True
            due = max(due + self._period, time.monotonic())
            self._stopped.wait(due - time.monotonic())


def one_sample(wait_s: float = 0.25) -> Dict[str, Any]:
    """A single sample of this machine, with CPU use measured over `wait_s` seconds and GPUs asked once."""
    gpus = GpuWatch(os.environ)
    sampler = Sampler(os.environ)
    kernels = find_kernels()
    sampler.sample(kernels, gpus)
    gpus.start()
    deadline = time.monotonic() + (2.0 if shutil.which("nvidia-smi") or shutil.which("rocm-smi") else 0.0)
    time.sleep(wait_s)
    while not gpus.gpus() and time.monotonic() < deadline:
        time.sleep(0.02)
    taken = sampler.sample(kernels, gpus)
    gpus.stop()
    return taken
