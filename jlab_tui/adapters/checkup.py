"""Examines directories, ports, hops and clocks for `jlab-mcp doctor`, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from .. import __version__
from ..core.cli.client_config import ClientChoices, Registered
from ..core.cli.picture_choice import TerminalFacts
from ..core.doctor.checks import DirectoryFacts, Hops
from ..core.doctor.python_checks import DriverFacts, ProgramFacts, ProjectPython, PythonFacts, Unmet
from ..core.doctor.slurm_checks import NodeFacts
from ..core.errors import JlabError
from ..core.server.record import ServerRecord
from ..core.server.trust import Weakness
from ..core.settings import Settings
from ..core.slurm.command_environment import query_environment
from ..core.slurm.queue import QueueAnswer, QueueUnknown
from ..core.slurm.rejections import Rejected
from ..core.slurm.submit import Estimate
from ..core.slurm.survey import Partition
from .client_files import client_choices, registrations
from .files import INTENT_STALE_S, bytes_below, process_start
from .interpreter import NODE_DRIVER, ask_driver, ask_python, parse_driver
from .jupyter.access import ServerAccess
from .programs import run
from .server.environment import choose_python
from .server.process import free_port
from .slurm.commands import Slurm
from .slurm.submission import test_request
from .terminal_question import ask_terminal
from .trust import weaknesses

_CONNECT_S = 5.0
_STEP_S = 30.0
_SHOWN_S = 5.0
"""what a network file system may take to show a node's file"""
_PROBE_BYTES = 65536
"""larger than a file system's block, so that an exceeded quota shows"""


def unmet_requirements(distribution: str) -> list[Unmet]:
    """Return the requirements of an installed distribution that its environment does not meet."""
    try:
        from packaging.requirements import Requirement  # only needed here
    except ImportError:
        return [Unmet("packaging")]
    try:
        wanted = [Requirement(text) for text in metadata.requires(distribution) or ()]
    except metadata.PackageNotFoundError:
        return [Unmet(distribution)]
    unmet = []
    for one in wanted:
        if one.marker is not None and not one.marker.evaluate({"extra": ""}):
            continue
        try:
            has = metadata.version(one.name)
        except metadata.PackageNotFoundError:
            has = ""
        if not has or not one.specifier.contains(has, prereleases=True):
            unmet.append(Unmet(f"{one.name}{one.specifier}", has))
    return unmet


def filesystem_of(path: Path) -> str:
    """Return the type of the file system of a path; empty if unknown (no /proc)."""
    there = str(nearest(path).resolve())
    best, found = "", ""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines():
            _, mount, kind, *_ = line.split()
            if len(mount) >= len(best) and (there + "/").startswith(mount.rstrip("/") + "/"):
                best, found = mount, kind
    return found


def nearest(path: Path) -> Path:
    """Return the directory itself, or the nearest one above it that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def look_at_directory(
    purpose: str, path: Path, variable: str, *, judged: Sequence[Path] = (), trusted: Collection[str] = ()
) -> DirectoryFacts:
    """Examine a directory by writing a file and removing it at once; blocking.

    `judged`: directories that other accounts must not be able to change, except the `trusted` ones.
    """
    there = nearest(path)
    exists = path.is_dir()
    weak: dict[Weakness, None] = {}
    for directory in judged:
        with contextlib.suppress(OSError):  # reported below, if writing fails
            weak |= dict.fromkeys(weaknesses(directory, trusted))
    facts = partial(DirectoryFacts, purpose, str(path), variable, str(there), exists, weak=tuple(weak))
    if not there.is_dir():
        what = "it" if there == path else str(there)
        return facts(is_writable=False, write_error=f"{what} is not a directory")
    error = ""
    probe = there / f".jlab-mcp-doctor-{secrets.token_hex(6)}"
    try:
        fd = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            rest = bytes(_PROBE_BYTES)
            while rest:  # a nearly full disk writes only a part at first
                rest = rest[os.write(fd, rest) :]
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as failure:
        error = failure.strerror or str(failure)
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()
    try:
        room = os.statvfs(there)
    except OSError:
        return facts(is_writable=not error, write_error=error)
    files = room.f_favail if room.f_files else None
    free = room.f_bavail * room.f_frsize >> 20
    return facts(is_writable=not error, free_mb=free, free_files=files, write_error=error)


def fifo_error(directory: Path) -> str:
    """Return why no FIFO can be made there; empty if one can."""
    probe = nearest(directory) / f".jlab-mcp-doctor-{secrets.token_hex(6)}"
    try:
        os.mkfifo(probe, 0o600)
    except OSError as error:
        return error.strerror or str(error)
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()
    return ""


def look_at_ports(ip: str, low: int, high: int) -> tuple[bool, bool]:
    """Return `(a port of the range is free, the address belongs to this machine)`."""
    found = free_port(ip, low, high, tried=set()) is not None
    return found, found or free_port(ip, 0, 0, tried=set()) is not None


def stale_intent(path: Path, now: float, stale_s: float) -> str:
    """Return `host:pid` of a start or stop that died half-way; empty if there is none."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        host, pid, taken_at = str(raw["host"]), int(raw["pid"]), float(raw["at"])
        alive = process_start(pid) == str(raw["pid_start"])
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError, KeyError, TypeError):
        return f"an unreadable {path}"
    gone = not alive if host == socket.gethostname() else now - taken_at > stale_s
    return f"{host}:{pid}" if gone else ""


async def look_at_hops(host: str, port: int, *, answers: bool) -> Hops:
    """Resolve the name and open a connection."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return Hops(host, port, answers=answers)
    address = str(found[0][4][0])
    try:
        async with asyncio.timeout(_CONNECT_S):
            _, writer = await asyncio.open_connection(address, port)
    except TimeoutError:
        return Hops(host, port, address, connect_error=f"no answer in {_CONNECT_S:g} s", answers=answers)
    except OSError as error:
        return Hops(host, port, address, connect_error=error.strerror or str(error), answers=answers)
    writer.close()
    return Hops(host, port, address, connects=True, answers=answers)


async def look_from_node(job_id: str, directory: Path, host: str, env: Mapping[str, str]) -> NodeFacts:
    """Write a file here, and read and copy it in a step of our running job on `host`; look for its GPU driver too."""
    word = secrets.token_hex(8)
    probe = directory / f".jlab-mcp-doctor-{word}"
    copy = probe.with_suffix(".copy")
    try:
        probe.write_text(word, encoding="utf-8")
        look = f'{NODE_DRIVER}; cat "$0"; cat "$0" > "$1"'
        argv = [
            "srun",
            "--overlap",
            f"--jobid={job_id}",
            "-N1",
            "-n1",
            "sh",
            "-c",
            look,
            str(probe),
            str(copy),
        ]
        ran = await run(argv, query_environment(env), _STEP_S)
        can_write = await _has_come(copy) if ran.is_ok else False
    except OSError as error:
        return NodeFacts(error=str(error))
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()
            copy.unlink()
    if word in ran.out:
        return NodeFacts(sees_files=True, can_write=can_write, driver=parse_driver(ran.out, host))
    if "No such file" in ran.err:
        return NodeFacts(sees_files=False, driver=parse_driver(ran.out, host))
    last = ran.err.strip().splitlines()
    return NodeFacts(error=last[-1] if last else "srun gave no answer")


async def _has_come(path: Path) -> bool:
    """Wait for a file of a node, which a network file system may show late."""
    deadline = asyncio.get_running_loop().time() + _SHOWN_S
    while not path.exists():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(0.1)
    return True


class Checkup:
    """The facts about one project (`services.server.examination.Checkup`)."""

    def __init__(self, settings: Settings, env: Mapping[str, str], access: ServerAccess) -> None:
        self._settings = settings
        self._env = env
        self._access = access
        self._slurm = Slurm(env)

    async def program(self) -> ProgramFacts:
        unmet = await asyncio.to_thread(unmet_requirements, "jlab-mcp")
        version = ".".join(map(str, sys.version_info[:3]))
        python = PythonFacts(sys.executable, version, has_pip=importlib.util.find_spec("pip") is not None)
        return ProgramFacts(__version__, python, sys.prefix, tuple(unmet))

    async def setup_python(self) -> PythonFacts:
        return await ask_python("python3", self._env, self._settings.setup)

    async def project_python(self) -> ProjectPython:
        choice = await choose_python(self._settings.root, self._env)
        own = chosen = await ask_python(sys.executable, self._env)
        if (choice.kernel or choice.server) != sys.executable:
            chosen = await ask_python(choice.kernel or choice.server, self._env)
        return ProjectPython(
            chosen,
            own,
            choice,
            is_tool=not Path(sys.prefix).is_relative_to(self._settings.root),
        )

    async def driver(self) -> DriverFacts:
        return await ask_driver(self._env)

    async def directory(self, purpose: str, path: Path, variable: str) -> DirectoryFacts:
        judged = [own for name, own in self._settings.own_directories if name == variable]
        trusted = self._settings.trusted_dirs
        return await asyncio.to_thread(
            look_at_directory, purpose, path, variable, judged=judged, trusted=trusted
        )

    async def server_root_exists(self) -> bool:
        return await asyncio.to_thread(self._settings.server_root_dir.is_dir)

    async def bytes_of_records(self) -> int:
        directories = self._settings.sessions_dir, self._settings.spool_dir
        return (await asyncio.to_thread(bytes_below, *directories))[0]

    async def fifo_error(self) -> str:
        return await asyncio.to_thread(fifo_error, self._settings.fifo_dir)

    async def stale_intent(self) -> str:
        path = self._settings.status_dir / "starting"
        return await asyncio.to_thread(stale_intent, path, time.time(), INTENT_STALE_S)

    async def hops(self, record: ServerRecord, *, answers: bool) -> Hops:
        host = urlsplit(record.url).hostname or record.hostname or socket.gethostname()
        return await look_at_hops(host, record.port, answers=answers)

    async def clock_offset(self, record: ServerRecord) -> float | None:
        """Return the node's clock minus ours in seconds; None if unknown. Assumes that the node read it halfway through."""
        started = time.time()
        try:
            node_time = await self._access.api(record).clock()
        except JlabError:
            return None
        return node_time - (started + time.time()) / 2 if node_time else None

    def oddities(self, record: ServerRecord) -> int:
        return self._access.api(record).oddities

    async def ports(self) -> tuple[bool, bool]:
        settings = self._settings
        return await asyncio.to_thread(
            look_at_ports, settings.local_bind_ip, settings.port_min, settings.port_max
        )

    def missing(self, commands: Sequence[str]) -> list[str]:
        return [name for name in commands if shutil.which(name, path=self._env.get("PATH")) is None]

    async def queue(self) -> QueueAnswer:
        return await self._slurm.queue()

    async def partitions(self) -> tuple[Partition, ...] | QueueUnknown:
        return await self._slurm.survey()

    async def test_request(self) -> Estimate | Rejected:
        return await test_request(self._settings, self._env)

    def filesystem(self) -> str:
        return filesystem_of(self._settings.status_dir)

    async def from_node(self, record: ServerRecord) -> NodeFacts:
        return await look_from_node(record.job_id, self._settings.status_dir, record.hostname, self._env)

    async def registrations(self) -> list[tuple[Registered, bool]]:
        return await asyncio.to_thread(registrations, self._projects, self._env)

    async def terminal(self) -> TerminalFacts:
        return await asyncio.to_thread(ask_terminal, self._env)

    async def client_choices(self) -> ClientChoices:
        return await asyncio.to_thread(client_choices, self._projects, self._env)

    @property
    def _projects(self) -> list[Path]:
        return [self._settings.cwd, self._settings.root]

    async def close(self) -> None:
        await self._access.close()
