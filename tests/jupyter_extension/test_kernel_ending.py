"""How kernels end: in their own time where they are idle, and never behind their owner's back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from .servers import PYTHON, Server, owning, serving, until

SLOW_EXIT = """
import atexit, time
def finish():
    log = open({log!r}, 'a')
    log.write('begun '); log.flush()
    time.sleep({seconds})
    log.write('uploaded '); log.close()
atexit.register(finish);
"""


POOL = "import multiprocessing; pool = multiprocessing.get_context('{}').Pool(2); pool.map(abs, [1])"
"""a pool starts a new worker for each that ends"""


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that gives an idle kernel 10 s to end."""
    with serving(tmp_path_factory.mktemp("hasty"), lab=False, end_s=10) as server:
        yield server


@pytest.mark.parametrize("how", ["restarted", "shut down", "left"])
async def test_an_idle_kernel_ends_in_its_own_time(hasty: Server, tmp_path: Path, how: str) -> None:
    log = tmp_path / "log"
    async with owning(hasty) as channel:
        await channel.run(SLOW_EXIT.format(log=str(log), seconds=3))
        path = f"api/kernels/{channel.kernel}"
        if how == "restarted":
            answer = await asyncio.to_thread(hasty.http.post, f"{path}/restart")
            assert answer.status_code == 200
        elif how == "shut down":
            assert (await asyncio.to_thread(hasty.http.delete, path)).status_code == 204
    until(lambda: log.exists() and "uploaded" in log.read_text(), "what was registered at exit ran", 40)
    assert log.read_text() == "begun uploaded "
    assert hasty.kernels()[channel.kernel]["cut_after_s"] is None


async def test_a_kernel_that_does_not_end_is_killed_and_reported(hasty: Server, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with owning(hasty) as channel:
        await channel.run(SLOW_EXIT.format(log=str(log), seconds=600))
        answer = await asyncio.to_thread(hasty.http.post, f"api/kernels/{channel.kernel}/restart")
        assert answer.status_code == 200
        assert log.read_text() == "begun "
        assert hasty.kernels()[channel.kernel]["cut_after_s"] == 10
        answer = await asyncio.to_thread(hasty.http.post, f"api/kernels/{channel.kernel}/restart")
        assert hasty.kernels()[channel.kernel]["cut_after_s"] is None, "this time it ended by itself"


@pytest.mark.parametrize(
    "child",
    [
        "import subprocess; child = subprocess.Popen(['sleep', '600'])",
        POOL.format("fork"),
        POOL.format("spawn"),
        POOL.format("forkserver"),
        "from multiprocessing.shared_memory import SharedMemory; memory = SharedMemory(create=True, size=8)",
    ],
    ids=["process", "pool that forks", "pool that spawns", "pool with a server", "resource tracker"],
)
async def test_a_kernel_whose_children_end_with_it_ends_in_its_own_time(
    hasty: Server, tmp_path: Path, child: str
) -> None:
    log = tmp_path / "log"
    async with owning(hasty) as channel:
        await channel.run(child + "\n" + SLOW_EXIT.format(log=str(log), seconds=0))
        answer = await asyncio.to_thread(hasty.http.post, f"api/kernels/{channel.kernel}/restart")
        assert answer.status_code == 200
        assert hasty.kernels()[channel.kernel]["cut_after_s"] is None
    assert log.read_text() == "begun uploaded "


async def test_a_kernel_that_has_not_answered_yet_is_not_waited_for(tmp_path: Path) -> None:
    """While it starts it can miss both the interrupt and the request to end, and it holds nothing to save."""
    spec = tmp_path / "specs" / "kernels" / "deaf"
    spec.mkdir(parents=True)
    deaf = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(600)"
    argv = [PYTHON, "-c", deaf, "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "d", "language": "d"}))
    specs = {"kernelspec_dirs": [str(tmp_path / "specs")], "default_kernel": "deaf"}
    with serving(tmp_path / "s", lab=False, end_s=600, **specs) as server:
        kernels = [server.start_kernel(), server.start_kernel()]
        assert server.claim(kernels[1], "mine").status_code == 200
        ends = (asyncio.to_thread(server.http.delete, f"api/kernels/{kernel}") for kernel in kernels)
        assert [answer.status_code for answer in await asyncio.gather(*ends)] == [204, 204]


def culling(folder: Path, *lines: str) -> Path:
    config = folder / "home" / ".jupyter" / "jupyter_server_config.py"
    config.parent.mkdir(parents=True)
    rules = ["cull_idle_timeout = 2", "cull_interval = 1", *lines]
    config.write_text("".join(f"c.MappingKernelManager.{rule}\n" for rule in rules), encoding="utf-8")
    return folder


async def test_jupyter_culls_no_kernel_whose_owner_is_there(tmp_path: Path) -> None:
    with serving(culling(tmp_path / "s"), lab=False) as server:
        async with owning(server) as channel:
            await channel.run("precious = 42")
            nobodys = server.start_kernel()
            until(lambda: not server.alive(nobodys), "a kernel of nobody is culled", 40)
            (mine,) = server.http.get("api/kernels").json()
            assert mine["id"] == channel.kernel and mine["connections"] == 1
            assert await channel.run("print(precious)") == "42\n"
        until(lambda: not server.alive(channel.kernel), "its owner has left", 40)


async def test_a_kernel_that_jupyter_culls_anyway_is_reported_with_the_rule(tmp_path: Path) -> None:
    with serving(culling(tmp_path / "s", "cull_connected = True"), lab=False) as server:
        async with owning(server) as channel:
            told = await channel.obituary(40)
    assert told["cause"] == "culled"
    assert told["detail"] == (
        "Jupyter's own configuration ends kernels that are idle for 2 s "
        "(cull_idle_timeout and cull_connected of MappingKernelManager)"
    )


async def test_a_busy_kernel_is_not_waited_for_and_its_cut_is_told(hasty: Server, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with owning(hasty) as channel:
        await channel.run(SLOW_EXIT.format(log=str(log), seconds=600))
        msg_id = await channel.send("import time; print('on', flush=True); time.sleep(600)")
        await channel.until(lambda _, message: message.msg_type == "stream")
        answer = await asyncio.to_thread(hasty.http.post, f"api/kernels/{channel.kernel}/restart")
        assert answer.status_code == 200
        assert hasty.kernels()[channel.kernel]["cut_after_s"] == 2.5
        until(
            lambda: hasty.kernels()[channel.kernel]["requests"][msg_id]["state"] in ("done", "lost"),
            "the recorder has learned of it, a moment after the answer",
            40,
        )
