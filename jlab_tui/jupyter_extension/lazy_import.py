"""Loads a package on its first use instead of on import, which a server's start would wait for."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any


def put_off(name: str, function: str) -> None:
    """Load package `name` when its `function` is first called or another of its names is looked up."""
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
