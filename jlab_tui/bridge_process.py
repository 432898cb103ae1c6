"""`jlab-mcp --bridge`: the login end of a bridge, one process for each login host and server, shared by all that use it.

Whoever needs it starts it and waits until it is up. It carries every connection to its socket through one step of the job, or
one ssh, to the server's socket on the node; starts that again when it breaks; and ends when nobody has used it for a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from .adapters.background import first_word
from .adapters.link.bridges import START_S
from .adapters.link.host_files import HostFiles, bridge_files, remove_old
from .adapters.link.node_program import node_command, node_program
from .adapters.link.own_socket import accept, listening
from .adapters.link.step import running
from .adapters.log_file import bridge_log
from .adapters.programs import run
from .core.link.bridge import BridgeTarget, Phase, Way, Word, format_word, parse_target, parse_word
from .core.link.steps import (
    StepEnd,
    explain_step_end,
    link_environment,
    overlaps,
    srun_command,
    ssh_command,
)
from .jupyter_extension.bridge_carrier import Carrier

IDLE_S: Final = 60.0
_LOOK_S: Final = 5.0
_STEP_S: Final = 25.0
"""how long a step may take to answer; one of a suspended job waits for ever"""
_PAUSES_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0)
"""before each try to start a step again that had worked"""
_HELP_S: Final = 10.0
_POLL_S: Final = 0.05
_UP: Final = "up"
_TAKEN: Final = "taken"

log = logging.getLogger(__name__)


class BridgeProcess:
    """Keeps one bridge up while it is used."""

    def __init__(
        self,
        target: BridgeTarget,
        ways: Sequence[Way],
        files: HostFiles,
        instead: str,
        tell: Callable[[str], None],
    ) -> None:
        """`tell` reaches the process that waits for the bridge: it is up, or why there will be none."""
        self._target = target
        self._ways = tuple(ways)
        self._files = files
        self._instead = self._first_instead = instead
        self._tell = tell
        self._works: Way | None = None
        """the way that has worked"""
        self._leave = asyncio.Event()
        """somebody asked this process to end"""

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._leave.set)
        remove_old(self._files.socket.parent, time.time())
        with self._files.held() as is_ours:
            if is_ours:
                await self._keep_up()
            else:
                self._tell(_TAKEN)

    async def _keep_up(self) -> None:
        """Try each way, then again the one that worked, until nobody needs it or nothing works."""
        failures = await self._try_each()
        pauses = iter(_PAUSES_S)
        while failures and self._works is not None and (pause := next(pauses, None)) is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._leave.wait(), pause)
                return
            was_up_at = time.monotonic()
            failures = await self._try(self._works)
            if time.monotonic() - was_up_at > IDLE_S:
                pauses = iter(_PAUSES_S)
        if failures:
            self._instead = self._first_instead
            self._say(Phase.FAILED, self._works or self._ways[-1], "; ".join(failures))
            self._tell("; ".join(failures))

    async def _try_each(self) -> list[str]:
        failures: list[str] = []
        for way in self._ways:
            failed = await self._try(way)
            if not failed or self._works is not None:
                return failed
            failures += failed
            self._instead = "; ".join(filter(None, (self._instead, *failed)))
        return failures

    async def _try(self, way: Way) -> list[str]:
        """Carry that way until it ends. Returns why; nothing if the bridge is needed no more."""
        try:
            ended = await self._carry(way)
        except OSError as error:
            ended = StepEnd(
                f"{error.filename or way} cannot be run: {error.strerror or error}", is_final=False
            )
        if ended is None:
            return []
        log.warning("%s: %s", way, ended.why)
        if ended.is_final:
            self._files.remove()
            self._tell(ended.why)
            return []
        return [f"{way}: {ended.why}"]

    async def _carry(self, way: Way) -> StepEnd | None:
        """Carry until the step ends; None if nobody needs it any more."""
        carrier = Carrier(opens=True)
        async with running(
            await self._command(way), link_environment(os.environ, self._target.cluster)
        ) as step:
            work = asyncio.create_task(carrier.run(step.source, step.sink, node_program()))
            up = asyncio.create_task(carrier.is_up.wait())
            try:
                await asyncio.wait({work, up}, timeout=_STEP_S, return_when=asyncio.FIRST_COMPLETED)
                if carrier.is_up.is_set() and await self._serve(carrier, work, way):
                    return None
                why = work.result() if work.done() else f"no answer within {_STEP_S:.0f} s"
            finally:
                for task in (work, up):
                    task.cancel()
                await asyncio.gather(work, up, return_exceptions=True)
            return explain_step_end(await step.end(), step.errors, why)

    async def _command(self, way: Way) -> list[str]:
        program = node_command(self._target.socket)
        match way:
            case Way.SSH:
                return ssh_command(self._target, program)
            case Way.SRUN:
                said = await run(["srun", "--help"], os.environ, _HELP_S)
                return srun_command(self._target, program, overlaps=overlaps(said.out + said.err))

    async def _serve(self, carrier: Carrier, work: asyncio.Task[str], way: Way) -> bool:
        """Take connections until the step ends. Returns whether nobody needs the bridge any more."""
        loop = asyncio.get_running_loop()
        self._works = way
        with listening(self._files.socket) as (listener, is_there):
            accepting = loop.create_task(
                accept(listener, lambda one: loop.connect_accepted_socket(carrier.accept, one))
            )
            leaving = loop.create_task(self._leave.wait())
            log.info("up by %s", way)
            self._say(Phase.UP, way)
            self._tell(_UP)
            used, count = loop.time(), 0
            try:
                while not work.done() and not leaving.done() and is_there() and loop.time() - used < IDLE_S:
                    await asyncio.wait(
                        {work, leaving, accepting}, timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED
                    )
                    if carrier.size or carrier.count != count:
                        used, count = loop.time(), carrier.count
            finally:
                for task in (accepting, leaving):
                    task.cancel()
                await asyncio.gather(accepting, leaving, return_exceptions=True)
        if work.done():
            return False
        log.info("ends: unused, or asked to")
        self._say(Phase.IDLE, way)
        return True

    def _say(self, phase: Phase, way: Way, why: str = "") -> None:
        try:
            self._files.say(format_word(Word(phase, way, time.time(), why, self._instead)))
        except OSError as error:
            log.warning("its word cannot be written: %s", error)


def run_bridge(arguments: Sequence[str]) -> int:
    """Start a bridge in the background and wait until it is up. Returns the exit code; stderr says why there is none.

    Arguments: the target, the ways to try, the directory of its log, why nothing else reaches the server.
    """
    given, ways, log_dir, instead = arguments
    target = parse_target(given)
    files = bridge_files(target)
    began = time.time()
    log_path = Path(log_dir) / bridge_log(socket.gethostname(), target.key)
    chosen = [Way(way) for way in ways.split(",")]
    said = first_word(
        log_path, lambda tell: BridgeProcess(target, chosen, files, instead, tell).serve(), START_S
    )
    if said == _TAKEN:  # another process starts it, or it is just ending
        said = _seen(files, began)
    if said == _UP:
        return 0
    sys.stderr.write(f"{said or 'it ended before it was up'}\n")
    return 1


def _seen(files: HostFiles, began: float) -> str:
    """Wait for the word of another process's bridge."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tried, contextlib.suppress(OSError):
            tried.connect(str(files.socket))
            return _UP
        word = parse_word(files.last_word())
        if word is not None and word.phase is Phase.FAILED and word.at >= began:
            return word.why
        time.sleep(_POLL_S)
    return f"another process has not made it within {START_S:.0f} s"
