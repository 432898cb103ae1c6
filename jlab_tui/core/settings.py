"""Settings: environment variables read once into one frozen value. The table `VARIABLES` is their documentation."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from .errors import SettingError

PREFIX = "JLAB_MCP_"


class Mode(StrEnum):
    """Where the Jupyter server runs."""

    LOCAL = "local"
    SLURM = "slurm"


class OnExit(StrEnum):
    """What happens to the kernels of an MCP server process when it ends."""

    SHUTDOWN = "shutdown"
    """idle ones after the grace period, busy ones when their run has ended and nobody came back"""
    KEEP = "keep"
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class SlurmSettings:
    partition: str = ""
    """empty: the line is left out and Slurm's default partition is used"""
    gres: str = "gpu:1"
    cpus: int = 4
    mem_mb: int = 32000
    time: str = "4:00:00"
    modules: str = ""
    account: str = ""
    qos: str = ""
    constraint: str = ""
    extra: str = ""
    """further sbatch options, separated by `;` or new lines, such as `--nodelist=gpu07`"""
    bind_ip: str = "0.0.0.0"
    template: str = ""
    """path of an own job script template; empty: the one that comes with the package"""


@dataclass(frozen=True, slots=True)
class Settings:
    root: Path
    """project root: nearest ancestor of the working directory that has a status directory, else that directory"""
    cwd: Path
    home: Path
    """JLAB_MCP_DIR"""
    notebook_dir: Path
    server_root_dir: Path
    log_dir: Path
    status_dir: Path
    connection_dir: Path
    run_mode: Mode | None
    """None: slurm where `sbatch` is on the PATH, else local"""
    slurm: SlurmSettings
    setup: str
    """shell lines run before jupyter (conda activate ..., module load ...)"""
    queue_timeout_s: float
    ready_timeout_s: float
    """for each step: connection file, then health"""
    local_start_s: float
    port_min: int
    port_max: int
    local_bind_ip: str
    image_max_px: int
    output_chars: int
    wait_s: float
    on_exit: OnExit
    exit_grace_s: float | None
    """None where nothing was set: a client then leaves it to the server that it meets"""
    keep_days: int
    """days that journals of closed sessions are kept; compressed after a week"""

    @property
    def status_file(self) -> Path:
        return self.status_dir / "server-status"

    @property
    def sessions_dir(self) -> Path:
        return self.status_dir / "sessions"

    @property
    def actions_dir(self) -> Path:
        return self.status_dir / "actions"

    @property
    def fifo_dir(self) -> Path:
        return self.status_dir / "fifos"

    @property
    def node_dir(self) -> Path:
        return self.status_dir / "node"

    @property
    def spool_dir(self) -> Path:
        return self.status_dir / "spool"


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable, as read and as documented."""

    name: str
    """without the prefix"""
    default: str
    meaning: str


VARIABLES: tuple[Variable, ...] = (
    Variable(
        "DIR",
        "~/.jlab-mcp",
        "where status files, logs and journals live (a file system that the nodes share)",
    ),
    Variable("NOTEBOOK_DIR", "./notebooks", "where new notebooks are written"),
    Variable("SERVER_ROOT_DIR", "the project root", "JupyterLab's root directory"),
    Variable("LOG_DIR", "<DIR>/logs", "logs of the server or the job"),
    Variable("STATUS_DIR", "<DIR>/servers/<name>-<hash>", "this project's status file, journals and bells"),
    Variable("CONNECTION_DIR", "<STATUS_DIR>/connections", "where a started server says where it listens"),
    Variable("RUN_MODE", "slurm where sbatch is found, else local", "`local` or `slurm`"),
    Variable("SLURM_PARTITION", "", "partition; unset: Slurm's default"),
    Variable("SLURM_GRES", "gpu:1", "generic resources, such as gpu:a100:2; `none` asks for none"),
    Variable("SLURM_CPUS", "4", "CPUs per task"),
    Variable("SLURM_MEM", "32000", "memory in MB"),
    Variable("SLURM_TIME", "4:00:00", "walltime, in Slurm's form"),
    Variable("SLURM_MODULES", "", "modules to load, separated by spaces"),
    Variable("SLURM_ACCOUNT", "", "account to charge"),
    Variable("SLURM_QOS", "", "quality of service"),
    Variable("SLURM_CONSTRAINT", "", "node features"),
    Variable("SLURM_EXTRA", "", "more sbatch options, separated by `;`"),
    Variable("SLURM_BIND_IP", "0.0.0.0", "address that JupyterLab listens on, on the node"),
    Variable("SLURM_TEMPLATE", "", "own job script template"),
    Variable("SETUP", "", "shell lines run before jupyter (conda, apptainer, ...)"),
    Variable("QUEUE_TIMEOUT", "300", "seconds that `start --no-tui`, `wait` and the tools wait in the queue"),
    Variable(
        "READY_TIMEOUT", "120", "seconds that a job may take to come up, for each step (unset, 60 locally)"
    ),
    Variable("PORT_MIN", "18000", "lowest port"),
    Variable("PORT_MAX", "19000", "highest port"),
    Variable("LOCAL_BIND_IP", "127.0.0.1", "address that a local JupyterLab listens on"),
    Variable("IMAGE_MAX_PX", "512", "longest edge of an image that the model is shown"),
    Variable("OUTPUT_CHARS", "20000", "characters of output in one reply"),
    Variable(
        "WAIT_S", "90", "seconds that a call waits for a cell before it answers with a run id (at most 110)"
    ),
    Variable("ON_EXIT", "shutdown", "what happens to kernels when the client ends: shutdown, keep or kill"),
    Variable(
        "EXIT_GRACE_S",
        "30, or as the server was started",
        "seconds that idle kernels live on after the client ended",
    ),
    Variable("KEEP_DAYS", "30", "days that records of closed sessions are kept"),
)

_NAMES = frozenset(v.name for v in VARIABLES)
_TIME = re.compile(r"(\d+-\d+(:\d+){0,2}|\d+(:\d+){0,2})\Z")


def is_slurm_time(text: str) -> bool:
    """Whether `text` is a time in one of Slurm's six forms (`sbatch --time`): M, M:S, H:M:S, D-H, D-H:M, D-H:M:S."""
    return _TIME.match(text) is not None


def status_dir_name(root: Path) -> str:
    """Name of a project's status directory: its own name, made safe, and 12 hex digits of its path's sha256."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", root.name)[:40] or "root"
    return f"{name}-{hashlib.sha256(str(root).encode()).hexdigest()[:12]}"


MARKS = ("server-status", "sessions", "choices.json")
"""what makes a status directory one of a project: a server, records of sessions, or a choice made for it"""


def find_root(start: Path, home: Path, exists: Callable[[Path], bool]) -> Path:
    """Nearest of `start` and its ancestors that is a project, by its status directory under `home`, else `start` itself.

    An empty directory makes none: a command that was tried in the home directory would own every project below it.
    """
    for candidate in (start, *start.parents):
        directory = home / "servers" / status_dir_name(candidate)
        if any(exists(directory / mark) for mark in MARKS):
            return candidate
    return start


def _is_there(path: Path) -> bool:
    """What may not be looked at counts as not there; whoever needs it says why it cannot be used."""
    try:
        return path.exists()
    except OSError:
        return False


def load_settings(env: Mapping[str, str], cwd: Path, exists: Callable[[Path], bool] = _is_there) -> Settings:
    """Read every `JLAB_MCP_*` variable of `env`. Raises SettingError for the first that cannot be used.

    `cwd` is absolute; `exists` answers whether there is a file (used to find the project root).
    """
    read = _Reader(env, cwd)
    home = read.path("DIR", Path(env.get("HOME") or "~") / ".jlab-mcp")
    root = find_root(cwd, home, exists)
    status_dir = read.path("STATUS_DIR", home / "servers" / status_dir_name(root))
    port_min = read.integer("PORT_MIN", 18000, 1, 65535)
    port_max = read.integer("PORT_MAX", 19000, 1, 65535)
    if port_max < port_min:
        if read.raw("PORT_MAX"):
            raise SettingError(PREFIX + "PORT_MAX", str(port_max), f"at least {PREFIX}PORT_MIN ({port_min})")
        wanted = f"at most {port_max}, which is {PREFIX}PORT_MAX"
        raise SettingError(PREFIX + "PORT_MIN", str(port_min), wanted)
    mode = read.choice("RUN_MODE", [*Mode], None)
    gres = read.word("SLURM_GRES", "gpu:1")
    slurm = SlurmSettings(
        partition=read.word("SLURM_PARTITION"),
        gres="" if gres.lower() == "none" else gres,
        cpus=read.integer("SLURM_CPUS", 4, 1, 100_000),
        mem_mb=read.integer("SLURM_MEM", 32000, 1, 1_000_000_000),
        time=read.slurm_time("SLURM_TIME", "4:00:00"),
        modules=read.line("SLURM_MODULES"),
        account=read.word("SLURM_ACCOUNT"),
        qos=read.word("SLURM_QOS"),
        constraint=read.word("SLURM_CONSTRAINT"),
        extra=env.get(PREFIX + "SLURM_EXTRA", ""),
        bind_ip=read.address("SLURM_BIND_IP", "0.0.0.0"),
        template=read.line("SLURM_TEMPLATE"),
    )
    return Settings(
        root=root,
        cwd=cwd,
        home=home,
        notebook_dir=read.path("NOTEBOOK_DIR", root / "notebooks"),
        server_root_dir=read.path("SERVER_ROOT_DIR", root),
        log_dir=read.path("LOG_DIR", home / "logs"),
        status_dir=status_dir,
        connection_dir=read.path("CONNECTION_DIR", status_dir / "connections"),
        run_mode=Mode(mode) if mode else None,
        slurm=slurm,
        setup=env.get(PREFIX + "SETUP", ""),
        queue_timeout_s=read.number("QUEUE_TIMEOUT", 300, 0, 30 * 86400),
        ready_timeout_s=read.number("READY_TIMEOUT", 120, 1, 86400),
        local_start_s=read.number("READY_TIMEOUT", 60, 1, 86400),
        port_min=port_min,
        port_max=port_max,
        local_bind_ip=read.address("LOCAL_BIND_IP", "127.0.0.1"),
        image_max_px=read.integer("IMAGE_MAX_PX", 512, 16, 4096),
        output_chars=read.integer("OUTPUT_CHARS", 20_000, 500, 90_000),
        wait_s=read.number("WAIT_S", 90, 0, 110),
        on_exit=OnExit(read.choice("ON_EXIT", [*OnExit], OnExit.SHUTDOWN) or OnExit.SHUTDOWN),
        exit_grace_s=read.number("EXIT_GRACE_S", 30, 0, 86400) if read.raw("EXIT_GRACE_S") else None,
        keep_days=read.integer("KEEP_DAYS", 30, 1, 36500),
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Typed reads of `JLAB_MCP_*`; an empty value counts as unset."""

    env: Mapping[str, str]
    cwd: Path

    def raw(self, name: str) -> str:
        assert name in _NAMES, name
        return self.env.get(PREFIX + name, "").strip()

    def path(self, name: str, default: Path) -> Path:
        text = self.raw(name)
        if "\0" in text or "\n" in text:
            raise SettingError(PREFIX + name, text, "a path on one line")
        if text == "~" or text.startswith("~/"):
            text = (self.env.get("HOME") or "~") + text[1:]
        return self.cwd / text if text else self.cwd / default

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        text = self.raw(name)
        if not text:
            return default
        if not re.fullmatch(r"\d{1,12}", text, re.ASCII) or not low <= int(text) <= high:
            raise SettingError(PREFIX + name, text, f"a whole number from {low} to {high}")
        return int(text)

    def number(self, name: str, default: float, low: float, high: float) -> float:
        text = self.raw(name)
        if not text:
            return float(default)
        if not re.fullmatch(r"\d{1,12}(\.\d{1,6})?", text, re.ASCII) or not low <= float(text) <= high:
            raise SettingError(PREFIX + name, text, f"a number of seconds from {low:.0f} to {high:.0f}")
        return float(text)

    def choice(self, name: str, options: list[str], default: str | None) -> str | None:
        text = self.raw(name)
        if not text:
            return default
        if text.lower() not in options:
            raise SettingError(PREFIX + name, text, " or ".join(options))
        return text.lower()

    def line(self, name: str) -> str:
        text = self.raw(name)
        if "\n" in text or "\0" in text:
            raise SettingError(PREFIX + name, text, "a single line")
        return text

    def word(self, name: str, default: str = "") -> str:
        text = self.raw(name) or default
        if text and not re.fullmatch(r"[A-Za-z0-9_.,:;=+*&|!()\[\]/-]+", text):
            raise SettingError(PREFIX + name, text, "one word of Slurm's syntax, without spaces or quotes")
        return text

    def slurm_time(self, name: str, default: str) -> str:
        text = self.raw(name) or default
        if not is_slurm_time(text):
            raise SettingError(PREFIX + name, text, "a walltime such as 4:00:00 or 1-00:00:00")
        return text

    def address(self, name: str, default: str) -> str:
        text = self.raw(name) or default
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise SettingError(PREFIX + name, text, "an IP address") from None
        return text
