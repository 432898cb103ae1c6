"""One view of each Slurm cluster: queries and cancels a job on the cluster that accepted it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .commands import Slurm
from .queue_cache import SharedQueue, SharedSurvey, cache_path


@dataclass(frozen=True, slots=True)
class Cluster:
    """The view of one cluster."""

    slurm: Slurm
    queue: SharedQueue
    survey: SharedSurvey


class Clusters:
    """Each cluster's view, made at first use."""

    def __init__(self, env: Mapping[str, str], home: Path) -> None:
        self._env = env
        self._home = home
        self._made: dict[str, Cluster] = {}

    def named(self, name: str) -> Cluster:
        """Return the view by the name that `--clusters` takes; empty: the cluster of this host's configuration."""
        if name not in self._made:
            slurm = Slurm(self._env, cluster=name)
            queue = SharedQueue(slurm, cache_path(self._home, name))
            self._made[name] = Cluster(slurm, queue, SharedSurvey(slurm, self._home, name))
        return self._made[name]
