"""The test cluster itself: nodes are machines of their own, faults do what they say, nothing is left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from .machines import Cluster, ClusterError, start_time, wait_for

pytestmark = [pytest.mark.xdist_group("slurm"), pytest.mark.usefixtures("job_past_its_walltime")]

SERVE = "import socket; s = socket.create_server(('', 8765)); print('up', flush=True); s.accept(); s.accept()"


def test_a_node_is_reached_by_its_own_name_only_and_not_while_its_cable_is_out(cluster: Cluster) -> None:
    node = cluster.gpu1
    assert node.run("hostname").strip() == node.name
    argv = node.command(sys.executable, "-c", SERVE)
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout and server.stdout.readline() == b"up\n"
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", 8765), timeout=30)
            socket.create_connection((node.name, 8765), timeout=30).close()
            node.cut()
            with pytest.raises(OSError, match=r"timed out|No route"):
                socket.create_connection((node.name, 8765), timeout=0.3)
            node.join()
            socket.create_connection((node.name, 8765), timeout=30).close()
            assert server.wait(30) == 0
        finally:
            server.kill()


def test_a_second_cluster_runs_beside_and_vanishes_when_its_owner_is_killed(cluster: Cluster) -> None:
    code = (
        "import sys; from tests.slurm.cluster import running\n"
        "with running() as c: print(c.directory, c.bridge, flush=True); sys.stdin.read()"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    with owner:
        assert owner.stdout
        directory, bridge = owner.stdout.readline().split()
        other = Cluster(Path(directory), int(bridge.removeprefix("jlabbr")))
        assert other.index != cluster.index
        pids = [other.pid(name) for name in ("slurmctld", "munged", f"init-{other.gpu1.name}")]
        owner.send_signal(signal.SIGKILL)
    wait_for(lambda: not Path(directory).exists(), "its files are removed")
    wait_for(lambda: not any(map(start_time, pids)), "its processes are gone")
    assert not Path(f"/sys/class/net/{bridge}").exists()
    assert bridge not in Path("/etc/hosts").read_text(encoding="utf-8")


def test_a_program_that_does_not_run_is_named(cluster: Cluster) -> None:
    with pytest.raises(ClusterError, match="nosuch does not run"):
        cluster.pid("nosuch")
    assert start_time(os.getpid())
