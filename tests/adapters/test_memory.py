"""Freed memory goes back to the system, whichever thread used it."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

THREADS = """
import ctypes, sys, threading
from jlab_tui.adapters.memory import use_one_heap

if sys.argv[1] == "one":
    use_one_heap()
all_there = threading.Barrier(4)

def use() -> None:
    kept = [bytearray(20_000) for _ in range(20)]
    all_there.wait(30)
    kept.clear()

threads = [threading.Thread(target=use) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fopen(sys.argv[2].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc, whose allocator it sets")
def test_threads_share_one_heap_once_they_are_told_to(tmp_path: Path) -> None:
    heaps = {}
    for how in ("one", "each"):
        told = tmp_path / how
        subprocess.run([sys.executable, "-c", THREADS, how, str(told)], check=True, timeout=100)
        heaps[how] = told.read_text(encoding="utf-8").count("<heap nr=")
    assert heaps["one"] == 1 < heaps["each"]
