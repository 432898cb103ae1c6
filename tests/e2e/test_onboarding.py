"""The first ten minutes: init, doctor, url and completion as a newcomer types them."""

from __future__ import annotations

import base64
import json
import os
import pty
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from jlab_tui.core.journal.events import Entry, SessionClosed, SessionOpened, encode
from jlab_tui.core.settings import status_dir_name
from tests.project import COMMAND, Project, project_in, until

DOCTOR_KEYS = {"check", "level", "text", "fix", "mend"}


def findings(project: Project, **env: str) -> dict[str, dict[str, str]]:
    """The doctor's findings by check."""
    done = project.run("doctor", "--json", **env)
    found = json.loads(done.stdout)
    assert all(set(f) == DOCTOR_KEYS for f in found)
    assert done.returncode == int(any(f["level"] == "fail" for f in found)), done.stdout
    return {f["check"]: f for f in found}


def type_fix(project: Project, fix: str) -> None:
    """Type the command that the doctor printed, the first one if it is quoted in a sentence."""
    env = {**project.env, "PATH": f"{Path(COMMAND).parent}{os.pathsep}{project.env['PATH']}"}
    command = [*re.findall("`([^`]+)`", fix), fix.partition("   (")[0]][0]
    subprocess.run(["sh", "-c", command], cwd=project.root, env=env, check=True, capture_output=True)


async def test_from_init_in_an_empty_directory_a_real_client_runs_a_plot(project: Project) -> None:
    done = project.run("init")
    assert done.returncode == 0 and "claude mcp add jlab-mcp -- " in done.stdout
    entry = json.loads((project.root / ".mcp.json").read_text(encoding="utf-8"))["mcpServers"]["jlab-mcp"]
    project.start()
    parameters = StdioServerParameters(
        command=entry["command"], args=entry["args"], cwd=str(project.root), env=project.env
    )
    async with Client(stdio_client(parameters)) as client:
        answer = await client.call_tool("start_new_session", {"experiment_name": "first"})
        session = json.loads(answer.content[0].text)["session_id"]  # type: ignore[union-attr]
        code = "import matplotlib.pyplot as plt\nplt.plot([1, 4, 9]); plt.show()"
        result = await client.call_tool("execute_code", {"session_id": session, "code": code})
    assert any(block.type == "image" for block in result.content)


def test_init_keeps_existing_entries_and_a_second_time_writes_nothing(project: Project) -> None:
    path = project.root / ".mcp.json"
    path.write_text(
        '{\n    "mcpServers": {"other": {"command": "x", "args": ["a", "b"]}},\n    "mine": 1\n}\n',
        encoding="utf-8",
    )
    path.chmod(0o640)
    assert project.run("init").returncode == 0
    text = path.read_text(encoding="utf-8")
    assert '{"other": {"command": "x", "args": ["a", "b"]}' in text.replace(" ,", ",") and '"mine": 1' in text
    assert path.stat().st_mode & 0o777 == 0o640
    before = path.stat().st_mtime_ns, path.stat().st_ino
    again = project.run("init")
    assert again.returncode == 0 and "nothing changed" in again.stdout
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before
    assert [p.name for p in project.root.iterdir()] == [".mcp.json"]


def test_a_client_that_was_told_no_is_found_and_init_says_and_allows_what_it_asks(project: Project) -> None:
    told = project.run("init", "--allow").stdout
    local = project.root / ".claude" / "settings.local.json"
    assert (
        "choose `Use this MCP server`" in told
        and "Some versions mark another answer" in told
        and f"{local}: mcp__jlab-mcp added" in told
        and "asks before each tool" not in told
    )
    settings = json.loads(local.read_text(encoding="utf-8"))
    assert settings == {"permissions": {"allow": ["mcp__jlab-mcp"]}}
    local.write_text(json.dumps({**settings, "disabledMcpjsonServers": ["jlab-mcp"]}), encoding="utf-8")
    denied = findings(project)["approval"]
    assert denied["level"] == "fail" and denied["fix"].startswith("claude mcp reset-project-choices")
    assert f"{local}: mcp__jlab-mcp is already in" in project.run("init", "--allow").stdout


def test_the_rule_is_added_to_a_file_that_keeps_its_mode_and_its_line_ends(project: Project) -> None:
    local = project.root / ".claude" / "settings.local.json"
    local.parent.mkdir()
    local.write_bytes(b'{\r\n  "env": {"KEY": "mine"}\r\n}\r\n')
    local.chmod(0o600)
    assert project.run("init", "--allow").returncode == 0
    written = local.read_bytes()
    assert local.stat().st_mode & 0o777 == 0o600 and written.count(b"\r\n") == written.count(b"\n") > 3
    assert json.loads(written) == {"env": {"KEY": "mine"}, "permissions": {"allow": ["mcp__jlab-mcp"]}}
    local.write_bytes(b'{"permissions": {"allow": "all"}}')
    refused = project.run("init", "--allow")
    assert refused.returncode == 2 and f"{local}: permissions.allow is no list. It stays" in refused.stderr
    assert local.read_bytes() == b'{"permissions": {"allow": "all"}}'


@pytest.mark.parametrize("configured", [False, True])
def test_init_makes_no_second_server_beside_the_plugin(project: Project, configured: bool) -> None:
    user = project.home / ("config" if configured else ".claude") / "settings.json"
    user.parent.mkdir()
    user.write_text('{"enabledPlugins": {"jlab-mcp@jlab-mcp": true}}', encoding="utf-8")
    env = {"CLAUDE_CONFIG_DIR": str(user.parent)} if configured else {}
    for arguments in (["init", "--allow"], ["init", "--user"]):
        told = project.run(*arguments, **env).stdout
        assert told.startswith("Claude Code has the plugin jlab-mcp") and "second time" not in told
    assert not (project.root / ".mcp.json").exists()
    local = project.root / ".claude" / "settings.local.json"
    assert json.loads(local.read_bytes()) == {"permissions": {"allow": ["mcp__plugin_jlab-mcp_jlab-mcp"]}}
    local.write_text('{"enabledPlugins": {"jlab-mcp@jlab-mcp": false}}', encoding="utf-8")
    assert ".mcp.json: jlab-mcp added" in project.run("init", **env).stdout, "it is off in this project"
    local.unlink()
    assert f"a second time in {project.root}/.mcp.json" in project.run("init", **env).stdout


def test_init_refuses_a_broken_file_with_the_position_and_leaves_it_alone(project: Project) -> None:
    path = project.root / ".mcp.json"
    path.write_text('{"mcpServers": {"a": {},}}', encoding="utf-8")
    done = project.run("init")
    assert done.returncode == 2 and "line 1, column" in done.stderr and len(done.stderr.splitlines()) == 2
    assert path.read_text(encoding="utf-8") == '{"mcpServers": {"a": {},}}'


@pytest.mark.parametrize(
    "name", [".mcp.json", ".claude/settings.json", ".claude/settings.local.json", "~/.claude.json"]
)
def test_a_file_of_which_claude_code_reads_nothing_is_the_one_finding_about_it(
    project: Project, name: str
) -> None:
    path = project.home / name[2:] if name.startswith("~") else project.root / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b'{\n  "mcpServers": {"\xe9": {},}}')
    done = project.run("doctor")
    assert done.returncode == 1 and f"{path}, line 2, column " in done.stdout
    assert "-> Correct it; Claude Code reads nothing of it\n" in done.stdout
    assert "no MCP client" not in done.stdout and done.stdout.endswith("\n1 fail\n")


def test_init_says_which_settings_the_client_must_have_too(project: Project) -> None:
    assert "needs the same" not in project.run("init", "--print").stdout
    told = project.run("init", "--print", JLAB_MCP_DIR="/scratch/ada").stdout
    assert "JLAB_MCP_DIR=/scratch/ada" in told and "needs the same" in told


def test_init_for_the_user_leaves_the_writing_to_the_client(project: Project, tmp_path: Path) -> None:
    without = project.run("init", "--user", PATH="/usr/bin:/bin")
    assert without.returncode == 0 and "claude mcp add --scope user jlab-mcp -- " in without.stdout
    fake = tmp_path / "bin" / "claude"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/typed; echo Added.\n', encoding="utf-8")
    fake.chmod(0o755)
    done = project.run("init", "--user", PATH=f"{fake.parent}:/usr/bin:/bin")
    assert "Added." in done.stdout
    assert (tmp_path / "typed").read_text(encoding="utf-8").startswith("mcp add --scope user jlab-mcp -- ")
    assert not (project.home / ".claude.json").exists() and not (project.root / ".mcp.json").exists()


def test_the_doctor_finds_nothing_wrong_where_all_is_well_and_leaves_nothing_behind(project: Project) -> None:
    project.run("init")
    done = project.run("doctor")
    assert done.returncode == 0 and done.stdout.endswith("Nothing is wrong.\n"), done.stdout
    assert sorted(p.name for p in project.root.iterdir()) == [".mcp.json"]
    assert not (project.home / ".jlab-mcp").exists()
    project.start()
    running = findings(project)
    assert running["reach"]["level"] == "ok" and running["clock"]["level"] == "ok"
    token = project.status_file()["TOKEN"]
    assert token not in json.dumps(running)


def test_what_the_doctor_prints_fixes_what_it_found(project: Project) -> None:
    def provoked(check: str, level: str) -> None:
        """The finding is there, and is gone when the printed command was typed."""
        found = findings(project)[check]
        assert found["level"] == level, found
        type_fix(project, found["fix"].replace("jlab-mcp start", "jlab-mcp start --detach"))

    provoked("client", "warn")
    path = project.root / ".mcp.json"
    path.write_text(path.read_text(encoding="utf-8").replace(COMMAND, "/gone/jlab-mcp"), encoding="utf-8")
    provoked("client", "fail")

    project.start()
    (project.home / ".jlab-mcp").chmod(0o777)
    provoked("state dir", "fail")
    status = project.status_dir / "server-status"
    subprocess.run(["kill", "-9", project.status_file()["PID"]], check=True)
    provoked("state", "warn")
    fixed = findings(project)
    assert {fixed[check]["level"] for check in ("client", "state dir", "state", "reach")} == {"ok"}
    project.stop()

    status.write_text("STATE=rea", encoding="utf-8")
    provoked("state", "fail")
    cut_off = {"host": socket.gethostname(), "pid": 2**22 + 1, "pid_start": "1", "at": 1.0, "verb": "start"}
    intent = status.parent / "starting"
    intent.write_text(json.dumps(cut_off), encoding="utf-8")
    said = project.run("doctor").stdout
    assert (
        f"a start or stop by {socket.gethostname()}:{2**22 + 1} was interrupted" in said
        and "-> jlab-mcp stop" in said
    )
    type_fix(project, "jlab-mcp stop")
    assert findings(project)["state"]["level"] == "ok" and not intent.exists()


def test_the_doctor_says_when_the_settings_stand_in_the_way(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with project_in(tmp_path, JLAB_MCP_PORT_MIN=port, JLAB_MCP_PORT_MAX=port) as project:
            assert findings(project)["ports"]["fix"] == "unset JLAB_MCP_PORT_MIN JLAB_MCP_PORT_MAX"
            assert findings(project, JLAB_MCP_PORT_MIN="", JLAB_MCP_PORT_MAX="")["ports"]["level"] == "ok"
            bad = project.run(
                "doctor", "--json", JLAB_MCP_WAIT_S="x", JLAB_MCP_SLURM_MEM="64G", JLAB_MCP_ZEBRA="1"
            )
            fixes = {finding["fix"].removeprefix("unset JLAB_MCP_") for finding in json.loads(bad.stdout)}
            assert bad.returncode == 1 and fixes == {"WAIT_S", "SLURM_MEM", "ZEBRA"}
            slurm = findings(project, JLAB_MCP_RUN_MODE="slurm", PATH=str(tmp_path))
            assert slurm["slurm"]["level"] == "fail" and "sbatch" in slurm["slurm"]["text"]


def test_what_stands_in_the_way_of_every_command_is_two_lines_and_a_finding_of_the_doctor(
    project: Project, tmp_path: Path
) -> None:
    site = tmp_path / "config"
    site.write_text("JLAB_MCP_DIR=scratch\n", encoding="utf-8")
    site.chmod(0o644)
    for env in ({"JLAB_MCP_DIR": "/one\n/two"}, {"JLAB_MCP_SITE_CONFIG": str(site)}):
        for command in (
            "status",
            "login cluster",
            "events",
            "init",
            "start --detach",
            "url",
            "doctor --ssh h:d",
        ):
            done = project.run(*command.split(), **env)
            if command.startswith("doctor"):
                assert done.returncode == 1 and done.stdout.startswith("FAIL settings"), done
                continue
            assert done.returncode == 2 and len(done.stderr.splitlines()) == 2, (command, done.stderr)
        asked = project.run("doctor", "--json", **env)
        assert asked.returncode == 1 and not asked.stderr
        (found,) = json.loads(asked.stdout)
        assert found["check"] == "settings" and found["level"] == "fail" and found["fix"]


@pytest.mark.parametrize(
    "name",
    ["DIR", "STATUS_DIR", "CONNECTION_DIR", "LOG_DIR", "NOTEBOOK_DIR", "SERVER_ROOT_DIR", "SITE_CONFIG"],
)
def test_a_path_of_two_lines_is_named_by_the_doctor(project: Project, name: str) -> None:
    (found,) = json.loads(project.run("doctor", "--json", **{f"JLAB_MCP_{name}": "/one\n/two"}).stdout)
    assert f"JLAB_MCP_{name}='/one\\n/two' is not a path on one line" in found["text"]
    assert found["fix"] == f"unset JLAB_MCP_{name}"


def test_the_doctor_says_which_python_lacks_what(project: Project) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", project.root / ".venv"], check=True)
    finding = findings(project)["environment"]
    assert finding["level"] == "fail"
    text = project.run("doctor").stdout
    assert "has no ipykernel" in text and "ipykernel" in text.partition("-> ")[2]


def test_an_environment_whose_python_is_gone_is_kept_and_made_anew_by_the_printed_command(
    project: Project,
) -> None:
    def warning() -> dict[str, str]:
        found = json.loads(project.run("doctor", "--json").stdout)
        return next(f for f in found if f["level"] == "fail" and f["check"] == "environment")

    python = project.root / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    python.chmod(0o755)
    assert "does not run here (exit code 1)" in warning()["text"]
    python.unlink()
    python.symlink_to("/not/there/python3")  # as an upgrade of the system leaves it
    assert "its link leads to /not/there/python3" in warning()["text"]
    anew, _, install = warning()["fix"].rpartition(" && ")
    assert install == f"{python} -m pip install ipykernel"
    type_fix(project, f"{anew} --without-pip")  # which takes a second and not ten
    assert (project.root / ".venv.old" / "bin" / "python").is_symlink()
    without = warning()
    assert "has no ipykernel" in without["text"]
    ways = f"uv pip install --python {python}", f"{python} -m ensurepip && {python} -m pip install"
    assert without["fix"].startswith(ways)


def test_the_doctor_compares_pytorch_with_the_driver_of_the_gpu(project: Project, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", project.root / ".venv"], check=True)
    (packages,) = (project.root / ".venv").glob("lib/python*/site-packages")
    (packages / "lent.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    (packages / "torch").mkdir()
    (packages / "torch" / "__init__.py").write_text(
        "raise SystemExit('it is not imported')", encoding="utf-8"
    )
    (packages / "torch" / "version.py").write_text(
        "cuda: str | None = '13.0'\nhip = None\n", encoding="utf-8"
    )
    info = packages / "torch-2.9.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.9.0\n", encoding="utf-8")
    smi = tmp_path / "bin" / "nvidia-smi"
    smi.parent.mkdir()
    smi.write_text(
        '#!/bin/sh\necho "| NVIDIA-SMI 550.54  Driver Version: 550.54  CUDA Version: $CUDA |"\n',
        encoding="utf-8",
    )
    smi.chmod(0o755)
    path = f"{smi.parent}:{project.env['PATH']}"
    old = findings(project, PATH=path, CUDA="12.4")["torch"]
    assert old["level"] == "fail" and "supports CUDA only up to 12.4" in old["text"]
    assert f"{project.root}/.venv/bin/python" in old["fix"] and "whl/cu126" in old["fix"]
    assert findings(project, PATH=path, CUDA="13.0")["torch"]["level"] == "ok"


def test_a_misspelt_setting_is_found_and_the_printed_command_corrects_it(project: Project) -> None:
    told = project.run("start", "--detach", JLAB_MCP_NOTEBOK_DIR="/elsewhere", JLAB_MCP_PORT_MIN="x").stderr
    assert (
        "JLAB_MCP_NOTEBOK_DIR is not a setting and has no effect; did you mean JLAB_MCP_NOTEBOOK_DIR?" in told
    )
    asked = project.run("doctor", "--json", JLAB_MCP_NOTEBOK_DIR="/elsewhere")
    (found,) = (f for f in json.loads(asked.stdout) if f["check"] == "settings" and f["level"] == "warn")
    assert "did you mean JLAB_MCP_NOTEBOOK_DIR?" in found["text"]
    typed = f"{found['fix']}; {COMMAND} doctor --json"
    env = {**project.env, "JLAB_MCP_NOTEBOK_DIR": "/elsewhere"}
    done = subprocess.run(
        ["sh", "-c", typed], cwd=project.root, env=env, capture_output=True, text=True, check=False
    )
    again = json.loads(done.stdout)
    assert all(f["level"] == "ok" for f in again if f["check"] == "settings")
    assert any("/elsewhere" in f["text"] for f in again if f["check"] == "notebooks dir")


def test_the_doctor_runs_the_setup_and_says_what_it_leads_to(project: Project) -> None:
    good = findings(project, JLAB_MCP_SETUP=f'PATH="{Path(sys.executable).parent}:$PATH"')["environment"]
    assert good["level"] == "ok" and str(Path(sys.executable).parent) in good["text"]
    bad = findings(project, JLAB_MCP_SETUP="source /not/there; conda activate torch; PATH=/none")[
        "environment"
    ]
    assert (
        bad["level"] == "fail"
        and "failed: source /not/there (it returned 1): bash: " in bad["text"]
        and bad["fix"].startswith("bash -xc")
    )


def test_a_server_that_hangs_is_one_finding_and_its_stop_says_what_it_waits_for(project: Project) -> None:
    project.start()
    pid = int(project.status_file()["PID"])
    os.kill(pid, signal.SIGSTOP)  # it cannot answer, and cannot end by itself
    found = findings(project)
    assert found["reach"]["level"] == "fail" and "it hangs" in found["reach"]["text"] and "state" not in found
    assert found["reach"]["fix"] == "jlab-mcp stop; jlab-mcp start"
    done = project.run("stop")
    assert done.returncode == 0 and done.stdout == f"JupyterLab (PID {pid}) stopped.\n"
    assert done.stderr.splitlines()[0] == f"Waiting for JupyterLab (PID {pid}) to end..."


def test_one_cause_is_one_finding(project: Project) -> None:
    (project.home / ".jlab-mcp").write_text("in the way", encoding="utf-8")
    found = findings(project)
    assert [name for name, one in found.items() if one["level"] == "fail"] == ["state dir"]
    assert "records dir" not in found and found["state"]["level"] == "ok"


def test_url_prints_the_way_there_without_the_token(shared_server: Project) -> None:
    record = shared_server.status_file()
    done = shared_server.run("url", USER="ada")
    first, here, _, ssh, *_ = done.stdout.splitlines()
    assert first.startswith("`jlab-mcp url --copy` copies the link that logs you in")
    port = record["PORT"]
    assert here == f"On this host, open http://127.0.0.1:{port}/lab"
    assert ssh.strip() == f"ssh -N -L {port}:127.0.0.1:{port} ada@{socket.gethostname()}"
    assert record["TOKEN"] not in done.stdout + done.stderr
    refused = shared_server.run("url", "--copy") if not _has_terminal() else None
    assert refused is None or refused.returncode in (0, 2)


def test_url_hands_the_link_to_the_terminal_and_prints_no_token(shared_server: Project) -> None:
    record = shared_server.status_file()
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(shared_server.root)
        os.execve(COMMAND, [COMMAND, "url", "--copy"], {**shared_server.env, "SSH_CONNECTION": "a b c d"})
    screen = b""
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:
            break
        if not chunk:
            break
        screen += chunk
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(terminal)
    sequence = screen.partition(b"\x1b]52;c;")[2].partition(b"\x07")[0]
    link = base64.b64decode(sequence).decode()
    assert link == f"http://127.0.0.1:{record['PORT']}/lab?token={record['TOKEN']}"
    assert record["TOKEN"].encode() not in screen and b"like a password" in screen


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_WRONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


BASH = """
source <(jlab-mcp completion bash)
complete -p jlab-mcp
try() {
  COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); COMPREPLY=()
  _shtab_jlab_mcp jlab-mcp "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
  echo "${COMPREPLY[*]}"
}
try jlab-mcp st
try jlab-mcp start --mode ''
try jlab-mcp logs --f
try jlab-mcp completion z
"""
ZSH = r"""
zmodload zsh/zpty
ask() {
  local shown
  zpty shell TERM=dumb zsh -f -i
  zpty -w shell 'autoload -Uz compinit; compinit -u -D; eval "$(jlab-mcp completion zsh)"; print READ""Y'
  zpty -r shell shown '*READY*'
  zpty -w -n shell "$1"$'\t\t'
  zpty -r shell shown "*$2*"
  print -r -- $shown
  zpty -d shell
}
ask 'jlab-mcp st' 'stop '
ask 'jlab-mcp start --mode ' slurm
ask 'jlab-mcp logs --f' --follow
"""
FISH = """
jlab-mcp completion fish | source
complete -C 'jlab-mcp st'
complete -C 'jlab-mcp start --mode '
complete -C 'jlab-mcp logs --f'
"""


@pytest.mark.parametrize(("shell", "script"), [("bash", BASH), ("zsh", ZSH), ("fish", FISH)])
def test_the_shell_completes_commands_options_and_values(project: Project, shell: str, script: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    env = {**project.env, "PATH": f"{Path(COMMAND).parent}{os.pathsep}{project.env['PATH']}"}
    done = subprocess.run(
        [shell, "-c", script], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == "" and done.returncode == 0, done.stderr
    words = set(shlex.split(done.stdout.replace("'", " "))) | set(done.stdout.split())
    assert {"local", "slurm"} <= words
    assert any(w.startswith("start") for w in words) and any(w.startswith("stop") for w in words)
    assert "--follow" in words


async def test_records_that_are_too_old_are_removed_when_a_client_is_there(shared_server: Project) -> None:
    sessions = shared_server.status_dir / "sessions"
    sessions.mkdir(mode=0o700, exist_ok=True)
    old, *young = (sessions / f"000000{number:02}.1.jsonl" for number in range(22))
    for path, days in ((old, 40), *((path, 3) for path in young)):
        events = SessionOpened(path.name[:8], "n", "", "k", "h", 1.0), SessionClosed("shut down")
        path.write_bytes(b"".join(encode(Entry(0.0, event)) for event in events))
        at = time.time() - days * 86400
        os.utime(path, (at, at))
    async with shared_server.client() as agent:
        await agent.text("ping")
        closed = [sessions / "closed" / path.name for path in young]
        await until(
            lambda: all(path.exists() for path in closed) and not shared_server.journals(old.name[:8])
        )
    for path in closed:
        path.unlink()  # other tests look at what is there


def test_every_command_names_a_directory_that_it_may_not_read(project: Project) -> None:
    status = project.home / ".jlab-mcp" / "servers" / status_dir_name(project.root)
    status.mkdir(parents=True)
    status.chmod(0)
    mortal = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    try:
        for command in (["status"], ["stop"], ["start", "--detach"], ["doctor"]):
            refused = subprocess.run(
                [*mortal, COMMAND, *command], cwd=project.root, env=project.env,
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            said = refused.stdout + refused.stderr
            assert refused.returncode in (1, 2) and f"You may not read {status}." in said, said
            assert "JLAB_MCP_DIR" in said and "Traceback" not in said
    finally:
        status.chmod(0o700)


def test_trouble_with_files_is_a_sentence_and_not_a_traceback(tmp_path: Path) -> None:
    with project_in(tmp_path) as project:
        (project.home / ".jlab-mcp").write_text("in the way", encoding="utf-8")
        done = project.run("start", "--detach")
        assert done.returncode == 1 and "Traceback" not in done.stderr
        assert ".jlab-mcp" in done.stderr and "jlab-mcp doctor" in done.stderr
        assert findings(project)["state dir"]["level"] == "fail"
