"""Reads the GPUs from NVIDIA's and AMD's tools. Each runs in its own thread, so a tool that hangs blocks nothing.

One of the three files that also run in a plain kernel (see usage.py). Sizes are MiB; None if unknown.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import time
from typing import Any, Dict, Iterable, List, Mapping, Optional, Set, Tuple

from .cgroup import MIB, number

STALE_S = 10.0
"""Of an older reading only the GPU's name and size count."""
TOOL_TIMEOUT_S = 20.0

_NVIDIA_FIELDS = "index,name,memory.used,memory.total,utilization.gpu,temperature.gpu,power.draw"


def parse_nvidia(line: str) -> Optional[Dict[str, Any]]:
    """Parse one line of `nvidia-smi --query-gpu --format=csv,noheader,nounits`; "[N/A]" and the like become None."""
    fields = [field.strip() for field in line.split(",")]
    if len(fields) < 7 or number(fields[0]) is None:
        return None
    index, tail = fields[0], [number(field) for field in fields[-5:]]
    return _gpu(int(index), ", ".join(fields[1:-5]), *tail)


def _gpu(index: int, name: str, *values: Optional[float]) -> Dict[str, Any]:
    keys = ("memory_used_mb", "memory_total_mb", "utilization_percent", "temperature_c", "power_w")
    return {"index": index, "name": name, **dict(zip(keys, values))}


def visible_gpus(seen: Iterable[int], environ: Mapping[str, str]) -> Set[int]:
    """Return the GPUs that this job may use, of those `seen`: some clusters name a job's GPUs but hide no others."""
    everything = set(seen)
    for name in ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"):
        named = [part.strip() for part in environ.get(name, "").split(",")]
        ours = {int(part) for part in named if part.isdigit()}
        # UUIDs, MIG names and unknown numbers cannot be matched with the tools' lists.
        if ours and len(ours) == len(named) and ours <= everything:
            return ours
    return everything


def parse_nvidia_processes(text: str) -> Dict[int, float]:
    """Parse MiB by process from `nvidia-smi --query-compute-apps=pid,used_memory --format=csv,noheader,nounits`."""
    used: Dict[int, float] = {}
    for line in text.splitlines():
        pid, mib = map(number, (line.split(",") + ["", ""])[:2])
        if pid is not None and mib is not None:
            used[int(pid)] = used.get(int(pid), 0.0) + mib
    return used


def parse_rocm(text: str) -> List[Dict[str, Any]]:
    """Parse the output of `rocm-smi --json`, whose keys differ between versions."""
    try:
        cards = json.loads(text[text.index("{") :])
    except ValueError:
        return []
    named = [(re.fullmatch(r"card(\d+)", card), values) for card, values in cards.items()]
    gpus = [
        _rocm_gpu(int(card.group(1)), values) for card, values in named if card and isinstance(values, dict)
    ]
    return sorted(gpus, key=lambda gpu: int(gpu["index"]))


def _rocm_gpu(index: int, values: Mapping[str, Any]) -> Dict[str, Any]:
    def value(pattern: str) -> Optional[float]:
        keys = (key for key in values if re.search(pattern, key, re.IGNORECASE))
        return next((number(str(values[key])) for key in keys), None)

    def mib(size: Optional[float]) -> Optional[float]:
        return None if size is None else round(size / MIB, 1)

    spellings = ("Card Series", "Card series", "Device Name", "Card Model", "Card model")
    return _gpu(
        index,
        next((str(values[key]) for key in spellings if key in values), "AMD GPU"),
        mib(value(r"VRAM Total Used Memory")),
        mib(value(r"VRAM Total Memory")),
        value(r"^GPU use"),
        value(r"Temperature.*(edge|junction)"),
        value(r"(Average|Current).*Power"),
    )


class GpuWatch:
    """The latest readings of all GPUs, kept by threads that may block."""

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
        """Return this job's GPUs by index; an old reading keeps only name and size."""
        now = time.monotonic()
        readings = self._gpus.copy()
        fresh = []
        for index in sorted(visible_gpus(readings, self._environ)):
            at, gpu = readings[index]
            if now - at > STALE_S:
                gpu = {**_gpu(gpu["index"], gpu["name"], None, gpu["memory_total_mb"], None, None, None)}
            fresh.append(gpu)
        return fresh

    def memory_of(self, pids: List[int]) -> Optional[float]:
        """Return the GPU memory of these processes in MiB; None if no tool lists them."""
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
            # It should run for ever, but an old driver or a lost GPU ended it. Try again later.
            self._stopped.wait(30.0)

    def _nvidia_processes(self) -> None:
        command = ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
        while not self._stopped.is_set():
            self._process_mb = parse_nvidia_processes(_output(command))
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
