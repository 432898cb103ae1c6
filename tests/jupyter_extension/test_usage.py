from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from jlab_tui.adapters.server.launch_files import probe_source
from jlab_tui.core.server.resources import parse_sample, resources_json
from jlab_tui.jupyter_extension.gpu import GpuWatch
from jlab_tui.jupyter_extension.run_meter import USE
from jlab_tui.jupyter_extension.sampler_thread import STALE_S, SamplerThread
from jlab_tui.jupyter_extension.usage import Sampler, process_tree
from tests.jupyter_extension.servers import content_of, owning, serving, until


def test_a_python_without_psutil_says_unknown_and_not_zero_and_what_to_install(tmp_path: Path) -> None:
    root = str(tmp_path)
    physical_mb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20
    sampler = Sampler({}, None, root)
    for _ in range(2):
        sample = sampler.sample({"k": 2**22 + 1}, GpuWatch({}))
        assert sample["cpu"]["percent"] is None
        assert sample["kernels"]["k"] == {
            "pid": 2**22 + 1, "rss_mb": None, "cpu_percent": None, "gpu_memory_mb": None, "gpu_idle_s": None, "processes": 1
        }  # fmt: skip
    memory = sample["memory"]
    assert memory["total_mb"] == pytest.approx(physical_mb, rel=0.01)
    assert (memory["used_mb"], memory["available_mb"], memory["percent_used"]) == (None, None, None)
    parsed = parse_sample(sample)
    told = resources_json(parsed)
    assert (parsed.memory_percent, told["memory"]["used_mb"]) == (None, None)
    assert f"{sys.executable} -m pip install psutil" in told["note"]


def test_a_python_with_psutil_has_no_such_note_and_a_process_that_is_gone_is_unknown() -> None:
    sampler = Sampler({}, psutil)
    sample = [sampler.sample({"own": os.getpid(), "gone": 2**22 + 1}, GpuWatch({})) for _ in range(2)][-1]
    assert "note" not in resources_json(parse_sample(sample))
    assert sample["kernels"]["own"]["rss_mb"] > 10 and sample["kernels"]["own"]["cpu_percent"] is not None
    assert sample["kernels"]["gone"]["rss_mb"] is None
    assert sample["memory"]["used_mb"] > 0 and sample["cpu"]["percent"] is not None


def test_a_kernels_processes_are_found_where_linux_lists_children_and_where_only_psutil_does() -> None:
    script = "sleep 60 & (sleep 60 & echo up; wait) & wait"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True) as shell:
        assert shell.stdout is not None and shell.stdout.readline() == b"up\n"
        try:
            own = sorted(process_tree(psutil, shell.pid))
            assert len(own) == 4
            assert sorted(process_tree(psutil, shell.pid, "/no-proc")) == own
        finally:
            os.killpg(shell.pid, 9)
    assert process_tree(psutil, 2**22 + 1, "/no-proc") == [2**22 + 1]


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

    thread = SamplerThread(0.01, take)
    thread.start()
    assert last.wait(20)
    thread.stop()
    now, history = thread.read(60)
    assert now is not None and len(history) == 2 and now == history[-1]


def test_an_old_sample_is_not_reported_as_current() -> None:
    clock = [100.0]
    taken = threading.Event()

    def take(*_: object) -> dict[str, Any]:
        if taken.is_set():
            raise ValueError
        taken.set()
        return {"t": time.time()}

    thread = SamplerThread(0.01, take, lambda: clock[0])
    thread.start()
    now = until(lambda: thread.read(60)[0], "a sample is taken")
    assert now is not None
    clock[0] += STALE_S + 1
    assert thread.read(60)[0] is None and len(thread.read(60)[1]) == 1
    thread.stop()


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
        "while :; do echo 0, Fake GPU, 100, 1000, $(cat $GPU_PIDS.use 2>/dev/null || echo 50), 40, '[N/A]'; echo '1, Not ours, 1, 2, 3, 4, 5'; sleep 0.2; done\n",
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

            now = until(complete, "GPU and kernel are in the sample")
            assert [gpu["name"] for gpu in now["gpu"]] == ["Fake GPU"] and now["gpu"][0]["power_w"] is None
            assert now["kernels"][channel.kernel]["gpu_memory_mb"] == 77
            assert now["cpu"]["count"] >= 1 and now["memory"]["total_mb"] > 0
            assert len(server.http.get("jlab-mcp/resources?history=60").json()["history"]) >= 2
            both = server.http.get("jlab-mcp/resources?kernels=1").json()
            assert [kernel["id"] for kernel in both["kernels"]] == [channel.kernel]
            assert both["sessions"] == server.http.get("api/sessions").json()
            go, begun = tmp_path / "go", tmp_path / "begun"
            msg_id = await channel.send(
                f"import os\nopen({str(begun)!r}, 'w').close()\n"
                f"while not os.path.exists({str(go)!r}): sum(range(9999))"
            )
            until(begun.exists, "the cell runs")
            since = time.time()

            def measured() -> int:
                history = server.http.get("jlab-mcp/resources?history=60").json()["history"]
                return sum(sample["t"] > since for sample in history)

            until(lambda: measured() > 1, "it was measured")
            go.touch()
            use = content_of(channel.messages[await channel.idle(msg_id)])[USE]
            assert use["gpu_peak_mb"] == 77 and use["gpu_percent"] == 50 and use["peak_mb"] > 120
            assert 0 < use["cpu_s"] < 60
            assert now["kernels"][channel.kernel]["gpu_idle_s"] is None
            Path(f"{pids}.use").write_text("0\n", encoding="utf-8")

            def idle() -> dict[str, Any] | None:
                now: dict[str, Any] = server.http.get("jlab-mcp/resources").json()["now"]
                return now if now["kernels"][channel.kernel]["gpu_idle_s"] else None

            now = until(idle, "the kernel holds an idle GPU")
            assert 0 < now["gpu_hours"]["used"] < now["gpu_hours"]["held"]
        child = int(Path(f"{pids}.child").read_text(encoding="utf-8"))
        server.stop()
        until(lambda: not Path(f"/proc/{child}").exists(), "the tool ended")


def sampled(python_flags: list[str], environ: dict[str, str]) -> dict[str, Any]:
    """What the joined source says in a plain Python."""
    code = "import sys; probe = {}; exec(sys.stdin.read(), probe); import json; print(json.dumps(probe['one_sample']()))"
    ended = subprocess.run(
        [sys.executable, *python_flags, "-c", code],
        env=environ, input=probe_source(), text=True, stdout=subprocess.PIPE, check=True, timeout=100,
    )  # fmt: skip
    return dict(json.loads(ended.stdout))


def test_a_tool_that_hangs_blocks_nothing(tmp_path: Path) -> None:
    program(tmp_path / "tools", "nvidia-smi", "exec sleep 600\n")
    environ = {**os.environ, "PATH": f"{tmp_path / 'tools'}:{os.environ['PATH']}"}
    sample = sampled([], environ)
    assert sample["gpu"] == [] and sample["cpu"]["percent"] is not None


def test_of_the_cards_that_amds_tool_lists_the_jobs_own_are_shown(tmp_path: Path) -> None:
    cards = json.dumps([{"gpu": n, "mem_usage": {"used_vram": {"value": n, "unit": "MB"}}} for n in range(8)])
    program(tmp_path / "tools", "amd-smi", f"[ $1 = static ] && exit 1\necho '{cards}'")
    job = {
        "SLURM_JOB_ID": "1",
        "SLURM_GPUS_ON_NODE": "2",
        "SLURM_JOB_GPUS": "4-5",
        "ROCR_VISIBLE_DEVICES": "0,1",
    }
    environ = {**os.environ, **job, "PATH": f"{tmp_path / 'tools'}:{os.environ['PATH']}"}
    sample = sampled([], environ)
    assert [(gpu["index"], gpu["memory_used_mb"]) for gpu in sample["gpu"]] == [(4, 4), (5, 5)]


def test_a_plain_python_without_psutil_still_sees_gpus(tmp_path: Path) -> None:
    program(tmp_path / "tools", "nvidia-smi", "echo '0, Fake GPU, 100, 1000, 50, 40, 60'; exec sleep 60\n")
    environ = {**os.environ, "PATH": f"{tmp_path / 'tools'}:{os.environ['PATH']}"}
    sample = sampled(["-S"], environ)
    assert [gpu["name"] for gpu in sample["gpu"]] == ["Fake GPU"]
    assert "pip install psutil" in sample["note"] and sample["kernels"] == {}
