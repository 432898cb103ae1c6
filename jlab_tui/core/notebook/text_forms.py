"""The forms in which cells and notebook files come, as the one form that JupyterLab would send or show."""

from __future__ import annotations

import json


def plain_source(text: str) -> str:
    """Return a cell's text as JupyterLab's editor has it: without a byte order mark, every line ended by a line feed."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def notebook_text(raw: bytes) -> tuple[str, str]:
    """Decode a notebook file. Returns its text and, for one that is in no encoding of JSON, the one that was assumed."""
    try:
        return raw.decode(json.detect_encoding(raw)).removeprefix("\ufeff"), ""
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace"), "Windows-1252"
