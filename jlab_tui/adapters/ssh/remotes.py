"""Our own record of what `jlab-mcp init --ssh` has registered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...core.ssh.place import RemotePlace
from ...core.ssh.registrations import format_registrations, parse_registrations
from ..files import read_own, write_atomic


class Remotes:
    """The file, in our home directory."""

    def __init__(self, home: Path) -> None:
        self._path = home / "remotes.json"

    def read(self) -> dict[str, RemotePlace]:
        try:
            return parse_registrations(read_own(self._path).decode("utf-8", "replace"))
        except OSError:
            return {}

    def register(self, directory: Path, place: RemotePlace) -> None:
        self._change(lambda places: places.update({str(directory): place}))

    def forget(self, directory: Path) -> None:
        if str(directory) in self.read():
            self._change(lambda places: places.pop(str(directory), None))

    def _change(self, change: Callable[[dict[str, RemotePlace]], object]) -> None:
        places = self.read()
        change(places)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(self._path, format_registrations(places))
