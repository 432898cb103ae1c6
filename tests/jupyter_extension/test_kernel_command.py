from __future__ import annotations

import json
from pathlib import Path

import pytest

from jlab_tui.jupyter_extension.kernel_command import KERNEL_STARTUP, addition, with_safe_start
from tests.jupyter_extension.servers import PYTHON, Channel, Server, owning

MARK = "print(get_ipython().kernel.iopub_thread.socket.sndhwm)"


@pytest.mark.parametrize(
    "command",
    [
        ["python", "-m", "ipykernel_launcher", "-f", "c.json"],
        ["conda", "run", "-n", "e", "python", "-m", "ipykernel", "-f", "c.json"],
    ],
)
def test_a_plain_ipython_command_gets_a_configuration_file(command: list[str]) -> None:
    assert addition(command) == [f"--IPKernelApp.extra_config_file={KERNEL_STARTUP}"]


@pytest.mark.parametrize(
    "command",
    [
        ["R", "--slave", "-e", "IRkernel::main()", "--args", "c.json"],
        ["bash", "-c", "exec python -m ipykernel_launcher -f c.json"],
        ["run.sh", "ipykernel_launcher", "c.json"],
        ["python", "-m", "ipykernel_launcher", "-f", "c.json", "--config=mine.py"],
        ["python", "-m", "ipykernel_launcher", "--IPKernelApp.extra_config_file=mine.py", "-f", "c.json"],
    ],
)
def test_other_commands_and_those_with_a_file_of_their_own_stay_as_they_are(command: list[str]) -> None:
    assert addition(command) == []


@pytest.mark.parametrize(
    ("lib", "is_safe"),
    [
        (["python3.11"], True),
        (["python3.9"], False),
        (["python3.12", "python3.13"], False),
        ([], False),
        (["python3.dist"], False),
    ],
)
def test_a_kernel_starts_without_the_notebooks_directory_where_its_python_knows_how(
    tmp_path: Path, lib: list[str], is_safe: bool
) -> None:
    for name in lib:
        (tmp_path / "a [b]" / "lib" / name).mkdir(parents=True)
    command = [str(tmp_path / "a [b]" / "bin" / "python"), "-X", "dev", "-m", "ipykernel_launcher", "-f", "c"]
    safe = [command[0], "-P", *command[1:]]
    assert with_safe_start(command) == (safe if is_safe else command)
    others = [["R", "-m", "ipykernel_launcher"], [command[0], "-m", "bash_kernel"], []]
    assert [with_safe_start(other) for other in others] == others


async def test_a_kernel_of_ours_holds_more_from_its_start_and_shows_no_trace(server: Server) -> None:
    async with owning(server) as channel:
        assert await channel.run(MARK) == "1000000\n"
        left = "print([n for n in globals() if 'mark' in n.lower() or 'init_iopub' in n])"
        assert await channel.run(left) == "[]\n"
        app = "from ipykernel.kernelapp import IPKernelApp; a = IPKernelApp.instance(); "
        assert await channel.run(app + "print('init_iopub' in vars(a), a.context.sockopts)") == "False {}\n"
        server.http.post(f"api/kernels/{channel.kernel}/restart")
        await channel.obituary()
        assert await channel.run(MARK) == "1000000\n"


async def test_the_mark_of_a_running_kernel_is_never_touched(server: Server) -> None:
    """Changing it while a reader's connection ends, as at a session's start, crashes the kernel."""
    spec = server.folder / "home/.local/share/jupyter/kernels/wrapped/kernel.json"
    spec.parent.mkdir(parents=True)
    argv = ["sh", "-c", f'exec {PYTHON} -m ipykernel_launcher -f "$0"', "{connection_file}"]
    content = {"argv": argv, "display_name": "wrapped", "language": "python"}
    spec.write_text(json.dumps(content), encoding="utf-8")
    kernel = server.http.post("api/kernels", json={"name": "wrapped"}).json()["id"]
    channel = Channel(server, kernel)
    channel.claim()
    await channel.open()
    assert await channel.run(MARK) == "1000\n"
    await channel.close()
