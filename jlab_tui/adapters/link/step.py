"""Runs the command that carries a bridge: a program with a pipe each way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

_ENDS_S: Final = 3.0
_ERRORS: Final = 4000
"""bytes kept of what it wrote to stderr"""

log = logging.getLogger(__name__)


class RunningStep:
    """A running command. Whoever takes `source` and `sink` closes them."""

    def __init__(self, process: asyncio.subprocess.Process, source: int, sink: int) -> None:
        self.source = source
        """what the command writes"""
        self.sink = sink
        """what it reads"""
        self._process = process
        self._errors = bytearray()
        self._reading = asyncio.create_task(self._read_errors())

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def errors(self) -> str:
        """What it wrote to stderr, the beginning."""
        return self._errors.decode("utf-8", "replace")

    async def end(self) -> int | None:
        """Wait a little for its end, then end it. Returns the exit code. Its pipes are closed."""
        for stop in (None, self._process.terminate, self._process.kill):
            with contextlib.suppress(ProcessLookupError):
                if stop is not None:
                    stop()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ENDS_S):
                    await self._process.wait()
                    await self._reading
                    break
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        return self._process.returncode

    async def _read_errors(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        while data := await stderr.read(4096):
            log.info("%s", data.decode("utf-8", "replace").rstrip())
            self._errors += data[: _ERRORS - len(self._errors)]


@contextlib.asynccontextmanager
async def running(argv: Sequence[str], env: Mapping[str, str]) -> AsyncIterator[RunningStep]:
    """Run a command for the time of the block. Raises OSError if it cannot be started."""
    its_in, sink = os.pipe()
    source, its_out = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, env=env, cwd="/", stdin=its_in, stdout=its_out, stderr=asyncio.subprocess.PIPE
        )
    except OSError:
        os.close(source)
        os.close(sink)
        raise
    finally:
        os.close(its_in)
        os.close(its_out)
    step = RunningStep(process, source, sink)
    try:
        yield step
    finally:
        await asyncio.shield(step.end())
