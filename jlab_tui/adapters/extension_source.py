"""Finds the source of the Jupyter extension, and packs modules of it into one program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

PACKAGE_DIR: Final = Path(__file__).resolve().parents[1] / "jupyter_extension"
_PACKED: Final = """
import sys
from types import ModuleType

sys.modules[%(package)r] = ModuleType(%(package)r)
for name, source in %(sources)r.items():
    module = sys.modules[%(package)r + "." + name] = ModuleType(%(package)r + "." + name)
    module.__package__ = %(package)r
    exec(compile(source, name + ".py", "exec"), vars(module))
"""


def packed_modules(package: str, names: Sequence[str]) -> str:
    """Return source that defines modules of the extension, each importing only earlier ones; the last stays as `module`."""
    sources = {name: (PACKAGE_DIR / f"{name}.py").read_text(encoding="utf-8") for name in names}
    return _PACKED % {"package": package, "sources": sources}
