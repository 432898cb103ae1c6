"""Arguments that several tools share, and which tools a client may call beside others."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from jlab_tui.mcp_server.tool_arguments import WAIT_MAX_S, CellRef, WaitS

from .listed import listed_tools


@pytest.mark.parametrize("seconds", [None, 0, 0.5, WAIT_MAX_S])
def test_a_call_may_wait_for_any_time_that_clients_allow(seconds: float | None) -> None:
    assert TypeAdapter(WaitS).validate_python(seconds) == seconds


@pytest.mark.parametrize("seconds", [-1, WAIT_MAX_S + 1, float("nan"), "soon"])
def test_a_call_cannot_wait_longer_than_clients_do(seconds: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(WaitS).validate_python(seconds)


@pytest.mark.parametrize("cell", ["a1b2c3d4", "3", 0, -1])
def test_a_cell_is_named_by_its_id_or_its_index(cell: str | int) -> None:
    found = TypeAdapter[str | int](CellRef).validate_python(cell)
    assert found == cell and type(found) is type(cell)


@pytest.mark.parametrize("cell", [True, 1.0, None, ["a1b2c3d4"]])
def test_an_argument_that_is_neither_id_nor_index_is_refused(cell: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter[str | int](CellRef).validate_python(cell)


async def test_only_what_changes_nothing_may_be_called_beside_other_calls() -> None:
    tools = await listed_tools()
    reads = {name for name, tool in tools.items() if tool.annotations and tool.annotations.read_only_hint}
    assert reads == {
        "ping", "check_resources", "wait_for_run", "read_output", "read_notebook", "inspect_variables",
    }  # fmt: skip
