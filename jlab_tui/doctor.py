"""`jlab-mcp doctor`: prints what the examination finds, one line each, with the command that fixes it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence

from .core.doctor.checks import Finding, Level
from .core.doctor.setting_checks import check_settings
from .core.errors import JlabError, SettingError, UsageError
from .core.settings import Settings
from .core.site_settings import Site
from .services.server.examination import Examination

_MARKS = {Level.OK: "ok  ", Level.WARN: "warn", Level.FAIL: "FAIL", Level.SKIP: "-   "}


async def run_doctor(examination: Examination, *, as_json: bool) -> int:
    """Print the findings. Returns exit code 1 if one of them is a failure."""
    found = []
    async for finding in examination.findings(_tell):
        found.append(finding)
        if not as_json:
            print_finding(finding)
    await examination.close()
    if as_json:
        print(json.dumps([_as_json(finding) for finding in found], indent=1, ensure_ascii=False))
    else:
        counts = [(sum(f.level is level for f in found), level) for level in (Level.FAIL, Level.WARN)]
        bad = ", ".join(f"{number} {level}" for number, level in counts if number)
        print(bad or "Nothing is wrong.")
    return int(any(finding.level is Level.FAIL for finding in found))


def usable_settings(
    read: Callable[[Mapping[str, str]], Settings], env: Mapping[str, str]
) -> Settings | list[UsageError]:
    """Return the settings, or an error for each that cannot be used. `read` raises UsageError for the first."""
    wrong: list[UsageError] = []
    left = dict(env)
    while True:
        try:
            settings = read(left)
            return wrong or settings
        except UsageError as error:
            wrong.append(error)
            if not isinstance(error, SettingError) or left.pop(error.variable, None) is None:
                return wrong


def report_bad_settings(errors: Sequence[JlabError], env: Mapping[str, str], *, as_json: bool) -> int:
    """Report the settings that prevent every other check, and those that are none. Returns the exit code."""
    found = [
        Finding(
            "settings",
            Level.FAIL,
            error.message,
            f"unset {error.variable}" if isinstance(error, SettingError) else error.hint,
        )
        for error in errors
    ]
    found += [finding for finding in check_settings(env) if finding.level is Level.WARN]
    if as_json:
        print(json.dumps([_as_json(finding) for finding in found], indent=1, ensure_ascii=False))
        return 1
    for finding in found:
        print_finding(finding)
    return 1


def warn_of_settings_without_effect(env: Mapping[str, str], site: Site) -> None:
    """Print on stderr which variables with our prefix are no settings, and which the site has locked."""
    for finding in check_settings(env, site=site):
        if finding.level is Level.WARN:
            print(f"jlab-mcp: {finding.text}", file=sys.stderr)


def _as_json(finding: Finding) -> dict[str, str]:
    """Return a finding under the keys of `doctor --json`, which scripts rely on; `mend` is the earlier name of `fix`."""
    fix = finding.fix
    return {"check": finding.check, "level": finding.level, "text": finding.text, "fix": fix, "mend": fix}


def print_finding(finding: Finding) -> None:
    print(f"{_MARKS[finding.level]} {finding.check:<14} {finding.text}", flush=True)
    if finding.fix:
        print(f"     {'':<14} -> {finding.fix}", flush=True)


def _tell(text: str) -> None:
    if os.isatty(2):
        print(f"     {text}", file=sys.stderr, flush=True)
