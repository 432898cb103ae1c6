"""Time of calls: check_resources, a dead kernel's reply, ESC, eight sessions at once, launch, a new session.

python benchmarks/promises.py [resources|deaths|esc|side-by-side|launch|session ...]
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ground import Agent, Project, compare, measure, raw_execute, row, server
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager, start_new_async_kernel

from tests.e2e.processes import Wire, until_printed, wire
from tests.project import COMMAND

HELLO = (
    b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},'
    b'"clientInfo":{"name":"b","version":"1"}}}\n'
)
BARE = "from mcp.server.mcpserver import MCPServer; MCPServer('bare').run('stdio')"
OOM = "import resource; resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30)); x = bytearray(2 << 30)"
DEATHS = {
    "os._exit(1)": ("", "os._exit(1)"),
    "SIGKILL": ("", "os.kill(os.getpid(), 9)"),
    "SIGSEGV": ("import ctypes", "ctypes.string_at(0)"),
    "exit()": ("", "exit()"),
    "SIGKILL after taking 2 GB": (OOM, "os.kill(os.getpid(), 9)"),
}
ENDINGS = {
    "time.sleep(600)": "import time; time.sleep(600)",
    "python loop": "while True: pass",
}


async def resources(agent: Agent, project: Project) -> None:
    row(
        "check_resources",
        [await measure(lambda: agent.text("check_resources")) for _ in range(40)],
        reach="(reach 20 ms)",
    )


async def deaths(agent: Agent, project: Project) -> None:
    for name, (before, code) in DEATHS.items():
        session = await agent.session("death")
        begin = f"import os, time, pathlib\n{before}\npathlib.Path('dies').write_text(repr(time.time()))\n"
        await agent.text("execute_code", session_id=session, code="1")
        reply = await agent.text("execute_code", session_id=session, code=begin + code)
        late = time.time() - float((project.root / "notebooks" / "dies").read_text(encoding="utf-8"))
        again = await agent.text("execute_code", session_id=session, code="6 * 7")
        reply_line = next(line for line in reply.splitlines() if "KernelDied" in line)
        print(
            f"{name:<28} reported after {late:4.2f} s (reach 1): {reply_line}; next run: {again.splitlines()[0]}",
            flush=True,
        )
        await agent.text("shutdown_session", session_id=session)


async def esc(agent: Agent, project: Project) -> None:
    async with wire(project) as client:
        for name, code in ENDINGS.items():
            opened = await client.record("start_new_session", experiment_name="esc")
            session = str(opened["session_id"])
            request, _ = client.call(
                "execute_code", session_id=session, code="print('begun', flush=True)\n" + code
            )
            await until_printed(project, session, "begun")
            late = await measure(lambda c=client, s=session, r=request: _cancelled(c, s, r))
            print(f"ESC on {name:<21} idle after {late / 1000:4.2f} s (reach 1)", flush=True)
            await client.text("shutdown_session", session_id=session)


async def _cancelled(client: Wire, session: str, request: int) -> None:
    client.cancel(request, "AbortError: user-cancel")
    assert "interrupted after" in await client.text("wait_for_run", run_id=f"{session}-1")


async def side_by_side(agent: Agent, project: Project) -> None:
    sessions = await asyncio.gather(*(agent.session(f"s{n}") for n in range(8)))
    work = "sum(i * i for i in range(2_000_000))"
    replies = await asyncio.gather(*(agent.text("execute_code", session_id=s, code=work) for s in sessions))
    print(f"8 sessions at once: {len({r.splitlines()[0] for r in replies})} answer, {len(replies)} replies")
    alone = [
        await measure(lambda: agent.text("execute_code", session_id=sessions[0], code="1 + 1"))
        for _ in range(10)
    ]
    sleeping = asyncio.create_task(
        agent.text("execute_code", session_id=sessions[1], code="import time; time.sleep(5)")
    )
    beside = [
        await measure(lambda: agent.text("execute_code", session_id=sessions[0], code="1 + 1"))
        for _ in range(10)
    ]
    assert not sleeping.done()
    row("1 + 1 beside a session that sleeps", beside, alone)
    await sleeping
    for session in sessions:
        await agent.text("shutdown_session", session_id=session)


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


async def launch(agent: Agent, project: Project) -> None:
    def cpu_and_wall(command: list[str]) -> tuple[float, float]:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=project.root,
            env=project.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(HELLO)
        process.stdin.flush()
        process.stdout.readline()
        wall = time.perf_counter() - began
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="utf-8")
        ticks = sum(map(cpu_ticks, [process.pid, *map(int, children.split())]))
        process.kill()
        process.communicate()
        return wall * 1000, ticks * 1000 / os.sysconf("SC_CLK_TCK")

    ours, bare = [], []
    for _ in range(8):
        ours.append(cpu_and_wall([COMMAND]))
        bare.append(cpu_and_wall([sys.executable, "-c", BARE]))
    row("launch to the first reply", [t for t, _ in ours], [t for t, _ in bare], "(reach 1.0)")
    row("the same in CPU time", [c for _, c in ours], [c for _, c in bare], "(reach 1.0)")


async def session(agent: Agent, project: Project) -> None:
    sessions: list[str] = []
    kernels: list[tuple[AsyncKernelManager, AsyncKernelClient]] = []

    async def open_only() -> None:
        sessions.append(await agent.session("start"))

    async def open_and_run() -> None:
        await open_only()
        await agent.text("execute_code", session_id=sessions[-1], code="1 + 1")

    async def raw() -> None:
        kernels.append(await start_new_async_kernel(cwd=str(project.root), stderr=subprocess.DEVNULL))
        await raw_execute(kernels[-1][1], "1 + 1")

    opened, ran, direct = await compare(8, open_only, open_and_run, raw, warm_up=1)
    row("start_new_session answers", opened)
    row("a new session's first result / a raw kernel's", ran, direct, "(reach 1.3)")
    for manager, client in kernels:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
    for each in sessions:
        await agent.text("shutdown_session", session_id=each)


PARTS = {
    "resources": resources,
    "deaths": deaths,
    "esc": esc,
    "side-by-side": side_by_side,
    "launch": launch,
    "session": session,
}


async def main(names: list[str]) -> None:
    with server() as project:
        async with project.client() as agent:
            for name in names or PARTS:
                await PARTS[name](agent, project)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    asyncio.run(main(sys.argv[1:]))
