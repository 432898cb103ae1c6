"""Writes the token, certificate and configuration of a launch to the shared file system, where the node reads them."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.link.bridge import Way
from ...core.server.record import ConnectionFile
from ...core.slurm.script import restarted_name
from ..extension_source import packed_modules
from ..files import private_dir, read_own, write_atomic
from .certificate import certificate_in, new_identity
from .file_names import (
    CONNECTION,
    config_name,
    connection_name,
    identity_name,
    launch_files_of,
    launch_stem,
    token_name,
)


def probe_source() -> str:
    """Return Python source that measures CPU, memory and GPUs in a plain kernel, with psutil if installed (`one_sample`)."""
    names = ("cgroup", "gpu_allocation", "gpu", "gpu_use", "usage")  # each imports only earlier ones
    return packed_modules("jlab_mcp_probe", names) + "one_sample = module.one_sample\n"


RESTARTS = 3
"""restarts of a job with a certificate of their own; later ones share the last (`jupyter_extension/launch.py`)"""


@dataclass(frozen=True, slots=True)
class LaunchFiles:
    """Files of one submission; the node gets only these names."""

    token: str
    token_file: Path
    config_file: Path
    connection_file: Path


def write_launch_files(
    directory: Path, launch: str, config: dict[str, Any], *, over_network: bool = False
) -> LaunchFiles:
    """Write secrets and configuration of one launch, 0600, under unique names.

    `config`: what `launch.py` reads (its module lists the keys), to which this adds the file names. A server that is reached
    `over_network` gets a certificate, and others for the restarts of its job, whose tokens the job makes itself.
    """
    private_dir(directory)
    stem = launch_stem(launch, secrets.token_hex(4))
    token = secrets.token_hex(24)
    files = LaunchFiles(
        token, directory / token_name(stem), directory / config_name(stem), directory / connection_name(stem)
    )
    write_atomic(files.token_file, token + "\n")
    whole = {
        **config,
        "token_file": str(files.token_file),
        "connection_file": str(files.connection_file),
    }
    if over_network:
        first, *later = (_write_identity(directory, stem, run) for run in range(1 + RESTARTS))
        whole |= {"certfile": first, "restarts": later}
    write_atomic(files.config_file, json.dumps(whole, indent=1) + "\n")
    return files


def _write_identity(directory: Path, stem: str, run: int) -> str:
    path = directory / restarted_name(identity_name(stem), run)
    write_atomic(path, new_identity())
    return str(path)


def remove_launch_files(connection_file: Path) -> None:
    """Remove the files of an ended launch."""
    if not CONNECTION.fullmatch(connection_file.name):
        return  # no launch wrote this name
    mine = launch_files_of(re.escape(connection_file.name.removesuffix(connection_name(""))))
    with contextlib.suppress(OSError):
        for path in connection_file.parent.iterdir():
            if mine.fullmatch(path.name):
                path.unlink(missing_ok=True)


def read_connection(path: Path) -> ConnectionFile | None:
    """Return the connection file of a started server; None until it is complete."""
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
            cert=certificate_in(Path(raw["certfile"])) if raw.get("certfile") else "",
            token=read_own(Path(raw["token_file"])).decode().strip() if raw.get("token_file") else "",
            environment=str(raw.get("environment") or ""),
            link=Way(raw["link"]) if raw.get("link") else None,
            addresses=tuple(str(address) for address in raw.get("addresses") or ()),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
