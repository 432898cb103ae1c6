"""What an agent is told unasked: the ends that no reply told it, its kernels, its server and the walltime; nothing twice."""

from __future__ import annotations

import pytest

from jlab_tui.core.journal.events import (
    Entry,
    ErrorRaised,
    Event,
    HumanActed,
    KernelChanged,
    Notice,
    ReplyHeaded,
    RunFinished,
    RunStarted,
    RunStatus,
    RunTold,
    SessionClosed,
    SessionOpened,
    TextPrinted,
)
from jlab_tui.core.news_desk import (
    COMMENT_GRACE_S,
    GRACE_S,
    LONG_S,
    News,
    NewsDesk,
    NewsKind,
    is_worth_telling,
)
from jlab_tui.core.server.record import ServerRecord, ServerState
from jlab_tui.core.server.resources import IdleEndPlan, KernelUse
from jlab_tui.core.server.status import ServerStatus
from jlab_tui.core.settings import Mode

NOW = 1_790_000_000.0
OPENED = SessionOpened("s", "train", "/data/train.ipynb", "k", "gpu-07", NOW, conversation="c1")
SCRATCH = SessionOpened("s", "", "", "k", "gpu-07", NOW)
STARTED = RunStarted("s-1", "execute_code", "cell", "train()")
ENDED = RunFinished("s-1", RunStatus.OK, 7260.0)
DIED = RunFinished("s-1", RunStatus.DIED, 1.0, cause="The kernel died (out of memory).")
KERNEL_DIED = KernelChanged("k", "died: out of memory")


def desk_with(*events: Event, conversation: str = "") -> NewsDesk:
    desk = NewsDesk(conversation)
    desk.look(status(ServerState.READY), NOW)
    for event in events:
        desk.feed("s", Entry(NOW, event), NOW)
    return desk


def news_of(*events: Event, conversation: str = "") -> list[News]:
    """What is news of these events once the client has had its time."""
    desk = desk_with(*events, conversation=conversation)
    assert desk.due(NOW + GRACE_S - 0.1) == []
    news = desk.due(NOW + GRACE_S)
    assert desk.due(NOW + 99) == []
    return news


def status(state: ServerState, sentence: str = "", *, started: float = 1.0, **more: object) -> ServerStatus:
    record = ServerRecord(state, Mode.SLURM, "gpu-07", job_id="7", started=started, **more)  # type: ignore[arg-type]
    return ServerStatus(record, state, sentence)


def test_the_end_of_a_long_run_is_news_with_its_last_line_and_the_next_call() -> None:
    printed = TextPrinted("s-1", "stdout", "epoch 1\repoch 2\n\x1b[31mloss\t0.1\x1b[0m\n\n")
    (news,) = news_of(OPENED, STARTED, printed, ENDED)
    assert news == News(
        NewsKind.RUN,
        "Run s-1 of session s (train) ended well after 2:01:00. Its last line: loss 0.1 "
        'wait_for_run(run_id="s-1") returns its output.',
        session="s",
        run="s-1",
        status="ok",
    )


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (RunFinished("s-1", RunStatus.OK, LONG_S), "ended well after 0:00:10. wait_for_run"),
        (
            RunFinished("s-1", RunStatus.ERROR, 60.0),
            "raised an exception after 0:01:00. ValueError: no such thing. wait_for_run",
        ),
        (RunFinished("s-1", RunStatus.INTERRUPTED, 60.0), "was interrupted after"),
        (DIED, "ended with its kernel after 0:00:01. The kernel died (out of memory). wait_for_run"),
        (RunFinished("s-1", RunStatus.JOB_ENDED, 60.0, cause="Walltime."), "ended with the server after"),
        (RunFinished("s-1", RunStatus.LOST, 60.0), "is lost: its end is unknown"),
        (RunFinished("s-1", RunStatus.ABORTED, 60.0), "never started"),
    ],
)
def test_each_end_has_its_own_words(event: RunFinished, words: str) -> None:
    raised: list[Event] = [ErrorRaised("s-1", "ValueError", "no such thing", ())] if "Value" in words else []
    (news,) = news_of(OPENED, STARTED, *raised, event)
    assert words in news.text and "\n" not in news.text


def test_another_run_lends_neither_its_words_nor_its_exception() -> None:
    earlier: list[Event] = [TextPrinted("s-0", "stdout", "earlier"), ErrorRaised("s-0", "E", "earlier", ())]
    for end in (ENDED, RunFinished("s-1", RunStatus.ERROR, 60.0)):
        (news,) = news_of(OPENED, *earlier, STARTED, end)
        assert "earlier" not in news.text
    (news,) = news_of(OPENED, STARTED, TextPrinted("s-1", "stdout", " \n"), ENDED)
    assert "last line" not in news.text


@pytest.mark.parametrize(
    "events",
    [
        (OPENED, STARTED, RunFinished("s-1", RunStatus.OK, LONG_S - 0.1)),
        (OPENED, STARTED, ENDED, RunTold("s-1")),
        (OPENED, STARTED, KERNEL_DIED, DIED, RunTold("s-1")),
        (OPENED, RunStarted("s-1", "resume", "cell", "x"), ENDED),
        (OPENED, STARTED, ENDED, SessionClosed("shut down")),
        (OPENED, KernelChanged("k", "restarted by you (restart_kernel)", "you (restart_kernel)")),
        (OPENED, KERNEL_DIED, SessionClosed("shut down")),
        (SCRATCH, KernelChanged("k", "shut down")),
        (OPENED, Notice("hello"), RunTold("s-9")),
        (STARTED, ENDED),
    ],
    ids=[
        "short", "told", "death told", "a re-run's cell", "shut down", "own restart", "own shutdown", "throwaway kernel",
        "nothing", "a session that nobody introduced",
    ],
)  # fmt: skip
def test_what_the_agent_knows_or_waits_for_is_no_news(events: tuple[Event, ...]) -> None:
    assert news_of(*events) == []


def test_a_throwaway_run_is_news_although_its_session_closes_with_it() -> None:
    (news,) = news_of(SCRATCH, STARTED, ENDED, SessionClosed("scratch"))
    assert news.run == "s-1"


def test_a_kernel_that_ends_without_a_run_is_news_once() -> None:
    (news,) = news_of(OPENED, KERNEL_DIED, KernelChanged("k", "shut down"))
    assert news.kind is NewsKind.KERNEL and news.session == "s"
    assert news.text == (
        "The kernel of session s (train): died: out of memory. All its variables are lost. ping tells whether it runs again."
    )
    (news,) = news_of(OPENED, STARTED, KERNEL_DIED, DIED)
    assert news.kind is NewsKind.RUN


def test_only_the_sessions_of_ones_own_conversation_count() -> None:
    assert news_of(OPENED, STARTED, ENDED, conversation="c2") == []
    assert len(news_of(OPENED, STARTED, ENDED, conversation="c1")) == 1
    taken_over = SessionOpened("s", "train", "/data/train.ipynb", "k", "gpu-07", NOW, conversation="c2")
    assert news_of(OPENED, STARTED, taken_over, ENDED, conversation="c1") == []
    assert len(news_of(OPENED, STARTED, taken_over, ENDED, conversation="")) == 1


def looks(*states: ServerStatus | None) -> list[str]:
    desk = NewsDesk()
    for state in states:
        desk.look(state, NOW)
    return [f"{news.kind}: {news.text}" for news in desk.due(NOW)]


GONE = "Its kernels and their variables are gone; notebooks and records stay. ping tells what is there."
PENDING, READY = status(ServerState.PENDING), status(ServerState.READY, "JupyterLab ready on gpu-07")
OVER = status(ServerState.ENDED, "Job 7 reached its walltime.")


@pytest.mark.parametrize(
    ("states", "news"),
    [
        ((None, None), []),
        ((None, READY), []),
        ((READY, READY), []),
        ((OVER, OVER), []),
        ((PENDING, PENDING), []),
        ((PENDING, READY), ["server_ready: JupyterLab ready on gpu-07 Sessions can be opened now."]),
        ((READY, OVER), [f"server_ended: Job 7 reached its walltime. {GONE}"]),
        ((READY, None), [f"server_ended: The Jupyter server was stopped. {GONE}"]),
        (
            (READY, status(ServerState.PENDING, "In the queue.", started=2.0)),
            [f"server_ended: The Jupyter server was stopped. {GONE}"],
        ),
        ((READY, status(ServerState.STOPPING)), []),
    ],
)
def test_the_server_is_news_when_it_comes_or_goes(
    states: tuple[ServerStatus | None, ...], news: list[str]
) -> None:
    assert looks(*states) == news


def test_a_local_start_is_no_news() -> None:
    record = ServerRecord(ServerState.STARTING, Mode.LOCAL, started=1.0)
    ready = ServerStatus(record.with_state(ServerState.READY), "ready", "JupyterLab ready")
    assert looks(ServerStatus(record, "starting", ""), ready) == []


def test_the_end_of_the_server_is_told_once_and_not_again_for_each_kernel() -> None:
    desk = desk_with(OPENED, KernelChanged("k", "shut down"), STARTED, ENDED)
    desk.look(None, NOW)
    assert [news.kind for news in desk.due(NOW + GRACE_S)] == [NewsKind.SERVER, NewsKind.RUN]
    desk = desk_with(OPENED, KernelChanged("k", "shut down"))
    desk.look(status(ServerState.ENDED), NOW)
    assert [news.kind for news in desk.due(NOW + GRACE_S)] == [NewsKind.SERVER]


def test_the_walltime_is_told_at_each_threshold_while_the_server_is_there() -> None:
    desk = NewsDesk()
    told = []
    for left in (1000, 800, 700, 200, 50, 40):
        desk.look(status(ServerState.READY, ends=NOW + 1000), NOW + 1000 - left)
        told += [news.text[:33] for news in desk.due(NOW)]
    assert told == [
        "The job's walltime ends in 13 min",
        "The job's walltime ends in 3 min ",
        "The job's walltime ends in 50 s: ",
    ]
    assert looks(status(ServerState.STARTING, ends=NOW + 30)) == []


@pytest.mark.parametrize(
    ("end", "seconds", "is_worth"),
    [
        (RunStatus.RUNNING, 99.0, False),
        (RunStatus.OK, 1.0, False),
        (RunStatus.OK, LONG_S, True),
        (RunStatus.DIED, 0.0, True),
    ],
)
def test_only_what_is_long_or_dies_has_to_be_told(end: RunStatus, seconds: float, is_worth: bool) -> None:
    assert is_worth_telling(end, seconds) is is_worth


def test_a_comment_of_the_user_is_news_unless_a_reply_tells_it_and_its_text_is_not() -> None:
    comment = HumanActed("comment", "s", reason="Lower the rate.", id="h-1:1")
    read = ReplyHeaded("h-1:1", "Comment from the user: Lower the rate.", "call")
    desk = desk_with(
        OPENED, comment, HumanActed("comment", "s", reason="no id"), HumanActed("interrupt", "s", id="2")
    )
    assert desk.due(NOW + COMMENT_GRACE_S - 0.1) == []
    (news,) = desk.due(NOW + COMMENT_GRACE_S)
    assert (news.kind, news.session) == (NewsKind.COMMENT, "s") and desk.due(NOW + 99) == []
    assert news.text == (
        "A comment from the user waits for you in session s (train). The next reply about this session begins with it: "
        'inspect_variables(session_id="s") returns at once.'
    )
    assert news_of(OPENED, comment, read) == news_of(OPENED, read, comment) == []


def test_an_idle_gpu_is_news_once_to_the_session_whose_kernel_holds_it() -> None:
    desk = NewsDesk(gpu_idle_warn_min=30.0)
    desk.feed("s", Entry(NOW, OPENED), NOW)
    uses = {
        "k": KernelUse(1, gpu_memory_mb=512.0, gpu_idle_s=1900.0),
        "theirs": KernelUse(2, gpu_idle_s=1900.0),
    }
    desk.measured(uses)
    desk.measured(uses)
    (news,) = desk.due(NOW)
    assert (news.kind, news.session) == (NewsKind.GPU, "s")
    assert news.text.startswith(
        "The kernel of session s (train) has held 0.5 GiB of GPU memory for 32 min while"
    )
    assert news.text.endswith("or end it with shutdown_session.")


def test_the_end_of_an_idle_job_is_news_to_every_conversation() -> None:
    desk = NewsDesk("mine")
    plan = IdleEndPlan(2.0, NOW + 500, "a kernel runs code")
    desk.idle_end(None, NOW, str)
    desk.idle_end(plan, NOW, lambda at: "12:00")
    desk.idle_end(plan, NOW + 1, lambda at: "12:00")
    (news,) = desk.due(NOW)
    assert (news.kind, news.session) == (NewsKind.IDLE_END, "")
    assert "it ends itself at 12:00 (JLAB_MCP_IDLE_END_H=2)" in news.text
