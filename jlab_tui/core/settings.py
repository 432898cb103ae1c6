"""Reads environment variables once into one frozen value.

Each field names its variable, default, reader and meaning. The documentation
table `VARIABLES` and `load_settings` follow from that.
"""
# ruff: noqa: RUF009 - `set_by` and `path_set_by` return `dataclasses.field(...)`

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from . import setting_values as read
from .errors import SettingError
from .setting_choices import Link, Mode, OnExit
from .setting_fields import PREFIX, Variable, path_set_by, set_by
from .slurm_settings import SlurmSettings

__all__ = [
    "PREFIX",
    "SITE_CONFIG",
    "VARIABLES",
    "Link",
    "Mode",
    "OnExit",
    "Settings",
    "SlurmSettings",
    "Variable",
    "load_settings",
    "site_config_of",
]

T = TypeVar("T")

SITE_CONFIG = "/etc/jlab-mcp/config"


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, and where the command runs."""

    root: Path
    """project root: nearest ancestor of the working directory that has a status directory, else that directory"""
    cwd: Path
    home: Path = path_set_by(
        "DIR",
        "~/.jlab-mcp",
        "where status files, logs and journals live (a file system that the nodes share)",
    )
    notebook_dir: Path = path_set_by("NOTEBOOK_DIR", "./notebooks", "where new notebooks are written")
    server_root_dir: Path = path_set_by("SERVER_ROOT_DIR", "the project root", "JupyterLab's root directory")
    log_dir: Path = path_set_by("LOG_DIR", "<DIR>/logs", "logs of the server or the job")
    status_dir: Path = path_set_by(
        "STATUS_DIR", "<DIR>/servers/<name>-<hash>", "this project's status file, journals and bells"
    )
    connection_dir: Path = path_set_by(
        "CONNECTION_DIR", "<STATUS_DIR>/connections", "where a started server writes its address"
    )
    site_config: Path | None = path_set_by(
        "SITE_CONFIG",
        SITE_CONFIG,
        "file with the [settings of the site](group.md#settings-for-everybody); `none`: no file",
    )
    """None: no file"""
    run_mode: Mode | None = set_by(
        "RUN_MODE",
        None,
        read.one_of(Mode, *Mode),
        "`local` or `slurm`",
        shown="slurm where sbatch is found, else local; inside a job that has what you ask for, local",
    )
    slurm: SlurmSettings = field(default_factory=SlurmSettings)
    setup: str = set_by("SETUP", "", str, "shell lines run before jupyter (conda, apptainer, ...)")
    python_fallback: bool = set_by(
        "PYTHON_FALLBACK",
        False,
        read.flag,
        "1: where the project's environment cannot run kernels, they run in another active one or jlab-mcp's own Python instead of the start failing",
        shown="0",
    )
    queue_timeout_s: float = set_by(
        "QUEUE_TIMEOUT",
        300.0,
        read.seconds(0, 30 * 86400),
        "seconds that `start --no-tui`, `wait` and the tools wait in the queue",
    )
    ready_timeout_s: float = set_by(
        "READY_TIMEOUT",
        120.0,
        read.seconds(1, 86400),
        "seconds that a job may take to come up, for each step (unset, 60 locally)",
    )
    """each step: connection file, then health"""
    local_start_s: float = set_by("READY_TIMEOUT", 60.0, read.seconds(1, 86400))
    port_min: int = set_by("PORT_MIN", 18000, read.integer(1, 65535), "lowest port")
    port_max: int = set_by("PORT_MAX", 19000, read.integer(1, 65535), "highest port")
    local_bind_ip: str = set_by(
        "LOCAL_BIND_IP", "127.0.0.1", read.address, "address that a local JupyterLab listens on"
    )
    link: Link = set_by(
        "LINK",
        Link.AUTO,
        read.one_of(Link, *Link),
        "how a node's server is reached: `tcp` (its port), or without an open port by a step (`srun`) or the node's `ssh`; "
        "`auto`: the first of these that works",
    )
    allow_unproved: bool = set_by(
        "ALLOW_UNPROVED",
        False,
        read.flag,
        "1: use a server that cannot prove that it is yours; anyone who listens at its address can then act as you",
        shown="0",
    )
    image_max_px: int = set_by(
        "IMAGE_MAX_PX", 512, read.integer(16, 4096), "longest edge, in pixels, of an image in a reply"
    )
    output_chars: int = set_by(
        "OUTPUT_CHARS", 20000, read.integer(500, 90_000), "characters of output in one reply"
    )
    cell_mb: int = set_by(
        "CELL_MB",
        100,
        read.integer(1, 2000),
        "megabytes of images that the notebook keeps of one cell; of HTML and JSON half as much, of text 8 %",
    )
    wait_s: float = set_by(
        "WAIT_S",
        90.0,
        read.seconds(0, 86_400),
        "seconds that a call waits for a cell before it returns a run id",
    )
    task_after_s: float = set_by(
        "TASK_AFTER_S",
        30.0,
        read.seconds(0, 86_400),
        "seconds after which a long call becomes a task, where the client knows tasks",
    )
    hold_limit_s: float = set_by(
        "HOLD_LIMIT_S",
        600.0,
        read.seconds(1, 86_400),
        "seconds that held code waits for the user's decision before it is declined",
    )
    gpu_idle_warn_min: float = set_by(
        "GPU_IDLE_WARN_MIN",
        30.0,
        read.seconds(0, 10_080),
        "minutes after which a kernel that holds GPU memory and computes nothing is told of; 0: never",
    )
    on_exit: OnExit | None = set_by(
        "ON_EXIT",
        None,
        read.one_of(OnExit, *OnExit),
        "what happens to kernels when the client ends: `shutdown` ends idle ones, and busy ones after their run; `keep` keeps them "
        "until the server stops; `kill` ends all",
        shown="shutdown; in a job, idle ones stay as JLAB_MCP_KEEP_H says",
    )
    keep_h: float | None = set_by(
        "KEEP_H",
        None,
        read.hours(0, 720),
        "hours that idle kernels of a job stay after the client ended, unless `JLAB_MCP_ON_EXIT` is set; 0: as outside of a job",
        shown="12, or as the server was started",
    )
    """None if unset: the server then decides"""
    exit_grace_s: float | None = set_by(
        "EXIT_GRACE_S",
        None,
        read.seconds(0, 86400),
        "seconds that idle kernels keep running after the client ends",
        shown="30 (in a job as JLAB_MCP_KEEP_H says), or as the server was started",
    )
    """None if unset: the server then decides"""
    idle_end_h: float = set_by(
        "IDLE_END_H",
        0.0,
        read.hours(0, 720),
        "hours in which nothing used a job, after which it ends itself ([what counts as use](cluster.md#a-job-that-ends-itself)); "
        "0: never. Only jobs that jlab-mcp submits",
    )
    keep_days: int = set_by(
        "KEEP_DAYS",
        30,
        read.integer(1, 36500),
        "days that records of closed sessions, logs and what you did in dashboards are kept ([what is removed, and when]"
        "(security.md#what-is-removed-and-when))",
    )
    """jlab-mcp compresses them after a week"""
    records_mb: int = set_by(
        "RECORDS_MB",
        10_000,
        read.integer(0, 1_000_000_000),
        "megabytes that the records of a project's closed sessions may take; beyond, the oldest go first, but never the 20 newest sessions; 0: no limit",
    )
    trusted_dirs: frozenset[str] = set_by(
        "TRUSTED_DIRS",
        frozenset(),
        read.directories,
        "directories to use although others may change them, separated by `:` "
        "([which are checked](security.md#whose-directories-are-used))",
        shown="no directory",
    )
    locked: Mapping[str, str] = field(default_factory=dict)
    """the names, without prefix, that the site lets nobody set, with the place where it says so"""

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

    @property
    def own_directories(self) -> tuple[tuple[str, Path], ...]:
        """Return each of our directories that holds tokens or code, with the variable that moves it."""
        below = (self.sessions_dir, self.actions_dir, self.fifo_dir, self.node_dir, self.spool_dir)
        return (
            ("DIR", self.home),
            ("STATUS_DIR", self.status_dir),
            ("CONNECTION_DIR", self.connection_dir),
            ("LOG_DIR", self.log_dir),
            *(("STATUS_DIR", directory) for directory in below),
        )


VARIABLES: tuple[Variable, ...] = tuple(
    one.metadata["variable"]
    for one in (*fields(Settings), *fields(SlurmSettings))
    if one.metadata and one.metadata["variable"].meaning
)


PROJECT_NAME = re.compile(r"[A-Za-z0-9._-]{1,40}-[0-9a-f]{12}")
"""matches every result of `status_dir_name`, and few other names"""


def status_dir_name(root: Path) -> str:
    """Return the name of a project's status directory: a safe form of its own name, and 12 hex digits of its path's sha256."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", root.name)[:40] or "root"
    return f"{name}-{hashlib.sha256(str(root).encode()).hexdigest()[:12]}"


MARKS = ("server-status", "sessions", "choices.json")
"""files that make a status directory a project's: a server, records of sessions, or a choice"""


def find_root(start: Path, home: Path, exists: Callable[[Path], bool]) -> Path:
    """Find the nearest project among `start` and its ancestors, by its status directory under `home`, else `start` itself.

    An empty status directory does not count: one command in the home directory would otherwise own every project below it.
    """
    for candidate in (start, *start.parents):
        directory = home / "servers" / status_dir_name(candidate)
        if any(exists(directory / mark) for mark in MARKS):
            return candidate
    return start


def load_settings(env: Mapping[str, str], cwd: Path, exists: Callable[[Path], bool]) -> Settings:
    """Read every `JLAB_MCP_*` variable of `env`; an empty value counts as unset. Raises SettingError for the first that
    cannot be used.

    `cwd` is absolute; `exists` tells whether a file exists (to find the project root).
    """

    def path(variable: str, default: Path) -> Path:
        return cwd / _path(env, variable, default)

    home = own_directory(env, cwd)
    root = find_root(cwd, home, exists)
    status_dir = path("STATUS_DIR", home / "servers" / status_dir_name(root))
    settings = Settings(
        root=root,
        cwd=cwd,
        home=home,
        notebook_dir=path("NOTEBOOK_DIR", root / "notebooks"),
        server_root_dir=path("SERVER_ROOT_DIR", root),
        log_dir=path("LOG_DIR", home / "logs"),
        status_dir=status_dir,
        connection_dir=path("CONNECTION_DIR", status_dir / "connections"),
        site_config=site_config_of(env, cwd),
        slurm=SlurmSettings(**_values(SlurmSettings, env)),
        **_values(Settings, env),
    )
    low, high = settings.port_min, settings.port_max
    if low > high and env.get(PREFIX + "PORT_MAX", "").strip():
        raise SettingError(PREFIX + "PORT_MAX", str(high), f"at least {PREFIX}PORT_MIN ({low})")
    if low > high:
        raise SettingError(PREFIX + "PORT_MIN", str(low), f"at most {high}, which is {PREFIX}PORT_MAX")
    return settings


def own_directory(env: Mapping[str, str], cwd: Path) -> Path:
    """Return `Settings.home`, whatever the other settings are. Raises SettingError."""
    return cwd / _path(env, "DIR", Path(_user(env)) / ".jlab-mcp")


def site_config_of(env: Mapping[str, str], cwd: Path) -> Path | None:
    """Return the file with the site's settings; None if the user wants none. Raises SettingError."""
    found = _path(env, "SITE_CONFIG", Path(SITE_CONFIG))
    return None if str(found) == "none" else cwd / found


def _path(env: Mapping[str, str], variable: str, default: Path) -> Path:
    return _read(env, variable, lambda text: read.path(text, _user(env)), default)


def _user(env: Mapping[str, str]) -> str:
    return env.get("HOME") or "~"


def _values(of: type[Settings] | type[SlurmSettings], env: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields that a variable sets, except for paths."""
    return {
        one.name: _read(env, one.metadata["variable"].name, one.metadata["reader"], one.default)
        for one in fields(of)
        if "reader" in one.metadata
    }


def _read(env: Mapping[str, str], variable: str, reader: Callable[[str], T], default: T) -> T:
    text = env.get(PREFIX + variable, "").strip()
    try:
        return reader(text) if text else default
    except ValueError as wanted:
        raise SettingError(PREFIX + variable, text, str(wanted)) from None
