"""Kills the worker at random moments of calls that change something, in both protocols: each call is answered whole, and its code runs once.

python benchmarks/deaths.py [COUNT] [SEED]
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ground import Project, server

from tests.e2e.processes import Wire, journal_text, process_of, text_of, worker_of
from tests.project import outputs_text, read_notebook, until

LINES = [f"line {i}" for i in range(6)]
CODE = """\
import time
with open({ran!r}, "a") as file: print("ran", file=file)
for i in range(6): print("line", i, flush=True); time.sleep(0.1)
'the end'"""
LONGEST_S = 1.6
"""after so long a call has its answer"""


@dataclass
class Round:
    """One protocol's client."""

    project: Project
    relay: Wire
    directory: Path
    chance: random.Random
    failures: list[str] = field(default_factory=list)

    async def killed(
        self, call: asyncio.Future[dict[str, Any]], when: Callable[[], Awaitable[object]]
    ) -> dict[str, Any]:
        await when()
        os.kill(await worker_of(self.relay), signal.SIGKILL)
        return await asyncio.wait_for(call, 120)

    async def at_random(self) -> None:
        await asyncio.sleep(self.chance.uniform(0.0, LONGEST_S))

    def check(self, what: str, *, is_right: bool, seen: object) -> None:
        if not is_right:
            self.failures.append(f"{what}: {seen}")

    def check_run(self, what: str, text: str, ran: Path) -> None:
        lines = [line for line in text.splitlines() if line.startswith("line ")]
        self.check(what, is_right=lines == LINES and "'the end'" in text, seen=text)
        self.check(f"{what}: runs", is_right=ran.read_text().split() == ["ran"], seen=ran.read_text())

    def check_cells(self, what: str, notebook: Path, count: int) -> None:
        cells = [cell for cell in read_notebook(notebook)["cells"] if cell["cell_type"] == "code"]
        lines = [[x for x in outputs_text(cell).splitlines() if x.startswith("line ")] for cell in cells]
        self.check(f"{what}: cells", is_right=len(cells) == count, seen=len(cells))
        self.check(f"{what}: outputs", is_right=all(each == LINES for each in lines), seen=lines)


async def execute(round: Round, count: int) -> None:
    opened = await round.relay.record("start_new_session", experiment_name="execute")
    session = opened["session_id"]
    for number in range(1, count + 1):
        ran = round.directory / f"execute{number}"
        _, call = round.relay.call("execute_code", session_id=session, code=CODE.format(ran=str(ran)))

        async def recorded(run: str = f'"run":"{session}-{number}"') -> None:
            """Just before the code is sent, or just after."""
            await until(lambda: run in journal_text(round.project, session))

        answer = await round.killed(call, recorded if number % 4 == 0 else round.at_random)
        round.check_run(f"execute_code {number}", text_of(answer), ran)
    await round.relay.text("read_notebook", session_id=session)
    await round.relay.text("shutdown_session", session_id=session)
    round.check_cells("execute_code", Path(opened["notebook_path"]), count)


async def edit(round: Round, count: int) -> None:
    opened = await round.relay.record("start_new_session", experiment_name="edit")
    session = opened["session_id"]
    await round.relay.text("execute_code", session_id=session, code="x = 1")
    for number in range(1, count + 1):
        ran = round.directory / f"edit{number}"
        _, call = round.relay.call(
            "edit_cell", session_id=session, cell=0, source=CODE.format(ran=str(ran)) + f"  # {number}"
        )
        answer = await round.killed(call, round.at_random)
        round.check_run(f"edit_cell {number}", text_of(answer), ran)
    await round.relay.text("shutdown_session", session_id=session)
    round.check_cells("edit_cell", Path(opened["notebook_path"]), 1)


async def open_new(round: Round, count: int) -> None:
    for number in range(1, count + 1):
        name = f"new-{round.directory.name}-{number}th"
        _, call = round.relay.call("start_new_session", experiment_name=name)
        opened = json.loads(text_of(await round.killed(call, round.at_random)))
        path = Path(opened["notebook_path"])
        named = sorted(each.name for each in path.parent.glob(f"{name}*.ipynb"))
        round.check(f"start_new_session {number}", is_right=named == [path.name], seen=named)
        said = await round.relay.text("execute_code", session_id=opened["session_id"], code="6 * 7")
        round.check(f"start_new_session {number}: use", is_right="42" in said, seen=said)
        await round.relay.text("shutdown_session", session_id=opened["session_id"])


async def resume(round: Round, count: int) -> None:
    ran = round.directory / "resume"
    opened = await round.relay.record("start_new_session", experiment_name="resume")
    for code in ("a = 1", CODE.format(ran=str(ran)), "a + 41"):
        await round.relay.text("execute_code", session_id=opened["session_id"], code=code)
    await round.relay.text("shutdown_session", session_id=opened["session_id"])
    for number in range(1, count + 1):
        ran.unlink()
        _, call = round.relay.call("start_session_resume_notebook", notebook_path=opened["notebook_path"])
        answer = json.loads(text_of(await round.killed(call, round.at_random)))
        states = [cell["state"] for cell in answer.get("cells", [])]
        right = answer.get("reexecution") == "done" and states == ["ok"] * 3
        round.check(f"start_session_resume_notebook {number}", is_right=right, seen=answer)
        round.check(f"start_session_resume_notebook {number}: runs", is_right=ran.read_text().split() == ["ran"], seen=ran.read_text())  # fmt: skip
        await round.relay.text("shutdown_session", session_id=answer["session_id"])


@asynccontextmanager
async def relayed(project: Project, capabilities: dict[str, Any] | None) -> AsyncIterator[Wire]:
    starting = process_of(project, capabilities, ())
    wire = await asyncio.to_thread(starting.__enter__)
    try:
        yield wire
    finally:
        await asyncio.to_thread(starting.__exit__, None, None, None)


async def main(count: int, seed: int) -> int:
    failures: list[str] = []
    with server() as project, tempfile.TemporaryDirectory() as place:
        for era, capabilities in (("handshake", None), ("2026-07-28", {})):
            async with relayed(project, capabilities) as relay:
                directory = Path(place) / era
                directory.mkdir()
                for part, times in ((execute, count), (edit, count // 4), (open_new, count // 4), (resume, count // 4)):  # fmt: skip
                    round = Round(project, relay, directory, random.Random(f"{seed} {era} {part.__name__}"))
                    began = time.monotonic()
                    await part(round, times)
                    failures += [f"{era}: {each}" for each in round.failures]
                    took = time.monotonic() - began
                    print(f"{era}, {part.__name__}: {times} deaths, {len(round.failures)} failures, {took:.0f} s", flush=True)  # fmt: skip
    print("\n".join(failures) or "every call whole, all code once, every cell once")
    return 1 if failures else 0


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    sys.exit(asyncio.run(main(*(numbers + [40, 1][len(numbers) :]))))
