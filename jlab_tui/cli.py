"""The command line: call one use case, translate errors into two lines and an exit code.

stdout is data; diagnostics go to stderr. Imports are deferred, so that each command loads only what it uses.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TextIO, cast

from . import far_end
from .arguments import make_parser
from .core.display.printable import PrintableOutput
from .core.errors import JlabError, UsageError
from .core.setting_values import is_slurm_time
from .core.settings import Mode, Settings
from .core.site_settings import require_unlocked
from .core.ssh.place import RemotePlace, parse_place
from .core.ssh.registrations import complete, find_registered
from .terminal_choice import this_screen

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `jlab-mcp`. Returns the exit code."""
    with printing_text():
        return _main(argv)


@contextmanager
def printing_text() -> Iterator[None]:
    """Let only printable text reach stdout and stderr, which dashboard and MCP server bypass."""
    with contextlib.ExitStack() as stack:
        if sys.stdout is not None:
            stack.enter_context(contextlib.redirect_stdout(cast(TextIO, PrintableOutput(sys.stdout))))
        if sys.stderr is not None:
            stack.enter_context(contextlib.redirect_stderr(cast(TextIO, PrintableOutput(sys.stderr))))
        yield


def _main(argv: Sequence[str] | None) -> int:
    os.environ.setdefault("HOME", os.path.expanduser("~"))  # noqa: PTH111 - from the password database
    try:
        arguments = make_parser().parse_args(argv)
        if arguments.at is not None:
            far_end.go_there(arguments.at)
            if arguments.command and arguments.at.marks:
                far_end.begin()
                far_end.end_with_line()
        elif (place := _place_elsewhere(arguments)) is not None:
            from .laptop import run_elsewhere

            return run_elsewhere(place, sys.argv[1:] if argv is None else argv, os.environ)
        return _COMMANDS[arguments.command](arguments)
    except JlabError as error:
        print(f"jlab-mcp: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except ModuleNotFoundError as error:
        print(f"jlab-mcp: the Python package {error.name} is missing from {sys.prefix}.", file=sys.stderr)
        print("  `jlab-mcp doctor` prints the command that installs it.", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except OSError as error:
        what = error.strerror or str(error) or type(error).__name__
        what = f"{error.filename}: {what}" if error.filename else what
        print(f"jlab-mcp: {what}.", file=sys.stderr)
        print("  `jlab-mcp doctor` checks directories, disk space and permissions.", file=sys.stderr)
        return 1
    except Exception as error:  # noqa: BLE001 - the last of the translators
        print(traceback.format_exc(), end="", file=sys.stderr)
        print(f"jlab-mcp: this is a bug in jlab-mcp ({type(error).__name__}).", file=sys.stderr)
        print(
            "  Your server and kernels keep running. Please report this with the lines above.",
            file=sys.stderr,
        )
        return 1


ELSEWHERE = frozenset({"start", "stop", "wait", "status", "logs", "events", "url", "doctor"})
"""commands that may run on another machine"""


def _place_elsewhere(arguments: argparse.Namespace) -> RemotePlace | None:
    """Where a command is to run: where `--ssh` says, else where `init --ssh` has registered this project; None for here."""
    if arguments.command not in ELSEWHERE:
        return None
    from .adapters.ssh.remotes import Remotes
    from .wiring.settings import home_of, working_directory

    try:
        places, cwd = Remotes(home_of(os.environ)).read(), working_directory()
    except UsageError:
        if arguments.command == "doctor":
            return None  # it reports what is wrong here, as JSON if asked to
        raise
    if arguments.ssh is not None:
        return complete(parse_place(arguments.ssh), places, cwd)
    place = find_registered(places, cwd)
    if place is not None:
        print(f"jlab-mcp: on {place}, where `jlab-mcp init --ssh` registered this project.", file=sys.stderr)
    return place


def _serve(arguments: argparse.Namespace) -> int:
    if arguments.forward:
        return _forward()
    from .serving import serve

    return serve(arguments)


def _start(arguments: argparse.Namespace) -> int:
    from .doctor import warn_of_settings_without_effect
    from .wiring.dashboard import Looks, run_dashboard, run_replay
    from .wiring.settings import mode_of, settings_of, site_of

    if arguments.time is not None and not is_slurm_time(arguments.time):
        raise UsageError(f"{arguments.time!r} is not a walltime.", "Give one such as 24:00:00 or 1-00:00:00.")
    warn_of_settings_without_effect(os.environ, site_of(os.environ))
    settings = settings_of(os.environ)
    screen = this_screen(wants_lines=arguments.no_tui, wants_ascii=arguments.ascii)
    looks = Looks(
        readonly=arguments.readonly,
        ascii=screen.ascii,
        pictures=arguments.pictures,
        theme=arguments.theme,
        bell=arguments.bell,
        hold=arguments.hold,
        debug=arguments.debug,
        called=arguments.at.host if arguments.at is not None else "",
    )
    if arguments.replay:
        return run_replay(settings, Path(arguments.replay), arguments.speed, looks)
    if arguments.time is not None and arguments.time != settings.slurm.time:
        require_unlocked(settings.locked, ["SLURM_TIME"])
        settings = replace(settings, slurm=replace(settings.slurm, time=arguments.time))
    if arguments.mode is not None and arguments.mode != settings.run_mode:
        require_unlocked(settings.locked, ["RUN_MODE"])
    env = dict(os.environ)
    mode, _ = mode_of(settings, env, arguments.mode, wants_walltime=arguments.time is not None)
    if arguments.time is not None and mode is Mode.LOCAL:
        print(f"jlab-mcp: a local server has no walltime; {arguments.time} is ignored.", file=sys.stderr)
    if arguments.bootstrap:
        _bootstrap(settings)
    if screen.has_screen and not arguments.detach:
        return run_dashboard(settings, env, mode, looks)
    from .headless import log_to_stderr, run_detached, run_foreground
    from .wiring.server import make_launcher

    if arguments.debug:
        log_to_stderr()
    launcher = make_launcher(settings, env)
    run = run_detached if arguments.detach else run_foreground
    return asyncio.run(run(launcher, mode, settings))


def _bootstrap(settings: Settings) -> None:
    from .adapters.bootstrap import bootstrap
    from .services.progress import patiently

    def tell(waited_s: float) -> None:
        print(f"Still installing ({waited_s:.0f} s so far)...", file=sys.stderr, flush=True)

    work = bootstrap(settings.root, dict(os.environ), lambda text: print(text, flush=True))
    asyncio.run(patiently(work, tell, 5, 20))


def _stop(arguments: argparse.Namespace) -> int:
    from .headless import run_stop
    from .wiring.server import make_launcher, tell_gpu_hours
    from .wiring.settings import settings_of

    settings, env = settings_of(os.environ), dict(os.environ)
    launcher = make_launcher(settings, env)
    return asyncio.run(
        run_stop(launcher, lambda: tell_gpu_hours(launcher, settings, env), forget=arguments.forget)
    )


def _wait(arguments: argparse.Namespace) -> int:
    if arguments.run:
        return asyncio.run(_wait_for_run(arguments.run, arguments.timeout))
    from .headless import run_wait
    from .wiring.server import make_launcher
    from .wiring.settings import settings_of

    settings = settings_of(os.environ)
    launcher = make_launcher(settings, dict(os.environ))
    return asyncio.run(run_wait(launcher, arguments.timeout, settings.queue_timeout_s))


async def _wait_for_run(run_id: str, timeout: float | None) -> int:
    from .headless import run_wait_for_run
    from .mcp_server.stdio import CancelReasons
    from .wiring.mcp import make_app
    from .wiring.settings import settings_of

    app = await make_app(settings_of(os.environ), dict(os.environ), CancelReasons())
    return await run_wait_for_run(app.replies, app.close, run_id, timeout)


def _status(arguments: argparse.Namespace) -> int:
    from .adapters.journal.session_records import SessionRecords
    from .reporting import run_status
    from .wiring.server import make_access, make_launcher
    from .wiring.settings import settings_of

    settings = settings_of(os.environ)
    launcher = make_launcher(settings, dict(os.environ))
    access, records = (
        make_access(settings, dict(os.environ)),
        SessionRecords(settings.sessions_dir, settings.spool_dir),
    )
    return asyncio.run(run_status(launcher, access, records, settings, as_json=arguments.json))


def _logs(arguments: argparse.Namespace) -> int:
    from .reporting import run_logs
    from .wiring.server import make_launcher
    from .wiring.settings import settings_of

    return asyncio.run(
        run_logs(make_launcher(settings_of(os.environ), dict(os.environ)), follow=arguments.follow)
    )


def _events(arguments: argparse.Namespace) -> int:
    from .reporting import run_events
    from .wiring.news_watch import make_news_watch
    from .wiring.settings import settings_of

    env = dict(os.environ)
    watch = make_news_watch(settings_of(env, for_client=True), env)
    return asyncio.run(run_events(watch, as_json=arguments.json))


def _url(arguments: argparse.Namespace) -> int:
    from .adapters.link.forwards import Forwards
    from .core.cli.browser_access import JUPYTER_LAB, LIVE_PAGE, login_here
    from .onboarding import run_url
    from .wiring.server import make_launcher
    from .wiring.settings import settings_of

    settings, env = settings_of(os.environ), dict(os.environ)
    launcher = make_launcher(settings, env)
    forwards = Forwards(settings.status_dir, settings.cwd, env)
    login = login_here(socket.gethostname(), env, arguments.at.host if arguments.at is not None else "")
    page = LIVE_PAGE if arguments.live else JUPYTER_LAB
    return asyncio.run(run_url(launcher, env, login, forwards, page=page, to_clipboard=arguments.copy))


def _forward() -> int:
    from .core.link.forward import forward_key
    from .forward_process import run_forward
    from .wiring.server import make_access, make_launcher
    from .wiring.settings import settings_of

    settings, env = settings_of(os.environ), dict(os.environ)
    recall = make_launcher(settings, env).recall_lately
    key = forward_key(str(settings.status_dir))
    return run_forward(recall, make_access(settings, env), key, settings.log_dir)


def _init(arguments: argparse.Namespace) -> int:
    from .adapters.ssh.remotes import Remotes
    from .onboarding import run_init
    from .wiring.settings import settings_of

    settings, env, place = settings_of(os.environ), dict(os.environ), None
    if arguments.ssh is not None:
        from .laptop import examine

        if arguments.user:
            raise UsageError(
                "One project (--ssh) cannot be registered for all of them (--user).",
                "Leave one of the two out.",
            )
        place = examine(arguments.ssh, settings.cwd, env, is_agreed=arguments.yes)
    flags = {name: getattr(arguments, name) for name in ("user", "only_print", "allow")}
    return run_init(settings, env, Remotes(settings.home), place, **flags)


def _login(arguments: argparse.Namespace) -> int:
    from .adapters.ssh.remotes import Remotes
    from .laptop import run_login
    from .wiring.settings import home_of

    return run_login(arguments.host, os.environ, Remotes(home_of(os.environ)), end=arguments.end)


def _doctor(arguments: argparse.Namespace) -> int:
    from .doctor import report_bad_settings, run_doctor, usable_settings
    from .wiring.doctor import make_examination
    from .wiring.settings import settings_of

    settings = usable_settings(settings_of, os.environ)
    if isinstance(settings, list):
        return report_bad_settings(settings, os.environ, as_json=arguments.json)
    return asyncio.run(run_doctor(make_examination(settings, dict(os.environ)), as_json=arguments.json))


def _completion(arguments: argparse.Namespace) -> int:
    import shtab

    print(shtab.complete(make_parser(), arguments.shell), end="")
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    from .demo.showing import run_demo

    screen = this_screen(wants_lines=arguments.no_tui)
    return run_demo(dict(os.environ), tui=screen.has_screen, ascii=screen.ascii, by_itself=arguments.script)


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "": _serve,
    "start": _start,
    "stop": _stop,
    "wait": _wait,
    "status": _status,
    "logs": _logs,
    "events": _events,
    "url": _url,
    "init": _init,
    "login": _login,
    "doctor": _doctor,
    "completion": _completion,
    "demo": _demo,
}
