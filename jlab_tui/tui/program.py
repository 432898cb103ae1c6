"""Runs the dashboard in this terminal until the user leaves it."""

from __future__ import annotations

import os
import sys

from ..services.dashboard.actions import Actions
from ..services.dashboard.exports import Exports
from ..services.dashboard.looks import Looks
from ..services.dashboard.monitor import Source
from .app import Dashboard
from .options import DashboardOptions
from .screen_texts import farewell
from .terminal import prepare

CRASHED = 1
"""Textual's exit code after an exception"""


def run(source: Source, actions: Actions, looks: Looks, exports: Exports, options: DashboardOptions) -> int:
    """Show the dashboard until the user leaves, then print what is still running. Returns the exit code."""
    prepare(os.environ)
    app = Dashboard(source, actions, looks, exports, options)
    app.run()
    app.has_left()
    code = app.return_code or 0
    if code == CRASHED:
        sys.stderr.write(f"{options.details()}\n")
    if options.says_farewell and code in (0, 129, 143):
        text = farewell(app.source.server, app.source.rows)
        if text and code != 129:
            sys.stdout.write(text)
            sys.stdout.flush()
    return code
