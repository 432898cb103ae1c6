"""Packs this installation as a wheel again, to install the same version on another machine."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import io
import re
import zipfile
from pathlib import Path
from typing import Final

from ... import __version__
from ...core.errors import UsageError

_PACKAGE: Final = Path(__file__).parents[2]
_INFO: Final = f"jlab_mcp-{__version__}.dist-info"
NAME: Final = f"jlab_mcp-{__version__}-py3-none-any.whl"
_KEPT: Final = ("METADATA", "WHEEL", "entry_points.txt", "licenses/LICENSE")


def packed() -> bytes:
    """The wheel. Raises UsageError if this program was not installed."""
    files = {f"{_PACKAGE.name}/{path.relative_to(_PACKAGE)}": path.read_bytes() for path in _modules()}
    if not (_PACKAGE / "templates").is_dir():  # an editable installation leaves them where they are
        for path in (_PACKAGE.parent / "templates").iterdir():
            files[f"{_PACKAGE.name}/templates/{path.name}"] = path.read_bytes()
    files |= _information()
    rows = [f"{name},sha256={_digest(raw)},{len(raw)}\n" for name, raw in files.items()]
    files[f"{_INFO}/RECORD"] = "".join([*rows, f"{_INFO}/RECORD,,\n"]).encode()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)
    return made.getvalue()


def _modules() -> list[Path]:
    found = (path for path in _PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return sorted(found)


def _information() -> dict[str, bytes]:
    """What an installer reads, with the version of the modules: those of an editable installation may be newer."""
    try:
        installed = importlib.metadata.distribution("jlab-mcp")
    except importlib.metadata.PackageNotFoundError:
        raise UsageError(
            "This jlab-mcp was not installed, so it cannot be sent to another machine.",
            "Install it here first: pip install . in its checkout",
        ) from None
    texts = {name: installed.read_text(name) for name in _KEPT}
    metadata = re.sub(
        r"^Version: .*$", f"Version: {__version__}", texts["METADATA"] or "", count=1, flags=re.M
    )
    known = {name: text for name, text in texts.items() if text is not None} | {"METADATA": metadata}
    return {f"{_INFO}/{name}": text.encode() for name, text in known.items()}


def _digest(raw: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode()
