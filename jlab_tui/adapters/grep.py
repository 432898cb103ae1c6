"""Searches lines in a separate process: compiling or matching a regular expression can take for ever, and a thread that
does it holds the interpreter lock and cannot be stopped."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

GREP_S: Final = 10.0
"""for all lines together"""
_BLOCK_CHARS: Final = 1 << 20

_SEARCH: Final = """
import json, re, sys
try:
    search = re.compile(json.loads(sys.stdin.readline())).search
except Exception as error:
    print(json.dumps(str(error)))
    sys.exit()
print('""', flush=True)
for block in sys.stdin:
    found = ((n, search(line)) for n, line in enumerate(json.loads(block)))
    print(json.dumps([(n, match.start()) for n, match in found if match]), flush=True)
"""


def grep(
    pattern: str, lines: Iterable[tuple[int, str]], timeout_s: float = GREP_S
) -> Iterator[tuple[int, str, int]]:
    """Return the numbered lines that match a regular expression, with the position in the line. Blocks.

    Raises re.error for an invalid expression, TimeoutError when the search takes too long.
    """
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _SEARCH],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    ) as process:
        try:
            trouble, left = _ask(process, pattern, timeout_s)
            if trouble:
                raise re.error(trouble)
            for block in _blocks(lines):
                found, left = _ask(process, [text for _, text in block], left)
                yield from ((*block[index], at) for index, at in found)
        finally:
            process.kill()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()  # type: ignore[union-attr]


def _ask(process: subprocess.Popen[str], value: object, left: float) -> tuple[Any, float]:
    """Return the answer and the seconds left; the time to read the lines themselves does not count."""
    assert process.stdin is not None and process.stdout is not None
    question = json.dumps(value) + "\n"
    began = time.monotonic()
    timer = threading.Timer(left, process.kill)
    timer.start()
    try:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(question)
            process.stdin.flush()
        answer = process.stdout.readline()
    finally:
        timer.cancel()
    if not answer.endswith("\n"):
        raise TimeoutError
    return json.loads(answer), max(0.0, left - (time.monotonic() - began))


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
