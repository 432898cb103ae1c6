"""How one dashboard looks and behaves."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.cli.picture_choice import Pictures
from .format import LocalTime

if TYPE_CHECKING:
    from ..services.dashboard.browser_way import BrowserWay
    from .narrator import Narrator
    from .recording import Recording

Story = Callable[["Narrator"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class DashboardOptions:
    readonly: bool = False
    """acting keys do nothing"""
    ascii: bool = False
    """draw with ASCII characters only"""
    pictures: Pictures = Pictures.AUTO
    """what images consist of"""
    theme: str = "night"
    """`night`, `day` or one of Textual's"""
    recording: Recording | None = None
    """what is played instead of a server's sessions"""
    says_farewell: bool = True
    """print at the end what is still running and how to stop it"""
    bell: bool = False
    """ring the terminal's bell when a long run ends"""
    gpu_idle_warn_min: float = 30.0
    """minutes of an idle GPU after which the user is told; 0: never"""
    clock: Callable[[], float] = time.time
    local: LocalTime = time.localtime
    details: Callable[[], str] = lambda: ""
    """names the log file once it contains something"""
    preload: Callable[[], None] = lambda: None
    """loads what the source needs; called in a thread after the first frame"""
    edit: Callable[[str], str] = lambda text: text
    """opens a text in the user's editor, which has the terminal meanwhile; raises UsageError"""
    open_at: Callable[[str, int], None] = lambda file, line: None
    """opens a file in the user's editor at a line; as `edit`"""
    page: Callable[[str, str], None] = lambda coloured, plain: None
    """shows a text, given with colours and without, in the user's pager; as `edit`"""
    find_file: Callable[[str, str], str] = lambda name, directory: ""
    """returns the absolute path of a file of this host, empty if there is none; a relative name is one of the directory's"""
    way: BrowserWay | None = None
    """how the user gets to JupyterLab; None in a replay"""
    hold: bool = False
    """hold all code from the start"""
    story: Story | None = None
    """runs beside the dashboard, and tells what happens"""
    is_live: bool = True
    """False in tests: no timers, no clock in the header"""
