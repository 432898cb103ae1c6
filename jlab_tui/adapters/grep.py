"""Searching lines in a process of its own: a regular expression can take for ever, and in a thread it would hold up
everything else meanwhile and could not be stopped."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Final

GREP_S: Final = 10.0
"""for all lines together"""
_BLOCK_CHARS: Final = 1 << 20

_SEARCH: Final = """
import json, re, sys
search = re.compile(json.loads(sys.stdin.readline())).search
for block in sys.stdin:
    found = ((n, search(line)) for n, line in enumerate(json.loads(block)))
    print(json.dumps([(n, match.start()) for n, match in found if match]), flush=True)
"""


def grep(
    pattern: str, lines: Iterable[tuple[int, str]], timeout_s: float = GREP_S
) -> Iterator[tuple[int, str, int]]:
    """The numbered lines that match a valid regular expression, and where in the line. Raises TimeoutError when that
    takes too long; blocking."""
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _SEARCH],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    ) as process:
        timer = threading.Timer(timeout_s, process.kill)
        timer.start()
        try:
            _tell(process, pattern)
            for block in _blocks(lines):
                _tell(process, [text for _, text in block])
                assert process.stdout is not None
                found = process.stdout.readline()
                if not found.endswith("\n"):
                    raise TimeoutError
                yield from ((*block[index], at) for index, at in json.loads(found))
        finally:
            timer.cancel()
            process.kill()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()  # type: ignore[union-attr]


def _tell(process: subprocess.Popen[str], value: object) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(value) + "\n")
        process.stdin.flush()
    except BrokenPipeError:
        raise TimeoutError from None


def _blocks(lines: Iterable[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    block: list[tuple[int, str]] = []
    size = 0
    for line in lines:
        block.append(line)
        size += len(line[1])
        if size > _BLOCK_CHARS:
            yield block
            block, size = [], 0
    if block:
        yield block
