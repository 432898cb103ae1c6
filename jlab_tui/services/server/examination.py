"""Examines every step from this program to a kernel for `jlab-mcp doctor`, each after the ones it depends on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ...core.cli.client_config import ClientChoices, Registered, is_throwaway
from ...core.cli.picture_choice import Pictures, TerminalFacts, choose_pictures
from ...core.doctor import checks, python_checks, setting_checks, slurm_checks
from ...core.doctor.checks import DirectoryFacts, Finding, Hops, Level
from ...core.doctor.python_checks import DriverFacts, ProgramFacts, ProjectPython, PythonFacts
from ...core.doctor.slurm_checks import NodeFacts
from ...core.errors import JlabError
from ...core.server.record import ServerRecord, ServerState
from ...core.server.status import ServerStatus
from ...core.settings import PREFIX, Mode, Settings
from ...core.site_settings import Site, Source, source_of
from ...core.slurm.queue import QueueAnswer, QueueUnknown
from ...core.slurm.rejections import Rejected
from ...core.slurm.submit import Estimate
from ...core.slurm.survey import Partition
from ..progress import patiently
from .launcher import Launcher

_UP = (ServerState.STARTING, ServerState.READY)
"""states in which a server may be looked for; one that cannot be reached is still starting"""


class Checkup(Protocol):
    """The facts that the examination asks for, one by one (see `adapters.checkup`)."""

    async def program(self) -> ProgramFacts: ...
    async def setup_python(self) -> PythonFacts: ...
    async def project_python(self) -> ProjectPython: ...
    async def driver(self) -> DriverFacts: ...
    async def directory(self, purpose: str, path: Path, variable: str) -> DirectoryFacts: ...
    async def server_root_exists(self) -> bool: ...
    async def bytes_of_records(self) -> int: ...
    async def fifo_error(self) -> str: ...
    async def stale_intent(self) -> str: ...
    async def hops(self, record: ServerRecord, *, answers: bool) -> Hops: ...
    async def clock_offset(self, record: ServerRecord) -> float | None: ...
    def oddities(self, record: ServerRecord) -> int: ...
    async def ports(self) -> tuple[bool, bool]: ...
    def missing(self, commands: Sequence[str]) -> list[str]: ...
    async def queue(self) -> QueueAnswer: ...
    async def partitions(self) -> tuple[Partition, ...] | QueueUnknown: ...
    async def test_request(self) -> Estimate | Rejected: ...
    def filesystem(self) -> str: ...
    async def from_node(self, record: ServerRecord) -> NodeFacts: ...
    async def registrations(self) -> list[tuple[Registered, bool]]: ...
    async def client_choices(self) -> ClientChoices: ...
    async def terminal(self) -> TerminalFacts: ...
    async def close(self) -> None: ...


class Examination:
    """Runs the checks of one project."""

    def __init__(
        self,
        settings: Settings,
        env: Mapping[str, str],
        site: Site,
        choices: Mapping[str, str],
        mode: tuple[Mode, str],
        in_job: bool,
        launcher: Launcher,
        checkup: Checkup,
        now: Callable[[], float],
    ) -> None:
        """`choices`: the project's, by name without prefix; `mode`: where a start would run the server, and by what that is chosen.
        `in_job`: whether kernels then run in a job. `now` gives epoch seconds."""
        self._settings = settings
        self._env = env
        self._site = site
        self._choices = choices
        self._mode, self._why_mode = mode
        self._in_job = in_job
        self._launcher = launcher
        self._checkup = checkup
        self._now = now
        self._status: ServerStatus | None = None
        self._chosen: PythonFacts | None = None
        """the kernels' Python, once examined"""

    async def findings(self, tell: Callable[[str], None]) -> AsyncIterator[Finding]:
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
        steps += [("MCP clients", self._clients), ("the terminal", self._terminal)]
        for name, step in steps:

            def still(waited_s: float, name: str = name) -> None:
                tell(f"checking {name} ... ({waited_s:.0f} s)")

            for finding in await patiently(step(), still):
                yield finding

    async def close(self) -> None:
        await self._launcher.close()
        await self._checkup.close()

    def _mode_finding(self) -> Finding:
        return Finding("project", Level.OK, f"{self._settings.root}, {self._mode} mode ({self._why_mode})")

    async def _terminal(self) -> list[Finding]:
        terminal = await self._checkup.terminal()
        if not terminal.is_terminal:
            return []
        choice = choose_pictures(Pictures.AUTO, terminal)
        what = "pixels" if choice.kind is Pictures.KITTY else choice.kind
        return [Finding("pictures", Level.OK, f"images consist of {what}: {choice.why}")]

    async def _program(self) -> list[Finding]:
        program = await self._checkup.program()
        found = python_checks.check_program(
            program.version,
            program.python,
            program.prefix,
            program.unmet,
            throwaway=is_throwaway(program.prefix),
        )
        settings = setting_checks.check_settings(self._env, self._choices, self._site)
        settings += slurm_checks.check_kept_kernels(self._settings, in_job=self._in_job)
        return [*found, *settings, *checks.check_proxies(self._env)]

    async def _python(self) -> list[Finding]:
        if self._settings.setup.strip():
            if self._mode is Mode.LOCAL:
                self._chosen = await self._checkup.setup_python()
            source = source_of(f"{PREFIX}SETUP", self._env, self._choices, self._site)
            of_site = self._settings.setup if source in (Source.SITE, Source.LOCK) else ""
            return [*python_checks.check_setup(self._chosen, of_site), *await self._torch_here()]
        python = await self._checkup.project_python()
        self._chosen = python.chosen
        found = python_checks.check_environment(
            python.chosen,
            python.own,
            python.choice.passed,
            node_tries=self._mode is Mode.SLURM and bool(python.choice.silent),
            kernel_only=bool(python.choice.kernel),
            is_tool=python.is_tool,
            is_refused=not self._settings.python_fallback,
        )
        return [*found, *await self._torch_here()]

    async def _torch_here(self) -> list[Finding]:
        driver = await self._checkup.driver()
        if self._mode is Mode.SLURM and not driver.maker:
            return []  # a login node; `_torch_on` asks the node once a job is running
        return self._torch_on(driver)

    def _torch_on(self, driver: DriverFacts | None) -> list[Finding]:
        return python_checks.check_torch(self._chosen, driver) if self._chosen else []

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
            found += checks.check_directory(await self._checkup.directory(f"{purpose} dir", path, variable))
            if found[-1].level is not Level.OK:
                trouble.append(path)
        has_root = await self._checkup.server_root_exists()
        found += checks.check_server_root(str(settings.server_root_dir), has_root)
        used = await self._checkup.bytes_of_records()
        found += checks.check_records(str(settings.status_dir), used, settings.keep_days, settings.records_mb)
        if any(settings.fifo_dir.is_relative_to(above) for above in trouble):
            return found
        return [*found, *checks.check_bells(str(settings.fifo_dir), await self._checkup.fifo_error())]

    async def _server(self) -> list[Finding]:
        intent = await self._checkup.stale_intent()
        error = None
        try:
            self._status = await self._launcher.look()
        except JlabError as failure:
            error = failure
        found = checks.check_state(self._status, error, intent)
        record = self._status.record if self._status else None
        if record is not None and record.mode is Mode.SLURM and record.state.is_live:
            found += python_checks.check_node(record.environment)
        if self._status is None or record is None or not record.is_published or record.state not in _UP:
            return found
        link = self._status.link
        if record.url and not (link is not None and link.is_bridge):
            hops = await self._checkup.hops(record, answers=self._status.reachable is True)
            found += checks.check_hops(record, hops)
        found += checks.check_link(record, link)
        if self._status.reachable:
            found += checks.check_clock(record.hostname, await self._checkup.clock_offset(record))
            found += checks.check_answers(self._checkup.oddities(record))
        return found

    async def _ports(self) -> list[Finding]:
        settings = self._settings
        found, bindable = await self._checkup.ports()
        ports = checks.check_ports(
            settings.local_bind_ip, settings.port_min, settings.port_max, found=found, is_bindable=bindable
        )
        return [*ports, *slurm_checks.check_idle_end(settings.idle_end_h, submits=False)]

    async def _slurm(self) -> list[Finding]:
        kept = self._settings.locked.get("RUN_MODE", "")
        if missing := self._checkup.missing(("sbatch", "squeue", "sinfo", "scancel")):
            return slurm_checks.check_slurm_commands(missing, None, kept)
        answer = await self._checkup.queue()
        found = slurm_checks.check_slurm_commands([], answer, kept)
        if isinstance(answer, QueueUnknown):
            return found
        options = self._settings.slurm
        partitions = await self._checkup.partitions()
        if not isinstance(partitions, QueueUnknown):
            found += slurm_checks.check_partition(partitions, options)
        if any(finding.level is Level.FAIL for finding in found):
            return found
        memory = f", {options.mem_mb} MB" if options.mem_mb else ""
        request = f"{options.gres or 'no GPU'}, {options.cpus} CPUs{memory} for {options.time}"
        try:
            verdict = await self._checkup.test_request()
        except JlabError as error:
            return [*found, Finding("request", Level.FAIL, error.message, error.hint)]
        found += slurm_checks.check_request(verdict, request, self._now())
        return [*found, *slurm_checks.check_idle_end(self._settings.idle_end_h, submits=True)]

    async def _node(self) -> list[Finding]:
        record = self._status.record if self._status else None
        directory = str(self._settings.status_dir)
        if record is None or record.mode is not Mode.SLURM or record.state not in _UP:
            found = slurm_checks.check_shared_files(directory, "", None, self._checkup.filesystem())
            return [*found, *self._torch_on(None)]
        facts = await self._checkup.from_node(record)
        found = slurm_checks.check_shared_files(directory, record.hostname, facts)
        return [*found, *self._torch_on(facts.driver)]

    async def _clients(self) -> list[Finding]:
        places, choices = await self._checkup.registrations(), await self._checkup.client_choices()
        found = checks.check_client_files(choices.broken)
        found += checks.check_registration(places, has_plugin=choices.has_plugin, is_readable=not found)
        return [*found, *checks.check_approval(places, choices)]
