"""Machines where the socket cannot be made or seen: the server starts, and clients use its port, which proves itself."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.jupyter_extension.servers import serving
from tests.jupyter_extension.test_addresses import has_ipv6, interface
from tests.project import COMMAND, Project, alive, until

ELSEWHERE = """
set -e
options=$1; kept=$2; shift 2
if [ $options = ro ]; then  # all of /tmp but the project
    export TMPDIR="$kept/$(printf %0100d)"; mkdir "$TMPDIR"
    mount --bind "$kept" "$kept"
    mount --rbind /tmp /tmp
    mount -o remount,bind,ro /tmp
else
    mkdir -p -m 700 /tmp/jlab-mcp-$(id -u)
    mount -t tmpfs -o mode=700,$options tmpfs /tmp/jlab-mcp-$(id -u)
fi
for folder in /var/tmp /dev/shm; do mount -t tmpfs -o mode=1777,$options tmpfs $folder; done
exec "$@"
"""
"""runs the rest of its arguments where each place for sockets is mounted with `options`, for itself alone"""

needs_mounts = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="mounting needs root and unshare"
)


def start_where_places_are(options: str, project: Project) -> dict[str, str]:
    kept = str(project.root.parent)
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", ELSEWHERE, "sh", options, kept, COMMAND, "start", "--detach"],
        cwd=project.root,
        env=project.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr + project.logs()
    return project.status_file()


@needs_mounts
async def test_without_a_place_for_sockets_the_port_is_used_and_the_open_kernels_are_named(
    project: Project,
) -> None:
    assert "SOCKET" not in start_where_places_are("ro", project)
    assert "listens only on its port" in project.logs()
    async with project.client() as agent:
        opened = await agent.record("start_new_session")
        said = await agent.text("execute_code", session_id=opened["session_id"], code="6 * 7")
        assert said.startswith("42")
        ping = await agent.record("ping")
        assert ping["readable_by_others"]["kernel_ids"] == [opened["kernel_id"]]


@needs_mounts
async def test_a_socket_on_a_noexec_mount_that_only_the_server_sees_costs_nothing(project: Project) -> None:
    """The kernel beside the server sees it; the client outside takes the port."""
    facts = start_where_places_are("noexec", project)
    assert facts["SOCKET"] and not Path(facts["SOCKET"]).exists()
    async with project.client() as agent:
        session = await agent.session()
        assert (await agent.text("execute_code", session_id=session, code="6 * 7")).startswith("42")
        assert "readable_by_others" not in await agent.record("ping")


def test_a_temporary_directory_whose_path_is_too_long_for_sockets_is_not_used(tmp_path: Path) -> None:
    long = tmp_path / ("t" * 100)
    long.mkdir()
    with serving(tmp_path / "s", lab=False, environ={"TMPDIR": str(long)}) as server:
        assert len(os.fsencode(server.facts["socket"])) <= 103
        assert Path(server.facts["socket"]).is_socket()
        assert server.alive(server.start_kernel())
        assert not any("sock" in path.name for path in long.rglob("*"))


async def test_a_socket_that_a_killed_server_left_is_not_in_the_way_of_the_next(project: Project) -> None:
    project.start()
    before = project.status_file()
    os.kill(int(before["PID"]), signal.SIGKILL)
    await until(lambda: not alive(int(before["PID"])))
    left = Path(before["SOCKET"])
    assert left.is_socket()
    assert "has ended" in project.run("status").stdout
    project.start()
    assert project.status_file()["SOCKET"] != before["SOCKET"]
    assert project.run("status").returncode == 0
    left.unlink(missing_ok=True)


@pytest.mark.parametrize("ip", ["0.0.0.0", "::", "an interface"])
async def test_a_server_at_any_address_of_this_machine_is_used_without_its_socket(
    project: Project, ip: str
) -> None:
    if ip == "::" and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    project.extra_env["JLAB_MCP_LOCAL_BIND_IP"] = interface() if ip == "an interface" else ip
    project.start()
    Path(project.status_file()["SOCKET"]).unlink()
    async with project.client() as agent:
        session = await agent.session()
        assert (await agent.text("execute_code", session_id=session, code="6 * 7")).startswith("42")
