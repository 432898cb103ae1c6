"""Turns facts into the findings of `jlab-mcp doctor`, each with the command that fixes it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ..cli.client_config import (
    NAME,
    RULES,
    SWITCHED_OFF,
    USE_IT,
    Broken,
    ClientChoices,
    Denial,
    Registered,
    Scope,
    is_throwaway,
)
from ..errors import JlabError
from ..link.bridge import LinkFacts
from ..server.record import ServerRecord, ServerState
from ..server.status import ServerStatus
from ..server.status_json import not_understood
from ..server.trust import Weakness, repair_of, vouch_for
from ..settings import PREFIX, Mode

LOW_DISK_MB = 1024
LOW_FILES = 1000
MANY_RECORDS_BYTES = 10_000_000_000
CLOCK_WARN_S = 2.0
CLOCK_FAIL_S = 30.0


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    """it works, but not as well as it should"""
    FAIL = "fail"
    SKIP = "skip"
    """not checked, or does not apply"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    check: str
    level: Level
    text: str
    fix: str = ""
    """what to type; empty when there is nothing to do"""


@dataclass(frozen=True, slots=True)
class DirectoryFacts:
    purpose: str
    path: str
    variable: str
    there: str
    """the directory itself, or the nearest one above it that exists"""
    exists: bool
    is_writable: bool
    """the directory, or where it would be created"""
    weak: tuple[Weakness, ...] = ()
    """why others could replace our files in it; not checked for directories without tokens and code"""
    free_mb: int | None = None
    free_files: int | None = None
    write_error: str = ""
    """why writing a small file failed, such as an exceeded quota"""


def check_directory(facts: DirectoryFacts) -> list[Finding]:
    there = shlex.quote(facts.there)
    check = facts.purpose
    if facts.write_error or not facts.is_writable:
        why = facts.write_error or "you may not write there"
        fix = f"export JLAB_MCP_{facts.variable}=/a/directory/of/yours"
        return [Finding(check, Level.FAIL, f"{facts.path}: {why}.", fix)]
    if facts.weak:
        found = "; ".join(map(str, facts.weak))
        text = f"others could replace your files in {facts.path}: {found}."
        fix = repair_of(facts.weak, PREFIX + facts.variable)
        vouch = vouch_for(facts.weak, PREFIX + "TRUSTED_DIRS")
        return [Finding(check, Level.FAIL, text, f"{fix}   (or, if you trust them: {vouch})")]
    if facts.free_mb is not None and facts.free_mb < LOW_DISK_MB:
        text = f"{facts.path} has only {facts.free_mb} MB left."
        fix = f"du -sh {there}/* | sort -h   (then remove what you do not need)"
        return [Finding(check, Level.WARN, text, fix)]
    if facts.free_files is not None and facts.free_files < LOW_FILES:
        text = f"the file system of {facts.path} has room for only {facts.free_files} more files."
        return [Finding(check, Level.WARN, text, f"du --inodes -d 1 {there} | sort -n")]
    room = f", {facts.free_mb / 1024:.0f} GiB free" if facts.free_mb is not None else ""
    return [Finding(check, Level.OK, f"{facts.path}{'' if facts.exists else ' (created when needed)'}{room}")]


def check_server_root(path: str, exists: bool) -> list[Finding]:
    """Check JupyterLab's root directory, which jlab-mcp never creates."""
    if exists:
        return []
    return [
        Finding("server root", Level.FAIL, f"there is no directory {path}.", f"mkdir -p {shlex.quote(path)}")
    ]


def check_records(directory: str, bytes_used: int, keep_days: int, cap_mb: int) -> list[Finding]:
    """Report the space that this project's journals and recordings take. `cap_mb`: see `Settings.records_mb`."""
    text = f"{bytes_used / 1e6:,.0f} MB of journals and recordings, kept for {keep_days} days"
    text += f" and up to {cap_mb:,} MB" if cap_mb else ""
    if bytes_used > MANY_RECORDS_BYTES:
        fix = f"export {PREFIX}RECORDS_MB=5000   (or: ls -lS {shlex.quote(directory)}/sessions)"
        return [Finding("records", Level.WARN, f"{text}.", fix)]
    return [Finding("records", Level.OK, text)]


def check_bells(directory: str, error: str) -> list[Finding]:
    if not error:
        return [Finding("bells", Level.OK, f"FIFOs work for {directory}")]
    text = f"FIFOs do not work for {directory} ({error}); jlab-mcp uses /tmp instead, on this host only."
    return [Finding("bells", Level.WARN, text, "export JLAB_MCP_STATUS_DIR=/a/directory/that/takes/FIFOs")]


def check_ports(ip: str, low: int, high: int, *, found: bool, is_bindable: bool) -> list[Finding]:
    if not is_bindable:
        text = f"this machine has no address {ip}."
        return [Finding("ports", Level.FAIL, text, "unset JLAB_MCP_LOCAL_BIND_IP")]
    if not found:
        text = f"every port from {low} to {high} is taken."
        return [Finding("ports", Level.FAIL, text, "unset JLAB_MCP_PORT_MIN JLAB_MCP_PORT_MAX")]
    return [Finding("ports", Level.OK, f"a port from {low} to {high} is free on {ip}")]


def check_state(status: ServerStatus | None, error: JlabError | None, stale_intent: str) -> list[Finding]:
    """Compare the status file with reality. `stale_intent`: the `host:pid` of a start that died."""
    if error is not None:
        return [Finding("state", Level.FAIL, error.message, error.hint)]
    found = []
    if stale_intent:
        text = f"a start or stop by {stale_intent} was interrupted; the next one takes over."
        found.append(Finding("state", Level.WARN, text, "jlab-mcp stop"))
    if status is None:
        return [*found, Finding("state", Level.OK, "no server is running for this project (jlab-mcp start)")]
    if status.is_over:
        fix = "jlab-mcp logs; jlab-mcp start" if status.phase == "failed" else "jlab-mcp start"
        return [*found, Finding("state", Level.WARN, status.sentence, fix)]
    if status.state is ServerState.READY and status.reachable is False:
        return found  # `check_hops` reports where the connection fails
    return [*found, Finding("state", Level.OK, status.sentence)]


@dataclass(frozen=True, slots=True)
class Hops:
    """How far a connection to the server gets."""

    host: str
    port: int
    address: str = ""
    """the address of its name; empty if it does not resolve"""
    connects: bool = False
    connect_error: str = ""
    answers: bool = False


def check_hops(record: ServerRecord, hops: Hops) -> list[Finding]:
    """Check name, port and answer in turn, and report the first that fails."""
    if hops.answers:
        where = f" ({hops.host} is {hops.address})" if hops.host != hops.address else ""
        return [Finding("reach", Level.OK, f"{record.url} answers{where}")]
    if not hops.address:
        text = f"the name {hops.host} does not resolve on this machine."
        return [
            Finding("reach", Level.FAIL, text, f"getent hosts {hops.host}   (then ask your administrators)")
        ]
    if not hops.connects:
        text = f"{hops.host} ({hops.address}) does not accept connections on port {hops.port}: {hops.connect_error}."
        fix = "jlab-mcp logs   (is it listening?)"
        if record.mode is Mode.SLURM:
            ask = f"srun --overlap --jobid {record.job_id} ss -tln"
            fix = f"{ask}   (listening there, refused here: a firewall; use another login node)"
        return [Finding("reach", Level.FAIL, text, fix)]
    text = (
        f"port {hops.port} of {hops.host} is open, but JupyterLab does not answer: it is busy, or it hangs."
    )
    return [Finding("reach", Level.FAIL, text, "jlab-mcp stop; jlab-mcp start")]


def check_link(record: ServerRecord, link: LinkFacts | None) -> list[Finding]:
    """Say by which way this host reaches the server of a job, where that is not simply its port."""
    if link is None or (record.url and not link.why):
        return []
    if link.way == "none":
        text = f"nothing reaches {record.hostname} from this host: {link.why}."
        tried = f"srun --overlap --jobid {record.job_id or record.inside_job} hostname; ssh {record.hostname} hostname"
        fix = f"{tried}   (if one works: export {PREFIX}LINK=srun or ssh; else another login node)"
        return [Finding("link", Level.FAIL, text, fix)]
    return [Finding("link", Level.OK, f"{record.hostname} is reached by {link}")]


def check_clock(host: str, offset_s: float | None) -> list[Finding]:
    """Compare clocks; `offset_s` is the node's clock minus ours."""
    if offset_s is None:
        return []
    if abs(offset_s) < CLOCK_WARN_S:
        return [Finding("clock", Level.OK, f"{host} and this host agree to {abs(offset_s):.1f} s")]
    level = Level.FAIL if abs(offset_s) >= CLOCK_FAIL_S else Level.WARN
    ahead = "ahead of" if offset_s > 0 else "behind"
    text = f"the clock of {host} is {abs(offset_s):.0f} s {ahead} this one; times in the dashboard are off."
    return [Finding("clock", level, text, "timedatectl status   (on both; then tell the administrators)")]


def check_answers(oddities: int) -> list[Finding]:
    """`oddities`: so many answers of the server were not understood."""
    sentence = not_understood(oddities)
    return [Finding("answers", Level.WARN, sentence, "jlab-mcp logs")] if sentence else []


def check_proxies(env: Mapping[str, str]) -> list[Finding]:
    """Report proxy variables, which connections to the server ignore."""
    names = sorted({n for n in env if n.lower() in ("http_proxy", "https_proxy", "all_proxy") and env[n]})
    if not names:
        return [Finding("proxies", Level.OK, "none set")]
    return [Finding("proxies", Level.OK, f"{', '.join(names)} set; jlab-mcp ignores them for its server")]


def check_approval(places: Sequence[tuple[Registered, bool]], choices: ClientChoices) -> list[Finding]:
    """Check what Claude Code was answered when it asked whether the server of a `.mcp.json` may be used, and its rules for our tools."""
    found = []
    by_entry = bool(places) or not choices.has_plugin
    if by_entry and choices.denied:
        text = f"Claude Code was told not to use jlab-mcp here ({', '.join(choices.denied)})."
        fix = f"claude mcp reset-project-choices   (then start claude here and answer: {USE_IT})"
        found.append(Finding("approval", Level.FAIL, text, fix))
    holding = [one for one in choices.denials if (choices.has_plugin if one.is_of_plugin else by_entry)]
    found += [_denial(one) for one in holding if not one.tool]
    some = [
        Finding("permissions", Level.SKIP, f"{path} keeps Claude Code from some tools: {', '.join(tools)}")
        for path in dict.fromkeys(one.path for one in holding)
        if (tools := [one.tool for one in holding if one.tool and one.path == path])
    ]
    is_asked = not choices.is_approved and any(place.where.endswith(".mcp.json") for place, _ in places)
    if found or not is_asked:
        return [*found, *some]
    text = f"Claude Code asks once whether to use jlab-mcp here; answer: {USE_IT}. Some versions mark another answer."
    return [Finding("approval", Level.SKIP, text), *some]


def check_client_files(broken: Sequence[Broken]) -> list[Finding]:
    fix = "Correct it; Claude Code reads nothing of it"
    return [Finding("client", Level.FAIL, f"{one.place}: {one.reason}.", fix) for one in broken]


def _denial(one: Denial) -> Finding:
    fix = f"Remove {one.entry} from {one.member} in {one.path}"
    if one.member == RULES:
        text = f"a rule in {one.path} keeps Claude Code from calling any tool of jlab-mcp."
        return Finding("permissions", Level.FAIL, text, fix)
    if one.member == SWITCHED_OFF:
        text = "jlab-mcp is disabled in Claude Code for this project."
        return Finding("approval", Level.FAIL, text, f"/mcp   (in Claude Code; then {one.entry}, Enable)")
    text = f"Claude Code's settings in {one.path} keep it from using jlab-mcp."
    return Finding("approval", Level.FAIL, text, fix)


def check_registration(
    places: Sequence[tuple[Registered, bool]], *, has_plugin: bool = False, is_readable: bool = True
) -> list[Finding]:
    """Check the client registrations; `places` says where clients find this server, and whether each command can run.

    `is_readable`: none of the files with registrations is broken."""
    if has_plugin and places:
        where = ", ".join(place.where for place, _ in places)
        text = f"registered twice: by the plugin jlab-mcp of Claude Code, and in {where}."
        fix = "; ".join(dict.fromkeys(place.removal for place, _ in places))
        return [Finding("client", Level.WARN, text, fix)]
    if has_plugin:
        return [Finding("client", Level.OK, "registered by the plugin jlab-mcp of Claude Code")]
    if not places and not is_readable:
        return []
    if not places:
        return [
            Finding("client", Level.WARN, "no MCP client knows jlab-mcp for this project.", "jlab-mcp init")
        ]
    running = [place for place, runs in places if runs]
    twice: set[Registered] = set()
    found = []
    for local in (place for place in running if place.scope is Scope.LOCAL):
        hidden = [one for one in running if one.scope is not Scope.LOCAL and one.name == local.name]
        if hidden:
            twice |= {local, *hidden}
            where = ", ".join(one.where for one in hidden)
            text = f"registered twice: in {where}, and in {local.where}, which Claude Code prefers."
            found.append(Finding("client", Level.WARN, text, local.removal))
    for place, runs in places:
        if not runs:
            text = f"{place.where} names {place.program}, which does not run."
            found.append(Finding("client", Level.FAIL, text, _renewal(place)))
        elif is_throwaway(place.program):
            text = f"{place.where} names {place.program}, which disappears when its cache is cleaned."
            fix = (
                "uv tool install jlab-mcp   (from where you got it; then: "
                + _renewal(place).partition("   ")[0]
                + ")"
            )
            found.append(Finding("client", Level.WARN, text, fix))
        elif place not in twice:
            found.append(Finding("client", Level.OK, f"registered in {place.where}: {place.program}"))
    return found


def _renewal(place: Registered) -> str:
    """What to type for a command that is gone: `init` writes only the entry of its own name in a `.mcp.json`."""
    if place.scope is Scope.PROJECT and place.name == NAME:
        return f"jlab-mcp init   (in {place.where.rpartition('/')[0] or '/'})"
    init = "jlab-mcp init --user" if place.scope is Scope.USER else "jlab-mcp init"
    return f"{place.removal}; {init}"
