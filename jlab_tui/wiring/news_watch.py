"""Builds what `jlab-mcp events` needs."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from ..adapters.journal.additions import Additions
from ..adapters.journal.bell import BellReader, usable_fifo_dir
from ..core.news_desk import KINDS, NewsDesk
from ..core.settings import Settings
from ..services.news_watch import NewsWatch
from .server import make_access, make_launcher


def make_news_watch(settings: Settings, env: Mapping[str, str]) -> NewsWatch:
    """Watch the sessions of the client's conversation, where the environment names one, else all sessions of the project."""

    def bell(on_news: Callable[[list[dict[str, Any]]], None]) -> BellReader | None:
        if not settings.status_dir.is_dir():  # making it would make this directory a project
            return None
        return BellReader(usable_fifo_dir(settings.fifo_dir, os.getuid()), socket.gethostname(), on_news)

    desk = NewsDesk(env.get("CLAUDE_CODE_SESSION_ID", ""), settings.gpu_idle_warn_min)
    additions = Additions(settings.sessions_dir, settings.actions_dir, KINDS)
    return NewsWatch(
        desk, make_launcher(settings, env), make_access(settings, env), additions, bell, time.time
    )
