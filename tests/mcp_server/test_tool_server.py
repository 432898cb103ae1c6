"""What a client gets for a wrong call, a refused one and one that fails; the tools are small ones of these tests."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Annotated

import pytest
from mcp import Client
from mcp_types import CallToolResult, TextContent
from pydantic import Field

from jlab_tui.core.errors import SessionBusy
from jlab_tui.mcp_server.tool_server import INSTRUCTIONS, JlabServer
from tests.project import Era

from .listed import listed_tools, server_without_app


def server() -> JlabServer:
    made = JlabServer("test")

    async def greet(name: str, times: Annotated[int, Field(ge=1, le=3)] = 1) -> str:
        """Greets."""
        return f"hello {name} " * times

    async def refuse() -> str:
        """Cannot now."""
        raise SessionBusy("Run a-1 is in progress.", "Call wait_for_run('a-1').")

    async def fail() -> str:
        """Has a fault."""
        raise KeyError("lost")

    async def go_on_at_length() -> str:
        """Refuses, with much to say."""
        raise SessionBusy("first words " + "x" * 100_000, "last words")

    for tool in (greet, refuse, fail, go_on_at_length):
        made.add_tool(tool, structured_output=False)

    @made.resource("test://refused")
    async def refused() -> str:
        raise SessionBusy("Run a-1 is in progress.", "Call wait_for_run('a-1').")

    return made


async def call(tool: str, **arguments: object) -> CallToolResult:
    async with Client(server()) as client:
        return await client.call_tool(tool, arguments)


async def error(tool: str, **arguments: object) -> str:
    result = await call(tool, **arguments)
    (block,) = result.content
    assert result.is_error and isinstance(block, TextContent)
    return block.text


async def test_a_good_call_is_answered() -> None:
    result = await call("greet", name="Ada", times=2)
    assert not result.is_error and result.content == [TextContent(type="text", text="hello Ada hello Ada ")]


@pytest.mark.parametrize(
    ("tool", "arguments", "expected"),
    [
        ("greeet", {}, "There is no tool 'greeet'. Did you mean 'greet'?"),
        ("zzz", {}, "There is no tool 'zzz'."),
        (
            "greet",
            {"name": "Ada", "time": 2},
            "greet has no argument 'time'. Did you mean 'times'? Nothing was done. Its arguments are: name, times.",
        ),
        (
            "refuse",
            {"force": True},
            "refuse has no argument 'force'. Nothing was done. Its arguments are: none.",
        ),
        ("greet", {}, "greet: argument 'name' is missing. Nothing was done."),
        (
            "greet",
            {"name": "Ada", "times": 4},
            "greet: times: Input should be less than or equal to 3. Nothing was done.",
        ),
    ],
)
async def test_a_wrong_call_is_answered_with_what_is_wrong_and_the_nearest_name(
    tool: str, arguments: dict[str, object], expected: str
) -> None:
    assert await error(tool, **arguments) == expected


@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_an_argument_that_is_null_counts_as_left_out(era: Era) -> None:
    async with Client(server(), mode=era) as client:
        greeted = await client.call_tool("greet", {"name": "Ada", "times": None})
        assert greeted.content == [TextContent(type="text", text="hello Ada ")]
    assert await error("greet", name=None) == "greet: argument 'name' is missing. Nothing was done."


async def test_a_refusal_carries_the_next_call() -> None:
    assert await error("refuse") == "Run a-1 is in progress. Call wait_for_run('a-1')."


async def test_a_fault_of_ours_is_called_one_and_logged_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        said = await error("fail")
    assert said.startswith("jlab-mcp failed in fail (KeyError: 'lost').") and "Call ping" in said
    assert any(record.exc_info and "tool fail failed" in record.message for record in caplog.records)


async def test_a_long_error_keeps_both_its_ends() -> None:
    said = await error("go_on_at_length")
    assert said.startswith("first words") and said.endswith("last words") and len(said) < 10_000


async def test_a_resource_that_is_refused_says_what_to_call() -> None:
    async with Client(server()) as client:
        with pytest.raises(Exception, match=r"Run a-1 is in progress\. Call wait_for_run\('a-1'\)\."):
            await client.read_resource("test://refused")


async def test_a_client_connects_before_the_tools_are_there_and_finds_all_of_them() -> None:
    made = server_without_app()
    async with Client(made) as client:
        assert made.register is not None
        assert {tool.name for tool in (await client.list_tools()).tools} == set(await listed_tools())
        assert made.register is None


async def test_every_tool_says_what_it_may_lose_and_whether_it_runs_code_that_may_reach_anything() -> None:
    tools = (await listed_tools()).values()
    assert all(tool.title and tool.annotations for tool in tools)
    loses = {t.name for t in tools if t.annotations and t.annotations.destructive_hint}
    assert loses == {"delete_cell", "restart_kernel", "shutdown_session"}
    runs_code = {t.name for t in tools if t.annotations and t.annotations.open_world_hint is not False}
    assert runs_code == {
        "execute_code", "run_cell", "edit_cell", "execute_scratch", "start_session_resume_notebook",
    }  # fmt: skip


async def test_schemas_carry_no_titles_no_null_and_no_empty_defaults() -> None:
    def words(schema: object) -> list[object]:
        if isinstance(schema, dict):
            return [*schema, *(word for value in schema.values() for word in words(value))]
        return [word for value in schema for word in words(value)] if isinstance(schema, list) else [schema]

    for tool in (await listed_tools()).values():
        said = words(tool.input_schema)
        assert not [word for word in said if word in ("title", "null", "") or word is None], tool.name


async def test_arguments_of_several_tools_are_explained_once() -> None:
    uses = Counter(
        (name, schema.get("description"))
        for tool in (await listed_tools()).values()
        for name, schema in tool.input_schema["properties"].items()
    )
    shared = {name: description for (name, description), count in uses.items() if count > 1}
    assert {"session_id", "run_id", "cell", "wait_s", "notebook_path"} <= shared.keys()
    assert set(shared.values()) == {None}
    assert all(name in INSTRUCTIONS for name in shared.keys() - {"code"})
