"""Every error that the program can raise says what happened and what to do, and has an exit code."""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest

from jlab_tui.core import errors
from jlab_tui.core.errors import JlabError
from jlab_tui.core.server.record import ServerRecord, ServerState, SlurmFacts
from jlab_tui.core.server.state_machine import step
from jlab_tui.core.server.status import Health, Limits, Observation, ServerStatus
from jlab_tui.core.settings import Mode
from jlab_tui.core.slurm.queue import Job, QueueRows
from jlab_tui.core.slurm.show import JobDetails
from jlab_tui.core.slurm.terms import JobState

PACKAGE = Path(errors.__file__).parents[1]
CLASSES = {
    name: kind for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, JlabError)
}
EXIT_CODES = {
    "JlabError": 1,
    "UsageError": 2,
    "SettingError": 2,
    "ServerError": 1,
    "NoServer": 1,
    "ServerNotReady": 3,
    "ServerEnded": 1,
    "ServerUnreachable": 1,
    "LaunchFailed": 1,
    "ServerFull": 1,
    "StatusFileError": 1,
    "UntrustedDirectory": 1,
    "StatusFileUnreadable": 1,
    "StatusFileDamaged": 1,
    "SessionError": 1,
    "UnknownSession": 1,
    "UnknownRun": 1,
    "UnknownTask": 1,
    "RecordUnreadable": 1,
    "SessionBusy": 1,
    "SessionOwned": 1,
    "KernelGone": 1,
    "NotebookError": 1,
}


CHOSEN = {"kinds[record.state]", "kind"}
"""expressions that choose one of the classes"""
INTERNAL = {
    # exception: what becomes of it
    "AssertionError": "a fault of jlab-mcp",
    "NotImplementedError": "a fault of jlab-mcp",
    "ValueError": "a codec's answer; whoever reads a file or a reply turns it into an error of ours or counts it",
    "TypeError": "the same, inside a codec",
    "SessionGone": "the demo tells that its session was ended by hand",
    "NotJson": "merge_mcp_json makes a UsageError of it, with the position",
    "ChangedOnDisk": "the notebook is read again",
    "OverwrittenError": "the notebook is read again",
    "TimeoutError": "the connection is made again; where lines are searched, the reader makes a UsageError of it",
    "re.error": "the reader of lines makes a UsageError of it",
    "ConnectionError": "the connection is made again",
    "MCPError": "the SDK's, with the text of an error of ours: it is the answer to a question about a task",
    "ResourceError": "the SDK's, with the text of an error of ours: it is the answer to the reading of a resource",
    "PermissionError": "the bell's directory elsewhere is used, or the command line's last resort says it",
    "IsADirectoryError": "a damaged status file",
    "NotADirectoryError": "a warning next to the outputs",
    "NotAccepted": "the proof waits and looks again",
    "BridgeDown": "the server counts as silent, and the status says why, by the bridge's last word",
    "PeerUnproved": "somebody else's server, as far as health tells; else the connection is made again",
    "httpcore2.ConnectError": "httpx2's error of the same name",
    "httpx2.ReadTimeout": "HttpClient makes ServerUnreachable of it, and health silence",
    "httpx2.RemoteProtocolError": "the same",
    "_named_by_httpx": "HttpClient makes ServerUnreachable of it",
    "SystemExit": "exit codes of the program",
    "argparse.ArgumentTypeError": "the parser says it with the usage",
}


def raised() -> Iterator[tuple[str, ast.Call, str]]:
    """Every place that makes an error of ours: class, call, and where."""
    for path, tree in sources():
        for found in ast.walk(tree):
            if isinstance(found, ast.Call) and (name := _made_by(found)):
                yield name, found, f"{path.relative_to(PACKAGE)}:{found.lineno}"


@functools.cache
def sources() -> list[tuple[Path, ast.Module]]:
    return [
        (path, ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] != "jupyter_extension"  # it answers HTTP and has no user
    ]


def _made_by(call: ast.Call) -> str:
    """The class of ours that a call makes, empty where it makes none."""
    if isinstance(call.func, ast.Attribute):
        name = call.func.attr
    elif (name := ast.unparse(call.func)) in CHOSEN:
        return "JlabError"
    return name if name in CLASSES else ""


def makers() -> set[str]:
    """Functions that make an error of ours, as their annotation says; the call inside them is one of the table."""
    return {
        found.name
        for _, tree in sources()
        for found in ast.walk(tree)
        if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef)
        and found.returns
        and ast.unparse(found.returns) in CLASSES
    }


SITES = [pytest.param(name, call, id=where) for name, call, where in raised()]


def has_own_words(name: str) -> bool:
    """Whether the class makes its sentences itself."""
    return "__init__" in vars(CLASSES[name]) and name != "JlabError"


def test_only_our_errors_and_ones_caught_before_a_user_sees_them_are_raised() -> None:
    bare: list[str] = []
    known = makers()
    for path, tree in sources():
        for found in ast.walk(tree):
            if not isinstance(found, ast.Raise) or found.exc is None:
                continue
            raised = found.exc.value if isinstance(found.exc, ast.Await) else found.exc
            if isinstance(raised, ast.Name) and raised.id.islower():
                continue  # it was made, or caught, elsewhere
            made = raised.func if isinstance(raised, ast.Call) else raised
            ours = isinstance(raised, ast.Call) and _made_by(raised)
            if (
                not ours
                and ast.unparse(made).rpartition(".")[2] not in known
                and ast.unparse(made) not in INTERNAL
            ):
                bare.append(f"{path.relative_to(PACKAGE)}:{found.lineno}: {ast.unparse(found)}")
    assert bare == []


def test_the_table_names_every_error_with_its_exit_code() -> None:
    assert {name: kind.exit_code for name, kind in CLASSES.items()} == EXIT_CODES


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn = (errors.__doc__ or "").split()
    assert [name for name in CLASSES if name not in drawn] == []


@pytest.mark.parametrize(("name", "call"), SITES)
def test_each_error_says_what_happened_and_what_to_do(name: str, call: ast.Call) -> None:
    if has_own_words(name):
        return
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    is_starred = any(isinstance(argument, ast.Starred) for argument in given)
    assert is_starred or len(given) == 2, "it has no hint"
    if is_starred:
        return
    message, hint = given
    for argument in (message, hint):
        if not isinstance(argument, ast.Constant | ast.JoinedStr):
            continue  # made elsewhere; test_a_situation_that_is_an_error_has_a_hint looks at most of them
        parts = [argument] if isinstance(argument, ast.Constant) else argument.values
        first, last = parts[0], parts[-1]
        assert not isinstance(first, ast.Constant) or str(first.value)[:1].isupper() or _is_a_name(first)
        assert (
            not isinstance(last, ast.Constant)
            or str(last.value).endswith((".", ":", "`", ")", "?"))
            or _ends_in_a_command(argument)
        )


def _is_a_name(part: ast.Constant) -> bool:
    """Commands and variables begin as they are written."""
    return str(part.value).startswith(("sbatch", "`", "grep"))


def _ends_in_a_command(argument: ast.Constant | ast.JoinedStr) -> bool:
    text = ast.unparse(argument)
    return "jlab-mcp " in text or ": " in text


@pytest.mark.parametrize("state", list(ServerState))
@pytest.mark.parametrize("mode", list(Mode))
def test_a_situation_that_is_an_error_has_a_hint(state: ServerState, mode: Mode) -> None:
    seen = 0
    for status in statuses(state, mode):
        is_error = status.is_over or status.give_up or status.state is ServerState.STOPPING
        is_lost = status.state is ServerState.READY and status.reachable is False
        if is_error or is_lost:
            seen += 1
            assert status.sentence, status
            assert status.hint, status
    assert seen


def statuses(state: ServerState, mode: Mode) -> Iterator[ServerStatus]:
    """What follows from every combination of what may be seen, early and late."""
    record = ServerRecord(
        state, mode, job_id="7" if mode is Mode.SLURM else "", hostname="node1", pid=5, port=18001, started=1000.0,
        url="http://node1:18001", slurm=SlurmFacts("abc", connected=1001),
    )  # fmt: skip
    names = [None] if mode is Mode.LOCAL else [None, *JobState]
    for alive, health, name, now in product((None, True, False), (None, *Health), names, (1005.0, 5000.0)):
        job = (
            Job("7", name, "None", batch_host="node1", comment="jlab-mcp/abc", submitted=1000.0)
            if name
            else None
        )
        rows = QueueRows((job,) if job else (), now) if mode is Mode.SLURM else None
        told = JobDetails("7", name, "", 0, 0, 0, "/log", "node1") if name else None
        seen = Observation(now, process_alive=alive, health=health, queue=rows, details=told)
        yield step(record, seen, Limits())


@pytest.mark.parametrize(
    ("make", "what", "then"),
    [
        (
            lambda: errors.SettingError("JLAB_MCP_WAIT_S", "x", "a number"),
            "JLAB_MCP_WAIT_S='x' is not a number.",
            "unset it",
        ),
        (lambda: errors.NoServer("/work"), "No Jupyter server is running for /work.", "jlab-mcp start"),
        (
            lambda: errors.NoServer("/work", ["/a", "/b"]),
            "No Jupyter server is running for /work.",
            "There is one for /a and for /b",
        ),
        (
            lambda: errors.StatusFileDamaged("/s", "torn"),
            "The status file /s cannot be read: torn.",
            "jlab-mcp stop",
        ),
        (
            lambda: errors.StatusFileDamaged("/s", "torn", "job 7"),
            "The status file /s cannot be read: torn.",
            "names job 7",
        ),
        (
            lambda: errors.StatusFileUnreadable("/s", "stale"),
            "The status file /s cannot be read right now: stale.",
            "Try again",
        ),
        (
            lambda: errors.ServerFull("The server may open only 64 files."),
            "The server may open only 64 files.",
            "Shut down sessions",
        ),
        (lambda: errors.UnknownSession("a", []), "There is no session 'a'.", "start_new_session"),
        (lambda: errors.UnknownSession("a", ["b"]), "There is no session 'a'.", "Open sessions: b."),
        (
            lambda: errors.UnknownRun("a-1", []),
            "There is no run 'a-1'.",
            "No open session has run anything; ping lists the sessions.",
        ),
        (lambda: errors.UnknownRun("a-1", ["b-2"]), "There is no run 'a-1'.", "Latest runs: b-2."),
        (
            lambda: errors.UntrustedDirectory("/d", "/d is open to all", "chmod go-w /d", "export X=/d"),
            "Others could replace your files in /d: /d is open to all.",
            "use it as it is with `export X=/d`",
        ),
        (
            lambda: errors.RecordUnreadable("a", "/a.1.jsonl"),
            "The record of session a cannot be read: /a.1.jsonl is damaged, or written by a newer version.",
            "read_notebook",
        ),
        (
            lambda: errors.SessionOwned.by("a", "login1:7"),
            "Session a is held by another MCP server process (login1:7).",
            "start_new_session",
        ),
    ],
)
def test_errors_with_words_of_their_own_say_both(make: Callable[[], JlabError], what: str, then: str) -> None:
    error = make()
    assert error.message == what and then in error.hint
    assert str(error) == f"{error.message} {error.hint}"


def test_unknown_facts_are_left_out() -> None:
    assert errors.NoServer("/work").hint == "Start one with: jlab-mcp start"
    assert "names" not in errors.StatusFileDamaged("/s", "torn").hint
    assert str(JlabError("It is over.", "")) == "It is over."


@pytest.mark.parametrize(
    ("size", "shown"), [(60, "y" * 60), (61, "y" * 57 + "..."), (5000, "y" * 57 + "...")]
)
def test_a_long_value_is_cut_in_the_sentence(size: int, shown: str) -> None:
    assert errors.SettingError("X", "y" * size, "short").message == f"X='{shown}' is not short."
