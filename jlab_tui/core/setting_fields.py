"""Declares one setting: a dataclass field with its variable, default, reader and meaning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

PREFIX = "JLAB_MCP_"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable and its documentation."""

    name: str
    """without the prefix"""
    default: str
    meaning: str
    """empty if another field documents it"""


def set_by(variable: str, default: T, reader: Callable[[str], T], meaning: str = "", *, shown: str = "") -> T:
    """Make a field that `variable` sets. `shown`: what the documentation shows for the default."""
    plain = f"{default:g}" if isinstance(default, float) else str(default)
    documented = Variable(variable, shown or plain, meaning)
    made: T = field(default=default, metadata={"variable": documented, "reader": reader})
    return made


def path_set_by(variable: str, shown: str, meaning: str) -> Any:
    """Make a path field that `variable` sets; its default follows from other paths (`load_settings`)."""
    return field(metadata={"variable": Variable(variable, shown, meaning)})
