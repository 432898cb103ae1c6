"""How long after the server first answers on its node `jlab-mcp start` says ready, on the tests' own Slurm cluster.

    python -m benchmarks.slurm_ready [ROUNDS]

A watcher on the node asks `/api/status` at 127.0.0.1 every 20 ms from before the job runs; the lag is the time of the
line "JupyterLab ready" minus the time of its first answer. To reach: at most 1.5 s.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.project import project_in
from tests.slurm.cluster import running
from tests.slurm.conftest import lab_env
from tests.slurm.machines import Cluster, missing

WATCH = """
import sys, time, urllib.error, urllib.request
print("watching", flush=True)
while True:
    try:
        urllib.request.urlopen("http://127.0.0.1:" + sys.argv[1] + "/api/status", timeout=2).read()
        break
    except urllib.error.HTTPError:
        break  # it answers: without the token, 403
    except OSError:
        time.sleep(0.02)
print(time.time(), flush=True)
"""


def one_start(cluster: Cluster, directory: Path) -> tuple[float, float]:
    """Seconds from the job's start to the first answer on the node, and from there to `ready`."""
    node, port = cluster.gpu1, str(random.randint(20000, 30000))
    more = {
        "JLAB_MCP_PORT_MIN": port,
        "JLAB_MCP_PORT_MAX": port,
        "JLAB_MCP_SLURM_EXTRA": f"--nodelist={node.name}",
    }
    argv = node.command(sys.executable, "-c", WATCH, port)
    with (
        project_in(directory, **lab_env(cluster, **more)) as project,
        subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as watcher,
        project.spawn("start", "--detach") as start,
    ):
        assert watcher.stdout and start.stdout
        running_at = ready_at = 0.0
        for line in start.stdout:
            if line.startswith("Job running"):
                running_at = time.time()
            if line.startswith("JupyterLab ready"):
                ready_at = time.time()
        watcher.stdout.readline()
        answered_at = float(watcher.stdout.readline())
        return answered_at - running_at, ready_at - answered_at


def main() -> None:
    if reason := missing():
        sys.exit(f"A Slurm cluster cannot run here: {reason}.")
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    lags = []
    with running() as cluster, tempfile.TemporaryDirectory() as directory:
        for number in range(rounds):
            up, lag = one_start(cluster, Path(directory) / str(number))
            lags.append(lag)
            print(
                f"round {number + 1}: first answer {up:.2f} s after RUNNING was seen, ready {lag:.2f} s later"
            )
    print(f"median lag {statistics.median(lags):.2f} s, worst {max(lags):.2f} s (reach: 1.5 s)")


if __name__ == "__main__":
    main()
