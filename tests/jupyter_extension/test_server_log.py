"""The bounds of the server's log, and the one line for many refusals."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from jlab_tui.jupyter_extension import server_log
from jlab_tui.jupyter_extension.server_log import A_MINUTE, LINES, LogLimit, shorten, shorten_file
from jlab_tui.jupyter_extension.strangers import REFUSALS_EVERY_S, Refusals, is_large


@given(st.text())
def test_a_line_of_the_log_is_short_and_prints_nothing_that_acts_on_a_terminal(text: str) -> None:
    lines = shorten(text).split("\n")
    assert len(lines) <= LINES
    for line in lines:
        assert len(line) <= server_log.LINE_CHARS
        assert not any(
            (ord(c) < 32 and c != "\t") or 0x7F <= ord(c) < 0xA0 or 0x202A <= ord(c) <= 0x202E for c in line
        )
        line.encode()


def record(line: int, text: str = "text", *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("name", logging.INFO, "file.py", line, text, arguments, None)


def test_a_place_that_writes_too_often_is_counted_and_hides_no_other() -> None:
    now = [0.0]
    limit = LogLimit(lambda: now[0], lambda: None)
    written = [entry for entry in (record(1) for _ in range(1000)) if limit.filter(entry)]
    assert len(written) == A_MINUTE and "left out" in written[-1].msg
    assert limit.filter(record(2))
    now[0] = 61
    later = record(1)
    assert limit.filter(later) and later.msg == f"text ({1000 - A_MINUTE} more were left out)"


def test_a_message_whose_arguments_do_not_fit_and_a_long_traceback_are_cut() -> None:
    limit = LogLimit(lambda: 0.0, lambda: None)
    odd = record(1, "%d" + "x" * 9999, "text")
    assert limit.filter(odd) and len(odd.getMessage()) < 500
    try:
        raise ValueError("y" * 100_000)
    except ValueError:
        failed = logging.LogRecord("name", logging.ERROR, "file.py", 2, "failed", (), sys.exc_info())
    assert limit.filter(failed)
    assert max(map(len, logging.Formatter().format(failed).splitlines())) < 500


def test_a_log_that_grew_too_large_keeps_its_beginning_and_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT)  # without O_APPEND, as a server is started
    try:
        os.write(descriptor, b"the first line\n")
        assert not shorten_file(descriptor)
        for number in range(90_000):
            os.write(descriptor, b"line %093d\n" % number)
        assert shorten_file(descriptor)
        os.write(descriptor, b"the next line\n")
    finally:
        os.close(descriptor)
    lines = log.read_bytes().splitlines()
    assert log.stat().st_size < 5 << 20
    assert lines[0] == b"the first line" and lines[-1] == b"the next line"
    assert lines[-2] == b"line %093d" % 89_999
    assert sum(b"were removed" in line for line in lines) == 1
    assert all(len(line) == 98 or b"next" in line or b"first" in line or b"removed" in line for line in lines)


def test_a_log_that_is_no_file_is_left_alone() -> None:
    read, write = os.pipe()
    assert not shorten_file(write)
    os.close(read)
    os.close(write)


def test_refusals_are_one_line_at_once_and_then_one_a_minute() -> None:
    lines: list[str] = []
    due: list[tuple[float, Callable[[], None]]] = []
    refusals = Refusals(lines.append, lambda after, call: due.append((after, call)))
    for number in range(500):
        refusals.add(f"403 GET /{number}")
    assert lines == ["1 unauthenticated request refused; latest: 403 GET /0"]
    assert [after for after, _ in due] == [REFUSALS_EVERY_S]
    due.pop()[1]()
    assert lines[1:] == ["499 unauthenticated requests refused; latest: 403 GET /499"]
    due.pop()[1]()
    assert len(lines) == 2 and not due, "nothing is left to say"
    refusals.add("403 GET /x")
    assert len(lines) == 3


def test_whether_a_body_is_large_is_read_from_odd_headers_too() -> None:
    small: list[dict[str, str]] = [{}, {"Content-Length": "0"}, {"Content-Length": "65536"}]
    large = ["65537", "1" * 5000, "-1", "5, 5", "0x10", "1e3", "", "²"]
    assert not any(map(is_large, small))
    assert all(is_large({"Content-Length": length}) for length in large)
    assert is_large({"Content-Length": "1", "Transfer-Encoding": "chunked"})
