"""Chooses the kernel of a notebook among those of the server: the one that it names, or one of the same language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import NotebookError
from ..json_values import mapping, text
from .record import KernelSpec

_USUAL: Final = frozenset({"python", "python3", "jlab-mcp-project"})
"""names of Python's usual kernel, which that of any environment replaces; the last one is in notebooks of an earlier version"""
_LANGUAGES: Final = {
    "ir": "R", "xr": "R", "julia": "julia", "bash": "bash", "octave": "octave", "matlab": "matlab", "scala": "scala",
    "almond": "scala", "gophernotes": "go", "gonb": "go", "rust": "rust", "evcxr": "rust", "javascript": "javascript",
    "tslab": "typescript", "deno": "typescript", "xcpp": "c++", "sagemath": "sage", "ruby": "ruby", "stata": "stata",
}  # fmt: skip
"""languages of kernels that others install, by the letters that their names begin with, for notebooks that name only a kernel"""


@dataclass(frozen=True, slots=True)
class WantedKernel:
    """What a notebook says about its kernel; empty fields if it says nothing."""

    name: str = ""
    display_name: str = ""
    language: str = ""

    @property
    def is_usual(self) -> bool:
        """Whether any Python will do."""
        return self.name in _USUAL or (not self.name and _plain(self.language or "python") == "python")

    @property
    def shown(self) -> str:
        is_plain = self.display_name in ("", self.name)
        return f"{self.name!r}" if is_plain else f"{self.name!r} ({self.display_name})"


@dataclass(frozen=True, slots=True)
class KernelSpecs:
    """The kernels of a server."""

    default: KernelSpec
    known: Mapping[str, KernelSpec]
    missing: frozenset[str] = frozenset()
    """names of kernels whose program is missing on the server's machine"""

    def find(self, name: str) -> KernelSpec | None:
        """Return the kernel of that name if it can start."""
        return None if name in self.missing else self.known.get(name)

    def of_language(self, language: str) -> KernelSpec | None:
        """Return the default kernel if it speaks the language, else the first one that does."""
        usable = [self.default, *self.known.values()]
        speaks = (each for each in usable if _plain(each.language) == _plain(language))
        return next((each for each in speaks if each.name not in self.missing), None)

    def named(self, wanted: WantedKernel) -> KernelSpec:
        """Return the kernel that a notebook most likely runs on."""
        return (None if wanted.is_usual else self.find(wanted.name)) or self.default


@dataclass(frozen=True, slots=True)
class ChosenKernel:
    spec: KernelSpec
    note: str = ""
    """why it differs from the notebook's"""


def wanted_kernel(metadata: Mapping[str, Any]) -> WantedKernel:
    """Read a notebook's metadata, which may be anything."""
    spec = mapping(metadata.get("kernelspec"))
    name = text(spec.get("name"))
    language = text(spec.get("language")) or text(mapping(metadata.get("language_info")).get("name"))
    return WantedKernel(name, text(spec.get("display_name")), language or _language_of(name))


def choose_kernel(wanted: WantedKernel, specs: KernelSpecs) -> ChosenKernel:
    """Choose a notebook's kernel. Raises NotebookError if the server has no kernel for its language."""
    language = wanted.language or "python"
    if (
        wanted.is_usual
        and specs.default.name not in specs.missing
        and _plain(specs.default.language) == "python"
    ):
        return ChosenKernel(specs.default)
    if not wanted.is_usual and (spec := specs.find(wanted.name)):
        return ChosenKernel(spec)
    spec = specs.of_language(language)
    if spec is None:
        raise _no_kernel(wanted, language, specs)
    if not wanted.name or spec.name == wanted.name:
        return ChosenKernel(spec)
    where = f"{spec.name!r} ({spec.display_name}{f', {spec.python}' if spec.python else ''})"
    why = "whose program is not there" if wanted.name in specs.missing else "which this server does not have"
    return ChosenKernel(
        spec, f"The notebook names the kernel {wanted.shown}, {why}; its cells run on {where} instead."
    )


def _no_kernel(wanted: WantedKernel, language: str, specs: KernelSpecs) -> NotebookError:
    kernel = f" (kernel {wanted.shown})" if wanted.name else ""
    there = ", ".join(
        f"{each.name} ({each.display_name})"
        for each in specs.known.values()
        if each.name not in specs.missing
    )
    return NotebookError(
        f"The notebook is written in {language}{kernel}, and this server has no kernel for that.",
        f"Nothing was run. The server's kernels: {there or 'none'}. Install one for {language} in the project's environment or in "
        "your account, then try again; no restart is needed.",
    )


def _language_of(name: str) -> str:
    """Guess the language from a kernel's name; empty if it says nothing. conda's names end in that of the kernel."""
    if match := re.fullmatch(r"conda-.*-(r|ir|jl|py)", name):
        return {"py": "python", "jl": "julia"}.get(match[1], "R")
    letters = re.match(r"[a-z]*", name.lower())
    return _LANGUAGES.get(letters[0], "") if letters else ""


def _plain(language: str) -> str:
    """Normalise a language for comparison: `Python 3`, `ipython` and `python` are the same."""
    plain = re.sub(r"[\d. ]+$", "", language.strip().lower())
    return "python" if plain == "ipython" else plain
