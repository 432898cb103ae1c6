"""Ends kernels: gives an idle one time for its exit handlers, and records by which rule the server ended one.

On exit, libraries run their `atexit` handlers, in which trackers send their last data. Jupyter waits half of
`KernelManager.shutdown_wait_time`, 2.5 s, before it sends a signal. A value in the user's configuration wins.
"""

from __future__ import annotations

import inspect
import logging
import signal
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from .exit_cause import EndRule
from .kernel_process import process_of

END_S = 20.0
_INTERRUPT = "_async_interrupt_kernel"
_CUT = (-signal.SIGTERM, -signal.SIGKILL)

log = logging.getLogger("jlab_mcp_extension")


class Endings:
    """The ends of one server's kernels."""

    def __init__(self, kernels: Any, recorders: Mapping[str, Any], end_s: float = END_S) -> None:
        self.end_s = end_s
        """Seconds that an idle kernel has to end."""
        self.cut: Dict[str, float] = {}
        """By kernel: the seconds after which a signal ended it, at its last end."""
        self._kernels = kernels
        self._recorders = recorders
        self._rules: Dict[str, EndRule] = {}
        cull = getattr(kernels, "cull_kernel_if_idle", None)
        if cull is not None:
            kernels.cull_kernel_if_idle = self._naming_the_culler(cull)

    def watch(self, manager: Any) -> None:
        """Give a kernel that has not started its own time to end, at any shutdown or restart."""
        for name in ("shutdown_kernel", "restart_kernel"):
            setattr(manager, name, self._in_own_time(manager, getattr(manager, name)))

    def note(self, kernel_id: str, rule: EndRule) -> None:
        """Note by which rule the server is about to end a kernel."""
        self._rules[kernel_id] = rule

    def take(self, kernel_id: str) -> Optional[EndRule]:
        """Return by which rule the server ended a kernel, once; None if somebody asked for it."""
        return self._rules.pop(kernel_id, None)

    def forget(self, kernel_id: str) -> None:
        self.cut.pop(kernel_id, None)
        self.take(kernel_id)

    def _in_own_time(self, manager: Any, end: Callable[..., Any]) -> Callable[..., Any]:
        usual = manager.shutdown_wait_time
        is_set = _is_set(manager)

        def end_in_own_time(now: bool = False, *arguments: Any, **named: Any) -> Any:
            kernel_id = str(manager.kernel_id)
            answers, busy = self._state(kernel_id, manager)
            own_s = self.end_s if answers and not busy and not is_set else usual / 2
            manager.shutdown_wait_time = 2 * own_s
            process = process_of(manager) if answers and not now else None
            self.cut.pop(kernel_id, None)
            if answers and not busy:
                _spare_interrupt(manager)
            ended = end(now, *arguments, **named)
            if inspect.isawaitable(ended):
                return self._awaited(ended, kernel_id, manager, process, own_s)
            self._note(kernel_id, manager, process, own_s)
            return ended

        return end_in_own_time

    async def _awaited(
        self, ended: Any, kernel_id: str, manager: Any, process: Optional[Any], own_s: float
    ) -> Any:
        try:
            result = await ended
        finally:
            vars(manager).pop(_INTERRUPT, None)
        self._note(kernel_id, manager, process, own_s)
        return result

    def _note(self, kernel_id: str, manager: Any, process: Optional[Any], own_s: float) -> None:
        vars(manager).pop(_INTERRUPT, None)
        if process is not None and process.poll() in _CUT:
            self.cut[kernel_id] = own_s
            log.warning("jlab-mcp: kernel %s did not end within %g s, so a signal ended it", kernel_id, own_s)

    def _state(self, kernel_id: str, manager: Any) -> Tuple[bool, bool]:
        """Return whether the kernel has answered since it started, and whether it runs something. One that starts can miss the
        request to end."""
        recorder = self._recorders.get(kernel_id)
        if recorder is None:
            state = getattr(manager, "execution_state", "")
            return state in ("idle", "busy"), state == "busy"
        return bool(recorder.answers), bool(recorder.kernel_state.occupied)

    def _naming_the_culler(self, cull: Callable[[str], Any]) -> Callable[[str], Any]:
        async def cull_kernel_if_idle(kernel_id: str) -> None:
            if kernel_id in self._recorders:
                self.note(kernel_id, EndRule("culled", _why_culled(self._kernels, kernel_id)))
            try:
                ended = cull(kernel_id)
                if inspect.isawaitable(ended):
                    await ended
            finally:
                if kernel_id in self._kernels:
                    self.take(kernel_id)

        return cull_kernel_if_idle


def _spare_interrupt(manager: Any) -> None:
    """Leave out the signal that jupyter_client sends first: an idle kernel ignores it, but its children get it, too. A pool's
    worker that it ends can keep the lock of the queue, at which the kernel's exit would wait for ever."""

    async def no_interrupt() -> None:
        """Nothing runs."""

    if inspect.iscoroutinefunction(getattr(manager, _INTERRUPT, None)):
        vars(manager)[_INTERRUPT] = no_interrupt


def _why_culled(kernels: Any, kernel_id: str) -> str:
    spec = getattr(kernels.get_kernel(kernel_id), "kernel_spec", None)
    own = dict(getattr(spec, "metadata", None) or {}).get("cull_idle_timeout")
    if own is not None:
        return "the metadata of its kernelspec end it once it is idle for %s s (cull_idle_timeout)" % own
    switches = [name for name in ("cull_connected", "cull_busy") if getattr(kernels, name, False)]
    return "Jupyter's own configuration ends kernels that are idle for %s s (%s of MappingKernelManager)" % (
        kernels.cull_idle_timeout,
        " and ".join(["cull_idle_timeout", *switches]),
    )


def _is_set(manager: Any) -> bool:
    """Whether the user's configuration sets how long a kernel may take to end."""
    return any(
        "shutdown_wait_time" in (manager.config.get(kind.__name__) or {}) for kind in type(manager).__mro__
    )
