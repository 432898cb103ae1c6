"""Notebook files: saves changes atomically and notices when somebody else writes the file.

Runs in threads: `save` gets copies of what has changed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import json
import os
import socket
import threading
import time
from collections.abc import Container, Iterator, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..core.errors import NotebookError
from ..core.notebook.file_text import parse_notebook
from ..core.notebook.notebook import (
    ChangedOnDisk,
    Notebook,
    PageCopy,
    Saved,
    cell_id,
)
from ..core.notebook.output_items import CellLimits
from ..core.notebook.saving import NotebookText
from ..core.notebook.text_forms import notebook_text
from .files import process_start
from .held_file import HeldFile, OverwrittenError, keeping, letting_go, write_parts
from .made_names import DIGITS, HEX, pattern_of

SIZE_MAX = 1 << 30
_NO_SAVE_TAKES_S = 86400.0
"""age at which an unfinished file is left over, whatever host it is of"""
_Identity = tuple[int, int, int]
_ASSUMED = "{path} is not UTF-8 text; it was read as {encoding}, and jlab-mcp saves it as UTF-8."


class NotebookFile:
    """One notebook on disk. Calls may come from any thread, one at a time."""

    def __init__(self, path: Path, limits: CellLimits = CellLimits()) -> None:
        self.path = path
        self.limits = limits
        self.note = ""
        """what was assumed to read it, one sentence"""
        self._identity: _Identity | None = None
        self._lock = threading.Lock()

    @property
    def saved_at(self) -> float:
        """The file's last known modification time (epoch seconds)."""
        return self._identity[0] / 1e9 if self._identity is not None else 0.0

    @property
    def size(self) -> int:
        """The file's last known size in bytes; before it is read for the first time, its size now."""
        known = self._identity or self._now()
        return known[1] if known is not None else 0

    def load(self) -> Notebook:
        """Read the file. Raises NotebookError if it is missing or not a usable notebook."""
        with self._lock:
            return self._load()

    def changed(self) -> bool:
        """Whether the file's time, size or inode shows that somebody else changed it since our last load or save."""
        with contextlib.suppress(OSError):
            return self._now() != self._identity
        return False

    def look_after(self, known: Container[str]) -> bool:
        """Return whether the file exists, and follow it if it was renamed within its directory.

        If it is gone, the next save writes a new one. `known`: ids of its cells, because file systems reuse inodes.
        """
        with self._lock, contextlib.suppress(OSError):
            if self._now() is not None:
                return True
            inode = self._identity[2] if self._identity is not None else None
            for other in self.path.parent.glob("*.ipynb"):
                if other.stat().st_ino == inode and _has_one_of(other, known):
                    self.path = other
                    return True
            self._identity = None
            return False
        return True

    def create(self, notebook: Notebook) -> None:
        """Write a new file. Raises FileExistsError if it exists, OSError if it cannot be written."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(
                errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(self.path.parent)
            ) from None
        with self._lock:
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
            self._identity = self._now()
        self.save(notebook.pages(), notebook.metadata)

    def discard(self) -> None:
        """Remove the file, unless somebody else has written it."""
        with self._lock, contextlib.suppress(OSError):
            if self._identity is not None and self._now() == self._identity:
                self.path.unlink()

    def save(self, pages: Sequence[PageCopy], metadata: dict[str, object]) -> Saved:
        """Replace the file in one step. Raises ChangedOnDisk or OSError, and leaves the file unchanged."""
        started = time.monotonic()
        with self._lock:
            if self._now() != self._identity:
                raise ChangedOnDisk
            text = NotebookText(pages, metadata)
            held = self._write(text)
        return Saved(text.saved, held.read, time.monotonic() - started)

    def _write(self, text: NotebookText) -> HeldFile:
        """Returns the new file."""
        temporary = self.path.with_name(
            unfinished_name(
                self.path.name, socket.gethostname(), str(os.getpid()), f"{time.monotonic_ns():x}"
            )
        )
        mode = 0o644
        with contextlib.suppress(FileNotFoundError):
            mode = self.path.stat().st_mode & 0o777
            if not mode & 0o222 or not os.access(self.path, os.W_OK):  # but replacing it would succeed
                raise PermissionError(errno.EACCES, "it is read-only", str(self.path))
        try:
            fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            held = HeldFile(fd)
            with os.fdopen(fd, "wb", buffering=1 << 20, closefd=False) as file:
                write_parts(file, text.parts())
                file.flush()
                held.is_whole()
                info = os.fstat(fd)
            if self._now() != self._identity:  # writing a large file takes a while
                raise ChangedOnDisk
            temporary.replace(self.path)
        except BaseException as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            if isinstance(error, OverwrittenError):
                raise ChangedOnDisk from None
            raise
        self._identity = (info.st_mtime_ns, info.st_size, info.st_ino)
        return held

    def _load(self) -> Notebook:
        try:
            for attempt in range(6):
                identity = self._now()
                if identity is not None and identity[1] > SIZE_MAX:
                    raise NotebookError(
                        f"{self.path} has {identity[1]:,} bytes.",
                        "Clear some of its outputs, then open it again.",
                    )
                text = ""
                try:
                    held = HeldFile(os.open(self.path, os.O_RDONLY | os.O_CLOEXEC))
                    held.is_whole()
                    raw = held.read(0)
                    text, assumed = notebook_text(raw)
                    is_utf_8 = json.detect_encoding(raw) == "utf-8" and not assumed
                    del raw
                    on_cell = letting_go(held, text) if is_utf_8 else keeping
                    notebook = parse_notebook(text, _new_ids(text), on_cell)
                except (NotebookError, OverwrittenError):
                    # jupyter_server truncates the file and rewrites it in place: read again before calling it broken.
                    if attempt == 5 or (attempt and text and identity == self._now()):
                        raise
                    time.sleep(0.05)
                    continue
                self._identity = identity
                remove_unfinished(self.path)
                self.note = _ASSUMED.format(path=self.path, encoding=assumed) if assumed else ""
                return notebook
        except FileNotFoundError:
            raise NotebookError(
                f"There is no notebook {self.path}.", "Check the path, or call start_new_session."
            ) from None
        except IsADirectoryError:
            raise NotebookError(f"{self.path} is a directory.", "Give the path of an .ipynb file.") from None
        except OSError as error:
            raise NotebookError(
                f"{self.path} cannot be read: {error.strerror}.", "Check its permissions."
            ) from None
        except NotebookError as error:
            raise NotebookError(f"{self.path} cannot be opened. {error.message}", error.hint) from None
        raise NotebookError(f"{self.path} keeps changing.", "Close it in other programs, then try again.")

    def _now(self) -> _Identity | None:
        try:
            info = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return info.st_mtime_ns, info.st_size, info.st_ino


def unfinished_name(name: str, host: str, pid: str, at: str) -> str:
    """Name of a notebook's file while a process writes it; `at`: hexadecimal."""
    # Some characters of the names, because four bytes each of all of them would be too long.
    return f".{name[:40]}.{host[:40]}-{pid}-{at}"


def earlier_unfinished_name(name: str, pid: str, at: str) -> str:
    """The same of a version that named no host."""
    return f".{name[:40]}.{pid}-{at}"


def remove_unfinished(path: Path) -> None:
    """Remove what processes of this host left that were killed while they saved a notebook, and old files of any host."""
    made = pattern_of(partial(unfinished_name, path.name, socket.gethostname()), f"({DIGITS})", HEX)
    made_before = pattern_of(partial(earlier_unfinished_name, path.name), f"({DIGITS})", HEX)
    with contextlib.suppress(OSError):
        for name in os.listdir(path.parent):
            found = made.fullmatch(name)
            earlier = made_before.fullmatch(name)
            if (found and not process_start(int(found[1]))) or (
                earlier and time.time() - path.with_name(name).lstat().st_mtime > _NO_SAVE_TAKES_S
            ):
                path.with_name(name).unlink()


def _has_one_of(path: Path, cells: Container[str]) -> bool:
    with contextlib.suppress(NotebookError):
        return any(cell.id in cells for cell in NotebookFile(path).load().cells)
    return False


def free_names(directory: Path, stem: str) -> Iterator[Path]:
    """`stem.ipynb`, `stem_2.ipynb`, `stem_3.ipynb`, ..."""
    yield directory / f"{stem}.ipynb"
    for number in range(2, 100_000):
        yield directory / f"{stem}_{number}.ipynb"


def allowed_path(given: str, roots: Sequence[Path], base: Path) -> Path:
    """Return the absolute path, symbolic links resolved, of a notebook below one of `roots`. Raises NotebookError.

    A relative path is searched for below `base`, then below each of `roots`.
    """
    if not given.strip() or "\0" in given:
        raise NotebookError("The notebook path is empty.", "Give the path of an .ipynb file.")
    try:
        plain = Path(_path_of_url(given)).expanduser()
        candidates = [plain] if plain.is_absolute() else [base / plain, *(root / plain for root in roots)]
        chosen = next((c for c in candidates if c.exists()), candidates[0]).resolve()
        is_odd = chosen.exists() and not chosen.is_file() and not chosen.is_dir()
    except (OSError, RuntimeError) as error:  # name too long, loop of links, ~ of an unknown user
        why = getattr(error, "strerror", None) or error
        raise NotebookError(f"{given} cannot be found: {why}.", "Check the path.") from None
    if not any(chosen.is_relative_to(root.resolve()) for root in roots):
        listed = " or ".join(str(root) for root in dict.fromkeys(roots))
        raise NotebookError(
            f"{given} is outside the directories that jlab-mcp may use.", f"Use a notebook below {listed}."
        )
    if chosen.suffix != ".ipynb":
        raise NotebookError(f"{given} is not an .ipynb file.", "Give the path of a notebook.")
    if is_odd:  # reading a named pipe would block for ever
        raise NotebookError(f"{given} is not a plain file.", "Give the path of a notebook.")
    return chosen


def _path_of_url(given: str) -> str:
    """Return the path that a `file:` URL names, or what was given."""
    parts = urlsplit(given.strip())
    if parts.scheme != "file" or parts.netloc not in ("", "localhost", socket.gethostname()):
        return given
    return unquote(parts.path)


def _new_ids(text: str) -> Iterator[str]:
    """Yield ids that depend on the text only, so that each read of a file gives the same."""
    digest = hashlib.sha256(text.encode("utf-8", "replace"))
    for number in itertools.count():
        digest.update(str(number).encode())
        yield cell_id(digest.hexdigest())


class NotebookDirectory:
    """The notebooks below the notebook directory, the project root or JupyterLab's root."""

    def __init__(
        self,
        notebook_dir: Path,
        server_root: Path,
        root: Path,
        cwd: Path,
        limits: CellLimits = CellLimits(),
    ) -> None:
        """`limits`: what one cell of a notebook may hold."""
        self._limits = limits
        self._notebook_dir = notebook_dir
        self._server_root = server_root
        self._roots = (notebook_dir, server_root, root)
        self._cwd = cwd

    def file(self, path: Path) -> NotebookFile:
        return NotebookFile(path, self._limits)

    def new(self, stem: str, notebook: Notebook, directory: Path | None = None) -> tuple[NotebookFile, str]:
        """Make a new file under the first free name. Returns it with a warning if it cannot be written now.

        Its path has no symbolic links, as in `resolve`, so that each notebook has one path.
        """
        for path in free_names((directory or self._notebook_dir).resolve(), stem):
            file = NotebookFile(path, self._limits)
            try:
                file.create(notebook)
            except FileExistsError:
                continue
            except OSError as error:
                return (
                    file,
                    f"The notebook cannot be written: {error.strerror or error} ({path}). The run's record keeps the outputs.",
                )
            return file, ""
        raise NotebookError(f"There is no free name for {stem}.ipynb.", "Give another experiment name.")

    def resolve(self, given: str) -> Path:
        return allowed_path(given, self._roots, self._cwd)

    def server_path(self, path: Path) -> str | None:
        """Return the path as JupyterLab knows it; None if it is outside its root directory."""
        try:
            return path.resolve().relative_to(self._server_root.resolve()).as_posix()
        except ValueError:
            return None
