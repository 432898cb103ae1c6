"""Copies the Jupyter extension to where the node sees it, and checks the copy before each start.

A job may start hours after its submission, so its script checks the copy again: `templates/jupyter_slurm.sh.template`
computes the same digest.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..extension_source import PACKAGE_DIR
from ..files import open_own, private_dir
from .file_names import copy_in_the_making, copy_name, copy_set_aside

_CACHE = "__pycache__"
_KINDS = (".py", ".html", ".css", ".js")
_TRIES = 3
_AT_ONCE = 8
"""files that are read or written at the same time: on a network each takes milliseconds"""


def install_node_files(node_dir: Path) -> Path:
    """Copy the extension below `node_dir`, once per version of its files. Returns the directory of the copy.

    Replaces a copy in which any file has changed. Raises OSError.
    """
    sources = _sources()
    digest = _digest(sources)
    target = node_dir / copy_name(digest)
    for attempt in range(_TRIES):
        if _is_whole(target, sources):
            return target
        if attempt:
            _set_aside(target, node_dir / copy_set_aside(digest, str(os.getpid())))
        _make(target, node_dir / copy_in_the_making(digest, str(os.getpid())), sources)
    raise PermissionError(f"{target} changes while it is written; remove it")


def extension_digest() -> str:
    """Return the sha256 of the extension's files."""
    return _digest(_sources())


def _sources() -> dict[str, bytes]:
    found = sorted(
        path.relative_to(PACKAGE_DIR).as_posix() for path in PACKAGE_DIR.rglob("*") if path.suffix in _KINDS
    )
    return {name: (PACKAGE_DIR / name).read_bytes() for name in found}


def _digest(sources: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in sources.items():
        digest.update(name.encode() + b"\0" + content)
    return digest.hexdigest()


def _make(target: Path, staging: Path, sources: Mapping[str, bytes]) -> None:
    private_dir(target.parent)
    shutil.rmtree(staging, ignore_errors=True)
    for directory in {(staging / name).parent for name in sources}:
        private_dir(directory)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        list(threads.map(_write, [staging / name for name in sources], sources.values()))
    try:
        staging.rename(target)
    except OSError:
        shutil.rmtree(staging, ignore_errors=True)  # exists: made by another start, or changed


def _write(path: Path, content: bytes) -> None:
    with open(open_own(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
        file.write(content)


def _set_aside(target: Path, aside: Path) -> None:
    """Rename before removing, so that nobody runs a partial copy."""
    with contextlib.suppress(FileNotFoundError):
        target.rename(aside)
    if aside.is_dir() and not aside.is_symlink():
        shutil.rmtree(aside)
    else:
        aside.unlink(missing_ok=True)


def _is_whole(copy: Path, sources: Mapping[str, bytes]) -> bool:
    """Whether a copy has exactly these files, apart from what Python compiled from them."""
    with contextlib.suppress(OSError), ThreadPoolExecutor(_AT_ONCE) as threads:
        if stat.S_ISDIR(copy.lstat().st_mode):
            found = {path.relative_to(copy).as_posix(): path for path in copy.rglob("*")}
            wanted = [sources.get(name) for name in found]
            return sources.keys() <= found.keys() and all(threads.map(_may_be_there, found.values(), wanted))
    return False


def _may_be_there(path: Path, source: bytes | None) -> bool:
    """Whether a path in a copy is the file that it should be, or none that runs. Raises OSError."""
    info = path.lstat()
    if info.st_uid not in (0, os.geteuid()):
        return False
    if stat.S_ISDIR(info.st_mode):
        return source is None
    if not stat.S_ISREG(info.st_mode):
        return False
    if source is not None:
        return path.read_bytes() == source
    is_compiled = path.parent.name == _CACHE and path.suffix == ".pyc"
    return is_compiled or path.suffix not in (".py", ".so", ".pyc")
