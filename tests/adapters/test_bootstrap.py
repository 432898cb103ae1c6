"""Making a project's `.venv`: with uv where it is, with its last words when it fails."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jlab_tui.adapters.bootstrap import PINNED, bootstrap
from jlab_tui.adapters.server.environment import choose_python
from jlab_tui.core.errors import LaunchFailed


def fake_uv(directory: Path, body: str) -> dict[str, str]:
    directory.mkdir()
    (directory / "uv").write_text(f'#!/bin/sh\necho "$@" >>{directory}/calls\n{body}\n', encoding="utf-8")
    (directory / "uv").chmod(0o755)
    return {"PATH": f"{directory}:/usr/bin:/bin"}


async def test_uv_makes_the_environment_and_installs_jupyter(tmp_path: Path) -> None:
    said: list[str] = []
    await bootstrap(tmp_path, fake_uv(tmp_path / "bin", "true"), said.append)
    venv, install = (tmp_path / "bin" / "calls").read_text(encoding="utf-8").splitlines()
    assert venv == f"venv {tmp_path}/.venv"
    assert install == f"pip install --python {tmp_path}/.venv/bin/python --require-hashes -r {PINNED}"
    assert said[0] == f"Making {tmp_path}/.venv with uv..."


async def test_a_failure_gives_the_last_words_of_the_tool(tmp_path: Path) -> None:
    env = fake_uv(tmp_path / "bin", "echo 'no route to the index' >&2; exit 1")
    with pytest.raises(LaunchFailed, match="no route to the index"):
        await bootstrap(tmp_path, env, lambda text: None)


async def test_an_environment_that_is_there_keeps_the_users_own_versions(tmp_path: Path) -> None:
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    await bootstrap(tmp_path, fake_uv(tmp_path / "bin", "true"), lambda text: None)
    (install,) = (tmp_path / "bin" / "calls").read_text(encoding="utf-8").splitlines()
    assert install == f"pip install --python {python} ipykernel"


async def test_an_empty_directory_is_filled(tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    await bootstrap(tmp_path, fake_uv(tmp_path / "bin", "true"), lambda text: None)
    assert len((tmp_path / "bin" / "calls").read_text(encoding="utf-8").splitlines()) == 2


@pytest.mark.parametrize("link", [".venv/bin/python", ".venv"])
async def test_an_environment_whose_python_is_gone_is_refused_with_the_command_of_a_start(
    tmp_path: Path, link: str
) -> None:
    (tmp_path / link).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / link).symlink_to("/not/there")
    with pytest.raises(LaunchFailed) as refused:
        await bootstrap(tmp_path, fake_uv(tmp_path / "bin", "true"), lambda text: None)
    assert "is not there any more (its link leads to /not/there)" in refused.value.message
    choice = await choose_python(tmp_path, {})
    assert choice.passed is not None and choice.passed.hint == refused.value.hint
    assert f"mv {tmp_path}/.venv {tmp_path}/.venv.old && " in refused.value.hint
    assert not (tmp_path / "bin" / "calls").exists()
