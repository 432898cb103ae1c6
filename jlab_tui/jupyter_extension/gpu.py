"""Reads the GPUs from NVIDIA's and AMD's tools. Each runs in its own thread, so a tool that hangs blocks nothing.

One of the five files that also run in a plain kernel (see usage.py). Sizes are MiB; None if unknown.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Set, Tuple

from .cgroup import MIB, number
from .gpu_allocation import Slice, named_gpus, parse_slices, slices_of, visible_gpus

STALE_S = 10.0
"""Of an older reading only the GPU's name and size count."""
TOOL_TIMEOUT_S = 20.0
TOOLS = ("nvidia-smi", "rocm-smi", "amd-smi")

_NVIDIA_FIELDS = "index,name,uuid,memory.used,memory.total,utilization.gpu,temperature.gpu,power.draw"


def parse_nvidia(line: str) -> Optional[Dict[str, Any]]:
    """Parse one line of `nvidia-smi --query-gpu --format=csv,noheader,nounits`; "[N/A]" and the like become None."""
    fields = [field.strip() for field in line.split(",")]
    if len(fields) < 7 or number(fields[0]) is None:
        return None
    index, tail = fields[0], [number(field) for field in fields[-5:]]
    name, uuid = fields[1:-5], ""
    if len(name) > 1 and name[-1].startswith("GPU-"):
        uuid = name.pop()
    gpu = _gpu(int(index), ", ".join(name), *tail)
    return {**gpu, "uuid": uuid} if uuid else gpu


def _gpu(index: int, name: str, *values: Optional[float]) -> Dict[str, Any]:
    keys = ("memory_used_mb", "memory_total_mb", "utilization_percent", "temperature_c", "power_w")
    return {"index": index, "name": name, **dict(zip(keys, values))}


def parse_nvidia_processes(text: str) -> Dict[int, float]:
    """Parse MiB by process from `nvidia-smi --query-compute-apps=pid,used_memory,gpu_uuid --format=csv,noheader,nounits`."""
    used: Dict[int, float] = {}
    for line in text.splitlines():
        pid, mib = map(number, (line.split(",") + ["", ""])[:2])
        if pid is not None and mib is not None:
            used[int(pid)] = used.get(int(pid), 0.0) + mib
    return used


def parse_nvidia_holders(text: str) -> Dict[int, Set[str]]:
    """Parse the GPUs (by uuid) on which each process holds memory, from the third field of the same."""
    held: Dict[int, Set[str]] = {}
    for line in text.splitlines():
        fields = [field.strip() for field in line.split(",")]
        pid = number(fields[0])
        if pid is not None and len(fields) > 2 and fields[2].startswith("GPU-"):
            held.setdefault(int(pid), set()).add(fields[2])
    return held


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

    unique = next((str(values[key]) for key in values if key.startswith("Unique ID")), "")
    spellings = ("Card Series", "Card series", "Device Name", "Card Model", "Card model")
    gpu = _gpu(
        index,
        next((str(values[key]) for key in spellings if key in values), "AMD GPU"),
        mib(value(r"VRAM Total Used Memory")),
        mib(value(r"VRAM Total Memory")),
        value(r"^GPU use"),
        value(r"Temperature.*(edge|junction)"),
        value(r"(Average|Current).*Power"),
    )
    return {**gpu, "uuid": _rocm_uuid(unique)} if _rocm_uuid(unique) else gpu


def _rocm_uuid(serial: str) -> str:
    """Return what ROCR_VISIBLE_DEVICES calls a GPU with this unique id or serial number, such as `0x1f2e`."""
    digits = re.match(r"0x([0-9a-fA-F]+)$", serial)
    return "GPU-" + digits[1].lower() if digits is not None else ""


def parse_amd_smi(metrics: str, static: str = "") -> List[Dict[str, Any]]:
    """Parse `amd-smi metric --json`, with names and serial numbers of `amd-smi static --asic --json`."""
    chips = {gpu["gpu"]: _inside(gpu, "asic") for gpu in _amd_list(static)}
    gpus = [_amd_gpu(gpu, chips.get(gpu["gpu"], {})) for gpu in _amd_list(metrics)]
    return sorted(gpus, key=lambda gpu: int(gpu["index"]))


def _amd_list(text: str) -> List[Dict[str, Any]]:
    """Return one document of amd-smi: a list, in later versions inside an object."""
    content: Any = None
    for start in re.finditer(r"^\s*[\[{]", text, re.MULTILINE):  # warnings come first
        try:
            content = json.loads(text[start.start() :])
            break
        except ValueError:
            continue
    listed = content.get("gpu_data") if isinstance(content, dict) else content
    return [
        gpu
        for gpu in (listed if isinstance(listed, list) else [])
        if isinstance(gpu, dict) and isinstance(gpu.get("gpu"), int)
    ]


def _amd_gpu(gpu: Mapping[str, Any], chip: Mapping[str, Any]) -> Dict[str, Any]:
    memory, heat = _inside(gpu, "mem_usage"), _inside(gpu, "temperature")
    degrees = (_amd_number(heat.get(place)) for place in ("edge", "hotspot"))
    found = _gpu(
        int(gpu["gpu"]),
        str(chip.get("market_name") or "AMD GPU"),
        _amd_number(memory.get("used_vram")),
        _amd_number(memory.get("total_vram")),
        _amd_number(_inside(gpu, "usage").get("gfx_activity")),
        next((value for value in degrees if value is not None), None),
        _amd_number(_inside(gpu, "power").get("socket_power")),
    )
    uuid = _rocm_uuid(str(chip.get("asic_serial") or ""))
    return {**found, "uuid": uuid} if uuid else found


def _inside(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = values.get(key)
    return found if isinstance(found, dict) else {}


def _amd_number(value: Any) -> Optional[float]:
    """Return a plain number, or one with its unit: `{"value": 12, "unit": "MB"}`."""
    plain = value.get("value") if isinstance(value, dict) else value
    found = None if isinstance(plain, bool) else number(str(plain))
    scale = {"KB": 1 / 1024, "GB": 1024.0}.get(str(value.get("unit")) if isinstance(value, dict) else "", 1)
    return None if found is None else found * scale


class GpuWatch:
    """The latest readings of all GPUs, kept by threads that may block."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._gpus: Dict[int, Tuple[float, Dict[str, Any]]] = {}
        self._process_mb: Dict[int, float] = {}
        self._holders: Dict[int, Set[str]] = {}
        self._slices: Dict[str, Slice] = {}
        self._child: Optional[subprocess.Popen[str]] = None
        self._stopped = threading.Event()

    def start(self) -> None:
        for tool, work in (
            ("nvidia-smi", self._nvidia),
            ("nvidia-smi", self._nvidia_processes),
            ("rocm-smi", self._rocm),
            ("amd-smi", self._amd),
        ):
            if shutil.which(tool) and not (tool == "amd-smi" and shutil.which("rocm-smi")):
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
        ids = {gpu["uuid"]: index for index, (_, gpu) in readings.items() if "uuid" in gpu}
        ids.update({uuid: part.gpu for uuid, part in self._slices.items()})
        slices = slices_of(named_gpus(self._environ), self._slices)
        fresh = []
        for index in sorted(visible_gpus(readings, self._environ, ids)):
            at, gpu = readings[index]
            gpu = {key: value for key, value in gpu.items() if key != "uuid"}
            if now - at > STALE_S:
                gpu = {**_gpu(gpu["index"], gpu["name"], None, gpu["memory_total_mb"], None, None, None)}
            if index in slices:  # the numbers are those of the whole GPU, and others may use its other slices
                name = "%s (%s)" % (gpu["name"], slices[index])
                gpu = _gpu(index, name, None, None, None, gpu["temperature_c"], gpu["power_w"])
            fresh.append(gpu)
        return fresh

    def memory_of(self, pids: List[int]) -> Optional[float]:
        """Return the GPU memory of these processes in MiB; None if no tool lists them."""
        known = [self._process_mb[pid] for pid in pids if pid in self._process_mb]
        return sum(known) if known else None

    def use_of(self, pids: List[int], gpus: List[Dict[str, Any]]) -> Optional[float]:
        """Return the use (percent) of the busiest of `gpus` on which these processes hold memory; None if unknown."""
        indices = self.used_by(pids)
        known = [gpu["utilization_percent"] for gpu in gpus if not indices or gpu["index"] in indices]
        return max(known) if known and None not in known else None

    def used_by(self, pids: List[int]) -> List[int]:
        """Return the indices of the GPUs on which these processes hold memory, as far as the tool says."""
        held = {uuid for pid in pids for uuid in self._holders.get(pid, ())}
        return sorted(index for index, (_, gpu) in self._gpus.copy().items() if gpu.get("uuid") in held)

    @property
    def listed_processes(self) -> int:
        """Number of the processes that the tool lists; in a container it may see none."""
        return len(self._process_mb)

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
        if any(name.startswith("MIG-") for name in named_gpus(self._environ) or ()):
            self._slices = parse_slices(_output(["nvidia-smi", "-L"]))
        command = ["nvidia-smi", "--query-compute-apps=pid,used_memory,gpu_uuid", "--format=csv,noheader,nounits"]
        while not self._stopped.is_set():
            listed = _output(command)
            self._process_mb, self._holders = parse_nvidia_processes(listed), parse_nvidia_holders(listed)
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
            "--showuniqueid",
            "--json",
        ]
        self._repeat(lambda: parse_rocm(_output(command)))

    def _amd(self) -> None:
        static = _output(["amd-smi", "static", "--asic", "--json"])
        command = ["amd-smi", "metric", "--usage", "--mem-usage", "--temperature", "--power", "--json"]
        self._repeat(lambda: parse_amd_smi(_output(command), static))

    def _repeat(self, look: Callable[[], List[Dict[str, Any]]]) -> None:
        while not self._stopped.is_set():
            for gpu in look():
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
