"""The command line: parse, call one use case, translate errors into two lines and an exit code.

stdout is data; diagnostics go to stderr. Imports are deferred, so that each command loads only what it uses.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from . import __version__
from .core.completion import SHELLS, Subcommand, completion_script, described
from .core.errors import JlabError, UsageError
from .core.settings import Settings, is_slurm_time
from .core.usage import explain_usage

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `jlab-mcp`. Returns the exit code."""
    os.environ.setdefault("HOME", os.path.expanduser("~"))  # noqa: PTH111 - from the password database
    try:
        arguments = make_parser().parse_args(argv)
        code: int = arguments.run(arguments)
        return code
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
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error) or type(error).__name__
        print(f"jlab-mcp: {what}.", file=sys.stderr)
        print("  `jlab-mcp doctor` checks directories, disk space and rights.", file=sys.stderr)
        return 1
    except Exception as error:  # noqa: BLE001 - the last of the translators
        traceback.print_exc()
        print(f"jlab-mcp: this is a fault in jlab-mcp ({type(error).__name__}).", file=sys.stderr)
        print("  What runs goes on. Please report it with the lines above.", file=sys.stderr)
        return 1


class _Parser(argparse.ArgumentParser):
    """Says in two lines what cannot be understood, like every other error, instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        options = [name for action in self._actions for name in action.option_strings]
        raise UsageError(explain_usage(message, options), f"`{self.prog} --help` lists what it takes.")


def make_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="jlab-mcp",
        description="A persistent Jupyter kernel for MCP clients, and a live dashboard. Without a command: the MCP server on stdio.",
    )
    parser.add_argument("--version", action="version", version=f"jlab-mcp {__version__}")
    parser.set_defaults(run=_serve)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    start = _command(commands, "start", _start, "start the server, or attach to it, and show the dashboard")
    start.add_argument(
        "time", nargs="?", metavar="TIME", help="walltime of the SLURM job, such as 24:00:00 or 1-00:00:00"
    )
    start.add_argument(
        "--mode",
        choices=("local", "slurm"),
        help="where JupyterLab runs (default: slurm where sbatch is found)",
    )
    start.add_argument(
        "--no-tui", action="store_true", help="no dashboard: the same facts as lines, in the foreground"
    )
    start.add_argument("--detach", action="store_true", help="return when the server is ready")
    start.add_argument(
        "--readonly", action="store_true", help="a dashboard that cannot interrupt, restart or stop anything"
    )
    start.add_argument("--ascii", action="store_true", help="draw with ASCII characters only")
    start.add_argument("--theme", default="night", metavar="NAME", help="night, day or one of Textual's")
    start.add_argument(
        "--replay", metavar="FILE", help="play a recorded journal instead (sessions/<id>.1.jsonl)"
    )
    start.add_argument(
        "--speed", type=_seconds, default=1.0, metavar="X", help="of the replay; 0: all at once"
    )
    start.add_argument(
        "--bootstrap",
        action="store_true",
        help="first make a .venv with JupyterLab in the project (uv, else venv and pip)",
    )
    start.add_argument("--debug", action="store_true", help="log details to stderr")

    stop = _command(commands, "stop", _stop, "end the server or the job of this project")
    stop.add_argument(
        "--forget",
        action="store_true",
        help="end nothing: only remove a record whose server cannot be ended from here",
    )

    wait = _command(commands, "wait", _wait, "print state changes until the server is ready")
    wait.add_argument("--timeout", type=_seconds, metavar="S", help="seconds to wait at most (exit code 3)")

    status = _command(commands, "status", _status, "show what runs, where, and what it uses")
    status.add_argument("--json", action="store_true", help="as JSON")

    logs = _command(commands, "logs", _logs, "print the server's or the job's log")
    logs.add_argument("-f", "--follow", action="store_true", help="go on printing what is added")

    url = _command(commands, "url", _url, "print where JupyterLab is, and the ssh line for a laptop")
    url.add_argument(
        "--copy",
        action="store_true",
        help="put the link that logs you in on the clipboard; it is not printed",
    )

    init = _command(commands, "init", _init, "register the MCP server for this project (.mcp.json)")
    init.add_argument("--user", action="store_true", help="for all your projects, through Claude Code itself")
    init.add_argument(
        "--print", action="store_true", dest="only_print", help="write nothing, only show what to type"
    )

    doctor = _command(
        commands, "doctor", _doctor, "check every step on the way to a kernel and say what mends it"
    )
    doctor.add_argument("--json", action="store_true", help="as JSON")

    completion = _command(commands, "completion", _completion, "print the completion script of a shell")
    completion.add_argument("shell", choices=SHELLS, help="which shell")

    demo = _command(
        commands, "demo", _demo, "see it work in a minute: local server, dashboard and a scripted MCP client"
    )
    demo.add_argument(
        "--no-tui", action="store_true", help="print what happens instead of showing the dashboard"
    )
    return parser


def _command(
    commands: argparse._SubParsersAction[_Parser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
    parser.set_defaults(run=run)
    return parser


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value


def _serve(_: argparse.Namespace) -> int:
    from .wiring import make_app_source, settings_of

    settings = settings_of(os.environ, for_client=True)
    if sys.stdin is None or sys.stdout is None:
        raise UsageError(
            "Stdin or stdout is closed, so no MCP client can be served.",
            "An MCP client starts jlab-mcp with pipes.",
        )
    if sys.stdin.isatty():
        print("jlab-mcp: this is the MCP server; it waits for an MCP client on stdin.", file=sys.stderr)
        print(
            "  Register it with: claude mcp add jlab-mcp -- jlab-mcp   (the dashboard is: jlab-mcp start)",
            file=sys.stderr,
        )
    from .mcp_server.server import serve

    serve(lambda reasons: make_app_source(settings, dict(os.environ), reasons))
    return 0


def _start(arguments: argparse.Namespace) -> int:
    from . import wiring
    from .dashboard import Looks, run_dashboard, run_replay

    if arguments.time is not None and not is_slurm_time(arguments.time):
        raise UsageError(f"{arguments.time!r} is not a walltime.", "Give one such as 24:00:00 or 1-00:00:00.")
    if arguments.debug:
        import logging

        logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
        logging.getLogger("httpcore").setLevel(logging.INFO)
        logging.getLogger("websockets").setLevel(logging.INFO)
    settings = wiring.settings_of(os.environ)
    looks = Looks(arguments.readonly, arguments.ascii, arguments.theme)
    if arguments.replay:
        return run_replay(settings, Path(arguments.replay), arguments.speed, looks)
    if arguments.time is not None:
        settings = replace(settings, slurm=replace(settings.slurm, time=arguments.time))
    mode = wiring.choose_mode(settings, arguments.mode)
    if arguments.bootstrap:
        _bootstrap(settings)
    without_screen = arguments.no_tui or not (sys.stdin.isatty() and sys.stderr.isatty())
    if not (arguments.detach or without_screen):
        return run_dashboard(settings, dict(os.environ), mode, looks)
    from .headless import run_detached, run_foreground

    launcher = wiring.make_launcher(settings, dict(os.environ))
    run = run_detached if arguments.detach else run_foreground
    return asyncio.run(run(launcher, mode, settings))


def _bootstrap(settings: Settings) -> None:
    from .adapters.bootstrap import bootstrap
    from .services.patience import patiently

    def tell(waited_s: float) -> None:
        print(f"Still installing ({waited_s:.0f} s so far)...", file=sys.stderr, flush=True)

    work = bootstrap(settings.root, dict(os.environ), lambda text: print(text, flush=True))
    asyncio.run(patiently(work, tell, 5, 20))


def _stop(arguments: argparse.Namespace) -> int:
    from .headless import run_stop
    from .wiring import make_launcher, settings_of

    launcher = make_launcher(settings_of(os.environ), dict(os.environ))
    return asyncio.run(run_stop(launcher, forget=arguments.forget))


def _wait(arguments: argparse.Namespace) -> int:
    from .headless import run_wait
    from .wiring import make_launcher, settings_of

    settings = settings_of(os.environ)
    launcher = make_launcher(settings, dict(os.environ))
    return asyncio.run(run_wait(launcher, arguments.timeout, settings.queue_timeout_s))


def _status(arguments: argparse.Namespace) -> int:
    from .reporting import run_status
    from .wiring import ServerGate, make_launcher, settings_of

    settings = settings_of(os.environ)
    launcher = make_launcher(settings, dict(os.environ))
    return asyncio.run(run_status(launcher, ServerGate(launcher), settings, as_json=arguments.json))


def _logs(arguments: argparse.Namespace) -> int:
    from .reporting import run_logs
    from .wiring import make_launcher, settings_of

    return asyncio.run(
        run_logs(make_launcher(settings_of(os.environ), dict(os.environ)), follow=arguments.follow)
    )


def _url(arguments: argparse.Namespace) -> int:
    import socket

    from .onboarding import run_url
    from .wiring import make_launcher, settings_of

    launcher = make_launcher(settings_of(os.environ), dict(os.environ))
    return asyncio.run(run_url(launcher, dict(os.environ), socket.gethostname(), to_clipboard=arguments.copy))


def _init(arguments: argparse.Namespace) -> int:
    from .onboarding import run_init
    from .wiring import settings_of

    settings = settings_of(os.environ)
    return run_init(settings, dict(os.environ), user=arguments.user, only_print=arguments.only_print)


def _doctor(arguments: argparse.Namespace) -> int:
    from .doctor import report_bad_setting, run_doctor
    from .wiring import make_doctor, settings_of

    try:
        settings = settings_of(os.environ)
    except UsageError as error:
        return report_bad_setting(error, as_json=arguments.json)
    return asyncio.run(run_doctor(make_doctor(settings, dict(os.environ)), as_json=arguments.json))


def _completion(arguments: argparse.Namespace) -> int:
    main, *commands = describe_commands()
    print(completion_script(arguments.shell, "jlab-mcp", main, tuple(commands)), end="")
    return 0


def describe_commands() -> list[Subcommand]:
    """The command line as values, the program itself first: what completion and the documents are written from."""
    return described(make_parser())


def _demo(arguments: argparse.Namespace) -> int:
    from .demo import run_demo

    tui = not arguments.no_tui and sys.stdin.isatty() and sys.stderr.isatty()
    return run_demo(dict(os.environ), tui=tui)
