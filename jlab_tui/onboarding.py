"""`jlab-mcp init` and `jlab-mcp url`: connect an MCP client, or a browser."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from typing import Protocol

from .adapters.client_files import (
    allow_tools,
    client_choices,
    own_command,
    register_in_project,
    registrations,
    run_client_command,
)
from .adapters.clipboard import copy
from .adapters.link.forwards import IDLE_S
from .adapters.ssh.remotes import Remotes
from .core.cli.browser_access import LIVE_PAGE, Login, access_of, needs_forward
from .core.cli.client_config import (
    ALLOW_RULE,
    NAME,
    USE_IT,
    Command,
    claude_command,
    is_throwaway,
    other_clients,
)
from .core.errors import UsageError
from .core.link.forward import Forward
from .core.settings import PREFIX, Settings
from .core.ssh.place import RemotePlace
from .services.progress import patiently
from .services.server.launcher import Launcher


def run_init(
    settings: Settings,
    env: Mapping[str, str],
    remotes: Remotes,
    place: RemotePlace | None,
    *,
    user: bool,
    only_print: bool,
    allow: bool = False,
) -> int:
    """Register the MCP server for this project (or everywhere), and show how to register it with other clients.

    `place`: of the project, if it is on another machine."""
    command = own_command(env)
    if place is not None:
        command = Command(command.program, (*command.arguments, *place.arguments))
    if is_throwaway(sys.prefix):
        print(
            f"jlab-mcp: {sys.prefix} is removed when its cache is cleaned; install jlab-mcp permanently first.",
            file=sys.stderr,
        )
    choices = client_choices([settings.cwd, settings.root], env)
    if only_print:
        print("Claude Code:")
        print(f"  {shlex.join(claude_command(command, user=user))}")
    elif choices.has_plugin and place is None:
        _say_plugin(settings, env, asks=not allow)
    elif user:
        _register_everywhere(command, env)
    else:
        _register_here(settings, command, asks=not allow)
        if place is None:
            remotes.forget(settings.cwd)
        else:
            remotes.register(settings.cwd, place)
            print(f"From here `jlab-mcp start`, `stop`, `status`, `logs` and others now act on {place}.")
            if choices.has_plugin:
                print(
                    "The plugin jlab-mcp of Claude Code starts a second server, on this machine. Turn it off here:"
                )
                print(f"  claude plugin disable --scope local {NAME}@{NAME}")
    if allow and not only_print:
        rule = ALLOW_RULE if place is not None else choices.allow_rule
        path = settings.cwd / ".claude" / "settings.local.json"
        written = allow_tools(path, rule)
        print(f"{path}: {rule} {'added to' if written else 'is already in'} permissions.allow")
    if places := [name for name in _PLACES if env.get(name)]:
        print(f"\nSet here: {', '.join(f'{name}={env[name]}' for name in places)}")
        print("The client needs the same: start it from such a shell, or set them in the entry's `env`.")
    print_others(command)
    return 0


_PLACES = (PREFIX + "DIR", PREFIX + "STATUS_DIR")
"""settings with which the MCP server finds the server of `start`"""


_ASKS = "It then asks before each tool, unless `jlab-mcp init --allow` has told it that all of jlab-mcp's may run."


def _say_plugin(settings: Settings, env: Mapping[str, str], *, asks: bool) -> None:
    """Say that nothing is to be registered; a second server would have the same tools under other names. `asks`: before each tool."""
    print(
        "Claude Code has the plugin jlab-mcp, which registers the server for every project; nothing was added."
    )
    if twice := registrations([settings.cwd, settings.root], env):
        where = ", ".join(dict.fromkeys(place.where for place, _ in twice))
        print(f"It is registered a second time in {where}. To keep the plugin's alone:")
        for removal in dict.fromkeys(place.removal for place, _ in twice):
            print(f"  {removal}")
    print("Start Claude Code in this directory.")
    if asks:
        print(_ASKS)


def _register_here(settings: Settings, command: Command, *, asks: bool) -> None:
    path = settings.cwd / ".mcp.json"
    merged = register_in_project(path, command)
    if not merged.is_changed:
        print(f"{path} already has {NAME}; nothing changed.")
    elif merged.was_there:
        print(f"{path}: the entry {NAME} now starts {command.line}")
    else:
        print(f"{path}: {NAME} added ({command.line})")
    print(f"Start Claude Code in this directory. It asks whether to use this server: choose `{USE_IT}`.")
    print(
        "Some versions mark another answer, which Enter then takes; `claude mcp reset-project-choices` lets it ask again."
    )
    if asks:
        print(_ASKS)
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


class Ways(Protocol):
    async def open(self) -> Forward:
        """Raises ServerError."""


async def run_url(
    launcher: Launcher, env: Mapping[str, str], login: Login, ways: Ways, *, page: str, to_clipboard: bool
) -> int:
    """Print how a browser reaches JupyterLab or the live page; the link that logs it in goes only to the clipboard."""
    record = await patiently(
        launcher.ready_record(), lambda _: print("Asking the server...", file=sys.stderr, flush=True)
    )
    await launcher.close()
    forward = await ways.open() if needs_forward(record, login) else None
    access = access_of(record, login, forward, page)
    through_ssh = bool(env.get("SSH_CONNECTION"))
    if to_clipboard:
        entry = f"The link that logs you in was copied by {_copied(access.link(record.token, through_ssh=through_ssh), env)}; treat it like a password."
    else:
        same = "jlab-mcp url --live --copy" if page == LIVE_PAGE else "jlab-mcp url --copy"
        entry = f"`{same}` copies the link that logs you in to the clipboard; without it, JupyterLab asks for a token."
    from_laptop = [
        "On a laptop, type this there and leave it running:",
        f"  {access.ssh}",
        f"then open {access.laptop}",
        f"({login.target} stands for what you type on the laptop to reach this host by ssh.)",
    ]
    here = f"On this host, open {access.here}"
    lines = [*from_laptop, here] if through_ssh or forward else [here, *from_laptop]
    if forward:
        minutes = f"{IDLE_S / 60:.0f} minutes"
        lines.append(f"Both ways close {minutes} after their last use; `jlab-mcp url` opens them again.")
    print("\n".join([entry, *lines]))
    return 0


def _copied(link: str, env: Mapping[str, str]) -> str:
    """Copy the link; return what took it. Raises UsageError."""
    if taken := copy(link, env):
        return " and ".join(taken)
    raise UsageError(
        "No terminal is available to copy the link, so nothing was copied.",
        "Run `jlab-mcp url --copy` in a terminal.",
    )
