"""Floods of output and hostile output: everything is recorded, the reply stays small, the process continues."""

from __future__ import annotations

import base64
import json
import signal
from pathlib import Path

import pytest

from tests.e2e.floods import FLOODS, NOISE
from tests.e2e.processes import lasting_wire, wire
from tests.project import Agent, text_of, until
from tests.shared import SharedProject

REPLY_CHARS, REPLY_BYTES = 25_000, 8_000_000


async def run(agent: Agent, session: str, code: str) -> str:
    """Run to the end; text of the last reply, which must be small enough."""
    result = await agent.call("execute_code", session_id=session, code=code, wait_s=90)
    for _ in range(4):
        if "Still running" not in text_of(result):
            break
        run_id = text_of(result).partition('run_id="')[2].partition('"')[0]
        result = await agent.call("wait_for_run", run_id=run_id, wait_s=90)
    assert not result.is_error, text_of(result)
    assert len(text_of(result)) < REPLY_CHARS
    assert len(result.model_dump_json()) < REPLY_BYTES
    return text_of(result)


async def notebook_path(agent: Agent, session: str) -> Path:
    sessions = (await agent.record("ping"))["sessions"]
    return Path(next(s["notebook_path"] for s in sessions if s["session_id"] == session))


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", FLOODS)
async def test_every_byte_of_a_flood_is_recorded(shared_server: SharedProject, name: str) -> None:
    flood = FLOODS[name]
    # The full lengths are in benchmarks/floods.py; two thousand messages go the same way as a hundred thousand.
    code = flood.code.replace("100_000", "2_000").replace("10_000", "2_000").replace("500_000", "200_000")
    async with shared_server.shared_client() as agent:
        session = await agent.session("flood")
        reply = await run(agent, session, code)
        assert ": ok," in reply, reply[-300:]
        await until(lambda: any(e["k"] == "finished" for e in shared_server.journal(session)))
        entries = shared_server.journal(session)
        text = "".join(e["text"] for e in entries if e["k"] == "text")
        shown = [e for e in entries if e["k"] == "data"]
        images = [e for e in shown if "image/png" in e["data"]]
        assert len(images) == flood.images
        assert len(shown) - len(images) == min(flood.others, 2_000)
        if "prints" in name:
            assert text == "".join(f"{i}\n" for i in range(2_000))
        else:
            assert len(text) == (2_000 * 20 if "progress" in name else flood.characters * 2 // 5)
        assert not [e for e in entries if e["k"] == "dropped"]
        if images:
            last = await agent.call("read_output", run_id=f"{session}-1", images=[flood.images])
            (block,) = [b for b in last.content if b.type == "image"]
            assert base64.b64decode(block.data) == base64.b64decode(images[-1]["data"]["image/png"])
            assert "images=[" in reply
        elif text:
            tail = await agent.text("read_output", run_id=f"{session}-1", tail=1)
            assert text.rstrip("\n").rpartition("\n")[2].rpartition("\r")[2] in tail
        if "updated" in name:
            assert reply.startswith("1999\n")
            updates = [e for e in entries if e["k"] == "update"]
            assert [u["data"]["text/plain"] for u in updates] == [str(i) for i in range(2_000)]
        if "progress" in name:
            assert reply.lstrip().startswith("1999/10000")
        assert (await agent.text("execute_code", session_id=session, code="6 * 7")).startswith("42\n")
        path = await notebook_path(agent, session)
        await agent.text("shutdown_session", session_id=session)
        (first, _) = json.loads(path.read_text(encoding="utf-8"))["cells"]
        if flood.images:
            assert sum("image/png" in output.get("data", ()) for output in first["outputs"]) == flood.images
        else:
            assert len(json.dumps(first)) < 9_000_000
        if len(text) > 2_000_000:
            assert "read_output" in json.dumps(first)


HOSTILE = {
    "NUL bytes": ("print('a\\0b')", "ab"),
    "lone surrogates": ("print('a\\ud800b')", "a"),
    "invalid UTF-8": ("import os, time; os.write(1, b'a\\xff\\xfeb\\n'); time.sleep(0.5)", "a"),
    "broken image": (
        "from IPython.display import display\ndisplay({'image/png': 'iVBORw0KGgoAAAA='}, raw=True)",
        "cannot be decoded",
    ),
    "image that is not base64": (
        "from IPython.display import display\ndisplay({'image/png': '!!!'}, raw=True)",
        "image",
    ),
    "image bomb": (
        NOISE
        + "def bomb(w, h): return png(8)[:16] + struct.pack('>II', w, h) + png(8)[24:29] + struct.pack('>I', zlib.crc32(b'IHDR' + struct.pack('>II', w, h) + png(8)[24:29])) + png(8)[33:]\n"
        "display({'image/png': base64.b64encode(bomb(100_000, 100_000)).decode()}, raw=True)",
        "100000x100000",
    ),
    "escape sequences without end": ("print('\\x1b[' + '1;' * 1000 + 'x', '\\x1b]0;' + 'y' * 1000)", "run"),
    "data of no known type": (
        "from IPython.display import display\ndisplay({'application/x-mine': {'a': [1, None]}}, raw=True)",
        "application/x-mine",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_output_is_described_and_the_session_continues(
    shared_server: SharedProject, name: str
) -> None:
    code, wanted = HOSTILE[name]
    async with shared_server.shared_client() as agent:
        session = await agent.session("hostile")
        reply = await run(agent, session, code)
        assert wanted in reply and ": ok," in reply, reply
        await agent.text("read_output", run_id=f"{session}-1")
        await agent.text("read_notebook", session_id=session, cells=[0])
        assert (await agent.text("execute_code", session_id=session, code="6 * 7")).startswith("42\n")
        path = await notebook_path(agent, session)
        await agent.text("shutdown_session", session_id=session)
        assert len(json.loads(path.read_text(encoding="utf-8"))["cells"]) == 2


async def test_code_of_5_mb_runs(shared_server: SharedProject) -> None:
    async with shared_server.shared_client() as agent:
        session = await agent.session("long code")
        code = "text = '" + "x" * 5_000_000 + "'\nlen(text)"
        assert (await run(agent, session, code)).startswith("5000000\n")
        await agent.text("shutdown_session", session_id=session)


async def test_bad_arguments_are_refused_with_the_reason(shared_server: SharedProject) -> None:
    async with shared_server.shared_client() as agent:
        session = await agent.session("bad arguments")
        await agent.text("execute_code", session_id=session, code="print('one\\ntwo')")
        for wait in (-1, 1e9, "soon", 86_401):
            assert "wait_s" in await agent.error("execute_code", session_id=session, code="1", wait_s=wait)
        assert "is not a regular expression" in await agent.error(
            "read_output", run_id=f"{session}-1", grep="[a-"
        )
        for run_id in ("", "x", "deadbeef-1", f"{session}-99", "../../etc-1", "a\0b-1"):
            assert "There is no run" in await agent.error("wait_for_run", run_id=run_id)
        for name in ("", "deadbeef", "../x", "a\0b"):
            assert "There is no session" in await agent.error("execute_code", session_id=name, code="1")
        assert "empty" in await agent.error("execute_code", session_id=session, code=" \n ")
        first = await agent.text(
            "execute_code", session_id=session, code="import time; time.sleep(0.5); 1", wait_s=0
        )
        assert "wait_for_run" in first
        await agent.text("wait_for_run", run_id=f"{session}-2")
        await agent.text("shutdown_session", session_id=session)


async def test_a_torn_journal_is_read_as_far_as_it_goes(shared_server: SharedProject) -> None:
    async with wire(shared_server) as first:
        session = (await first.record("start_new_session", experiment_name="torn"))["session_id"]
        for number in range(3):
            await first.text("execute_code", session_id=session, code=f"print('number', {number})")
        first.signal(signal.SIGKILL)  # so that its kernel is kept for a while
        await first.gone()
    (path,) = shared_server.journals(session)
    whole = path.read_bytes()
    cut = whole.index(b"number 2") + 4
    path.write_bytes(b"\x00\xff not a line\n" + whole[:cut])
    async with lasting_wire(shared_server) as second:
        assert "number 1" in await second.text("read_output", run_id=f"{session}-2")
        assert f"run {session}-3" in await second.text("wait_for_run", run_id=f"{session}-3", wait_s=3)
        found = await second.text("execute_code", session_id=session, code="6 * 7")
        assert found.startswith("42\n"), found
        await second.text("shutdown_session", session_id=session)
