"""Jupyter's REST API, and the node extension's where it is loaded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import httpx2

from ...core.errors import KernelGone, SessionOwned
from ...core.kernel.link import Claim, Lease, LinkChange, RecordedKernel
from ...core.kernel.wire import NODE_PROTOCOL, KernelMessage
from ...core.server.record import KernelInfo, KernelSpec, Owner
from ...core.server.resources import Sample, parse_sample
from ...core.server.state_machine import Health
from .dial import Dialer
from .http import HttpClient, is_refused, is_unproved, is_untrusted

if TYPE_CHECKING:
    from .kernel_link import KernelLink


class JupyterApi:
    """Calls to one Jupyter server. Raises ServerUnreachable when it does not answer, KernelGone for a kernel it does not know."""

    def __init__(self, dialer: Dialer, token: str, exit_grace_s: float | None = None) -> None:
        """`exit_grace_s`: how long idle kernels that are claimed here outlive this process; None: as the server has it."""
        self._exit_grace_s = exit_grace_s
        self._http = HttpClient(dialer, token)
        self._features: frozenset[str] | None = None
        self._specs: dict[str, Any] | None = None
        self._python = ""
        self._shares_documents: bool | None = None

    @property
    def url(self) -> str:
        return self._http.url

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
        on_message: Callable[[KernelMessage], None],
        on_change: Callable[[LinkChange], None],
    ) -> KernelLink:
        """A connection to one kernel, not open yet."""
        from .kernel_link import KernelLink  # websockets, which `status` has no use for

        return KernelLink(
            self._http.dialer,
            self.authorization,
            kernel_id,
            session_id=session_id,
            lease=lease,
            hold=hold,
            since=since,
            on_message=on_message,
            on_change=on_change,
        )

    async def close(self) -> None:
        await self._http.close()

    async def health(self, timeout: float = 3.0) -> Health:
        try:
            again = timeout >= 1.0  # who has less patience does not ask twice
            answer = await self._http.request("GET", "/api/status", None, timeout, again)
        except (httpx2.ConnectError, httpx2.RemoteProtocolError, httpx2.ReadError) as error:
            if is_untrusted(error):
                return Health.UNTRUSTED
            if is_unproved(error):
                return Health.FOREIGN
            return Health.REFUSED if is_refused(error) else Health.SILENT
        except httpx2.HTTPError:
            return Health.SILENT
        if answer.status_code >= 500:
            return Health.SILENT
        try:
            return Health.OK if answer.status_code == 200 and "kernels" in answer.json() else Health.FOREIGN
        except ValueError:
            return Health.FOREIGN

    async def kernels(self) -> tuple[KernelInfo, ...]:
        """Every kernel of the server, with the notebook of its session."""
        kernels = await self._http.json("GET", "/api/kernels")
        paths = {
            s["kernel"]["id"]: s.get("path", "")
            for s in await self._http.json("GET", "/api/sessions")
            if s.get("kernel")
        }
        return tuple(
            KernelInfo(
                kernel_id=k["id"],
                name=k["name"],
                execution_state=k.get("execution_state", "unknown"),
                connections=k.get("connections", 0),
                last_activity=k.get("last_activity", ""),
                path=paths.get(k["id"], ""),
            )
            for k in kernels
        )

    async def kernel_at(self, path: str) -> tuple[str, str] | None:
        """Id and state of the kernel that a notebook session holds at a path below the server's root."""
        for session in await self._http.json("GET", "/api/sessions"):
            if session.get("path") == path and (kernel := session.get("kernel")):
                return str(kernel["id"]), str(kernel.get("execution_state", "unknown"))
        return None

    async def start_kernel(self, kernel_name: str | None, path: str = "", notebook: str = "") -> str:
        """Start a kernel in the directory of `path`, which is below the server's root; with the name of a notebook as
        that one's session. Returns its id.

        Jupyter gives the kernel of the session that is at this path already, if there is one: ask `kernel_at` before."""
        if notebook:
            session = {"path": path, "type": "notebook", "name": notebook, "kernel": {"name": kernel_name}}
            return str((await self._http.json("POST", "/api/sessions", session, timeout=90))["kernel"]["id"])
        body: dict[str, str] = {"name": kernel_name} if kernel_name else {}
        if path:
            body["path"] = path
        return str((await self._http.json("POST", "/api/kernels", body, timeout=90))["id"])

    async def kernelspec(self, wanted: str = "") -> KernelSpec:
        """The kernel of that name if the server has it, else the server's default one (asked once)."""
        if self._specs is None:
            self._specs = await self._http.json("GET", "/api/kernelspecs")
            await self.features()
        known = self._specs.get("kernelspecs", {})
        name = wanted if wanted in known else str(self._specs.get("default") or "python3")
        spec = known.get(name, {}).get("spec", {})
        program = str((spec.get("argv") or [""])[0])
        return KernelSpec(
            name,
            str(spec.get("display_name") or name),
            str(spec.get("language") or "python"),
            program if program.startswith("/") else self._python,
        )

    async def shares_documents(self) -> bool:
        """Whether jupyter-collaboration keeps notebooks that are open in JupyterLab in memory (asked once)."""
        if self._shares_documents is None:
            path = "/api/collaboration/session/notebook.ipynb"  # a path with a slash at its end exists everywhere
            answer = await self._http.call("OPTIONS", path, accept=(200, 204, 404, 405))
            self._shares_documents = answer.status_code != 404
        return self._shares_documents

    async def delete_kernel(self, kernel_id: str) -> bool:
        """Shut a kernel down, with its session when it has one. Returns whether the server knew it."""
        for session in await self._http.json("GET", "/api/sessions"):
            if session.get("kernel", {}).get("id") == kernel_id:
                await self._http.call("DELETE", f"/api/sessions/{session['id']}", accept=(204, 404, 410))
                return True
        return (
            await self._http.call("DELETE", f"/api/kernels/{kernel_id}", accept=(204, 404))
        ).status_code == 204

    async def rename_session(self, kernel_id: str, name: str) -> None:
        """Let JupyterLab find a kernel under the new name of its notebook, which stayed in its directory."""
        for session in await self._http.json("GET", "/api/sessions"):
            old = str(session.get("path") or "")
            new = old[: len(old) - len(old.rpartition("/")[2])] + name
            if session.get("kernel", {}).get("id") == kernel_id and new != old:
                body = {"path": new, "name": name}
                await self._http.call("PATCH", f"/api/sessions/{session['id']}", body, accept=(200, 404))

    async def interrupt(self, kernel_id: str) -> None:
        await self._kernel_call("POST", kernel_id, "/interrupt")

    async def restart(self, kernel_id: str) -> None:
        await self._kernel_call("POST", kernel_id, "/restart")

    async def kernel_state(self, kernel_id: str) -> str | None:
        """Execution state as the server believes it, None for a kernel that it does not know."""
        answer = await self._http.call("GET", f"/api/kernels/{kernel_id}", accept=(200, 404))
        return str(answer.json().get("execution_state", "unknown")) if answer.status_code == 200 else None

    async def _kernel_call(self, method: str, kernel_id: str, verb: str) -> None:
        again = verb == "/interrupt"
        answer = await self._http.call(
            method, f"/api/kernels/{kernel_id}{verb}", accept=(200, 204, 404), again=again
        )
        if answer.status_code == 404:
            raise KernelGone(
                f"The server no longer knows kernel {kernel_id}.",
                "Its variables are lost. Open the notebook again with start_session_resume_notebook.",
            )

    # -- node extension

    async def features(self) -> frozenset[str]:
        """What the node extension offers; empty on a stock server, and where the extension is of another version."""
        if self._features is None:
            answer = await self._http.call("GET", "/jlab-mcp/info", accept=(200, 404))
            info = answer.json() if answer.status_code == 200 else {}
            if info.get("protocol") == NODE_PROTOCOL:
                self._python = str(info.get("python", ""))
                self._features = frozenset(info.get("features", ()))
            else:
                self._features = frozenset()
        return self._features

    async def clock(self) -> float | None:
        """Epoch seconds on the node when it answered; None on a stock server."""
        answer = await self._http.call("GET", "/jlab-mcp/info", accept=(200, 404))
        now = answer.json().get("now") if answer.status_code == 200 else None
        return float(now) if isinstance(now, int | float) else None

    async def resources(self, history_s: float = 0) -> list[Sample]:
        """Samples of the last `history_s` seconds, oldest first, the newest always included. Empty on a stock server."""
        answer = await self._http.call(
            "GET", f"/jlab-mcp/resources?history={history_s:g}", accept=(200, 404, 503)
        )
        if answer.status_code != 200:
            return []
        raw = answer.json()
        samples = [*(raw.get("history") or []), raw.get("now")]
        return [parse_sample(s) for s in samples if s]

    async def claim(
        self, session: str, kernel_id: str, owner: Owner, *, takeover: bool = False, on_exit: str
    ) -> Claim:
        """Become the owner of a session at the extension. Raises SessionOwned while somebody else's lease lives.

        `on_exit`: what becomes of the kernel when this process is gone."""
        body = {
            "session": session,
            "kernel": kernel_id,
            "owner": _owner_json(owner),
            "takeover": takeover,
            "on_exit": on_exit,
            "exit_grace_s": self._exit_grace_s,
        }
        answer = await self._http.call("POST", "/jlab-mcp/claims", body, accept=(200, 404, 409), again=True)
        raw = answer.json()
        if answer.status_code == 409:
            holder = _owner(raw.get("owner")) or Owner("", "another host", 0)
            raise SessionOwned.by(session, holder.label)
        if answer.status_code == 404:
            raise KernelGone(
                f"Kernel {kernel_id} no longer exists.",
                "Open the notebook again with start_session_resume_notebook.",
            )
        return _claim(raw)

    async def start_claimed(
        self, session: str, owner: Owner, kernel_name: str | None, path: str = "", notebook: str = ""
    ) -> tuple[str, Claim]:
        """Like `start_kernel`, and the kernel is ours from its beginning: at no moment is it nobody's."""
        body = {
            "name": kernel_name,
            "path": path or None,
            "notebook": notebook,
            "session": session,
            "owner": _owner_json(owner),
            "exit_grace_s": self._exit_grace_s,
        }
        raw = await self._http.json("POST", "/jlab-mcp/kernels", body, timeout=90)
        return str(raw["kernel"]), _claim(raw)

    async def recorded_kernels(self) -> dict[str, RecordedKernel]:
        """Recorded kernels by kernel id. Empty on a stock server."""
        answer = await self._http.call("GET", "/jlab-mcp/kernels", accept=(200, 404))
        if answer.status_code != 200:
            return {}
        return {
            kernel_id: RecordedKernel(
                session=str(k.get("session") or ""),
                epoch=int(k.get("epoch") or 0),
                owner=_owner(k.get("owner")),
                owner_connected=bool(k.get("owner_connected")),
                first_seq=int(k.get("first_seq") or 0),
                last_seq=int(k.get("last_seq") or 0),
                acked_seq=int(k.get("acked_seq") or 0),
                busy=bool(k.get("busy")),
                running=str(k.get("running") or ""),
                requests=frozenset(k.get("requests") or ()),
                started_here=bool(k.get("started_here")),
                is_private=bool(k.get("private", True)),
                recorded_bytes=int(k.get("recorded_bytes") or 0),
            )
            for kernel_id, k in answer.json().items()
        }

    async def release(self, client: str) -> None:
        """Give up all sessions of one MCP process; what becomes of each kernel was said when it was claimed."""
        await self._http.call("POST", "/jlab-mcp/release", {"client": client}, accept=(200, 404))


def _claim(raw: Mapping[str, Any]) -> Claim:
    return Claim(
        int(raw["epoch"]),
        int(raw.get("last_seq", 0)),
        bool(raw.get("adopted")),
        _owner(raw.get("previous")),
    )


def _owner(raw: Any) -> Owner | None:
    if not isinstance(raw, Mapping):
        return None
    return Owner(
        client=str(raw.get("client", "")),
        host=str(raw.get("host", "")),
        pid=int(raw.get("pid") or 0),
        conversation=str(raw.get("conversation", "")),
    )


def _owner_json(owner: Owner) -> dict[str, Any]:
    return {"client": owner.client, "host": owner.host, "pid": owner.pid, "conversation": owner.conversation}
