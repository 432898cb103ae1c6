"""Judges what a kernel's cell waits for: from its innermost calls, and from what the system tells about its process."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from ..json_values import items, mapping, number, text, whole
from .stacks import StackFrame, ThreadStack


class Wait(StrEnum):
    """What a cell waits for."""

    INPUT = "input, which nobody can give"
    CHILD = "a child process"
    OTHERS = "other processes of a distributed run"
    POOL = "the workers of a pool"
    FUTURE = "the result of another thread or process"
    THREAD = "another thread to end"
    QUEUE = "an item in a queue"
    LOCK = "a lock"
    SOCKET = "a network connection"
    PIPE = "data in a pipe"
    FILE_LOCK = "the lock of a file"
    DISK = "the file system or a driver"
    GPU = "the GPU"
    EVENTS = "an event of its event loop"
    SLEEP = "time to pass: it sleeps"
    NOTHING = "nothing: it computes"
    UNKNOWN = ""


@dataclass(frozen=True, slots=True)
class ThreadFacts:
    """One thread of a process, as Linux shows it; empty if unknown."""

    state: str
    """R runs, S waits, D waits and cannot be interrupted, T is stopped"""
    call: str = ""
    """system call; `running` without one"""
    target: str = ""
    """the file on which: a path, a pipe, the peer of a socket"""
    wchan: str = ""
    """where in the system's kernel it waits"""
    cpu_s: float | None = None


@dataclass(frozen=True, slots=True)
class ChildFacts:
    pid: int
    name: str
    """program and script"""
    main: ThreadFacts


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """A kernel's process."""

    pid: int
    threads: tuple[ThreadFacts, ...] = ()
    """the main one first"""
    children: tuple[ChildFacts, ...] = ()
    more_children: int = 0
    gpu_memory_mb: float | None = None
    gpu_percent: float | None = None
    """use of the busiest GPU"""
    stacks_by: str = ""
    """py-spy or signal"""
    stacks: str = ""
    tried: tuple[str, ...] = ()
    """why there are no stacks, by each means"""


def parse_process(raw: Any) -> ProcessFacts:
    """`GET /jlab-mcp/look/<kernel>`. Raises ValueError."""
    found = mapping(raw)
    if not (pid := whole(found.get("pid"))):
        raise ValueError("a look without a process")
    gpu, stacks = mapping(found.get("gpu")), mapping(found.get("stacks"))
    children = [mapping(each) for each in items(found.get("children"))]
    return ProcessFacts(
        pid,
        tuple(_facts(mapping(each)) for each in items(found.get("threads"))),
        tuple(ChildFacts(whole(each.get("pid")), text(each.get("name")), _facts(each)) for each in children),
        whole(found.get("more_children")),
        number(gpu.get("memory_mb")),
        number(gpu.get("percent")),
        text(stacks.get("by")),
        text(stacks.get("text")),
        tuple(text(each) for each in items(found.get("tried"))),
    )


def _facts(raw: Mapping[str, Any]) -> ThreadFacts:
    names = ("state", "call", "target", "wchan")
    return ThreadFacts(cpu_s=number(raw.get("cpu_s")), **{name: text(raw.get(name)) for name in names})


_INNERMOST: Final = 8
"""frames that are looked at"""
# By the end of a file's path and the function. The first rule that holds for any of the innermost calls counts, so that a
# pool's wait is not only a lock.
_BY_CALL: Final[tuple[tuple[Wait, str, str], ...]] = (
    (Wait.INPUT, r"ipykernel/kernelbase\.py", r"_input_request|raw_input|getpass"),
    (Wait.CHILD, r"/subprocess\.py", r"_?wait|_try_wait|_?communicate"),
    (Wait.CHILD, r"_process_posix\.py|pexpect/\w+\.py|ptyprocess/\w+\.py", r".*"),
    (Wait.CHILD, r"multiprocessing/(popen_\w+|process)\.py", r"poll|wait|join"),
    (Wait.OTHERS, r"torch/distributed/.*\.py|mpi4py/.*", r".*"),
    (Wait.POOL, r"multiprocessing/pool\.py|joblib/\w+\.py", r"get|wait|next|join|_?retrieve"),
    (Wait.FUTURE, r"concurrent/futures/(_base|thread|process)\.py", r"result|wait|shutdown|as_completed|exception"),
    (Wait.QUEUE, r"/queue\.py|multiprocessing/queues\.py", r"get|put|join"),
    (Wait.THREAD, r"/threading\.py", r"join|_wait_for_tstate_lock"),
    (Wait.LOCK, r"/threading\.py|multiprocessing/synchronize\.py|filelock/.*", r".*"),
    (Wait.SOCKET, r"/(socket|ssl|socketserver)\.py|/http/client\.py|urllib3/.*|httpcore/.*|requests/.*", r".*"),
    (Wait.PIPE, r"multiprocessing/connection\.py", r".*"),
    (Wait.GPU, r"torch/cuda/\w+\.py|cupy/cuda/.*", r"synchronize|wait"),
    (Wait.GPU, r"jax/.*\.py", r"block_until_ready|_?check_arraylike|_value"),
    (Wait.EVENTS, r"asyncio/\w+\.py|/selectors\.py|tornado/\w+\.py", r"select|_run_once|sleep|wait|wait_for|get|acquire"),
)  # fmt: skip
_COMPILED: Final = tuple(
    (wait, re.compile(f".*(?:{file})$"), re.compile(f"(?:{function})$")) for wait, file, function in _BY_CALL
)
_BY_SYSTEM_CALL: Final = {
    "wait4": Wait.CHILD,
    "waitid": Wait.CHILD,
    "flock": Wait.FILE_LOCK,
    "fcntl": Wait.FILE_LOCK,
    "recvfrom": Wait.SOCKET,
    "recvmsg": Wait.SOCKET,
    "accept": Wait.SOCKET,
    "accept4": Wait.SOCKET,
    "connect": Wait.SOCKET,
    "nanosleep": Wait.SLEEP,
    "clock_nanosleep": Wait.SLEEP,
    "futex": Wait.LOCK,
    "epoll_wait": Wait.EVENTS,
    "epoll_pwait": Wait.EVENTS,
    "poll": Wait.EVENTS,
    "ppoll": Wait.EVENTS,
    "select": Wait.EVENTS,
    "pselect6": Wait.EVENTS,
}
_BY_PLACE: Final = (
    (re.compile(r"do_wait|kernel_wait"), Wait.CHILD),
    (re.compile(r"n_tty_read"), Wait.INPUT),
    (re.compile(r"futex"), Wait.LOCK),
    (re.compile(r"nanosleep"), Wait.SLEEP),
    (re.compile(r"pipe_(read|wait)"), Wait.PIPE),
    (re.compile(r"sk_wait|inet_|unix_stream|tcp_recv"), Wait.SOCKET),
    (re.compile(r"ep_poll|poll_schedule|do_select"), Wait.EVENTS),
    (re.compile(r"locks_lock|posix_lock|flock"), Wait.FILE_LOCK),
)
"""places in Linux (wchan), where it does not show the system call"""
_BY_FILE: Final = (
    (re.compile(r"/dev/(pts/\d+|tty\w*)$"), Wait.INPUT),
    (re.compile(r"/dev/(nvidia|kfd|dri)"), Wait.GPU),
    (re.compile(r"pipe:"), Wait.PIPE),
    (re.compile(r"socket"), Wait.SOCKET),
)
_BUSY_GPU: Final = 5.0


def by_system(facts: ThreadFacts) -> Wait:
    """Judge by the system alone."""
    if facts.state == "D":
        return Wait.DISK
    if facts.state == "R":
        return Wait.NOTHING
    if facts.call in ("read", "ioctl", "write", "writev") and facts.target:
        return next((wait for form, wait in _BY_FILE if form.match(facts.target)), Wait.DISK)
    if found := _BY_SYSTEM_CALL.get(facts.call):
        return found
    return next((wait for form, wait in _BY_PLACE if form.search(facts.wchan)), Wait.UNKNOWN)


def by_calls(frames: Sequence[StackFrame]) -> Wait:
    """Judge by the innermost calls alone."""
    innermost = frames[:_INNERMOST]
    for wait, file, function in _COMPILED:
        if any(file.match(f"/{frame.file}") and function.match(frame.function) for frame in innermost):
            return wait
    return Wait.UNKNOWN


def what_it_waits_for(main: ThreadStack | None, process: ProcessFacts | None) -> Wait:
    """Judge by both: calls say more about what waits, the system knows better what computes."""
    calls = by_calls(main.frames) if main is not None else Wait.UNKNOWN
    system = by_system(process.threads[0]) if process is not None and process.threads else Wait.UNKNOWN
    if calls is Wait.UNKNOWN:
        is_vague = system in (Wait.NOTHING, Wait.LOCK, Wait.EVENTS, Wait.UNKNOWN)
        return Wait.GPU if is_vague and _uses_gpu(process) else system
    is_elsewhere = system in (Wait.NOTHING, Wait.DISK) and calls not in (Wait.OTHERS, Wait.GPU)
    return system if is_elsewhere else calls


def _uses_gpu(process: ProcessFacts | None) -> bool:
    return process is not None and bool(process.gpu_memory_mb) and (process.gpu_percent or 0.0) >= _BUSY_GPU
