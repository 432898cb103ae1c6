"""Who holds a GPU's memory when it is used up."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jlab_tui.core.kernel.gpu_memory import (
    GpuHolders,
    Holder,
    is_out_of_gpu_memory,
    memory_note,
    parse_holders,
)
from jlab_tui.core.server.resources import GpuSample, KernelUse, Sample

GIB = 1 << 30
TORCH = "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 139.80 GiB of which 1.2 GiB is free."
JAX = "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 21474836480 bytes."


@pytest.mark.parametrize(
    ("ename", "evalue", "is_it"),
    [
        ("OutOfMemoryError", TORCH, True),
        ("RuntimeError", TORCH, True),
        ("torch.OutOfMemoryError", "x", True),
        ("JaxRuntimeError", JAX, True),
        ("XlaRuntimeError", JAX, True),
        ("RuntimeError", "CUDA error: out of memory", True),
        ("RuntimeError", "HIP out of memory. Tried to allocate 2.00 GiB", True),
        ("RuntimeError", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate", True),
        ("ResourceExhaustedError", "OOM when allocating tensor", True),
        ("MemoryError", "Unable to allocate 8.00 GiB for an array", False),
        ("RuntimeError", "CUDA error: device-side assert triggered", False),
        ("ValueError", "the shop is out of memory foam", False),
    ],
)
def test_it_is_recognised_from_the_exceptions_text(ename: str, evalue: str, is_it: bool) -> None:
    assert is_out_of_gpu_memory(ename, evalue) is is_it


def answer(found: dict[str, Any]) -> dict[str, Any]:
    return {"user_expressions": {"v": {"data": {"text/plain": repr(json.dumps(found))}}}}


def test_the_kernels_answer_is_sorted_and_what_it_lacks_is_unknown() -> None:
    found = parse_holders(
        answer(
            {
                "holders": [{"name": "a", "bytes": 5}, {"name": "b", "bytes": 9, "tensors": 3}, {}],
                "reserved": 20,
            }
        )
    )
    assert found == GpuHolders((Holder("b", 9, 3), Holder("a", 5, 1)), None, 20)
    assert parse_holders({}) is None
    assert parse_holders({"user_expressions": {"v": {"data": {"text/plain": "'{'"}}}}) is None


def sample(*gpus: GpuSample, **kernels: float) -> Sample:
    uses = {name: KernelUse(1, gpu_memory_mb=mb) for name, mb in kernels.items()}
    return Sample(1.0, 1, None, None, None, None, gpus, uses)


def test_the_note_tells_processes_and_the_largest_holders() -> None:
    held = GpuHolders(
        (
            Holder("model", 20 * GIB, 312),
            Holder("x", 2 * GIB, 1, "float32 (20000, 26843)"),
            *(Holder(f"t{n}", GIB, 1) for n in range(7)),
        ),
        allocated=35 * GIB,
        reserved=40 * GIB,
    )
    now = sample(GpuSample(0, "H200", 79 * 1024.0, 80 * 1024.0), k=60 * 1024.0, other=10 * 1024.0)
    assert memory_note(held, now, "k").splitlines() == [
        "GPU memory in use: GPU 0 79.0 GiB of 80.0 GiB: this kernel 60.0 GiB, other kernels of this server 10.0 GiB, "
        "other processes 9.0 GiB.",
        "Held in this kernel: model 20.0 GiB in 312 tensors; x 2.0 GiB (float32 (20000, 26843)); t0 1.0 GiB; t1 1.0 GiB; "
        "t2 1.0 GiB; t3 1.0 GiB; t4 1.0 GiB; t5 1.0 GiB; 1 more 1.0 GiB; 6.0 GiB that no variable names (autograd, closures, "
        "libraries); 5.0 GiB reserved and unused.",
    ]


def test_what_is_not_known_is_left_out() -> None:
    assert memory_note(None, None, "k") == memory_note(GpuHolders(), sample(), "k") == ""
    unlisted = sample(GpuSample(0, "H200", 900.0, 1000.0), GpuSample(1, "H200"))
    assert memory_note(None, unlisted, "k") == "GPU memory in use: GPU 0 0.9 GiB of 1.0 GiB."
    exact = GpuHolders((Holder("x", 5 << 20, 1),), 5 << 20, 5 << 20)
    assert memory_note(exact, None, "k") == "Held in this kernel: x 5.0 MiB."
    uncounted = GpuHolders((Holder("x", 5 << 20, 1),), None, 9 << 20)
    assert memory_note(uncounted, None, "k") == "Held in this kernel: x 5.0 MiB."
