"""`jlab-mcp doctor`: checks every step from this program to a kernel, one line each, with the command that fixes it."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from . import __version__
from .adapters import checkup
from .adapters.files import INTENT_STALE_S, bytes_below
from .adapters.interpreter import ask_driver, ask_python
from .adapters.jupyter.late_access import LateAccess
from .adapters.server.environment import choose_python
from .adapters.slurm.commands import Slurm
from .adapters.slurm.submission import test_request
from .core.cli.client_config import is_throwaway
from .core.doctor import checks
from .core.doctor import python_checks as checks_python
from .core.doctor import slurm_checks as checks_slurm
from .core.doctor.checks import Finding, Level
from .core.doctor.python_checks import DriverFacts, PythonFacts
from .core.errors import JlabError, SettingError
from .core.server.record import ServerRecord, ServerState
from .core.server.status import ServerStatus
from .core.settings import Mode, Settings
from .core.slurm.queue import QueueUnknown
from .services.progress import patiently
from .services.server.launcher import Launcher

_MARKS = {Level.OK: "ok  ", Level.WARN: "warn", Level.FAIL: "FAIL", Level.SKIP: "-   "}


class Doctor:
    """Runs the checks of one project, each after the ones it depends on."""

    def __init__(
        self,
        settings: Settings,
        env: Mapping[str, str],
        mode: Mode,
        launcher: Launcher,
        access: LateAccess,
    ) -> None:
        self._settings = settings
        self._env = env
        self._mode = mode
        self._launcher = launcher
        self._access = access
        self._status: ServerStatus | None = None
        self._chosen: PythonFacts | None = None
        """the kernels' Python, once examined"""

    async def examine(self, tell: Callable[[str], None]) -> AsyncIterator[Finding]:
        """Yield findings as they come. Calls `tell` with the current step if it takes long."""
        yield self._mode_finding()
        steps: list[tuple[str, Callable[[], Coroutine[Any, Any, list[Finding]]]]] = [
            ("this program", self._program),
            ("the project's Python", self._python),
            ("directories", self._directories),
            ("the status file and the server", self._server),
        ]
        if self._mode is Mode.SLURM:
            steps += [("Slurm", self._slurm), ("the node's files", self._node)]
        else:
            steps.append(("ports", self._ports))
        steps.append(("MCP clients", self._clients))
        for name, step in steps:

            def still(waited_s: float, name: str = name) -> None:
                tell(f"checking {name} ... ({waited_s:.0f} s)")

            for finding in await patiently(step(), still):
                yield finding

    async def close(self) -> None:
        await self._launcher.close()
        await self._access.close()

    def _mode_finding(self) -> Finding:
        why = (
            "JLAB_MCP_RUN_MODE"
            if self._settings.run_mode
            else "sbatch is found"
            if self._mode is Mode.SLURM
            else "no sbatch"
        )
        return Finding("project", Level.OK, f"{self._settings.root}, {self._mode} mode ({why})")

    async def _program(self) -> list[Finding]:
        unmet = await asyncio.to_thread(checkup.unmet_requirements, "jlab-mcp")
        own = PythonFacts(
            sys.executable,
            ".".join(map(str, sys.version_info[:3])),
            has_pip=importlib.util.find_spec("pip") is not None,
        )
        found = checks_python.check_program(
            __version__, own, sys.prefix, unmet, throwaway=is_throwaway(sys.prefix)
        )
        return [*found, *checks.check_settings(self._env), *checks.check_proxies(self._env)]

    async def _python(self) -> list[Finding]:
        if self._settings.setup.strip():
            if self._mode is Mode.LOCAL:
                self._chosen = await ask_python("python3", self._env, self._settings.setup)
            return [*checks_python.check_setup(self._chosen), *await self._torch_here()]
        root = self._settings.root
        choice = await choose_python(root, self._env)
        own = chosen = await ask_python(sys.executable, self._env)
        if (choice.kernel or choice.server) != sys.executable:
            chosen = await ask_python(choice.kernel or choice.server, self._env)
        self._chosen = chosen
        found = checks_python.check_environment(
            chosen,
            own,
            choice.passed,
            node_tries=self._mode is Mode.SLURM and bool(choice.silent),
            kernel_only=bool(choice.kernel),
            is_tool=not Path(sys.prefix).is_relative_to(root),
        )
        return [*found, *await self._torch_here()]

    async def _torch_here(self) -> list[Finding]:
        driver = await ask_driver(self._env)
        if self._mode is Mode.SLURM and not driver.maker:
            return []  # a login node; `_torch_on` asks the node once a job is running
        return self._torch_on(driver)

    async def _directories(self) -> list[Finding]:
        settings = self._settings
        found: list[Finding] = []
        trouble: list[Path] = []
        connections = [("connections", settings.connection_dir, "CONNECTION_DIR")]
        if settings.connection_dir.is_relative_to(settings.status_dir):
            connections = []
        for purpose, path, variable in (
            ("state", settings.home, "DIR"),
            ("records", settings.status_dir, "STATUS_DIR"),
            *connections,
            ("notebooks", settings.notebook_dir, "NOTEBOOK_DIR"),
            ("logs", settings.log_dir, "LOG_DIR"),
        ):
            if any(path.is_relative_to(above) for above in trouble):
                continue  # fixing the earlier one fixes this one
            facts = await asyncio.to_thread(
                checkup.look_at_directory,
                f"{purpose} dir",
                path,
                variable,
                judged=[own for name, own in settings.own_directories if name == variable],
                trusted=settings.trusted_dirs,
            )
            found += checks.check_directory(facts)
            if found[-1].level is not Level.OK:
                trouble.append(path)
        found += checks.check_server_root(str(settings.server_root_dir), settings.server_root_dir.is_dir())
        used = await asyncio.to_thread(bytes_below, settings.sessions_dir, settings.spool_dir)
        found += checks.check_records(str(settings.status_dir), used, settings.keep_days)
        if any(settings.fifo_dir.is_relative_to(above) for above in trouble):
            return found
        error = await asyncio.to_thread(checkup.fifo_error, settings.fifo_dir)
        return [*found, *checks.check_bells(str(settings.fifo_dir), error)]

    async def _server(self) -> list[Finding]:
        intent = checkup.stale_intent(self._settings.status_dir / "starting", time.time(), INTENT_STALE_S)
        error = None
        try:
            self._status = await self._launcher.look()
        except JlabError as failure:
            error = failure
        found = checks.check_state(self._status, error, intent)
        record = self._status.record if self._status else None
        if record is not None and record.mode is Mode.SLURM and record.state.is_live:
            found += checks_python.check_node(record.environment)
        if self._status is None or record is None or record.state is not ServerState.READY or not record.port:
            return found
        hops = await checkup.look_at_hops(
            _host_of(record), record.port, answers=self._status.reachable is True
        )
        found += checks.check_hops(record, hops)
        if self._status.reachable:
            found += checks.check_clock(record.hostname, await self._clock_offset(record))
            found += checks.check_answers(self._access.api(record).oddities)
        return found

    async def _clock_offset(self, record: ServerRecord) -> float | None:
        """Return the node's clock minus ours in seconds; None if unknown. Assumes that the node read it halfway through."""
        asked = time.time()
        try:
            node_time = await self._access.api(record).clock()
        except JlabError:
            return None
        return node_time - (asked + time.time()) / 2 if node_time else None

    async def _ports(self) -> list[Finding]:
        settings = self._settings
        found, bindable = await asyncio.to_thread(
            checkup.look_at_ports, settings.local_bind_ip, settings.port_min, settings.port_max
        )
        return checks.check_ports(
            settings.local_bind_ip, settings.port_min, settings.port_max, found=found, is_bindable=bindable
        )

    async def _slurm(self) -> list[Finding]:
        needed = ("sbatch", "squeue", "sinfo", "scancel")
        missing = [name for name in needed if shutil.which(name, path=self._env.get("PATH")) is None]
        if missing:
            return checks_slurm.check_slurm_commands(missing, None)
        slurm = Slurm(self._env)
        answer = await slurm.queue()
        found = checks_slurm.check_slurm_commands([], answer)
        if isinstance(answer, QueueUnknown):
            return found
        options = self._settings.slurm
        partitions = await slurm.survey()
        if not isinstance(partitions, QueueUnknown):
            found += checks_slurm.check_partition(partitions, options)
        if any(finding.level is Level.FAIL for finding in found):
            return found
        memory = f", {options.mem_mb} MB" if options.mem_mb else ""
        asked = f"{options.gres or 'no GPU'}, {options.cpus} CPUs{memory} for {options.time}"
        try:
            verdict = await test_request(self._settings, self._env)
        except JlabError as error:
            return [*found, Finding("request", Level.FAIL, error.message, error.hint)]
        return [*found, *checks_slurm.check_request(verdict, asked, time.time())]

    async def _node(self) -> list[Finding]:
        record = self._status.record if self._status else None
        directory = self._settings.status_dir
        if record is None or record.mode is not Mode.SLURM or record.state is not ServerState.READY:
            found = checks_slurm.check_shared_files(
                str(directory), "", None, checkup.filesystem_of(directory)
            )
            return [*found, *self._torch_on(None)]
        facts = await checkup.look_from_node(record.job_id, directory, record.hostname, self._env)
        found = checks_slurm.check_shared_files(str(directory), record.hostname, facts)
        return [*found, *self._torch_on(facts.driver)]

    def _torch_on(self, driver: DriverFacts | None) -> list[Finding]:
        return checks_python.check_torch(self._chosen, driver) if self._chosen else []

    async def _clients(self) -> list[Finding]:
        home = Path(self._env.get("HOME") or "~").expanduser()
        places = await asyncio.to_thread(
            checkup.registrations, [self._settings.cwd, self._settings.root], home, self._env
        )
        return checks.check_registration(places)


def _host_of(record: ServerRecord) -> str:
    from urllib.parse import urlsplit

    return urlsplit(record.url).hostname or record.hostname or socket.gethostname()


async def run_doctor(doctor: Doctor, *, as_json: bool) -> int:
    """Print the findings. Returns exit code 1 if one of them is a failure."""
    found = []
    async for finding in doctor.examine(_tell):
        found.append(finding)
        if not as_json:
            print_finding(finding)
    await doctor.close()
    if as_json:
        print(json.dumps([_as_json(finding) for finding in found], indent=1, ensure_ascii=False))
    else:
        counts = [(sum(f.level is level for f in found), level) for level in (Level.FAIL, Level.WARN)]
        bad = ", ".join(f"{number} {level}" for number, level in counts if number)
        print(bad or "Nothing is wrong.")
    return int(any(finding.level is Level.FAIL for finding in found))


def report_bad_setting(error: JlabError, *, as_json: bool) -> int:
    """Report a setting that prevents every other check. Returns the exit code."""
    fix = f"unset {error.variable}" if isinstance(error, SettingError) else error.hint
    finding = Finding("settings", Level.FAIL, error.message, fix)
    if as_json:
        print(json.dumps([_as_json(finding)], indent=1, ensure_ascii=False))
    else:
        print_finding(finding)
    return 1


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
