"""Generates the reference pages of docs/ from the program: tools, commands, settings, keys.

python scripts/make_docs.py           # write them
python scripts/make_docs.py --check   # exit code 1 if one is out of date
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jlab_tui.arguments import make_parser
from jlab_tui.core.settings import PREFIX, VARIABLES
from jlab_tui.mcp_server.context_source import AppSource
from jlab_tui.mcp_server.stdio import CancelReasons
from jlab_tui.mcp_server.tool_server import INSTRUCTIONS, make_server
from jlab_tui.tui.keys import GROUPS, KEYS, MOVING, REPLAY

DOCS = Path(__file__).resolve().parent.parent / "docs"
NOTE = "<!-- Written by scripts/make_docs.py; edit the program instead. -->\n\n"


def tools_page() -> str:
    """Return the page of MCP tools, as a client sees them."""
    lines = [
        "# Tools",
        "",
        "What an MCP client sees. A model reads the same sentences.",
        "",
        "Marks: **reads** changes nothing and may be called beside other calls, **writes** changes notebook or kernel, "
        "**loses** throws something away.",
        "",
    ]
    tools = asyncio.run(_tools())
    lines += ["| tool | | mark |", "|---|---|---|"]
    lines += [f"| [`{t.name}`](#{t.name}) | {t.title} | {_mark(t)} |" for t in tools]
    for tool in tools:
        lines += ["", f"## {tool.name}", "", inspect.cleandoc(tool.description or "")]
        properties = tool.input_schema.get("properties", {})
        required = tool.input_schema.get("required", [])
        if properties:
            lines += ["", "| argument | type | default | |", "|---|---|---|---|"]
        for name, schema in properties.items():
            default = f"`{schema['default']!r}`" if "default" in schema else ""
            default = "required" if name in required else default
            lines.append(
                f"| `{name}` | {_type(schema)} | {default} | {_cell(schema.get('description', ''))} |"
            )
    lines += ["", "## What the client is told once", "", "```text", INSTRUCTIONS, "```"]
    return "\n".join(lines) + "\n"


async def _tools() -> list[Any]:
    async def no_app() -> Any:
        raise AssertionError("no tool is called here")

    source = AppSource(no_app, lambda: None, CancelReasons())
    return await make_server(source).list_tools()


def _mark(tool: Any) -> str:
    if tool.annotations.read_only_hint:
        return "reads"
    return "loses" if tool.annotations.destructive_hint else "writes"


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " or ".join(f"`{value}`" if value else "empty" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_type(part) for part in schema["anyOf"] if part.get("type") != "null")
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return str(schema.get("type", "any"))


def commands_page() -> str:
    """Return the page of commands and options."""
    main = make_parser()
    (commands,) = (a for a in main._actions if isinstance(a, argparse._SubParsersAction))
    lines = ["# Commands", "", "`jlab-mcp` without a command is the MCP server on stdio.", ""]
    lines += ["| command | |", "|---|---|"]
    lines += [
        f"| [`jlab-mcp {c.dest}`](#{c.dest}) | {_cell(c.help or '')} |" for c in commands._choices_actions
    ]
    lines += [
        "",
        "Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 not in time, 130 interrupted.",
        "",
        *_options(action for action in main._actions if action is not commands),
    ]
    for name, parser in commands.choices.items():
        actions = [action for action in parser._actions if "--help" not in action.option_strings]
        lines += [f"## {name}", "", parser.description, "", *_options(actions)]
    return "\n".join(lines).rstrip() + "\n"


def _options(actions: Iterable[argparse.Action]) -> list[str]:
    """Return a table of arguments and options; empty if there are none."""
    rows = []
    for action in actions:
        if action.help == argparse.SUPPRESS:
            continue
        choices = [f"`{c}`" for c in action.choices or ()]
        names = [f"`{n}`" for n in action.option_strings] or [" or ".join(choices) or f"`{action.metavar}`"]
        values = (
            f" ({' or '.join(map(str, action.choices))})" if action.option_strings and action.choices else ""
        )
        rows.append(f"| {', '.join(names)}{values} | {_cell(action.help or '')} |")
    return ["| option | |", "|---|---|", *rows, ""] if rows else []


def settings_page() -> str:
    """Return the page of environment variables."""
    lines = [
        "# Settings",
        "",
        "Environment variables, read once at the start of each command. For the MCP server set them in the `env` of its "
        "entry in `.mcp.json`; for `jlab-mcp start` in your shell. An empty value counts as unset. A value that cannot be "
        "used is named in one sentence, and nothing is started. A site may set [others for everybody](group.md#settings-for-everybody).",
        "",
        "| variable | default | |",
        "|---|---|---|",
    ]
    lines += [
        f"| `{PREFIX}{v.name}` | {f'`{v.default}`' if v.default else ''} | {_cell(v.meaning)} |"
        for v in VARIABLES
    ]
    return "\n".join(lines) + "\n"


def keys_page() -> str:
    """Return the page of the dashboard's keys."""
    lines = [
        "# Keys of the dashboard",
        "",
        "`?` shows them in the dashboard, `ctrl+p` finds them by name. With `--readonly` the keys marked ● do nothing.",
    ]
    for group in (*GROUPS, REPLAY):
        lines += ["", f"## {group}", "", "| key | | |", "|---|---|---|"]
        for key in KEYS:
            if key.group == group:
                mark = " ●" if key.acts else ""
                lines.append(f"| `{key.shown}` | {key.label}{mark} | {_cell(key.sentence)} |")
    lines += ["", "## Moving", "", "| key | |", "|---|---|"]
    lines += [f"| `{keys}` | {_cell(sentence)} |" for keys, sentence in MOVING]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def pages() -> dict[Path, str]:
    """Return the text of each page by its path."""
    made = {
        "tools.md": tools_page(),
        "commands.md": commands_page(),
        "settings.md": settings_page(),
        "keys.md": keys_page(),
    }
    return {DOCS / name: NOTE + text for name, text in made.items()}


def main() -> int:
    stale = [
        path
        for path, text in pages().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if "--check" not in sys.argv:
        DOCS.mkdir(exist_ok=True)
        for path, text in pages().items():
            path.write_text(text, encoding="utf-8")
        return 0
    for path in stale:
        print(f"{path} is out of date; run: python scripts/make_docs.py", file=sys.stderr)
    return int(bool(stale))


if __name__ == "__main__":
    raise SystemExit(main())
