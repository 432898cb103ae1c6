"""`jlab-mcp init` and `jlab-mcp url`: connect an MCP client, or a browser."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping

from .adapters.client_files import own_command, register_in_project, run_client_command
from .adapters.clipboard import copy
from .core.cli.browser_access import access_of
from .core.cli.client_config import NAME, Command, claude_command, is_throwaway, other_clients
from .core.errors import UsageError
from .core.server.record import ServerRecord
from .core.settings import PREFIX, Settings
from .services.progress import patiently
from .services.server.launcher import Launcher


def run_init(settings: Settings, env: Mapping[str, str], *, user: bool, only_print: bool) -> int:
    """Register the MCP server for this project (or everywhere), and show how to register it with other clients."""
    command = own_command(env)
    if is_throwaway(sys.prefix):
        print(
            f"jlab-mcp: {sys.prefix} is removed when its cache is cleaned; install jlab-mcp permanently first.",
            file=sys.stderr,
        )
    if only_print:
        print("Claude Code:")
        print(f"  {shlex.join(claude_command(command, user=user))}")
    elif user:
        _register_everywhere(command, env)
    else:
        _register_here(settings, command)
    if places := [name for name in _PLACES if env.get(name)]:
        print(f"\nSet here: {', '.join(f'{name}={env[name]}' for name in places)}")
        print("The client needs the same: start it from such a shell, or set them in the entry's `env`.")
    print_others(command)
    return 0


_PLACES = (PREFIX + "DIR", PREFIX + "STATUS_DIR")
"""settings with which the MCP server finds the server of `start`"""


def _register_here(settings: Settings, command: Command) -> None:
    path = settings.cwd / ".mcp.json"
    merged = register_in_project(path, command)
    if not merged.is_changed:
        print(f"{path} already has {NAME}; nothing changed.")
    elif merged.was_there:
        print(f"{path}: the entry {NAME} now starts {command.line}")
    else:
        print(f"{path}: {NAME} added ({command.line})")
    print("Start Claude Code in this directory and approve the server when it asks.")
    print("The same without the file:")
    print(f"  {shlex.join(claude_command(command))}")


def _register_everywhere(command: Command, env: Mapping[str, str]) -> None:
    """Register with Claude Code's own command, because a running Claude Code writes ~/.claude.json itself."""
    argv = claude_command(command, user=True)
    outcome = run_client_command(argv, env)
    if outcome is None:
        print("Claude Code is not on the PATH. Where it is, type:")
        print(f"  {shlex.join(argv)}")
        return
    done, output = outcome
    if not done and "already exists" in output:
        print(f"Claude Code already has {NAME} in your user scope. To change it, first:")
        print(f"  claude mcp remove --scope user {NAME}")
        return
    if not done:
        raise UsageError(f"Claude Code refused: {output}", f"Try it yourself: {shlex.join(argv)}")
    print(output)


def print_others(command: Command) -> None:
    """Print the equivalents for other MCP clients."""
    print("\nOther MCP clients:")
    for where, text in other_clients(command):
        print(f"\n{where}")
        for line in text.splitlines():
            print(f"  {line}")


async def run_url(
    launcher: Launcher,
    env: Mapping[str, str],
    host: str,
    bridge_of: Callable[[ServerRecord], str],
    *,
    to_clipboard: bool,
) -> int:
    """Print JupyterLab's address and how a laptop reaches it; the link that logs in goes only to the clipboard.

    `bridge_of`: path of the bridge's socket by which this host reaches a server; empty if it does not need one.
    """
    record = await patiently(
        launcher.ready_record(), lambda _: print("Asking the server...", file=sys.stderr, flush=True)
    )
    await launcher.close()
    bridge = bridge_of(record)
    access = access_of(record, env.get("USER") or env.get("LOGNAME") or "", host, bridge)
    through_ssh = bool(env.get("SSH_CONNECTION"))
    if access.url:
        print(access.url)
    print("From another machine, such as a laptop, first type there:")
    print(f"  {access.ssh}")
    print(f"then open {access.local_url}")
    if bridge:
        print("That way closes a minute after its last use; `jlab-mcp url` opens it again.")
    if not to_clipboard:
        print("`jlab-mcp url --copy` copies the link that logs you in to the clipboard.")
        return 0
    taken = copy(access.link(record.token, through_ssh=through_ssh), env)
    if not taken:
        raise UsageError(
            "No terminal is available to copy the link, so nothing was copied.",
            "Run `jlab-mcp url --copy` in a terminal.",
        )
    print(f"The link that logs you in was copied by {' and '.join(taken)}; treat it like a password.")
    return 0
