"""The live page: read-only HTML under `<base_url>jlab-mcp/live`, behind Jupyter's login and authorization.

  GET live?session=S               the page, with the session's last cells in it
  GET live/script.js, live/style.css
  GET live/events?session=S&from=P server-sent events, each with the place in the record as its id, from which a connection goes on:
                                   `patch` [{id, in, html}], elements of the page as they are now; `again`: load the page again
  GET live/earlier?session=S&before=P   HTML of the cells before a place
  GET live/output?session=S&at=P&type=T an image, or HTML for a frame, from the line of the record at a place

P is `epoch.offset`, and in events `epoch.offset.acts`: the page has so many acts of users in dashboards, which no session's record has.
Nothing here changes anything, and no output is a script: what a browser gets has a policy that allows none.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import secrets
import time
from string import Template
from typing import Any, Dict, List, Optional, Tuple
from urllib.parse import urlencode

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import iostream, web

from .live_cells import LiveFeed
from .live_fragments import Patch, feed_html
from .live_markup import escaped
from .live_outputs import IMAGES, PAGE, Place
from .live_service import PAGES_MAX, Follower, LiveService

PACE_S = 0.1
"""at least between two messages to one page"""
AROUND_S = 2.0
BEAT_S = 15.0
STALL_S = 120.0
"""a page that takes nothing for so long is given up"""
_SESSION = re.compile(r"[A-Za-z0-9_-]{1,200}\Z")
_PLACE = re.compile(r"([0-9]{1,9})\.([0-9]{1,15})(?:\.([0-9]{1,9}))?\Z")
_HERE = os.path.dirname(os.path.abspath(__file__))
_FILES = {"script.js": "text/javascript", "style.css": "text/css"}
_PAGE_POLICY = (
    "default-src 'none'; script-src 'nonce-%s'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_OUTPUT_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'self'"
)
_FRAME = (
    '<!doctype html><meta charset="utf-8"><style>body{margin:8px;background:#fff;color:#1f2937;font:14px system-ui,sans-serif}'
    "table{border-collapse:collapse}td,th{padding:2px 8px}</style>"
)


class _LiveHandler(JupyterHandler):  # type: ignore[misc]
    auth_resource = "kernels"

    def initialize(self, live: LiveService) -> None:
        self.live = live

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.set_header("X-Content-Type-Options", "nosniff")

    @property
    def content_security_policy(self) -> str:
        return "default-src 'none'; frame-ancestors 'none'"

    def session(self) -> str:
        """Return the session that is asked for; empty for none."""
        session = self.get_argument("session", "")
        if session and not _SESSION.match(session):
            raise web.HTTPError(400, "session must be the id of a session")
        return str(session)

    def place(self, name: str, default: Optional[str] = None) -> Place:
        given = self.get_argument(name, default) if default is not None else self.get_argument(name)
        found = _place(str(given))
        if found is None:
            raise web.HTTPError(400, "%s must be a place in the record: epoch.offset" % name)
        return found[0]


class LivePageHandler(_LiveHandler):
    @property
    def content_security_policy(self) -> str:
        self.nonce = getattr(self, "nonce", None) or secrets.token_urlsafe(16)
        return _PAGE_POLICY % self.nonce

    @web.authenticated
    @authorized
    async def get(self) -> None:
        asked = self.session()
        if self.get_argument("token", None) is not None:
            # It has logged the browser in, and stays in no address.
            self.redirect("live" + ("?" + urlencode({"session": asked}) if asked else ""))
            return
        chosen = await self.live.run(self.live.chosen, asked)
        feed = await self.live.run(self.live.first, chosen) if chosen else LiveFeed()
        around = {patch.id: patch.html for patch in await self.live.run(self.live.surroundings, chosen)}
        session = chosen or asked
        if chosen:
            empty = "No cell has run yet."
        elif asked:
            empty = 'There is no session %s in this project. <a href="live">Show another session</a>' % escaped(asked)
        else:
            empty = "No session is open. Cells appear here when the agent runs code."
        name = str(feed.opened.get("name") or session)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(
            Template(_file("live.html")).substitute(
                nonce=self.nonce,
                session=escaped(session),
                place=_told(feed.place, feed.acts),
                now="%.3f" % time.time(),
                name=escaped(name),
                notebook=escaped(os.path.basename(str(feed.opened.get("notebook", "")))),
                title=escaped(name or "live"),
                earlier="" if feed.since > (1, 0) else "hidden",
                cells=feed_html(feed, chosen) or '<p class="empty">%s</p>' % empty,
                **around,
            )
        )


class LiveFileHandler(_LiveHandler):
    @web.authenticated
    @authorized
    async def get(self, name: str) -> None:
        content = _file("live" + os.path.splitext(name)[1])
        self.set_header("Content-Type", _FILES[name] + "; charset=utf-8")
        self.finish(content)


class LiveEarlierHandler(_LiveHandler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        cells = await self.live.run(self.live.earlier, self.session(), self.place("before"))
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(cells)


class LiveOutputHandler(_LiveHandler):
    @property
    def content_security_policy(self) -> str:
        return _OUTPUT_POLICY

    @web.authenticated
    @authorized
    async def get(self) -> None:
        mime, session, place = self.get_argument("type"), self.session(), self.place("at")
        if mime not in (*IMAGES, PAGE):
            raise web.HTTPError(400, "type must be one of %s" % ", ".join((*IMAGES, PAGE)))
        content = await self.live.run(self.live.content, session, place, mime)
        if content is None:
            raise web.HTTPError(404, "the record has no such output there")
        if mime == PAGE or mime == "image/svg+xml":
            self.set_header("Content-Type", mime + "; charset=utf-8")
            self.finish(((_FRAME if mime == PAGE else "") + content).encode("utf-8", "replace"))
            return
        self.set_header("Content-Type", mime)
        try:
            self.finish(base64.b64decode(content))
        except ValueError:
            raise web.HTTPError(404, "the output is not an image") from None


class LiveEventsHandler(_LiveHandler):
    """One connection of a page. What it has not taken yet is not made yet, so a slow one costs nothing."""

    def initialize(self, live: LiveService) -> None:
        super().initialize(live)
        self.bell = asyncio.Event()
        self.has_gone = False
        self.around: Dict[str, str] = {}
        """HTML of what stands around the feed, as the page has it"""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        session = self.session()
        self.place("from", "0.0")
        asked = self.get_argument("from", "0.0")
        since, acts = _place(self.request.headers.get("Last-Event-ID", "")) or _place(asked) or ((0, 0), 0)
        if self.live.pages >= PAGES_MAX:
            raise web.HTTPError(503, "too many pages are open")
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("X-Accel-Buffering", "no")
        self.write("retry: 1000\n\n")
        try:
            with self.live.following(session, self.bell) as follower:
                await self.send_news(follower, since, acts)
        except (iostream.StreamClosedError, asyncio.TimeoutError):
            self.has_gone = True

    async def send_news(self, follower: Follower, since: Place, acts: int) -> None:
        """Send what changes until the page goes."""
        around_at = beat_at = 0.0
        while not self.has_gone and not follower.has_failed:
            self.bell.clear()
            now = time.monotonic()
            patches: List[Patch] = []
            if now >= around_at:
                around_at = now + AROUND_S
                patches += await self.changed_around(follower.session)
            if follower.session:
                found = await self.live.run(follower.patches, since, acts)
                if found is None:
                    await self.send("event: again\ndata:\n\n")
                    return
                patches, since, acts = patches + found[0], found[1], found[2]
            elif await self.live.run(self.live.chosen, ""):
                await self.send("event: again\ndata:\n\n")  # the first session has come
                return
            if patches or now >= beat_at:
                beat_at = now + BEAT_S
                await self.send(_event(patches, since, acts))
            await asyncio.sleep(PACE_S)
            await _rung(self.bell, max(0.01, around_at - time.monotonic()))

    async def changed_around(self, session: str) -> List[Patch]:
        found = await self.live.run(self.live.surroundings, session)
        changed = [patch for patch in found if self.around.get(patch.id) != patch.html]
        self.around.update({patch.id: patch.html for patch in changed})
        return changed

    async def send(self, text: str) -> None:
        self.write(text)
        await asyncio.wait_for(self.flush(), STALL_S)

    def on_connection_close(self) -> None:
        self.has_gone = True
        self.bell.set()
        super().on_connection_close()


def _file(name: str) -> str:
    with open(os.path.join(_HERE, name), encoding="utf-8") as file:
        return file.read()


def _event(patches: List[Patch], place: Place, acts: int) -> str:
    content = json.dumps([patch.as_json() for patch in patches])
    return "event: patch\nid: %s\ndata: %s\n\n" % (_told(place, acts), content)


def _told(place: Place, acts: int) -> str:
    return "%d.%d.%d" % (*place, acts)


def _place(text: str) -> Optional[Tuple[Place, int]]:
    """Return a place, and how many acts of users a page has; None if it is neither."""
    found = _PLACE.match(text)
    return ((int(found[1]), int(found[2])), int(found[3] or 0)) if found is not None else None


async def _rung(bell: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(bell.wait(), seconds)
    except asyncio.TimeoutError:
        return


def live_routes(base_url: str, live: LiveService) -> List[Tuple[str, type, Dict[str, Any]]]:
    """Return Tornado's table of the page's paths."""
    table: List[Tuple[str, type]] = [
        ("live", LivePageHandler),
        (r"live/(script\.js|style\.css)", LiveFileHandler),
        ("live/events", LiveEventsHandler),
        ("live/earlier", LiveEarlierHandler),
        ("live/output", LiveOutputHandler),
    ]
    return [(url_path_join(base_url, "jlab-mcp", path), handler, {"live": live}) for path, handler in table]
