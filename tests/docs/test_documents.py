"""The documents tell what is there: commands, settings, messages, links, and the pages written by the program."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jlab_tui.arguments import make_parser
from jlab_tui.core.settings import PREFIX, VARIABLES, Settings, Variable, load_settings
from tests.project import Project

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("docs/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
INTERNAL = {"JLAB_MCP_VENV"}
"""read by the scripts of a checkout, not by the program"""


def blocks(page: Path) -> list[tuple[str, list[str]]]:
    """Fenced blocks of a page: what stands behind the fence, and their lines."""
    found = re.findall(r"^```([^\n]*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    return [(info.strip(), text.splitlines()) for info, text in found]


def commands(lines: list[str]) -> list[list[str]]:
    """`jlab-mcp` command lines of a block, as words."""
    typed = [line.removeprefix("$ ") for line in lines if line.startswith(("$ ", "jlab-mcp "))]
    split = [shlex.split(line, comments=True) for line in typed]
    return [words for words in split if words and words[0] == "jlab-mcp"]


def test_the_pages_written_by_the_program_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "make_docs.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_a_document_is_one_that_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    typed = [words for _, lines in blocks(page) for words in commands(lines)]
    if not text.startswith("<!-- Written by"):
        typed += [shlex.split(code) for code in re.findall(r"`(jlab-mcp [^`<>\n]*)`", text)]
    for words in typed:
        with contextlib.redirect_stderr(io.StringIO()) as said:
            try:
                make_parser().parse_args(words[1:])
            except SystemExit as refused:
                assert not refused.code, f"{' '.join(words)}: {said.getvalue()}"


@pytest.mark.parametrize(
    "page", [p for p in PAGES if any("run" in info.split() for info, _ in blocks(p))], ids=lambda p: p.name
)
def test_the_blocks_marked_to_be_run_can_be_typed_as_they_stand(page: Path, project: Project) -> None:
    for info, lines in blocks(page):
        if "run" not in info.split():
            continue
        for words in commands(lines):
            done = project.run(*words[1:])
            assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_in_a_document_is_one_that_exists(page: Path) -> None:
    named = set(re.findall(rf"{PREFIX}[A-Z_]*[A-Z]", page.read_text(encoding="utf-8")))
    assert named - INTERNAL <= {PREFIX + variable.name for variable in VARIABLES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there), target


def anchors(page: Path) -> set[str]:
    """Anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_message_in_troubleshooting_is_one_that_the_program_says() -> None:
    sources = [*ROOT.glob("jlab_tui/**/*.py"), ROOT / "scripts" / "environment", *ROOT.glob("templates/*")]
    said = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    said = re.sub(r'"\s*\n?\s*f?"', "", said)  # literals that stand side by side are one sentence
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    messages = re.findall(r"^### `(.+)`$", text, re.M)
    assert len(messages) > 20
    assert [message for message in messages if message not in said] == []


def settings(**env: str) -> Settings:
    return load_settings(
        {"HOME": "/home/ada", **{PREFIX + k: v for k, v in env.items()}}, Path("/work"), lambda path: False
    )


OTHER_VALUES = {
    "RUN_MODE": "slurm", "LINK": "srun", "ON_EXIT": "keep", "KEEP_H": "24", "IDLE_END_H": "2", "ALLOW_UNPROVED": "1", "PYTHON_FALLBACK": "1", "SLURM_BIND_IP": "10.0.0.5", "LOCAL_BIND_IP": "127.0.0.2",
    "SLURM_TIME": "1:00:00", "WAIT_S": "60", "PORT_MIN": "18500", "PORT_MAX": "18600", "EXIT_GRACE_S": "60", "TRUSTED_DIRS": "/other",
}  # fmt: skip


UNSET_IS_MORE = ("READY_TIMEOUT", "EXIT_GRACE_S")
"""the first has a default for each mode; without the second a client goes by what the server was started with"""


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_every_setting_of_the_table_is_read_and_has_its_default(variable: Variable) -> None:
    name, default = variable.name, variable.default
    assert settings(**{name: OTHER_VALUES.get(name, "777" if default.isdecimal() else "other")}) != settings()
    is_plain = default and not re.search(r"[ <]", default)
    if is_plain and name not in UNSET_IS_MORE:
        assert settings(**{name: default}) == settings()


class Asked(dict[str, str]):
    """An environment that remembers which of our variables it was asked for."""

    def __init__(self) -> None:
        super().__init__(HOME="/home/ada")
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)


def test_no_setting_is_missing_from_the_table() -> None:
    asked = Asked()
    load_settings(asked, Path("/work"), lambda path: False)
    assert asked.names - {"HOME"} == {PREFIX + variable.name for variable in VARIABLES}
