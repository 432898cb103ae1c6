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


ROOT_V2 = {
    "proc/self/cgroup": "1:name=systemd:/other\n0::/job\n",
    "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
}
JOB = "sys/fs/cgroup/job/"
UNLIMITED = own_cgroup("/no/such/root")
UNKNOWN = Memory(None, None, None, "machine")


def test_a_machine_without_cgroups_limits_nothing() -> None:
    assert (UNLIMITED.memory(), UNLIMITED.cpu_limit(), UNLIMITED.cpu_seconds()) == ((None, None), None, None)
    assert oom_counter_paths("/no/such/root") == []
    assert allocated_cpus(UNLIMITED, {}, 7) == 7 and allocated_cpus(UNLIMITED, {}) >= 1


@pytest.mark.parametrize(
    ("files", "memory"),
    [
        ({"memory.max": "max\n", "memory.current": "5\n"}, (None, None)),
        ({"memory.max": "0\n", "memory.current": "5\n"}, (None, None)),
        ({"memory.max": "1\n", "memory.current": "5\n"}, (1, 5)),
        ({"memory.max": str(1 << 60), "memory.current": "5\n"}, (None, None)),
        ({"memory.max": str((1 << 60) - 1000), "memory.current": "5\n"}, ((1 << 60) - 1024, 5)),
        ({"memory.max": "100\n"}, (100, None)),
        ({"memory.max": "100\n", "memory.current": "60\n", "memory.stat": "x_inactive_file 9\n"}, (100, 60)),
        ({"memory.max": "100\n", "memory.current": "60\n", "memory.stat": "inactive_file 9\n"}, (100, 51)),
        ({"memory.max": "100\n", "memory.current": "60\n", "memory.stat": "inactive_file 99\n"}, (100, 0)),
    ],
)
def test_a_memory_limit_and_its_use_without_what_the_system_would_drop(
    tmp_path: Path, files: Mapping[str, str], memory: tuple[int | None, int | None]
) -> None:
    cgroup = own_cgroup(tree(tmp_path, {**ROOT_V2, **{JOB + name: text for name, text in files.items()}}))
    assert cgroup.memory() == memory


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("max 100000\n", None),
        ("", None),
        ("200000\n", None),
        ("200000 0\n", None),
        ("0 100000\n", None),
        ("1 100000\n", 0.00001),
        ("250000 100000\n", 2.5),
    ],
)
def test_a_quota_of_cores(tmp_path: Path, text: str, cores: float | None) -> None:
    cgroup = own_cgroup(tree(tmp_path, {**ROOT_V2, JOB + "cpu.max": text}))
    assert cgroup.cpu_limit() == cores
    assert allocated_cpus(cgroup, {}, 8) == max(1, int(cores or 8))


def test_the_old_cgroups_write_minus_one_where_there_is_no_quota(tmp_path: Path) -> None:
    cpu = "sys/fs/cgroup/cpu/job/"
    files = {
        "proc/self/cgroup": "3:cpu:/job\n2:pids:/other\nno line\n",
        cpu + "cpu.cfs_period_us": "100000\n",
    }
    assert own_cgroup(tree(tmp_path, {**files, cpu + "cpu.cfs_quota_us": "-1\n"})).cpu_limit() is None
    cgroup = own_cgroup(tree(tmp_path, {**files, cpu + "cpu.cfs_quota_us": "300000\n"}))
    assert cgroup.cpu_limit() == 3 and cgroup.memory() == (None, None)
    assert cgroup.cpu_seconds() is None, "no controller counts it"


def test_the_tighter_limit_may_be_the_inner_or_the_outer_one(tmp_path: Path) -> None:
    for inner, outer in ((100, 200), (200, 100), (100, 100)):
        files = {
            "proc/self/cgroup": "0::/job/step\n",
            JOB + "memory.max": str(outer),
            JOB + "memory.current": "2",
            JOB + "step/memory.max": str(inner),
            JOB + "step/memory.current": "1",
            JOB + "cpu.max": f"{outer} 100",
            JOB + "step/cpu.max": f"{inner} 100",
        }
        cgroup = own_cgroup(tree(tmp_path, {**ROOT_V2, **files}))
        assert cgroup.memory() == (100, 1 if inner == 100 else 2)
        assert cgroup.cpu_limit() == 1


@pytest.mark.parametrize("path", ["/gone", "/../job", "/"])
def test_a_container_sees_its_own_cgroup_at_the_root_of_the_tree(tmp_path: Path, path: str) -> None:
    mount = "sys/fs/cgroup/"
    files = {
        "proc/self/cgroup": f"0::{path}\n",
        mount + "memory.max": "100\n",
        mount + "cpu.stat": "usage_usec 1000000\n",
        JOB + "memory.max": "50\n",
        "sys/fs/job/memory.max": "50\n",
    }
    cgroup = own_cgroup(tree(tmp_path, {**ROOT_V2, **files}))
    assert (cgroup.memory(), cgroup.cpu_seconds()) == ((100, None), 1.0)


def test_a_cgroup_may_have_a_colon_in_its_name(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/job/a:b\n", JOB + "a:b/memory.max": "7\n"}
    assert own_cgroup(tree(tmp_path, {**ROOT_V2, **files})).memory() == (7, None)


def test_cpu_time_is_the_cgroups_only_where_it_has_a_limit(tmp_path: Path) -> None:
    used = {**ROOT_V2, JOB + "cpu.stat": "usage_usec 2500000\n"}
    assert own_cgroup(tree(tmp_path, used)).cpu_seconds() is None
    assert own_cgroup(tree(tmp_path, {JOB + "memory.max": "100\n"})).cpu_seconds() == 2.5
    (tmp_path / JOB / "memory.max").unlink()
    assert own_cgroup(tree(tmp_path, {JOB + "cpu.max": "1 1\n"})).cpu_seconds() == 2.5
    (tmp_path / JOB / "cpu.stat").unlink()
    assert own_cgroup(str(tmp_path)).cpu_seconds() is None


@pytest.mark.parametrize(
    ("environ", "cpus"),
    [
        ({}, 16),
        ({"SLURM_CPUS_PER_TASK": "4", "SLURM_CPUS_ON_NODE": "8"}, 4),
        ({"SLURM_CPUS_PER_TASK": "12", "SLURM_CPUS_ON_NODE": "8"}, 12),
        ({"SLURM_CPUS_PER_TASK": "0", "SLURM_CPUS_ON_NODE": "8"}, 8),
        ({"SLURM_CPUS_PER_TASK": "x", "SLURM_CPUS_ON_NODE": "64"}, 16),
    ],
)
def test_slurms_cores_are_those_of_a_task_where_it_says_so(environ: Mapping[str, str], cpus: int) -> None:
    assert allocated_cpus(UNLIMITED, environ, 16) == cpus


@pytest.mark.parametrize(
    ("environ", "machine", "rss", "memory"),
    [
        ({}, MACHINE, 5, MACHINE),
        ({}, UNKNOWN, 5, UNKNOWN),
        ({"SLURM_MEM_PER_NODE": "0"}, MACHINE, 5, MACHINE),
        ({"SLURM_MEM_PER_NODE": str(64 << 10)}, MACHINE, 5, MACHINE),
        ({"SLURM_MEM_PER_NODE": "100"}, MACHINE, 5, Memory(100 << 20, 5, (100 << 20) - 5, "slurm")),
        ({"SLURM_MEM_PER_NODE": "100"}, MACHINE, None, Memory(100 << 20, None, None, "slurm")),
        ({"SLURM_MEM_PER_NODE": "100"}, MACHINE, 200 << 20, Memory(100 << 20, 200 << 20, 0, "slurm")),
        ({"SLURM_MEM_PER_NODE": "100"}, UNKNOWN, 5, Memory(100 << 20, 5, (100 << 20) - 5, "slurm")),
        ({}, Memory(100, 20, 30, "machine"), 5, Memory(100, 20, 30, "machine")),
        ({}, Memory(100, 20, None, "machine"), 5, Memory(100, 20, 80, "machine")),
    ],
)
def test_memory_of_the_allocation(
    environ: Mapping[str, str], machine: Memory, rss: int | None, memory: Memory
) -> None:
    assert allocated_memory(UNLIMITED, environ, machine, rss) == memory


def test_a_cgroups_limit_counts_up_to_the_size_of_the_machine(tmp_path: Path) -> None:
    cgroup = own_cgroup(tree(tmp_path, {**ROOT_V2, JOB + "memory.max": "100\n"}))
    assert allocated_memory(cgroup, {}, Memory(99, 9, 90, "machine"), 5).source == "machine"
    limited = Memory(100, 9, 90, "cgroup")
    assert allocated_memory(cgroup, {}, Memory(100, 9, 90, "machine"), 5) == limited
    assert allocated_memory(cgroup, {}, UNKNOWN, 5) == Memory(100, None, None, "cgroup")
    (tmp_path / JOB / "memory.current").write_text("40", encoding="utf-8")
    assert allocated_memory(cgroup, {}, UNKNOWN, 5) == Memory(100, 40, 60, "cgroup")


def test_kills_for_want_of_memory_are_counted_by_the_machine_where_no_cgroup_does(tmp_path: Path) -> None:
    root = tree(
        tmp_path, {**ROOT_V2, "proc/vmstat": "pgfault 1\noom_kill 3\n", JOB + "memory.events": "oom 1\n"}
    )
    assert oom_counter_paths(root) == [f"{root}/proc/vmstat"]
    tree(tmp_path, {JOB + "memory.events": "oom 1\noom_kill 1\n"})
    assert oom_counter_paths(root) == [f"{root}/{JOB}memory.events", f"{root}/proc/vmstat"]
