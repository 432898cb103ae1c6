"""Starting, watching and stopping a local server, as a user does it in a shell."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import COMMAND, Mount, Project, alive, project_in, until


def test_start_detached_brings_up_a_server_that_outlives_the_command(project: Project) -> None:
    done = project.run("start", "--detach")
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert re.fullmatch(r"JupyterLab starting \(PID \d+\)\.\.\.", first)
    assert re.fullmatch(r"JupyterLab ready at http://127\.0\.0\.1:\d+ \(PID \d+\)", second)
    record = project.status_file()
    assert record["STATE"] == "ready" and record["MODE"] == "local"
    assert 18000 <= int(record["PORT"]) <= 19000
    assert re.fullmatch(r"[0-9a-f]{48}", record["TOKEN"])
    assert (
        record["LOG"].endswith(f"jupyter-local-{project.status_dir.name}-{record['PORT']}.log")
        and Path(record["LOG"]).exists()
    )
    assert (project.status_dir / "server-status").stat().st_mode & 0o777 == 0o600
    assert project.status_dir.stat().st_mode & 0o777 == 0o700

    again = project.run("start", "24:00:00", "--detach")
    assert again.returncode == 0 and f"PID {record['PID']}" in again.stdout
    assert again.stderr == "jlab-mcp: a local server has no walltime; 24:00:00 is ignored.\n"

    status = project.run("status")
    assert status.returncode == 0 and "ready at" in status.stdout and "kernels" in status.stdout
    facts = json.loads(project.run("status", "--json").stdout)
    assert facts["state"] == "ready" and facts["healthy"] is True and facts["resources"]["cpu_count"] >= 1
    assert project.run("wait").returncode == 0
    assert "is running at" in project.run("logs").stdout

    stopped = project.run("stop")
    assert stopped.returncode == 0 and stopped.stdout == f"JupyterLab (PID {record['PID']}) stopped.\n"
    assert not alive(int(record["PID"])) and not (project.status_dir / "server-status").exists()


def test_the_token_is_nowhere_but_in_private_files(project: Project) -> None:
    project.start()
    record = project.status_file()
    token, pid = record["TOKEN"], int(record["PID"])
    seen = [project.run(*command) for command in (["status"], ["status", "--json"], ["logs"], ["wait"])]
    assert all(token not in run.stdout + run.stderr for run in seen)
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert token.encode() not in path.read_bytes()
        except OSError:
            continue
    assert token.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
    for file in project.home.rglob("*"):
        if file.is_file() and not file.is_fifo() and token.encode() in file.read_bytes():
            above = [d for d in (file, *file.parents) if d.is_relative_to(project.home) and d != project.home]
            assert any(d.stat().st_mode & 0o077 == 0 for d in above), file


def test_two_starts_at_once_make_one_server(project: Project) -> None:
    both = [project.spawn("start", "--detach") for _ in range(2)]
    outputs = [process.communicate(timeout=90)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    pids = {re.findall(r"ready at \S+ \(PID (\d+)\)", output)[0] for output in outputs}
    assert len(pids) == 1
    launched = subprocess.run(
        ["pgrep", "-f", str(project.status_dir)], capture_output=True, text=True, check=False
    )
    assert len(launched.stdout.split()) == 1


async def test_in_the_wrong_directory_status_says_where_a_server_is(shared_server: Project) -> None:
    above = Project(shared_server.root.parent, shared_server.home, shared_server.extra_env)
    done = above.run("status")
    assert (
        done.returncode == 1
        and f"There is one for {shared_server.root}: change to that directory to use it." in done.stderr
    )
    async with above.client() as agent:
        assert str(shared_server.root) in (await agent.record("ping"))["hint"]
    below = shared_server.root / "below"
    below.mkdir(exist_ok=True)
    assert Project(below, shared_server.home, shared_server.extra_env).run("status").returncode == 0


async def test_a_full_disk_is_reported_and_keeps_nobody_from_stopping(project: Project, mount: Mount) -> None:
    disk = mount("size=4m")
    project.extra_env["JLAB_MCP_DIR"] = str(disk / "state")
    project.start()
    pid = re.findall(r"PID (\d+)", project.run("status").stdout)[0]
    with (disk / "filler").open("wb", 0) as filler, contextlib.suppress(OSError):
        while filler.write(bytes(4096)):
            pass
    async with project.client() as agent:
        opened = await agent.record("start_new_session", experiment_name="full")
        assert "record cannot be written now: No space left" in opened["warnings"][-1]
        await agent.text("execute_code", session_id=opened["session_id"], code="print('x' * 5000)")
        read = await agent.text("read_output", run_id=f"{opened['session_id']}-1")
        assert "record cannot be written now: No space left" in read
    stopped = project.run("stop")
    assert (stopped.returncode, stopped.stdout) == (0, f"JupyterLab (PID {pid}) stopped.\n"), stopped.stderr
    assert not alive(int(pid))
    with (disk / "filler").open("ab", 0) as filler, contextlib.suppress(OSError):
        while filler.write(bytes(4096)):
            pass
    refused = project.run("start", "--detach")
    assert refused.returncode == 1 and "No space left on device." in refused.stderr
    assert "Errno" not in refused.stderr and "jlab-mcp doctor" in refused.stderr
    (disk / "filler").unlink()
    assert project.run("stop").stdout.startswith("Nothing is running for"), "half an intent is in the way"


def test_stop_with_nothing_running_says_so(project: Project) -> None:
    done = project.run("stop")
    assert done.returncode == 0 and done.stdout.startswith("Nothing is running for")


def test_commands_without_a_server_say_how_to_start_one(project: Project) -> None:
    for command in (["status"], ["logs"], ["wait"]):
        done = project.run(*command)
        assert done.returncode == 1, command
        assert done.stderr.splitlines()[-1].strip() == "Start one with: jlab-mcp start"
    assert json.loads(project.run("status", "--json").stdout)["state"] == "none"


def test_a_server_that_dies_while_starting_is_reported_with_its_reason(project: Project) -> None:
    broken = project.root / ".venv" / "bin"
    broken.mkdir(parents=True)
    python = broken / "python"
    python.write_text(
        "#!/bin/sh\ncase \"$1\" in -c) echo jlab-mcp: 1 1 1;; *) echo 'ModuleNotFoundError: No module named jupyter_oops' >&2; exit 1;; esac\n",
        encoding="utf-8",
    )
    python.chmod(0o755)
    done = project.run("start", "--detach", JLAB_MCP_READY_TIMEOUT="600")  # it is not waited for
    assert done.returncode == 1
    assert "ended while starting" in done.stderr and "No module named jupyter_oops" in done.stderr
    assert "jlab-mcp logs" in done.stderr
    assert project.status_file()["STATE"] == "error"
    assert "jupyter_oops" in project.run("logs").stdout


def test_an_exhausted_port_range_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with project_in(tmp_path, JLAB_MCP_PORT_MIN=port, JLAB_MCP_PORT_MAX=port) as project:
            done = project.run("start", "--detach")
    assert done.returncode == 1
    assert f"Every port from {port} to {port} is taken" in done.stderr and "JLAB_MCP_PORT_MIN" in done.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("JLAB_MCP_PORT_MIN", "many"),
        ("JLAB_MCP_RUN_MODE", "cloud"),
        ("JLAB_MCP_WAIT_S", "-1"),
        ("JLAB_MCP_SLURM_TIME", "tomorrow"),
        ("JLAB_MCP_LOCAL_BIND_IP", "everywhere"),
    ],
)
def test_a_bad_setting_is_named_with_exit_code_2(project: Project, variable: str, value: str) -> None:
    done = project.run("status", **{variable: value})
    assert done.returncode == 2
    assert (
        done.stderr.startswith(f"jlab-mcp: {variable}={value!r} is not ") and "Traceback" not in done.stderr
    )


@pytest.mark.parametrize(
    ("words", "sentence", "hint"),
    [
        (["strat"], "There is no command 'strat'; did you mean start?", "`jlab-mcp --help` lists the arguments."),
        (["start", "--mode", "cloud"], "--mode cannot be 'cloud'; there are: local, slurm.", "`jlab-mcp start --help`"),
        (["start", "--dtach"], "--dtach is not understood here", "--help"),
        (["start", "soon"], "'soon' is not a walltime.", "24:00:00"),
        (["start", "--speed", "0"], "--speed: '0' is no speed: give a number above 0, such as 0.5 or 64.", "start --help"),
        (["wait", "--timeout", "-1"], "--timeout: '-1' is not a number of seconds.", "`jlab-mcp wait --help`"),
    ],
)  # fmt: skip
def test_arguments_that_are_not_understood_are_two_lines_and_exit_code_2(
    words: list[str], sentence: str, hint: str
) -> None:
    done = subprocess.run([COMMAND, *words], capture_output=True, text=True, check=False)
    first, second = done.stderr.splitlines()
    assert done.returncode == 2 and sentence in first and hint in second


def test_without_a_home_the_one_of_the_password_database_is_used(project: Project) -> None:
    env = {k: v for k, v in project.env.items() if k != "HOME"}
    done = subprocess.run(
        [COMMAND, "doctor", "--json"], cwd=project.root, env=env, capture_output=True, text=True, check=False
    )
    state = next(f for f in json.loads(done.stdout) if f["check"] == "state dir")
    assert "~" not in state["text"] and state["text"].startswith("/")


def test_a_working_directory_that_is_gone_is_named(project: Project) -> None:
    script = f'mkdir gone && cd gone && rmdir ../gone && exec "{COMMAND}" status'
    done = subprocess.run(
        ["sh", "-c", script], cwd=project.root, env=project.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "The working directory is gone." in done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("JLAB_MCP_LOCAL_BIND_IP", "10.254.254.254", "This machine has no address 10.254.254.254."),
        ("JLAB_MCP_SERVER_ROOT_DIR", "/not/there", "/not/there: No such file or directory."),
        ("JLAB_MCP_LOG_DIR", "/etc/hostname", "/etc/hostname: File exists."),
    ],
)
def test_a_start_that_cannot_be_names_the_place_and_leaves_nothing(
    project: Project, variable: str, value: str, sentence: str
) -> None:
    done = project.run("start", "--detach", **{variable: value})
    assert done.returncode == 1 and sentence in done.stderr and "Errno" not in done.stderr
    assert not list((project.home / ".jlab-mcp").glob("servers/*/server-status"))


def test_a_recycled_pid_is_never_killed(project: Project) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        project.run("stop")
        _write_status(project, f"STATE=ready\nMODE=local\nPID={stranger.pid}\nPID_START=1\nLAUNCHER={socket.gethostname()}\n"
                      "HOSTNAME=127.0.0.1\nPORT=1\nURL=http://127.0.0.1:1\nTOKEN=x\nSTARTED=1.0\nEND=1\n")  # fmt: skip
        status = project.run("status")
        assert status.returncode == 1 and "has ended" in status.stdout and "jlab-mcp start" in status.stdout
        assert project.run("stop").returncode == 0
        assert stranger.poll() is None
        stranger.communicate(b"\n")


def test_a_server_of_another_host_is_not_touched(project: Project) -> None:
    _write_status(project, f"STATE=ready\nMODE=local\nPID={os.getpid()}\nPID_START=1\nLAUNCHER=elsewhere\n"
                  "HOSTNAME=elsewhere\nPORT=1\nURL=http://127.0.0.1:1\nTOKEN=x\nSTARTED=1.0\nEND=1\n")  # fmt: skip
    done = project.run("stop")
    assert (
        done.returncode == 1
        and "runs on elsewhere" in done.stderr
        and "on elsewhere" in done.stderr.splitlines()[-1]
    )
    assert project.status_file()["STATE"] == "ready"
    assert project.run("stop", "--forget").returncode == 0
    assert not (project.status_dir / "server-status").exists()


@pytest.mark.parametrize(
    "text",
    [
        "STATE=ready\nMODE=lo",
        "STATE=strange\nMODE=local\nEND=1\n",
        "STATE=ready\nMODE=local\nEND=1\n",
    ],
    ids=["half", "unknown state", "no process"],
)
def test_a_damaged_status_file_is_reported_and_cleared_by_stop(project: Project, text: str) -> None:
    _write_status(project, text)
    status = project.run("status")
    assert status.returncode == 1 and "cannot be read" in status.stderr and "jlab-mcp stop" in status.stderr
    assert "removed" in project.run("stop").stdout
    assert project.run("status").returncode == 1


def test_unknown_keys_of_the_status_file_are_kept(project: Project) -> None:
    project.start()
    path = project.status_dir / "server-status"
    text = (
        path.read_text(encoding="utf-8")
        .replace("STATE=ready", "STATE=starting")
        .replace("END=1", "FUTURE=kept\nEND=1")
    )
    path.write_text(text, encoding="utf-8")
    assert project.run("status").returncode == 0
    record = project.status_file()
    assert record["STATE"] == "ready" and record["FUTURE"] == "kept"


def test_a_killed_server_is_noticed_by_whoever_looks(project: Project) -> None:
    project.start()
    os.kill(int(project.status_file()["PID"]), signal.SIGKILL)
    status = project.run("status")
    assert status.returncode == 1 and "has ended" in status.stdout
    assert project.status_file()["STATE"] == "ended"
    restarted = project.run("start", "--detach")
    assert restarted.returncode == 0, restarted.stderr


async def test_ctrl_c_in_the_foreground_stops_the_server_that_it_launched(project: Project) -> None:
    process = project.spawn("start", "--no-tui")
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or "Ctrl+C" not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1], lines
    told = [line for line in lines if not line.startswith("Still: ")]  # said on a busy machine
    assert [line.split(" ")[1] for line in told[:2]] == ["starting", "ready"]
    pid = int(project.status_file()["PID"])
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=30)[0]
    assert process.returncode == 0 and f"JupyterLab (PID {pid}) stopped." in rest
    assert not alive(pid)


async def test_leaving_the_foreground_by_sigterm_leaves_the_server(project: Project) -> None:
    process = project.spawn("start", "--no-tui")
    await until(lambda: project.run("wait").returncode == 0, 60)
    assert process.stdout is not None
    while "Ctrl+C" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGTERM)
    rest = process.communicate(timeout=30)[0]
    assert process.returncode == 143 and "keeps running" in rest and "jlab-mcp stop" in rest
    assert project.run("status").returncode == 0


def _imported(project: Project, *command: str) -> set[str]:
    """Modules that the program loads; without input, so that the MCP server ends before it warms up for a first call."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "jlab_tui", *command],
        cwd=project.root, env=project.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line}


def test_status_imports_neither_textual_nor_mcp(project: Project) -> None:
    imported = _imported(project, "status")
    assert "jlab_tui.core.server.state_machine" in imported
    assert not imported & {"textual", "mcp", "mcp_types", "nbformat", "PIL", "plotext"}


def test_before_the_first_reply_the_mcp_server_loads_little_but_the_sdk(project: Project) -> None:
    imported = _imported(project, "--worker")
    assert "mcp.server" in imported
    ours = {name for name in imported if name.startswith("jlab_tui.")}
    assert not {name for name in ours if ".services" in name or ".adapters.jupyter" in name}
    assert not imported & {
        "websockets",
        "nbformat",
        "PIL",
        "textual",
        "jlab_tui.core.server.state_machine",
        "jlab_tui.mcp_server.tools",
    }


def _write_status(project: Project, text: str) -> None:
    """A status file as some other process may have left it."""
    project.run("stop")  # makes the status directory known
    servers = project.home / ".jlab-mcp" / "servers"
    if not servers.exists() or not any(servers.iterdir()):
        from jlab_tui.core.settings import status_dir_name

        (servers / status_dir_name(project.root)).mkdir(parents=True, mode=0o700)
    path = project.status_dir / "server-status"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
