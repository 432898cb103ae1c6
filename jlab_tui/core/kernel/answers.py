"""Parses the answers of Jupyter's REST API and of the Jupyter extension.

Every function takes any JSON value. It skips what it cannot read and reports it to `odd`; it raises ValueError if nothing is left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ..json_values import flag, items, mapping, number, text, whole
from ..server.kernelspecs import KernelSpecs
from ..server.record import KernelInfo, KernelSpec, Owner
from ..server.resources import Measured, Sample, parse_sample
from .leaving import EndedKernel, LeftKernel
from .link import Claim, RecordedKernel
from .wire import NODE_PROTOCOL

_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,100}")
"""ids are parts of URLs"""
Odd = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class JupyterSession:
    """A notebook's session, or another document's, with its kernel."""

    session_id: str
    path: str
    """relative to the server's root"""
    kernel_id: str
    kernel_state: str


@dataclass(frozen=True, slots=True)
class ExtensionInfo:
    """Describes the Jupyter extension; empty on a stock server, or when the extension speaks another protocol."""

    features: frozenset[str] = frozenset()
    python: str = ""
    now: float | None = None
    """epoch seconds"""
    programs: Mapping[str, str | None] = field(default_factory=dict)
    """what each kernelspec starts; None: it is not on the server's machine"""


def an_id(value: Any) -> str:
    """Check an id from the server. Raises ValueError."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError("an answer without a valid id")
    return value


def sessions(raw: Any, odd: Odd) -> list[JupyterSession]:
    """Parse `GET /api/sessions`, without sessions that have no kernel."""
    found = []
    for each in _listed(raw, "sessions", odd):
        if not (kernel := mapping(each.get("kernel"))):
            continue
        try:
            session_id, kernel_id = an_id(each.get("id")), an_id(kernel.get("id"))
        except ValueError:
            odd("a session without a valid id")
            continue
        state = text(kernel.get("execution_state"), "unknown")
        found.append(JupyterSession(session_id, text(each.get("path")), kernel_id, state))
    return found


def kernels(raw: Any, of: list[JupyterSession], odd: Odd) -> tuple[KernelInfo, ...]:
    """Parse `GET /api/kernels`, and add the notebooks of sessions."""
    paths = {session.kernel_id: session.path for session in of}
    found = []
    for each in _listed(raw, "kernels", odd):
        try:
            kernel_id = an_id(each.get("id"))
        except ValueError:
            odd("a kernel without a valid id")
            continue
        found.append(
            KernelInfo(
                kernel_id=kernel_id,
                name=text(each.get("name")),
                execution_state=text(each.get("execution_state"), "unknown"),
                connections=whole(each.get("connections")),
                path=paths.get(kernel_id, ""),
            )
        )
    return tuple(found)


def new_kernel(raw: Any) -> str:
    """Return the id in the answer to `POST /api/kernels`. Raises ValueError."""
    return an_id(mapping(raw).get("id"))


def kernel_of_session(raw: Any) -> str:
    """Return the kernel's id in the answer to `POST /api/sessions`. Raises ValueError."""
    return new_kernel(mapping(raw).get("kernel"))


def kernel_state(raw: Any) -> str:
    return text(mapping(raw).get("execution_state"), "unknown")


def kernelspecs(raw: Any, info: ExtensionInfo) -> KernelSpecs:
    """Parse `GET /api/kernelspecs`; `info` knows what each one starts."""
    specs = mapping(raw)
    known = {
        name: _kernelspec(name, mapping(mapping(each).get("spec")), info)
        for name, each in mapping(specs.get("kernelspecs")).items()
    }
    name = text(specs.get("default")) or "python3"
    missing = frozenset(name for name in known if info.programs.get(name, name) is None)
    return KernelSpecs(known.get(name) or _kernelspec(name, {}, info), known, missing)


def _kernelspec(name: str, spec: Mapping[str, Any], info: ExtensionInfo) -> KernelSpec:
    named = text(next(iter(items(spec.get("argv"))), ""))
    program = info.programs.get(name) or (named if named.startswith("/") else info.python)
    return KernelSpec(
        name, text(spec.get("display_name")) or name, text(spec.get("language")) or "python", program
    )


def extension_info(raw: Any) -> ExtensionInfo:
    """`GET /jlab-mcp/info`."""
    info = mapping(raw)
    now = number(info.get("now"))
    if info.get("protocol") != NODE_PROTOCOL:
        return ExtensionInfo(now=now)
    features = frozenset(name for name in items(info.get("features")) if isinstance(name, str))
    programs = {
        name: program
        for name, program in mapping(info.get("kernel_programs")).items()
        if program is None or isinstance(program, str)
    }
    return ExtensionInfo(features, text(info.get("python")), now, programs)


def samples(raw: Any, odd: Odd) -> list[Sample]:
    """Parse `GET /jlab-mcp/resources`, oldest first."""
    answer = mapping(raw)
    found = []
    for each in [*items(answer.get("history")), answer.get("now")]:
        try:
            if each is not None:
                found.append(parse_sample(each))
        except ValueError as error:
            odd(str(error))
    return found


def measured(raw: Any, odd: Odd) -> Measured:
    """Parse the same answer with `kernels` and `sessions` in it, as Jupyter's API has them; an older server leaves them out."""
    answer = mapping(raw)
    if "kernels" not in answer:
        return Measured(samples(raw, odd))
    of = sessions(answer.get("sessions"), odd)
    return Measured(samples(raw, odd), kernels(answer["kernels"], of, odd))


def claim(raw: Any) -> Claim:
    """Parse the answer to `POST /jlab-mcp/claims`. Raises ValueError."""
    epoch = whole(mapping(raw).get("epoch"), -1)
    if epoch < 0:
        raise ValueError("a claim without an epoch")
    return Claim(epoch, whole(raw.get("last_seq")))


def claimed_kernel(raw: Any) -> tuple[str, Claim]:
    """Return id and claim in the answer to `POST /jlab-mcp/kernels`. Raises ValueError."""
    return an_id(mapping(raw).get("kernel")), claim(raw)


def owner(raw: Any) -> Owner | None:
    if not isinstance(raw, dict):
        return None
    return Owner(
        text(raw.get("client")),
        text(raw.get("host")),
        whole(raw.get("pid")),
        text(raw.get("conversation")),
        relay=text(raw.get("relay")),
        generation=whole(raw.get("generation")),
    )


def recorded_kernels(raw: Any, odd: Odd) -> dict[str, RecordedKernel]:
    """Parse `GET /jlab-mcp/kernels`, by kernel id."""
    if not isinstance(raw, dict):
        raise ValueError("no table of kernels")
    found = {}
    for kernel_id, each in raw.items():
        if not isinstance(each, dict) or not _ID.fullmatch(kernel_id):
            odd("a recorded kernel that is none")
            continue
        found[kernel_id] = _recorded(each)
    return found


def _recorded(raw: Mapping[str, Any]) -> RecordedKernel:
    return RecordedKernel(
        owner_connected=flag(raw.get("owner_connected")),
        last_seq=whole(raw.get("last_seq")),
        acked_seq=whole(raw.get("acked_seq")),
        running=text(raw.get("running")),
        requests=frozenset(mapping(raw.get("requests"))),
        started_here=flag(raw.get("started_here")),
        is_private=flag(raw.get("private"), otherwise=True),
        session=text(raw.get("session")),
        recorded_bytes=whole(raw.get("recorded_bytes")),
        cut_after_s=number(raw.get("cut_after_s")),
        left=_left(raw.get("left")),
    )


def _left(raw: Any) -> LeftKernel | None:
    if not isinstance(raw, dict):
        return None
    return LeftKernel(
        at=number(raw.get("at")) or 0.0,
        released=flag(raw.get("released")),
        ends_at=number(raw.get("ends_at")),
        stays=text(raw.get("stays")),
        idle_s=number(raw.get("idle_s")) or 0.0,
        by=text(raw.get("by")),
    )


def ended_kernels(raw: Any, odd: Odd) -> dict[str, EndedKernel]:
    """Parse `GET /jlab-mcp/ended`, by kernel id."""
    if not isinstance(raw, dict):
        raise ValueError("no table of kernels")
    found = {}
    for kernel_id, each in raw.items():
        if not isinstance(each, dict) or not _ID.fullmatch(kernel_id):
            odd("an ended kernel that is none")
            continue
        obituary = mapping(each.get("obituary"))
        found[kernel_id] = EndedKernel(
            session=text(each.get("session")),
            path=text(each.get("path")),
            cause=text(obituary.get("cause")),
            detail=text(obituary.get("detail")),
            at=number(obituary.get("at")) or 0.0,
            left_at=number(obituary.get("left_at")) or 0.0,
            released=flag(obituary.get("released")),
            idle_s=number(obituary.get("idle_s")) or 0.0,
            by=text(obituary.get("by")),
        )
    return found


def _listed(raw: Any, what: str, odd: Odd) -> Iterator[Mapping[str, Any]]:
    if not isinstance(raw, list):
        raise ValueError(f"no list of {what}")
    for each in raw:
        if isinstance(each, dict):
            yield each
        else:
            odd(f"{what}: an entry that is no object")
