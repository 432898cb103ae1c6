"""Tells before a submission that no partition allows its walltime: Slurm takes such a job all the same, and it waits for ever."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from ..errors import UsageError
from .script import ResourceRequest, split_extra
from .survey import Partition, format_span
from .terms import parse_span

_OTHER_LIMITS = re.compile(r"--(time|partition|qos|clusters)\b|-[tpqM]")
"""options behind which other limits may hold than those of the partition that we ask for"""
_OTHERS_OF_ENVIRONMENT = (
    "SBATCH_TIMELIMIT",
    "SBATCH_PARTITION",
    "SBATCH_QOS",
    "SBATCH_CLUSTERS",
    "SLURM_CLUSTERS",
)


def has_own_limits(request: ResourceRequest, env: Mapping[str, str]) -> bool:
    """Whether a user has asked for something that may allow more than the partitions do, or named other ones."""
    options = split_extra(request.extra)
    named = bool(request.qos) or any(_OTHER_LIMITS.match(option) for option in options)
    return named or any(env.get(name) for name in _OTHERS_OF_ENVIRONMENT)


def require_time(partitions: Sequence[Partition], request: ResourceRequest) -> None:
    """Raise UsageError if each partition that the request names (none: the default) ends jobs earlier than it asks for."""
    names = request.partition.split(",") if request.partition else []
    wanted = [p for p in partitions if (p.name in names if names else p.is_default)]
    limits = [math.inf if p.time_limit is None else p.time_limit for p in wanted]
    asked = parse_span(request.time) or math.inf  # 0 asks for no limit
    if not wanted or len(wanted) < len(names) or asked <= (most := max(limits)):
        return
    where = " and ".join(p.name for p in wanted)
    limit = format_span(most)
    longer = [p.name for p in partitions if p.is_up and (p.time_limit or math.inf) >= asked]
    others = f" These allow it: {', '.join(longer)}." if longer else ""
    raise UsageError(
        f"Partition {where} allows {limit} at most, not {request.time}, so the job would never start; nothing was submitted.",
        f"`jlab-mcp start {limit}` asks for all of that.{others} If you may run longer there, set JLAB_MCP_SLURM_EXTRA=--time={request.time}.",
    )
