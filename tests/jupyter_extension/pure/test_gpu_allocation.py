"""Which of the GPUs that a tool lists are the job's."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from jlab_tui.jupyter_extension.gpu_allocation import (
    Slice,
    named_gpus,
    numbers_of,
    parse_slices,
    slices_of,
    visible_gpus,
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
    assert visible_gpus(seen, environ) == ours


EIGHT = list(range(8))
UUIDS = {"GPU-8f6d9a10-0001": 2, "GPU-8f6d9a10-0002": 3, "GPU-77aa": 5}
JOB = {"SLURM_JOB_ID": "1"}


@pytest.mark.parametrize(
    ("seen", "environ", "ours"),
    [
        # A node that hides nothing: the job's numbers are the node's.
        (EIGHT, {**JOB, "SLURM_GPUS_ON_NODE": "2", "SLURM_JOB_GPUS": "4,5", "CUDA_VISIBLE_DEVICES": "4,5"}, {4, 5}),
        (EIGHT, {**JOB, "SLURM_GPUS_ON_NODE": "3", "SLURM_JOB_GPUS": "4-6"}, {4, 5, 6}),
        (EIGHT, {**JOB, "SLURM_GPUS_ON_NODE": "1", "SLURM_STEP_GPUS": "7"}, {7}),
        # rocm-smi lists all cards, also where the job sees two, which it counts from 0.
        (EIGHT, {**JOB, "SLURM_GPUS_ON_NODE": "2", "SLURM_JOB_GPUS": "4,5", "ROCR_VISIBLE_DEVICES": "0,1"}, {4, 5}),
        (EIGHT, {**JOB, "SLURM_GPUS_ON_NODE": "2", "SLURM_JOB_GPUS": "4,5", "HIP_VISIBLE_DEVICES": "4"}, {4}),
        # A node that hides the others.
        ([0, 1], {**JOB, "SLURM_GPUS_ON_NODE": "2", "SLURM_JOB_GPUS": "4,5", "CUDA_VISIBLE_DEVICES": "0,1"}, {0, 1}),
        ([0], {**JOB, "SLURM_GPUS_ON_NODE": "1", "SLURM_JOB_GPUS": "3", "CUDA_VISIBLE_DEVICES": "3"}, {0}),
        # A job without GPUs, and one of a cluster whose Slurm knows of none.
        (EIGHT, JOB, set()),
        (EIGHT, {**JOB, "CUDA_VISIBLE_DEVICES": "NoDevFiles"}, set()),
        (EIGHT, {**JOB, "CUDA_VISIBLE_DEVICES": "1"}, {1}),
        # UUIDs, also their beginnings.
        (EIGHT, {"CUDA_VISIBLE_DEVICES": "GPU-77aa"}, {5}),
        (EIGHT, {"CUDA_VISIBLE_DEVICES": "GPU-8f6d9a10-0001,GPU-77"}, {2, 5}),
        (EIGHT, {"CUDA_VISIBLE_DEVICES": "GPU-8f6d9a10"}, set()),
        (EIGHT, {"ROCR_VISIBLE_DEVICES": "gpu-77AA"}, {5}),
        (EIGHT, {"CUDA_VISIBLE_DEVICES": "GPU-unknown"}, set()),
        (EIGHT, {**JOB, "SLURM_GPUS_ON_NODE": "1", "SLURM_JOB_GPUS": "5", "CUDA_VISIBLE_DEVICES": "GPU-unknown"}, {5}),
        # Slices; Slurm's number of one is not its GPU's.
        (EIGHT, {**JOB, "SLURM_GPUS_ON_NODE": "1", "SLURM_JOB_GPUS": "2", "CUDA_VISIBLE_DEVICES": "MIG-c6d4"}, {0}),
        (EIGHT, {**JOB, "SLURM_GPUS_ON_NODE": "1", "SLURM_JOB_GPUS": "2", "CUDA_VISIBLE_DEVICES": "MIG-none"}, set()),
        (EIGHT, {"CUDA_VISIBLE_DEVICES": "MIG-GPU-77aa/1/0"}, {5}),
        # Numbers that make no sense.
        (EIGHT, {**JOB, "SLURM_GPUS_ON_NODE": "2", "SLURM_JOB_GPUS": "x"}, set(EIGHT)),
        (EIGHT, {**JOB, "SLURM_GPUS_ON_NODE": "2"}, set(EIGHT)),
        ([4, 5], {**JOB, "SLURM_JOB_GPUS": "4,5"}, {4, 5}),
        (EIGHT, {"CUDA_VISIBLE_DEVICES": "-1"}, set()),
        ([0], {"CUDA_VISIBLE_DEVICES": "-1"}, set()),
        ([0], {**JOB, "SLURM_GPUS_ON_NODE": "1", "SLURM_JOB_GPUS": "0", "CUDA_VISIBLE_DEVICES": "-1"}, set()),
    ],
)  # fmt: skip
def test_no_gpu_of_another_job_is_shown(seen: list[int], environ: Mapping[str, str], ours: set[int]) -> None:
    ids = {**UUIDS, "MIG-c6d4": 0}
    assert visible_gpus(seen, environ, ids) == ours


def test_numbers_are_read_as_slurm_writes_them() -> None:
    assert numbers_of("0,2-4, 7") == {0, 2, 3, 4, 7}
    assert numbers_of("") == numbers_of("a") == numbers_of("1,a") == set()
    assert named_gpus({"CUDA_VISIBLE_DEVICES": "", "ROCR_VISIBLE_DEVICES": " 1 , 2"}) == ["1", "2"]


NVIDIA_SMI_L = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)
  MIG 1g.5gb      Device  0: (UUID: MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f)
  MIG 2g.10gb     Device  1: (UUID: MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-0f9cd3a1-aaaa-2b2c-524d-9e3d8d2b8a78)
  MIG 3g.20gb     Device  0: (UUID: MIG-11111111-9bed-5b25-b243-5985ef7c9beb)
"""


def test_slices_are_known_by_their_uuids() -> None:
    slices = parse_slices("  MIG 1g.5gb Device 0: (UUID: MIG-of-nothing)\n" + NVIDIA_SMI_L)
    assert slices["MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb"] == Slice(0, "2g.10gb") and len(slices) == 3
    named = [*list(slices)[:2], "MIG-other"]
    assert slices_of(named, slices) == {0: "MIG 1g.5gb + MIG 2g.10gb".replace("+ MIG", "+")}
    assert slices_of(None, slices) == {}
