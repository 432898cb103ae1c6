"""Parses sinfo's partitions into values, and formats them for a person or a model."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .terms import integer, parse_span

SURVEY_FORMAT = "%P|%a|%l|%L|%D|%T|%c|%m|%G"


@dataclass(frozen=True, slots=True)
class Gres:
    """Generic resources of one node: `gpu:a100:2`."""

    name: str
    kind: str
    """type; empty if the site names none"""
    count: int


@dataclass(frozen=True, slots=True)
class Partition:
    name: str
    is_default: bool
    is_up: bool
    time_limit: float | None
    nodes: Mapping[str, int] = field(default_factory=dict)
    """number of nodes by state; `unresponsive` if the controller cannot reach them"""
    cpus: int = 0
    """of the largest node"""
    mem_mb: int = 0
    gres: tuple[Gres, ...] = ()
    """the resources of its nodes; several entries of one kind if nodes differ"""

    @property
    def has_gpus(self) -> bool:
        return any(gres.name == "gpu" for gres in self.gres)


def parse_sinfo(text: str) -> tuple[Partition, ...]:
    """Parse `sinfo -h -o SURVEY_FORMAT`, in Slurm's order; sinfo prints a line per group of like nodes."""
    partitions: dict[str, Partition] = {}
    for line in text.splitlines():
        fields = line.split("|", 8)
        if len(fields) != 9:
            continue
        name = fields[0].removesuffix("*")
        known = partitions.get(name)
        nodes = dict(known.nodes) if known else {}
        state = _node_state(fields[5])
        nodes[state] = nodes.get(state, 0) + (integer(fields[4]) or 0)
        gres = dict.fromkeys([*(known.gres if known else ()), *parse_gres(fields[8])])
        partitions[name] = Partition(
            name=name,
            is_default=fields[0].endswith("*"),
            is_up=fields[1] == "up",
            time_limit=parse_span(fields[2]),
            nodes={state: count for state, count in nodes.items() if count},
            cpus=max(known.cpus if known else 0, integer(fields[6].rstrip("+")) or 0),
            mem_mb=max(known.mem_mb if known else 0, integer(fields[7].rstrip("+")) or 0),
            gres=tuple(gres),
        )
    return tuple(partitions.values())


def _node_state(text: str) -> str:
    """Return a state without its flags (`idle~` is powered down and will be started, `down*` does not respond)."""
    base = re.sub(r"[^a-z_]", "", text.lower())
    return "unresponsive" if text.endswith("*") and base not in ("down", "drained") else base


def parse_gres(text: str) -> tuple[Gres, ...]:
    """Parse `gpu:a100:2(S:0-1),shard:8`; `(null)` is empty."""
    found = []
    for part in re.split(r",(?![^(]*\))", re.sub(r"\([^)]*\)", "", text)):
        match = re.fullmatch(
            r"([A-Za-z][\w-]*)(?::([A-Za-z_][\w.-]*|\d[\w.-]*(?=:)))?(?::(\d+)K?)?", part.strip()
        )
        if match:
            found.append(Gres(match[1], match[2] or "", int(match[3] or 1)))
    return tuple(found)


def survey_lines(partitions: tuple[Partition, ...]) -> list[str]:
    """Format one line per partition: `gpu (default): up to 4:00:00, 2 nodes (1 idle, 1 mixed), gpu a100 x2 per node`."""
    return [_line(partition) for partition in partitions]


def _line(partition: Partition) -> str:
    total = sum(partition.nodes.values())
    states = ", ".join(f"{count} {state}" for state, count in partition.nodes.items())
    kinds = dict.fromkeys(f"{gres.name} {gres.kind}".strip() + f" x{gres.count}" for gres in partition.gres)
    return "".join(
        (
            partition.name,
            " (default)" if partition.is_default else "",
            ": " if partition.is_up else ": closed, ",
            f"up to {format_span(partition.time_limit)}, ",
            f"{total} node{'' if total == 1 else 's'} ({states}), ",
            f"{partition.cpus} CPU{'s' * (partition.cpus != 1)} and {partition.mem_mb // 1000} GB each, "
            if partition.cpus
            else "",
            f"{', '.join(kinds)} per node" if kinds else "no GPUs",
        )
    )


SOON_S = 10.0
"""a shorter wait counts as starting at once"""


def about(seconds: float) -> str:
    """Format a wait: `1 min`, `25 min`, `3 h`."""
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 120 else f"{round(minutes / 60)} h"


def format_span(seconds: float | None) -> str:
    """Format a duration like Slurm: `4:00:00`, `1-00:00:00`; `no limit`, `unknown`."""
    if seconds is None:
        return "unknown"
    if math.isinf(seconds):
        return "no limit"
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return f"{days}-{hour:02}:{minute:02}:{second:02}" if days else f"{hour}:{minute:02}:{second:02}"
