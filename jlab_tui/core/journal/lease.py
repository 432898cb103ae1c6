"""Decides who holds a session on a server without the Jupyter extension: the process that began its newest journal.

It touches that journal every `BEAT_S`. Who takes the session over begins the next journal, which only one can, and
seals those before it (takes the right to write away). A process that was stopped meanwhile finds its own journal sealed
at its next beat, and makes sure of it before it uses the session again.
"""

from __future__ import annotations

from typing import Final

BEAT_S: Final = 4.0
"""seconds between two touches"""
STALE_S: Final = 45.0
"""after so much silence a session may be taken over from a process that may still live; `core.kernel.link.LEASE_S` is how long
that process itself goes on without having looked"""


def is_held(is_alive: bool | None, silent_s: float) -> bool:
    """Return whether a session still belongs to its last owner.

    `is_alive`: whether its process lives, None on another host. `silent_s`: seconds since the last touch of its journal,
    """
    return is_alive is not False and silent_s < STALE_S
