"""The program of a bridge's node end, and the command that starts it on a node.

It travels through the bridge's own pipe. So both ends are of one version, whatever the node sees of our files.
"""

from __future__ import annotations

import sys
from typing import Final

from ..extension_source import packed_modules

_FIND: Final = (
    'for python in "$1" python3 python; do "$python" -ISc "" 2>/dev/null && exec "$python" -ISu -c "$2" "$3"; done; '
    'echo "$(hostname) has no Python for the bridge" >&2; exit 4'
)
_START: Final = """
import os, sys
def take(size):
    taken = b""
    while len(taken) < size:
        part = os.read(0, size - len(taken))
        if not part: sys.exit(4)
        taken += part
    return taken
exec(take(int(take(8))))
"""


def node_command(socket: str) -> list[str]:
    """Return the command, which reads the program from its stdin; `socket`: path of the server's socket."""
    return ["sh", "-c", _FIND, "sh", sys.executable, _START, socket]


def node_program() -> bytes:
    """Return the program as the command reads it: its length in eight digits, then the source."""
    names = (
        "credentials",
        "loopback_owner",
        "bridge_pipe",
        "bridge_carrier",
        "bridge_node",
    )  # each imports only earlier ones
    source = packed_modules("jlab_mcp_bridge", names) + "sys.exit(module.main(sys.argv))\n"
    raw = source.encode()
    return b"%08d" % len(raw) + raw
