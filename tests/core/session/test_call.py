"""What a client's call makes is named from its id, so that a second attempt finds it."""

from __future__ import annotations

from jlab_tui.core.session.call import NO_CALL, Call


def test_each_attempt_of_a_call_names_the_same_things() -> None:
    first, again = Call("abc"), Call("abc", first_sent=5.0)
    assert not first.is_resent and again.is_resent
    assert (first.msg_id, first.cell_id, first.session_id) == (again.msg_id, again.cell_id, again.session_id)
    assert first.derived("cell 1") == again.derived("cell 1") != first.derived("cell 2")


def test_two_calls_share_nothing() -> None:
    one, other = Call("abc"), Call("abd")
    names = {one.msg_id, one.cell_id, one.session_id, other.msg_id, other.cell_id, other.session_id}
    assert len(names) == 6
    assert (len(one.msg_id), len(one.cell_id), len(one.session_id)) == (32, 8, 8)


def test_a_call_without_an_id_names_nothing() -> None:
    assert not (NO_CALL.msg_id or NO_CALL.cell_id or NO_CALL.session_id or NO_CALL.derived("x"))
