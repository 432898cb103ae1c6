"""Jupyter's REST API, and the Jupyter extension's if it is loaded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx2

from ...core.errors import KernelGone, ServerFull, SessionOwned
from ...core.journal.events import Entry, encode
from ...core.json_values import mapping, parse_json
from ...core.kernel import answers
from ...core.kernel.answers import ExtensionInfo, JupyterSession
from ...core.kernel.leaving import EndedKernel
from ...core.kernel.link import Claim, Lease, RecordedKernel
from ...core.kernel.waits import ProcessFacts, parse_process
from ...core.server.exit_grace import ExitGrace
from ...core.server.kernelspecs import KernelSpecs
from ...core.server.record import KernelInfo, Owner
from ...core.server.resources import Measured, Sample
from ...core.server.state_machine import Health
from .dial import Dialer
from .http import HttpClient, health_of, reason_of

if TYPE_CHECKING:
    from .kernel_link import KernelLink

_LOOK_S = 20.0
_END_S = 90.0
"""for a kernel to end in its own time, and to start again"""


class JupyterApi:
    """Calls to one Jupyter server. Raises ServerUnreachable without an answer, KernelGone for an unknown kernel."""

    def __init__(self, dialer: Dialer, token: str, exit_grace: ExitGrace | None = None) -> None:
        """`exit_grace`: how long idle kernels claimed here outlive this process; None: the server's default."""
        self._exit_grace = _grace_json(exit_grace)
        self._http = HttpClient(dialer, token)
        self._odd = self._http.oddities.note
        self._extension: ExtensionInfo | None = None
        self._specs: KernelSpecs | None = None
        self._shares_documents: bool | None = None

    @property
    def url(self) -> str:
        return self._http.url

    @property
    def oddities(self) -> int:
        """Number of answers that were not fully understood."""
        return self._http.oddities.count

    @property
    def authorization(self) -> dict[str, str]:
        """Header for WebSockets to the same server."""
        return self._http.authorization

    def link(
        self,
        kernel_id: str,
        *,
        session_id: str,
        lease: Lease | None,
        hold: Callable[[], Awaitable[str]] | None,
        since: int,
    ) -> KernelLink:
        """Return a link to one kernel, not open yet."""
        from .kernel_link import KernelLink  # imports websockets, which `status` does not need

        return KernelLink(
            self._http.dialer,
            self.authorization,
            kernel_id,
            session_id=session_id,
            lease=lease,
            hold=hold,
            since=since,
        )

    async def close(self) -> None:
        await self._http.close()

    async def health(self, timeout: float = 3.0) -> Health:
        try:
            again = timeout >= 1.0  # no retry with less patience
            answer = await self._http.request("GET", "/api/status", None, timeout, again)
        except (httpx2.ConnectError, httpx2.RemoteProtocolError, httpx2.ReadError) as error:
            return health_of(error)
        except httpx2.HTTPError:
            return Health.SILENT
        if answer.status_code >= 500:
            return Health.SILENT
        try:
            is_jupyter = answer.status_code == 200 and "kernels" in mapping(parse_json(answer.body))
        except ValueError:
            is_jupyter = False
        return Health.OK if is_jupyter else Health.FOREIGN

    async def unreached(self) -> str:
        """Why no connection gets to the server's port; empty if one does, whoever takes it."""
        return await self._http.dialer.unreached()

    async def kernels(self) -> tuple[KernelInfo, ...]:
        """Return every kernel of the server, with the notebook of its session."""
        answer = await self._http.call("GET", "/api/kernels", accept=(200,))
        sessions = await self._sessions()
        return self._http.parsed(
            answer, "/api/kernels", lambda raw: answers.kernels(raw, sessions, self._odd)
        )

    async def _sessions(self) -> list[JupyterSession]:
        return await self._http.json(
            "GET", "/api/sessions", parse=lambda raw: answers.sessions(raw, self._odd)
        )

    async def kernel_at(self, path: str) -> tuple[str, str] | None:
        """Return id and state of the kernel of the notebook session at a path below the server's root."""
        for session in await self._sessions():
            if session.path == path:
                return session.kernel_id, session.kernel_state
        return None

    async def start_kernel(self, kernel_name: str | None, path: str = "", notebook: str = "") -> str:
        """Start a kernel in the directory of `path`, which is relative to the server's root. Returns its id.

        With the name of a `notebook` it belongs to that one's session. If the session exists, Jupyter returns its kernel
        instead: ask `kernel_at` first."""
        if notebook:
            session = {"path": path, "type": "notebook", "name": notebook, "kernel": {"name": kernel_name}}
            return await self._http.json(
                "POST", "/api/sessions", session, parse=answers.kernel_of_session, timeout=90
            )
        body: dict[str, str] = {"name": kernel_name} if kernel_name else {}
        if path:
            body["path"] = path
        return await self._http.json("POST", "/api/kernels", body, parse=answers.new_kernel, timeout=90)

    async def kernelspecs(self, *, again: bool = False) -> KernelSpecs:
        """Return the server's kernels, which are asked for once; `again`: one may have been installed since."""
        if self._specs is None or again:
            info = self._extension = await (self._ask_info() if again else self._info())
            path = "/api/kernelspecs"
            self._specs = await self._http.json("GET", path, parse=lambda raw: answers.kernelspecs(raw, info))
        return self._specs

    async def shares_documents(self) -> bool:
        """Whether jupyter-collaboration holds open notebooks in the server's memory (asked once)."""
        if self._shares_documents is None:
            path = "/api/collaboration/session/notebook.ipynb"  # with a trailing slash, every server would have it
            answer = await self._http.call("OPTIONS", path, accept=(200, 204, 404, 405))
            self._shares_documents = answer.status_code != 404
        return self._shares_documents

    async def delete_kernel(self, kernel_id: str) -> bool:
        """Shut a kernel down with its session, if any. Returns whether the server knew it."""
        for session in await self._sessions():
            if session.kernel_id == kernel_id:
                await self._http.call(
                    "DELETE", f"/api/sessions/{session.session_id}", accept=(204, 404, 410), timeout=_END_S
                )
                return True
        return (
            await self._http.call("DELETE", f"/api/kernels/{kernel_id}", accept=(204, 404), timeout=_END_S)
        ).status_code == 204

    async def rename_session(self, kernel_id: str, name: str) -> None:
        """Let JupyterLab find a kernel under its notebook's new name in the same directory."""
        for session in await self._sessions():
            old = session.path
            new = old[: len(old) - len(old.rpartition("/")[2])] + name
            if session.kernel_id == kernel_id and new != old:
                body = {"path": new, "name": name}
                await self._http.call("PATCH", f"/api/sessions/{session.session_id}", body, accept=(200, 404))

    async def interrupt(self, kernel_id: str) -> None:
        await self._kernel_call("POST", kernel_id, "/interrupt")

    async def restart(self, kernel_id: str) -> None:
        await self._kernel_call("POST", kernel_id, "/restart")

    async def kernel_state(self, kernel_id: str) -> str | None:
        """Return the execution state that the server reports; None for an unknown kernel."""
        path = f"/api/kernels/{kernel_id}"
        answer = await self._http.call("GET", path, accept=(200, 404))
        return self._http.parsed(answer, path, answers.kernel_state) if answer.status_code == 200 else None

    async def _kernel_call(self, method: str, kernel_id: str, verb: str) -> None:
        again = verb == "/interrupt"
        answer = await self._http.call(
            method,
            f"/api/kernels/{kernel_id}{verb}",
            accept=(200, 204, 404),
            timeout=None if again else _END_S,
            again=again,
        )
        if answer.status_code == 404:
            raise KernelGone(
                f"The server no longer knows kernel {kernel_id}.",
                "Its variables are lost. Open the notebook again with start_session_resume_notebook.",
            )

    # -- Jupyter extension

    async def features(self) -> frozenset[str]:
        """Return what the Jupyter extension offers; empty on a stock server or for another version of the extension."""
        return (await self._info()).features

    async def _info(self) -> ExtensionInfo:
        if self._extension is None:
            self._extension = await self._ask_info()
        return self._extension

    async def _ask_info(self) -> ExtensionInfo:
        path = "/jlab-mcp/info"
        answer = await self._http.call("GET", path, accept=(200, 404))
        if answer.status_code != 200:
            return ExtensionInfo()
        return self._http.parsed(answer, path, answers.extension_info)

    async def clock(self) -> float | None:
        """Return the node's clock (epoch seconds); None on a stock server."""
        return (await self._ask_info()).now

    async def resources(self, history_s: float = 0) -> list[Sample]:
        """Return the samples of the last `history_s` seconds, oldest first, at least the newest. Empty on a stock server."""
        path = f"/jlab-mcp/resources?history={history_s:g}"
        answer = await self._http.call("GET", path, accept=(200, 404, 503))
        if answer.status_code != 200:
            return []
        return self._http.parsed(answer, path, lambda raw: answers.samples(raw, self._odd))

    async def measured(self, history_s: float, *, kernels: bool) -> Measured:
        """Return the same samples, and the kernels if they are asked for: in one request, unless the server is a stock or an
        older one."""
        path = f"/jlab-mcp/resources?history={history_s:g}&kernels={kernels:d}"
        answer = await self._http.call("GET", path, accept=(200, 404, 503))
        seen = Measured()
        if answer.status_code == 200:
            seen = self._http.parsed(answer, path, lambda raw: answers.measured(raw, self._odd))
        if kernels and seen.kernels is None:
            return replace(seen, kernels=await self.kernels())
        return seen

    async def claim(
        self, session: str, kernel_id: str, owner: Owner, *, takeover: bool = False, on_exit: str
    ) -> Claim:
        """Claim a session at the extension. Raises SessionOwned while somebody else's lease is alive.

        `on_exit`: what happens to the kernel when this process exits."""
        body = {
            "session": session,
            "kernel": kernel_id,
            "owner": _owner_json(owner),
            "takeover": takeover,
            "on_exit": on_exit,
            **self._exit_grace,
        }
        path = "/jlab-mcp/claims"
        answer = await self._http.call("POST", path, body, accept=(200, 404, 409), again=True)
        if answer.status_code == 409:
            refusal = self._http.parsed(answer, path, mapping)
            holder = answers.owner(refusal.get("owner")) or Owner("", "another host", 0)
            if not takeover and holder.gives_way_to(owner):
                return await self.claim(session, kernel_id, owner, takeover=True, on_exit=on_exit)
            raise SessionOwned.by(session, holder.label)
        if answer.status_code == 404:
            raise KernelGone(
                f"Kernel {kernel_id} no longer exists.",
                "Open the notebook again with start_session_resume_notebook.",
            )
        return self._http.parsed(answer, path, answers.claim)

    async def start_claimed(
        self, session: str, owner: Owner, kernel_name: str | None, path: str = "", notebook: str = ""
    ) -> tuple[str, Claim]:
        """Like `start_kernel`, and claim the kernel in the same step, so that it always has an owner. Raises ServerFull."""
        body = {
            "name": kernel_name,
            "path": path or None,
            "notebook": notebook,
            "session": session,
            "owner": _owner_json(owner),
            **self._exit_grace,
        }
        path = "/jlab-mcp/kernels"
        answer = await self._http.call("POST", path, body, accept=(201, 503), timeout=90)
        if answer.status_code == 503:
            raise ServerFull(reason_of(answer))
        return self._http.parsed(answer, path, answers.claimed_kernel)

    async def recorded_kernels(self) -> dict[str, RecordedKernel]:
        """Return recorded kernels by kernel id. Empty on a stock server."""
        path = "/jlab-mcp/kernels"
        answer = await self._http.call("GET", path, accept=(200, 404))
        if answer.status_code != 200:
            return {}
        return self._http.parsed(answer, path, lambda raw: answers.recorded_kernels(raw, self._odd))

    async def ended_kernels(self) -> dict[str, EndedKernel]:
        """Return how the last kernels that are gone have ended, by kernel id. Empty on a stock server."""
        path = "/jlab-mcp/ended"
        answer = await self._http.call("GET", path, accept=(200, 404))
        if answer.status_code != 200:
            return {}
        return self._http.parsed(answer, path, lambda raw: answers.ended_kernels(raw, self._odd))

    async def process(self, kernel_id: str, *, with_stacks: bool) -> ProcessFacts | None:
        """Return what a kernel's process does; None on a stock server, or if it runs elsewhere."""
        path = f"/jlab-mcp/look/{kernel_id}?stacks={int(with_stacks)}"
        answer = await self._http.call("GET", path, accept=(200, 404), timeout=_LOOK_S)
        return self._http.parsed(answer, path, parse_process) if answer.status_code == 200 else None

    async def release(self, client: str) -> None:
        """Release all sessions of one MCP process; the claims say what happens to each kernel."""
        await self._http.call("POST", "/jlab-mcp/release", {"client": client}, accept=(200, 404))

    async def hand_on(self, kernel_id: str, act: Entry) -> bool:
        """Hand what a user asks of a session to its owner. False where the owner has to find it in the dashboard's file: on a
        stock server, and while none is connected."""
        body = {"kernel": kernel_id, "act": encode(act).decode()}
        path = "/jlab-mcp/acts"
        answer = await self._http.call("POST", path, body, accept=(200, 404))
        if answer.status_code != 200:
            return False
        return self._http.parsed(answer, path, lambda raw: mapping(raw).get("handed") is True)


def _grace_json(grace: ExitGrace | None) -> dict[str, Any]:
    return {} if grace is None else {"exit_grace_s": grace.seconds, "exit_grace_by": grace.by}


def _owner_json(owner: Owner) -> dict[str, Any]:
    told = {"client": owner.client, "host": owner.host, "pid": owner.pid, "conversation": owner.conversation}
    if owner.relay:
        told |= {"relay": owner.relay, "generation": owner.generation}
    return told if owner.line_grace_s is None else {**told, "line_grace_s": owner.line_grace_s}
