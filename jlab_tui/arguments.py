"""The command line: commands, options, and errors for arguments that it does not understand."""

from __future__ import annotations

import argparse
from typing import NoReturn

from . import __version__
from .core.cli.argparse_errors import explain_usage
from .core.cli.picture_choice import Pictures
from .core.errors import UsageError
from .core.ssh.crossing import Crossing, decode_crossing
from .core.ssh.place import COMMAND

SHELLS = ("bash", "zsh", "fish")
"""shells whose completion we test; shtab supports more"""


class _Parser(argparse.ArgumentParser):
    """Reports a usage error in two lines, like other errors, without printing the usage."""

    def error(self, message: str) -> NoReturn:
        options = [name for action in self._actions for name in action.option_strings]
        raise UsageError(explain_usage(message, options), f"`{self.prog} --help` lists the arguments.")


def make_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="jlab-mcp",
        description="A persistent Jupyter kernel for MCP clients, and a live dashboard. Without a command: the MCP server on stdio.",
    )
    parser.add_argument("--version", action="version", version=f"jlab-mcp {__version__}")
    parser.set_defaults(command="")
    parser.add_argument("--forward", action="store_true", help=argparse.SUPPRESS)  # what `url` starts
    # What a dashboard starts: it runs the user's own cells in this session.
    parser.add_argument("--own-cells", default="", metavar="SESSION", help=argparse.SUPPRESS)
    # What the relay starts: the process that serves the client.
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--relay", default="", help=argparse.SUPPRESS)
    parser.add_argument("--generation", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--key-fd", type=int, help=argparse.SUPPRESS)
    # What the other end of a line to another machine is told, and what answers here while there is no line.
    parser.add_argument("--at", type=_crossing, help=argparse.SUPPRESS)
    parser.add_argument("--stand-in", default="", help=argparse.SUPPRESS)
    # The relay to a project on another machine, as `init --ssh` registers it.
    parser.add_argument("--ssh", metavar="HOST:DIR", help="the MCP server for a project on another machine")
    parser.add_argument("--program", default=COMMAND, help=argparse.SUPPRESS)
    parser.add_argument("--pin", default="", help=argparse.SUPPRESS)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    start = _command(commands, "start", "start the server, or attach to it, and show the dashboard")
    start.add_argument(
        "time", nargs="?", metavar="TIME", help="walltime of the SLURM job, such as 24:00:00 or 1-00:00:00"
    )
    start.add_argument(
        "--mode",
        choices=("local", "slurm"),
        help="where JupyterLab runs (default: slurm if sbatch is found; on a node of a job that fits, local)",
    )
    start.add_argument(
        "--no-tui", action="store_true", help="no dashboard: print state changes as lines, in the foreground"
    )
    start.add_argument("--detach", action="store_true", help="return when the server is ready")
    start.add_argument(
        "--readonly", action="store_true", help="a dashboard that cannot interrupt, restart or stop anything"
    )
    start.add_argument("--ascii", action="store_true", help="draw with ASCII characters only")
    start.add_argument(
        "--pictures",
        type=Pictures,
        choices=tuple(Pictures),
        default=Pictures.AUTO,
        help="what images consist of: pixels by kitty's protocol, octants, or blocks; auto is the finest the terminal is known for",
    )
    start.add_argument("--theme", default="night", metavar="NAME", help="night, day or one of Textual's")
    start.add_argument(
        "--bell", action="store_true", help="ring the terminal's bell when a run of over a minute ends"
    )
    start.add_argument(
        "--hold",
        action="store_true",
        help="see all of the agent's code before it runs (`H` in the dashboard)",
    )
    start.add_argument(
        "--replay", metavar="FILE", help="play a recorded journal instead (sessions/<id>.1.jsonl)"
    )
    start.add_argument(
        "--speed", type=_speed, default=1.0, metavar="X", help="speed of the replay, such as 0.5 or 16"
    )
    start.add_argument(
        "--bootstrap",
        action="store_true",
        help="first create a .venv with ipykernel in the project (uv, else venv and pip)",
    )
    start.add_argument(
        "--debug",
        action="store_true",
        help="log details to stderr; the dashboard logs to a file and names it when it ends",
    )

    stop = _command(commands, "stop", "stop this project's server or job")
    stop.add_argument(
        "--forget",
        action="store_true",
        help="stop nothing: only remove the record of a server that you cannot stop from here",
    )

    wait = _command(commands, "wait", "wait until the server is ready, or until a run has ended")
    wait.add_argument(
        "run",
        nargs="?",
        metavar="RUN",
        help="id of a run, such as a1b2c3d4-7: prints its output; exit code 0 if it ended well, 4 if it was interrupted, else 1",
    )
    wait.add_argument("--timeout", type=_seconds, metavar="S", help="most seconds to wait (then exit code 3)")

    status = _command(commands, "status", "show what is running, where, and what it uses")
    status.add_argument("--json", action="store_true", help="as JSON")

    logs = _command(commands, "logs", "print the server's or the job's log")
    logs.add_argument("-f", "--follow", action="store_true", help="keep printing new lines")

    events = _command(
        commands,
        "events",
        "print what nobody waits for, a line each: runs and kernels that end, the walltime, the server's end",
    )
    events.add_argument("--json", action="store_true", help="each as a line of JSON")

    url = _command(commands, "url", "print how a browser reaches JupyterLab, here and from a laptop")
    url.add_argument(
        "--live",
        action="store_true",
        help="the live page instead: sessions, cells and graphs to look at, from a phone too",
    )
    url.add_argument(
        "--copy",
        action="store_true",
        help="copy the link that logs you in to the clipboard, without printing it",
    )

    init = _command(commands, "init", "register the MCP server for this project (.mcp.json)")
    init.add_argument("--user", action="store_true", help="for all your projects, through Claude Code itself")
    init.add_argument(
        "--print", action="store_true", dest="only_print", help="write nothing, only show the commands"
    )

    init.add_argument(
        "--allow",
        action="store_true",
        help="let Claude Code run jlab-mcp's tools in this project without asking (.claude/settings.local.json)",
    )
    init.add_argument(
        "--ssh",
        metavar="HOST[:DIR]",
        help="the project is on another machine: check it, offer to install jlab-mcp there, and register the line to it",
    )
    init.add_argument("--yes", action="store_true", help="with --ssh: install without asking")

    login = _command(
        commands, "login", "open a connection to a host that wants more than a key; it is asked once"
    )
    login.add_argument("host", metavar="HOST", help="as ssh takes it")
    login.add_argument("--end", action="store_true", help="close that connection")

    doctor = _command(commands, "doctor", "check every step on the way to a kernel and show how to fix it")
    doctor.add_argument("--json", action="store_true", help="as JSON")

    completion = _command(commands, "completion", "print the completion script of a shell")
    completion.add_argument("shell", choices=SHELLS, help="which shell")

    demo = _command(
        commands, "demo", "see it work for forty seconds: local server, dashboard and a scripted MCP client"
    )
    demo.add_argument(
        "--no-tui", action="store_true", help="print what happens instead of showing the dashboard"
    )
    demo.add_argument(
        "--script",
        action="store_true",
        help="without you: keys are pressed, too, and the dashboard is left at the end (for a recording)",
    )
    for there in (start, stop, wait, status, logs, events, url, doctor):
        there.add_argument(
            "--ssh",
            metavar="HOST[:DIR]",
            help="the project on another machine; the default where `init --ssh` has registered one",
        )
    return parser


def _command(
    commands: argparse._SubParsersAction[_Parser],
    name: str,
    summary: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
    parser.set_defaults(command=name)
    return parser


def _crossing(text: str) -> Crossing:
    try:
        return decode_crossing(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _speed(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no speed: give a number above 0, such as 0.5 or 64")
    return value


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value
