"""What a client learns of each tool is pinned, one file a tool: a change shows in the diff of that tool alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

from mcp_types import Tool

from .listed import listed_tools

SNAPSHOTS = Path(__file__).parent / "snapshots"
UPDATE = "UPDATE_SNAPSHOTS" in os.environ
HOW = "UPDATE_SNAPSHOTS=1 python -m pytest tests/mcp_server/test_tool_snapshots.py"


def snapshot(tool: Tool) -> str:
    shown = tool.model_dump(by_alias=True, exclude_none=True)
    shown["description"] = shown["description"].splitlines()
    return json.dumps(shown, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


async def test_every_tool_is_listed_as_its_snapshot_says() -> None:
    now = {name: snapshot(tool) for name, tool in (await listed_tools()).items()}
    if UPDATE:
        for name, text in now.items():
            (SNAPSHOTS / f"{name}.json").write_text(text, encoding="utf-8")
    pinned = {path.stem: path.read_text(encoding="utf-8") for path in SNAPSHOTS.glob("*.json")}
    changed = [name for name, text in now.items() if pinned.get(name) != text]
    assert not changed, f"clients see {', '.join(changed)} changed; if that is meant, run {HOW}"


async def test_every_snapshot_has_its_tool() -> None:
    left_over = {path.stem for path in SNAPSHOTS.glob("*.json")} - (await listed_tools()).keys()
    assert not left_over, "remove the snapshots of the tools that are gone"


async def test_every_tool_is_described_in_fewer_than_2000_characters() -> None:
    """Clients cut longer descriptions."""
    lengths = {name: len(tool.description or "") for name, tool in (await listed_tools()).items()}
    assert {name: length for name, length in lengths.items() if not 0 < length < 2000} == {}
