from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from jlab_tui.jupyter_extension.cgroup import (
    Memory,
    allocated_cpus,
    allocated_memory,
    oom_counter_paths,
    own_cgroup,
)

GIB = 1 << 30
MACHINE = Memory(64 * GIB, 32 * GIB, 32 * GIB, "machine")


def tree(root: Path, files: Mapping[str, str]) -> str:
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
    cgroup = own_cgroup(root)
    memory = allocated_memory(cgroup, {}, MACHINE, 0)
    assert (memory.total, memory.used, memory.source) == (8192 << 20, 2048 << 20, "cgroup")
    assert cgroup.cpu_limit() == 1
    assert allocated_cpus(cgroup, {}) == 1
    assert cgroup.cpu_seconds() == 5.0
    assert any("job_1" in path for path in oom_counter_paths(root))


def test_slurms_numbers_count_where_no_cgroup_limits(tmp_path: Path) -> None:
    root = tree(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cgroup.controllers": "\n"})
    environ = {"SLURM_MEM_PER_NODE": "32000", "SLURM_CPUS_PER_TASK": "1", "SLURM_CPUS_ON_NODE": "64"}
    cgroup = own_cgroup(root)
    memory = allocated_memory(cgroup, environ, MACHINE, 2 * GIB)
    assert (memory.total, memory.used, memory.source) == (32000 << 20, 2048 << 20, "slurm")
    assert allocated_memory(cgroup, {}, MACHINE, 0).source == "machine"
    assert allocated_cpus(cgroup, environ) == 1
