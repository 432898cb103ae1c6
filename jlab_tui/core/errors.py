"""Every error that users and models see.

    JlabError                     message = what happened, hint = what to do next
    ├── UsageError                wrong arguments or settings                     (exit 2)
    │   └── SettingError          a JLAB_MCP_* variable is wrong; names it
    ├── ServerError               the Jupyter server as a whole
    │   ├── NoServer              no server runs here
    │   ├── ServerNotReady        it is queued or starting             (exit 3)
    │   ├── ServerEnded           it has ended: why, and how to start it again
    │   ├── ServerUnreachable     it should be running and does not answer
    │   ├── LaunchFailed          it failed to start
    │   ├── ServerFull            it has no room for another kernel
    │   └── StatusFileError       which server runs is unknown
    │       ├── UntrustedDirectory    others could have written or replaced the file
    │       ├── StatusFileUnreadable  reading the status file fails at the moment
    │       └── StatusFileDamaged     the status file cannot be understood
    ├── SessionError              one session, its kernel or its notebook
    │   ├── UnknownSession        no such session id
    │   ├── UnknownRun            no such run id
    │   ├── UnknownTask           no such task, or one whose run another process holds
    │   ├── RecordUnreadable      its record exists and cannot be read
    │   ├── SessionBusy           a run is in progress
    │   ├── SessionOwned          another process holds it
    │   └── KernelGone            the kernel is dead or no longer known to the server
    └── NotebookError             a notebook file cannot be used as asked

Every one has a hint: the class asks for it, and a test walks the places where one is raised. Three translators turn
them into text: `cli` (stderr and exit code), the dashboard (a notification) and `mcp_server` (error text of a tool).
Nothing else catches `JlabError` to print it.
"""

from __future__ import annotations

from collections.abc import Sequence


class JlabError(Exception):
    """Base of every error that carries a sentence for the user."""

    exit_code = 1

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


class UsageError(JlabError):
    exit_code = 2


class SettingError(UsageError):
    """A `JLAB_MCP_*` variable (or another variable that jlab-mcp reads) has an invalid value."""

    def __init__(self, variable: str, value: str, wanted: str) -> None:
        shown = value if len(value) <= 60 else value[:57] + "..."
        super().__init__(
            f"{variable}={shown!r} is not {wanted}.", f"Set {variable} to {wanted}, or unset it."
        )
        self.variable = variable


class ServerError(JlabError):
    pass


class NoServer(ServerError):
    def __init__(self, root: str, elsewhere: Sequence[str] = ()) -> None:
        """`elsewhere`: directories that have a server; the usual cause of this error is the wrong working directory."""
        hint = "Start one with: jlab-mcp start"
        if elsewhere:
            hint = (
                f"There is one for {' and for '.join(elsewhere)}: change to that directory to use it. {hint}"
            )
        super().__init__(f"No Jupyter server is running for {root}.", hint)


class ServerNotReady(ServerError):
    exit_code = 3


class ServerEnded(ServerError):
    pass


class ServerUnreachable(ServerError):
    pass


class LaunchFailed(ServerError):
    pass


class ServerFull(ServerError):
    def __init__(self, why: str) -> None:
        super().__init__(
            why,
            "Shut down sessions that nobody needs, or stop the server and start it from a shell with a higher `ulimit -n`.",
        )


class StatusFileError(ServerError):
    pass


class UntrustedDirectory(StatusFileError):
    """jlab-mcp reads, runs and writes nothing in it. `found` names the components, `vouch` the setting that allows it."""

    def __init__(self, directory: str, found: str, repair: str, vouch: str) -> None:
        super().__init__(
            f"Others could replace your files in {directory}: {found}.",
            f"Repair it with `{repair}`. If you trust the accounts that can write there, use it as it is with `{vouch}`.",
        )


class StatusFileUnreadable(StatusFileError):
    """The file system has a problem. The file's content still holds, so draw no conclusion from this error."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            f"The status file {path} cannot be read right now: {why}.",
            "The server keeps running. Try again; `jlab-mcp doctor` checks the directory.",
        )


class StatusFileDamaged(StatusFileError):
    """It exists, but its content cannot be trusted. `named` is what may still run: `job 7 (scancel 7)`."""

    def __init__(self, path: str, why: str, named: str = "") -> None:
        hint = "Run `jlab-mcp stop` to clear it, then `jlab-mcp start`."
        if named:
            hint = (
                f"A newer jlab-mcp may have written it: use that version. It names {named}; once that has ended, "
                "`jlab-mcp stop --forget` clears the file."
            )
        super().__init__(f"The status file {path} cannot be read: {why}.", hint)
        self.named = named


class SessionError(JlabError):
    pass


class UnknownSession(SessionError):
    def __init__(self, session_id: str, known: list[str]) -> None:
        listed = (
            f"Open sessions: {', '.join(known)}." if known else "No session is open; call start_new_session."
        )
        super().__init__(f"There is no session {session_id!r}.", listed)


class UnknownRun(SessionError):
    def __init__(self, run_id: str, known: list[str]) -> None:
        listed = (
            f"Latest runs: {', '.join(known)}."
            if known
            else "No open session has run anything; ping lists the sessions."
        )
        super().__init__(f"There is no run {run_id!r}.", listed)


class UnknownTask(SessionError):
    pass


class RecordUnreadable(SessionError):
    def __init__(self, session_id: str, path: str) -> None:
        super().__init__(
            f"The record of session {session_id} cannot be read: {path} is damaged, or written by a newer version.",
            "Its outputs are in its notebook: call read_notebook(path=...) or start_session_resume_notebook.",
        )


class SessionBusy(SessionError):
    pass


class SessionOwned(SessionError):
    @classmethod
    def by(cls, session_id: str, holder: str) -> SessionOwned:
        return cls(
            f"Session {session_id} is held by another MCP server process ({holder}).",
            "You can read it from here; to run code, open your own session with start_new_session.",
        )


class KernelGone(SessionError):
    pass


class NotebookError(JlabError):
    pass
