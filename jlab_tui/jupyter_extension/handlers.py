"""The REST API: JSON under `<base_url>jlab-mcp/`, behind Jupyter's authentication and authorization.

  GET info                  version, protocol, features, hostname, pid, started and now (Unix time), spool {dir, bytes},
                            cache_bytes_limit, kernel_programs {kernelspec: what it starts, null if that is not there}
  GET resources?history=S   now: one sample of CPU, memory, GPUs and kernels (usage.py); history: those of the last S
                            seconds, 1 per second, at most 10 minutes. With &kernels=1 also kernels and sessions, each a list as
                            Jupyter's own API gives it: who asks every second asks once
                            In a server that ends itself: idle_end {hours, ends_at (Unix time; null until it is near), kept_by}
  GET kernels               by kernel id: session, epoch, owner, owner_connected, first_seq, last_seq, acked_seq, busy,
                            running (msg_id), requests {msg_id: {state: sent|running|done|lost, seq_reply}}, obituary,
                            recorded_bytes (not acknowledged), dropped_bytes, gone, started_here (by a POST to this path),
                            cut_after_s (the kernel was killed after so many seconds; null: it ended by itself)
                            left: null while its owner is here, else how long it stays: {at, released (the owner said so), ends_at
                            (null while something keeps it), stays (busy, used, keep or empty), idle_s, by (a setting)}
  GET ended                 the last kernels that are gone, by kernel id: session, path of its notebook, obituary (exit_cause.py, with at: Unix time)
  POST kernels              {name, path, notebook, session, owner, exit_grace_s, exit_grace_by}: start a kernel in the directory of `path`,
                            or as the session of a notebook if one is named, and claim it: 201 {kernel} and the answer of
                            a claim. The start finishes even if the client is gone; the kernel is then shut down after
                            the grace under any policy, because nobody can have used it without a connection. 503
                            {message}: the server has no descriptors left for one.
  GET look/<kernel>?stacks=0|1   what its process does (kernel_look.py), and gpu {memory_mb, percent}: held by the kernel, of the
                            busiest GPU; 404 {message}: no process of this machine
  POST claims               {kernel, session, owner: {client, ...}, takeover, on_exit, exit_grace_s, exit_grace_by}: 200 {epoch,
                            last_seq, acked_seq, previous, adopted}; 409 {error: owned, owner, epoch, connected} while another client's
                            connection lives and speaks, and takeover is false; 404 {error: unknown}. The first claim of a kernel
                            starts its recording. The epoch grows with each new owner and opens the channels.
  POST release              {client, on_exit}: the client leaves all its kernels; {kernels: [...]}
  POST acts                 {kernel, act}: hand a text, what a user of a dashboard asks of the session, to the kernel's owner, as a
                            frame of its channels: 200 {handed}, which is false while no owner is connected
  GET channels/<kernel>     the websocket (channels.py)

`exit_grace_s` overrides how long the server keeps the owner's idle kernel after the owner left, `exit_grace_by` names the setting
that says so, `owner.line_grace_s` is how long it keeps one whose owner was gone without a release. A kernel to which others are
connected stays. Others see `owner` as given; only its `client`, a uuid per process, matters here.
"""

from __future__ import annotations

import inspect
import json
from typing import Any, Dict, List, Optional, Tuple

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from .channels import ChannelsHandler
from .claims import ON_EXIT, Granted, Refused
from .service import ExtensionService

LONGEST_GRACE_S = 30 * 86400
LONGEST_ACT = 1 << 20


class _Handler(APIHandler):  # type: ignore[misc]
    auth_resource = "kernels"

    def initialize(self, service: ExtensionService) -> None:
        self.service = service

    def answer(self, content: Dict[str, Any], status: int = 200) -> None:
        self.set_status(status)
        self.finish(json.dumps(content, default=str))  # a contents manager's dates

    def body(self) -> Dict[str, Any]:
        content = self.get_json_body()
        if not isinstance(content, dict):
            raise web.HTTPError(400, "the body must be a JSON object")
        return content

    def granted(self, kernel_id: str, claim: Granted) -> Dict[str, Any]:
        """Return the answer to a claim."""
        stream = self.service.recorders[kernel_id].stream
        return {
            "epoch": claim.epoch,
            "last_seq": stream.last,
            "acked_seq": stream.acked,
            "previous": claim.previous,
            "adopted": claim.adopted,
        }


class InfoHandler(_Handler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        self.answer({**self.service.info(), "kernel_programs": await self.service.kernel_programs()})


class ResourcesHandler(_Handler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        try:
            seconds = float(self.get_argument("history", "0"))
        except ValueError:
            raise web.HTTPError(400, "history must be a number of seconds") from None
        now, history = self.service.sampler.read(seconds)
        if now is not None and self.service.idle_watch is not None:
            now.setdefault("idle_end", self.service.idle_watch.report())
        answer = {"now": now, "history": history}
        if self.get_argument("kernels", "0") == "1":
            kernels = self.kernel_manager.list_kernels()
            answer["kernels"] = await kernels if inspect.isawaitable(kernels) else kernels
            answer["sessions"] = await self.session_manager.list_sessions()
        self.answer(answer)


class KernelsHandler(_Handler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        self.answer(self.service.describe())

    @web.authenticated
    @authorized
    async def post(self) -> None:
        body = self.body()
        owner, exit_s = _owner(body), _exit_grace(body)
        name, path, notebook = body.get("name"), body.get("path"), body.get("notebook")
        if notebook and not path:
            raise web.HTTPError(400, "a notebook needs a path")
        try:
            kernel_id, granted = await self.service.start_kernel(
                name, path, notebook, body.get("session"), owner, exit_s, _exit_by(body)
            )
        except web.HTTPError:
            raise
        except Exception as error:
            raise web.HTTPError(500, str(error)) from error
        self.answer({"kernel": kernel_id, **self.granted(kernel_id, granted)}, 201)


class EndedHandler(_Handler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        self.answer(self.service.ended_kernels())


class LookHandler(_Handler):
    @web.authenticated
    @authorized
    async def get(self, kernel_id: str) -> None:
        found = await self.service.look(kernel_id, self.get_argument("stacks", "0") == "1")
        if found is None:
            self.answer({"message": "no process of this machine"}, 404)
        else:
            self.answer(found)


class ClaimsHandler(_Handler):
    @web.authenticated
    @authorized
    async def post(self) -> None:
        body = self.body()
        kernel_id, owner, exit_s = body.get("kernel"), _owner(body), _exit_grace(body)
        if not isinstance(kernel_id, str) or not self.service.has_kernel(kernel_id):
            self.answer({"error": "unknown", "message": "no such kernel"}, 404)
            return
        on_exit = body.get("on_exit")
        if on_exit is not None and on_exit not in ON_EXIT:
            raise web.HTTPError(400, "on_exit must be one of %s" % ", ".join(ON_EXIT))
        takeover = bool(body.get("takeover"))
        outcome = self.service.claim(kernel_id, body.get("session"), owner, takeover, on_exit, exit_s, _exit_by(body))
        if isinstance(outcome, Refused):
            refusal = {"error": "owned", "owner": outcome.owner, "epoch": outcome.epoch, "connected": True}
            self.answer(refusal, 409)
            return
        self.answer(self.granted(kernel_id, outcome))


class ReleaseHandler(_Handler):
    @web.authenticated
    @authorized
    async def post(self) -> None:
        body = self.body()
        client, on_exit = body.get("client"), body.get("on_exit")
        if not isinstance(client, str) or not client:
            raise web.HTTPError(400, "client must name the client")
        if on_exit is not None and on_exit not in ON_EXIT:
            raise web.HTTPError(400, "on_exit must be one of %s" % ", ".join(ON_EXIT))
        self.answer({"kernels": self.service.release(client, on_exit)})


class ActsHandler(_Handler):
    @web.authenticated
    @authorized
    async def post(self) -> None:
        body = self.body()
        kernel_id, act = body.get("kernel"), body.get("act")
        if not isinstance(kernel_id, str) or not isinstance(act, str) or len(act) > LONGEST_ACT:
            raise web.HTTPError(400, "kernel and act must be texts, act of at most %d characters" % LONGEST_ACT)
        self.answer({"handed": self.service.hand_on(kernel_id, act)})


def _owner(body: Dict[str, Any]) -> Dict[str, Any]:
    owner = body.get("owner")
    if not isinstance(owner, dict) or not isinstance(owner.get("client"), str) or not owner["client"]:
        raise web.HTTPError(400, "owner.client must name the client")
    _grace(owner, "line_grace_s")
    return owner


def _exit_grace(body: Dict[str, Any]) -> Optional[float]:
    return _grace(body, "exit_grace_s")


def _exit_by(body: Dict[str, Any]) -> str:
    return str(body.get("exit_grace_by") or "")[:60]


def _grace(body: Dict[str, Any], name: str) -> Optional[float]:
    grace = body.get(name)
    if grace is None:
        return None
    if isinstance(grace, bool) or not isinstance(grace, (int, float)) or not 0 <= grace <= LONGEST_GRACE_S:
        raise web.HTTPError(400, "%s must be a number of seconds up to %d" % (name, LONGEST_GRACE_S))
    return float(grace)


def routes(base_url: str, service: ExtensionService) -> List[Tuple[str, type, Dict[str, Any]]]:
    """Return Tornado's table of our paths."""
    table: List[Tuple[str, type]] = [
        ("info", InfoHandler),
        ("resources", ResourcesHandler),
        ("kernels", KernelsHandler),
        ("ended", EndedHandler),
        (r"look/([^/]+)", LookHandler),
        ("claims", ClaimsHandler),
        ("release", ReleaseHandler),
        ("acts", ActsHandler),
        (r"channels/([^/]+)", ChannelsHandler),
    ]
    return [
        (url_path_join(base_url, "jlab-mcp", path), handler, {"service": service}) for path, handler in table
    ]
