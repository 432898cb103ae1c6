"""Text from outside acts on no terminal, hides nothing from the model, and names no odd file."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import TextContent

from jlab_tui.cli import printing_text
from jlab_tui.core.display.printable import PrintableOutput, printable
from jlab_tui.core.errors import UsageError
from jlab_tui.core.notebook.stems import file_stem
from jlab_tui.core.setting_values import is_slurm_time
from jlab_tui.mcp_server.content import as_json, as_text
from jlab_tui.services.server.client_start import Choice
from tests.project import Project

ANY = st.text(
    st.characters(codec=None) | st.sampled_from("\x1b\x9b\x9d\x07\x90[]m;0\u202e\u2066\u200f\ud800")
)
ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
HOSTILE = "a\x1b[31mb\x1b]52;c;eA==\x07c\x9b2Jd\x9d0;title\x9ce\u202ef\u2066g\x00h"


@given(ANY)
def test_any_text_is_printable_at_every_edge(text: str) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    print(text, file=PrintableOutput(out))
    out.flush()
    out.seek(0)
    blocks = [*as_text(text).content, *as_json({"text": text}).content]
    shown = [printable(text), out.read(), *(block.text for block in blocks if isinstance(block, TextContent))]
    for each in shown:
        assert not ACTS.search(each)
        each.encode()


@given(ANY)
def test_a_notebook_has_a_name_that_is_no_option_and_shows_itself_whole(name: str) -> None:
    stem = file_stem(name)
    assert stem and stem[0] not in "-." and not ACTS.search(stem)
    assert len(stem.encode()) <= 200


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
def test_text_of_any_language_is_left_unchanged(text: str) -> None:
    assert printable(text) == ACTS.sub("", text)


def test_sequences_are_taken_out_whole() -> None:
    assert printable(HOSTILE) == "abcdefgh"
    assert printable("tab\tand\nnewline é 漢 😀") == "tab\tand\nnewline é 漢 😀"


@pytest.mark.parametrize("time", ["٤:00:00", "１:00:00", "1-००", "²"])
def test_a_time_of_other_digits_is_refused(time: str) -> None:
    assert not is_slurm_time(time)


@pytest.mark.parametrize("time", ["0", "00:00:00", "0-0"])
def test_a_model_cannot_ask_for_a_job_without_limit(time: str) -> None:
    assert is_slurm_time(time), "a person may"
    with pytest.raises(UsageError, match="no limit"):
        Choice(time_limit=time).values()


SENDS_ODD = """
from IPython import get_ipython
kernel = get_ipython().kernel
kernel.session.send(kernel.iopub_socket, "stream", {"name": [], "text": 5}, parent=kernel.get_parent())
kernel.session.send(kernel.iopub_socket, "\x1b]0;title\x07\x9b2J\u202e", {"data": 5, "text": 5, "traceback": 5, "name": []}, parent=kernel.get_parent())
print("sent")
"""


async def test_the_mcp_process_logs_text(shared_server: Project) -> None:
    log = shared_server.home / "mcp-stderr.log"
    before = log.stat().st_size if log.exists() else 0
    async with shared_server.client() as agent:
        session = await agent.session("odd")
        assert "sent" in await agent.text("execute_code", session_id=session, code=SENDS_ODD)
        assert "did not understand" in (await agent.record("ping"))["not_understood"]
        await agent.call("shutdown_session", session_id=session)
    logged = log.read_bytes()[before:].decode()
    assert "logged once" in logged
    assert not ACTS.search(logged)


def test_commands_print_only_text() -> None:
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="", write_through=True) for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), printing_text():
        print(HOSTILE)
        print(HOSTILE, file=sys.stderr)
    for stream in (out, err):
        stream.seek(0)
        assert stream.read() == "abcdefgh\n"


async def test_the_log_is_printed_as_text(shared_server: Project) -> None:
    status = (shared_server.status_dir / "server-status").read_text(encoding="utf-8")
    found = re.search(r"^LOG=(.*)$", status, re.MULTILINE)
    assert found is not None
    with Path(found[1].strip("'\"")).open("ab") as log:
        log.write(f"{HOSTILE}\n".encode() + b"\xff\xc2\n")
    done = shared_server.run("logs")
    assert done.returncode == 0 and "abcdefgh" in done.stdout
    assert not ACTS.search(done.stdout)


def test_an_error_is_printed_as_text() -> None:
    command = [sys.executable, "-m", "jlab_tui", "start", "--time", HOSTILE.replace("\x00", "")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert not ACTS.search(done.stdout + done.stderr)
