"""What is loaded and parsed before the dashboard's first frame: more of it is a later frame, and no other test would notice."""

from __future__ import annotations

import subprocess
import sys

from textual.color import Color

from jlab_tui.tui.style_sheet import KeptStylesheet

HEAVY = {
    "PIL",
    "plotext",
    "numpy",
    "markdown_it",
    "pygments",
    "rich.markdown",
    "rich.traceback",
    "httpx2",
    "httpcore2",
    "websockets",
    "cryptography",
    "mcp",
    "mcp_types",
    "nbformat",
    "jlab_tui.adapters.jupyter",
    "jlab_tui.services.kernel",
    "jlab_tui.services.server.launcher",
    "jlab_tui.services.session",
    "jlab_tui.services.notebook",
    "jlab_tui.core.kernel.stacks",
    "jlab_tui.core.kernel.waits",
    "jlab_tui.core.server.state_machine",
    "jlab_tui.jupyter_extension",
    "textual.widgets._markdown",
    "textual.widgets._data_table",
    "textual.widgets._text_area",
}


def test_what_a_key_or_the_server_needs_is_not_loaded_before_the_first_frame() -> None:
    loads = "import sys, jlab_tui.cli, jlab_tui.wiring.dashboard, tests.tui.real_app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "jlab_tui.tui.main_screen" in loaded
    assert not loaded & HEAVY


def test_style_sheets_are_parsed_again_only_with_other_colours() -> None:
    sheet = KeptStylesheet(variables={"mine": "red"})
    sheet.add_source("Label { color: $mine; }", read_from=("one", ""))
    first = sheet.rules[0]
    sheet.set_variables({"mine": "red"})
    sheet.reparse()
    assert sheet.rules[0] is first
    sheet.add_source("Input { color: $mine; }", read_from=("two", ""))
    sheet.reparse()
    assert sheet.rules[0] is first and len(sheet.rules) == 2
    sheet.set_variables({"mine": "blue"})
    sheet.reparse()
    assert [rule.styles.color for rule in sheet.rules] == [Color.parse("blue")] * 2
