from __future__ import annotations

import ast
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from jlab_tui.core.kernel.wire import NODE_PROTOCOL
from jlab_tui.jupyter_extension.runtime_directory import private_runtime_dir
from jlab_tui.jupyter_extension.unix_socket import folder_of_sockets
from tests.jupyter_extension.servers import NODE, TOKEN, launch, owning, serving


@pytest.mark.parametrize("source", sorted(NODE.glob("*.py")), ids=lambda p: p.name)
def test_the_sources_are_python_39(source: Path) -> None:
    ast.parse(source.read_text(encoding="utf-8"), feature_version=(3, 9))


def copied(tmp_path: Path) -> Path:
    node = tmp_path / "elsewhere" / "1.0.0"
    shutil.copytree(NODE, node, ignore=shutil.ignore_patterns("__pycache__"))
    return node


async def test_a_copy_of_the_folder_serves_beside_the_users_own_configuration(tmp_path: Path) -> None:
    settings = tmp_path / "settings"
    settings.mkdir()
    (settings / "theirs.py").write_text(
        "import sys\n"
        "from jupyter_server.base.handlers import JupyterHandler\n"
        "class H(JupyterHandler):\n"
        "    def get(self): self.finish('theirs')\n"
        "class G(JupyterHandler):\n"
        "    def get(self): self.finish(str('rfc3987_syntax.syntax_helpers' in sys.modules))\n"
        "def _jupyter_server_extension_points(): return [{'module': 'theirs'}]\n"
        "def _load_jupyter_server_extension(app):\n"
        "    app.web_app.add_handlers('.*$', [(app.web_app.settings['base_url'] + 'theirs', H)])\n"
        "    app.web_app.add_handlers('.*$', [(app.web_app.settings['base_url'] + 'grammar', G)])\n",
        encoding="utf-8",
    )
    (settings / "jupyter_server_config.py").write_text(
        f"import sys; sys.path.append({str(settings)!r})\n"
        "c.ServerApp.base_url = '/mine/'\n"
        "c.ServerApp.terminals_enabled = False\n"
        "c.ServerApp.port = 1\n"
        "c.ServerApp.token = 'an old token'\n"
        "c.ServerApp.tornado_settings = {'headers': {'X-Mine': 'yes'}}\n"
        "c.ServerApp.jpserver_extensions = {'theirs': True}\n",
        encoding="utf-8",
    )
    environ = {"JUPYTER_CONFIG_DIR": str(settings)}
    with serving(tmp_path / "s", node=copied(tmp_path), environ=environ) as server:
        assert server.facts["url"].endswith("/mine/")
        assert server.http.get("theirs").text == "theirs"
        assert server.http.get("grammar").text == "False", "compiled at the start, and nobody asked for it"
        assert server.http.get("jlab-mcp/info").json()["protocol"] == NODE_PROTOCOL
        assert server.http.get("api/terminals").status_code == 404
        assert server.http.get("api/status").headers["X-Mine"] == "yes"
        async with owning(server) as channel:
            assert await channel.run("import sys; print('theirs' in sys.modules)") == "False\n"
            leaked = "print([p for p in sys.path if 'elsewhere' in p])"
            assert await channel.run(leaked) == "[]\n"


def test_a_broken_extension_leaves_a_plain_server(tmp_path: Path) -> None:
    node = copied(tmp_path)
    (node / "extension.py").write_text("raise RuntimeError('broken')\n", encoding="utf-8")
    with serving(tmp_path / "s", node=node, lab=False) as server:
        assert server.http.get("api/status").status_code == 200
        assert server.http.get("jlab-mcp/info").status_code == 404


def test_the_launch_configuration_is_followed_and_the_address_published_and_withdrawn(tmp_path: Path) -> None:
    spec = tmp_path / "data" / "kernels" / "mine"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "Mine", "language": "python"})
    )
    kernelspecs = {"kernelspec_dirs": [str(tmp_path / "data")], "default_kernel": "mine"}
    with serving(tmp_path / "s", lab=False, hostname="node7", **kernelspecs) as server:
        specs = server.http.get("api/kernelspecs").json()
        assert specs["default"] == "mine" and "python3" in specs["kernelspecs"]
        assert server.http.post("api/kernels", json={}).json()["name"] == "mine"
        path = tmp_path / "s" / "connection.json"
        facts = server.facts
        assert facts["hostname"] == "node7" and facts["pid"] == server.process.pid
        stat = Path(f"/proc/{facts['pid']}/stat").read_text(encoding="utf-8")
        assert facts["pid_start"] == int(stat.rpartition(")")[2].split()[19])
        assert 18000 <= facts["port"] <= 29000
        assert TOKEN not in path.read_text(encoding="utf-8")
        assert os.stat(path).st_mode & 0o777 == 0o600
        server.stop()
        assert server.process.returncode == 0
        assert not path.exists()


def test_a_jobs_runtime_directory_is_its_own_and_local_to_the_node(tmp_path: Path) -> None:
    usual = str(tmp_path / "home" / "runtime")
    made = Path(private_runtime_dir(usual, usual, is_job=True))
    try:
        assert made.stat().st_mode & 0o777 == 0o700 and not Path(usual).exists()
        assert made.parent == Path(folder_of_sockets() or "")
    finally:
        made.rmdir()
    (tmp_path / "a file").touch()
    below = str(tmp_path / "a file" / "runtime")  # a home that cannot be written
    other = Path(private_runtime_dir(below, below))
    assert other != Path(below) and other.stat().st_mode & 0o777 == 0o700
    other.rmdir()


def test_a_taken_port_is_exit_code_98(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process, log = launch(tmp_path, port=taken.getsockname()[1])
        assert process.wait(30) == 98
    assert "is taken" in log.read_text(encoding="utf-8")


def test_an_address_that_the_machine_does_not_have_is_exit_code_96(tmp_path: Path) -> None:
    process, log = launch(tmp_path, ip="198.51.100.0/24")
    assert process.wait(30) == 96
    assert "has no address for 198.51.100.0/24; it has: lo 127.0.0.1" in log.read_text(encoding="utf-8")


def test_a_python_without_jupyter_is_exit_code_97(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN, encoding="utf-8")
    config = tmp_path / "c.json"
    config.write_text(
        json.dumps({"token_file": str(tmp_path / "token"), "port_min": 18000, "port_max": 29000})
    )
    ended = subprocess.run(
        [sys.executable, "-S", "-E", str(NODE / "launch.py"), str(config)],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=30,
    )
    assert ended.returncode == 97
    assert sys.executable in ended.stderr and "pip install jupyterlab ipykernel" in ended.stderr
