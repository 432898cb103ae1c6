"""Names of notebook files, without their suffix."""

from __future__ import annotations

import re
from typing import Final

from ..display.printable import printable

_NAME_MAX_BYTES: Final = 200


def file_stem(experiment_name: str) -> str:
    """Turn an experiment's name into a file name without suffix: path separators and control characters become `_`.

    Never empty, never hidden, no option of a command, at most 200 bytes long.
    """
    name = re.sub(r"[\s/\\:\x00-\x1f\x7f-\x9f<>\"|?*]+", "_", experiment_name.strip())
    name = printable(name).strip("._ ").lstrip("-._ ").removesuffix(".ipynb").strip("._ ")
    return _cut(name).strip("._ ").lstrip("-._ ") or "notebook"


def stem_of_copy(stem: str) -> str:
    """Return the file name, without suffix, of a copy of the notebook `stem`; a long name is cut to make room."""
    fits = len(stem.encode("utf-8", "surrogateescape")) <= _NAME_MAX_BYTES
    return f"{stem if fits else _cut(stem)}_continued"


def _cut(name: str) -> str:
    return name.encode("utf-8", "ignore")[:_NAME_MAX_BYTES].decode("utf-8", "ignore")
