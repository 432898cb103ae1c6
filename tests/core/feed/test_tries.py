"""Failed runs of one cell, one after the other, are tries of the run that ends them well."""

from __future__ import annotations

import pytest

from jlab_tui.core.feed.items import FeedCell, FeedItem, Note
from jlab_tui.core.feed.tries import all_tries, tries_up_to
from jlab_tui.core.journal.events import RunStatus

STATUS = {
    "x": RunStatus.ERROR,
    "d": RunStatus.DIED,
    "v": RunStatus.OK,
    "i": RunStatus.INTERRUPTED,
    "r": RunStatus.RUNNING,
}


def items_of(words: str) -> list[FeedItem]:
    """`ax`: cell a of session s failed; `a-` is a note, `-x` a run of no cell, `Ax` cell a of another session."""
    found: list[FeedItem] = []
    for word in words.split():
        cell, status = word[0], word[1]
        if status == "-":
            found.append(Note("s", 1.0, "a note"))
        else:
            ident = "" if cell == "-" else cell.lower()
            found.append(FeedCell("S" if cell.isupper() else "s", 1.0, "f()", ident, status=STATUS[status]))
    return found


@pytest.mark.parametrize(
    ("words", "chains"),
    [
        ("", []),
        ("av", []),
        ("ax av", [range(2)]),
        ("bv ax ad ax av bx", [range(1, 5)]),
        ("ax av av", [range(2)]),
        ("ax av ax av", [range(2), range(2, 4)]),
        ("ax ax", []),
        ("ax ar", []),
        ("ax ai av", []),
        ("ax a- av", []),
        ("a- av", []),
        ("ax bv", []),
        ("ax Av", []),
        ("-x -v", []),
    ],
)
def test_only_failed_runs_right_before_a_good_one_of_the_same_cell_are_its_tries(
    words: str, chains: list[range]
) -> None:
    items = items_of(words)
    assert list(all_tries(items)) == chains
    assert [tries for place in range(len(items)) if (tries := tries_up_to(items, place))] == chains
