"""A Unix socket beside Jupyter's own port: the operating system says who connects.

The socket is 0600 in a directory that only its owner can enter, on a local disk. Jupyter's handlers answer on it as on the
port, and require the token. Connections of another account are closed unread.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
import stat
import tempfile
import time
from typing import Any, List, Optional, Tuple

from tornado.httpserver import HTTPServer
from tornado.ioloop import PeriodicCallback
from tornado.iostream import IOStream

from .credentials import peer_uid

PATH_BYTES = 103
"""The shortest limit of all systems (macOS, with the final NUL)."""
LOOK_EVERY_MS = 60_000
"""Cleaners of temporary directories remove files untouched for some days."""
BACKLOG = 128
NOBODY = 65534

_SOCKET_NAME = re.compile(r"[0-9a-f]{12}\.sock|t[0-9a-f]{12}\.sock|k[0-9a-f]{8}-\d+")

log = logging.getLogger("jlab_mcp_extension")


class UnixSocket:
    """Serves a Jupyter application on one socket until `close`. Binds it again if something removed its file."""

    def __init__(self, app: Any, path: str) -> None:
        """`app` is Jupyter's ServerApp. Raises OSError if it cannot make the socket."""
        self.path = path
        self._app = app
        self._server, self._identity = self._bind()
        self._watch = PeriodicCallback(self.look, LOOK_EVERY_MS)
        self._watch.start()

    def look(self) -> None:
        """Bind the socket again if its file was removed or replaced. Open connections stay."""
        if _identity(self.path) == self._identity:
            return
        old = self._server
        try:
            self._server, self._identity = self._bind()
        except OSError as error:
            log.warning("jlab-mcp: the socket %s cannot be bound again (%s)", self.path, error)
            return
        old.stop()  # nobody can reach it any more

    def close(self) -> None:
        """Stop listening and remove the file, if it is still ours."""
        self._watch.stop()
        self._server.stop()
        if _identity(self.path) == self._identity:
            os.unlink(self.path)

    def _bind(self) -> Tuple[HTTPServer, Tuple[int, int]]:
        private_directory(os.path.dirname(self.path))
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            try:
                os.unlink(self.path)  # left by a killed server
            except FileNotFoundError:
                pass
            listener.setblocking(False)
            listener.bind(self.path)
            os.chmod(self.path, 0o600)  # meanwhile the directory keeps others out
            listener.listen(BACKLOG)
            identity = _identity(self.path)
            if identity is None:
                raise OSError("the socket vanished while it was bound")
            server = _OwnersServer(
                self._app.web_app,
                max_body_size=self._app.max_body_size,
                max_buffer_size=self._app.max_buffer_size,
            )
            server.add_socket(listener)
        except BaseException:
            listener.close()
            raise
        return server, identity


class _OwnersServer(HTTPServer):
    """Serves processes of its own account, and root, who can read its memory anyway."""

    def handle_stream(self, stream: IOStream, address: Any) -> Any:
        uid = peer_uid(stream.socket)
        if uid not in (os.geteuid(), 0):
            log.warning("jlab-mcp: refused a connection of account %s to the socket", uid)
            stream.close()
            return None
        return super().handle_stream(stream, address)


def open_socket(app: Any) -> Optional[UnixSocket]:
    """Open a socket for Jupyter's ServerApp `app`; None if the machine has no place for one."""
    return first_of(app, places(os.geteuid(), secrets.token_hex(6)))


def first_of(app: Any, paths: List[str]) -> Optional[UnixSocket]:
    """Open a socket at the first possible one of `paths`; None, logged, if there is none."""
    for path in paths:
        try:
            return UnixSocket(app, path)
        except OSError as error:
            log.info("jlab-mcp: no socket at %s (%s)", path, error)
    log.warning("jlab-mcp: this machine has no place for a Unix socket; the server listens only on its port")
    return None


def folder_of_sockets() -> Optional[str]:
    """Return a private directory for the sockets of kernels' channels; None if there is none."""
    guessable = [os.path.dirname(path) for path in places(os.geteuid(), "")]
    # Another account may have taken those names, to push kernels onto ports that everybody can read.
    return first_folder([*guessable, *("%s-%s" % (folder, secrets.token_hex(8)) for folder in guessable)])


def first_folder(folders: List[str]) -> Optional[str]:
    """Return the first of `folders` that can be private and hold sockets; make it if needed."""
    for folder in folders:
        path = os.path.join(folder, "t%s.sock" % secrets.token_hex(6))
        try:
            if len(os.fsencode(path)) > PATH_BYTES:
                raise OSError("its path is too long")
            if not _is_kept(os.path.dirname(folder)):
                raise PermissionError("others can replace it with a directory of theirs")
            private_directory(folder)
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tried:
                tried.bind(path)
                os.unlink(path)
        except OSError as error:
            level = logging.WARNING if isinstance(error, PermissionError) else logging.INFO
            log.log(level, "jlab-mcp: no sockets in %s (%s)", folder, error)
            continue
        remove_dead(folder)
        return folder
    return None


def _is_kept(folder: str) -> bool:
    """Whether nobody else can replace what is in `folder`: every directory from / down is root's or ours (or nobody's, like
    root's in a container), and others may not write to it, or only with the sticky bit."""
    found = os.stat(folder)
    others_write = found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX
    if others_write or found.st_uid not in (0, os.geteuid(), NOBODY):
        return False
    parent = os.path.dirname(folder)
    return parent == folder or _is_kept(parent)


def remove_dead(folder: str, older_than_s: float = 60.0) -> None:
    """Remove sockets without a listener from our own directory: their process was killed."""
    with os.scandir(folder) as entries:
        found = [entry.path for entry in entries if _SOCKET_NAME.fullmatch(entry.name)]
    for path in found:
        try:
            made = os.lstat(path)
            if not stat.S_ISSOCK(made.st_mode) or time.time() - made.st_mtime < older_than_s:
                continue  # a new one may not listen yet
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tried:
                tried.setblocking(False)
                tried.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except OSError:
            continue


def places(uid: int, name: str) -> List[str]:
    """Return paths to try, in order, on this machine's own disk or memory. Not in $XDG_RUNTIME_DIR, which a logout removes,
    nor in the home directory, which may be on a network."""
    folders = ["/tmp", tempfile.gettempdir(), "/var/tmp", "/dev/shm"]
    paths = ["%s/jlab-mcp-%d/%s.sock" % (os.path.realpath(folder), uid, name) for folder in folders]
    return [path for path in dict.fromkeys(paths) if len(os.fsencode(path)) <= PATH_BYTES]


def private_directory(path: str) -> None:
    """Make `path` a directory that only this account can enter. Raises PermissionError if it belongs to another."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError("%s belongs to somebody else" % path)
    if stat.S_IMODE(found.st_mode) & 0o077:
        os.chmod(path, 0o700)


def _identity(path: str) -> Optional[Tuple[int, int]]:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISSOCK(found.st_mode) else None
