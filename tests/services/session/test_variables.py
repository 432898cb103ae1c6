"""The table of variables, even if a variable misbehaves when inspected."""

from __future__ import annotations

import json
import threading
import types
from types import SimpleNamespace
from typing import Any, cast

from jlab_tui.services.kernel.variables_probe import probe
from jlab_tui.services.session.runner import Runner
from jlab_tui.services.session.variables import list_variables


class Hostile:
    """Raises wherever it is asked."""

    @property
    def dtype(self) -> str:
        raise RuntimeError("no")

    @property
    def shape(self) -> tuple[int, ...]:
        raise ValueError("not yet built")

    @property
    def nbytes(self) -> int:
        raise OSError

    def __sizeof__(self) -> int:
        raise MemoryError

    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError


class Frame:
    """Answers to the names of its columns, as a data frame does."""

    shape = (2, 2)

    def __getattr__(self, name: str) -> str:
        return "0    a\n1    b"


class Stuck:
    """Does not answer before `answers` is set."""

    answers = threading.Event()

    @property
    def shape(self) -> tuple[int, ...]:
        self.answers.wait()
        return ()


class Array:
    shape = (3, 4)
    dtype = "float32"
    device = "cuda:0"
    nbytes = 48


def rows(
    variables: dict[str, Any], names: list[str] | None = None, each_s: float = 30.0
) -> dict[str, dict[str, Any]]:
    shell = SimpleNamespace(user_ns=variables, user_ns_hidden={"exit"})
    before = dict(variables)
    answer = eval(probe(names, each_s), {"get_ipython": lambda: shell})
    assert variables == before, "the user's variables are as they were"
    return {row["name"]: row for row in json.loads(answer)["rows"]}


def test_one_variable_that_raises_leaves_the_others_readable() -> None:
    found = rows({"a": 1, "bad": Hostile(), "grid": Array(), "exit": 0, "_hidden": 0, "types": types})
    assert set(found) == {"a", "bad", "grid"}
    assert found["a"]["value"] == "1"
    assert found["bad"]["type"].endswith("Hostile") and found["bad"]["dtype"] == ""
    shown = [found["grid"][key] for key in ("shape", "dtype", "device", "bytes")]
    assert shown == ["(3, 4)", "float32", "cuda:0", 48]


def test_one_variable_that_never_answers_is_named_and_leaves_the_others_readable() -> None:
    try:
        found = rows({"a": 1, "one": Stuck(), "b": 2, "two": Stuck(), "c": 3}, each_s=1.0)
    finally:
        Stuck.answers.set()
    assert [found[name]["value"] for name in "abc"] == ["1", "2", "3"]
    for name in ("one", "two"):
        assert found[name]["type"].endswith("Stuck") and found[name]["value"] == "(does not answer)"


def test_of_many_variables_the_largest_are_shown() -> None:
    found = rows({**{f"v{n}": n for n in range(300)}, "large": "x" * 5000})
    assert len(found) == 200 and next(iter(found)) == "large"


def test_a_column_is_not_taken_for_an_attribute() -> None:
    frame = rows({"frame": Frame()})["frame"]
    assert (frame["shape"], frame["dtype"], frame["device"]) == ("(2, 2)", "", "")


def test_named_variables_are_shown_even_when_hidden() -> None:
    assert set(rows({"_x": "a", "y": "b"}, ["_x", "ghost"])) == {"_x"}


async def test_a_kernel_without_expressions_is_told_to_need_python() -> None:
    async def evaluate(expression: str, timeout: float) -> dict[str, Any]:
        return {"status": "ok", "user_expressions": {}}  # such as the bash kernel's

    runner = cast(Runner, SimpleNamespace(evaluate=evaluate))
    assert "A Python kernel is needed" in await list_variables(runner, None)
