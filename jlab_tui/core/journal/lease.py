"""Who holds a session where no Jupyter extension arbitrates: the process that began the newest of its journals.

It touches that journal every `BEAT_S`. Who takes the session over begins the next journal, which only one can, and
seals those before it (takes the right to write away). A process that was stopped meanwhile finds its own journal sealed
at its next beat, and makes sure of it before it uses the session again.
"""

from __future__ import annotations

from typing import Final

BEAT_S: Final = 4.0
"""between two touches"""
STALE_S: Final = 45.0
"""after so much silence a session may be taken over from a process that may still live; `core.kernel.link.LEASE_S` is how long
that process itself goes on without having looked"""


def is_held(is_alive: bool | None, silent_s: float) -> bool:
    """Whether a session's last owner is to be respected.

    `is_alive`: its process; None on another host. `silent_s`: since its journal was touched, by the file server's clock.
    """
    return is_alive is not False and silent_s < STALE_S
