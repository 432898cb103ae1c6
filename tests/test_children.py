"""The check that every test runs under: no child process outlives the test that started it."""

from __future__ import annotations

import contextlib
import os
import subprocess

import pytest

from tests.children import LASTING, ended, none_left


def test_a_test_that_leaves_a_process_running_fails_and_names_it() -> None:
    with (
        contextlib.ExitStack() as stack,
        pytest.raises(AssertionError, match=r"left behind: process \d+ \(sleep 60\)"),
        none_left(grace_s=0),
    ):
        stack.enter_context(ended(subprocess.Popen(["sleep", "60"])))


def test_a_process_that_has_ended_and_is_not_waited_for_counts() -> None:
    with pytest.raises(AssertionError, match="nobody waited for it"), none_left(grace_s=0):
        process = subprocess.Popen(["true"], stdout=subprocess.PIPE)
        assert process.stdout
        process.stdout.read()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    process.communicate()


def test_a_process_that_several_tests_share_may_stay() -> None:
    with none_left(grace_s=0):
        process = subprocess.Popen(["sleep", "60"], env=os.environ | LASTING)
    with ended(process):
        pass
