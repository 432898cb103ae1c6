"""The status file's text is the record, whole or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.core.server.record import ServerRecord, ServerState, format_record, parse_record
from jlab_tui.core.settings import Mode

text = st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=30)
"""paths too: with double blanks, U+00A0 and U+3000, and what other programs take for an end of line"""
records = st.builds(
    ServerRecord,
    state=st.sampled_from(ServerState),
    mode=st.sampled_from(Mode),
    hostname=text,
    job_id=text,
    pid=st.integers(2, 1 << 22),
    launcher=text.map(lambda name: f"login{name}"),
    pid_start=text,
    port=st.integers(0, 65535),
    token=text,
    url=text.map(lambda rest: f"http://{rest}"),
    started=st.integers(0, 1 << 40).map(lambda n: n / 1000),
    message=text,
    extra=st.dictionaries(st.from_regex(r"X_[A-Z]{1,8}", fullmatch=True), text.filter(bool), max_size=3),
)


@given(records)
def test_what_is_written_is_read_back(record: ServerRecord) -> None:
    assert parse_record(format_record(record)) == record


@given(records, st.data())
def test_a_text_cut_anywhere_is_never_taken_for_a_record(record: ServerRecord, data: st.DataObject) -> None:
    whole = format_record(record)
    cut = data.draw(st.integers(0, len(whole) - 2))
    with pytest.raises(ValueError, match="incomplete"):
        parse_record(whole[:cut])


@pytest.mark.parametrize("line", ["STATE=flying", "MODE=cloud", "PID=many", "PORT=x"])
def test_a_value_that_makes_no_sense_is_named(line: str) -> None:
    good = format_record(ServerRecord(ServerState.READY, Mode.LOCAL, pid=1, port=2))
    key = line.partition("=")[0]
    bad = "\n".join(line if row.startswith(key + "=") else row for row in good.splitlines())
    with pytest.raises(ValueError, match=key):
        parse_record(bad)


def test_the_token_is_not_in_the_repr_and_lines_cannot_be_injected() -> None:
    record = ServerRecord(ServerState.ERROR, Mode.LOCAL, token="s3cret", message="two\nSTATE=ready")
    assert "s3cret" not in repr(record)
    assert parse_record(format_record(record)).state is ServerState.ERROR
