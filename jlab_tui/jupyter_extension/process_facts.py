"""Reads from /proc what the threads and children of a process do, as far as its owner may. Pure but for the files.

Linux only; elsewhere, and where the system hides it, nothing is known: empty texts and lists.
"""

from __future__ import annotations

import os
import re
import socket
import struct
from typing import Any, Dict, List, Mapping, Optional, Sequence

THREADS_MAX = 64
CHILDREN_MAX = 16
_TICKS = 100.0
"""per second, in /proc/*/stat, on every Linux of today"""
_CALLS: Mapping[str, Mapping[int, str]] = {
    "x86_64": {
        0: "read", 1: "write", 7: "poll", 16: "ioctl", 20: "writev", 23: "select", 35: "nanosleep", 42: "connect",
        43: "accept", 45: "recvfrom", 47: "recvmsg", 61: "wait4", 72: "fcntl", 73: "flock", 202: "futex",
        230: "clock_nanosleep", 232: "epoll_wait", 247: "waitid", 270: "pselect6", 271: "ppoll", 281: "epoll_pwait",
        288: "accept4",
    },
    "aarch64": {
        22: "epoll_pwait", 25: "fcntl", 29: "ioctl", 32: "flock", 63: "read", 64: "write", 66: "writev", 72: "pselect6",
        73: "ppoll", 95: "waitid", 98: "futex", 101: "nanosleep", 115: "clock_nanosleep", 202: "accept",
        203: "connect", 207: "recvfrom", 212: "recvmsg", 242: "accept4", 260: "wait4",
    },
}  # fmt: skip
"""system calls that wait, by machine; from the kernel's tables"""
_OF_FILES = frozenset(
    ["read", "write", "ioctl", "writev", "connect", "accept", "recvfrom", "recvmsg", "fcntl", "flock", "accept4", "epoll_wait", "epoll_pwait"]
)
"""their first argument is a file descriptor"""


def process_facts(pid: int, children: Sequence[int], machine: str, proc: str = "/proc") -> Dict[str, Any]:
    """Describe a process: its threads, the main one first, and the processes below it."""
    base = "%s/%d" % (proc, pid)
    tids = sorted(int(name) for name in _listed(base + "/task") if name.isdigit())
    threads = [_thread("%s/task/%d" % (base, tid), tid, base, machine) for tid in tids[:THREADS_MAX]]
    below = [_child(child, machine, proc) for child in children[:CHILDREN_MAX]]
    return {
        "pid": pid,
        "threads": [thread for thread in threads if thread["state"]],
        "more_threads": max(0, len(tids) - THREADS_MAX),
        "children": [child for child in below if child["state"]],
        "more_children": max(0, len(children) - CHILDREN_MAX),
    }


def _thread(place: str, tid: int, process: str, machine: str) -> Dict[str, Any]:
    """`place`: its own directory; `process`: the one with the descriptors."""
    stat = _text(place + "/stat")
    fields = stat[stat.rfind(")") + 2 :].split()  # a name may contain anything
    call, target = _call(place, process, machine)
    wchan = _text(place + "/wchan").strip()
    return {
        "tid": tid,
        "name": _text(place + "/comm").strip(),
        "state": fields[0] if fields else "",
        "cpu_s": (int(fields[11]) + int(fields[12])) / _TICKS if len(fields) > 12 else None,
        "wchan": "" if wchan == "0" else wchan,
        "call": call,
        "target": target,
    }


def _child(pid: int, machine: str, proc: str) -> Dict[str, Any]:
    base = "%s/%d" % (proc, pid)
    facts = _thread(base, pid, base, machine)
    del facts["tid"]
    return {**facts, "pid": pid, "name": program(_text(base + "/cmdline")) or facts["name"]}


def program(command: str) -> str:
    """Name a command by its program and script. Its other arguments may be secrets."""
    words = command.split("\0")
    shown = [os.path.basename(words[0])]
    if len(words) > 1 and re.fullmatch(r"[\w./-]*[\w./]", words[1]) and not words[1].startswith("-"):
        shown.append(os.path.basename(words[1]))
    return " ".join(shown)[:60]


def _call(place: str, process: str, machine: str) -> tuple[str, str]:
    """Return the system call in which a thread waits, and the file on which: `running` without one, empty if unknown."""
    words = _text(place + "/syscall").split()
    if not words or words[0] == "running":
        return ("running" if words else ""), ""
    name = _CALLS.get(machine, {}).get(int(words[0]), "")
    if name not in _OF_FILES or len(words) < 2:
        return name, ""
    return name, file_behind(process, int(words[1], 16))


def file_behind(process: str, descriptor: int) -> str:
    """Return what a descriptor leads to: a path, `pipe:[1]`, or the peer of a socket."""
    try:
        target = os.readlink("%s/fd/%d" % (process, descriptor))
    except OSError:
        return ""
    inode = re.fullmatch(r"socket:\[(\d+)\]", target)
    return (_peer(process, inode[1]) or "socket") if inode else target


def _peer(process: str, inode: str) -> str:
    for table in ("tcp", "tcp6"):
        for line in _text("%s/net/%s" % (process, table)).splitlines()[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[9] == inode:
                state = "listening" if fields[3] == "0A" else "to " + _address(fields[2])
                return "socket %s" % (state if state != "listening" else "listening at " + _address(fields[1]))
    return ""


def _address(text: str) -> str:
    """`0100007F:1F90` is 127.0.0.1:8080: words of 32 bits in the machine's own order, then the port."""
    digits, _, port = text.partition(":")
    packed = b"".join(struct.pack("=I", int(digits[i : i + 8], 16)) for i in range(0, len(digits), 8))
    family, form = (socket.AF_INET, "%s:%d") if len(packed) == 4 else (socket.AF_INET6, "[%s]:%d")
    return form % (socket.inet_ntop(family, packed), int(port, 16))


def stacks_file(pid: int, proc: str = "/proc") -> Optional[tuple[str, int, int]]:
    """Find where `kernel_startup` has a kernel write its stacks: the file, the signal, and the thread that takes it."""
    base = "%s/%d" % (proc, pid)
    for name in _listed(base + "/fd"):
        try:
            target = os.readlink("%s/fd/%s" % (base, name))
        except OSError:
            continue
        found = re.search(r"/jlab-mcp-stacks-(\d+)-(\d+)-\w+ \(deleted\)$", target)
        if found and catches(_text(base + "/status"), int(found[1])):
            return "%s/fd/%s" % (base, name), int(found[1]), int(found[2])
    return None


def catches(status: str, number: int) -> bool:
    """Whether a process has a handler for a signal, which would end it otherwise."""
    mask = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return mask is not None and bool(int(mask[1], 16) >> (number - 1) & 1)


def _listed(directory: str) -> List[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
