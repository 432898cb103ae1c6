"""What the ends of ssh mean: which are nobody's failure, which only the user can mend, and when the next try comes."""

from __future__ import annotations

import pytest

from jlab_tui.core.ssh.argv import ALONE
from jlab_tui.core.ssh.line import BEGIN_S, NOT_IN_TIME, THROUGH_S, SshLine, has_slept
from jlab_tui.core.ssh.place import RemotePlace

PLACE = RemotePlace("cluster", "my proj")
UNREACHED = "ssh: connect to host cluster port 22: No route to host\n"
SLOW = "Connection timed out during banner exchange\nConnection to 10.0.0.1 port 22 timed out\n"
DENIED = "Welcome!\nada@cluster: Permission denied (publickey,keyboard-interactive).\n"


def line() -> SshLine:
    return SshLine(PLACE, "e30=")


def pauses(said: str, times: int = 6) -> list[float]:
    one = line()
    ends = [one.ended(255, said, had_begun=False) for _ in range(times)]
    return [end.pause_s for end in ends if end is not None and not end.refusal]


@pytest.mark.parametrize(
    "said",
    [
        UNREACHED,
        "ssh: Could not resolve hostname cluster: Name or service not known\n",
        "ssh: connect to host cluster port 22: Network is unreachable\n",
        "ssh: connect to host cluster port 22: Connection refused\n",
    ],
)
def test_while_nobody_is_reached_the_next_try_comes_within_two_seconds_without_end(said: str) -> None:
    assert pauses(said) == [0.5, 1.0, 2.0, 2.0, 2.0, 2.0]


@pytest.mark.parametrize("said", ["Operation timed out", "Connection timed out"])
def test_a_try_that_waited_for_an_answer_in_vain_is_followed_by_the_next_at_once(said: str) -> None:
    assert pauses(f"ssh: connect to host cluster port 22: {said}\n", 4) == [0.2] * 4


@pytest.mark.parametrize("said", ["", "Connection closed by 10.0.0.1 port 22\n", "something new\n", SLOW])
def test_a_host_that_answers_and_fails_is_asked_less_and_less(said: str) -> None:
    assert pauses(said) == [0.5, 1.0, 2.0, 5.0, 10.0, 10.0]


@pytest.mark.parametrize("code", [255, -9, -15])
def test_a_line_that_breaks_is_made_again_at_once_and_begins_its_pauses_anew(code: int) -> None:
    one = line()
    for _ in range(3):
        one.ended(255, UNREACHED, had_begun=False)
    one.began()
    end = one.ended(code, "client_loop: send disconnect: Broken pipe\r\n", had_begun=True)
    assert end is not None and end.pause_s == 0.5 and end.why == "client_loop: send disconnect: Broken pipe"


def test_an_end_of_the_program_itself_is_not_one_of_the_line() -> None:
    assert line().ended(1, "", had_begun=True) is None
    assert line().ended(2, "jlab-mcp: x\n", had_begun=True) is None


@pytest.mark.parametrize(
    ("code", "said", "sentence"),
    [
        (255, DENIED, "jlab-mcp login cluster"),
        (255, "Received disconnect: 2: Too many authentication failures\n", "jlab-mcp login cluster"),
        (255, f"mux_client_request_session: session request failed: Session open refused by peer\n{DENIED}", "one session at a time"),
        (255, "Host key verification failed.\r\n", "accept it once: ssh cluster"),
        (255, "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.\n", "another key"),
        (127, "sh: 1: exec: jlab-mcp: not found\n", "jlab-mcp init --ssh 'cluster:my proj'"),
        (126, "/x/jlab-mcp: No such file or directory\n", "jlab-mcp init --ssh"),
        (2, "motd\njlab-mcp: cluster has no directory /x.\n  Make it there.\n", "cluster has no directory /x. Make it there."),
        (2, "jlab-mcp: There is no command 'e30='; there are: start, stop.\n", "too old for this. This installs another: jlab-mcp init --ssh 'cluster:my proj'"),
        (2, "usage: jlab-mcp [-h]\njlab-mcp: error: unrecognized arguments: --at\n", "too old for this"),
        (NOT_IN_TIME, "", "did not begin on cluster within 40 s"),
        (1, "Segmentation fault\n", "(exit code 1): Segmentation fault"),
        (0, "", "it said nothing"),
    ],
)  # fmt: skip
def test_what_only_the_user_can_mend_is_a_sentence_with_what_to_type(
    code: int, said: str, sentence: str
) -> None:
    end = line().ended(code, said, had_begun=False)
    assert end is not None and sentence in end.refusal


def test_a_slow_host_gets_more_time() -> None:
    one = line()
    assert "-oConnectTimeout=2" in one.command("", ["--worker"])[0]
    one.ended(255, SLOW, had_begun=False)
    assert "-oConnectTimeout=30" in one.command("", ["--worker"])[0]
    one.began()
    assert "-oConnectTimeout=2" in one.command("", ["--worker"])[0]


def through(one: SshLine) -> tuple[str, float]:
    command, begin_s = one.command("/tmp/c", ["--worker"])
    return next(word for word in command if word.startswith("-oControlPath=")), begin_s


def test_an_open_connection_that_says_nothing_is_passed_by_once_unless_the_host_wants_it() -> None:
    one = line()
    assert through(one) == ("-oControlPath=/tmp/c", THROUGH_S)
    assert one.command("", [])[1] == BEGIN_S
    hung = one.ended(-9, "", had_begun=False, is_hung=True)
    assert hung is not None and hung.why == "it did not answer"
    assert through(one) == (f"-oControlPath={ALONE}", BEGIN_S)
    alone = one.ended(-9, "", had_begun=False, is_hung=True)
    assert alone is not None and "again; jlab-mcp init --ssh 'cluster:my proj' looks" in alone.why
    one.ended(-9, "", had_begun=False, is_hung=True)
    one.ended(255, DENIED, had_begun=False)
    assert through(one) == ("-oControlPath=/tmp/c", THROUGH_S), "the host wants more than a key"


def test_a_machine_slept_whose_clock_ran_on_without_it() -> None:
    assert has_slept(3600.0, 2.0) and not has_slept(2.5, 2.0) and not has_slept(2.0, 2.0)
