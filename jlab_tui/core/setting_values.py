"""Reads the text of one setting. Each reader raises ValueError with the expected form."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def line(text: str) -> str:
    if "\n" in text or "\0" in text:
        raise ValueError("a single line")
    return text


def word(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.,:;=+*&|!()\[\]/-]+", text):
        raise ValueError("one word of Slurm's syntax, without spaces or quotes")
    return text


def gres(text: str) -> str:
    """Read generic resources; `none` asks for none and drops the option."""
    return "" if word(text).lower() == "none" else text


def memory(text: str) -> int:
    """Read memory in MB; `none` asks for none and drops the option."""
    if text.lower() == "none":
        return 0
    try:
        return integer(1, 1_000_000_000)(text)
    except ValueError:
        raise ValueError("a whole number of MB without a unit (64000 for 64 GB), or none") from None


def directories(text: str) -> frozenset[str]:
    paths = line(text).split(":")
    if not all(path.startswith("/") for path in paths):
        raise ValueError("absolute paths separated by `:`")
    return frozenset(path.rstrip("/") or "/" for path in paths)


def integer(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"\d{1,12}", text, re.ASCII) or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return read


def seconds(low: int, high: int) -> Callable[[str], float]:
    def read(text: str) -> float:
        if not re.fullmatch(r"\d{1,12}(\.\d{1,6})?", text, re.ASCII) or not low <= float(text) <= high:
            raise ValueError(f"a number of seconds from {low} to {high}")
        return float(text)

    return read


def hours(low: int, high: int) -> Callable[[str], float]:
    def read(text: str) -> float:
        if not re.fullmatch(r"\d{1,12}(\.\d{1,6})?", text, re.ASCII) or not low <= float(text) <= high:
            raise ValueError(f"a number of hours from {low} to {high}")
        return float(text)

    return read


def flag(text: str) -> bool:
    if text.lower() not in ("0", "1", "no", "yes", "false", "true"):
        raise ValueError("1 or 0")
    return text.lower() in ("1", "yes", "true")


def one_of(make: Callable[[str], T], *choices: str) -> Callable[[str], T]:
    def read(text: str) -> T:
        if text.lower() not in choices:
            raise ValueError(" or ".join(choices))
        return make(text.lower())

    return read


def slurm_time(text: str) -> str:
    if not is_slurm_time(text):
        raise ValueError("a walltime such as 4:00:00 or 1-00:00:00")
    return text


def is_slurm_time(text: str) -> bool:
    """Return whether `text` is a time in one of Slurm's six forms (`sbatch --time`): M, M:S, H:M:S, D-H, D-H:M, D-H:M:S."""
    return re.fullmatch(r"\d+-\d+(:\d+){0,2}|\d+(:\d+){0,2}", text, re.ASCII) is not None


def address(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("an IP address") from None
    return text


def address_on_node(text: str) -> str:
    """Read an address, a network or an interface, of which each node has its own."""
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,14}", text, re.ASCII):
        return text
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError("an address, a network such as 10.1.0.0/16, or an interface such as ib0") from None
    return text


def path(text: str, user: str) -> Path:
    """Read a path; `~` becomes `user`, the home directory.

    What only a shell replaces is refused: an MCP client hands its `env` on as it stands, and a directory of that name would be made."""
    if "\0" in text or "\n" in text:
        raise ValueError("a path on one line")
    if re.match(r"\$|~[^/]", text):
        raise ValueError("a path as it is (of what a shell replaces only ~/ is known)")
    return Path(user + text[1:] if text == "~" or text.startswith("~/") else text)
