"""Decides which of the GPUs that a tool lists are this job's: many nodes show all of theirs to every job.

One of the five files that also run in a plain kernel (see usage.py).
"""

from __future__ import annotations

import re
from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Set

_NOBODYS = ("-1", "NoDevFiles", "none", "void")
"""values that mean no GPU"""


class Slice(NamedTuple):
    """A MIG instance: a part of a GPU."""

    gpu: int
    """index of its GPU"""
    profile: str
    """such as `1g.5gb`"""


def visible_gpus(
    seen: Iterable[int], environ: Mapping[str, str], ids: Optional[Mapping[str, int]] = None
) -> Set[int]:
    """Return the GPUs that this job may use, of those `seen` by a tool. `ids`: their UUIDs and those of their slices.

    Slurm's own numbers are the node's; those of CUDA and ROCm begin at 0 in each job where the node hides the other GPUs.
    """
    everything = set(seen)
    names = named_gpus(environ)
    if names is not None:
        found = [_index(name, ids or {}) for name in names]
        ours = {index for index in found if index in everything}
        is_absolute = bool(names) and not any(name.isdigit() for name in names)
        if not names or (is_absolute and len(ours) == len(set(found))):
            return ours
    allocated = _allocated(everything, environ)
    if names is None:
        return everything if allocated is None else allocated
    if ours and len(ours) == len(names) and (allocated is None or ours <= allocated):
        return ours
    if allocated is not None and not names[0].startswith("MIG-"):  # a slice has another number than its GPU
        return allocated
    return everything if len(names) >= len(everything) else ours


def named_gpus(environ: Mapping[str, str]) -> Optional[List[str]]:
    """Return the GPUs that variables give CUDA or ROCm; None if there is no such variable."""
    for variable in ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        names = [name.strip() for name in environ.get(variable, "").split(",") if name.strip()]
        if names:
            return [] if names[0] in _NOBODYS else names
    return None


def _allocated(everything: Set[int], environ: Mapping[str, str]) -> Optional[Set[int]]:
    """Return the GPUs that Slurm gave this job, of those that the tool sees; None outside a job, or if the numbers do not fit."""
    count = environ.get("SLURM_GPUS_ON_NODE", "")
    numbers = environ.get("SLURM_JOB_GPUS") or environ.get("SLURM_STEP_GPUS") or ""
    if not environ.get("SLURM_JOB_ID") and not count:
        return None
    if not count and not numbers:
        return set() if named_gpus(environ) is None else None
    ours = numbers_of(numbers)
    if len(everything) <= (int(count) if count.isdigit() else len(ours)):
        return everything
    return ours if ours and ours <= everything else None


def numbers_of(text: str) -> Set[int]:
    """Parse `0,2-3`; empty for anything else."""
    found: Set[int] = set()
    for part in text.split(","):
        match = re.match(r"(\d{1,4})(?:-(\d{1,4}))?$", part.strip())
        if match is None:
            return set()
        found.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return found


def _index(name: str, ids: Mapping[str, int]) -> Optional[int]:
    """Return the number of a GPU given as CUDA accepts it: number, UUID, or the beginning of a UUID."""
    if name.isdigit():
        return int(name)
    wanted = name.lower()
    if wanted.startswith("mig-gpu-"):  # drivers before 470 name a slice by its GPU
        wanted = wanted[4:].partition("/")[0]
    found = {index for known, index in ids.items() if known.lower().startswith(wanted)}
    return found.pop() if len(found) == 1 else None


def parse_slices(text: str) -> Dict[str, Slice]:
    """Parse the MIG instances of `nvidia-smi -L`, by UUID."""
    found: Dict[str, Slice] = {}
    gpu: Optional[int] = None
    for line in text.splitlines():
        head = re.match(r"GPU (\d+):", line)
        if head is not None:
            gpu = int(head[1])
        part = re.match(r"\s+MIG (\S+)\s+Device\s+\d+: \(UUID: (\S+)\)", line)
        if part is not None and gpu is not None:
            found[part[2]] = Slice(gpu, part[1])
    return found


def slices_of(names: Optional[Iterable[str]], slices: Mapping[str, Slice]) -> Dict[int, str]:
    """Return the profiles of the named slices by GPU, such as `MIG 1g.5gb`."""
    found: Dict[int, List[str]] = {}
    for name in names or ():
        known = slices.get(name)
        if known is not None:
            found.setdefault(known.gpu, []).append(known.profile)
    return {index: "MIG " + " + ".join(profiles) for index, profiles in found.items()}
