"""The machines of a test cluster: nodes as Linux namespaces, the controller, their network and processes."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tests.children import LASTING
from tests.waiting import pauses

from .conf import FILES, ClusterSpec, NodeSpec, slurm_conf

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "munged", "ip", "nsenter", "unshare")
DIRECTORIES = ("run", "log", "state", "spool", "dev", "shared")
ETC_HOSTS = Path("/etc/hosts")
CGROUPS = Path("/sys/fs/cgroup")

os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


class ClusterError(Exception):
    pass


def missing() -> str:
    """What keeps a cluster from running here, in words; empty when nothing does."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"needs {', '.join(absent)} (scripts/install-test-packages)"
    return "" if os.geteuid() == 0 else "needs root, for network namespaces"


def missing_cgroups() -> str:
    """What keeps a cluster here from holding jobs to their memory, in words; empty when nothing does."""
    mounted = (CGROUPS / "memory").is_dir() and (CGROUPS / "freezer").is_dir()
    if mounted and os.access(CGROUPS / "memory", os.W_OK):
        return ""
    return "that limits memory needs cgroup v1 (memory and freezer) at /sys/fs/cgroup, writable"


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = 40.0) -> None:
    for pause in pauses(timeout_s):
        if condition():
            return
        time.sleep(pause)
    raise ClusterError(f"not within {timeout_s:g} s: {what}")


class Node:
    """One compute node. Its processes live and die with `init`, the first process of its PID namespace."""

    def __init__(self, cluster: Cluster, spec: NodeSpec, link: str) -> None:
        self.cluster = cluster
        self.name = spec.name
        self.address = spec.address
        self._link = link
        """the login node's end of its cable"""

    def boot(self) -> None:
        self.power_on()
        self.cluster.ip(self.cables())
        self.configure()
        self.start_slurmd()

    def power_on(self) -> None:
        run = self.cluster.directory / "run"
        booted = run / f"{self.name}.booted"
        booted.unlink(missing_ok=True)
        script = Path(__file__).with_name("node_init.sh")
        outer = self.cluster.spawn(
            f"node-{self.name}",
            [
                *(
                    "unshare",
                    "--net",
                    "--uts",
                    "--mount",
                    "--pid",
                    "--fork",
                    "--kill-child=KILL",
                    "--mount-proc",
                ),
                *("bash", str(script), self.name, str(self.cluster.directory / "hosts"), str(booted)),
            ],
        )
        wait_for(booted.exists, f"node {self.name} boots")
        children = Path(f"/proc/{outer}/task/{outer}/children").read_text(encoding="utf-8").split()
        self.cluster.record(f"init-{self.name}", int(children[0]))

    def cables(self) -> list[str]:
        """`ip` commands that connect it to the login node's bridge."""
        return [
            f"link add {self._link} type veth peer name eth0 netns {self.init}",
            f"link set {self._link} master {self.cluster.bridge} up",
        ]

    def configure(self) -> None:
        commands = f"addr add {self.address}/24 dev eth0\nlink set eth0 up\nlink set lo up\n"
        _run(["nsenter", "-t", str(self.init), "--net", "ip", "-batch", "-"], stdin=commands)

    def start_slurmd(self) -> None:
        (self.cluster.directory / "spool" / self.name).mkdir(parents=True, exist_ok=True)
        self.run("slurmd", "-N", self.name)

    def crash(self) -> None:
        """Lose power: all its processes die at once, without notice."""
        self.cluster.kill(f"init-{self.name}", signal.SIGKILL)
        self.cluster.kill(f"node-{self.name}", signal.SIGKILL)
        wait_for(
            lambda: not Path(f"/sys/class/net/{self._link}").exists(), f"the cable of {self.name} is gone"
        )

    def cut(self) -> None:
        """Pull the cable: packets vanish, processes live on."""
        self.cluster.ip([f"link set {self._link} down"])

    def join(self) -> None:
        self.cluster.ip([f"link set {self._link} up"])

    @property
    def init(self) -> int:
        """PID of its first process, as this machine sees it."""
        return self.cluster.pid(f"init-{self.name}")

    def command(self, *argv: str) -> list[str]:
        """`argv`, to be run inside the node."""
        return ["nsenter", "-t", str(self.init), "--net", "--uts", "--mount", "--pid", "--", *argv]

    def run(self, *argv: str, check: bool = True) -> str:
        """Run a command in the node as root; its output."""
        return _run(self.command(*argv), env=self.cluster.env, check=check)


@contextlib.contextmanager
def read_only(node: Node, directory: Path) -> Iterator[None]:
    """The directory as a node sees it that mounts it without the right to write. What opened it before keeps its right."""
    node.run("mount", "--bind", str(directory), str(directory))
    node.run("mount", "-o", "remount,bind,ro", str(directory))
    try:
        yield
    finally:
        node.run("umount", "-l", str(directory))


class Cluster:
    """A controller, its nodes and their network. Use `running()`, which also cleans up."""

    def __init__(self, directory: Path, index: int, *, cgroups: bool = False) -> None:
        self.directory = directory
        self.index = index
        subnet = f"10.213.{index}"
        self.bridge = f"jlabbr{index}"
        self.spec = ClusterSpec(
            directory=directory,
            controller=socket.gethostname().partition(".")[0],
            address=f"{subnet}.1",
            port=16800 + 2 * index,
            nodes=(
                NodeSpec(f"c{index}-gpu1", f"{subnet}.11", gpus=2),
                NodeSpec(f"c{index}-gpu2", f"{subnet}.12", gpus=2),
                NodeSpec(f"c{index}-cpu1", f"{subnet}.13", gpus=0),
            ),
            cgroups=cgroups,
        )
        self.gpu1, self.gpu2, self.cpu1 = self.nodes = tuple(
            Node(self, spec, f"jlab{index}v{number}") for number, spec in enumerate(self.spec.nodes, 1)
        )
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def env(self) -> dict[str, str]:
        """Environment of a user on the login node."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH"))}
        return {**kept, "SLURM_CONF": str(self.directory / "slurm.conf")}

    @property
    def shared(self) -> Path:
        """A directory that login node and nodes share, writable for everybody."""
        return self.directory / "shared"

    def node(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    def up(self) -> None:
        self._write_files()
        self._start_munge()
        self.ip([f"link add {self.bridge} type bridge", f"addr add {self.spec.address}/24 dev {self.bridge}"])
        self.ip([f"link set {self.bridge} up"])
        self._hosts([f"{node.address} {node.name} # {self.bridge}" for node in self.nodes])
        self.start(wait=False)
        for node in self.nodes:
            node.boot()
        self.wait_idle()

    def wait_idle(self) -> None:
        """Wait until every node is up and free."""
        wait_for(self._is_idle, f"all nodes are idle, see {self.directory}/log", 30)

    def _is_idle(self) -> bool:
        states = _run(["sinfo", "-h", "-N", "-p", "cpu,gpu", "-o", "%T"], env=self.env, check=False).split()
        return states == ["idle"] * len(self.nodes)

    def down(self) -> None:
        """Stop every process of the cluster and remove its network. Never raises for what is already gone."""
        self.kill("slurmctld", signal.SIGKILL)
        for node in self.nodes:
            self.kill(f"init-{node.name}", signal.SIGKILL)
            self.kill(f"node-{node.name}", signal.SIGKILL)
        self.kill("munged", signal.SIGKILL)
        with contextlib.suppress(ClusterError):
            self.ip([f"link del {self.bridge}"])
        self._hosts([])
        self._remove_cgroups()

    def _remove_cgroups(self) -> None:
        for node in self.nodes:
            for top in CGROUPS.glob(f"*/slurm_{node.name}"):
                for path, _, _ in os.walk(top, topdown=False):
                    with contextlib.suppress(OSError):
                        os.rmdir(path)

    def remove_files(self) -> None:
        """Remove what `up` wrote, and the directory when nothing else is in it."""
        for name in DIRECTORIES:
            shutil.rmtree(self.directory / name, ignore_errors=True)
        for name in (*FILES, "munge.key"):
            (self.directory / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.directory.rmdir()

    def start(self, *, wait: bool = True) -> None:
        self.spawn("slurmctld", ["slurmctld", "-D"])
        if wait:
            wait_for(self.answers, "the controller answers")

    def stop(self) -> None:
        self.kill("slurmctld", signal.SIGTERM)

    def pause(self) -> None:
        os.kill(self.pid("slurmctld"), signal.SIGSTOP)

    def cont(self) -> None:
        os.kill(self.pid("slurmctld"), signal.SIGCONT)

    def answers(self) -> bool:
        return "is UP" in self.run("scontrol", "ping", check=False)

    def configure(self, *settings: str) -> None:
        """Change slurm.conf while it runs; without arguments back to the usual one."""
        text = slurm_conf(replace(self.spec, settings=settings))
        (self.directory / "slurm.conf").write_text(text, encoding="utf-8")
        self.run("scontrol", "reconfigure")

    def run(self, *argv: str, check: bool = True, stdin: str = "", user: int | None = None) -> str:
        """Run a command on the login node, from the shared directory; its output."""
        return _run(argv, env=self.env, check=check, stdin=stdin, user=user, cwd=self.shared)

    def wait_for_state(self, job_id: str, state: str) -> None:
        show = ("squeue", "-h", "-t", "all", "-j", job_id, "-o", "%T")
        wait_for(lambda: self.run(*show, check=False).strip() == state, f"job {job_id} is {state}")

    def run_again(self, job_id: str) -> None:
        """Let a requeued job start without the delay that Slurm gives it once its processes have ended."""

        seen = [""]

        def runs() -> bool:
            seen[:] = [
                self.run("squeue", "-h", "-t", "all", "-j", job_id, "-o", "%T %r", check=False).strip()
            ]
            state, _, reason = seen[0].partition(" ")
            if reason == "BeginTime":  # asked without need, it would be scheduled anew each time
                self.run("scontrol", "update", f"JobId={job_id}", "StartTime=now", check=False)
            return state == "RUNNING"

        try:
            wait_for(runs, f"job {job_id} runs again", 150.0)
        except ClusterError as error:
            raise ClusterError(
                f"{error}; last seen: {seen[0]}; {self.run('scontrol', 'show', 'job', job_id, check=False)}"
                f"nodes: {self.run('sinfo', '-h', '-N')}"
            ) from None

    def spawn(self, name: str, argv: Sequence[str]) -> int:
        with (self.directory / "log" / f"{name}.out").open("ab") as log:
            child = subprocess.Popen(
                argv,
                env=self.env | LASTING,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._children[name] = child
        self.record(name, child.pid)
        return child.pid

    def record(self, name: str, pid: int) -> None:
        (self.directory / "run" / f"{name}.json").write_text(
            json.dumps({"pid": pid, "start": start_time(pid)}), encoding="utf-8"
        )

    def pid(self, name: str) -> int:
        pid = self._live_pid(name)
        if not pid:
            raise ClusterError(f"{name} does not run, see {self.directory}/log")
        return pid

    def _live_pid(self, name: str) -> int:
        try:
            raw = json.loads((self.directory / "run" / f"{name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return 0
        return int(raw["pid"]) if raw["start"] and start_time(raw["pid"]) == raw["start"] else 0

    def kill(self, name: str, sent: signal.Signals) -> None:
        """Signal a recorded process and wait until it is gone, by force in the end."""
        pid = self._live_pid(name)
        if pid:
            for attempt in (sent, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, attempt)
                    os.kill(pid, signal.SIGCONT)
                with contextlib.suppress(ClusterError):
                    wait_for(lambda: not self._live_pid(name), f"{name} ends", 10)
                    break
        child = self._children.pop(name, None)
        if child:
            child.wait(30)
        (self.directory / "run" / f"{name}.json").unlink(missing_ok=True)

    def ip(self, commands: Sequence[str]) -> None:
        _run(["ip", "-batch", "-"], stdin="\n".join(commands) + "\n")

    def _write_files(self) -> None:
        for name in DIRECTORIES:
            path = self.directory / name
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o1777 if name == "shared" else 0o755)
        self.directory.chmod(0o755)
        for name, text in FILES.items():
            (self.directory / name).write_text(text(self.spec), encoding="utf-8")
        for number in range(max(node.gpus for node in self.spec.nodes)):
            device = self.directory / "dev" / f"nvidia{number}"
            if not device.exists():
                os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(195, number))

    def _start_munge(self) -> None:
        key = self.directory / "munge.key"
        key.unlink(missing_ok=True)
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        run, log = self.directory / "run", self.directory / "log"
        munge_socket = run / "munge.sock"
        options = {
            "socket": munge_socket,
            "key-file": key,
            "pid-file": run / "munged.pid",
            "log-file": log / "munged.log",
            "seed-file": run / "munge.seed",
        }
        self.spawn("munged", ["munged", "-F", *(f"--{name}={path}" for name, path in options.items())])
        wait_for(munge_socket.exists, "munged answers")

    def _hosts(self, lines: list[str]) -> None:
        """Replace this cluster's lines of /etc/hosts, in place (it may be a bind mount)."""
        mark = f"# {self.bridge}"
        with ETC_HOSTS.open("r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            kept = [line for line in file.read().splitlines() if not line.endswith(mark)]
            file.seek(0)
            file.write("\n".join([*kept, *lines]) + "\n")
            file.truncate()


def _run(
    argv: Sequence[str],
    *,
    env: dict[str, str] | None = None,
    check: bool = True,
    stdin: str = "",
    user: int | None = None,
    cwd: Path | None = None,
) -> str:
    done = subprocess.run(
        argv,
        env=env,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        user=user,
        cwd=cwd,
        check=False,
    )
    if check and done.returncode:
        raise ClusterError(f"{' '.join(argv)}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout if check else done.stdout + done.stderr


def start_time(pid: int) -> str:
    """Start of a process in clock ticks since boot; empty for one that is gone or only waits to be reaped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
