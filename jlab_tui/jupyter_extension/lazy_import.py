"""Loads a package at its first use instead of on import, which would delay the server's start."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any


def put_off(name: str, function: str) -> None:
    """Load package `name` at the first call of its `function` or the first access to another of its names."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None or name in sys.modules:
        return
    loader = spec.loader
    module = importlib.util.module_from_spec(spec)

    def load(wanted: str) -> Any:
        if vars(module).pop("__getattr__", None) is not None:
            loader.exec_module(module)
        return getattr(module, wanted)

    def stand_in(*arguments: Any, **keywords: Any) -> Any:
        return load(function)(*arguments, **keywords)

    vars(module).update({"__getattr__": load, function: stand_in})
    sys.modules[name] = module
