"""Commands for a project on another machine: run there what is typed here, log in, and find out what is there."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from . import __version__
from .adapters.ssh.remotes import Remotes
from .adapters.ssh.session import CommandEnd, SshSession, addresses
from .adapters.ssh.wheel import NAME, packed
from .core.errors import JlabError, ServerUnreachable, UsageError
from .core.ssh import host_check
from .core.ssh.argv import program_command
from .core.ssh.crossing import crossing_of, encode_crossing
from .core.ssh.line import SSH_FAILED, is_denied, last_line, not_begun, refusal_of
from .core.ssh.place import COMMAND, RemotePlace, parse_place
from .core.ssh.registrations import words_there

_CHECK_S: Final = 60.0
_INSTALL_S: Final = 900.0


def run_elsewhere(place: RemotePlace, argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run a command of jlab-mcp there. Returns its exit code."""
    words = words_there(argv)
    has_screen = words[:1] == ["start"] and not {"--detach", "--no-tui"} & set(words)
    in_terminal = has_screen and sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()
    crossing = crossing_of(place.host, place.directory, env, marks=not in_terminal)
    command = program_command(place.program, encode_crossing(crossing), words)
    session = SshSession(place, env)
    if in_terminal:
        return session.in_terminal(command)
    end = session.follow(command, _print, lambda text: _print(text, to_stderr=True))
    if not end.has_begun:
        raise _not_begun(place, end)
    if end.code == SSH_FAILED:
        raise ServerUnreachable(
            f"The line to {place.host} broke.", "What runs there goes on. Type the same again."
        )
    return end.code


def _not_begun(place: RemotePlace, end: CommandEnd) -> JlabError:
    is_sshs = end.code == SSH_FAILED
    sentence = refusal_of(place, end.said) if is_sshs else not_begun(place, end.code, end.said)
    if sentence:
        return ServerUnreachable(sentence, "Then type the same again.")
    why = last_line(end.said) or "ssh says nothing"
    return ServerUnreachable(f"{place.host} cannot be reached: {why}.", f"Try it by hand: ssh {place.host}")


def run_login(host: str, env: Mapping[str, str], remotes: Remotes, *, end: bool) -> int:
    """Open the connection that everything else to this host goes through, or end it."""
    place = parse_place(host)._replace(directory="")
    known = [each for each in remotes.read().values() if each.host == place.host]
    place = known[0] if known else place
    session = SshSession(place, env)
    if end:
        print(
            f"Logged out of {place.host}."
            if session.log_out()
            else f"You were not logged in to {place.host}."
        )
        return 0
    if session.is_logged_in():
        print(f"You are logged in to {place.host}.")
        return 0
    if not sys.stdin.isatty():
        raise UsageError(
            f"Logging in to {place.host} may ask you something, and there is no terminal.",
            f"Type `jlab-mcp login {place.host}` in a terminal.",
        )
    _log_in(session, place)
    return 0


def _log_in(session: SshSession, place: RemotePlace) -> None:
    if session.log_in() or not session.is_logged_in():
        raise ServerUnreachable(
            f"Logging in to {place.host} failed; ssh said why.", f"Try it by hand: ssh {place.host}"
        )
    print(f"Logged in to {place.host}. The connection stays open, at most 12 hours after its last use.")


def examine(given: str, cwd: Path, env: Mapping[str, str], *, is_agreed: bool) -> RemotePlace:
    """Find out what is on a host, install what is missing if the user agrees, and say what will not work. Raises JlabError
    for what must be mended first. `is_agreed`: to an installation, which is else asked about."""
    place = parse_place(given)
    if not place.directory:
        with contextlib.suppress(ValueError):
            place = place._replace(directory=str(cwd.relative_to(Path.home())))
    if place.directory in ("", "."):
        raise UsageError(
            f"Which directory of {place.host} is the project?",
            f"Name it: jlab-mcp init --ssh {place.host}:DIR",
        )
    session = SshSession(place, env)
    facts = _facts(session, place)
    if trouble := host_check.directory_trouble(place, facts):
        raise UsageError(*trouble)
    place = host_check.program_of(place, facts)
    version = facts.version
    if place.program != COMMAND and not version:
        version = _facts(session, place).version
    if version != __version__:
        _install(session, place, facts, version, is_agreed=is_agreed)
    return place._replace(directory=facts.directory, pin=_pin(session, place, facts))


def _facts(session: SshSession, place: RemotePlace) -> host_check.HostFacts:
    end = session.ask(host_check.CHECK, host_check.check_script(place).encode(), _CHECK_S)
    if end.code == SSH_FAILED and is_denied(end.said) and sys.stdin.isatty() and not session.is_logged_in():
        print(f"{place.host} wants more than a key; ssh asks you now.")
        _log_in(session, place)
        end = session.ask(host_check.CHECK, host_check.check_script(place).encode(), _CHECK_S)
    facts = host_check.parse_facts(end.out)
    if facts is None:
        raise _not_begun(place, end)
    print(f"{place.host} answers: {facts.host}.")
    return facts


def _install(
    session: SshSession,
    place: RemotePlace,
    facts: host_check.HostFacts,
    version: str,
    *,
    is_agreed: bool,
) -> None:
    """Install this version there, or go on with another one that is there. Raises JlabError if there is none in the end."""
    has = f"{place.host} has jlab-mcp {version}" if version else f"{place.host} has no jlab-mcp"
    if trouble := host_check.install_trouble(place, facts):
        if version:
            print(f"{has}, and {__version__} is here. {trouble[0]}")
            return
        raise UsageError(*trouble)
    how = "with uv" if facts.uv else f"with {facts.python}"
    if not (is_agreed or _agrees(f"{has}. Install {__version__} there {how}, in your home directory?")):
        if version:
            print(f"{has}, and {__version__} is here; `jlab-mcp init --ssh {place}` asks again.")
            return
        raise UsageError(
            f"{has}.", f"`jlab-mcp init --ssh {place} --yes` installs it, or install it there by hand."
        )
    print(f"Sending {NAME} to {place.host}...", flush=True)
    put = ("exec", "sh", "-c", 'mkdir -p "$HOME/.cache/jlab-mcp" && cat > "$HOME/.cache/jlab-mcp/$0"', NAME)
    sent = session.ask(put, packed(), _INSTALL_S)
    if sent.code:
        raise _not_begun(place, sent)
    print("Installing; the first time this takes a minute or two...", flush=True)
    done = session.ask(host_check.CHECK, host_check.install_script(facts, NAME).encode(), _INSTALL_S)
    found = _facts(session, place._replace(program=COMMAND))
    if done.code or found.version != __version__:
        raise ServerUnreachable(
            f"Installing jlab-mcp on {place.host} failed: {last_line(done.said) or 'it said nothing'}.",
            f"Its packages come from the network of {place.host}; install it there by hand (ssh {place.host}).",
        )


def _agrees(question: str) -> bool:
    if not sys.stdin.isatty():
        return False
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _pin(session: SshSession, place: RemotePlace, facts: host_check.HostFacts) -> str:
    name = session.connects_to()
    known = {"": addresses(name), facts.host: addresses(facts.host)} if name else {}
    pin = host_check.pin_of(place, facts, known)
    if pin:
        print(f"{place.host} is the name of several machines; jlab-mcp stays with {pin}.")
    if session.forbids_forwarding():
        print(f"{place.host} forbids port forwarding: all works but JupyterLab in your laptop's browser.")
    return pin


def _print(text: str, *, to_stderr: bool = False) -> None:
    print(text, end="", flush=True, file=sys.stderr if to_stderr else sys.stdout)
