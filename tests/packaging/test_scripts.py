"""The scripts of a checkout on machines that lack something: one sentence says what, another what to type."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

WRAPPER = """\
#!/bin/sh
case "$*" in
  *"-m venv"*--without-pip*) ;;
  *"-m venv"*) echo "ensurepip is not available" >&2; exit 1 ;;
  *"-m pip --version"*) {pip} ;;
  *"-m pip"*) echo "$@" >> {typed}; exit 0 ;;
esac
exec {real} "$@"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the script needs of a checkout."""
    made = tmp_path / "check out"
    (made / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "environment", made / "scripts")
    for name in ("pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        shutil.copy(ROOT / name, made)
    return made


def prepare(checkout: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Source the script as the others do."""
    return subprocess.run(
        ["sh", "-euc", 'EXTRA=""; . scripts/environment; echo "made $PY"'],
        cwd=checkout, env={"PATH": os.environ["PATH"], "HOME": str(checkout), **env},
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


def test_an_old_python_is_named_with_what_to_do(checkout: Path, tmp_path: Path) -> None:
    old = '#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n'
    for name in ("python3", "python3.14", "python3.13", "python3.12", "python3.11", "python"):
        executable(tmp_path / "bin" / name, old)
    done = prepare(checkout, PATH=f"{tmp_path}/bin:/usr/bin:/bin")
    assert done.returncode == 1 and done.stdout == ""
    assert "Python 3.11 or newer is needed; found: Python 3.9.2." in done.stderr and "PYTHON=" in done.stderr


def test_a_python_without_ensurepip_is_filled_by_its_pip_from_outside(checkout: Path, tmp_path: Path) -> None:
    typed = tmp_path / "typed"
    base = executable(tmp_path / "base", WRAPPER.format(pip="exit 0", typed=typed, real=sys.executable))
    done = prepare(checkout, PYTHON=str(base))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "made .venv/bin/python\n"
    assert "--python .venv/bin/python install" in typed.read_text(encoding="utf-8")
    again = prepare(checkout, PYTHON=str(base))
    assert again.returncode == 0 and "Installing" not in again.stderr


def test_a_python_without_ensurepip_and_pip_says_what_to_install(checkout: Path, tmp_path: Path) -> None:
    base = executable(
        tmp_path / "base", WRAPPER.format(pip="exit 1", typed=tmp_path / "typed", real=sys.executable)
    )
    done = prepare(checkout, PYTHON=str(base))
    assert done.returncode == 1 and "has neither ensurepip nor pip." in done.stderr
    assert "apt install python3-venv python3-pip" in done.stderr


def test_without_a_network_it_prints_the_workaround(checkout: Path) -> None:
    done = prepare(checkout, PYTHON=sys.executable, PIP_NO_INDEX="1", PIP_CONFIG_FILE=os.devnull)
    assert done.returncode == 1 and "The packages could not be installed" in done.stderr
    assert "pip download -d wheels" in done.stderr.splitlines()[-1]


def test_a_checkout_that_was_moved_gets_a_new_environment(checkout: Path, tmp_path: Path) -> None:
    typed = tmp_path / "typed"
    base = executable(tmp_path / "base", WRAPPER.format(pip="exit 0", typed=typed, real=sys.executable))
    assert prepare(checkout, PYTHON=str(base)).returncode == 0
    moved = checkout.rename(tmp_path / "moved")
    done = prepare(moved, PYTHON=str(base))
    assert done.returncode == 0 and "Installing" in done.stderr
    assert (
        len(typed.read_text(encoding="utf-8").splitlines()) == 4
    )  # the packages, then the project, each time


def test_a_long_installation_says_that_it_continues(checkout: Path, tmp_path: Path) -> None:
    said = tmp_path / "said"
    until_told = f"until grep -q 'still installing' {said}; do /bin/sleep 0.05; done; exit 0"
    wrapper = WRAPPER.replace('echo "$@" >> {typed}; exit 0', until_told)
    base = executable(tmp_path / "base", wrapper.format(pip="exit 0", real=sys.executable))
    short = executable(tmp_path / "bin" / "sleep", "#!/bin/sh\nexec /bin/sleep 0.1\n")
    with said.open("w", encoding="utf-8") as file:
        done = subprocess.run(
            ["sh", "-euc", 'EXTRA=""; . scripts/environment'],
            cwd=checkout, env={"PATH": f"{short.parent}:{os.environ['PATH']}", "PYTHON": str(base)},
            stderr=file, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 0 and said.read_text(encoding="utf-8").splitlines()[1].startswith("  still")


@pytest.mark.xdist_group("together")
def test_the_tests_of_a_group_stay_with_one_worker(request: pytest.FixtureRequest) -> None:
    """Else each worker brings up a Slurm cluster of its own. pytest does not report a mark without effect."""
    is_beside_others = "PYTEST_XDIST_WORKER" in os.environ
    assert request.node.nodeid.endswith("@together") == is_beside_others
