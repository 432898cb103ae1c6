"""Who may go on with a session that another process opened."""

from __future__ import annotations

import pytest

from jlab_tui.core.journal.lease import BEAT_S, STALE_S, is_held


@pytest.mark.parametrize(
    ("is_alive", "silent_s", "held"),
    [
        (True, 0.0, True),
        (True, STALE_S - 0.1, True),
        (True, STALE_S, False),
        (None, 0.0, True),
        (None, STALE_S - 0.1, True),
        (None, STALE_S, False),
        (False, 0.0, False),
        (False, STALE_S, False),
    ],
)
def test_a_session_is_its_owners_while_that_lives_or_may_live_and_was_heard_of(
    is_alive: bool | None, silent_s: float, held: bool
) -> None:
    assert is_held(is_alive, silent_s) is held


def test_an_owner_may_miss_several_beats() -> None:
    assert STALE_S > 5 * BEAT_S
