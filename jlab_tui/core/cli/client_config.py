"""Registers this server with MCP clients: entries, merged files, and the lines to type."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..errors import UsageError
from .json_edit import NotJson, parse_object, set_member

NAME = "jlab-mcp"
TOOL_TIMEOUT_S = 150
"""a call returns within 90 s unless the model asks for a longer wait; some clients give up after 60 s by default"""


@dataclass(frozen=True, slots=True)
class Command:
    """The command that starts the MCP server."""

    program: str
    arguments: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """As typed in a shell."""
        return shlex.join([self.program, *self.arguments])

    @property
    def entry(self) -> dict[str, Any]:
        """As most clients' JSON has it."""
        return {"command": self.program, "args": list(self.arguments)}


@dataclass(frozen=True, slots=True)
class Merged:
    text: str
    is_changed: bool
    was_there: bool
    """the file had another command under our name"""


def merge_mcp_json(text: str, command: Command, path: str) -> Merged:
    """Add our server to a `.mcp.json`, and keep other servers, unknown keys and the style of the text.

    An existing entry keeps what the user added to it (`env`, `timeout`). Raises UsageError with the position.
    """
    try:
        known = parse_object(text) if text.removeprefix("\ufeff").strip() else {}
        servers = known.get("mcpServers")
        old = servers.get(NAME) if isinstance(servers, dict) else None
        kept = old if isinstance(old, dict) else {"type": "stdio"}
        entry = {**kept, **command.entry}
        if entry == old:
            return Merged(text, False, True)
        return Merged(set_member(text, ["mcpServers", NAME], entry), True, old is not None)
    except NotJson as error:
        raise UsageError(
            f"{path}{_where(error)}: {error.reason}. Nothing was written.",
            "Correct the file, then run `jlab-mcp init` again.",
        ) from None


class Scope(StrEnum):
    """Of a registration, by Claude Code's names."""

    PROJECT = "project"
    """a `.mcp.json`, for everybody who has the project"""
    LOCAL = "local"
    """`~/.claude.json`, for one project; Claude Code prefers it to the other two"""
    USER = "user"
    """`~/.claude.json`, for all projects"""


@dataclass(frozen=True, slots=True)
class Registered:
    """One place where a client finds this server."""

    where: str
    program: str
    arguments: tuple[str, ...] = ()
    scope: Scope = Scope.PROJECT
    name: str = NAME

    @property
    def removal(self) -> str:
        """The command that removes it. `claude mcp remove` without a scope refuses what is in two."""
        return shlex.join(["claude", "mcp", "remove", "--scope", self.scope, self.name])


def registered_in(text: str, where: str, roots: Sequence[str] = ()) -> list[Registered]:
    """Find our entries in the text of a `.mcp.json` or `~/.claude.json` (there also for the projects `roots`); none if broken."""
    try:
        known = parse_object(text)
    except NotJson:
        return []
    of_all = Scope.PROJECT if where.endswith(".mcp.json") else Scope.USER
    places: list[tuple[Any, str, Scope]] = [(known, where, of_all)]
    projects = known.get("projects")
    if isinstance(projects, dict):
        places += [(projects.get(root), f"{where} (this project)", Scope.LOCAL) for root in roots]
    found = []
    for holder, place, scope in places:
        servers = holder.get("mcpServers") if isinstance(holder, Mapping) else None
        for name, entry in servers.items() if isinstance(servers, Mapping) else ():
            if not isinstance(entry, Mapping):
                continue
            program = str(entry.get("command") or "")
            raw = entry.get("args")
            arguments = tuple(str(a) for a in raw) if isinstance(raw, list) else ()
            if program.rpartition("/")[2] == NAME or "jlab_tui" in arguments or NAME in arguments:
                found.append(Registered(place, program, arguments, scope, name))
    return found


ALLOW_RULE = f"mcp__{NAME}"
"""in `permissions.allow` of Claude Code's settings: its tools run without a question"""
PLUGIN_RULE = f"mcp__plugin_{NAME}_{NAME}"
"""the same for the tools of the plugin's server"""
PLUGIN_SERVER = f"plugin:{NAME}:{NAME}"
"""the plugin's server, by Claude Code's name"""
USE_IT = "Use this MCP server"
"""the answer to give when Claude Code asks about the server of `.mcp.json`; the one that it marks is another"""


@dataclass(frozen=True, slots=True)
class Denial:
    """An entry in a file that keeps Claude Code from our server, or from tools of it, until somebody removes it."""

    path: str
    member: str
    """of the file that has the entry"""
    entry: str

    @property
    def is_of_plugin(self) -> bool:
        """it concerns the plugin's server, else the one that a file or the user's settings register"""
        return self.entry.startswith((PLUGIN_RULE, PLUGIN_SERVER))

    @property
    def tool(self) -> str:
        """the single tool, or the pattern of some, that it concerns; empty if it concerns all"""
        is_of_some = self.member == RULES and self.entry not in _WHOLE
        return self.entry.removeprefix(PLUGIN_RULE).removeprefix(ALLOW_RULE)[2:] if is_of_some else ""


@dataclass(frozen=True, slots=True)
class Broken:
    """A file of which Claude Code reads nothing."""

    place: str
    """its path, and the line and column if known"""
    reason: str


@dataclass(frozen=True, slots=True)
class ClientChoices:
    """What the user and Claude Code have settled about this server, in all of its settings files together."""

    denied: tuple[str, ...] = ()
    """files in which the server of `.mcp.json` is refused, as `claude mcp reset-project-choices` undoes it"""
    denials: tuple[Denial, ...] = ()
    broken: tuple[Broken, ...] = ()
    is_approved: bool = False
    has_plugin: bool = False
    """the plugin is on, which registers the server for all projects"""

    @property
    def allow_rule(self) -> str:
        return PLUGIN_RULE if self.has_plugin else ALLOW_RULE


def broken_in(texts: Iterable[tuple[str, str]]) -> tuple[Broken, ...]:
    """Find those of `(path, text)` to which no server could be added; an empty one is none of them."""
    broken = []
    for path, text in texts:
        try:
            set_member(text, ["mcpServers", NAME], {})
        except NotJson as error:
            broken.append(Broken(f"{path}{_where(error)}", error.reason))
    return tuple(broken)


def choices_in(texts: Sequence[tuple[str, str]], roots: Sequence[str]) -> ClientChoices:
    """Read `(path, text)` of Claude Code's settings files and `~/.claude.json`, there for the projects `roots`; skip broken ones.

    The first file that names the plugin says whether it is on: they come in the order in which Claude Code prefers them."""
    denied, denials, approved = [], [], False
    plugin: bool | None = None
    for path, text in texts:
        try:
            known = parse_object(text)
        except NotJson:
            continue
        projects = known.get("projects")
        of_projects = [projects.get(root) for root in roots] if isinstance(projects, Mapping) else []
        for holder in (known, *of_projects):
            if not isinstance(holder, Mapping):
                continue
            refused = NAME in _list(holder, _REFUSED)
            if refused and path.rpartition("/")[2] != "settings.json":  # which is not Claude Code's to change
                denied.append(path)
            elif refused:
                denials.append(Denial(path, _REFUSED, NAME))
            denials += _denials(path, holder)
            approved |= holder.get("enableAllProjectMcpServers") is True
            approved |= NAME in _list(holder, "enabledMcpjsonServers")
            plugins = holder.get("enabledPlugins")
            named = plugins.items() if isinstance(plugins, Mapping) else ()
            states = [is_on is True for name, is_on in named if name.partition("@")[0] == NAME]
            plugin = any(states) if plugin is None and states else plugin
    return ClientChoices(
        tuple(dict.fromkeys(denied)),
        tuple(dict.fromkeys(denials)),
        is_approved=approved,
        has_plugin=plugin is True,
    )


def _denials(path: str, holder: Mapping[str, Any]) -> Iterator[Denial]:
    for rule in _list(holder.get("permissions"), "deny"):
        if rule in _WHOLE or str(rule).startswith(_SINGLE):
            yield Denial(path, RULES, rule)
    for name in _list(holder, SWITCHED_OFF):
        if name in (NAME, PLUGIN_SERVER):
            yield Denial(path, SWITCHED_OFF, name)
    for one in _list(holder, "deniedMcpServers"):
        name = one.get("serverName") if isinstance(one, Mapping) else None
        if name in (NAME, PLUGIN_SERVER):
            yield Denial(path, "deniedMcpServers", name)


_REFUSED = "disabledMcpjsonServers"
SWITCHED_OFF = "disabledMcpServers"
"""of `~/.claude.json`, for a project: what was disabled in `/mcp`"""
RULES = "permissions.deny"
_WHOLE = tuple(rule + tools for rule in (ALLOW_RULE, PLUGIN_RULE) for tools in ("", "__*"))
"""rules for all tools of a server; one for a single tool may be meant so"""
_SINGLE = (f"{ALLOW_RULE}__", f"{PLUGIN_RULE}__")


def _list(holder: object, member: str) -> list[Any]:
    found = holder.get(member) if isinstance(holder, Mapping) else None
    return found if isinstance(found, list) else []


def with_allow_rule(text: str, path: str, rule: str) -> str:
    """Add the rule that lets this server's tools run to the text of a settings file, and keep all else. Raises UsageError."""
    try:
        known = parse_object(text) if text.removeprefix("\ufeff").strip() else {}
        permissions = known.get("permissions")
        rules = permissions.get("allow", []) if isinstance(permissions, Mapping) else []
        if not isinstance(rules, list):
            raise UsageError(
                f"{path}: permissions.allow is no list. It stays as it is.",
                f'Write it as a list such as ["{rule}"], then run `jlab-mcp init --allow` again.',
            )
        return text if rule in rules else set_member(text, ["permissions", "allow"], [*rules, rule])
    except NotJson as error:
        raise UsageError(
            f"{path}{_where(error)}: {error.reason}. It stays as it is.",
            "Correct the file, then run `jlab-mcp init --allow` again.",
        ) from None


def _where(error: NotJson) -> str:
    return f", line {error.line}, column {error.column}" if error.line else ""


def claude_command(command: Command, *, user: bool = False) -> list[str]:
    """Return the command line that registers this server in Claude Code."""
    scope = ["--scope", "user"] if user else []
    return ["claude", "mcp", "add", *scope, NAME, "--", command.program, *command.arguments]


def other_clients(command: Command) -> list[tuple[str, str]]:
    """Return `(client and place, text to put there or to type)` for clients other than Claude Code."""
    generic = json.dumps({"mcpServers": {NAME: command.entry}}, indent=2)
    code = json.dumps({"servers": {NAME: {"type": "stdio", **command.entry}}}, indent=2)
    arguments = ", ".join(json.dumps(a) for a in command.arguments)
    codex = "\n".join(
        (
            f"[mcp_servers.{NAME}]",
            f"command = {json.dumps(command.program)}",
            f"args = [{arguments}]",
            f"tool_timeout_sec = {TOOL_TIMEOUT_S}",
        )
    )
    gemini = shlex.join(["gemini", "mcp", "add", NAME, command.program, *command.arguments])
    return [
        ("Codex: ~/.codex/config.toml", codex),
        ("Gemini CLI: type", gemini),
        ("VS Code: .vscode/mcp.json", code),
        ("Cursor (.cursor/mcp.json), Claude Desktop and most others", generic),
    ]


_THROWAWAY = re.compile(
    r"/(archive|environments|builds|cached-envs)-v\d+/"  # of uv, and of `pixi exec`
    r"|/(\.cache|pipx)/[0-9a-f]{15}(/|$)"  # of `pipx run`
)
"""in a path, wherever the cache is"""


def is_throwaway(path: str) -> bool:
    """Whether an environment, or a program in it, belongs to `uvx`, `pipx run` or `pixi exec`, which remove it with their caches."""
    return _THROWAWAY.search(path) is not None
