from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from jlab_tui.core.server.resources import parse_sample, resources_json
from jlab_tui.jupyter_extension import probe
from tests.jupyter_extension.servers import NODE, owning, serving, until

GIB = 1 << 30


def tree(root: Path, files: Mapping[str, str]) -> str:
    files = {
        "proc/meminfo": "MemTotal: 64000000 kB\nMemFree: 1000 kB\nMemAvailable: 32000000 kB\n",
        "proc/stat": "cpu 100 0 100 800 0 0 0 0 0 0\n",
        **files,
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return str(root)


V2 = {
    "proc/self/cgroup": "0::/slurm/job_1/step_0\n",
    "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
    "sys/fs/cgroup/slurm/job_1/memory.max": str(8 * GIB),
    "sys/fs/cgroup/slurm/job_1/memory.current": str(3 * GIB),
    "sys/fs/cgroup/slurm/job_1/memory.stat": f"anon 5\ninactive_file {GIB}\n",
    "sys/fs/cgroup/slurm/job_1/cpu.max": "100000 100000\n",
    "sys/fs/cgroup/slurm/job_1/step_0/memory.max": "max\n",
    "sys/fs/cgroup/slurm/job_1/step_0/memory.events": "oom 1\noom_kill 2\n",
    "sys/fs/cgroup/slurm/job_1/step_0/cpu.max": "max 100000\n",
    "sys/fs/cgroup/slurm/job_1/step_0/cpu.stat": "usage_usec 5000000\n",
}
V1 = {
    "proc/self/cgroup": "4:memory:/slurm/job_1\n3:cpu,cpuacct:/slurm/job_1\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    "sys/fs/cgroup/memory/slurm/job_1/memory.limit_in_bytes": str(8 * GIB),
    "sys/fs/cgroup/memory/slurm/job_1/memory.usage_in_bytes": str(3 * GIB),
    "sys/fs/cgroup/memory/slurm/job_1/memory.stat": f"total_inactive_file {GIB}\n",
    "sys/fs/cgroup/memory/slurm/job_1/memory.oom_control": "oom_kill_disable 0\noom_kill 2\n",
    "sys/fs/cgroup/cpu/slurm/job_1/cpu.cfs_quota_us": "100000\n",
    "sys/fs/cgroup/cpu/slurm/job_1/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/cpuacct/slurm/job_1/cpuacct.usage": "5000000000\n",
}


@pytest.mark.parametrize("files", [V2, V1], ids=["v2", "v1"])
def test_the_tightest_cgroup_limit_on_the_way_up_counts(tmp_path: Path, files: Mapping[str, str]) -> None:
    root = tree(tmp_path, files)
    folders = probe.cgroup_folders(root)
    memory = probe.memory_sample(folders, {}, 0, root)
    assert (memory["total_mb"], memory["used_mb"], memory["limit_source"]) == (8192, 2048, "cgroup")
    assert probe.cgroup_cpu_limit(folders, root) == 1
    assert probe.allocated_cpus(folders, {}, root) == 1
    assert probe.cpu_seconds(folders, root) == (5.0, "cgroup")
    assert any("job_1" in path for path in probe.oom_counter_paths(root))


def test_slurms_numbers_count_where_no_cgroup_limits(tmp_path: Path) -> None:
    root = tree(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cgroup.controllers": "\n"})
    environ = {"SLURM_MEM_PER_NODE": "32000", "SLURM_CPUS_PER_TASK": "1", "SLURM_CPUS_ON_NODE": "64"}
    folders = probe.cgroup_folders(root)
    memory = probe.memory_sample(folders, environ, 2 * GIB, root)
    assert (memory["total_mb"], memory["used_mb"], memory["limit_source"]) == (32000, 2048, "slurm")
    assert probe.memory_sample(folders, {}, 0, root)["limit_source"] == "machine"
    assert probe.allocated_cpus(folders, environ, root) == 1


def test_a_machine_without_proc_says_unknown_and_not_zero(tmp_path: Path) -> None:
    """As macOS: of the memory only its size is known."""
    root = str(tmp_path)
    physical_mb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20
    memory = probe.memory_sample(probe.cgroup_folders(root), {}, None, root)
    assert memory["total_mb"] == pytest.approx(physical_mb, rel=0.01)
    assert (memory["used_mb"], memory["available_mb"], memory["percent_used"]) == (None, None, None)
    sampler = probe.Sampler({}, root)
    for _ in range(2):
        sample = sampler.sample({"k": 2**22 + 1}, probe.GpuWatch({}))
        assert sample["cpu"]["percent"] is None
        assert sample["kernels"]["k"] == {
            "pid": 2**22 + 1, "rss_mb": None, "cpu_percent": None, "gpu_memory_mb": None, "processes": 1
        }  # fmt: skip
    parsed = parse_sample(sample)
    assert (parsed.memory_percent, resources_json(parsed)["memory"]["used_mb"]) == (None, None)


def test_a_sample_that_cannot_be_taken_is_missing_and_the_next_one_is_taken() -> None:
    outcomes: Iterator[Any] = iter(
        [{"t": time.time()}, ZeroDivisionError(), OSError("gone"), {"t": time.time() + 1}]
    )
    last = threading.Event()

    def take(*_: object) -> dict[str, Any]:
        outcome = next(outcomes, None)
        if outcome is None:
            last.set()
            raise ValueError
        if isinstance(outcome, Exception):
            raise outcome
        return dict(outcome)

    thread = probe.SamplerThread(0.01, take)
    thread.start()
    assert last.wait(20)
    thread.stop()
    now, history = thread.read(60)
    assert now is not None and len(history) == 2 and now == history[-1]


def test_an_old_sample_is_not_told_as_of_now() -> None:
    clock = [100.0]
    taken = threading.Event()

    def take(*_: object) -> dict[str, Any]:
        if taken.is_set():
            raise ValueError
        taken.set()
        return {"t": time.time()}

    thread = probe.SamplerThread(0.01, take, lambda: clock[0])
    thread.start()
    now = until(lambda: thread.read(60)[0], "a sample is taken")
    assert now is not None
    clock[0] += probe.STALE_S + 1
    assert thread.read(60)[0] is None and len(thread.read(60)[1]) == 1
    thread.stop()


def test_what_a_gpu_does_not_say_is_unknown() -> None:
    full = probe.parse_nvidia("0, NVIDIA A100-SXM4-80GB, 1024, 81920, 37, 41, 99.50")
    assert full == {
        "index": 0,
        "name": "NVIDIA A100-SXM4-80GB",
        "memory_used_mb": 1024,
        "memory_total_mb": 81920,
        "utilization_percent": 37,
        "temperature_c": 41,
        "power_w": 99.5,
    }
    mig = probe.parse_nvidia("1, NVIDIA H100, [N/A], [N/A], [N/A], 30, [Not Supported]")
    assert mig is not None and mig["utilization_percent"] is None and mig["temperature_c"] == 30
    assert probe.parse_nvidia("No devices were found") is None


def test_what_a_real_h200_says_is_read() -> None:
    idle = probe.parse_nvidia("0, NVIDIA H200, 0, 143771, 0, 35, 78.50")
    assert idle is not None and (idle["name"], idle["memory_used_mb"], idle["power_w"]) == (
        "NVIDIA H200",
        0,
        78.5,
    )


@pytest.mark.parametrize(
    ("seen", "environ", "ours"),
    [
        ([0, 1, 2, 3], {"CUDA_VISIBLE_DEVICES": "1,3"}, {1, 3}),
        ([0, 1], {"ROCR_VISIBLE_DEVICES": "1"}, {1}),
        ([0, 1], {}, {0, 1}),
        ([0, 1], {"CUDA_VISIBLE_DEVICES": "2,3"}, {0, 1}),
        ([0, 1], {"CUDA_VISIBLE_DEVICES": "GPU-8f6d,1"}, {0, 1}),
        ([0], {"CUDA_VISIBLE_DEVICES": "MIG-8f6d"}, {0}),
        ([0], {"CUDA_VISIBLE_DEVICES": ""}, {0}),
    ],
)
def test_only_the_gpus_of_the_allocation_are_shown(
    seen: list[int], environ: Mapping[str, str], ours: set[int]
) -> None:
    assert probe.visible_gpus(seen, environ) == ours


def test_rocm_answers_are_read_whatever_their_version_calls_things() -> None:
    card = {
        "Card Series": "AMD Instinct MI250X",
        "GPU use (%)": "12",
        "VRAM Total Memory (B)": str(64 * GIB),
        "VRAM Total Used Memory (B)": str(GIB),
        "Temperature (Sensor edge) (C)": "44.0",
        "Average Graphics Package Power (W)": "90.0",
    }
    (gpu,) = probe.parse_rocm("WARNING: something\n" + json.dumps({"card0": card, "system": {}}))
    assert (gpu["memory_total_mb"], gpu["memory_used_mb"], gpu["power_w"]) == (65536, 1024, 90)
    assert probe.parse_rocm("not json") == []


def program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n" + script, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


async def test_the_sampler_shows_gpus_and_kernels_and_its_tool_dies_with_the_server(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    program(
        tools,
        "nvidia-smi",
        'case "$*" in *compute-apps*) cat "$GPU_PIDS" 2>/dev/null; exit;; esac\n'
        'echo $$ > "$GPU_PIDS.child"\n'
        "while :; do echo '0, Fake GPU, 100, 1000, 50, 40, [N/A]'; echo '1, Not ours, 1, 2, 3, 4, 5'; sleep 0.2; done\n",
    )
    pids = tmp_path / "pids"
    environ = {"PATH": f"{tools}:{os.environ['PATH']}", "GPU_PIDS": str(pids), "CUDA_VISIBLE_DEVICES": "0"}
    with serving(tmp_path / "s", environ=environ, lab=False) as server:
        async with owning(server) as channel:
            pids.write_text(f"{server.pid_of(channel.kernel)}, 77\n", encoding="utf-8")
            await channel.run("x = bytearray(100_000_000)")

            def complete() -> dict[str, Any] | None:
                now = server.http.get("jlab-mcp/resources?history=60").json()["now"]
                use = now["kernels"].get(channel.kernel, {})
                return now if now["gpu"] and use.get("rss_mb", 0) > 120 and use["gpu_memory_mb"] else None

            now = until(complete, "GPU and kernel are in the sample", 20)
            assert [gpu["name"] for gpu in now["gpu"]] == ["Fake GPU"] and now["gpu"][0]["power_w"] is None
            assert now["kernels"][channel.kernel]["gpu_memory_mb"] == 77
            assert now["cpu"]["count"] >= 1 and now["memory"]["total_mb"] > 0
            assert len(server.http.get("jlab-mcp/resources?history=60").json()["history"]) >= 2
        child = int(Path(f"{pids}.child").read_text(encoding="utf-8"))
        server.stop()
        until(lambda: not Path(f"/proc/{child}").exists(), "the tool ended")


def test_a_tool_that_hangs_blocks_nothing(tmp_path: Path) -> None:
    program(tmp_path / "tools", "nvidia-smi", "exec sleep 60\n")
    environ = {**os.environ, "PATH": f"{tmp_path / 'tools'}:{os.environ['PATH']}"}
    source = (NODE / "probe.py").read_text(encoding="utf-8")
    code = "exec(compile(open({!r}).read(), 'probe', 'exec')); print(json.dumps(one_sample()))".format(
        str(NODE / "probe.py")
    )
    started = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-S", "-c", code], env=environ, stdout=subprocess.PIPE, check=True, timeout=30
    )
    sample = json.loads(ended.stdout)
    assert sample["gpu"] == [] and sample["cpu"]["percent"] is not None
    assert time.monotonic() - started < 20 and source
