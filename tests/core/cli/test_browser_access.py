"""How a browser reaches the server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jlab_tui.core.cli.browser_access import (
    LIVE_PAGE,
    Login,
    access_of,
    login_here,
    login_of,
    needs_forward,
    notebook_page,
)
from jlab_tui.core.link.forward import Forward, format_forward, forward_key, parse_forward, usual_port
from jlab_tui.core.server.record import ServerRecord, ServerState
from jlab_tui.core.settings import Mode

LOCAL = ServerRecord(ServerState.READY, Mode.LOCAL, url="http://127.0.0.1:9", port=9, socket="/run/j.sock")


@pytest.mark.parametrize(
    ("url", "user", "here", "ssh", "laptop"),
    [
        ("http://node7:18001", "ada", "http://node7:18001/lab", "ssh -N -L 18001:node7:18001 ada@login", "http://127.0.0.1:18001/lab"),
        ("http://node7:18001/base/", "", "http://node7:18001/base/lab", "ssh -N -L 18001:node7:18001 login", "http://127.0.0.1:18001/base/lab"),
        ("https://localhost:9", "ada", "https://localhost:9/lab", "ssh -N -L 9:127.0.0.1:9 ada@login", "http://127.0.0.1:9/lab"),
        ("http://127.0.0.2:9", "ada", "http://127.0.0.2:9/lab", "ssh -N -L 9:127.0.0.1:9 ada@login", "http://127.0.0.1:9/lab"),
        ("http://[fd00::7]:9", "ada", "http://[fd00::7]:9/lab", "ssh -N -L '9:[fd00::7]:9' ada@login", "http://127.0.0.1:9/lab"),
        ("http://[::1]:9", "ada", "http://[::1]:9/lab", "ssh -N -L 9:127.0.0.1:9 ada@login", "http://127.0.0.1:9/lab"),
    ],
)  # fmt: skip
def test_a_local_server_is_reached_at_its_port_or_through_ssh(
    url: str, user: str, here: str, ssh: str, laptop: str
) -> None:
    access = access_of(replace(LOCAL, url=url, hostname="node1"), Login("login", user))
    assert (access.here, access.ssh, access.laptop) == (here, ssh, laptop)
    assert access.link("secret", through_ssh=True) == f"{laptop}?token=secret"
    assert access.link("secret", through_ssh=False) == f"{here}?token=secret"
    assert "secret" not in str(access)
    live = access_of(replace(LOCAL, url=url, hostname="node1"), Login("login", user), page=LIVE_PAGE)
    assert (live.here, live.laptop) == (f"{here[:-3]}jlab-mcp/live", f"{laptop[:-3]}jlab-mcp/live")


def test_this_host_is_called_as_a_laptop_calls_it_or_as_its_job_and_login_know_it() -> None:
    env = {"USER": "ada", "SLURM_SUBMIT_HOST": "login1"}
    job = {**env, "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n[1-2]"}
    assert login_here("n1", env) == Login("n1", "ada", "n1")
    assert login_here("n1", job) == Login("n1", "ada", "n1", "login1")
    assert login_here("n1", job, "cluster") == Login("cluster", "", "n1")


@pytest.mark.parametrize(
    ("notebook", "page"),
    [
        ("/home/ada/p/notebooks/a b#1.ipynb", "lab/tree/notebooks/a%20b%231.ipynb"),
        ("/home/ada/other/a.ipynb", "lab"),
        ("/home/ada/p2/a.ipynb", "lab"),
        ("/home/ada/p", "lab"),
        ("/home/ada/p/../q/a.ipynb", "lab"),
        ("", "lab"),
    ],
)
def test_a_notebook_has_a_page_if_jupyterlab_has_it(notebook: str, page: str) -> None:
    assert notebook_page("/home/ada/p", notebook) == page


@pytest.mark.parametrize("url", ["https://node7:18001/base", ""])
def test_a_job_is_reached_by_a_forward_of_the_login_host_whatever_it_listens_at(url: str) -> None:
    record = replace(LOCAL, mode=Mode.SLURM, url=url)
    here = Login("login", "ada", "login")
    assert needs_forward(record, here) and not needs_forward(LOCAL, here)
    assert needs_forward(replace(LOCAL, hostname="gpu1", inside_job="42"), here)
    assert not needs_forward(replace(LOCAL, hostname="login", inside_job="42"), here)
    access = access_of(record, Login("login", "ada"), Forward("/tmp/f.sock", 20001))
    path = "/base/lab" if url else "/lab"
    assert access.here == access.laptop == f"http://127.0.0.1:20001{path}"
    assert access.ssh == "ssh -N -L 20001:/tmp/f.sock ada@login"


@pytest.mark.parametrize(
    ("own", "env", "submit_host", "target", "options"),
    [
        ("login1", {"USER": "ada"}, "", "ada@login1", []),
        ("login1", {"LOGNAME": "ada"}, "login1.site", "ada@login1", []),
        ("login1", {}, "", "login1", []),
        ("login1", {"USER": "ada", "SSH_CONNECTION": "192.0.2.9 5000 192.0.2.1 22"}, "", "ada@192.0.2.1", []),
        ("login1", {"USER": "ada", "SSH_CONNECTION": "::1 5000 ::1 22"}, "", "ada@login1", []),
        ("login1", {"USER": "ada", "SSH_CONNECTION": "UNKNOWN 65535 UNKNOWN 65535"}, "", "ada@login1", []),
        ("login1.site", {"SSH_CONNECTION": "192.0.2.9 5000 192.0.2.1 22"}, "", "login1.site", []),
        ("gpu1", {"USER": "ada", "SSH_CONNECTION": "192.0.2.9 5000 192.0.2.1 22"}, "login1", "ada@gpu1", ["-J", "ada@login1"]),
    ],
)  # fmt: skip
def test_the_host_that_a_laptop_types_is_the_one_at_which_it_arrived(
    own: str, env: dict[str, str], submit_host: str, target: str, options: list[str]
) -> None:
    login = login_of(own, env, submit_host)
    assert (login.target, login.options) == (target, options)


def test_every_process_finds_a_projects_forward_by_the_same_name_and_port() -> None:
    assert forward_key("/a/project") == forward_key("/a/project") != forward_key("/b/project")
    assert 20_000 <= usual_port(forward_key("/a/project")) < 30_000
    assert parse_forward(format_forward(Forward("/s", 20001))) == Forward("/s", 20001)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"socket": 1, "port": 2}', '{"socket": "/s", "port": 0}'])
def test_what_is_not_a_forwards_word_is_none(text: str) -> None:
    assert parse_forward(text) is None
