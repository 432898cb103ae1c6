"""Watches whether anything uses the job, and ends the server, with which the job ends, after the hours that the user has set."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from .idle_end import IdleEnd, Seen, farewell, other_steps, use_of

ASK_S = 20.0

log = logging.getLogger("jlab_mcp_extension")


class IdleWatch:
    """One per server. Without a sample nothing is decided, so a server that measures nothing never ends itself."""

    def __init__(
        self,
        hours: float,
        web_settings: Mapping[str, Any],
        kernels: Any,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._idle = IdleEnd(hours, time.monotonic())
        self._settings = web_settings
        self._kernels = kernels
        self._job = environ.get("SLURM_JOB_ID", "")
        visible = environ.get("CUDA_VISIBLE_DEVICES", "")
        self._has_gpus = bool(environ.get("SLURM_JOB_GPUS")) or visible not in ("", "NoDevFiles")
        self._asking: Optional[asyncio.Future[None]] = None
        self._said = ""
        self._has_ended = False

    def look(self, sample: Dict[str, Any], busy_kernels: int, is_used: Callable[[str], bool]) -> None:
        """Take in a sample, to which the report is added, and end the server if it is time. `is_used`: whether somebody else than
        a client of ours is connected to a kernel."""
        now = time.monotonic()
        ids = list(self._kernels.list_kernel_ids())
        terminals = self._settings.get("terminal_manager")
        use = use_of(
            Seen(
                busy_kernels=busy_kernels,
                used_kernels=sum(map(is_used, ids)),
                terminals=len(terminals.list()) if terminals is not None else 0,
                kernel_cpu=[sample["kernels"].get(kernel_id, {}).get("cpu_percent") for kernel_id in ids],
                gpus=[gpu["utilization_percent"] for gpu in sample["gpu"]],
                has_gpus=self._has_gpus,
            )
        )
        self._idle.look(use, now)
        if not use and self._asking is None and self._idle.asks_for_steps(now):
            self._asking = asyncio.ensure_future(self._ask_steps())
        sample["idle_end"] = self.report()
        if not self._has_ended and self._idle.is_due(now):
            self._has_ended = True
            log.warning(farewell(self._idle.hours))
            os.kill(os.getpid(), signal.SIGTERM)

    def report(self) -> Dict[str, Any]:
        """Return when the job ends itself; see `IdleEnd.report`."""
        return self._idle.report(time.monotonic(), time.time())

    async def _ask_steps(self) -> None:
        steps, why = await self._steps()
        if why and why != self._said:
            log.warning("jlab-mcp: the job does not end itself while its steps are not known: %s", why)
        self._said = why
        self._idle.told_steps(steps, time.monotonic())
        self._asking = None

    async def _steps(self) -> Tuple[Optional[List[str]], str]:
        """Return the steps of the job that others started, and why they are not known."""
        if not self._job:
            return None, "this is no job of Slurm"
        command = ["squeue", "--steps", "--jobs=" + self._job, "--noheader", "--format=%i|%j"]
        try:
            asked = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
        except OSError as error:
            return None, "squeue: %s" % error.strerror
        try:
            out, errors = await asyncio.wait_for(asked.communicate(), ASK_S)
        except asyncio.TimeoutError:
            asked.kill()
            await asked.wait()
            return None, "squeue does not answer"
        lines = out.decode("utf-8", "replace").split("\n")
        if asked.returncode or not any(lines):  # the step that runs this server is always there
            return None, (errors.decode("utf-8", "replace").strip() or "squeue lists none")[:200]
        return other_steps(lines), ""
