"""A real Slurm on one machine: slurmctld, slurmd and munged of Debian's packages, nodes as Linux namespaces.

Every node has its own address, host name, process list and mounts; this machine is the login node, and its
127.0.0.1 does not reach the nodes. Faults are a method call each. By hand, as root:

    scripts/install-test-packages
    python -m tests.slurm.cluster up /tmp/lab      # prints: export SLURM_CONF=/tmp/lab/slurm.conf
    python -m tests.slurm.cluster pause /tmp/lab   # also: cont, stop, start (the controller)
    python -m tests.slurm.cluster crash /tmp/lab c0-gpu1   # also: boot, cut, join; in DIR NODE COMMAND...
    python -m tests.slurm.cluster down /tmp/lab
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.children import LASTING

from .machines import Cluster, ClusterError, missing, start_time

REGISTRY = Path(tempfile.gettempdir()) / "jlab-mcp-slurm"
"""one file per cluster of this machine; its number gives the subnet and the ports"""
CLUSTERS = 60


def claim(directory: Path | None, *, owner: bool, cgroups: bool = False) -> Cluster:
    """A cluster with a number of its own on this machine. With an `owner` it is removed when that process is gone."""
    if directory and directory.exists() and any(directory.iterdir()):
        raise ClusterError(f"{directory} is not empty")
    REGISTRY.mkdir(mode=0o755, exist_ok=True)
    reap()
    for index in range(CLUSTERS):
        entry = REGISTRY / f"{index}.json"
        where = directory or REGISTRY / str(index)
        pid = os.getpid() if owner else 0
        text = json.dumps({"directory": str(where), "owner": pid, "start": start_time(pid) if pid else ""})
        try:
            with entry.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            continue
        return Cluster(where, index, cgroups=cgroups)
    raise ClusterError(f"{CLUSTERS} clusters run already, see {REGISTRY}")


def registered(directory: Path) -> Cluster:
    """The cluster that was brought up in `directory`."""
    for entry in REGISTRY.glob("*.json"):
        with contextlib.suppress(OSError, ValueError):
            if json.loads(entry.read_text(encoding="utf-8"))["directory"] == str(directory):
                return Cluster(directory, int(entry.stem))
    raise ClusterError(f"no cluster in {directory}")


def release(cluster: Cluster, *, keep_files: bool = False) -> None:
    cluster.down()
    if not keep_files:
        cluster.remove_files()
    (REGISTRY / f"{cluster.index}.json").unlink(missing_ok=True)


def reap() -> None:
    """Remove what runs that ended without cleaning up have left."""
    for entry in REGISTRY.glob("*.json"):
        try:
            raw = json.loads(entry.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # claimed or released this moment
        if raw["owner"] and start_time(raw["owner"]) != raw["start"]:
            release(Cluster(Path(raw["directory"]), int(entry.stem)))


@contextlib.contextmanager
def running(*, cgroups: bool = False) -> Iterator[Cluster]:
    """A cluster for the time of the block; also removed when this process is killed (a sentinel sees its pipe close)."""
    cluster = claim(None, owner=True, cgroups=cgroups)
    reading, writing = os.pipe()
    sentinel = subprocess.Popen(
        [sys.executable, "-m", __name__, "sentinel", str(cluster.directory)],
        stdin=reading,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | LASTING,
    )
    os.close(reading)
    try:
        cluster.up()
        yield cluster
    finally:
        release(cluster)
        os.close(writing)
        sentinel.wait(30)


def main(argv: list[str]) -> int:
    if len(argv) < 2:
        print(__doc__)
        return 2
    verb, directory, rest = argv[0], Path(argv[1]).resolve(), argv[2:]
    if verb == "up":
        if reason := missing():
            print(f"A Slurm cluster cannot run here: {reason}.", file=sys.stderr)
            return 1
        cluster = claim(directory, owner=False)
        try:
            cluster.up()
        except BaseException:
            release(cluster, keep_files=True)
            raise
        print(f"export SLURM_CONF={directory}/slurm.conf")
        return 0
    if verb == "sentinel":
        sys.stdin.read()
        with contextlib.suppress(ClusterError):
            release(registered(directory))
        return 0
    cluster = registered(directory)
    if verb == "down":
        release(cluster)
    elif verb in ("stop", "start", "pause", "cont"):
        getattr(cluster, verb)()
    elif verb in ("crash", "boot", "cut", "join"):
        getattr(cluster.node(rest[0]), verb)()
    elif verb == "in":
        return subprocess.call(cluster.node(rest[0]).command(*rest[1:]), env=cluster.env)
    else:
        print(__doc__)
        return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ClusterError as error:
        sys.exit(f"tests.slurm.cluster: {error}")
