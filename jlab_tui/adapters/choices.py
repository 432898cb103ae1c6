"""Stores the choices of this project's first start (mode, partition, ...): `<STATUS_DIR>/choices.json`.

The choices are defaults of the `JLAB_MCP_*` variables, so the variables' own checks hold for them and the
environment still wins.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

from ..core.errors import UsageError
from ..core.settings import PREFIX
from .files import private_dir, write_atomic

NAMES = ("RUN_MODE", "SLURM_TIME", "SLURM_PARTITION", "SLURM_GRES", "SLURM_CPUS", "SLURM_MEM")
"""variables (without their prefix) that a user can choose"""
_VERSION = 1


def with_choices(env: Mapping[str, str], chosen: Mapping[str, str]) -> dict[str, str]:
    """Return `env` with the choices (by name without prefix) added for variables that it does not set."""
    named = {PREFIX + name: value for name, value in chosen.items()}
    return {**named, **{name: value for name, value in env.items() if value or name not in named}}


class Choices:
    """The file of one project."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, str]:
        """Return the chosen values by variable name without prefix; empty before the first choice. Raises UsageError."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except PermissionError:
            raise UsageError(
                f"You may not read {self.path.parent}.",
                f"Set {PREFIX}DIR (or {PREFIX}STATUS_DIR, where that is set) to a directory of yours.",
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise self._damaged(str(error)) from None
        try:
            raw = json.loads(text)
            values = raw["values"]
            known = raw["version"] == _VERSION and all(
                name in NAMES and isinstance(value, str) for name, value in values.items()
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise self._damaged("jlab-mcp did not write it in this form") from None
        if not known:
            raise self._damaged("this version does not know some of its entries")
        return dict(values)

    def write(self, values: Mapping[str, str]) -> None:
        """Store `values`. Raises OSError."""
        private_dir(self.path.parent)
        write_atomic(self.path, json.dumps({"version": _VERSION, "values": dict(values)}, indent=1) + "\n")

    def _damaged(self, why: str) -> UsageError:
        return UsageError(
            f"This project's choices in {self.path} cannot be used: {why}.",
            f"Remove it with `rm {shlex.quote(str(self.path))}`; the next start_server asks again.",
        )
