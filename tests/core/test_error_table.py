"""Every error that the program can raise says what happened and what to do, and has an exit code."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from jlab_tui.core import errors
from jlab_tui.core.errors import JlabError

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
    "StatusFileDamaged": 1,
    "SessionError": 1,
    "UnknownSession": 1,
    "UnknownRun": 1,
    "SessionBusy": 1,
    "SessionOwned": 1,
    "KernelGone": 1,
    "NotebookError": 1,
    "WaitTimeout": 3,
}


def raised() -> Iterator[tuple[str, ast.Call, str]]:
    """Every place that makes an error of ours: class, call, and where."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if "node" in path.relative_to(PACKAGE).parts[:1]:
            continue
        for found in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(found, ast.Call) and isinstance(found.func, ast.Name) and found.func.id in CLASSES:
                yield found.func.id, found, f"{path.relative_to(PACKAGE)}:{found.lineno}"


SITES = [pytest.param(name, call, id=where) for name, call, where in raised()]


def has_own_words(name: str) -> bool:
    """Whether the class makes its sentences itself."""
    return "__init__" in vars(CLASSES[name]) and name != "JlabError"


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
    assert len(given) == 2 or any(isinstance(a, ast.Starred) for a in given), "it has no hint"
    for argument in given:
        if isinstance(argument, ast.Constant):
            assert isinstance(argument.value, str)
            assert argument.value, "an empty sentence"
            assert argument.value[0].isupper() or argument.value.split()[0] == "sbatch", argument.value
        if isinstance(argument, ast.Constant | ast.JoinedStr):
            last = argument if isinstance(argument, ast.Constant) else argument.values[-1]
            if isinstance(last, ast.Constant):
                assert (
                    str(last.value).endswith((".", ":", "`", ")", "?"))
                    or "jlab-mcp " in str(last.value)
                    or ": " in str(last.value)
                )


@pytest.mark.parametrize(
    ("error", "what", "then"),
    [
        (
            errors.SettingError("JLAB_MCP_WAIT_S", "x", "a number"),
            "JLAB_MCP_WAIT_S='x' is not a number.",
            "unset it",
        ),
        (errors.NoServer("/work"), "No Jupyter server is running for /work.", "jlab-mcp start"),
        (errors.StatusFileDamaged("/s", "torn"), "The status file /s cannot be read: torn.", "jlab-mcp stop"),
        (errors.UnknownSession("a", []), "There is no session 'a'.", "start_new_session"),
        (errors.UnknownSession("a", ["b"]), "There is no session 'a'.", "Open sessions: b."),
        (errors.UnknownRun("a-1", []), "There is no run 'a-1'.", "Nothing has been run yet."),
        (errors.UnknownRun("a-1", ["b-2"]), "There is no run 'a-1'.", "Latest runs: b-2."),
    ],
)
def test_errors_with_words_of_their_own_say_both(error: JlabError, what: str, then: str) -> None:
    assert error.message == what and then in error.hint
    assert str(error) == f"{error.message} {error.hint}"


def test_a_long_value_is_cut_in_the_sentence() -> None:
    assert len(errors.SettingError("X", "y" * 5000, "short").message) < 120
