"""What another machine has of what jlab-mcp needs there: asked in sh, because nothing else is sure to be there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from .place import COMMAND, RemotePlace, is_host

CHECK: Final = ("exec", "sh", "-s")
"""sh reads what it is to do from its stdin, so that no shell on the way reads any of it"""
BEGIN: Final = "jlab-mcp-check-begins"
END: Final = "jlab-mcp-check-ends"
_PYTHONS: Final = "python3.14 python3.13 python3.12 python3.11 python3"
_PLAIN: Final = re.compile(r"/[A-Za-z0-9_.~+@/-]+", re.ASCII)
_SCRIPT: Final = """\
PATH="$HOME/.local/bin:$PATH:$HOME/.cargo/bin"; export PATH
say() { printf '%s=%s\\n' "$1" "$2"; }
printf '\\n%s\\n' BEGIN
say host "$(hostname -f 2>/dev/null || hostname)"
say address "$(set -- $SSH_CONNECTION; echo "$3")"
d=DIRECTORY
case $d in '') d=$HOME;; '~') d=$HOME;; '~/'*) d=$HOME/${d#'~/'};; /*) ;; *) d=$HOME/$d;; esac
say directory "$d"
if [ -d "$d" ] && [ -w "$d" ] && [ -x "$d" ]; then say is yes; elif [ -d "$d" ]; then say is closed; else say is missing; fi
p=PROGRAM
case $p in '~/'*) p=$HOME/${p#'~/'};; esac
say program "$(command -v "$p" 2>/dev/null)"
say version "$("$p" --version 2>/dev/null </dev/null)"
if ! command -v "$p" >/dev/null 2>&1; then
  say login "$("${SHELL:-sh}" -lc 'command -v jlab-mcp' 2>/dev/null </dev/null | grep '^/' | tail -n 1)"
fi
say uv "$(command -v uv 2>/dev/null)"
for python in PYTHONS; do
  if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 </dev/null; then
    say python "$(command -v "$python")"; break
  fi
done
say newest "$(python3 --version 2>/dev/null </dev/null)"
printf '%s\\n' END
"""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What a machine said of itself. Empty where it said nothing."""

    host: str
    """its own full name"""
    address: str
    """at which it was reached, as it sees it"""
    directory: str
    """absolute"""
    directory_is: str
    """`yes` if it can be used, `closed` or `missing`"""
    program: str
    """path of jlab-mcp, as a command without a terminal finds it"""
    version: str
    login_program: str
    """path of one that only a login shell finds"""
    uv: str
    python: str
    """one that can install jlab-mcp"""
    newest_python: str
    """`Python 3.9.2`"""


def check_script(place: RemotePlace) -> str:
    """What sh is given; the only words of the user in it are quoted for it."""
    words = {
        "DIRECTORY": shlex.quote(place.directory),
        "PROGRAM": shlex.quote(place.program),
        "PYTHONS": _PYTHONS,
        "BEGIN": BEGIN,
        "END": END,
    }
    return re.sub("|".join(words), lambda found: words[found[0]], _SCRIPT)


def parse_facts(said: str) -> HostFacts | None:
    """What stands between the marks, whatever start-up files said before and after; None if it is not whole."""
    lines = said.splitlines()
    try:
        begin = lines.index(BEGIN)
        end = lines.index(END, begin)
    except ValueError:
        return None
    found = dict(line.split("=", 1) for line in lines[begin + 1 : end] if "=" in line)
    version = found.get("version", "").split()
    return HostFacts(
        host=found.get("host", ""),
        address=found.get("address", ""),
        directory=found.get("directory", ""),
        directory_is=found.get("is", ""),
        program=found.get("program", ""),
        version=version[1] if len(version) == 2 and version[0] == COMMAND else "",
        login_program=found.get("login", ""),
        uv=found.get("uv", ""),
        python=found.get("python", ""),
        newest_python=found.get("newest", ""),
    )


def program_of(place: RemotePlace, facts: HostFacts) -> RemotePlace:
    """The place with the path of a program that only a login shell finds."""
    only_there = facts.login_program if not facts.program and _PLAIN.fullmatch(facts.login_program) else ""
    return place._replace(program=only_there) if only_there else place


def directory_trouble(place: RemotePlace, facts: HostFacts) -> tuple[str, str] | None:
    """What is wrong with the project's directory, and what to type; None if it can be used."""
    if facts.directory_is == "yes":
        return None
    if facts.directory_is == "closed":
        return (
            f"You may not write in {facts.directory} on {place.host}.",
            f"Name another directory: jlab-mcp init --ssh {place.host}:DIR",
        )
    make = shlex.join(["ssh", place.host, shlex.join(["mkdir", "-p", facts.directory])])
    return f"{place.host} has no directory {facts.directory}.", f"Make it, or name another one: {make}"


def install_trouble(place: RemotePlace, facts: HostFacts) -> tuple[str, str] | None:
    """Why jlab-mcp cannot be installed there, and what to type; None if it can."""
    if facts.uv or facts.python:
        return None
    has = f" (there is {facts.newest_python})" if facts.newest_python else ""
    uv = shlex.join(["ssh", place.host, "curl -LsSf https://astral.sh/uv/install.sh | sh"])
    return (
        f"{place.host} has no Python 3.11 or newer{has} and no uv, which would bring one.",
        f"Install uv there: {uv}",
    )


def install_script(facts: HostFacts, wheel: str) -> str:
    """What sh is given to install a wheel that lies in ~/.cache/jlab-mcp; prints what it does."""
    path = f'"$HOME/.cache/jlab-mcp/"{shlex.quote(wheel)}'
    if facts.uv:
        python = f" --python {shlex.quote(facts.python)}" if facts.python else ""
        work = f"{shlex.quote(facts.uv)} tool install --quiet --force{python} {path}"
    else:
        home = '"$HOME/.local/share/jlab-mcp/venv"'
        work = (
            f"{shlex.quote(facts.python)} -m venv --clear {home} && {home}/bin/python -m pip install --quiet "
            f'--disable-pip-version-check {path} && mkdir -p "$HOME/.local/bin" && '
            f'ln -sf {home}/bin/jlab-mcp "$HOME/.local/bin/jlab-mcp"'
        )
    return f'{{ {work}; }} >&2 </dev/null\nstatus=$?\nrm -f {path}\nexit "$status"\n'


def pin_of(place: RemotePlace, facts: HostFacts, addresses: Mapping[str, Collection[str]]) -> str:
    """The one machine of several behind a name, by which it is reached again; empty where the name means one.

    `addresses`: of the name that ssh connects to (under ``), and of the machine's own name, as this machine knows them."""
    of_name = set(addresses.get("", ()))
    kinds = {":" in each for each in of_name}
    if place.pin or len(of_name) <= len(kinds):
        return place.pin
    if is_host(facts.host) and set(addresses.get(facts.host, ())) & of_name:
        return facts.host
    return facts.address if facts.address in of_name and is_host(facts.address) else ""


def connects_to(configuration: str) -> str:
    """The name that ssh connects to, from what `ssh -G` prints; empty where another machine connects for it."""
    words = dict(line.split(" ", 1) for line in configuration.splitlines() if " " in line)
    is_led = any(words.get(key, "none") != "none" for key in ("proxyjump", "proxycommand"))
    return "" if is_led else words.get("hostname", "")


def forbids_forwarding(said: str) -> bool:
    """Whether the host refused to forward, from what ssh said when a port was asked for that nobody has."""
    return "prohibited" in said.lower()
