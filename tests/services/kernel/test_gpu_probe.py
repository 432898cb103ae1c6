"""Who holds tensors in a kernel: variables, what they contain, and the calls that failed. The tensors here are fakes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from jlab_tui.services.kernel.gpu_probe import probe


class Tensor:
    def __init__(self, size: int, device: str = "cuda:0") -> None:
        self.nbytes = size
        self.device = device
        self.shape = (size,)
        self.dtype = "float32"


class Layer:
    """Like a module of PyTorch: its tensors stand in dictionaries of its attributes."""

    def __init__(self, **tensors: Any) -> None:
        self._parameters = dict(tensors)
        self._modules: dict[str, Any] = {}


class Hostile:
    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError

    @property
    def device(self) -> str:
        raise RuntimeError("no")


@pytest.fixture
def torch() -> Iterator[None]:
    """A module that a cell has imported."""
    torch, cuda = ModuleType("torch"), ModuleType("torch.cuda")
    vars(cuda).update(
        is_initialized=lambda: True, memory_allocated=lambda: 1000, memory_reserved=lambda: 1500
    )
    sys.modules.update({"torch": torch, "torch.cuda": cuda})
    yield
    del sys.modules["torch"], sys.modules["torch.cuda"]


def ask(variables: dict[str, Any]) -> dict[str, Any]:
    shell = SimpleNamespace(user_ns=variables, user_ns_hidden={"exit", "Out"})
    before = dict(variables)
    found: dict[str, Any] = json.loads(eval(probe(), {"get_ipython": lambda: shell}))
    assert variables == before
    return found


@pytest.mark.usefixtures("torch")
def test_tensors_are_named_by_what_holds_them_the_largest_first() -> None:
    model = Layer(weight=Tensor(300), bias=Tensor(20), mask=Tensor(7, "cpu"))
    model._modules["inner"] = Layer(weight=Tensor(100))
    loop: list[Any] = [Tensor(5)]
    loop.append(loop)
    shared = Tensor(50)
    found = ask(
        {"x": shared, "again": [shared], "model": model, "loop": loop, "n": 1, "bad": Hostile(), "_y": Tensor(1),
         "exit": Tensor(1), "Out": {3: Tensor(40)}}
    )  # fmt: skip
    assert [(h["name"], h["bytes"], h["tensors"], h["what"]) for h in found["holders"]] == [
        ("model", 420, 3, ""),
        ("x", 50, 1, "float32 (50,)"),
        ("Out (results of cells)", 40, 1, "float32 (40,)"),
        ("loop", 5, 1, "float32 (5,)"),
    ]
    assert (found["allocated"], found["reserved"]) == (1000, 1500)


def test_without_a_library_nothing_is_counted_and_nothing_is_imported() -> None:
    found = ask({"x": Tensor(50), "cpu": Tensor(9, "cpu")})
    assert [h["name"] for h in found["holders"]] == ["x"]
    assert (found["allocated"], found["reserved"]) == (None, None)
    assert "torch" not in sys.modules and "jax" not in sys.modules


def test_the_calls_that_failed_hold_tensors_too() -> None:
    def forward() -> None:
        activations = [Tensor(70), Tensor(30)]
        raise MemoryError(len(activations))

    try:
        forward()
    except MemoryError:
        found = ask({})
    held = {h["name"]: (h["bytes"], h["tensors"]) for h in found["holders"]}
    assert held == {"locals of forward()": (100, 2)}
