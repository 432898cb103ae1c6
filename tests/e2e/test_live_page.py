"""The live page in a real browser: what a kernel says is there at once, and none of it runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from jlab_tui.core.journal.events import (
    DataShown,
    Entry,
    ErrorRaised,
    Event,
    HumanActed,
    KernelChanged,
    NotebookEdited,
    Notice,
    OutputDropped,
    ReplyHeaded,
    RunFinished,
    RunStarted,
    RunStatus,
    SessionClosed,
    SessionOpened,
    TextPrinted,
    encode,
)
from tests.browser import CHROMIUM, Browser, chromium
from tests.jupyter_extension.servers import TOKEN, Channel, Server, serving
from tests.project import Project
from tests.shared import SharedProject

HOSTILE = """
from IPython.display import HTML, SVG, display
attack = "<script>document.title='owned'</script><img src=x onerror=\\"document.title='owned'\\">"
print(attack, "\\x1b[31mred\\x1b[0m")
display(HTML(attack + "<a id=trap href=\\"javascript:document.title='owned'\\">trap</a><p>framed words</p>"))
display(SVG('<svg xmlns="http://www.w3.org/2000/svg" width="80" height="40" onload="alert(1)"><script>alert(2)</script>'
            '<rect width="80" height="40" fill="green"/></svg>'))
display({"text/html": "<table><tr><th>loss<td onclick='alert(3)'>0.25</table>", "text/plain": "t"}, raw=True)
display({"image/png": "%s", "text/plain": "<b>picture</b>"}, raw=True)
"""
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    with chromium(tmp_path / "profile") as running:
        yield running


def server_of(project: Project) -> tuple[str, str]:
    """The server's address and its token."""
    record = project.status_file()
    return record["URL"].rstrip("/"), record["TOKEN"]


async def test_the_page_shows_a_session_as_it_goes_on_and_runs_nothing_of_it(
    shared_server: SharedProject, browser: Browser
) -> None:
    url, token = server_of(shared_server)
    async with shared_server.shared_client() as agent:
        session = await agent.session("live page")
        await agent.text("execute_code", session_id=session, code=HOSTILE % PNG)
        address = f"{url}/jlab-mcp/live?session={session}&token={token}"
        tab = await asyncio.to_thread(browser.open, address)

        def look() -> None:
            tab.until("document.querySelector('.cell .head.ok')")
            assert token not in tab.js(
                "document.documentElement.outerHTML + location.href + document.referrer"
            )
            assert tab.js("document.querySelector('pre.text').innerText").startswith(
                "<script>document.title="
            )
            assert tab.js("document.querySelector('.ansi1').textContent") == "red"
            assert tab.js("[...document.querySelectorAll('.out td')].map((td) => td.outerHTML)") == [
                "<td>0.25</td>"
            ]
            tab.until(
                "[...document.images].length === 2 && [...document.images].every((i) => i.naturalWidth > 0)"
            )
            assert tab.js("document.querySelectorAll('script').length") == 1
            assert tab.js("document.querySelectorAll('iframe[sandbox=\"\"]').length") == 1
            assert "live_page" in tab.js("document.querySelector('#aside').innerText")
            assert "cores" in tab.js("document.querySelector('#meters').innerText")

        await asyncio.to_thread(look)
        go_on = shared_server.root / "notebooks" / "the live page may go on"
        code = (
            "import pathlib, time\nprint('first', flush=True)\n"
            f"while not pathlib.Path({str(go_on)!r}).exists(): time.sleep(0.02)\nprint('second')\n1 / 0"
        )
        run = asyncio.create_task(agent.call("execute_code", session_id=session, code=code))

        def follow() -> None:
            tab.until("document.querySelector('.head.running') && document.body.innerText.includes('first')")
            assert tab.js("document.title").startswith("▶ ")
            tab.js("document.querySelector('.cell').dataset.same = '1'")
            go_on.touch()
            tab.until("document.querySelector('.head.bad')")
            words = tab.js("document.querySelector('#feed').innerText")
            assert "first\nsecond" in words and "ZeroDivisionError: division by zero" in words
            assert tab.js("document.querySelector('.cell').dataset.same") == "1", (
                "only what changed was replaced"
            )
            assert tab.js("document.title") == "live_page · jlab-mcp"
            # What came before is not a script, wherever it is opened.
            for made in ("iframe", ".part img"):
                alone = browser.open(tab.js(f"document.querySelector('{made}').src"))
                assert "owned" not in alone.js("document.title") and alone.dialogs == 0
                assert all("Content Security Policy" in line or "sandboxed" in line for line in alone.console)
                alone.close()
            for width, display in ((1280, "grid"), (390, "block")):
                tab.resize(width, 844)
                assert tab.js("document.documentElement.scrollWidth") <= width
                assert tab.js("getComputedStyle(document.querySelector('#main')).display") == display
            trap = "The frame's own console says that its scripts are blocked."
            assert [
                line for line in tab.console if "sandboxed" not in line and "Security Policy" not in line
            ] == [], trap
            assert tab.dialogs == 0

        await asyncio.to_thread(follow)
        await run


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "server" / "sessions").mkdir(parents=True)
    with serving(
        tmp_path / "server", lab=False, sessions_dir=str(tmp_path / "server" / "sessions")
    ) as running:
        yield running


@pytest.fixture
def records(server: Server) -> tuple[Path, str]:
    """A folder of records and the page's address."""
    return server.folder / "sessions", f"{server.facts['url']}jlab-mcp/live?token={TOKEN}&session="


def write(path: Path, *events: Event) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("ab") as file:
        file.write(b"".join(encode(Entry(time.time(), event)) for event in events))


def opened(session: str, **more: Any) -> SessionOpened:
    return SessionOpened(session, session, f"/p/{session}.ipynb", "k", "h", 1.0, **more)


def ran(session: str, number: int, output: str = "done\n") -> list[Event]:
    run = f"{session}-{number}"
    return [
        RunStarted(run, "execute_code", f"c{number}", f"x = {number}"),
        TextPrinted(run, "stdout", output),
        RunFinished(run, RunStatus.OK, 0.1),
    ]


def test_a_session_taken_over_by_another_process_shows_what_ran_before_and_all_before_that(
    records: tuple[Path, str], browser: Browser
) -> None:
    sessions, address = records
    write(sessions / "s.1.jsonl", opened("s"), *(event for n in range(120) for event in ran("s", n)))
    write(sessions / "s.2.jsonl", opened("s"))
    write(sessions / "empty.1.jsonl", opened("empty"))
    tab = browser.open(address + "s")
    assert tab.js("document.querySelectorAll('.cell').length") == 99
    assert "Taken over by another process" in tab.js("document.querySelector('#feed').innerText")
    assert tab.js("document.querySelector('#earlier').hidden") is False
    tab.js("document.querySelector('#earlier').click()")
    tab.until("document.querySelectorAll('.cell').length === 120")
    tab.js("document.querySelector('#earlier').click()")
    tab.until("document.querySelector('#earlier').hidden")
    bare = browser.open(address + "empty")
    assert "No cell has run yet" in bare.js("document.querySelector('#feed').innerText")
    bare.js("document.querySelector('#earlier').click()")
    bare.until("document.querySelector('#earlier').hidden")
    assert bare.js("document.querySelector('#line').textContent") == "live"
    assert tab.console == [] == bare.console


def test_a_page_of_an_unknown_session_stays_still_and_leads_to_the_others(
    records: tuple[Path, str], browser: Browser
) -> None:
    sessions, address = records
    write(sessions / "s.1.jsonl", opened("s"), *ran("s", 0))
    tab = browser.open(address + "nosuch")
    for number in range(2):  # each is a message of the server
        write(sessions / f"later{number}.1.jsonl", opened(f"later{number}"))
        tab.until(f"document.querySelector('#sessions').innerText.includes('later{number}')")
    asked = [one.partition("?")[0].partition("/jlab-mcp/")[2] for one in tab.requests]
    assert [asked.count(path) for path in ("live", "live/events")] == [2, 1], (
        "once with the token, once without"
    )
    assert "There is no session nosuch in this project." in tab.js(
        "document.querySelector('#feed').innerText"
    )
    assert tab.js("document.title") == "nosuch · jlab-mcp"
    write(sessions / "nosuch.1.jsonl", opened("nosuch"), *ran("nosuch", 0))
    tab.until("document.querySelector('.cell') && !document.querySelector('#feed .empty')")
    write(sessions / "s.1.jsonl", *ran("s", 1))
    tab = browser.open(address + "none")
    assert "underline" in tab.js("getComputedStyle(document.querySelector('#feed a')).textDecoration")
    tab.js("document.querySelector('#feed a').click()")
    tab.until("location.search === '' && document.querySelectorAll('.cell').length === 2")
    assert tab.console == []


async def test_a_session_whose_client_is_gone_is_not_busy(
    server: Server, records: tuple[Path, str], browser: Browser
) -> None:
    sessions, address = records
    kernel = await asyncio.to_thread(server.start_kernel)
    channel = Channel(server, kernel)
    channel.claim()
    await channel.open(on_exit="keep")
    write(sessions / "s1.1.jsonl", opened("s1"), *ran("s1", 0)[:2])
    tab = await asyncio.to_thread(browser.open, address + "s1")
    state = "document.querySelector('#sessions [aria-current]').innerText.replaceAll('\\u00a0', ' ')"
    await asyncio.to_thread(tab.until, f"{state}.includes('busy')")
    assert await asyncio.to_thread(tab.js, "document.title") == "▶ s1 · jlab-mcp"
    await channel.close()

    def look() -> None:
        tab.until(f"{state}.includes('no client')")
        tab.until("document.title === 's1 · jlab-mcp'")
        why = "getComputedStyle(document.querySelector('.head.running .why'), '::after').content"
        assert "its end is not on record" in tab.js(why)
        server.http.delete(f"api/kernels/{kernel}")
        tab.until(f"{state}.includes('ended')")
        assert tab.console == []

    await asyncio.to_thread(look)


def test_users_acts_closed_sessions_and_the_job_are_on_the_page(
    server: Server, records: tuple[Path, str], browser: Browser
) -> None:
    sessions, address = records
    write(sessions / "s.1.jsonl", opened("s"), *ran("s", 0))
    write(sessions / "closed" / "old.1.jsonl", opened("old"), SessionClosed("<b>the agent</b> shut it down"))
    actions = sessions.with_name("actions") / "login1-7.jsonl"
    write(actions, HumanActed("comment", "s", reason="<i>Use</i> fold 3.", by="ada@login1", id="d:1"))
    tab = browser.open(address + "s")
    notes = "[...document.querySelectorAll('.note.human')].map((note) => note.innerText.slice(9))"
    assert tab.js(notes) == ["ada@login1 to the agent: <i>Use</i> fold 3. (not read yet)"]
    tab.js("document.querySelector('.note.human').dataset.same = '1'")
    write(sessions / "s.1.jsonl", ReplyHeaded("d:1", "The user says", "call"))
    tab.until(f"{notes}[0].endsWith('fold 3.')")
    write(actions, HumanActed("interrupt", "s", by="ada@login1"))
    tab.until(f"{notes}[1] === 'ada@login1 interrupted the kernel'")
    write(actions, HumanActed("interrupt", "s", by="ada@login1", outcome="done"))
    tab.until(f"{notes}.length === 2 && {notes}[1].endsWith(': done')")
    again = browser.open(address + "s")
    assert again.js(notes) == tab.js(notes)
    closed = "document.querySelector('#sessions li:last-child').innerText"
    assert "closed · <b>the agent</b> shut it down" in tab.js(closed)
    status = "MODE=slurm\nSTATE=pending\nJOB_ID=49\nESTIMATE=1900000000\nEND=1\n"
    (server.folder / "server-status").write_text(status, encoding="utf-8")
    tab.until("document.querySelector('#job').innerText.includes('job 49 waits in the queue, starts about')")
    assert tab.console == []


def test_an_image_that_is_none_is_told_in_words_and_asked_for_by_nobody(
    server: Server, records: tuple[Path, str], browser: Browser
) -> None:
    sessions, address = records
    write(sessions / "s.1.jsonl", opened("s"), RunStarted("s-1", "execute_code", "c", "show()"))
    place = (sessions / "s.1.jsonl").stat().st_size
    write(sessions / "s.1.jsonl", DataShown("s-1", {"image/png": "\u00e9!", "text/plain": "<Figure>"}))
    tab = browser.open(address + "s")
    assert "cannot be drawn: its data are no image/png]\n<Figure>" in tab.js(
        "document.querySelector('.out').innerText"
    )
    assert tab.js("document.images.length") == 0 and tab.console == []
    query = {"session": "s", "at": f"1.{place}", "type": "image/png"}
    assert server.http.get("jlab-mcp/live/output", params=query).status_code == 404


def test_the_tab_of_a_server_that_is_gone_does_not_say_that_a_cell_runs(
    server: Server, records: tuple[Path, str], browser: Browser
) -> None:
    sessions, address = records
    write(sessions / "s.1.jsonl", opened("s"), *ran("s", 0)[:2])
    tab = browser.open(address + "s")
    tab.until("document.title === '▶ s · jlab-mcp' && document.querySelector('#line').innerText === 'live'")
    server.stop()
    tab.until("document.title === '✗ s · jlab-mcp'")
    assert "the server" in tab.js("document.querySelector('#line').innerText")


def test_on_a_telephone_the_sessions_and_the_name_stay_on_the_screen(
    records: tuple[Path, str], browser: Browser
) -> None:
    sessions, address = records
    write(sessions / "s.1.jsonl", opened("s"), *ran("s", 0, "line\n" * 45), *ran("s", 1, "line\n" * 45))
    for width, height in ((390, 844), (1280, 800)):
        tab = browser.open(address + "s", width, height)
        for where in (0, 500, 10**6):
            tab.js(f"for (const box of [window, document.getElementById('cells')]) box.scrollTo(0, {where})")
            for shown in ("#cells h1", "#sessions a"):
                box = f"document.querySelector('{shown}').getBoundingClientRect()"
                assert 0 <= tab.js(f"{box}.top") < tab.js(f"{box}.bottom") <= height
        tab.js("document.querySelectorAll('.cell')[1].scrollIntoView()")
        top = tab.js("document.querySelectorAll('.cell')[1].getBoundingClientRect().top")
        assert top >= tab.js("document.querySelector('#cells h1').getBoundingClientRect().bottom")
        assert tab.js("document.documentElement.scrollWidth") <= width
        tab.close()
    for number in range(9):
        write(sessions / f"a{number}.1.jsonl", opened(f"a{number}"))
    tab = browser.open(address + "s", 390, 844)
    chosen = "document.querySelector('#sessions [aria-current]')"
    tab.js(f"{chosen}.focus()")
    is_seen = f"{chosen}.getBoundingClientRect().left >= 0 && {chosen}.getBoundingClientRect().right <= 390"
    tab.until(is_seen)
    count = tab.js("document.querySelectorAll('#sessions li').length")
    write(sessions / "z.1.jsonl", opened("z"))
    tab.until(f"document.querySelectorAll('#sessions li').length === {count + 1}")
    assert tab.js(is_seen) and tab.js(f"document.activeElement === {chosen}"), "the list was replaced"


def test_a_page_keeps_a_part_of_a_long_record_and_comes_back_to_its_end(
    records: tuple[Path, str], browser: Browser
) -> None:
    sessions, address = records
    write(sessions / "s.1.jsonl", opened("s"), *(event for n in range(1000) for event in ran("s", n)))
    tab = browser.open(address + "s")
    sources = "[...document.querySelectorAll('.code')].map((code) => code.textContent)"
    for _ in range(9):
        tab.until("!document.querySelector('#earlier').disabled")
        first = tab.js(f"{sources}[0]")
        tab.js("document.querySelector('#earlier').click()")
        tab.until(f"{sources}[0] !== '{first}'")
    assert tab.js(f"{sources}[0]") == "x = 0" and tab.js(f"{sources}.length") == 300
    write(sessions / "s.1.jsonl", *ran("s", 1000))
    tab.until("!document.querySelector('#follow').hidden")
    assert tab.js(f"{sources}.at(-1)") == "x = 299", "no gap in what is shown"
    tab.js("document.querySelector('#follow').click()")
    tab.until(f"{sources}.at(-1) === 'x = 1000'")
    for number in range(1001, 1400):
        write(sessions / "s.1.jsonl", *ran("s", number))
    tab.until(f"{sources}.at(-1) === 'x = 1399'")
    assert tab.js(f"{sources}.length") <= 300
    assert tab.console == []


ATTACK = "</title></script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\u202e\x1b[31m"
AUDIT = """
[...document.querySelectorAll('body *')].flatMap((one) => [
  one.localName,
  ...[...one.attributes].map((at) => at.name === 'href' || at.name === 'src' ? `${at.name}=${at.value.split('?')[0]}` : at.name)
])
"""
KNOWN = """
header nav main section figure figcaption svg path article div p pre span b i small time h1 h2 ul li a button details summary
table tbody tr td th img iframe id class role title hidden type open height sandbox loading alt target rel colspan rowspan
datetime data-at data-since data-until aria-label aria-current aria-hidden viewBox preserveAspectRatio d
href=live href=live/output src=live/output
"""


def test_whatever_names_outputs_and_users_say_is_text(records: tuple[Path, str], browser: Browser) -> None:
    sessions, address = records
    attack = "\n".join([ATTACK, f"| {ATTACK} | b |", "|---|---|", f"| {ATTACK} | <b onclick=alert(1)>x |"])
    name = SessionOpened("s", ATTACK, f"/p/{ATTACK}.ipynb", ATTACK, ATTACK, 1.0)
    error = ErrorRaised("s-1", ATTACK, ATTACK, (ATTACK,))
    told: list[Event] = [
        RunStarted("s-1", ATTACK, ATTACK, ATTACK),
        TextPrinted("s-1", "stdout", ATTACK, ATTACK),
        error,
        DataShown("s-1", {"text/markdown": attack}, display_id=ATTACK),
        DataShown("s-1", {"text/html": f"<table><tr><td colspan='2 onclick=alert(1)'>{ATTACK}</td></tr></table>"}),
        DataShown("s-1", {"text/html": "<table><tr><td>&lt;script&gt;alert(1)&lt;/script&gt;</td></tr></table>"}),
        DataShown("s-1", {"application/vnd.plotly.v1+json": {"data": [{"type": ATTACK}], "layout": {"title": ATTACK}}}),
        DataShown("s-1", {ATTACK: ATTACK}),
        DataShown("s-1", {"application/json": {ATTACK: ATTACK}}),
        DataShown("s-1", {"image/svg+xml": f"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'>{ATTACK}</svg>"}),
        OutputDropped("s-1", 7, ATTACK, ATTACK),
        RunFinished("s-1", RunStatus.DIED, 1.0, cause=ATTACK),
        NotebookEdited("markdown", "m", attack, cell_type="markdown"),
        KernelChanged("k", ATTACK),
        Notice(ATTACK, ATTACK),
    ]  # fmt: skip
    write(sessions / "s.1.jsonl", name)
    write(sessions / "closed" / "old.1.jsonl", opened("old"), SessionClosed(ATTACK))
    write(
        sessions.with_name("actions") / "d-7.jsonl",
        HumanActed("comment", "s", reason=ATTACK, by=ATTACK, id=ATTACK),
    )
    status = f"MODE=slurm\nSTATE=pending\nJOB_ID={ATTACK.splitlines()[0]}\nESTIMATE=1900000000\nEND=1\n"
    sessions.with_name("server-status").write_text(status, encoding="utf-8")
    tabs = [browser.open(address + "s")]
    write(sessions / "s.1.jsonl", *told)  # by patches, and in the page
    tabs[0].until("document.querySelectorAll('.note.warning').length > 0")
    tabs.append(browser.open(address + "s"))
    for tab in tabs:
        tab.until("document.querySelectorAll('.cell').length === 2 && document.querySelector('.note.human')")
        assert set(tab.js(AUDIT)) - set(KNOWN.split()) == set()
        words = tab.js("document.body.textContent")
        assert (
            words.count("<script>document.title='owned'") > 20
            and "\u202e" not in words
            and "\x1b" not in words
        )
        assert tab.dialogs == 0 and "jlab-mcp" in tab.js("document.title")
        assert tab.js("document.documentElement.scrollWidth") <= 1280
        noise = (
            "Security Policy",
            "sandboxed",
            "live/output",
        )  # of the picture that is none, and of the frames
        assert [line for line in tab.console if not any(word in line for word in noise)] == []


async def test_the_page_asks_for_the_login_and_gives_only_what_is_there(shared_server: SharedProject) -> None:
    url, token = server_of(shared_server)
    printed = await asyncio.to_thread(shared_server.run, "url", "--live")
    assert f"{url}/jlab-mcp/live\n" in printed.stdout and token not in printed.stdout + printed.stderr
    async with (
        shared_server.shared_client() as agent,
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=40) as stranger,
        httpx.AsyncClient(
            base_url=url, trust_env=False, timeout=40, headers={"Authorization": f"token {token}"}
        ) as user,
    ):
        session = await agent.session("asked")
        for path in (
            "live",
            "live/events",
            "live/earlier?session=x&before=1.0",
            "live/output",
            "live/script.js",
        ):
            answer = await stranger.get(f"/jlab-mcp/{path}")
            assert answer.status_code == 302 and "/login" in answer.headers["location"]
        page = await user.get("/jlab-mcp/live", params={"session": session})
        policy = page.headers["content-security-policy"]
        assert (
            "script-src 'nonce-" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        )
        assert (
            page.headers["cache-control"] == "no-store"
            and page.headers["x-content-type-options"] == "nosniff"
        )
        other = await user.get("/jlab-mcp/live", params={"session": session})
        assert other.headers["content-security-policy"] != policy
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert (await user.request(method, "/jlab-mcp/live")).status_code in (403, 405)
        for odd, status in (
            ("live?session=../../etc", 400),
            ("live?session=" + "x" * 300, 400),
            ("live/earlier?session=x&before=1", 400),
            ("live/output?session=x&at=1.0&type=application/javascript", 400),
            ("live/output?session=x&at=1.0&type=image/png", 404),
            (f"live/output?session={session}&at=1.0&type=text/html", 404),
            ("live/live.html", 404),
        ):
            assert (await user.get(f"/jlab-mcp/{odd}")).status_code == status, odd
        assert "There is no session none" in (await user.get("/jlab-mcp/live?session=none")).text
