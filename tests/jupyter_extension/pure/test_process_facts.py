"""What /proc says about a kernel's process, from a recorded tree."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jlab_tui.jupyter_extension.process_facts import (
    catches,
    file_behind,
    process_facts,
    program,
    stacks_file,
)

TCP = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    "   0: 0100007F:1F90 0500000A:7308 01 00000000:00000000 00:00000000 00000000  1000        0 901 1\n"
    "   1: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 902 1\n"
    "   2: short\n"
)
TCP6 = (
    "  sl\n   0: 00000000000000000000000001000000:0050 00000000000000000000000001000000:0051 01 "
    "00000000:00000000 00:00000000 00000000  1000        0 903 1\n"
)


class Tree:
    """A directory like /proc."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def process(self, pid: int, command: str = "python\0") -> None:
        self.write(f"{pid}/cmdline", command)
        self.write(f"{pid}/net/tcp", TCP)
        self.write(f"{pid}/net/tcp6", TCP6)

    def thread(self, place: str, name: str, state: str, syscall: str = "", wchan: str = "0") -> None:
        self.write(f"{place}/stat", f"1 ({name}) {state} " + " ".join(["0"] * 10) + " 150 50 0")
        self.write(f"{place}/comm", f"{name}\n")
        self.write(f"{place}/wchan", wchan)
        if syscall:
            self.write(f"{place}/syscall", syscall)

    def link(self, pid: int, descriptor: int, target: str) -> None:
        folder = self.root / str(pid) / "fd"
        folder.mkdir(parents=True, exist_ok=True)
        os.symlink(target, folder / str(descriptor))

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_threads_are_described_the_main_one_first_and_children_by_their_program(tree: Tree) -> None:
    tree.process(40)
    tree.thread("40/task/40", "py) (x", "S", "61 0xffffffff 0x7ffd", "do_wait")
    tree.thread("40/task/41", "zmq", "R", "running")
    tree.thread("40/task/42", "hidden", "S")
    tree.write("40/task/self", "")
    tree.process(50, "/usr/bin/git\0push\0https://user:secret@host\0")
    tree.thread("50", "git", "S", "0 0x0 0x7f")
    tree.link(50, 0, "/dev/pts/3")
    found = process_facts(40, [50, 51], "x86_64", str(tree.root))
    main, other, hidden = found["threads"]
    assert main == {
        "tid": 40, "name": "py) (x", "state": "S", "cpu_s": 2.0, "wchan": "do_wait", "call": "wait4", "target": "",
    }  # fmt: skip
    assert (other["call"], other["wchan"]) == ("running", "")
    assert (hidden["call"], hidden["state"]) == ("", "S")
    (child,) = found["children"]
    assert (child["pid"], child["name"], child["call"], child["target"]) == (
        50,
        "git push",
        "read",
        "/dev/pts/3",
    )
    assert (found["more_threads"], found["more_children"]) == (0, 0)


def test_a_process_that_is_gone_has_nothing_and_a_crowd_is_counted(tree: Tree) -> None:
    found = process_facts(7, list(range(100, 120)), "x86_64", str(tree.root))
    assert (found["threads"], found["children"], found["more_children"]) == ([], [], 4)
    for tid in range(70):
        tree.thread(f"8/task/{tid}", "t", "S")
    found = process_facts(8, [], "x86_64", str(tree.root))
    assert (len(found["threads"]), found["more_threads"]) == (64, 6)


@pytest.mark.parametrize(
    ("machine", "syscall", "call"),
    [
        ("aarch64", "98 0x0 0x1", "futex"),
        ("x86_64", "9999 0x0", ""),
        ("riscv64", "98 0x0", ""),
        ("x86_64", "-1", ""),
        ("x86_64", "0", "read"),
    ],
)
def test_a_system_call_has_its_name_on_machines_that_are_known(
    tree: Tree, machine: str, syscall: str, call: str
) -> None:
    tree.thread("9/task/9", "t", "S", syscall)
    assert process_facts(9, [], machine, str(tree.root))["threads"][0]["call"] == call


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("pipe:[7]", "pipe:[7]"),
        ("socket:[901]", "socket to 10.0.0.5:29448"),
        ("socket:[902]", "socket listening at 127.0.0.1:8081"),
        ("socket:[903]", "socket to [::1]:81"),
        ("socket:[999]", "socket"),
    ],
)
def test_a_descriptor_leads_to_a_file_or_to_the_peer_of_a_socket(tree: Tree, target: str, shown: str) -> None:
    tree.process(60)
    tree.link(60, 3, target)
    assert file_behind(str(tree.root / "60"), 3) == shown
    assert file_behind(str(tree.root / "60"), 4) == ""


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("/usr/bin/python3\0/home/u/train.py\0--token=secret\0", "python3 train.py"),
        ("sh\0-c\0curl -H secret\0", "sh"),
        ("curl\0https://secret@host/\0", "curl"),
        ("", ""),
        ("make", "make"),
    ],
)
def test_a_command_is_named_without_what_may_be_secret(command: str, shown: str) -> None:
    assert program(command) == shown


def test_a_kernel_is_signalled_only_if_it_catches_the_signal_that_its_file_names(tree: Tree) -> None:
    assert stacks_file(70, str(tree.root)) is None
    tree.link(70, 5, "/tmp/other (deleted)")
    tree.link(70, 6, "/tmp/jlab-mcp-stacks-61-7012-ab_3x (deleted)")
    tree.write("70/fd/7", "not a link")
    tree.write("70/status", "Name:\tpython\nSigCgt:\t0000000000000002\n")
    assert stacks_file(70, str(tree.root)) is None
    tree.write("70/status", "SigCgt:\t1000000000000000\n")
    assert stacks_file(70, str(tree.root)) == (f"{tree.root}/70/fd/6", 61, 7012)
    assert not catches("", 61)
