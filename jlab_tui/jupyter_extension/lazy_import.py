"""A package that is loaded when it is used, not when it is imported: the start of a server waits for each of its imports."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any


def put_off(name: str, function: str) -> None:
    """Load package `name` only when its `function` is called, or when anything else in it is asked for."""
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
