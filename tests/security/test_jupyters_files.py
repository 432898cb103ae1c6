"""What Jupyter and its kernels write for us holds neither the token nor code where a second account can read it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from jlab_tui.jupyter_extension.segment_writer import SegmentWriter
from jlab_tui.jupyter_extension.segments import segment_name
from tests.jupyter_extension.servers import NODE, PYTHON, TOKEN, launch, owning, serving
from tests.security.strangers import as_stranger, needs_stranger, public_directory

LOOK = """
import os, sys
for here, folders, files in os.walk(sys.argv[1], followlinks=True):
    for name in files:
        try:
            with open(os.path.join(here, name), errors="replace") as file:
                if sys.argv[2] in file.read():
                    print(os.path.join(here, name))
        except OSError:
            pass
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """One whose parents every account can enter."""
    with public_directory() as made:
        (made / "home").mkdir(mode=0o755)
        yield made


def runtime_of(folder: Path) -> Path:
    return folder / "home" / ".local" / "share" / "jupyter" / "runtime"


def open_runtime(folder: Path, mode: int) -> Path:
    """The runtime directory as another program, or an earlier umask, has left it."""
    runtime = runtime_of(folder)
    runtime.mkdir(parents=True)
    for path in (runtime, *runtime.parents):
        if path == folder / "home":
            break
        path.chmod(0o755)
    runtime.chmod(mode)
    return runtime


def test_no_file_for_a_browser_holds_the_token(folder: Path) -> None:
    with serving(folder, lab=False):
        assert list(runtime_of(folder).glob("*open.html")) == []
        assert list(runtime_of(folder).glob("jpserver-*.json"))


@needs_stranger
@pytest.mark.parametrize("mode", [0o755, 0o777])
def test_a_stranger_finds_no_token_in_a_runtime_directory_that_was_open(folder: Path, mode: int) -> None:
    runtime = open_runtime(folder, mode)
    with serving(folder, lab=False) as server:
        (folder / "token").chmod(0o600)
        found = as_stranger(LOOK, folder / "home", TOKEN)
        assert (found.returncode, found.stdout) == (0, ""), found.stderr
        assert runtime.stat().st_mode & 0o777 == 0o700
        assert "its mode is now 700" in server.log.read_text(encoding="utf-8")


@needs_stranger
def test_a_runtime_directory_that_the_user_chose_keeps_its_mode_and_is_not_used_while_others_enter_it(
    folder: Path,
) -> None:
    chosen = folder / "chosen"
    chosen.mkdir()
    chosen.chmod(0o777)
    with serving(folder, lab=False, environ={"JUPYTER_RUNTIME_DIR": str(chosen)}) as server:
        server.start_kernel()
        assert list(chosen.iterdir()) == [] and chosen.stat().st_mode & 0o777 == 0o777
        (said,) = [
            line
            for line in server.log.read_text(encoding="utf-8").splitlines()
            if "runtime directory is" in line
        ]
        used = Path(said.split("runtime directory is ")[1].split(",")[0])
        assert used.stat().st_mode & 0o777 == 0o700 and list(used.glob("kernel-*.json"))
    assert not used.exists()


@needs_stranger
def test_a_runtime_directory_that_a_stranger_can_swap_is_not_used(folder: Path) -> None:
    runtime = open_runtime(folder, 0o700)
    runtime.parent.chmod(0o777)
    with serving(folder, lab=False):
        assert list(runtime.iterdir()) == []
        swapped = as_stranger("import os, sys; os.rename(sys.argv[1], sys.argv[1] + '.aside')", runtime)
        assert swapped.returncode == 0, swapped.stderr


@needs_stranger
async def test_the_code_that_runs_goes_to_no_history_file(folder: Path) -> None:
    with serving(folder, lab=False) as server:
        async with owning(server) as channel:
            assert await channel.run("secret = 'in-no-history'; print(len(In))") == "2\n"
            assert await channel.run("print(get_ipython().history_manager.hist_file)") == ":memory:\n"
            assert await channel.run("%history -n 1") != ""
            server.http.post(f"api/kernels/{channel.kernel}/restart")
            await channel.obituary()
        found = as_stranger(LOOK, folder / "home", "in-no-history")
        assert found.stdout == ""
    assert list(folder.rglob("history.sqlite")) == []


@pytest.mark.parametrize("section", ["HistoryManager", "HistoryAccessor"])
async def test_a_history_file_of_the_users_own_configuration_is_written(folder: Path, section: str) -> None:
    own = folder / "own.sqlite"
    profile = folder / "home" / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_config.py").write_text(
        f"c = get_config()\nc.{section}.hist_file = {str(own)!r}\n", encoding="utf-8"
    )
    with serving(folder, lab=False) as server:
        async with owning(server) as channel:
            assert await channel.run("print(get_ipython().history_manager.hist_file)") == f"{own}\n"


@pytest.mark.parametrize("name", ["token", "config.json"])
def test_a_server_reads_neither_its_token_nor_its_configuration_through_a_link(
    folder: Path, name: str
) -> None:
    process, _ = launch(folder, lab=False)
    process.kill()
    process.wait()
    (folder / name).rename(folder / "elsewhere")
    (folder / name).symlink_to(folder / "elsewhere")
    argv = [PYTHON, str(NODE / "launch.py"), str(folder / "config.json")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and str(folder / name) in done.stderr
    assert not (folder / "connection.json").exists()


def test_a_recording_empties_no_file_through_a_link(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("years of work", encoding="utf-8")
    writer = SegmentWriter(str(tmp_path / "kernel"), 1 << 20)
    (tmp_path / "kernel").mkdir()
    (tmp_path / "kernel" / segment_name(1)).symlink_to(precious)
    with pytest.raises(OSError, match="symbolic links"):
        writer.write([(1, b"frame")])
    assert precious.read_text(encoding="utf-8") == "years of work"
