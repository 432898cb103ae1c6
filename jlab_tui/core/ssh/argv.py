"""Writes the commands of ssh, as lists: no local shell reads them, and what a remote shell reads is fixed text and one word."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Final

from .place import RemotePlace

CONNECT_S: Final = 5
"""for the one try to connect of a command; a lost packet is sent again after 1 and 3 s"""
PATIENT_S: Final = 30
"""the same where the host is there and slow"""
ALONE: Final = "none"
"""in place of a control socket: an own connection, whatever else there is"""
_QUIET: Final = (
    "-oClearAllForwardings=yes",
    "-oForwardX11=no",
    "-oForwardAgent=no",
    "-oPermitLocalCommand=no",
    "-oLogLevel=INFO",
)
"""nothing of the user's configuration that starts or forwards anything; INFO, because the reasons of failures are told there"""
_ALIVE: Final = ("-oServerAliveInterval=3", "-oServerAliveCountMax=2")
"""a line without a sign of life for 9 s is given up: it is made again within a second"""
_MASTER_ALIVE: Final = ("-oServerAliveInterval=15", "-oServerAliveCountMax=8")
"""patient, because a new one asks the user again"""


def target(place: RemotePlace) -> list[str]:
    """The options that choose the machine."""
    if not place.pin:
        return []
    return [f"-oHostName={place.pin}", f"-oHostKeyAlias={place.host.rpartition('@')[2]}"]


def through(control: str) -> list[str]:
    """The options that use a connection which `jlab-mcp login` has opened; empty: one of the user's own, if there is one;
    `ALONE`: none. What fails through another connection is tried on its own by ssh itself."""
    return ["-oControlMaster=no", *([f"-oControlPath={control}"] if control else [])]


def run_there(
    place: RemotePlace, command: Sequence[str], *, control: str = "", patience_s: int = CONNECT_S
) -> list[str]:
    """Run `command`, words of jlab-mcp's own or from `program_command`, without a terminal and without questions."""
    return [
        "ssh",
        "-T",
        "-oBatchMode=yes",
        f"-oConnectTimeout={patience_s}",
        *_ALIVE,
        *_QUIET,
        *through(control),
        *target(place),
        "--",
        place.host,
        shlex.join(command),
    ]


def run_in_terminal(place: RemotePlace, command: Sequence[str], *, control: str = "") -> list[str]:
    """Run `command` in this terminal, which it may also ask questions in before."""
    return [
        "ssh",
        "-t",
        "-enone",
        *_ALIVE,
        *_QUIET,
        *through(control),
        *target(place),
        "--",
        place.host,
        shlex.join(command),
    ]


def log_in(place: RemotePlace, control: str, keep: str = "12h") -> list[str]:
    """Open a connection that later ones go through; questions are asked in this terminal. It goes on in the background."""
    return [
        "ssh",
        "-fN",
        "-oControlMaster=yes",
        f"-oControlPath={control}",
        f"-oControlPersist={keep}",
        *_MASTER_ALIVE,
        *_QUIET,
        *target(place),
        "--",
        place.host,
    ]


def probe_forwarding(place: RemotePlace, control: str = "") -> list[str]:
    """Try to reach a port there that nobody has: the answer tells whether forwarding is allowed."""
    probed = run_there(place, [], control=control)[:-3]
    return [*probed, "-W127.0.0.1:1", "--", place.host]


def show_configuration(place: RemotePlace) -> list[str]:
    """Print what ssh's configuration says about the host."""
    return ["ssh", "-G", "--", place.host]


def ask_master(place: RemotePlace, control: str, what: str) -> list[str]:
    """`check` or `exit` for a connection that `log_in` has opened."""
    return ["ssh", f"-O{what}", f"-oControlPath={control}", "--", place.host]


def program_command(program: str, crossing: str, arguments: Sequence[str]) -> list[str]:
    """The command that starts jlab-mcp on the other machine; `crossing`: what `encode_crossing` wrote.

    sh finds the program, in whatever shell the account has, also where a non-login shell's PATH lacks ~/.local/bin.
    """
    find = 'PATH="$HOME/.local/bin:$PATH"; export PATH; exec "$@"'
    if program.startswith("~/"):
        find = 'PATH="$HOME/.local/bin:$PATH"; export PATH; p="$HOME/$1"; shift; exec "$p" "$@"'
        program = program[2:]
    return ["exec", "sh", "-c", find, "sh", program, "--at", crossing, *arguments]
