"""The wheel, installed where nothing of the checkout is in reach: what it holds, and that it runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from jlab_tui import __version__

ROOT = Path(__file__).parents[2]
REPOSITORY = "https://github.com/jlab-mcp/jlab-mcp"
pytestmark = pytest.mark.xdist_group("wheel")


def run(*argv: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("JLAB_MCP_", "PYTHON", "VIRTUAL_ENV"))}
    return subprocess.run(
        [str(word) for word in argv],
        cwd=cwd, env={**kept, **env}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive, built from the files that git has as a release is, and the wheel, built from that archive."""
    source = tmp_path_factory.mktemp("source")
    listed = run("git", "ls-files", "-z", cwd=ROOT)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
    out = tmp_path_factory.mktemp("dist")
    done = run(sys.executable, "-m", "build", "--no-isolation", "-o", out, source, cwd=out)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="session")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel; its dependencies are those of this environment, seen but not editable."""
    venv = tmp_path_factory.mktemp("bare") / "venv"
    assert run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=ROOT).returncode == 0
    uv = (sys.executable, "-m", "uv", "pip", "install", "-q", "--offline")  # neither environment needs pip
    done = run(*uv, "--python", venv / "bin" / "python", "--no-deps", wheel, cwd=venv)
    assert done.returncode == 0, done.stderr
    _lend_packages(venv)
    return venv


def _lend_packages(venv: Path) -> None:
    lent = next(venv.glob("lib/python*/site-packages")) / "lent.pth"
    lent.write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")


def _metadata(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(f"jlab_mcp-{__version__}.dist-info/METADATA").decode()


def test_the_wheel_has_everything_that_is_needed_at_run_time(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for needed in (
        "py.typed",
        "tui/styles.tcss",
        "templates/jupyter_slurm.sh.template",
        "jupyter_extension/launch.py",
        "jupyter_extension/live.css",
        "jupyter_extension/live.html",
        "jupyter_extension/live.js",
        "jupyter_extension/usage.py",
    ):
        assert f"jlab_tui/{needed}" in names
    code = {str(path.relative_to(ROOT)) for path in (ROOT / "jlab_tui").rglob("*.py")}
    assert code <= names
    assert not [name for name in names if name.startswith(("tests/", "scripts/", "benchmarks/"))]
    assert wheel.name.startswith(f"jlab_mcp-{__version__}-py3-none-any")


def test_the_package_index_shows_a_page_whose_links_lead_to_the_release(built: Path, wheel: Path) -> None:
    done = run(sys.executable, "-m", "twine", "--no-color", "check", "--strict", *built.iterdir(), cwd=built)
    assert done.returncode == 0 and done.stdout.count("PASSED") == 2, done.stdout + done.stderr
    _, _, readme = _metadata(wheel).partition("\n\n")
    targets = [
        found[0] or found[1] for found in re.findall(r'\]\(([^)\s]+)|(?:src|srcset|href)="([^"]+)', readme)
    ]
    assert len(targets) > 10
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []
    ours = [target.removeprefix(REPOSITORY) for target in targets if target.startswith(REPOSITORY)]
    for name in (target.partition("#")[0].removeprefix(f"/blob/v{__version__}/") for target in ours):
        assert not name or (ROOT / name).exists(), name


def test_the_installed_command_runs_a_server_without_the_checkout(bare: Path, tmp_path: Path) -> None:
    where = {"cwd": tmp_path, "HOME": str(tmp_path), "JLAB_MCP_RUN_MODE": "local"}
    command = bare / "bin" / "jlab-mcp"
    assert run(command, "--version", **where).stdout == f"jlab-mcp {__version__}\n"  # type: ignore[arg-type]
    module = run(bare / "bin" / "python", "-m", "jlab_tui", "--version", **where)  # type: ignore[arg-type]
    assert module.stdout == f"jlab-mcp {__version__}\n"
    status = run(command, "status", **where)  # type: ignore[arg-type]
    assert status.returncode == 1 and "Start one with: jlab-mcp start" in status.stderr
    where_from = run(bare / "bin" / "python", "-c", "import jlab_tui; print(jlab_tui.__file__)", **where)  # type: ignore[arg-type]
    assert Path(where_from.stdout.strip()).is_relative_to(bare)
    try:
        started = run(command, "start", "--detach", **where)  # type: ignore[arg-type]
        assert started.returncode == 0, started.stdout + started.stderr
    finally:
        stopped = run(command, "stop", **where)  # type: ignore[arg-type]
    assert "stopped" in stopped.stdout


def test_an_environment_that_was_moved_still_works_and_registers_what_runs(
    bare: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "elsewhere" / "venv"
    shutil.copytree(bare, moved, symlinks=True)
    for script in (moved / "bin").glob("*"):
        if script.is_file() and not script.is_symlink():
            text = script.read_bytes().replace(str(bare).encode(), b"/gone/venv")
            script.write_bytes(text)
    where = {"cwd": tmp_path, "HOME": str(tmp_path)}
    done = run(moved / "bin" / "python", "-m", "jlab_tui", "init", **where)  # type: ignore[arg-type]
    assert done.returncode == 0, done.stderr
    assert f"{moved}/bin/python -P -m jlab_tui" in done.stdout
    checked = run(moved / "bin" / "python", "-m", "jlab_tui", "doctor", JLAB_MCP_RUN_MODE="local", **where)  # type: ignore[arg-type]
    assert checked.returncode == 0, checked.stdout


def test_uv_installs_the_wheel_as_a_tool(wheel: Path, tmp_path: Path) -> None:
    # Without any of its requirements, so that the test needs no package index.
    needed = re.findall(r"^Requires-Dist: ([\w.-]+)", _metadata(wheel), re.M)
    (tmp_path / "leave-out.txt").write_text("\n".join(needed) + "\n", encoding="utf-8")
    env = {
        "HOME": str(tmp_path / "home"),
        "UV_TOOL_DIR": str(tmp_path / "tools"),
        "UV_TOOL_BIN_DIR": str(tmp_path / "bin"),
        "UV_PYTHON": sys.executable,
        "UV_OFFLINE": "1",
    }
    done = run(
        sys.executable,
        "-m",
        "uv",
        "tool",
        "install",
        "-q",
        "--excludes",
        "leave-out.txt",
        wheel,
        cwd=tmp_path,
        **env,
    )
    assert done.returncode == 0, done.stderr
    _lend_packages(tmp_path / "tools" / "jlab-mcp")
    where = {"cwd": tmp_path, "HOME": str(tmp_path / "home"), "PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
    version = run("jlab-mcp", "--version", **where)  # type: ignore[arg-type]
    assert version.stdout == f"jlab-mcp {__version__}\n", version.stderr
    registered = run("jlab-mcp", "init", **where)  # type: ignore[arg-type]
    assert "jlab-mcp added (jlab-mcp)" in registered.stdout, registered.stdout + registered.stderr
