"""Recognises that a GPU's memory was used up, and says who holds it: processes, and the largest tensors of the kernel."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..json_values import items, mapping, number, parse_json, text, whole
from ..server.resources import Sample

_ENAMES: Final = re.compile(r"(^|\.)(OutOfMemoryError|ResourceExhaustedError)$")
_BY_TEXT: Final = re.compile(
    r"(CUDA|HIP|ROCm|GPU|XPU|MPS)[^\n]{0,60}out of memory|RESOURCE_EXHAUSTED|CUBLAS_STATUS_ALLOC_FAILED|"
    r"out of memory[^\n]{0,60}(CUDA|GPU|device)|OOM when allocating",
    re.IGNORECASE,
)
_SHOWN: Final = 8
_GIB: Final = 1 << 30


def is_out_of_gpu_memory(ename: str, evalue: str) -> bool:
    """Whether an exception of PyTorch, JAX, CuPy or TensorFlow says so."""
    return _ENAMES.search(ename) is not None or _BY_TEXT.search(evalue[:4000]) is not None


@dataclass(frozen=True, slots=True)
class Holder:
    """What keeps tensors: a variable, or the locals of a function that failed."""

    name: str
    bytes: int
    tensors: int
    """so many in it"""
    what: str = ""
    """of a single one: dtype and shape"""


@dataclass(frozen=True, slots=True)
class GpuHolders:
    """The GPU memory of one kernel, by who holds it, the largest first."""

    holders: tuple[Holder, ...] = ()
    allocated: int | None = None
    """bytes in tensors, as the library counts them; None if it does not tell"""
    reserved: int | None = None
    """bytes that the library has taken from the driver"""


def parse_holders(reply: Mapping[str, Any]) -> GpuHolders | None:
    """Interpret the content of a reply to `services.kernel.gpu_probe`; None if it is none."""
    answer = mapping(mapping(reply.get("user_expressions")).get("v"))
    try:
        found = mapping(parse_json(ast.literal_eval(text(mapping(answer.get("data")).get("text/plain")))))
    except (ValueError, SyntaxError, TypeError, AttributeError, MemoryError, RecursionError):
        return None
    holders = [
        Holder(
            text(each.get("name")),
            whole(each.get("bytes")),
            whole(each.get("tensors"), 1),
            text(each.get("what")),
        )
        for each in map(mapping, items(found.get("holders")))
    ]
    return GpuHolders(
        tuple(sorted((h for h in holders if h.bytes > 0), key=lambda h: -h.bytes)),
        _bytes(found.get("allocated")),
        _bytes(found.get("reserved")),
    )


def _bytes(raw: Any) -> int | None:
    value = number(raw)
    return None if value is None else int(value)


def memory_note(held: GpuHolders | None, sample: Sample | None, kernel_id: str) -> str:
    """Say who holds the GPU's memory, in a few lines; empty if nothing is known."""
    return "\n".join(line for line in (_processes(sample, kernel_id), _tensors(held)) if line)


def _processes(sample: Sample | None, kernel_id: str) -> str:
    if sample is None:
        return ""
    gpus = [
        f"GPU {g.index} {_gib_of(g.memory_used_mb)} of {_gib_of(g.memory_total_mb)}"
        for g in sample.gpus
        if g.memory_used_mb is not None and g.memory_total_mb
    ]
    if not gpus:
        return ""
    by_kernel = {k: use.gpu_memory_mb for k, use in (sample.kernels or {}).items() if use.gpu_memory_mb}
    own = by_kernel.pop(kernel_id, None)
    others = sum(by_kernel.values())
    rest = sum(g.memory_used_mb or 0.0 for g in sample.gpus) - (own or 0.0) - others
    parts = [
        f"{whose} {_gib_of(mb)}"
        for whose, mb in (
            ("this kernel", own),
            ("other kernels of this server", others),
            ("other processes", rest),
        )
        if mb and mb >= 1
    ]
    by = f": {', '.join(parts)}" if own or others else ""
    return f"GPU memory in use: {', '.join(gpus)}{by}."


def _tensors(held: GpuHolders | None) -> str:
    if held is None or not (held.holders or held.allocated):
        return ""
    shown = [_named(holder) for holder in held.holders[:_SHOWN]]
    if rest := held.holders[_SHOWN:]:
        shown.append(f"{len(rest)} more {_gib(sum(h.bytes for h in rest))}")
    named = sum(holder.bytes for holder in held.holders)
    if held.allocated is not None and held.allocated - named > 0.02 * held.allocated:
        shown.append(f"{_gib(held.allocated - named)} that no variable names (autograd, closures, libraries)")
    unused = (held.reserved or 0) - (held.allocated or 0)
    if held.allocated is not None and unused > 0.05 * held.allocated:
        shown.append(f"{_gib(unused)} reserved and unused")
    return f"Held in this kernel: {'; '.join(shown)}."


def _named(holder: Holder) -> str:
    count = (
        f" in {holder.tensors} tensors" if holder.tensors > 1 else f" ({holder.what})" if holder.what else ""
    )
    return f"{holder.name} {_gib(holder.bytes)}{count}"


def _gib(count: float) -> str:
    return f"{count / _GIB:.1f} GiB" if count >= _GIB / 10 else f"{count / (1 << 20):.1f} MiB"


def _gib_of(mb: float | None) -> str:
    return _gib((mb or 0.0) * (1 << 20))
