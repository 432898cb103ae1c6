"""What a start leaves on the shared file system for the node beside the extension: the token, the launch configuration."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.server.record import ConnectionFile
from ..files import private_dir, read_own, write_atomic
from .extension_copy import PACKAGE_DIR
from .file_names import (
    CONNECTION,
    config_name,
    connection_name,
    launch_files_of,
    launch_stem,
    token_name,
)

_PROBE = """
import sys
from types import ModuleType

sys.modules["jlab_mcp_probe"] = ModuleType("jlab_mcp_probe")
for name, source in %r.items():
    module = sys.modules["jlab_mcp_probe." + name] = ModuleType("jlab_mcp_probe." + name)
    module.__package__ = "jlab_mcp_probe"
    exec(compile(source, name + ".py", "exec"), vars(module))
one_sample = module.one_sample
"""


def probe_source() -> str:
    """Python that measures CPU, memory and GPUs in a plain kernel, with psutil where there is one; see `one_sample` in it."""
    names = ("cgroup", "gpu", "usage")  # each imports only those before it
    return _PROBE % {name: (PACKAGE_DIR / f"{name}.py").read_text(encoding="utf-8") for name in names}


@dataclass(frozen=True, slots=True)
class LaunchFiles:
    """Files of one submission; nothing else than these names reaches the node."""

    token: str
    token_file: Path
    config_file: Path
    connection_file: Path


def write_launch_files(directory: Path, launch: str, config: dict[str, Any]) -> LaunchFiles:
    """Write token and configuration of one launch, 0600, under names that no other launch uses.

    `config` is what `launch.py` reads (its module says which keys); token and connection file are added here.
    """
    private_dir(directory)
    stem = launch_stem(launch, secrets.token_hex(4))
    token = secrets.token_hex(24)
    files = LaunchFiles(
        token,
        directory / token_name(stem),
        directory / config_name(stem),
        directory / connection_name(stem),
    )
    write_atomic(files.token_file, token + "\n")
    whole = {**config, "token_file": str(files.token_file), "connection_file": str(files.connection_file)}
    write_atomic(files.config_file, json.dumps(whole, indent=1) + "\n")
    return files


def remove_launch_files(connection_file: Path) -> None:
    """Remove the files of a launch that is over."""
    if not CONNECTION.fullmatch(connection_file.name):
        return  # the status file names something that no launch has written
    mine = launch_files_of(re.escape(connection_file.name.removesuffix(connection_name(""))))
    with contextlib.suppress(OSError):
        for path in connection_file.parent.iterdir():
            if mine.fullmatch(path.name):
                path.unlink(missing_ok=True)


def read_connection(path: Path) -> ConnectionFile | None:
    """What a started server wrote, None while there is nothing complete."""
    try:
        raw = json.loads(read_own(path))
        return ConnectionFile(
            hostname=str(raw["hostname"]),
            ip=str(raw.get("ip") or ""),
            port=int(raw["port"]),
            pid=int(raw.get("pid") or 0),
            pid_start=str(raw.get("pid_start") or ""),
            url=str(raw["url"]).rstrip("/"),
            started=float(raw.get("started") or 0),
            version=str(raw.get("version") or ""),
            socket=str(raw.get("socket") or ""),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
